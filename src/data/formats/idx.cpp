// SPDX-License-Identifier: Apache-2.0
#include "data/formats/idx.h"

#include <algorithm>
#include <bit>
#include <string_view>

#include "base/files/byte_source.h"
#include "base/text/text.h"

namespace suanli::data {
namespace {

constexpr const char* kGetAgain = "Copy or download the file again.";
constexpr size_t kChunk = 4 << 20;
// deflate cannot shrink data by more than 1032:1, xz by about 7000:1; with this the size that a
// header claims can be refused before reading on.
constexpr int64_t kMaxInflation = 8192;

struct Type {
  uint8_t code;
  DType dtype;
};
constexpr Type kTypes[] = {{0x08, DType::u8},  {0x09, DType::i8},  {0x0B, DType::i16},
                           {0x0C, DType::i32}, {0x0D, DType::f32}, {0x0E, DType::f64}};

/// Files that people give in place of an IDX file.
struct Lookalike {
  std::string_view start;
  const char* what;
  const char* remedy = "";
};
constexpr Lookalike kLookalikes[] = {{"\x89PNG", "a PNG picture"},
                                     {"\xFF\xD8\xFF", "a JPEG picture"},
                                     {"PK\x03\x04", "a zip archive", "Unpack it. "},
                                     {"<!DO", "a web page, not a download"},
                                     {"<htm", "a web page, not a download"},
                                     {"BZh", "a bzip2 file", "Unpack it. "},
                                     {"\x93NUM", "a NumPy file"},
                                     {"vers", "a Git LFS pointer", "Run `git lfs pull`. "}};

const Lookalike* lookalike(const uint8_t* start) {
  const std::string_view bytes(reinterpret_cast<const char*>(start), 4);
  for (const Lookalike& l : kLookalikes)
    if (bytes.starts_with(l.start)) return &l;
  return nullptr;
}

std::string hex(const uint8_t* bytes, int count) {
  constexpr const char* digits = "0123456789abcdef";
  std::string out;
  for (int i = 0; i < count; ++i) {
    if (i > 0) out += ' ';
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
  return out;
}

void read_header(ByteSource& source, uint8_t* out, size_t count) {
  const size_t got = source.read(out, count);
  if (got == count) return;
  throw IoError(
      {.argument = source.at(source.position()),
       .given = source.position() == 0 ? "the file is empty" : "the file ends inside its header",
       .remedy = kGetAgain});
}

std::string describe(const IdxArray& array) {
  return str(Shape(array.sizes), " ", array.dtype, " values");
}

[[noreturn]] void refuse_truncated(const ByteSource& source, int64_t end, const IdxArray& array,
                                   int64_t there, int64_t announced) {
  throw IoError({.argument = source.at(end),
                 .given = str("truncated after ", there, " bytes of values"),
                 .expected = str(announced, " for ", describe(array)),
                 .remedy = kGetAgain});
}

/// Bytes of values that the header announces. Throws if no such file can exist.
int64_t announced(const ByteSource& source, const IdxArray& array) {
  int64_t bytes = itemsize(array.dtype);
  bool overflow = false;
  for (int64_t size : array.sizes)
    overflow = overflow || __builtin_mul_overflow(bytes, size, &bytes);
  const int64_t header = array.header_bytes();
  const int64_t most =
      source.compressed() ? source.file_size() * kMaxInflation : source.file_size() - header;
  if (overflow || bytes > most) {
    if (source.compressed() || overflow)
      throw IoError({.argument = source.at(4),
                     .given = str("the header announces ", describe(array)),
                     .expected = str("what a file of ", source.file_size(), " bytes can hold"),
                     .remedy = kGetAgain});
    refuse_truncated(source, source.file_size(), array, most, bytes);
  }
  return bytes;
}

void to_native_order(IdxArray& array) {
  const auto width = static_cast<size_t>(itemsize(array.dtype));
  if (width == 1 || std::endian::native == std::endian::big) return;
  for (size_t i = 0; i < array.bytes.size(); i += width)
    std::reverse(array.bytes.data() + i, array.bytes.data() + i + width);
}

}  // namespace

IdxArray read_idx(const std::string& path) {
  ByteSource source(path);
  uint8_t word[4];
  read_header(source, word, 4);
  const Type* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const Type& t) { return t.code == word[2]; });
  if (word[0] != 0 || word[1] != 0 || type == std::end(kTypes)) {
    const Lookalike* like = lookalike(word);
    throw IoError(
        {.argument = source.at(0),
         .given = str(hex(word, 4), like ? str(" (it looks like ", like->what, ")") : ""),
         .expected = "an IDX file: 00 00, a type (08 09 0b 0c 0d 0e) and the number of axes",
         .remedy = str(like ? like->remedy : "",
                       "Give the file as its authors publish it, plain or .gz.")});
  }
  const int axes = word[3];
  if (axes < 1 || axes > Shape::kMaxRank)
    throw IoError({.argument = source.at(3),
                   .given = str("the header announces ", axes, " axes"),
                   .expected = str("1 to ", Shape::kMaxRank),
                   .remedy = kGetAgain});

  IdxArray array{.dtype = type->dtype, .sizes = {}, .bytes = {}};
  for (int i = 0; i < axes; ++i) {
    read_header(source, word, 4);
    array.sizes.push_back(int64_t{word[0]} << 24 | word[1] << 16 | word[2] << 8 | word[3]);
  }

  // In pieces: a small gzip file may claim anything, and memory is only taken for what it really
  // holds.
  const auto total = static_cast<size_t>(announced(source, array));
  while (array.bytes.size() < total) {
    const size_t before = array.bytes.size(), piece = std::min(kChunk, total - before);
    array.bytes.resize(before + piece);
    if (const size_t got = source.read(array.bytes.data() + before, piece); got < piece)
      refuse_truncated(source, source.position(), array, static_cast<int64_t>(before + got),
                       static_cast<int64_t>(total));
  }
  // Behind the values nothing may come. Read to the very end: there gzip has its checksum, and
  // damage explains more than a wrong length.
  std::vector<uint8_t> extra(64 << 10);
  const int64_t end = source.position();
  while (source.read(extra.data(), extra.size()) > 0) {}
  if (source.position() > end)
    throw IoError({.argument = source.at(end),
                   .given = str(source.position() - end, " more bytes"),
                   .expected = str("the end after ", describe(array)),
                   .remedy = str("The header is damaged, or two files were joined. ", kGetAgain)});
  to_native_order(array);
  return array;
}

}  // namespace suanli::data
