// SPDX-License-Identifier: Apache-2.0
// The tile functions of integers and bools: plain loops over a scalar type with the vocabulary of
// the texts. (Integer pointwise work is index arithmetic and masks; it does not decide how fast
// anything trains.)
#include <string_view>

#include "backends/cpu/fused/pointwise_tiles.h"
#include "base/system/simd_targets.h"
#include "hwy/base.h"

namespace suanli::cpu {
namespace {

/// A 64-bit integer that wraps around and never traps.
struct Int {
  int64_t v = 0;
  Int() = default;
  explicit constexpr Int(int64_t value) : v(value) {}
  explicit constexpr Int(uint64_t value) : v(static_cast<int64_t>(value)) {}
  explicit constexpr Int(double c) : v(static_cast<int64_t>(c)) {}
  uint64_t bits() const { return static_cast<uint64_t>(v); }
};
template <class T> struct Literal {
  T operator()(double c) const { return T(c); }
};

Int operator+(Int a, Int b) { return Int(a.bits() + b.bits()); }
Int operator-(Int a, Int b) { return Int(a.bits() - b.bits()); }
Int operator*(Int a, Int b) { return Int(a.bits() * b.bits()); }
Int operator-(Int a) { return Int(uint64_t{0} - a.bits()); }
// minimum / -1 would trap
Int operator/(Int a, Int b) { return b.v == 0 ? Int() : b.v == -1 ? -a : Int(a.v / b.v); }
bool operator<(Int a, Int b) { return a.v < b.v; }
bool operator<=(Int a, Int b) { return a.v <= b.v; }
bool operator>(Int a, Int b) { return a.v > b.v; }
bool operator>=(Int a, Int b) { return a.v >= b.v; }
bool operator==(Int a, Int b) { return a.v == b.v; }
bool operator!=(Int a, Int b) { return a.v != b.v; }
Int where(bool m, Int a, Int b) { return m ? a : b; }
Int abs(Int x) { return x.v < 0 ? -x : x; }
Int sign(Int x) { return Int(static_cast<int64_t>(x.v > 0) - static_cast<int64_t>(x.v < 0)); }
Int floor(Int x) { return x; }
Int ceil(Int x) { return x; }
Int trunc(Int x) { return x; }
Int rint(Int x) { return x; }
Int fmod(Int x, Int y) { return y.v == 0 ? x : y.v == -1 ? Int() : Int(x.v % y.v); }
Int bit_and(Int a, Int b) { return Int(a.v & b.v); }
Int bit_or(Int a, Int b) { return Int(a.v | b.v); }
Int bit_xor(Int a, Int b) { return Int(a.v ^ b.v); }
Int shift_left(Int a, Int b) { return b.bits() > 63 ? Int() : Int(a.bits() << b.v); }
Int shift_right(Int a, Int b) { return Int(a.v >> (b.bits() > 63 ? 63 : b.v)); }
Int maximum(Int a, Int b) { return a > b ? a : b; }
Int minimum(Int a, Int b) { return a < b ? a : b; }
Int pow(Int x, Int y) {
  // 1/xⁿ, truncated; 0 for x = 0
  if (y.v < 0) return x.v == 1 || x.v == -1 ? (y.v % 2 ? x : Int(int64_t{1})) : Int();
  Int r(int64_t{1});
  for (uint64_t n = y.bits(); n; n >>= 1, x = x * x)
    if (n & 1) r = r * x;
  return r;
}
int64_t as_stored(Int x) { return x.v; }
int64_t as_stored(bool m) { return m; }

#include "backends/cpu/fused/pointwise_expressions.h"

template <class Expr> void tile(const void* const* in, void* out, size_t n) {
  using O = Operands<Expr>;
  auto at = [in](int k) { return static_cast<const int64_t*>(in[k]); };
  const int64_t *x = O::x ? at(0) : nullptr, *y = O::y ? at(1) : nullptr,
                *z = O::z ? at(2) : nullptr;
  int64_t* to = static_cast<int64_t*>(out);
  for (size_t i = 0; i < n; ++i)
    to[i] = as_stored(Expr::template eval<Int>(O::x ? Int(x[i]) : Int(), O::y ? Int(y[i]) : Int(),
                                               O::z ? Int(z[i]) : Int(), Int(), Int()));
}

template <class Expr, PointwiseClass cls> constexpr TileFn value_of() {
  if constexpr (cls == PointwiseClass::Floats) return nullptr;
  else return &tile<Expr>;
}

constexpr TileFn tiles_i64[] = {
#define UNARY(name, Class, ...) value_of<name##_value, PointwiseClass::Class>(),
#define BINARY(name, Class, ...) value_of<name##_value, PointwiseClass::Class>(),
#define TERNARY(name, Class, ...) value_of<name##_value, PointwiseClass::Class>(),
#include "ops/schema/pointwise.def"
};

}  // namespace

TileFn detail::value_tile_i64(int row) { return tiles_i64[row]; }

}  // namespace suanli::cpu
