// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/threads/thread_pool.h"
#include "data/files.h"
#include "data/pictures.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"
#include "suanli/session.h"

namespace suanli::data {
namespace {

using namespace suanli::test;
namespace fs = std::filesystem;

Picture plain(int64_t height, int64_t width, int64_t channels, uint8_t value) {
  return {.height = height,
          .width = width,
          .channels = channels,
          .pixels = std::vector<uint8_t>(static_cast<size_t>(height * width * channels), value)};
}

void write(const std::string& path, const std::string& bytes) {
  fs::create_directories(fs::path(path).parent_path());
  write_bytes(path, bytes);
}

/// The start of a PNG of 60000×60000 pixels.
std::string bomb() {
  const std::string header =
      "IHDR" + big_endian(60000) + big_endian(60000) + std::string("\x08\0\0\0\0", 5);
  const uLong checksum =
      crc32(0, reinterpret_cast<const Bytef*>(header.data()), static_cast<uInt>(header.size()));
  return "\x89PNG\r\n\x1a\n" + big_endian(13) + header +
         big_endian(static_cast<uint32_t>(checksum));
}

/// 10 pictures in each of two classes, of all formats, sizes and channels; picture i of a class has
/// the value 10 i (cats) or 10 i + 5.
void write_pets(const TemporaryFolder& folder, const std::string& below = "") {
  for (int i = 0; i < 10; ++i) {
    const auto value = static_cast<uint8_t>(10 * i);
    write(folder / (below + "cats/" + std::to_string(i) + (i % 2 ? ".JPG" : ".jpeg")),
          jpeg_file(plain(40 + i, 60, i % 2 ? 1 : 3, value)));
    write(folder / (below + "dogs/deep/er/" + std::to_string(i) + (i % 2 ? ".png" : ".webp")),
          i % 2 ? encode_png(plain(50, 30 + i, 1, static_cast<uint8_t>(value + 5)))
                : webp_file(plain(50, 30 + i, 3, static_cast<uint8_t>(value + 5))));
  }
}

std::map<std::string, std::vector<int64_t>> labels_of(const Splits& s) {
  std::map<std::string, std::vector<int64_t>> out;
  for (auto& [name, set] : {std::pair{"train", s.train}, {"val", s.val}, {"test", s.test}}) {
    if (!set) continue;
    std::vector<float> x(static_cast<size_t>(set->info().input_shape.numel()));
    for (int64_t i = 0, y = 0; i < set->size(); ++i) {
      set->read(i, x.data(), &y);
      out[name].push_back(y);
    }
  }
  return out;
}

TEST(Folder, ReadsPicturesOfAnySize) {
  TemporaryFolder folder;
  write_pets(folder);
  write(folder / "dogs/notes.txt", "no picture");
  write(folder / "cats/.hidden.jpg", "no picture");
  const Splits s = open("folder:" + folder.path() + "?size=24", {.val_fraction = 0});
  const Info& info = s.train->info();
  EXPECT_EQ(info.kind, "folder");
  EXPECT_EQ(info.source, "folder:" + folder.path() + "?size=24");
  EXPECT_EQ(info.input_shape, (Shape{3, 24, 24}));  // some are in color, so all are
  EXPECT_EQ(info.class_names, (std::vector<std::string>{"cats", "dogs"}));
  ASSERT_EQ(s.train->size(), 20);
  double sum = 0, squares = 0;
  std::vector<float> x(3 * 24 * 24);
  for (int64_t i = 0, y = -1; i < 20; ++i) {
    s.train->read(i, x.data(), &y);
    EXPECT_EQ(y, i / 10);
    for (float v : x) {
      EXPECT_NEAR(255 * v, 10 * (i % 10) + 5 * (i / 10), 1.01) << i;
      sum += v;
      squares += v * v;
    }
  }
  const double n = 20 * 3 * 24 * 24;
  ASSERT_EQ(info.mean.size(), 3u);
  for (size_t c = 0; c < 3; ++c) {  // of gray pictures: the channels are equal
    EXPECT_NEAR(info.mean[c], sum / n, 1e-6);
    EXPECT_NEAR(info.stddev[c], std::sqrt(squares / n - sum / n * sum / n), 1e-6);
  }
  ASSERT_EQ(s.notes.size(), 2u);
  EXPECT_EQ(s.notes[0], "pictures in folders below a class belong to the class, such as " +
                            folder.path() + "/dogs/deep/er/0.webp");
  EXPECT_EQ(s.notes[1], "1 file(s) that are no .jpg, .jpeg, .png or .webp were left out: 1 .txt");
}

TEST(Folder, SaysHowFarItIs) {
  TemporaryFolder folder;
  write_pets(folder);
  std::map<std::string, std::vector<int64_t>> seen;
  set_open_listener([&](const OpenProgress& p) {
    EXPECT_EQ(p.total, 20);
    seen[p.what].push_back(p.done);
  });
  open("folder:" + folder.path(), {.val_fraction = 0});
  set_open_listener({});
  ASSERT_EQ(seen.size(), 2u);
  for (const auto& [what, done] : seen) {
    EXPECT_TRUE(std::is_sorted(done.begin(), done.end())) << what;
    EXPECT_TRUE(done.front() >= 1 && done.back() <= 20) << what;
  }
  open("folder:" + folder.path(), {.val_fraction = 0});
  EXPECT_EQ(seen.size(), 2u) << "nobody listens any more";
}

TEST(Folder, TheMiddleOfThePictureIsKept) {
  TemporaryFolder folder;
  Picture wide = plain(20, 60, 1, 0);  // white in the middle 20 columns
  for (int64_t y = 0; y < 20; ++y)
    for (int64_t x = 20; x < 40; ++x) wide.pixels[static_cast<size_t>(y * 60 + x)] = 255;
  write(folder / "a/1.png", encode_png(wide));
  write(folder / "b/1.png", encode_png(plain(20, 60, 1, 0)));
  const Splits s = open("folder:" + folder.path() + "?size=10", {.val_fraction = 0});
  std::vector<float> x(100);
  int64_t y = -1;
  s.train->read(0, x.data(), &y);
  EXPECT_EQ(x, std::vector<float>(100, 1.0f));
}

TEST(Folder, ShapeFollowsThePictures) {
  struct Case {
    const char* what;
    std::vector<Picture> pictures;
    const char* settings;
    Shape shape;
  };
  const Case cases[] = {
      {"all gray", {plain(30, 40, 1, 9), plain(41, 30, 1, 9)}, "?size=16", {1, 16, 16}},
      {"one in color", {plain(30, 40, 1, 9), plain(41, 30, 3, 9)}, "?size=16", {3, 16, 16}},
      {"height and width", {plain(30, 40, 1, 9), plain(41, 30, 1, 9)}, "?size=12x20", {1, 12, 20}},
      {"small, of one size", {plain(28, 20, 1, 9), plain(28, 20, 1, 9)}, "", {1, 28, 20}},
      {"photographs", {plain(300, 200, 3, 9), plain(200, 300, 3, 9)}, "", {3, 96, 96}},
      {"large, of one size", {plain(300, 200, 3, 9), plain(300, 200, 3, 9)}, "", {3, 96, 96}},
      {"small, of many sizes", {plain(30, 20, 3, 9), plain(40, 22, 3, 9)}, "", {3, 22, 22}},
  };
  for (const Case& c : cases) {
    TemporaryFolder folder;
    for (size_t i = 0; i < 2; ++i)
      write(folder / (std::to_string(i) + "/p.png"), encode_png(c.pictures[i]));
    const Splits s = open("folder:" + folder.path() + c.settings, {.val_fraction = 0});
    EXPECT_EQ(s.train->info().input_shape, c.shape) << c.what;
    // what was chosen is in the source, so that a run opens the same again
    EXPECT_EQ(open(s.train->info().source, {.val_fraction = 0}).train->info().fingerprint,
              s.train->info().fingerprint)
        << c.what;
  }
}

TEST(Folder, SplitsThatAreThereAreKept) {
  TemporaryFolder folder;
  write_pets(folder, "train/");
  write(folder / "valid/dogs/1.png", encode_png(plain(40, 40, 1, 7)));
  const Splits s = open("folder:" + folder.path() + "?size=8");
  EXPECT_EQ(s.train->size(), 20);
  ASSERT_TRUE(s.val);
  // by name, though it is the only class there
  EXPECT_EQ(labels_of(s)["val"], std::vector<int64_t>{1});
  EXPECT_EQ(s.test, nullptr);
  EXPECT_EQ(s.val->info().mean, s.train->info().mean);
  write(folder / "test/cats/1.png", encode_png(plain(40, 40, 1, 7)));
  EXPECT_EQ(open("folder:" + folder.path() + "?size=8").test->size(), 1);
}

using Tree = std::map<std::string, int>;  // folders, and how many pictures they hold

void write_tree(const TemporaryFolder& folder, const Tree& tree) {
  int value = 0;
  for (const auto& [path, count] : tree)
    for (int i = 0; i < count; ++i)
      write(folder / (path + "/" + std::to_string(i) + ".png"),
            encode_png(plain(8, 8, 1, static_cast<uint8_t>(++value))));
}

TEST(Folder, PartsAreFoundByTheirUsualNames) {
  struct Case {
    const char *train, *val, *test;
  };
  const Case cases[] = {{"train", "val", "test"},
                        {"Train", "Val", "Test"},
                        {"TRAIN", "VALID", "TEST"},
                        {"training", "validation", "testing"},
                        {"Training", "Validation", "Testing"},
                        {"trn", "dev", "tst"},
                        {"training_set", "valid_set", "test_set"},
                        {"Train Set", "eval", "Test Set"},
                        {"trainset", "Dev-Set", "testset"}};
  for (const Case& c : cases) {
    TemporaryFolder folder;
    Tree tree;
    for (auto [part, count] : {std::pair{c.train, 4}, {c.val, 2}, {c.test, 3}})
      for (const char* name : {"/cat", "/dog"}) tree[std::string(part) + name] = count;
    write_tree(folder, tree);
    const Splits s = open(folder.path());
    EXPECT_EQ(s.train->info().class_names, (std::vector<std::string>{"cat", "dog"})) << c.train;
    EXPECT_EQ((std::vector{s.train->size(), s.val->size(), s.test->size()}),
              (std::vector<int64_t>{8, 4, 6}))
        << c.train;
    // The same the other way round: a folder of the parts in each class.
    TemporaryFolder turned;
    tree.clear();
    for (auto [part, count] : {std::pair{c.train, 4}, {c.val, 2}, {c.test, 3}})
      for (const char* name : {"cat/", "dog/"}) tree[name + std::string(part)] = count;
    write_tree(turned, tree);
    const Splits t = open(turned.path());
    EXPECT_EQ(t.train->info().class_names, (std::vector<std::string>{"cat", "dog"})) << c.train;
    EXPECT_EQ((std::vector{t.train->size(), t.val->size(), t.test->size()}),
              (std::vector<int64_t>{8, 4, 6}))
        << c.train;
    EXPECT_EQ(labels_of(t)["test"], (std::vector<int64_t>{0, 0, 0, 1, 1, 1})) << c.train;
    EXPECT_TRUE(t.notes.size() == 1 && contains(t.notes[0], "looks like")) << t.notes.back();
  }
}

TEST(Folder, ClassesAndPartsAreToldApart) {
  struct Case {
    const char* what;
    Tree tree;
    const char* settings;
    std::vector<std::string> classes;  // or
    std::vector<std::string> message;  // of an error, or else of the notes
    std::vector<int64_t> sizes;  // of train and test
  };
  const Case cases[] = {
      {"classes called bus, car, train",
       {{"bus", 4}, {"car", 4}, {"train", 4}},
       "",
       {"bus", "car", "train"},
       {},
       {12, 0}},
      {"classes called train and test",
       {{"test", 4}, {"train", 4}},
       "",
       {"test", "train"},
       {"'test' and 'train' hold pictures and no class folders: they are taken for classes. Parts "
        "need a folder per class; ?splits=no says "
        "that these are classes"},
       {8, 0}},
      {"classes called train and test, asked for",
       {{"test", 4}, {"train", 4}},
       "splits=no",
       {"test", "train"},
       {},
       {8, 0}},
      {"parts with a number",
       {{"test1", 4}, {"train", 4}},
       "",
       {"test1", "train"},
       {"'test1' and 'train' hold pictures"},
       {8, 0}},
      {"three parts",
       {{"Test_2", 4}, {"Train", 4}, {"Validation", 4}},
       "",
       {"Test_2", "Train", "Validation"},
       {"'Test_2', 'Train' and 'Validation' hold pictures and no class folders"},
       {12, 0}},
      {"numbers of one part", {{"train1", 4}, {"train2", 4}}, "", {"train1", "train2"}, {}, {8, 0}},
      {"a class with folders, asked for",
       {{"bus/a", 4}, {"train/a", 4}, {"train/b", 4}},
       "splits=no",
       {"bus", "train"},
       {"belong to the class"},
       {12, 0}},
      {"a class with folders",
       {{"bus/x", 4}, {"train/a", 4}, {"train/b", 4}},
       "",
       {},
       {"'train' looks like a training part, but 'bus' beside it hold pictures too", "?splits=no",
        "?splits=yes"},
       {}},
      {"only one part, asked for",
       {{"bus/x", 4}, {"train/a", 4}, {"train/b", 4}},
       "splits=yes",
       {"a", "b"},
       {"not used: bus"},
       {8, 0}},
      {"a test part without labels, not asked for",
       {{"train/a", 4}, {"train/b", 4}, {"test", 3}},
       "",
       {"a", "b"},
       {"not used: test"},
       {8, 0}},
      {"a test part without labels",
       {{"train/a", 4}, {"train/b", 4}, {"test", 3}},
       "splits=yes",
       {},
       {"a picture beside the class folders"},
       {}},
      {"a part and other pictures",
       {{"train/a", 4}, {"train/b", 4}, {"test/a", 3}, {"extra", 3}},
       "",
       {"a", "b"},
       {"not used: extra"},
       {8, 3}},
      {"parts by two names",
       {{"train/a", 4}, {"Training/a", 4}},
       "",
       {},
       {"'Training' and 'train' both look like one part"},
       {}},
      {"parts by unusual names",
       {{"set1/cat", 4}, {"set1/dog", 4}, {"set2/cat", 4}, {"set2/dog", 4}},
       "",
       {},
       {"'set1', 'set2' all hold folders called 'cat', 'dog'", "?splits=no"},
       {}},
      {"no training part",
       {{"val/cat", 4}, {"val/dog", 4}, {"test/cat", 4}, {"test/dog", 4}},
       "",
       {},
       {"call the folders above them train, val and test"},
       {}},
      {"the same, classes",
       {{"set1/cat", 4}, {"set1/dog", 4}, {"set2/cat", 4}, {"set2/dog", 4}},
       "splits=no",
       {"set1", "set2"},
       {"belong to the class"},
       {16, 0}},
      {"one folder in each class",
       {{"n01/images", 4}, {"n02/images", 4}},
       "",
       {"n01", "n02"},
       {"belong to the class"},
       {8, 0}},
      {"folders of the classes' own",
       {{"cat/a", 4}, {"cat/b", 4}, {"dog/c", 4}},
       "",
       {"cat", "dog"},
       {"belong to the class"},
       {12, 0}},
      {"no training part, asked for",
       {{"a", 4}, {"b", 4}},
       "splits=yes",
       {},
       {"no folder called train"},
       {}},
  };
  for (const Case& c : cases) {
    TemporaryFolder folder;
    write_tree(folder, c.tree);
    const std::string spec =
        "folder:" + folder.path() + (*c.settings ? std::string("?") + c.settings : "");
    Splits s;
    const auto fault = fault_if_any<IoError>([&] { s = open(spec, {.val_fraction = 0}); });
    EXPECT_EQ(fault.has_value(), c.classes.empty()) << c.what;
    std::string told = fault ? fault->given + ". " + fault->remedy : "";
    if (fault) { EXPECT_TRUE(fault->argument.starts_with(folder.path())) << fault->argument; }
    if (s.train) {
      for (const std::string& note : s.notes) told += note + "\n";
      EXPECT_EQ(s.train->info().class_names, c.classes) << c.what;
      EXPECT_EQ((std::vector{s.train->size(), s.test ? s.test->size() : 0}), c.sizes) << c.what;
      EXPECT_EQ(open(s.train->info().source, {.val_fraction = 0}).train->info().fingerprint,
                s.train->info().fingerprint)
          << c.what;
    }
    for (const std::string& part : c.message)
      EXPECT_TRUE(contains(told, part)) << c.what << ": no `" << part << "` in\n" << told;
    if (c.message.empty()) { EXPECT_EQ(told, "") << c.what; }
  }
}

TEST(Folder, OtherKindsOfPicturesAreNamed) {
  TemporaryFolder folder;
  write_pets(folder);
  for (const char* name :
       {"cats/a.HEIC", "cats/b.heic", "dogs/c.tiff", "dogs/d.gif", "dogs/e.txt", "dogs/README"})
    write(folder / name, "x");
  const Splits s = open("folder:" + folder.path() + "?size=8", {.val_fraction = 0});
  EXPECT_EQ(s.notes.back(),
            "6 file(s) that are no .jpg, .jpeg, .png or .webp were left out: 1 without ending, 1 "
            ".gif, 2 .heic, 1 .tiff, 1 .txt; "
            "convert such pictures to JPEG or PNG to use them");
}

TEST(Folder, ClassesOfOnePictureCannotValidate) {
  TemporaryFolder folder;
  Tree tree;
  for (int i = 0; i < 12; ++i) tree["c" + std::to_string(i)] = 1;
  write_tree(folder, tree);
  auto read = [&] { open("folder:" + folder.path()); };
  EXPECT_FAULT(IoError, read(), .op = "", .argument = "folder:" + folder.path(),
               .given = "one training sample in each of 12 classes",
               .expected = "more, to keep some for validation");
  EXPECT_EQ(fault_of<IoError>(read).settings, std::vector<std::string>{"val"});
  EXPECT_EQ(open("folder:" + folder.path(), {.val_fraction = 0}).train->size(), 12);
}

TEST(Folder, SplitsEachClass) {
  TemporaryFolder folder;
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < (c == 2 ? 1 : 20); ++i)
      write(folder / (std::to_string(c) + "/" + std::to_string(i) + ".png"),
            encode_png(plain(8, 8, 1, static_cast<uint8_t>(c * 60 + i))));
  const std::string spec = "folder:" + folder.path();
  const Splits s = open(spec, {.seed = 3, .val_fraction = 0.2});
  std::map<int64_t, int> val, train;
  auto labels = labels_of(s);
  for (int64_t y : labels["val"]) ++val[y];
  for (int64_t y : labels["train"]) ++train[y];
  EXPECT_EQ(val, (std::map<int64_t, int>{{0, 4}, {1, 4}}));
  // a class of one picture trains
  EXPECT_EQ(train, (std::map<int64_t, int>{{0, 16}, {1, 16}, {2, 1}}));
  auto fingerprint = [&](uint64_t seed) {
    return open(spec, {.seed = seed, .val_fraction = 0.2}).val->info().fingerprint;
  };
  EXPECT_EQ(fingerprint(3), s.val->info().fingerprint);
  EXPECT_NE(fingerprint(4), s.val->info().fingerprint);
}

TEST(Folder, NothingDependsOnThreads) {
  TemporaryFolder folder;
  write_pets(folder);
  const int before = Session::current().threads();
  auto everything = [&](int threads) {
    Session::current().set_threads(threads);
    const Splits s = open("folder:" + folder.path() + "?size=16", {.val_fraction = 0});
    std::vector<double> all = s.train->info().mean;
    all.insert(all.end(), s.train->info().stddev.begin(), s.train->info().stddev.end());
    all.push_back(static_cast<double>(s.train->info().fingerprint >> 12));
    Loader loader(s.train,
                  {.batch_size = 7, .shuffle = true, .seed = 5, .threads = threads, .queue = 2});
    for (auto& [x, y] : loader) {
      for (float v : x.to_vector<float>()) all.push_back(static_cast<double>(v));
      for (int64_t v : y.to_vector<int64_t>()) all.push_back(static_cast<double>(v));
    }
    return all;
  };
  const std::vector<double> one = everything(1), three = everything(3);
  Session::current().set_threads(before);
  EXPECT_EQ(one, three);
}

TEST(Folder, FingerprintSeesNamesLabelsAndBytes) {
  auto fingerprint = [](const std::function<void(const TemporaryFolder&)>& change) {
    TemporaryFolder folder;
    write_pets(folder);
    change(folder);
    return open("folder:" + folder.path() + "?size=16", {.val_fraction = 0})
        .train->info()
        .fingerprint;
  };
  const std::set<uint64_t> seen = {
      fingerprint([](const TemporaryFolder&) {}),
      fingerprint(
          [](const TemporaryFolder& f) { fs::rename(f / "cats/1.JPG", f / "cats/1b.jpg"); }),
      fingerprint([](const TemporaryFolder& f) { fs::rename(f / "cats/1.JPG", f / "dogs/1.JPG"); }),
      fingerprint([](const TemporaryFolder& f) { fs::rename(f / "cats", f / "kits"); }),
      fingerprint([](const TemporaryFolder& f) { fs::remove(f / "cats/1.JPG"); }),
      fingerprint([](const TemporaryFolder& f) {
        write(f / "cats/1.JPG", jpeg_file(plain(41, 60, 1, 11)));
      }),
  };
  EXPECT_EQ(seen.size(), 6u);
  // the place of the folder does not count
  EXPECT_EQ(seen.count(fingerprint([](const TemporaryFolder&) {})), 1u);
}

TEST(Folder, SaysWhatIsWrong) {
  const std::string good = jpeg_file(slope(40, 40, 3));
  struct Bad {
    const char* what;
    std::function<void(const TemporaryFolder&)> damage;
    const char* names;  // below the folder; "" the folder itself
    std::string at;  // in that file
    std::vector<std::string> message;
    bool can_be_skipped = false;
  };
  const char* wanted = "no pictures (.jpg, .jpeg, .png, .webp)";
  const Bad cases[] = {
      {"truncated",
       [&](auto& f) { write(f / "dogs/x.jpg", good.substr(0, good.size() / 2)); },
       "dogs/x.jpg",
       ": byte " + std::to_string(good.size() / 2) + " of " + std::to_string(good.size() / 2),
       {"the file is truncated"},
       true},
      {"no picture",
       [](auto& f) { write(f / "cats/x.png", "text"); },
       "cats/x.png",
       ": byte 0",
       {"an unknown format"},
       true},
      {"two of them",
       [](auto& f) {
         write(f / "cats/x.png", "text");
         write(f / "cats/y.png", "text");
       },
       "cats/x.png",
       ": byte 0",
       {"2 of 22 pictures are bad, also "},
       true},
      {"twelve of them, in two ways",
       [&](auto& f) {
         for (int i = 10; i < 16; ++i) write(f / ("cats/" + std::to_string(i) + ".png"), "text");
         for (int i = 10; i < 16; ++i)
           write(f / ("dogs/" + std::to_string(i) + ".jpg"), good.substr(0, good.size() / 2));
       },
       "cats/10.png",
       ": byte 0",
       {"12 of 32 pictures are bad, also ", "/cats/15.png, ", "/dogs/10.jpg, ",
        "/dogs/13.jpg, …. Or leave such files out."},
       true},
      {"empty file",
       [](auto& f) { write(f / "cats/x.png", ""); },
       "cats/x.png",
       ": byte 0",
       {"the file is empty"},
       true},
      {"link to nowhere",
       [](auto& f) { fs::create_symlink("nowhere", f / "cats/x.png"); },
       "cats/x.png",
       "",
       {"cannot be opened"},
       true},
      {"bomb",
       [](auto& f) { write(f / "cats/x.png", bomb()); },
       "cats/x.png",
       ": byte 16",
       {"60000×60000 pixels"},
       true},
      {"empty class",
       [](auto& f) { fs::create_directories(f / "birds"); },
       "birds",
       "",
       {std::string(wanted) + " in this class folder"}},
      {"all of a class bad",
       [](auto& f) { write(f / "birds/1.png", "text"); },
       "birds/1.png",
       ": byte 0",
       {"an unknown format"}},
      {"one class",
       [](auto& f) { fs::remove_all(f / "dogs"); },
       "",
       "",
       {"one class only, 'cats'", "Add a sub-folder."}},
      {"a folder around it",
       [](auto& f) {
         fs::create_directories(f / "pets");
         fs::rename(f / "cats", f / "pets/cats");
         fs::rename(f / "dogs", f / "pets/dogs");
       },
       "",
       "",
       {"one class only, 'pets'", "Perhaps ", "/pets is meant. Give that folder."}},
      {"pictures of other kinds",
       [](auto& f) {
         write(f / "birds/1.HEIC", "x");
         write(f / "birds/2.heic", "x");
         write(f / "birds/3.bmp", "x");
       },
       "birds",
       "",
       {wanted, "Others are not read (1 .bmp, 2 .heic): convert them."}},
      {"no class",
       [](auto& f) {
         fs::remove_all(f / "dogs");
         fs::remove_all(f / "cats");
       },
       "",
       "",
       {"no class folders"}},
      {"loose picture",
       [&](auto& f) { write(f / "x.jpg", good); },
       "x.jpg",
       "",
       {"a picture beside the class folders", "/CLASS/x.jpg"}},
      {"loop",
       [](auto& f) { fs::create_directory_symlink("../..", f / "dogs/deep/loop"); },
       "dogs/deep/loop",
       "",
       {"a link back to ", "Remove the link."}},
      {"loop from above",
       [](auto& f) { fs::create_directory_symlink("../../../..", f / "dogs/deep/loop"); },
       "dogs/deep/loop",
       "",
       {"a link back to "}},
      {"loop to itself",
       [](auto& f) { fs::create_directory_symlink(".", f / "dogs/loop"); },
       "dogs/loop",
       "",
       {"a link back to "}},
      {"name",
       [](auto& f) { fs::create_directories(f / "\xFF\xFE"); },
       "\xFF\xFE",
       "",
       {"a name that is no UTF-8"}},
      {"unknown class in val",
       [&](auto& f) {
         fs::create_directories(f / "train");
         fs::rename(f / "cats", f / "train/cats");
         fs::rename(f / "dogs", f / "train/dogs");
         write(f / "val/dog/1.jpg", good);
       },
       "val/dog",
       "",
       {"the class 'dog'", "Did you mean 'dogs'?"}},
  };
  for (const Bad& c : cases) {
    TemporaryFolder folder;
    write_pets(folder);
    c.damage(folder);
    const std::string spec = "folder:" + folder.path() + "?size=16";
    SCOPED_TRACE(c.what);
    const std::string path = *c.names ? folder / c.names : folder.path();
    const Fault fault = fault_of<IoError>([&] { open(spec); });
    // the room of files says by itself where it could not open one
    if (c.message.front() == "cannot be opened") {
      EXPECT_TRUE(contains(told(fault), path)) << told(fault);
    } else {
      EXPECT_EQ(fault.argument, path + c.at);
    }
    const std::string said = fault.given + ". " + fault.remedy;
    for (const std::string& part : c.message)
      EXPECT_TRUE(contains(said, part)) << "no `" << part << "` in\n" << said;
    const auto skipping = fault_if_any<IoError>([&] {
      const Splits s = open(spec + "&skip_bad=1", {.val_fraction = 0});
      EXPECT_EQ(s.train->size(), 20) << c.what;
      EXPECT_TRUE(contains(s.notes.back(), "bad picture(s) left out: " + (folder / c.names)))
          << c.what << s.notes.back();
      labels_of(s);  // every one that is left can be read
    });
    EXPECT_EQ(!skipping, c.can_be_skipped);
    if (c.can_be_skipped) {
      EXPECT_TRUE(fault.remedy.ends_with("eave such files out.")) << fault.remedy;
      EXPECT_EQ(fault.settings, std::vector<std::string>{"skip_bad"});
    }
  }
}

TEST(Folder, AFileThatIsDamagedLaterIsNamed) {
  TemporaryFolder folder;
  write_pets(folder);
  const Splits s = open("folder:" + folder.path() + "?size=16", {.val_fraction = 0});
  write(folder / "cats/3.JPG", "gone");
  EXPECT_FAULT(IoError, labels_of(s), .argument = (folder / "cats/3.JPG") + ": byte 0",
               .given = "an unknown format", .expected = "JPEG, PNG or WebP");
  EXPECT_EQ(fault_of<IoError>([&] { labels_of(s); }).settings,
            std::vector<std::string>{"skip_bad"});
}

TEST(Folder, FitsATrainedModel) {
  TemporaryFolder folder;
  write(folder / "dogs/1.png", encode_png(plain(50, 50, 1, 7)));
  const Splits s =
      open("folder:" + folder.path(),
           {.val_fraction = 0, .input_shape = {3, 20, 20}, .class_names = {"cats", "dogs"}});
  EXPECT_EQ(s.train->info().input_shape, (Shape{3, 20, 20}));
  EXPECT_EQ(labels_of(s)["train"], std::vector<int64_t>{1});
  auto with_other_classes = [&] {
    open("folder:" + folder.path(), {.class_names = {"cats", "birds"}});
  };
  EXPECT_FAULT(IoError, with_other_classes(), .argument = folder / "dogs",
               .given = "the class 'dogs'", .expected = "one of the 2 classes of training");
}

TEST(Folder, APathAloneIsDetected) {
  TemporaryFolder folder;
  write_pets(folder, "pets/");
  const Splits s = open(folder / "pets?size=8");
  EXPECT_EQ(s.train->info().source, "folder:" + (folder / "pets") + "?size=8");
  EXPECT_EQ(s.notes[0], (folder / "pets") + " looks like folder:" + (folder / "pets") + "?size=8");
  fs::rename(folder / "pets", folder / "is it?");  // a question mark in the name
  EXPECT_EQ(open(folder / "is it?").train->size(), 18);
  fs::create_directories(folder / "else/where");
  EXPECT_FAULT(IoError, open(folder / "else"), .argument = folder / "else",
               .given = "no data of a known kind");
}

TEST(Folder, RealFlowers) {
  if (real_data().empty() || !fs::exists(real_data() + "/flower_photos"))
    GTEST_SKIP() << "SUANLI_DATA holds no flower_photos";
  const Splits s = open(real_data() + "/flower_photos");
  EXPECT_EQ(s.train->size(), 300);
  EXPECT_EQ(s.val->size(), 100);
  EXPECT_EQ(s.train->info().input_shape, (Shape{3, 96, 96}));
  EXPECT_EQ(s.train->info().class_names,
            (std::vector<std::string>{"daisy", "dandelion", "roses", "sunflowers", "tulips"}));
}

}  // namespace
}  // namespace suanli::data
