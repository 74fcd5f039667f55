// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>

#include "base/files/file.h"
#include "suanli/io.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace suanli {
namespace {

std::string container(const std::string& header, const std::string& data) {
  uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
}

TEST(Safetensors, WritesTheBytesOfTheFormatsOwnLibrary) {
  TempFolder folder;
  NamedTensors tensors = {{"b", tensor<uint8_t>({7, 8, 9})},
                          {"a", tensor<float>({1.0f, -2.0f})},
                          {"n", tensor(std::vector<int64_t>{5}, Shape{})}};
  save_safetensors(folder / "x", tensors, {{"format", "pt"}});
  // Written down from the format: widest first, then names; 8 + header is a multiple of 8.
  std::string header =
      R"({"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
      R"("b":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  const std::string data("\5\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\xc0\7\x8\x9", 19);
  EXPECT_EQ(read_file(folder / "x"), container(header, data));
}

TEST(Safetensors, ReadsBackEveryDtypeShapeAndNote) {
  TempFolder folder;
  const DType all[] = {DType::f64, DType::f32,     DType::f16,    DType::bf16,
                       DType::i64, DType::i32,     DType::i16,    DType::i8,
                       DType::u64, DType::u32,     DType::u16,    DType::u8,
                       DType::c64, DType::boolean, DType::f8e4m3, DType::f8e5m2};
  NamedTensors tensors;
  for (DType d : all) {
    std::string bytes(static_cast<size_t>(6 * itemsize(d)), '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 37 + 11);
    tensors.emplace_back(
        std::string("weird \"name\"/\n") + name(d),
        tensor_from_bytes(bytes.data(), static_cast<int64_t>(bytes.size()), Shape{2, 3}, d));
  }
  tensors.emplace_back("empty", tensor(std::vector<float>{}, Shape{0, 4}));
  save_safetensors(folder / "x", tensors, {{"a", "b"}, {"ü", ""}});
  std::map<std::string, std::string> notes;
  NamedTensors back = load_safetensors(folder / "x", &notes);
  EXPECT_EQ(notes, (std::map<std::string, std::string>{{"a", "b"}, {"ü", ""}}));
  ASSERT_EQ(back.size(), tensors.size());
  for (auto& [key, t] : tensors) {
    auto it = std::find_if(back.begin(), back.end(), [&](auto& e) { return e.first == key; });
    ASSERT_NE(it, back.end()) << key;
    EXPECT_EQ(it->second.dtype(), t.dtype());
    EXPECT_EQ(it->second.shape(), t.shape());
    if (t.numel() == 0) continue;  // no bytes, and memcmp takes no null
    EXPECT_EQ(0,
              std::memcmp(detail::host_data(it->second, t.dtype()), detail::host_data(t, t.dtype()),
                          static_cast<size_t>(t.numel() * itemsize(t.dtype()))))
        << key;
  }
  save_safetensors(folder / "none", {});
  EXPECT_TRUE(load_safetensors(folder / "none").empty());
}

struct Damage {
  const char* what;
  std::string content;
  const char *at, *given, *expected = "";  // `at`: behind the path
};

TEST(Safetensors, DamagedFilesAreRefusedWithTheReason) {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})", eight(8, 'x');
  uint64_t huge = 100'000'001;
  const Damage cases[] = {
      {"empty", "", "", "0 bytes", "at least 8, the length of the header"},
      {"seven bytes", "1234567", "", "7 bytes", "at least 8, the length of the header"},
      {"length beyond the file", std::string("\xff\0\0\0\0\0\0\0{}", 10), ": byte 0",
       "a header of 255 bytes is announced", "at most 2, the rest of the file"},
      {"length beyond the format", std::string(reinterpret_cast<const char*>(&huge), 8) + "{}",
       ": byte 0", "a header of 100000001 bytes is announced", "at most 100000000"},
      {"all ones", std::string(8, '\xff') + "{}", ": byte 0",
       "a header of 18446744073709551615 bytes is announced", "at most 100000000"},
      {"no brace", container(" {}", ""), ": byte 8", "the header does not begin with {"},
      {"no header", container("", ""), ": byte 8", "the header does not begin with {"},
      {"not JSON", container("{\"a\":", ""), ": header: byte 6", "JSON that is cut off"},
      {"text after JSON", container("{}x", ""), ": header: byte 3",
       "no valid JSON from here on: 'x'"},
      {"duplicate name", container("{" + a + "," + a + "}", eight), ": header",
       "JSON has the key \"a\" twice"},
      {"nested", container("{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}", ""),
       ": header", "JSON is nested deeper than 64 levels"},
      {"no dtype", container(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", eight), ": tensor a",
       "no \"dtype\""},
      {"unknown dtype",
       container(R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", eight), ": tensor a",
       "dtype F31", "a dtype that is supported"},
      {"no shape", container(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", eight), ": tensor a",
       "no \"shape\""},
      {"negative size",
       container(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", eight), ": tensor a",
       "\"shape\" holds -2", "sizes from 0 on"},
      {"fractional size",
       container(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", eight),
       ": tensor a", "\"shape\" holds 2.0", "sizes from 0 on"},
      {"overflow",
       container(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})",
                 eight),
       ": tensor a", "\"shape\" has more bytes than 2^62"},
      {"wrap to eight",
       container(R"({"a":{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}})",
                 eight),
       ": tensor a", "\"shape\" has more bytes than 2^62"},
      {"nine axes",
       container(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})",
                 "1234"),
       ": tensor a", "9 axes", "at most 8"},
      {"one offset", container(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", eight),
       ": tensor a", "no \"data_offsets\" of two numbers"},
      {"negative offset",
       container(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})", eight), ": tensor a",
       "\"data_offsets\" holds -8", "offsets from 0 on"},
      {"backwards", container(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", eight),
       ": tensor a", "data_offsets [8, 0]", "8 bytes, as F32 [2] takes"},
      {"wrong count", container(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", eight),
       ": tensor a", "data_offsets [0, 8]", "12 bytes, as F32 [3] takes"},
      {"gap at the start",
       container(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", eight), ": tensor a",
       "begins at byte 65 (a gap)", "byte 61"},
      {"overlap",
       container(
           R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
           eight),
       ": tensor b", "begins at byte 117 (an overlap)", "byte 121"},
      {"truncated", container("{" + a + "}", "1234567"), "", "the file ends at byte 69 (truncated)",
       "byte 70, the end of the tensors"},
      {"something follows", container("{" + a + "}", "123456789"), "",
       "the file ends at byte 71 (something follows the tensors)",
       "byte 70, the end of the tensors"},
      {"metadata is a list", container(R"({"__metadata__":[]})", ""), ": __metadata__",
       "no object"},
      {"metadata holds a number", container(R"({"__metadata__":{"a":1}})", ""), ": __metadata__",
       "\"a\" is no string"},
      {"an entry is no object", container(R"({"a":1})", ""), ": tensor a", "no \"dtype\""},
  };
  TempFolder folder;
  for (const Damage& c : cases) {
    const std::string path = folder.file("x.safetensors", c.content);
    SCOPED_TRACE(c.what);
    EXPECT_FAULT(IoError, load_safetensors(path), .op = "", .argument = path + c.at,
                 .given = c.given, .expected = c.expected);
  }
  EXPECT_FAULT(IoError, load_safetensors(folder / "none"), .argument = folder / "none",
               .given = "cannot be opened: No such file or directory");
}

TEST(Safetensors, RefusesToWriteWhatTheFormatCannotHold) {
  TempFolder folder;
  Tensor one = tensor<float>({1});
  const std::string path = folder / "x";
  EXPECT_FAULT(ArgumentError, save_safetensors(path, {{"a", one}, {"a", one}}),
               .argument = path + ": tensor a", .given = "two tensors of this name");
  std::string bytes(16, '\0');
  Tensor c128 = tensor_from_bytes(bytes.data(), 16, Shape{1}, DType::c128);
  EXPECT_FAULT(DTypeError, save_safetensors(path, {{"a", c128}}), .argument = path + ": tensor a",
               .given = "c128", .expected = "a dtype that safetensors can hold");
  EXPECT_FALSE(path_exists(folder / "x"));
}

}  // namespace
}  // namespace suanli
