// SPDX-License-Identifier: Apache-2.0
// The tile functions of integers and bools: plain loops over a scalar type with the vocabulary of
// the texts. (Integer pointwise work is index arithmetic and masks; it does not decide how fast
// anything trains.)
#include <string_view>
#include <type_traits>

#include "backends/cpu/fused/pointwise_tiles.h"
#include "base/system/simd_targets.h"
#include "hwy/base.h"

namespace suanli::cpu {
namespace {

/// A 64-bit integer that wraps around and never traps.
template <class V> struct Whole {
  V v = 0;
  Whole() = default;
  explicit constexpr Whole(int64_t value) : v(static_cast<V>(value)) {}
  explicit constexpr Whole(uint64_t value) : v(static_cast<V>(value)) {}
  explicit constexpr Whole(double c) : v(static_cast<V>(c)) {}
  uint64_t bits() const { return static_cast<uint64_t>(v); }
  bool is_minus_one() const { return std::is_signed_v<V> && bits() == ~uint64_t{0}; }

  friend Whole operator+(Whole a, Whole b) { return Whole(a.bits() + b.bits()); }
  friend Whole operator-(Whole a, Whole b) { return Whole(a.bits() - b.bits()); }
  friend Whole operator*(Whole a, Whole b) { return Whole(a.bits() * b.bits()); }
  friend Whole operator-(Whole a) { return Whole(uint64_t{0} - a.bits()); }
  // minimum / -1 would trap
  friend Whole operator/(Whole a, Whole b) {
    return b.v == 0 ? Whole() : b.is_minus_one() ? -a : Whole(a.v / b.v);
  }
  friend bool operator<(Whole a, Whole b) { return a.v < b.v; }
  friend bool operator<=(Whole a, Whole b) { return a.v <= b.v; }
  friend bool operator>(Whole a, Whole b) { return a.v > b.v; }
  friend bool operator>=(Whole a, Whole b) { return a.v >= b.v; }
  friend bool operator==(Whole a, Whole b) { return a.v == b.v; }
  friend bool operator!=(Whole a, Whole b) { return a.v != b.v; }
  friend Whole where(bool m, Whole a, Whole b) { return m ? a : b; }
  friend Whole abs(Whole x) { return x.v < 0 ? -x : x; }
  friend Whole sign(Whole x) {
    return Whole(static_cast<int64_t>(x.v > 0) - static_cast<int64_t>(x.v < 0));
  }
  friend Whole floor(Whole x) { return x; }
  friend Whole ceil(Whole x) { return x; }
  friend Whole trunc(Whole x) { return x; }
  friend Whole rint(Whole x) { return x; }
  friend Whole fmod(Whole x, Whole y) {
    return y.v == 0 ? x : y.is_minus_one() ? Whole() : Whole(x.v % y.v);
  }
  friend Whole bit_and(Whole a, Whole b) { return Whole(a.bits() & b.bits()); }
  friend Whole bit_or(Whole a, Whole b) { return Whole(a.bits() | b.bits()); }
  friend Whole bit_xor(Whole a, Whole b) { return Whole(a.bits() ^ b.bits()); }
  friend Whole shift_left(Whole a, Whole b) {
    return b.bits() > 63 ? Whole() : Whole(a.bits() << b.bits());
  }
  friend Whole shift_right(Whole a, Whole b) {
    if (b.bits() > 63 && !std::is_signed_v<V>) return Whole();
    return Whole(static_cast<V>(a.v >> (b.bits() > 63 ? 63 : b.bits())));
  }
  friend Whole maximum(Whole a, Whole b) { return a > b ? a : b; }
  friend Whole minimum(Whole a, Whole b) { return a < b ? a : b; }
  friend Whole pow(Whole x, Whole y) {
    // 1/xⁿ, truncated; 0 for x = 0
    if (y.v < 0) return x.v == 1 || x.is_minus_one() ? (y.v % 2 ? x : Whole(int64_t{1})) : Whole();
    Whole r(int64_t{1});
    for (uint64_t n = y.bits(); n; n >>= 1, x = x * x)
      if (n & 1) r = r * x;
    return r;
  }
  friend V as_stored(Whole x) { return x.v; }
};
int64_t as_stored(bool m) { return m; }
template <class T> struct Literal {
  T operator()(double c) const { return T(c); }
};

#include "backends/cpu/fused/pointwise_expressions.h"

template <class Expr, class V> void tile(const void* const* in, void* out, size_t n) {
  using O = Operands<Expr>;
  using T = Whole<V>;
  auto at = [in](int k) { return static_cast<const V*>(in[k]); };
  const V *x = O::x ? at(0) : nullptr, *y = O::y ? at(1) : nullptr, *z = O::z ? at(2) : nullptr;
  V* to = static_cast<V*>(out);
  for (size_t i = 0; i < n; ++i)
    to[i] = static_cast<V>(as_stored(Expr::template eval<T>(
        O::x ? T(x[i]) : T(), O::y ? T(y[i]) : T(), O::z ? T(z[i]) : T(), T(), T())));
}

template <class Expr, class V, PointwiseClass cls> constexpr TileFn value_of() {
  if constexpr (cls == PointwiseClass::Floats) return nullptr;
  else return &tile<Expr, V>;
}

template <class V> constexpr TileFn tiles[] = {
#define UNARY(name, Class, ...) value_of<name##_value, V, PointwiseClass::Class>(),
#define BINARY(name, Class, ...) value_of<name##_value, V, PointwiseClass::Class>(),
#define TERNARY(name, Class, ...) value_of<name##_value, V, PointwiseClass::Class>(),
#include "ops/schema/pointwise.def"
};

}  // namespace

TileFn detail::value_tile_i64(int row) { return tiles<int64_t>[row]; }
TileFn detail::value_tile_u64(int row) { return tiles<uint64_t>[row]; }

}  // namespace suanli::cpu
