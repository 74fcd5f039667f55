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
};
constexpr Lookalike kLookalikes[] = {{"\x89PNG", "a PNG picture"},
                                     {"\xFF\xD8\xFF", "a JPEG picture"},
                                     {"PK\x03\x04", "a zip archive; unpack it"},
                                     {"<!DO", "a web page, not a download"},
                                     {"<htm", "a web page, not a download"},
                                     {"BZh", "a bzip2 file; unpack it"},
                                     {"\x93NUM", "a NumPy file"},
                                     {"vers", "a Git LFS pointer; run `git lfs pull`"}};

std::string lookalike(const uint8_t* start) {
  const std::string_view bytes(reinterpret_cast<const char*>(start), 4);
  for (const Lookalike& l : kLookalikes)
    if (bytes.starts_with(l.start)) return str(" It looks like ", l.what, ".");
  return "";
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
  if (source.position() == 0)
    throw InputError(str(source.at(0), ", the file is empty. ", kGetAgain));
  throw InputError(
      str(source.at(source.position()), ", the file ends inside its header. ", kGetAgain));
}

/// Bytes of values that the header announces. Throws if no such file can exist.
int64_t announced(const ByteSource& source, const IdxArray& array) {
  const Shape shape(array.sizes);
  int64_t bytes = itemsize(array.dtype);
  bool overflow = false;
  for (int64_t size : array.sizes)
    overflow = overflow || __builtin_mul_overflow(bytes, size, &bytes);
  const int64_t header = array.header_bytes();
  const int64_t most =
      source.compressed() ? source.file_size() * kMaxInflation : source.file_size() - header;
  if (overflow || bytes > most) {
    const std::string values = str(shape, " ", array.dtype, " values");
    if (source.compressed() || overflow)
      throw InputError(str(source.at(4), ", the header announces ", values,
                           ", more than a file of ", source.file_size(), " bytes can hold. ",
                           kGetAgain));
    throw InputError(str(source.at(source.file_size()), ", the file is truncated: ", values,
                         " are ", bytes, " bytes after the header, ", most, " are there. ",
                         kGetAgain));
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
  if (word[0] != 0 || word[1] != 0 || type == std::end(kTypes))
    throw InputError(str(source.at(0), ", not an IDX file: it begins with ", hex(word, 4),
                         ", expected 00 00, a type (08 09 0b 0c 0d 0e) and the number of axes.",
                         lookalike(word),
                         " Give the file as its authors publish it, plain or .gz."));
  const int axes = word[3];
  if (axes < 1 || axes > Shape::kMaxRank)
    throw InputError(str(source.at(3), ", the header announces ", axes, " axes, expected 1 to ",
                         Shape::kMaxRank, ". ", kGetAgain));

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
      throw InputError(str(source.at(source.position()), ", the data is truncated: ",
                           Shape(array.sizes), " ", array.dtype, " values are ", total,
                           " bytes after the header, ", before + got, " are there. ", kGetAgain));
  }
  // Behind the values nothing may come. Read to the very end: there gzip has its checksum, and
  // damage explains more than a wrong length.
  std::vector<uint8_t> extra(64 << 10);
  const int64_t end = source.position();
  while (source.read(extra.data(), extra.size()) > 0) {}
  if (source.position() > end)
    throw InputError(
        str(source.at(end), ", there are ", source.position() - end,
            " bytes more than the header announces (", Shape(array.sizes), " ", array.dtype,
            "). The header is damaged or two files were joined; copy or download the file again."));
  to_native_order(array);
  return array;
}

}  // namespace suanli::data
