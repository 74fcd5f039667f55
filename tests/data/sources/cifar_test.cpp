// SPDX-License-Identifier: Apache-2.0
// CIFAR in every form that it comes in; archives; and noise.
#include <algorithm>
#include <cmath>
#include <map>

#include "data/files.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"

namespace suanli::data {
namespace {

using namespace suanli::test;
namespace fs = std::filesystem;

/// Pixel p of record r of batch b is (7 b + 3 r + p) mod 251; its label r mod 10 (fine label 9 r
/// mod 100).
std::string batch(int number, int records, bool fine = false) {
  std::string out;
  for (int r = 0; r < records; ++r) {
    if (fine) out += static_cast<char>(r % 20);
    out += static_cast<char>(fine ? 9 * r % 100 : r % 10);
    for (int p = 0; p < 3072; ++p) out += static_cast<char>((7 * number + 3 * r + p) % 251);
  }
  return out;
}

std::map<std::string, std::string> cifar10_files() {
  std::map<std::string, std::string> files;
  for (int b = 1; b <= 5; ++b) files["data_batch_" + std::to_string(b) + ".bin"] = batch(b, 4);
  files["test_batch.bin"] = batch(6, 3);
  return files;
}

std::string archive_of(const std::map<std::string, std::string>& files, const std::string& below) {
  std::vector<Member> members = {      // a link of that name
                                 {below, "", '5'},
                                 {below + "readme.html", "hello"},
                                 {below + "data_batch_1.bin", "", '2'}};
  // another order
  for (const auto& [name, content] : files)
    members.insert(members.begin() + 1, {below + name, content});
  return tar(members);
}

void expect_cifar10(const Splits& s, const std::string& what) {
  ASSERT_EQ(s.train->size(), 20) << what;
  ASSERT_EQ(s.test->size(), 3) << what;
  EXPECT_EQ(s.train->info().input_shape, (Shape{3, 32, 32}));
  EXPECT_EQ(s.train->info().class_names[8], "ship");
  std::vector<float> x(3072);
  for (int64_t i = 0, y = 0; i < 20; ++i) {
    s.train->read(i, x.data(), &y);
    const int64_t b = 1 + i / 4, r = i % 4;
    EXPECT_EQ(y, r) << what;
    for (int64_t p : {0, 1023, 1024, 3071})
      EXPECT_EQ(x[static_cast<size_t>(p)], static_cast<float>((7 * b + 3 * r + p) % 251) / 255.0f)
          << what << i;
  }
}

// An archive that was added to: the last file of a name counts, as when it is unpacked.
TEST(Cifar, OfSeveralFilesOfOneNameTheLastCounts) {
  TemporaryFolder folder;
  std::vector<Member> members = {{"c/data_batch_1.bin", batch(9, 7)},
                                 {"c/test_batch.bin", batch(9, 2)}};
  for (const auto& [name, content] : cifar10_files()) members.push_back({"c/" + name, content});
  write_bytes(folder / "c.tar", tar(members));
  expect_cifar10(open("cifar10:" + (folder / "c.tar"), {.val_fraction = 0}), "twice");
}

// Twice the size: pixel centers lie a quarter of a pixel from the old ones, so the nearer counts
// three times; half the size: the mean of four.
TEST(Cifar, AtAnotherSize) {
  TemporaryFolder folder;
  for (const auto& [name, content] : cifar10_files()) write_bytes(folder / name, content);
  const std::string spec = "cifar10:" + folder.path();
  const Splits own = open(spec, {.val_fraction = 0});
  auto read = [](const Dataset& d) {
    std::vector<float> x(static_cast<size_t>(d.info().input_shape.numel()));
    int64_t y = 0;
    d.read(1, x.data(), &y);
    EXPECT_EQ(y, 1);
    return x;
  };
  const std::vector<float> x = read(*own.train);
  auto at = [&](int c, int row, int column) {
    auto inside = [](int i) { return std::clamp(i, 0, 31); };
    return static_cast<double>(
        x[static_cast<size_t>((c * 32 + inside(row)) * 32 + inside(column))]);
  };
  for (int size : {64, 16}) {
    const Splits s = open(spec + "?size=" + std::to_string(size), {.val_fraction = 0});
    EXPECT_EQ(s.train->info().input_shape, (Shape{3, size, size}));
    EXPECT_EQ(s.test->info().input_shape, (Shape{3, size, size}));
    EXPECT_EQ(s.train->info().source, spec + "?size=" + std::to_string(size));
    EXPECT_EQ(s.train->info().mean, own.train->info().mean);
    EXPECT_NE(s.train->info().fingerprint, own.train->info().fingerprint);
    EXPECT_EQ(s.train->picture_size(0), (Shape{32, 32}));  // crops are cut from what is there
    const std::vector<float> scaled = read(*s.train);
    for (int c = 0; c < 3; ++c)
      for (int row = 0; row < size; ++row)
        for (int column = 0; column < size; ++column) {
          double right = 0;
          if (size == 64) {
            const int r = row / 2, q = column / 2, r2 = row % 2 ? r + 1 : r - 1,
                      q2 = column % 2 ? q + 1 : q - 1;
            right = (9 * at(c, r, q) + 3 * at(c, r2, q) + 3 * at(c, r, q2) + at(c, r2, q2)) / 16;
          } else {
            for (int i = 0; i < 4; ++i) right += at(c, 2 * row + i / 2, 2 * column + i % 2) / 4;
          }
          ASSERT_NEAR(scaled[static_cast<size_t>((c * size + row) * size + column)], right,
                      0.501 / 255)
              << size << " " << row << " " << column;
        }
  }
  EXPECT_EQ(read(*open(spec + "?size=32", {.val_fraction = 0}).train), x);
  EXPECT_EQ(open(spec + "?size=40x60", {.val_fraction = 0}).train->info().input_shape,
            (Shape{3, 40, 60}));
  // a model asks
  EXPECT_EQ(open(spec, {.val_fraction = 0, .input_shape = {3, 16, 16}}).train->info().input_shape,
            (Shape{3, 16, 16}));
  EXPECT_EQ(open(spec, {.val_fraction = 0, .input_shape = {1, 16, 16}}).train->info().input_shape,
            (Shape{3, 32, 32}));
  EXPECT_THROW(open(spec + "?size=0", {}), ArgumentError);
  EXPECT_THROW(open(spec + "?sise=64", {}), ArgumentError);
}

TEST(Cifar, EveryFormIsTheSame) {
  const auto files = cifar10_files();
  const std::string packed = archive_of(files, "cifar-10-batches-bin/");
  struct Form {
    const char* what;
    std::function<std::string(const TemporaryFolder&)> write;  // gives the place
  };
  const Form forms[] = {
      {"plain",
       [&](auto& f) {
         for (const auto& [name, content] : files) write_bytes(f / name, content);
         return f.path();
       }},
      {"gz",
       [&](auto& f) {
         for (const auto& [name, content] : files) write_bytes(f / (name + ".gz"), gzip(content));
         return f.path();
       }},
      {"xz",
       [&](auto& f) {
         for (const auto& [name, content] : files) write_bytes(f / (name + ".xz"), xz(content));
         return f.path();
       }},
      {"in the folder as published",
       [&](auto& f) {
         fs::create_directories(f / "cifar-10-batches-bin");
         for (const auto& [name, content] : files)
           write_bytes(f / ("cifar-10-batches-bin/" + name), content);
         return f.path();
       }},
      {"the archive in a folder",
       [&](auto& f) {
         write_bytes(f / "cifar-10-binary.tar.gz", gzip(packed));
         return f.path();
       }},
      {"the archive",
       [&](auto& f) {
         write_bytes(f / "cifar-10-binary.tar.gz", gzip(packed));
         return f / "cifar-10-binary.tar.gz";
       }},
      {"the archive, unpacked once",
       [&](auto& f) {
         write_bytes(f / "x.tar", packed);
         return f / "x.tar";
       }},
      {"the archive as xz",
       [&](auto& f) {
         write_bytes(f / "x", xz(packed));
         return f / "x";
       }},
  };
  uint64_t fingerprint = 0;
  for (const Form& form : forms) {
    TemporaryFolder folder;
    const Splits s = open("cifar10:" + form.write(folder), {.val_fraction = 0});
    expect_cifar10(s, form.what);
    if (fingerprint == 0) fingerprint = s.train->info().fingerprint;
    EXPECT_EQ(s.train->info().fingerprint, fingerprint) << form.what;
  }
}

TEST(Cifar, HundredTakesTheFineLabel) {
  TemporaryFolder folder;
  std::string names;
  for (int c = 0; c < 100; ++c) names += "class " + std::to_string(c) + "\r\n";
  write_bytes(folder / "cifar-100-binary.tar.gz",
              gzip(archive_of({{"train.bin", batch(0, 12, true)},
                               {"test.bin", batch(1, 2, true)},
                               {"fine_label_names.txt", names}},
                              "cifar-100-binary/")));
  const Splits s = open(folder.path(), {.val_fraction = 0});  // detected
  EXPECT_EQ(s.train->info().kind, "cifar100");
  EXPECT_EQ(s.train->info().class_names[99], "class 99");
  std::vector<float> x(3072);
  int64_t y = 0;
  s.train->read(11, x.data(), &y);
  EXPECT_EQ(y, 99);
  EXPECT_EQ(x[0], 33 / 255.0f);
}

TEST(Cifar, SaysWhatIsWrong) {
  using Files = std::map<std::string, std::string>;
  struct Bad {
    const char* what;
    std::function<void(Files&)> damage;
    const char *at, *given, *expected = "";
  };
  const Bad cases[] = {
      {"missing", [](Files& f) { f.erase("data_batch_3.bin"); }, "", "no data_batch_3.bin",
       "data_batch_3.bin, data_batch_3.bin.gz, data_batch_3.bin.xz or cifar-10-binary.tar.gz"},
      {"truncated", [](Files& f) { f["data_batch_2.bin"].resize(5000); },
       "/data_batch_2.bin: byte 3073", "1927 bytes", "a record of 3073"},
      {"empty", [](Files& f) { f["test_batch.bin"] = ""; }, "/test_batch.bin: byte 0",
       "the file is empty"},
      {"label", [](Files& f) { f["test_batch.bin"][2 * 3073] = 77; }, "/test_batch.bin: byte 6146",
       "label 77", "0 to 9"},
  };
  for (const Bad& c : cases) {
    SCOPED_TRACE(c.what);
    TemporaryFolder folder;
    auto files = cifar10_files();
    c.damage(files);
    for (const auto& [name, content] : files) write_bytes(folder / name, content);
    EXPECT_FAULT(IoError, open("cifar10:" + folder.path()), .op = "",
                 .argument = folder.path() + c.at, .given = c.given, .expected = c.expected);
  }
  struct BadStream {
    const char* what;
    std::function<void(Files&)> damage;
    std::vector<std::string> message;
  };
  const BadStream streams[] = {
      {"xz cut",
       [](Files& f) {
         const std::string packed = xz(f["test_batch.bin"]);
         f.erase("test_batch.bin");
         f["test_batch.bin.xz"] = packed.substr(0, packed.size() - 40);
       },
       {"test_batch.bin.xz: byte ", "the xz stream is cut off"}},
      {"xz damaged",
       [](Files& f) {
         std::string packed = xz(f["test_batch.bin"]);
         packed[packed.size() / 2] ^= 0x55;
         f.erase("test_batch.bin");
         f["test_batch.bin.xz"] = packed;
       },
       {"test_batch.bin.xz: byte ", "the xz stream is damaged (the data are corrupt)"}},
  };
  for (const BadStream& c : streams) {
    TemporaryFolder folder;
    auto files = cifar10_files();
    c.damage(files);
    for (const auto& [name, content] : files) write_bytes(folder / name, content);
    const std::string text = told(fault_of<IoError>([&] { open("cifar10:" + folder.path()); }));
    EXPECT_TRUE(contains(text, folder.path())) << c.what << "\n" << text;
    for (const std::string& part : c.message)
      EXPECT_TRUE(contains(text, part)) << c.what << ": no `" << part << "` in\n" << text;
  }
  TemporaryFolder folder;
  const std::string packed = archive_of(cifar10_files(), "x/");
  const std::string path = folder / "a";
  auto read = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    open("cifar10:" + path);
  };
  EXPECT_FAULT(IoError, read("no archive"), .argument = path + ": byte 0",
               .given = "no tar archive", .expected = "cifar-10-binary.tar.gz");
  const Fault inside = fault_of<IoError>([&] { read(packed.substr(0, 20000)); });
  EXPECT_TRUE(inside.given.starts_with("the archive is truncated inside data_batch_"))
      << inside.given;
  EXPECT_EQ(inside.argument, path + ": byte 20000");
  EXPECT_FAULT(IoError, read(packed.substr(0, 700)), .argument = path + ": byte 512",
               .given = "the archive is truncated");
  std::string damaged = packed;
  damaged[512 + 130] = 'x';
  EXPECT_FAULT(IoError, read(damaged), .argument = path + ": byte 512",
               .given = "the archive is damaged: no tar header");
  EXPECT_FAULT(IoError, read(tar({{"cifar-10-batches-py/data_batch_1", "pickle"}})),
               .argument = path, .given = "no data_batch_1.bin",
               .expected = "the binary version, cifar-10-binary.tar.gz");
  EXPECT_FAULT(IoError, open("cifar10:" + (folder / "nowhere")), .argument = folder / "nowhere",
               .given = "no such folder");
  EXPECT_FAULT(ArgumentError, open("cifar10"), .argument = "cifar10", .given = "no path",
               .expected = "cifar10:PATH");
}

TEST(Noise, IsAFunctionOfTheSeed) {
  auto values = [](const std::string& spec, int64_t index, bool test = false) {
    const Splits s = open(spec, {.val_fraction = 0});
    const auto& set = test ? s.test : s.train;
    std::vector<float> x(static_cast<size_t>(set->info().input_shape.numel()));
    int64_t y = 0;
    set->read(index, x.data(), &y);
    x.push_back(static_cast<float>(y));
    return x;
  };
  const std::string spec = "random:3x8x8?classes=7&samples=2000&seed=5";
  EXPECT_EQ(values(spec, 17), values(spec, 17));
  EXPECT_NE(values(spec, 17), values(spec, 18));
  EXPECT_NE(values(spec, 17), values(spec, 17, true));
  EXPECT_NE(values(spec, 17), values("random:3x8x8?classes=7&samples=2000&seed=6", 17));
  const Splits s = open(spec);
  EXPECT_EQ((std::vector{s.train->size(), s.val->size(), s.test->size()}),
            (std::vector<int64_t>{1800, 200, 200}));
  EXPECT_EQ(open("random:784?test=0").test, nullptr);
  EXPECT_EQ(open(s.train->info().source).train->info().fingerprint, s.train->info().fingerprint);

  // uniform: mean 1/2, deviation 1/√12, each label as often as the others, within five standard
  // errors
  double sum = 0, squares = 0;
  std::vector<int> count(7);
  for (int64_t i = 0; i < 1800; ++i) {
    std::vector<float> x(192);
    int64_t y = 0;
    s.train->read(i, x.data(), &y);
    ++count[static_cast<size_t>(y)];
    for (float v : x) {
      EXPECT_TRUE(v >= 0 && v < 1);
      sum += v;
      squares += v * v;
    }
  }
  const double n = 1800 * 192, mean = sum / n;
  for (double m : s.train->info().mean) EXPECT_NEAR(mean, m, 5 * std::sqrt(1 / 12.0 / n));
  for (double d : s.train->info().stddev)
    EXPECT_NEAR(std::sqrt(squares / n - mean * mean), d, 1e-3);
  for (int c : count) EXPECT_NEAR(c, 1800 / 7.0, 5 * std::sqrt(1800 / 7.0));

  for (const char* bad : {"random", "random:", "random:3x", "random:0x3", "random:axb",
                          "random:1x1x1x1x1", "random:-3", "random:60000x60000"}) {
    SCOPED_TRACE(bad);
    const std::string text = bad;
    EXPECT_FAULT(ArgumentError, open(text), .op = "", .argument = text,
                 .given = "'" + text.substr(std::min(text.size(), size_t{7})) + "'",
                 .expected = "the shape of a sample, one to four sizes such as 3x32x32 or 784");
  }
}

TEST(Cifar, Real) {
  if (real_data().empty() || !fs::exists(real_data() + "/cifar-10"))
    GTEST_SKIP() << "SUANLI_DATA holds no cifar-10";
  const Splits s = open("cifar10:" + real_data() + "/cifar-10", {.val_fraction = 0});
  EXPECT_EQ(s.train->size(), 50000);
  EXPECT_EQ(s.test->size(), 10000);
  // As published: channel means 0.4914, 0.4822, 0.4465; deviations 0.2470, 0.2435, 0.2616.
  const double means[] = {0.4914, 0.4822, 0.4465}, deviations[] = {0.2470, 0.2435, 0.2616};
  ASSERT_EQ(s.train->info().mean.size(), 3u);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(s.train->info().mean[c], means[c], 6e-5);
    EXPECT_NEAR(s.train->info().stddev[c], deviations[c], 6e-5);
  }
  std::vector<int> count(10);
  std::vector<float> x(3072);
  for (int64_t i = 0, y = 0; i < 50000; ++i) {
    s.train->read(i, x.data(), &y);
    ++count[static_cast<size_t>(y)];
  }
  EXPECT_EQ(count, std::vector<int>(10, 5000));
}

}  // namespace
}  // namespace suanli::data
