// SPDX-License-Identifier: Apache-2.0
#include "io/npy.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/text/text.h"

namespace suanli::data {
namespace {

constexpr size_t kMaxHeader = 64 << 10;
constexpr size_t kPiece = 4 << 20;
constexpr const char* kSaveAgain = "Save it again with numpy.save or numpy.savez.";

[[noreturn]] void refuse(std::string place, std::string given, std::string expected = "") {
  throw IoError({.argument = std::move(place),
                 .given = std::move(given),
                 .expected = std::move(expected),
                 .remedy = kSaveAgain});
}

struct Type {
  std::string_view name;
  DType dtype;
};
constexpr Type kTypes[] = {{"u1", DType::u8},  {"i1", DType::i8},      {"i2", DType::i16},
                           {"i4", DType::i32}, {"i8", DType::i64},     {"f4", DType::f32},
                           {"f8", DType::f64}, {"b1", DType::boolean}, {"u2", DType::u16},
                           {"u4", DType::u32}, {"u8", DType::u64},     {"f2", DType::f16}};

/// The header is a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
/// Returns the text behind a key.
std::string_view value_of(std::string_view header, std::string_view key) {
  const size_t at = header.find(key);
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at + key.size());
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(": ")));
  return rest;
}

struct Header {
  Type type{};
  bool swapped = false, fortran = false;
  Shape shape;
};

Header parse(std::string_view text, const std::string& where) {
  Header h;
  const std::string_view descr = value_of(text, "'descr'");
  const size_t end = descr.find('\'', 1);
  if (!descr.starts_with('\'') || end == std::string_view::npos || end < 3)
    refuse(where, "values that are objects or records", "plain numbers");
  const char order = descr[1];
  const std::string_view name = descr.substr(2, end - 2);
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const Type& t) { return t.name == name; });
  if (type == std::end(kTypes) || (order != '<' && order != '>' && order != '|' && order != '='))
    refuse(where, str("values of type ", descr.substr(0, end + 1)),
           "whole numbers, floats of 2 to 8 bytes or bool");
  h.type = *type;
  h.swapped = order == '>' && std::endian::native == std::endian::little;
  h.fortran = value_of(text, "'fortran_order'").starts_with("True");
  std::string_view sizes = value_of(text, "'shape'");
  if (!sizes.starts_with('(')) refuse(where, "the header names no shape");
  sizes.remove_prefix(1);
  while (!sizes.empty() && sizes[0] != ')') {
    int64_t size = -1;
    const auto parsed = std::from_chars(sizes.data(), sizes.data() + sizes.size(), size);
    if (parsed.ec != std::errc() || size < 0 || h.shape.rank() == Shape::kMaxRank)
      refuse(where, "the header's shape cannot be read", "at most 8 whole numbers");
    h.shape.push_back(size);
    sizes.remove_prefix(static_cast<size_t>(parsed.ptr - sizes.data()));
    sizes.remove_prefix(std::min(sizes.size(), sizes.find_first_not_of(", ")));
  }
  return h;
}

/// Columns first → rows first.
std::vector<uint8_t> row_major(const std::vector<uint8_t>& bytes, const Shape& shape,
                               size_t width) {
  std::vector<uint8_t> out(bytes.size());
  std::vector<int64_t> index(static_cast<size_t>(shape.rank()));
  for (size_t i = 0; i < bytes.size(); i += width) {
    int64_t at = 0;
    for (int axis = shape.rank() - 1; axis >= 0; --axis)
      at = at * shape[axis] + index[static_cast<size_t>(axis)];
    std::memcpy(out.data() + i, bytes.data() + static_cast<size_t>(at) * width, width);
    for (int axis = shape.rank() - 1;
         axis >= 0 && ++index[static_cast<size_t>(axis)] == shape[axis]; --axis)
      index[static_cast<size_t>(axis)] = 0;
  }
  return out;
}

template <class From, class To, class F> void convert(NpyArray& array, F&& convert_one) {
  const size_t n = array.bytes.size() / sizeof(From);
  std::vector<uint8_t> out(n * sizeof(To));
  for (size_t i = 0; i < n; ++i) {
    From v;
    std::memcpy(&v, array.bytes.data() + i * sizeof(From), sizeof(From));
    const To to = convert_one(v);
    std::memcpy(out.data() + i * sizeof(To), &to, sizeof(To));
  }
  array.bytes = std::move(out);
  array.dtype = dtype_of<To>;
}

template <class T> double number_at(const uint8_t* bytes, int64_t i) {
  T v;
  std::memcpy(&v, bytes + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return static_cast<double>(v);
}

}  // namespace

double NpyArray::at(int64_t i) const {
  switch (dtype) {
    case DType::u8:
    case DType::boolean: return bytes[static_cast<size_t>(i)];
    case DType::i8: return number_at<int8_t>(bytes.data(), i);
    case DType::i16: return number_at<int16_t>(bytes.data(), i);
    case DType::i32: return number_at<int32_t>(bytes.data(), i);
    case DType::i64: return number_at<int64_t>(bytes.data(), i);
    case DType::f32: return number_at<float>(bytes.data(), i);
    default: return number_at<double>(bytes.data(), i);
  }
}

void widen(NpyArray& array, const std::string& place) {
  switch (array.dtype) {
    case DType::f16:
      return convert<float16, float>(array, [](float16 v) { return static_cast<float>(v); });
    case DType::u16:
      return convert<uint16_t, int32_t>(array, [](uint16_t v) { return int32_t{v}; });
    case DType::u32:
      return convert<uint32_t, int64_t>(array, [](uint32_t v) { return int64_t{v}; });
    case DType::u64:
      return convert<uint64_t, int64_t>(array, [&](uint64_t v) {
        if (v > static_cast<uint64_t>(INT64_MAX))
          refuse(place, str("the value ", v), "at most 2^63 − 1");
        return static_cast<int64_t>(v);
      });
    default: return;
  }
}

NpyArray read_npy(uint64_t size, const std::function<void(void*, size_t)>& read,
                  const std::function<std::string()>& here) {
  uint8_t start[12] = {};
  const bool long_enough = size >= 10;
  if (long_enough) read(start, 10);
  if (!long_enough || std::memcmp(start, "\x93NUMPY", 6) != 0 || start[6] < 1 || start[6] > 3)
    refuse(here(), "no NumPy array of version 1 to 3");
  size_t header_bytes = start[8] | size_t{start[9]} << 8, before = 10;
  if (start[6] > 1 && size >= 12) {
    read(start + 10, 2);
    header_bytes |= size_t{start[10]} << 16 | size_t{start[11]} << 24;
    before = 12;
  }
  if (header_bytes > kMaxHeader || header_bytes > size - before)
    refuse(here(), str("a header of ", header_bytes, " bytes"),
           str("at most ", std::min<uint64_t>(kMaxHeader, size - before)));
  std::string text(header_bytes, '\0');
  read(text.data(), header_bytes);
  const Header header = parse(text, here());

  NpyArray array{.dtype = header.type.dtype, .shape = header.shape, .bytes = {}};
  const auto width = static_cast<size_t>(itemsize(header.type.dtype));
  int64_t bytes = static_cast<int64_t>(width);
  bool overflow = false;
  for (int64_t d : header.shape) overflow = overflow || __builtin_mul_overflow(bytes, d, &bytes);
  const uint64_t there = size - before - header_bytes;
  if (overflow || static_cast<uint64_t>(bytes) != there)
    refuse(here(), str(there, " bytes"),
           str(header.shape, " values of ", width, " bytes, as the header announces"));
  // In pieces: memory is taken only for what is really there.
  while (array.bytes.size() < there) {
    const size_t at = array.bytes.size(), piece = std::min<size_t>(kPiece, there - at);
    array.bytes.resize(at + piece);
    read(array.bytes.data() + at, piece);
  }
  if (header.swapped && width > 1)
    for (size_t i = 0; i < array.bytes.size(); i += width)
      std::reverse(array.bytes.data() + i, array.bytes.data() + i + width);
  if (header.fortran && header.shape.rank() > 1)
    array.bytes = row_major(array.bytes, header.shape, width);
  return array;
}

}  // namespace suanli::data
