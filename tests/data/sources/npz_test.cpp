// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>
#include <locale>

#include "data/files.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

std::string little(uint64_t v, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(v >> (8 * i));
  return out;
}

template <class T> std::string values(const std::vector<T>& v) {
  std::string out(v.size() * sizeof(T), '\0');
  std::memcpy(out.data(), v.data(), out.size());
  return out;
}

/// Returns the bytes of a .npy file, version 1, as numpy.lib.format writes them.
std::string npy(const std::string& descr, const std::string& shape, const std::string& bytes,
                bool fortran = false) {
  std::string header = "{'descr': '" + descr +
                       "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" +
                       shape + "), }";
  header.resize((header.size() + 10 + 64) / 64 * 64 - 10, ' ');
  header.back() = '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + little(header.size(), 2) + header + bytes;
}

std::string deflated(const std::string& bytes) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, bytes.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));

  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

using Members = std::vector<std::pair<std::string, std::string>>;

std::string zip(const Members& members, bool deflate = false) {
  std::string out, list;
  for (const auto& [name, bytes] : members) {
    const std::string packed = deflate ? deflated(bytes) : bytes;
    const auto checksum =
        crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
    const std::string fields = little(deflate ? 8 : 0, 2) + little(0, 4) + little(checksum, 4) +
                               little(packed.size(), 4) + little(bytes.size(), 4) +
                               little(name.size() + 4, 2) + little(0, 2);
    list += little(0x02014b50, 4) + little(20, 2) + little(20, 2) + little(0, 2) + fields +
            little(0, 10) + little(out.size(), 4) + name + ".npy";
    out += little(0x04034b50, 4) + little(20, 2) + little(0, 2) + fields + name + ".npy" + packed;
  }
  return out + list + little(0x06054b50, 4) + little(0, 4) + little(members.size(), 2) +
         little(members.size(), 2) + little(list.size(), 4) + little(out.size(), 4) + little(0, 2);
}

std::vector<uint8_t> counting(size_t n) {
  std::vector<uint8_t> v(n);
  for (size_t i = 0; i < n; ++i) v[i] = static_cast<uint8_t>(i);
  return v;
}

std::vector<float> sample(const Dataset& set, int64_t i, int64_t* y = nullptr) {
  std::vector<float> x(static_cast<size_t>(set.info().input_shape.numel()));
  int64_t label = 0;
  set.read(i, x.data(), y ? y : &label);
  return x;
}

TEST(Npz, PicturesStoredAndDeflated) {
  TemporaryFolder folder;
  for (bool packed : {false, true}) {
    write_bytes(folder / "a.npz",
                zip({{"x_train", npy("|u1", "4, 3, 2, 3", values(counting(72)))},
                     {"y_train", npy("<i8", "4,", values(std::vector<int64_t>{2, 0, 1, 2}))},
                     {"x_test", npy("|u1", "2, 3, 2, 3", values(counting(36)))},
                     {"y_test", npy("<i2", "2, 1", values(std::vector<int16_t>{1, 0}))}},
                    packed));
    const Splits s = open(folder / "a.npz", {.val_fraction = 0});  // detected by its name
    EXPECT_EQ(s.train->info().source, "npz:" + (folder / "a.npz") + "?x=x&y=y");
    EXPECT_EQ(s.train->info().input_shape, (Shape{3, 3, 2}));
    EXPECT_EQ(s.train->info().classes, 3);
    ASSERT_EQ(s.train->size(), 4);
    ASSERT_EQ(s.test->size(), 2);
    int64_t y = 0;
    const std::vector<float> x = sample(*s.train, 3, &y);
    EXPECT_EQ(y, 2);
    for (size_t c = 0; c < 3; ++c)
      // The file has the channels last.
      for (size_t i = 0; i < 6; ++i)
        EXPECT_EQ(x[c * 6 + i], static_cast<float>(54 + 3 * i + c) / 255.0f);
    sample(*s.test, 0, &y);
    EXPECT_EQ(y, 1);
    ASSERT_EQ(s.train->info().mean.size(), 3u);
    EXPECT_NEAR(s.train->info().mean[1], 35.5 / 255, 1e-12);  // the mean of 1, 4, …, 70
  }
}

TEST(Npz, EveryTypeAndOrderGivesTheSameNumbers) {
  TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::string>> types = {
      {"|b1", values(std::vector<uint8_t>{0, 1, 1, 0, 1, 1})},
      {"<i4", values(std::vector<int32_t>{0, 1, 1, 0, 1, 1})},
      {"<f4", values(std::vector<float>{0, 1, 1, 0, 1, 1})},
      {">i2", std::string("\0\0\0\1\0\1\0\0\0\1\0\1", 12)},
      {"<u2", values(std::vector<uint16_t>{0, 1, 1, 0, 1, 1})},
      {">u4", std::string("\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\1", 24)},
      {"<u8", values(std::vector<uint64_t>{0, 1, 1, 0, 1, 1})},
      {"<f2", values(std::vector<uint16_t>{0, 0x3C00, 0x3C00, 0, 0x3C00, 0x3C00})},
      {"<f8", values(std::vector<double>{0, 1, 1, 0, 1, 1})},
      {"<i8", values(std::vector<int64_t>{0, 1, 1, 0, 1, 1})}};
  const std::string y = npy("|b1", "3,", values(std::vector<uint8_t>{1, 0, 1}));
  for (const auto& [type, bytes] : types) {
    write_bytes(folder / "a.npz", zip({{"inputs", npy(type, "3, 2", bytes)}, {"classes", y}}));
    const Splits s = open("npz:" + (folder / "a.npz") + "?x=inputs&y=classes", {.val_fraction = 0});
    EXPECT_EQ(s.train->info().input_shape, Shape{2});
    EXPECT_TRUE(s.train->info().any_range);
    EXPECT_EQ(sample(*s.train, 0), (std::vector<float>{0, 1})) << type;
    EXPECT_EQ(sample(*s.train, 1), (std::vector<float>{1, 0})) << type;
    EXPECT_EQ(s.train->info().mean, (std::vector<double>{2.0 / 3, 2.0 / 3}));
    EXPECT_NEAR(s.train->info().stddev[0], std::sqrt(2.0) / 3, 1e-12);
  }
  write_bytes(folder / "a.npz",
              zip({{"x", npy("<f4", "3, 2", values(std::vector<float>{0, 1, 2, 3, 4, 5}), true)},
                   {"y", y}}));
  // The file is in Fortran order.
  EXPECT_EQ(sample(*open("npz:" + (folder / "a.npz"), {.val_fraction = 0}).train, 1),
            (std::vector<float>{1, 4}));
}

TEST(Npz, NumbersAreStandardized) {
  TemporaryFolder folder;
  write_bytes(folder / "a.npz",
              zip({{"x", npy("<f4", "4, 1", values(std::vector<float>{1, 2, 3, 4}))},
                   {"y", npy("<f4", "4,", values(std::vector<float>{10, 20, 30, 40}))}}));
  const Splits s = open("npz:" + (folder / "a.npz"), {.val_fraction = 0});
  const Info& info = s.train->info();
  EXPECT_EQ(info.task, Task::regression);
  EXPECT_DOUBLE_EQ(info.target_mean, 25);
  EXPECT_DOUBLE_EQ(info.target_stddev, std::sqrt(125.0));
  write_bytes(folder / "b.npz",
              zip({{"x", npy("<f4", "2, 1, 2", values(std::vector<float>{1, 2, 3, 4}))},
                   {"y", npy("<f4", "2,", values(std::vector<float>{10, 20}))}}));
  const auto heat = open("npz:" + (folder / "b.npz"), {.val_fraction = 0}).train;
  EXPECT_FAULT(ArgumentError, Loader(heat, {.augment = {.flip = 0.5}}), .op = "Loader",
               .argument = "augment", .given = "samples with values of any size",
               .expected = "pictures of bytes, or of numbers from 0 to 1");
  float x = 0, y = 0;
  s.train->read_value(3, &x, &y);
  EXPECT_EQ(x, 4);
  EXPECT_NEAR(static_cast<double>(y), 15 / std::sqrt(125.0), 1e-6);
  // The encoding of a trained model replaces the statistics of the target.
  const Splits other = open("npz:" + (folder / "a.npz"), {.val_fraction = 0, .encoding = "0 10"});
  other.train->read_value(3, &x, &y);
  EXPECT_EQ(y, 4);
}

TEST(Npz, BadInputIsNamed) {
  TemporaryFolder folder;
  const std::string x = npy("|u1", "2, 3", values(counting(6))),
                    y = npy("|u1", "2,", values(counting(2)));
  const std::string good = zip({{"x", x}, {"y", y}});
  std::string damaged = good, packed = zip({{"x", x}, {"y", y}}, true);
  damaged[150] ^= 1;
  std::string records = npy("RECORDS____", "2,", std::string(8, ' '));
  records.replace(records.find("'RECORDS____'"), 13, "[('a','<f4')]");
  packed[60] ^= 0x55;
  struct BadArray {
    const char* what;
    std::string file;
    std::vector<std::string> message;
  };
  const BadArray arrays[] = {
      {"empty", "", {"too short for a zip archive"}},
      {"no zip", std::string(200, 'x'), {"no zip archive"}},
      {"cut off", good.substr(0, good.size() - 30), {"no zip archive, or a truncated one"}},
      {"a changed byte", damaged, {"its checksum is wrong"}},
      {"packed bytes changed", packed, {"member x.npy"}},
      {"objects", zip({{"x", npy("|O", "2,", "xx")}, {"y", y}}), {"values of type '|O'"}},
      {"complex",
       zip({{"x", npy("<c16", "2,", std::string(32, ' '))}, {"y", y}}),
       {"values of type '<c16'"}},
      {"records", zip({{"x", records}, {"y", y}}), {"plain numbers", "objects or records"}},
      {"text",
       zip({{"x", x}, {"y", npy("<U3", "2,", std::string(24, ' '))}}),
       {"values of type '<U3'"}},
      {"too large",
       zip({{"x", x}, {"y", npy("<u8", "2,", std::string(16, '\xFF'))}}),
       {"18446744073709551615"}},
      {"too few",
       zip({{"x", npy("|u1", "2, 4", values(counting(6)))}, {"y", y}}),
       {"[2, 4] values of 1 bytes", " 6 bytes"}},
      {"huge",
       zip({{"x", npy("<f8", "4611686018427387904, 4", "")}, {"y", y}}),
       {"[4611686018427387904, 4] values of 8 bytes", " 0 bytes"}},
      {"negative",
       zip({{"x", npy("|u1", "-2, 3", values(counting(6)))}, {"y", y}}),
       {"shape cannot be read"}},
      {"no numpy", zip({{"x", "hello world and more"}, {"y", y}}), {"no NumPy array"}},
  };
  auto open_it = [&] { open("npz:" + (folder / "a.npz"), {.val_fraction = 0}); };
  for (const BadArray& c : arrays) {
    write_bytes(folder / "a.npz", c.file);
    const Fault fault = fault_of<IoError>(open_it);
    for (const std::string& part : c.message)
      EXPECT_TRUE(contains(whole(fault), part)) << c.what << ": " << whole(fault);
    EXPECT_TRUE(contains(told(fault), folder / "a.npz")) << c.what << ": " << told(fault);
  }
  struct Case {
    const char* what;
    std::string file;
    const char *at, *given, *expected;
  };
  const char* one_each = "[N] beside [N, …], one target for each sample";
  const Case cases[] = {
      {"other names", zip({{"a", x}, {"b", y}}), "", "arrays a, b",
       "inputs and targets under usual names"},
      {"no axes", zip({{"x", npy("<f4", "", values(std::vector<float>{1}))}, {"y", y}}), ": y",
       "[2] beside x []", one_each},
      {"other lengths", zip({{"x", npy("|u1", "3, 2", values(counting(6)))}, {"y", y}}), ": y",
       "[2] beside x [3, 2]", one_each},
      {"a negative class", zip({{"x", x}, {"y", npy("|i1", "2,", std::string("\1\xFF"))}}),
       ": y[1]", "-1", "a class from 0 to 99999"},
      {"NaN",
       zip({{"x", npy("<f4", "2, 1", values(std::vector<float>{0, std::nanf("")}))}, {"y", y}}),
       ": x[1]", "nan", "finite numbers that f32 holds"},
      {"a number that is NaN",
       zip({{"x", x}, {"y", npy("<f4", "2,", values(std::vector<float>{0, std::nanf("")}))}}),
       ": y[1]", "nan", "a finite number"},
      {"five axes", zip({{"x", npy("|u1", "2, 1, 1, 1, 3", values(counting(6)))}, {"y", y}}), ": x",
       "[2, 1, 1, 1, 3]", "[N, F], [N, H, W], [N, H, W, C] or [N, C, H, W]"},
      {"empty samples", zip({{"x", npy("|u1", "2, 0", "")}, {"y", y}}), ": x", "[2, 0]",
       "at least one value per sample"},
      {"samples of two sizes",
       zip({{"x_train", x},
            {"y_train", y},
            {"x_test", npy("|u1", "2, 1", values(counting(2)))},
            {"y_test", y}}),
       ": x_test", "[2, 1]", "samples like those of x_train [2, 3]"},
      {"classes and numbers",
       zip({{"x_train", x},
            {"y_train", y},
            {"x_test", x},
            {"y_test", npy("<f4", "2,", values(std::vector<float>{0, 1}))}}),
       ": y_test", "f32", "classes, as y_train u8 has"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    write_bytes(folder / "a.npz", c.file);
    EXPECT_FAULT(IoError, open_it(), .op = "", .argument = (folder / "a.npz") + c.at,
                 .given = c.given, .expected = c.expected);
  }
}

TEST(Npz, TheLastOfDuplicateMembersIsRead) {
  TemporaryFolder folder;
  const std::string y = npy("|u1", "2,", values(counting(2)));
  auto x = [](float v) { return npy("<f4", "2, 1", values(std::vector<float>{v, v + 1})); };
  write_bytes(folder / "a.npz", zip({{"x", x(10)}, {"y", y}, {"x", x(20)}, {"x", x(30)}}));
  const Splits s = open("npz:" + (folder / "a.npz"), {.val_fraction = 0});
  EXPECT_EQ(sample(*s.train, 0), (std::vector<float>{30}));
  write_bytes(folder / "b.npz", zip({{"only", x(10)}, {"only", x(20)}}));
  EXPECT_EQ(read_npz(folder / "b.npz", {1}, Task::classification).to_vector<float>(),
            (std::vector<float>{20, 21}));
  EXPECT_FAULT(IoError, open("npz:" + (folder / "b.npz")), .argument = folder / "b.npz",
               .given = "arrays only", .expected = "inputs and targets under usual names");
  EXPECT_FAULT(IoError, open("npz:" + (folder / "b.npz") + "?x=only&y=none"),
               .argument = folder / "b.npz", .given = "arrays only", .expected = "only and none");
  EXPECT_FAULT(IoError, read_npz(folder / "b.npz", {1}, Task::classification, "other"),
               .argument = folder / "b.npz", .given = "arrays only", .expected = "other");
  EXPECT_FAULT(IoError, read_npz(folder / "b.npz", {2}, Task::classification),
               .argument = (folder / "b.npz") + ": only", .given = "[2, 1], samples [1]",
               .expected = "samples [2], which the model takes");
}

TEST(Npz, HalfPrecision) {
  TemporaryFolder folder;
  // the examples of IEEE 754-2008: 1/3, -2, 2^-24, 65504
  const std::vector<uint16_t> halves = {0x3555, 0xC000, 0x0001, 0x7BFF};
  write_bytes(folder / "a.npz", zip({{"x", npy("<f2", "2, 2", values(halves))}}));
  EXPECT_EQ(read_npz(folder / "a.npz", {2}, Task::classification).to_vector<float>(),
            (std::vector<float>{0.333251953125f, -2, std::ldexp(1.0f, -24), 65504}));
}

// The same inputs are saved in four ways. A model must get the numbers that it was trained on,
// whichever file is read.
TEST(Npz, PredictionScalesAsTrainingDid) {
  TemporaryFolder folder;
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<uint8_t>(i * 255 / 31));
  auto floats = [&](float scale) {
    std::vector<float> out;
    for (uint8_t b : bytes) out.push_back(static_cast<float>(b) * scale);
    return out;
  };
  std::vector<int32_t> whole(bytes.begin(), bytes.end());
  const std::string labels = npy("|u1", "2,", values(counting(2)));
  struct Saved {
    const char* name;
    std::string array;
    float unit;  // a value of 1 in the array means this fraction
  };
  const Saved all[] = {{"bytes", npy("|u1", "2, 4, 4", values(bytes)), 1.0f / 255},
                       {"whole", npy("<i4", "2, 4, 4", values(whole)), 1.0f / 255},
                       {"floats", npy("<f4", "2, 4, 4", values(floats(1))), 1.0f / 255},
                       {"fractions", npy("<f4", "2, 4, 4", values(floats(1.0f / 255))), 1}};
  for (const Saved& s : all)
    write_bytes(folder / (std::string(s.name) + ".npz"), zip({{"x", s.array}, {"y", labels}}));
  for (const Saved& trained : all) {
    const auto train =
        open("npz:" + (folder / (std::string(trained.name) + ".npz")), {.val_fraction = 0}).train;
    std::vector<float> expected = sample(*train, 0);
    const std::vector<float> second = sample(*train, 1);
    expected.insert(expected.end(), second.begin(), second.end());
    for (const Saved& asked : all) {
      const std::string path = folder / (std::string(asked.name) + ".npz"),
                        what = std::string(asked.name) + " after " + trained.name;
      std::vector<std::string> notes;
      const std::vector<float> x = read_npz(path, train->info().input_shape, Task::classification,
                                            "", train->info().encoding, &notes)
                                       .to_vector<float>();
      const auto other = open("npz:" + path, {.val_fraction = 0,
                                              .input_shape = train->info().input_shape,
                                              .class_names = train->info().class_names,
                                              .encoding = train->info().encoding})
                             .train;
      for (size_t i = 0; i < 32; ++i) {
        EXPECT_NEAR(x[i], expected[i], 1e-4 * expected.back()) << what;
        EXPECT_NEAR(sample(*other, static_cast<int64_t>(i / 16))[i % 16], expected[i],
                    1e-4 * expected.back())
            << what;
      }
      // A note reports values on another scale, except fractions for a model of bytes. Floats up
      // to 255 for a model of bytes are also reported.
      const bool said = trained.unit != asked.unit && !(std::string(trained.name) == "bytes" &&
                                                        std::string(asked.name) == "fractions");
      EXPECT_EQ(!notes.empty(), said || what == "floats after bytes") << what;
    }
  }
  const std::string learned =
      open("npz:" + (folder / "bytes.npz"), {.val_fraction = 0}).train->info().encoding;
  write_bytes(folder / "odd.npz",
              zip({{"x", npy("<f4", "1, 4, 4", values(std::vector<float>(16, -2.5f)))}}));
  EXPECT_FAULT(IoError, read_npz(folder / "odd.npz", {1, 4, 4}, Task::classification, "", learned),
               .argument = (folder / "odd.npz") + ": x", .given = "numbers from -2.5 to -2.5",
               .expected = "bytes from 0 to 255, as training saw");
  // Rows of floats are never scaled. A note reports values far outside the range of training.
  write_bytes(
      folder / "rows.npz",
      zip({{"x", npy("<f4", "2, 2", values(std::vector<float>{0, 1, 2, 3}))}, {"y", labels}}));
  const std::string rows =
      open("npz:" + (folder / "rows.npz"), {.val_fraction = 0}).train->info().encoding;
  write_bytes(folder / "far.npz",
              zip({{"x", npy("<f4", "1, 2", values(std::vector<float>{1, 700}))}}));
  std::vector<std::string> notes;
  EXPECT_EQ(
      read_npz(folder / "far.npz", {2}, Task::classification, "", rows, &notes).to_vector<float>(),
      (std::vector<float>{1, 700}));
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_TRUE(contains(notes[0], "training saw numbers from 0 to 3: are they in the same unit?"))
      << notes[0];
  // The splits of one archive may be on different scales.
  write_bytes(folder / "mixed.npz", zip({{"x_train", all[0].array},
                                         {"y_train", labels},
                                         {"x_test", all[2].array},
                                         {"y_test", labels}}));
  const Splits mixed = open("npz:" + (folder / "mixed.npz"), {.val_fraction = 0});
  EXPECT_EQ(sample(*mixed.test, 1), sample(*mixed.train, 1));
  // Arrays cannot use the encoding of a table. A table cannot use the encoding of arrays.
  EXPECT_FAULT(IoError, open("npz:" + (folder / "rows.npz"), {.encoding = "target\ty\n"}),
               .argument = folder / "rows.npz", .given = "NumPy arrays of this kind",
               .expected = "data of the kind that the model was trained on");
  write_bytes(folder / "t.csv", "a,y\n1,p\n");
  EXPECT_FAULT(IoError, open("csv:" + (folder / "t.csv"), {.encoding = rows}),
               .argument = folder / "t.csv", .given = "a table",
               .expected = "arrays, as the model was trained on");
}

// Covers regressions on pictures, and pictures that are flattened to rows.
TEST(Npz, FractionsAreScaledForRegressionsAndRows) {
  TemporaryFolder folder;
  std::vector<uint8_t> bytes;
  std::vector<float> fractions, floats;
  for (int i = 0; i < 32; ++i) {
    bytes.push_back(static_cast<uint8_t>(i * 255 / 31));
    floats.push_back(static_cast<float>(bytes.back()));
    fractions.push_back(floats.back() / 255);
  }
  const std::string numbers = npy("<f4", "2,", values(std::vector<float>{0.5f, 1.5f})),
                    classes = npy("|u1", "2,", values(counting(2)));
  struct Case {
    const char *what, *shape;
    bool regression, of_floats;  // the task and the dtype of the training data
    bool scaled;  // read_npz() multiplies fractions by 255
  };
  for (const Case& c : {Case{"a regression on bytes", "2, 4, 4", true, false, true},
                        {"a regression on floats", "2, 4, 4", true, true, true},
                        {"rows of bytes", "2, 16", false, false, true},
                        {"rows of bytes, a regression", "2, 16", true, false, true},
                        {"rows of floats", "2, 16", false, true, false}}) {
    const std::string x =
        c.of_floats ? npy("<f4", c.shape, values(floats)) : npy("|u1", c.shape, values(bytes));
    write_bytes(folder / "a.npz", zip({{"x", x}, {"y", c.regression ? numbers : classes}}));
    write_bytes(folder / "b.npz", zip({{"x", npy("<f4", c.shape, values(fractions))},
                                       {"y", c.regression ? numbers : classes}}));
    const Info info = open("npz:" + (folder / "a.npz"), {.val_fraction = 0}).train->info();
    std::vector<std::string> notes;
    auto ask = [&](const char* file) {
      return read_npz(folder / file, info.input_shape, info.task, "", info.encoding, &notes)
          .to_vector<float>();
    };
    EXPECT_EQ(ask("a.npz"), floats) << c.what;
    EXPECT_TRUE(notes.empty()) << c.what;
    const std::vector<float> asked = ask("b.npz");
    for (size_t i = 0; i < 32; ++i)
      EXPECT_NEAR(asked[i], c.scaled ? floats[i] : fractions[i], 1e-4) << c.what;
    ASSERT_EQ(notes.size(), 1u) << c.what;
    EXPECT_TRUE(contains(notes[0], c.scaled ? "training saw numbers up to 255: 1 is taken for 255"
                                            : "are they in the same unit?"))
        << notes[0];
    // Data opened with a model's encoding keep the range of its training data.
    const Splits again =
        open("npz:" + (folder / "b.npz"), {.val_fraction = 0, .encoding = info.encoding});
    EXPECT_EQ(again.train->info().encoding, info.encoding) << c.what;
  }
  // The reverse: the model was trained on fractions and gets bytes.
  write_bytes(folder / "a.npz",
              zip({{"x", npy("<f4", "2, 4, 4", values(fractions))}, {"y", numbers}}));
  write_bytes(folder / "b.npz", zip({{"x", npy("|u1", "2, 4, 4", values(bytes))}}));
  const Info info = open("npz:" + (folder / "a.npz"), {.val_fraction = 0}).train->info();
  const std::vector<float> asked =
      read_npz(folder / "b.npz", {1, 4, 4}, Task::regression, "", info.encoding).to_vector<float>();
  for (size_t i = 0; i < 32; ++i) EXPECT_NEAR(asked[i], fractions[i], 1e-6);
  write_bytes(folder / "none.npz",
              zip({{"x", npy("<f4", "0, 4, 4", values(std::vector<float>()))}}));
  EXPECT_FAULT(IoError,
               read_npz(folder / "none.npz", {1, 4, 4}, Task::regression, "", info.encoding),
               .argument = (folder / "none.npz") + ": x", .given = "[0, 4, 4]",
               .expected = "at least one sample");
}

// If no byte of a training array exceeds 25, the bytes are bits or counts and are read like floats.
// Otherwise they are brightness and are divided by 255.
TEST(Npz, SmallBytesAreNotBrightness) {
  TemporaryFolder folder;
  const std::string labels = npy("|u1", "2,", values(counting(2)));
  struct Case {
    int most;
    bool numbers;
  };
  for (const Case& c : {Case{1, true}, {16, true}, {25, true}, {26, false}, {255, false}}) {
    std::vector<uint8_t> bytes;
    for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<uint8_t>(i % 3 == 0 ? c.most : 0));
    const std::vector<float> floats(bytes.begin(), bytes.end());
    write_bytes(folder / "a.npz",
                zip({{"x", npy("|u1", "2, 4, 4", values(bytes))}, {"y", labels}}));
    write_bytes(folder / "f.npz",
                zip({{"x", npy("<f4", "2, 4, 4", values(floats))}, {"y", labels}}));
    const auto train = open("npz:" + (folder / "a.npz"), {.val_fraction = 0}).train,
               same = open("npz:" + (folder / "f.npz"), {.val_fraction = 0}).train;
    const Info& info = train->info();
    EXPECT_EQ(info.any_range, c.numbers) << c.most;
    if (c.numbers) {
      EXPECT_EQ(info.mean, same->info().mean) << c.most;
      EXPECT_EQ(info.stddev, same->info().stddev) << c.most;
    }
    // A model gets the same numbers from bytes and floats, from read_npz() and from open().
    for (const char* file : {"a.npz", "f.npz"}) {
      std::vector<std::string> notes;
      const std::vector<float> x =
          read_npz(folder / file, info.input_shape, info.task, "", info.encoding, &notes)
              .to_vector<float>();
      const Splits again =
          open("npz:" + (folder / file), {.val_fraction = 0, .encoding = info.encoding});
      for (size_t i = 0; i < 32; ++i) {
        EXPECT_EQ(x[i], c.numbers ? floats[i] : floats[i] / 255) << c.most << file;
        EXPECT_EQ(sample(*again.train, static_cast<int64_t>(i / 16))[i % 16], x[i])
            << c.most << file;
        EXPECT_EQ(sample(*train, static_cast<int64_t>(i / 16))[i % 16], x[i]) << c.most << file;
      }
      if (c.numbers) { EXPECT_TRUE(notes.empty()) << c.most << file; }
    }
  }
}

// Values whose range contradicts the training data are read as usual. A note reports them.
TEST(Npz, RangesUnlikeTrainingAreReported) {
  TemporaryFolder folder;
  const std::string labels = npy("|u1", "2,", values(counting(2)));
  auto spread = [](float low, float high) {
    std::vector<float> out;
    for (int i = 0; i < 32; ++i) out.push_back(low + (high - low) * static_cast<float>(i) / 31);
    return out;
  };
  auto floats = [&](const char* shape, float low, float high) {
    return npy("<f4", shape, values(spread(low, high)));
  };
  auto bytes = [&](const char* shape, float low, float high) {
    const std::vector<float> all = spread(low, high);
    return npy("|u1", shape, values(std::vector<uint8_t>(all.begin(), all.end())));
  };
  const char *pictures = "2, 4, 4", *rows = "2, 16";
  struct Case {
    const char* what;
    std::string trained, asked;
    const char* note;  // "" for none
  };
  const Case cases[] = {
      {"bytes, then bits", bytes(pictures, 0, 255), bytes(pictures, 0, 1.5f),
       "numbers from 0 to 1, training saw bytes from 0 to 255: are they"},
      {"bytes, then dark bytes", bytes(pictures, 0, 255), bytes(pictures, 0, 40), ""},
      {"bytes, then bright bytes", bytes(pictures, 0, 255), bytes(pictures, 250, 255), ""},
      {"bytes, then black", bytes(pictures, 0, 255), bytes(pictures, 0, 0), ""},
      {"bytes, then fractions", bytes(pictures, 0, 255), floats(pictures, 0, 1), ""},
      {"bytes, then fractions of bits", bytes(pictures, 0, 255), floats(pictures, 0, 1.0f / 255),
       "are they in the same unit?"},
      {"dark bytes, then dark bytes", bytes(pictures, 0, 30), bytes(pictures, 0, 4), ""},
      {"floats, then scores", floats(pictures, 0, 219), floats(pictures, -1, 0.72f),
       "training saw numbers from 0 to 219: are they"},
      {"floats, then z-scores", floats(rows, 0, 219), floats(rows, -2.5f, 3),
       "training saw numbers from 0 to 219: are they"},
      {"floats, then negative ones", floats(rows, 0, 219), floats(rows, -100, 200),
       "training saw numbers from 0 to 219: are they"},
      {"wide floats, then fractions", floats(rows, 0, 90), floats(rows, 0, 1),
       "training saw numbers from 0 to 90: are they"},
      {"rows of bytes, then bits", bytes(rows, 0, 255), bytes(rows, 0, 1.5f),
       "training saw numbers from 0 to 255: are they"},
      {"floats, then some of them", floats(rows, 0, 90), floats(rows, 3, 20), ""},
      {"floats, then one of them", floats(rows, 0, 90), floats(rows, 50, 50), ""},
      {"floats, then zeros", floats(rows, 0, 90), floats(rows, 0, 0), ""},
      {"negative floats, then smaller ones", floats(rows, -3, 3), floats(rows, -2, 1), ""},
      {"far floats, then close ones", floats(rows, 1000, 1010), floats(rows, 1004, 1004.1f), ""},
  };
  for (const Case& c : cases) {
    write_bytes(folder / "a.npz", zip({{"x", c.trained}, {"y", labels}}));
    write_bytes(folder / "b.npz", zip({{"x", c.asked}, {"y", labels}}));
    const Splits trained = open("npz:" + (folder / "a.npz"), {.val_fraction = 0});
    const Info& info = trained.train->info();
    for (const std::string& note : trained.notes)
      EXPECT_FALSE(contains(note, "training saw")) << c.what << ": " << note;
    std::vector<std::string> notes;
    read_npz(folder / "b.npz", info.input_shape, info.task, "", info.encoding, &notes);
    EXPECT_EQ(notes.size(), *c.note ? 1u : 0u) << c.what;
    for (const std::string& note : notes)
      EXPECT_TRUE(contains(note, c.note)) << c.what << ": " << note;
    const Splits again =
        open("npz:" + (folder / "b.npz"), {.val_fraction = 0, .encoding = info.encoding});
    EXPECT_EQ(again.train->info().encoding, info.encoding) << c.what;
    EXPECT_EQ(again.notes, notes) << c.what;
  }
  // Encodings of earlier versions do not contain the range of the bytes.
  write_bytes(folder / "b.npz", zip({{"x", bytes(pictures, 0, 200)}, {"y", labels}}));
  std::vector<std::string> notes;
  const auto x =
      read_npz(folder / "b.npz", {1, 4, 4}, Task::classification, "", "inputs bytes", &notes)
          .to_vector<float>();
  EXPECT_EQ(x.back(), 200.0f / 255);
  EXPECT_TRUE(notes.empty());
}

TEST(Npz, TheTargetOfARegressionDoesNotDependOnTheLocale) {
  struct DecimalComma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
  };
  TemporaryFolder folder;
  write_bytes(folder / "a.npz",
              zip({{"x", npy("<f4", "2, 1", values(std::vector<float>{1, 2}))},
                   {"y", npy("<f4", "2,", values(std::vector<float>{1228.75f, 1240.25f}))}}));
  const std::locale before = std::locale::global(std::locale(std::locale(), new DecimalComma));
  const std::string encoding =
      open("npz:" + (folder / "a.npz"), {.val_fraction = 0}).train->info().encoding;
  const Info info =
      open("npz:" + (folder / "a.npz"), {.val_fraction = 0, .encoding = encoding}).train->info();
  std::locale::global(before);
  EXPECT_DOUBLE_EQ(info.target_mean, 1234.5);
  EXPECT_DOUBLE_EQ(info.target_stddev, 5.75);
}

}  // namespace
}  // namespace suanli::data
