// SPDX-License-Identifier: Apache-2.0
#include "suanli/base.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ostream>

#include "base/text/text.h"
#include "suanli/version.h"

namespace suanli {

namespace {
struct DTypeInfo {
  const char* name;
  int size;
};
constexpr DTypeInfo kDTypes[] = {
    {"f64", 8},  {"f32", 4}, {"f16", 2},   {"bf16", 2},   {"i64", 8},    {"i32", 4},
    {"i16", 2},  {"i8", 1},  {"u64", 8},   {"u32", 4},    {"u16", 2},    {"u8", 1},
    {"bool", 1}, {"c64", 8}, {"c128", 16}, {"f8e4m3", 1}, {"f8e5m2", 1}, {"i4", 1}};
const DTypeInfo& info(DType d) { return kDTypes[static_cast<int>(d)]; }
bool is_signed_integer(DType d) { return d >= DType::i64 && d <= DType::i8; }
}  // namespace

const char* name(DType dtype) { return info(dtype).name; }
int64_t itemsize(DType dtype) { return info(dtype).size; }

DType dtype_from_name(std::string_view wanted) {
  for (int i = 0; i < static_cast<int>(std::size(kDTypes)); ++i)
    if (wanted == kDTypes[i].name) return static_cast<DType>(i);
  throw ArgumentError(
      {.op = "dtype_from_name",
       .argument = "dtype",
       .given = str("'", wanted, "'"),
       .expected = "a dtype: f64, f32, i64, i32, u8, bool or another one of suanli/base.h"});
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (a == DType::boolean) return b;
  if (b == DType::boolean) return a;
  if (is_float(a) || is_float(b)) {
    if (!is_float(a)) return b;
    if (!is_float(b)) return a;
    if (itemsize(a) != itemsize(b)) return itemsize(a) > itemsize(b) ? a : b;
    return DType::f32;  // f16 with bf16: neither holds the other
  }
  if (is_signed_integer(a) == is_signed_integer(b)) return itemsize(a) > itemsize(b) ? a : b;
  DType s = is_signed_integer(a) ? a : b, u = is_signed_integer(a) ? b : a;
  if (itemsize(s) > itemsize(u)) return s;
  switch (itemsize(u)) {
    case 1: return DType::i16;
    case 2: return DType::i32;
    default: return DType::i64;
  }
}

void Shape::throw_rank(int rank) {
  throw ShapeError({.op = "Shape",
                    .argument = "rank",
                    .given = str(rank),
                    .expected = str("at most ", kMaxRank, " axes")});
}

void Dims::refuse(int64_t dim) const {
  throw ShapeError({.op = "Dims",
                    .argument = "dims",
                    .given = str(to_string(*this), " and ", dim),
                    .expected = str("at most ", Shape::kMaxRank, " dimensions, each an int")});
}
void IntPair::refuse(int64_t value) {
  throw ArgumentError({.op = "IntPair",
                       .argument = "value",
                       .given = str(value),
                       .expected = str(INT32_MIN, " to ", INT32_MAX)});
}
std::string to_string(IntPair pair) {
  return pair.equal() ? str(pair[0]) : str("[", pair[0], ", ", pair[1], "]");
}
std::string to_string(const Dims& dims) {
  std::string out;
  for (int dim : dims) out += str(out.empty() ? "" : ", ", dim);
  return str("[", out, "]");
}
void Shape::throw_axis(int axis, int rank) {
  throw ShapeError(
      {.op = "Shape.axis",
       .argument = "dim",
       .given = str(axis),
       .expected = str(rank == 0 ? "none" : str(-rank, " to ", rank - 1), " for rank ", rank)});
}

int64_t Shape::numel_of_large() const {
  if (std::find(begin(), end(), 0) != end()) return 0;
  throw ShapeError(
      {.op = "Shape.numel", .given = to_string(*this), .expected = "fewer elements than 2^63"});
}

int64_t tensor_bytes(const char* op, const Shape& shape, DType dtype) {
  int64_t bytes = itemsize(dtype);
  bool empty = false;
  for (int64_t size : shape) {
    if (size < 0)
      throw ShapeError({.op = op,
                        .argument = "shape",
                        .given = to_string(shape),
                        .expected = "no negative size"});
    if (size == 0) empty = true;
    else if (__builtin_mul_overflow(bytes, size, &bytes) || bytes > kMaxTensorBytes)
      throw ShapeError({.op = op,
                        .argument = "shape",
                        .given = str(shape, " of ", dtype),
                        .expected = "at most 2^48 bytes"});
  }
  return empty ? 0 : bytes;
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }
std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name(dtype); }

Shape broadcast(const Shape& a, const Shape& b) {
  if (a == b) return a;
  const Shape &longer = a.rank() >= b.rank() ? a : b, &shorter = a.rank() >= b.rank() ? b : a;
  Shape out = longer;
  int offset = longer.rank() - shorter.rank();
  for (int i = 0; i < shorter.rank(); ++i) {
    int64_t x = longer[i + offset], y = shorter[i];
    if (x == y || y == 1) continue;
    if (x != 1)
      throw ShapeError({.op = "broadcast",
                        .argument = "a, b",
                        .given = str(a, " and ", b),
                        .expected = str("sizes that broadcast, not ", a.rank() >= b.rank() ? x : y,
                                        " and ", a.rank() >= b.rank() ? y : x)});
    out[i + offset] = y;
  }
  return out;
}

std::string to_string(const Shape& shape) {
  std::string out = "[";
  for (int i = 0; i < shape.rank(); ++i) {
    if (i) out += ", ";
    append(out, shape[i]);
  }
  return out + "]";
}

namespace {
std::string with_unit(int64_t amount, double step, std::initializer_list<const char*> units) {
  double v = static_cast<double>(amount);
  auto unit = units.begin();
  while (v >= step && unit + 1 != units.end()) {
    v /= step;
    ++unit;
  }
  char buffer[32];  // std::to_chars, for printf would write the locale's decimal point
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::fixed,
                                 unit == units.begin() ? 0 : 1)
                       .ptr;
  return std::string(buffer, end) + ' ' + *unit;
}
}  // namespace

std::string human_bytes(int64_t bytes) {
  return with_unit(bytes, 1024, {"B", "KiB", "MiB", "GiB", "TiB"});
}
std::optional<int64_t> bytes_from(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  while (!unit.empty() && unit[0] == ' ') unit.remove_prefix(1);
  if (!unit.empty() && unit != "B") {
    constexpr std::string_view prefixes = "kmgt";
    const size_t power = prefixes.find(ascii_lower(unit[0]));
    const std::string_view rest = unit.substr(1);
    if (power == prefixes.npos || !(rest.empty() || rest == "B" || rest == "iB"))
      return std::nullopt;
    value *= std::pow(rest == "B" ? 1000.0 : 1024.0, static_cast<double>(power + 1));
  }
  if (!(value >= 1) || value > 9e18) return std::nullopt;
  return static_cast<int64_t>(value);
}
std::string human_flops(int64_t flops) {
  return with_unit(flops, 1000, {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"});
}

const char* version() { return SUANLI_VERSION; }

}  // namespace suanli
