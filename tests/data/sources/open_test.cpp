// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

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
  const char* file;  // named by the error, below the folder
  std::vector<std::string> message;
};

TEST(Open, SaysWhatIsWrongWithTheFiles) {
  using Files = std::map<std::string, std::string>;
  const char *images = "train-images-idx3-ubyte", *labels = "train-labels-idx1-ubyte",
             *test_images = "t10k-images-idx3-ubyte";
  const Bad cases[] = {
      {"missing",
       [&](Files& f) { f.erase(labels); },
       "",
       {"train-labels-idx1-ubyte is missing", "train-labels.idx1-ubyte.gz", "there are t10k-images",
        "Give the folder"}},
      {"swapped",
       [&](Files& f) { std::swap(f[images], f[labels]); },
       images,
       {"byte 3", "holds labels ([12] u8)", "swapped"}},
      {"labels are images",
       [&](Files& f) { f[labels] = f[images]; },
       labels,
       {"byte 3", "holds images ([12, 4, 5] u8)"}},
      {"two axes",
       [&](Files& f) { f[images] = idx(8, {12, 20}, std::string(240, 'x')); },
       images,
       {"byte 2", "[12, 20] u8"}},
      {"not u8",
       [&](Files& f) { f[labels] = idx(0x0C, {12}, std::string(48, '\0')); },
       labels,
       {"byte 2", "[12] i32"}},
      {"no images",
       [&](Files& f) { f[images] = idx(8, {0, 4, 5}, ""); },
       images,
       {"byte 4", "no pixels"}},
      {"no pixels", [&](Files& f) { f[images] = idx(8, {12, 0, 5}, ""); }, images, {"no pixels"}},
      {"count",
       [&](Files& f) { f[labels] = idx(8, {11}, std::string(11, '\0')); },
       labels,
       {"byte 4", "11 labels for the 12 images", images}},
      {"label",
       [&](Files& f) { f[labels][8 + 5] = 17; },
       labels,
       {"byte 13", "label 17 at index 5", "0 … 9"}},
      {"other size",
       [&](Files& f) { f[test_images] = idx(8, {6, 5, 4}, std::string(120, 'x')); },
       test_images,
       {"byte 8", "5×4", "4×5"}},
      {"truncated", [&](Files& f) { f[images].resize(100); }, images, {"byte 100", "truncated"}},
      {"all missing", [&](Files& f) { f.clear(); }, "", {"the folder is empty"}},
  };
  for (const Bad& c : cases) {
    TemporaryFolder folder;
    auto files = small_files();
    c.damage(files);
    write_all(folder, files);
    const std::string error = error_of([&] { open("mnist:" + folder.path()); });
    const std::string start = "InputError: " + (*c.file ? folder / c.file : folder.path()) + ":";
    EXPECT_TRUE(error.starts_with(start)) << c.what << "\n" << error;
    for (const std::string& part : c.message)
      EXPECT_TRUE(contains(error, part)) << c.what << ": no `" << part << "` in\n" << error;
  }
}

TEST(Open, SaysWhatIsWrongWithTheFolder) {
  TemporaryFolder folder;
  EXPECT_TRUE(contains(error_of([&] { open("mnist:" + (folder / "none")); }), "no such folder"));
  write_bytes(folder / "file", "x");
  EXPECT_TRUE(contains(error_of([&] { open("mnist:" + (folder / "file")); }),
                       "a file, where a folder is expected"));
  std::filesystem::create_directories(folder / "MNIST/raw");
  EXPECT_TRUE(contains(error_of([&] { open("mnist:" + folder.path()); }),
                       "Perhaps it lies in " + (folder / "MNIST/raw")));
  std::filesystem::create_directories(folder / "train-images-idx3-ubyte");
  EXPECT_TRUE(
      contains(error_of([&] { open("mnist:" + folder.path()); }), "Some unpackers make a folder"));
}

TEST(Open, SaysWhatIsWrongWithTheSpec) {
  struct Case {
    const char* spec;
    std::vector<std::string> message;
  };
  const Case cases[] = {
      {"glpyhs", {"neither a kind of data nor a path", "Did you mean `glyphs`?", "mnist:DIR"}},
      {"mnsit:x", {"Did you mean `mnist`?"}},
      {"wombat:x", {"neither a kind of data nor a path that exists. Kinds: glyphs"}},
      {"", {"neither a kind"}},
      {"/dev/null", {"holds no data of a kind that is known: glyphs"}},
      {"mnist", {"which folder? Write mnist:DIR"}},
      {"mnist:", {"which folder?"}},
      {"glyphs:dir", {"drawn, not read"}},
      {"glyphs?trian=5", {"no setting `trian`. Did you mean `train`? It has train, test, seed."}},
      {"glyphs?train", {"`train` is not of the form key=value"}},
      {"glyphs?", {"`` is not of the form"}},
      {"glyphs?train=", {"train= is not a whole number from 1 to 2000000"}},
      {"glyphs?train=0", {"not a whole number"}},
      {"glyphs?train=1e3", {"not a whole number"}},
      {"glyphs?train=-1", {"not a whole number"}},
      {"glyphs?train=99999999999999999999", {"not a whole number"}},
      {"glyphs?train=10&train=20", {"given twice"}},
  };
  for (const Case& c : cases) {
    const std::string error = error_of([&] { open(c.spec); });
    const bool unknown_kind =
        contains(error, "neither a kind") || contains(error, "of a kind that is known");
    EXPECT_TRUE(error.starts_with(unknown_kind ? "InputError: " : "UsageError: ")) << c.spec << "\n"
                                                                                   << error;
    for (const std::string& part : c.message)
      EXPECT_TRUE(contains(error, part)) << c.spec << ": no `" << part << "` in\n" << error;
  }
  for (double fraction : {-0.1, 1.0, 2.0, std::nan("")})
    EXPECT_TRUE(error_of([&] {
                  open("glyphs?train=10&test=1", {.val_fraction = fraction});
                }).starts_with("UsageError: val_fraction"))
        << fraction;
  EXPECT_TRUE(contains(error_of([&] { open("glyphs?train=1&test=1"); }),
                       "InputError: glyphs?train=1&test=1: 1 training samples are too few"));
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
  EXPECT_THROW(subset(s.train, {10}), ShapeError);
  EXPECT_THROW(subset(s.train, {-1}), ShapeError);
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
