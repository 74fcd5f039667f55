// SPDX-License-Identifier: Apache-2.0
#include "data/formats/idx.h"

#include <cstring>

#include "data/files.h"
#include "gtest/gtest.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

TEST(Idx, ReadsEveryTypeInThisMachinesOrder) {
  TemporaryFolder folder;
  struct Case {
    uint8_t code;
    DType dtype;
    std::string bytes;
    double value;
  };
  const Case cases[] = {
      {0x08, DType::u8, "\xC8", 200},
      {0x09, DType::i8, "\xC8", -56},
      {0x0B, DType::i16, "\xFE\x0C", -500},
      {0x0C, DType::i32, std::string("\x00\x01\x86\xA0", 4), 100000},
      {0x0D, DType::f32, std::string("\xC0\x20\x00\x00", 4), -2.5},
      {0x0E, DType::f64, std::string("\x3F\xF4\x00\x00\x00\x00\x00\x00", 8), 1.25},
  };
  auto as = []<class T>(const IdxArray& a, T) {
    T v;
    std::memcpy(&v, a.bytes.data(), sizeof v);
    return static_cast<double>(v);
  };
  for (const Case& c : cases) {
    write_bytes(folder / "x", idx(c.code, {1}, c.bytes));
    const IdxArray a = read_idx(folder / "x");
    EXPECT_EQ(a.dtype, c.dtype);
    EXPECT_EQ(a.sizes, std::vector<int64_t>{1});
    double value = 0;
    switch (c.dtype) {
      case DType::u8: value = as(a, uint8_t{}); break;
      case DType::i8: value = as(a, int8_t{}); break;
      case DType::i16: value = as(a, int16_t{}); break;
      case DType::i32: value = as(a, int32_t{}); break;
      case DType::f32: value = as(a, float{}); break;
      default: value = as(a, double{});
    }
    EXPECT_EQ(value, c.value) << name(c.dtype);
  }
}

TEST(Idx, GzipIsRecognizedByContentNotByName) {
  TemporaryFolder folder;
  std::string values;
  // more than one piece and one buffer
  for (int i = 0; i < 6'000'000; ++i) values += static_cast<char>(i * 7 % 251);
  const std::string plain = idx(0x08, {2, 3000, 1000}, values), packed = gzip(plain);
  write_bytes(folder / "plain", plain);
  write_bytes(folder / "packed.gz", packed);
  write_bytes(folder / "packed-without-suffix", packed);
  write_bytes(folder / "padded.gz", packed + std::string(512, '\0'));
  write_bytes(folder / "two-streams.gz", gzip(plain.substr(0, 1000)) + gzip(plain.substr(1000)));
  const IdxArray expected = read_idx(folder / "plain");
  EXPECT_EQ(std::string(expected.bytes.begin(), expected.bytes.end()), values);
  for (const char* name : {"packed.gz", "packed-without-suffix", "padded.gz", "two-streams.gz"}) {
    const IdxArray a = read_idx(folder / name);
    EXPECT_EQ(a.sizes, expected.sizes) << name;
    EXPECT_TRUE(a.bytes == expected.bytes) << name;
  }
}

struct Bad {
  const char* what;
  std::string bytes;
  const char *at, *given, *expected = "";
};

std::string flipped(std::string bytes, size_t from_end) {
  bytes[bytes.size() - from_end] ^= 0x55;
  return bytes;
}

TEST(Idx, SaysWhatIsWrongAndWhere) {
  const std::string values(60, 'v'), good = idx(0x08, {3, 4, 5}, values), packed = gzip(good);
  const std::string huge = idx(0x08, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, values),
                    large = idx(0x08, {60000, 28, 28}, values);
  const std::string packed_huge = gzip(huge), packed_large = gzip(large);
  auto limit = [](const std::string& file) {
    return "what a file of " + std::to_string(file.size()) + " bytes can hold";
  };
  const std::string packed_huge_limit = limit(packed_huge),
                    packed_large_limit = limit(packed_large);
  const char* start = "an IDX file: 00 00, a type (08 09 0b 0c 0d 0e) and the number of axes";
  const Bad cases[] = {
      {"empty", "", "byte 0", "the file is empty"},
      {"ends in magic", good.substr(0, 3), "byte 3", "the file ends inside its header"},
      {"ends in sizes", good.substr(0, 10), "byte 10", "the file ends inside its header"},
      {"truncated", good.substr(0, 70), "byte 70", "truncated after 54 bytes of values",
       "60 for [3, 4, 5] u8 values"},
      {"longer", good + "x", "byte 76", "1 more bytes", "the end after [3, 4, 5] u8 values"},
      {"wrong magic", "\x01\x02\x03\x04" + values, "byte 0", "01 02 03 04", start},
      {"unknown type", idx(0x0A, {3}, "abc"), "byte 0", "00 00 0a 01", start},
      {"no axes", idx(0x08, {}, "abc"), "byte 3", "the header announces 0 axes", "1 to 8"},
      {"many axes", idx(0x08, std::vector<uint32_t>(9, 1), "a"), "byte 3",
       "the header announces 9 axes", "1 to 8"},
      {"web page", "<!DOCTYPE html><html>", "byte 0",
       "3c 21 44 4f (it looks like a web page, not a download)", start},
      {"lfs pointer", "version https://git-lfs", "byte 0",
       "76 65 72 73 (it looks like a Git LFS pointer)", start},
      {"zip", "PK\x03\x04zzzz", "byte 0", "50 4b 03 04 (it looks like a zip archive)", start},
      {"png", "\x89PNG\r\n\x1a\n", "byte 0", "89 50 4e 47 (it looks like a PNG picture)", start},
      {"sizes overflow", huge, "byte 4",
       "the header announces [4294967295, 4294967295, 4294967295] u8 values",
       "what a file of 76 bytes can hold"},
      {"sizes too large", large, "byte 76", "truncated after 60 bytes of values",
       "47040000 for [60000, 28, 28] u8 values"},
      {"gzip: data truncated", gzip(good.substr(0, 70)), "decompressed byte 70",
       "truncated after 54 bytes of values", "60 for [3, 4, 5] u8 values"},
      {"gzip: longer", gzip(good + "x"), "decompressed byte 76", "1 more bytes",
       "the end after [3, 4, 5] u8 values"},
      {"gzip: sizes overflow", packed_huge, "decompressed byte 4",
       "the header announces [4294967295, 4294967295, 4294967295] u8 values",
       packed_huge_limit.c_str()},
      {"gzip: sizes too large", packed_large, "decompressed byte 4",
       "the header announces [60000, 28, 28] u8 values", packed_large_limit.c_str()},
      {"gzip: not IDX", gzip("hello world"), "decompressed byte 0", "68 65 6c 6c", start},
      {"gzip: empty", gzip(""), "decompressed byte 0", "the file is empty"},
  };
  struct BadStream {
    const char* what;
    std::string bytes;
    std::vector<std::string> message;
  };
  const BadStream streams[] = {
      {"gzip: cut in header", packed.substr(0, 5), {"byte 5", "gzip", "cut off"}},
      {"gzip: cut in data", packed.substr(0, packed.size() / 2), {"byte ", "gzip", "cut off"}},
      {"gzip: cut in checksum",
       packed.substr(0, packed.size() - 3),
       {"gzip", "cut off after 76 decompressed"}},
      {"gzip: checksum", flipped(packed, 8), {"gzip", "damaged", "incorrect data check"}},
      {"gzip: length", flipped(packed, 4), {"gzip", "damaged", "incorrect length check"}},
      {"gzip: data",
       flipped(gzip(idx(0x08, {3, 4, 5},
                        "abcdefghijklmnopqrstuvwxyz01234567890123456789012345678901234")),
               30),
       {"gzip", "damaged"}},
      {"gzip: junk behind", packed + "junk", {"gzip", "damaged"}},
  };
  TemporaryFolder folder;
  for (const Bad& c : cases) {
    write_bytes(folder / "file", c.bytes);
    SCOPED_TRACE(c.what);
    EXPECT_FAULT(IoError, read_idx(folder / "file"), .op = "",
                 .argument = (folder / "file") + ": " + c.at, .given = c.given,
                 .expected = c.expected);
  }
  for (const auto& [bytes, remedy] : std::initializer_list<std::pair<const char*, const char*>>{
           {"version https://git-lfs", "git lfs pull"},
           {"PK\x03\x04zzzz", "Unpack it."},
           {"<!DOCTYPE html><html>", "as its authors publish"}}) {
    write_bytes(folder / "file", bytes);
    const std::string given = fault_of<IoError>([&] { read_idx(folder / "file"); }).remedy;
    EXPECT_TRUE(contains(given, remedy)) << given;
  }
  for (const BadStream& c : streams) {
    write_bytes(folder / "file", c.bytes);
    const std::string text = told(fault_of<IoError>([&] { read_idx(folder / "file"); }));
    EXPECT_TRUE(contains(text, folder / "file")) << c.what << "\n" << text;
    for (const std::string& part : c.message)
      EXPECT_TRUE(contains(text, part)) << c.what << ": no `" << part << "` in\n" << text;
  }
}

TEST(Idx, MissingFileAndFolder) {
  TemporaryFolder folder;
  for (const std::string& path : {folder / "none", folder.path()}) {
    const std::string text = told(fault_of<IoError>([&] { read_idx(path); }));
    EXPECT_TRUE(contains(text, path)) << text;
  }
}

// Every cut and every damaged byte of a small file either reads or throws IoError: never
// anything else.
TEST(Idx, NoDamageEscapes) {
  TemporaryFolder folder;
  const std::string good = gzip(idx(0x08, {3, 4, 5}, std::string(60, 'v')));
  for (size_t i = 0; i < good.size(); ++i) {
    for (std::string bytes : {good.substr(0, i), flipped(good, i + 1)}) {
      write_bytes(folder / "file", bytes);
      const auto fault = fault_if_any<IoError>([&] { read_idx(folder / "file"); });
      if (bytes.size() < good.size()) { EXPECT_TRUE(fault) << i; }
    }
  }
}

}  // namespace
}  // namespace suanli::data
