// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text/text.h"
#include "data/files.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

/// A small, sound data set on disk: 12 training and 6 test images of 4×5; label i mod 10.
std::map<std::string, std::string> small_files() {
  auto images = [](uint32_t n, char start) {
    std::string values;
    for (uint32_t i = 0; i < n * 20; ++i) values += static_cast<char>(start + static_cast<char>(i));
    return idx(0x08, {n, 4, 5}, values);
  };
  auto labels = [](uint32_t n) {
    std::string values;
    for (uint32_t i = 0; i < n; ++i) values += static_cast<char>(i % 10);
    return idx(0x08, {n}, values);
  };
  return {{"train-images-idx3-ubyte", images(12, 0)},
          {"train-labels-idx1-ubyte", labels(12)},
          {"t10k-images-idx3-ubyte", images(6, 100)},
          {"t10k-labels-idx1-ubyte", labels(6)}};
}

void write_all(const TemporaryFolder& folder, const std::map<std::string, std::string>& files) {
  for (const auto& [name, bytes] : files) write_bytes(folder / name, bytes);
}

std::vector<float> values_of(const Dataset& set, int64_t index, int64_t* label = nullptr) {
  std::vector<float> x(static_cast<size_t>(set.info().input_shape.numel()));
  int64_t y = -1;
  set.read(index, x.data(), &y);
  if (label) *label = y;
  return x;
}

TEST(Open, ReadsIdxFiles) {
  TemporaryFolder folder;
  write_all(folder, small_files());
  const Splits s = open("mnist:" + folder.path(), {.val_fraction = 0});
  ASSERT_EQ(s.train->size(), 12);
  ASSERT_EQ(s.test->size(), 6);
  EXPECT_EQ(s.val, nullptr);
  const Info& info = s.train->info();
  EXPECT_EQ(info.kind, "mnist");
  EXPECT_EQ(info.source, "mnist:" + folder.path());
  EXPECT_EQ(info.input_shape, (Shape{1, 4, 5}));
  EXPECT_EQ(info.classes, 10);
  EXPECT_EQ(info.class_names[3], "3");
  int64_t label = -1;
  const std::vector<float> x = values_of(*s.train, 11, &label);
  EXPECT_EQ(label, 1);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(x[i], static_cast<float>(220 + i) / 255.0f);
  // 0, 1, …, 239: mean 119.5, variance (240² − 1) / 12
  ASSERT_EQ(info.mean.size(), 1u);
  EXPECT_NEAR(info.mean[0], 119.5 / 255, 1e-12);
  EXPECT_NEAR(info.stddev[0], std::sqrt((240.0 * 240 - 1) / 12) / 255, 1e-12);
  EXPECT_EQ(s.test->info().mean, info.mean);
}

TEST(Open, PlainGzipAndOtherSpellingsAgree) {
  TemporaryFolder plain, packed, dotted;
  write_all(plain, small_files());
  for (const auto& [name, bytes] : small_files()) {
    write_bytes(packed / (name + ".gz"), gzip(bytes));
    std::string other = name;
    other[name.find("-idx")] = '.';
    write_bytes(dotted / other, bytes);
  }
  const Splits a = open("mnist:" + plain.path()), b = open("mnist:" + packed.path()),
               c = open("fashion-mnist:" + dotted.path());
  for (const Splits& other : {b, c}) {
    EXPECT_EQ(a.train->info().fingerprint, other.train->info().fingerprint);
    EXPECT_EQ(a.val->info().fingerprint, other.val->info().fingerprint);
    EXPECT_EQ(a.test->info().fingerprint, other.test->info().fingerprint);
  }
  EXPECT_EQ(c.train->info().class_names[9], "Ankle boot");
}

TEST(Open, ClothesAreKnownByLabelsOrName) {
  struct Case {
    const char *what, *folder;
    std::string labels;
    const char* kind;
    const char* note;
  };
  const Case cases[] = {
      {"labels of Fashion-MNIST", "data", std::string("\x9\0\0\x3\0\x2\x7\x2\x5\x5\0\0", 12),
       "fashion-mnist", ""},
      {"labels of MNIST", "fashion", std::string("\x5\0\x4\x1\x9\x2\x1\x3\x1\x4\0\0", 12), "mnist",
       ""},
      {"others, by name", "FashionMNIST/raw", std::string(12, '\1'), "fashion-mnist", ""},
      {"others", "fashionable/data/mine", std::string(12, '\1'), "mnist", "write fashion-mnist:"}};
  for (const Case& c : cases) {
    TemporaryFolder folder;
    auto files = small_files();
    files["train-labels-idx1-ubyte"] = idx(0x08, {12}, c.labels);
    std::filesystem::create_directories(folder / c.folder);
    for (const auto& [name, bytes] : files)
      write_bytes(folder / (std::string(c.folder) + "/" + name + ".gz"), gzip(bytes));
    const Splits s = open(folder / c.folder, {.val_fraction = 0});
    EXPECT_EQ(s.train->info().kind, c.kind) << c.what;
    std::string notes;
    for (const std::string& n : s.notes) notes += n + "\n";
    EXPECT_TRUE(contains(notes, c.note)) << c.what << "\n" << notes;
    EXPECT_EQ(contains(notes, "write fashion-mnist:"), *c.note != 0) << c.what << "\n" << notes;
  }
  TemporaryFolder folder;
  auto files = small_files();
  files["train-labels-idx1-ubyte"] = idx(0x08, {12}, cases[0].labels);
  write_all(folder, files);
  const Splits said = open("mnist:" + folder.path(), {.val_fraction = 0});
  EXPECT_EQ(said.train->info().kind, "mnist");
  ASSERT_EQ(said.notes.size(), 1u);
  EXPECT_TRUE(contains(said.notes[0], "the labels are those of Fashion-MNIST")) << said.notes[0];
}

TEST(Open, FingerprintSeesEveryByte) {
  std::set<uint64_t> seen;
  auto fingerprint = [](const std::map<std::string, std::string>& files) {
    TemporaryFolder folder;
    write_all(folder, files);
    return open("mnist:" + folder.path(), {.val_fraction = 0}).train->info().fingerprint;
  };
  seen.insert(fingerprint(small_files()));
  for (size_t i = 16; i < 16 + 240; i += 17) {
    auto files = small_files();
    files["train-images-idx3-ubyte"][i] ^= 1;
    seen.insert(fingerprint(files));
  }
  for (size_t i = 8; i < 8 + 12; ++i) {
    auto files = small_files();
    files["train-labels-idx1-ubyte"][i] ^= 1;
    seen.insert(fingerprint(files));
  }
  EXPECT_EQ(seen.size(), 1u + 15 + 12);
}

struct Bad {
  const char* what;
  std::function<void(std::map<std::string, std::string>&)> damage;
  const char* at;  // "FILE: position" below the folder; "" the folder itself
  std::string given, expected;
  const char* remedy;
};

TEST(Open, SaysWhatIsWrongWithTheFiles) {
  using Files = std::map<std::string, std::string>;
  const char *images = "train-images-idx3-ubyte", *labels = "train-labels-idx1-ubyte",
             *test_images = "t10k-images-idx3-ubyte";
  auto one_of = [](const std::string& name, const std::string& dotted) {
    return "one of " + name + ", " + name + ".gz, " + name + ".xz, " + dotted + ", " + dotted +
           ".gz, " + dotted + ".xz";
  };
  const char *folder_of_files = "Give the folder that holds the four files of mnist.",
             *swapped = "Its name or content was swapped. Get the file again.",
             *original = "Get the original file.",
             *together = "The two files do not belong together. Get both from one place.",
             *again = "Copy or download the file again.",
             *of_labels = "The file is damaged or of another data set (more than 10 classes?).";
  const Bad cases[] = {
      {"missing", [&](Files& f) { f.erase(labels); }, "",
       "only t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, train-images-idx3-ubyte",
       one_of(labels, "train-labels.idx1-ubyte"), folder_of_files},
      {"swapped", [&](Files& f) { std::swap(f[images], f[labels]); },
       "train-images-idx3-ubyte: byte 3", "labels, [12] u8", "images", swapped},
      {"labels are images", [&](Files& f) { f[labels] = f[images]; },
       "train-labels-idx1-ubyte: byte 3", "images, [12, 4, 5] u8", "labels", swapped},
      {"two axes", [&](Files& f) { f[images] = idx(8, {12, 20}, std::string(240, 'x')); },
       "train-images-idx3-ubyte: byte 2", "[12, 20] u8", "images, [N, height, width] u8", original},
      {"not u8", [&](Files& f) { f[labels] = idx(0x0C, {12}, std::string(48, '\0')); },
       "train-labels-idx1-ubyte: byte 2", "[12] i32", "labels, [N] u8", original},
      {"no images", [&](Files& f) { f[images] = idx(8, {0, 4, 5}, ""); },
       "train-images-idx3-ubyte: byte 4", "no pixels, [0, 4, 5]", "images", original},
      {"no pixels", [&](Files& f) { f[images] = idx(8, {12, 0, 5}, ""); },
       "train-images-idx3-ubyte: byte 4", "no pixels, [12, 0, 5]", "images", original},
      {"count", [&](Files& f) { f[labels] = idx(8, {11}, std::string(11, '\0')); },
       "train-labels-idx1-ubyte: byte 4", "11 labels",
       "12, as FOLDER/train-images-idx3-ubyte has images", together},
      {"label", [&](Files& f) { f[labels][8 + 5] = 17; }, "train-labels-idx1-ubyte: byte 13",
       "label 17 at index 5", "0 to 9", of_labels},
      {"other size", [&](Files& f) { f[test_images] = idx(8, {6, 5, 4}, std::string(120, 'x')); },
       "t10k-images-idx3-ubyte: byte 8", "5×4 images",
       "4×5, as those of FOLDER/train-images-idx3-ubyte", together},
      {"truncated", [&](Files& f) { f[images].resize(100); }, "train-images-idx3-ubyte: byte 100",
       "truncated after 84 bytes of values", "240 for [12, 4, 5] u8 values", again},
      {"all missing", [&](Files& f) { f.clear(); }, "", "an empty folder",
       one_of(images, "train-images.idx3-ubyte"), folder_of_files},
  };
  for (const Bad& c : cases) {
    TemporaryFolder folder;
    auto files = small_files();
    c.damage(files);
    write_all(folder, files);
    SCOPED_TRACE(c.what);
    std::string expected = c.expected;
    if (const size_t at = expected.find("FOLDER"); at != std::string::npos)
      expected.replace(at, 6, folder.path());
    EXPECT_FAULT(IoError, open("mnist:" + folder.path()), .op = "",
                 .argument = *c.at ? folder / c.at : folder.path(), .given = c.given,
                 .expected = expected, .remedy = c.remedy);
  }
}

TEST(Open, SaysWhatIsWrongWithTheFolder) {
  TemporaryFolder folder;
  EXPECT_FAULT(IoError, open("mnist:" + (folder / "none")), .argument = folder / "none",
               .given = "no such folder");
  write_bytes(folder / "file", "x");
  EXPECT_FAULT(IoError, open("mnist:" + (folder / "file")), .argument = folder / "file",
               .given = "a file", .expected = "a folder");
  std::filesystem::create_directories(folder / "MNIST/raw");
  EXPECT_EQ(fault_of<IoError>([&] { open("mnist:" + folder.path()); }).remedy,
            "Perhaps it lies in " + (folder / "MNIST/raw") + ". Give that folder.");
  std::filesystem::create_directories(folder / "train-images-idx3-ubyte");
  EXPECT_FAULT(IoError, open("mnist:" + folder.path()),
               .argument = folder / "train-images-idx3-ubyte", .given = "a folder",
               .expected = "the file train-images-idx3-ubyte");
}

TEST(Open, SaysWhatIsWrongWithTheSpec) {
  struct Case {
    std::string spec, at, given, expected, remedy;
  };
  const std::string key_value = "a setting of the form key=value",
                    escapes = "Within a value, write & as %26, % as %25, a comma as %2C.",
                    count = "a whole number from 1 to 2000000";
  const Case cases[] = {
      {"mnist", "", "no path", "mnist:PATH", ""},
      {"mnist:", "", "no path", "mnist:PATH", ""},
      {"glyphs:dir", "", "a path, 'dir'", "glyphs, or glyphs?train=12000&test=2000&seed=0",
       "Glyphs are drawn, not read."},
      {"glyphs?trian=5", "", "`trian`", "a setting of glyphs, one of train, test, seed",
       "Did you mean `train`?"},
      {"packed:x?size=5", "", "`size`", "no setting of packed", ""},
      {"glyphs?train", "", "`train`", key_value, escapes},
      {"glyphs?", "", "``", key_value, escapes},
      {"glyphs?train=", ": train", "''", count, ""},
      {"glyphs?train=0", ": train", "'0'", count, ""},
      {"glyphs?train=1e3", ": train", "'1e3'", count, ""},
      {"glyphs?train=-1", ": train", "'-1'", count, ""},
      {"glyphs?train=99999999999999999999", ": train", "'99999999999999999999'", count, ""},
      {"glyphs?train=10&train=20", ": train", "two values", "one", ""},
      {"csv:x?target=y&decimal=comma&thousands=comma", ": thousands", "comma",
       "another sign than that of decimal", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.spec);
    EXPECT_FAULT(ArgumentError, open(c.spec), .op = "", .argument = c.spec + c.at, .given = c.given,
                 .expected = c.expected, .remedy = c.remedy);
  }
  struct Unknown {
    const char *spec, *given, *remedy;
  };
  const char *neither = "neither a kind of data nor a path that exists",
             *no_data = "no data of a known kind";
  TemporaryFolder folder;
  write_bytes(folder / "a.zip", "x");
  write_bytes(folder / "a.jpg", "x");
  const std::string zip = folder / "a.zip", picture = folder / "a.jpg";
  for (const Unknown& c : {Unknown{"glpyhs", neither, "Did you mean `glyphs`?"},
                           {"mnsit:x", neither, "Did you mean `mnist`?"},
                           {"wombat:x", neither, ""},
                           {"", neither, ""},
                           {"/dev/null", no_data, "Give such a folder or file."},
                           {zip.c_str(), "an archive", "Unpack it and give the folder."},
                           {picture.c_str(), "one picture",
                            "Give the folder that holds a folder of pictures per class."}}) {
    SCOPED_TRACE(c.spec);
    EXPECT_FAULT(IoError, open(c.spec), .op = "", .argument = c.spec, .given = c.given,
                 .remedy = c.remedy);
    const Fault fault = fault_of<IoError>([&] { open(c.spec); });
    EXPECT_TRUE(fault.expected.starts_with("one of glyphs[?") &&
                contains(fault.expected, "mnist:DIR"))
        << fault.expected;
  }
  for (double fraction : {-0.1, 1.0, 2.0, std::nan("")})
    EXPECT_FAULT(ArgumentError, open("glyphs?train=10&test=1", {.val_fraction = fraction}),
                 .op = "open", .argument = "val_fraction", .given = str(fraction));
  EXPECT_FAULT(IoError, open("glyphs?train=1&test=1"), .argument = "glyphs?train=1&test=1",
               .given = "1 training samples", .expected = "more, to keep 1 for validation");
  EXPECT_EQ(fault_of<IoError>([&] { open("glyphs?train=1&test=1"); }).settings,
            std::vector<std::string>{"val"});
}

TEST(Open, ValidationIsAPartitionAndAFunctionOfTheSeed) {
  const std::string spec = "glyphs?train=200&test=10";
  const Splits whole = open(spec, {.val_fraction = 0});
  std::map<std::vector<float>, int64_t> where;
  for (int64_t i = 0; i < 200; ++i) where[values_of(*whole.train, i)] = i;
  ASSERT_EQ(where.size(), 200u);

  auto indices = [&](const Dataset& set) {
    std::vector<int64_t> out;
    for (int64_t i = 0; i < set.size(); ++i) out.push_back(where.at(values_of(set, i)));
    return out;
  };
  const Splits a = open(spec, {.seed = 1, .val_fraction = 0.25}),
               again = open(spec, {.seed = 1, .val_fraction = 0.25});
  const Splits b = open(spec, {.seed = 2, .val_fraction = 0.25});
  EXPECT_EQ(a.val->size(), 50);
  EXPECT_EQ(a.train->size(), 150);
  EXPECT_EQ(indices(*a.val), indices(*again.val));
  EXPECT_NE(indices(*a.val), indices(*b.val));
  EXPECT_EQ(a.train->info().fingerprint, again.train->info().fingerprint);
  EXPECT_NE(a.train->info().fingerprint, b.train->info().fingerprint);
  std::set<int64_t> all;
  for (int64_t i : indices(*a.train)) all.insert(i);
  for (int64_t i : indices(*a.val)) all.insert(i);
  EXPECT_EQ(all.size(), 200u);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
}

TEST(Open, SubsetChecksItsIndices) {
  const Splits s = open("glyphs?train=10&test=1", {.val_fraction = 0});
  EXPECT_EQ(values_of(*subset(s.train, {7, 3, 3}), 1), values_of(*s.train, 3));
  for (int64_t bad : {10, -1})
    EXPECT_FAULT(ArgumentError, subset(s.train, {bad}), .op = "subset", .argument = "indices",
                 .given = std::to_string(bad), .expected = "at least 0, below 10");
}

struct Real {
  const char* kind;
  double mean, stddev;
  std::vector<int64_t> train_labels;
};

// Counts, label histograms and statistics as published for the two sets.
TEST(Open, RealMnistAndFashion) {
  const std::string folder = real_data();
  if (folder.empty()) GTEST_SKIP() << "SUANLI_DATA is not set: no real data here";
  const Real cases[] = {
      {"mnist", 0.1307, 0.3081, {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}},
      {"fashion-mnist", 0.2860, 0.3530, std::vector<int64_t>(10, 6000)}};
  for (const Real& c : cases) {
    if (!std::filesystem::exists(folder + "/" + c.kind))
      GTEST_SKIP() << "SUANLI_DATA holds no " << c.kind;
    const Splits s = open(std::string(c.kind) + ":" + folder + "/" + c.kind, {.val_fraction = 0});
    EXPECT_EQ(s.train->size(), 60000);
    EXPECT_EQ(s.test->size(), 10000);
    EXPECT_EQ(s.train->info().input_shape, (Shape{1, 28, 28}));
    EXPECT_NEAR(s.train->info().mean.at(0), c.mean, 5e-5) << c.kind;
    EXPECT_NEAR(s.train->info().stddev.at(0), c.stddev, 5e-5) << c.kind;
    std::vector<int64_t> count(10);
    std::vector<float> x(784);
    for (int64_t i = 0, y = 0; i < s.train->size(); ++i) {
      s.train->read(i, x.data(), &y);
      ++count[static_cast<size_t>(y)];
    }
    EXPECT_EQ(count, c.train_labels) << c.kind;
    const Splits split = open(std::string(c.kind) + ":" + folder + "/" + c.kind);
    EXPECT_EQ(split.train->size(), 54000);
    EXPECT_EQ(split.val->size(), 6000);
  }
}

}  // namespace
}  // namespace suanli::data
