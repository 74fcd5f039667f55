// SPDX-License-Identifier: Apache-2.0
// NaN of every payload in every tile function of pointwise.def, with every instruction set: a
// result is NaN where the text, computed in scalars of long double, gives NaN, and nowhere else.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "backends/cpu/fused/pointwise_tiles.h"
#include "hwy/base.h"

namespace suanli::cpu {
namespace {

namespace scalar {

/// A long double with the vocabulary of the texts.
struct S {
  long double v = 0;
  S() = default;
  explicit S(long double value) : v(value) {}
  explicit S(double value) : v(static_cast<long double>(value)) {}
};
template <class T> struct Literal {
  T operator()(double c) const { return T(c); }
};
S operator+(S a, S b) { return S(a.v + b.v); }
S operator-(S a, S b) { return S(a.v - b.v); }
S operator*(S a, S b) { return S(a.v * b.v); }
S operator/(S a, S b) { return S(a.v / b.v); }
S operator-(S a) { return S(-a.v); }
bool operator<(S a, S b) { return a.v < b.v; }
bool operator<=(S a, S b) { return a.v <= b.v; }
bool operator>(S a, S b) { return a.v > b.v; }
bool operator>=(S a, S b) { return a.v >= b.v; }
bool operator==(S a, S b) { return a.v == b.v; }
bool operator!=(S a, S b) { return a.v != b.v; }
S where(bool m, S a, S b) { return m ? a : b; }
S exp(S x) { return S(std::exp(x.v)); }
S log(S x) { return S(std::log(x.v)); }
S log1p(S x) { return S(std::log1p(x.v)); }
S sqrt(S x) { return S(std::sqrt(x.v)); }
S sin(S x) { return S(std::sin(x.v)); }
S cos(S x) { return S(std::cos(x.v)); }
S tanh(S x) { return S(std::tanh(x.v)); }
S erf(S x) { return S(std::erf(x.v)); }
S sigmoid(S x) { return S(1 / (1 + std::exp(-x.v))); }
S abs(S x) { return S(std::fabs(x.v)); }
S floor(S x) { return S(std::floor(x.v)); }
S ceil(S x) { return S(std::ceil(x.v)); }
S trunc(S x) { return S(std::trunc(x.v)); }
S rint(S x) { return S(std::rint(x.v)); }
S exp2(S x) { return S(std::exp2(x.v)); }
S expm1(S x) { return S(std::expm1(x.v)); }
S log2(S x) { return S(std::log2(x.v)); }
S log10(S x) { return S(std::log10(x.v)); }
S tan(S x) { return S(std::tan(x.v)); }
S asin(S x) { return S(std::asin(x.v)); }
S acos(S x) { return S(std::acos(x.v)); }
S atan(S x) { return S(std::atan(x.v)); }
S sinh(S x) { return S(std::sinh(x.v)); }
S cosh(S x) { return S(std::cosh(x.v)); }
S asinh(S x) { return S(std::asinh(x.v)); }
S acosh(S x) { return S(std::acosh(x.v)); }
S atanh(S x) { return S(std::atanh(x.v)); }
S erfc(S x) { return S(std::erfc(x.v)); }
S atan2(S x, S y) { return S(std::atan2(x.v, y.v)); }
S fmod(S x, S y) { return S(std::fmod(x.v, y.v)); }
S bit_and(S, S) { return S(); }  // of integers alone, as the next four
S bit_or(S, S) { return S(); }
S bit_xor(S, S) { return S(); }
S shift_left(S, S) { return S(); }
S shift_right(S, S) { return S(); }
S sign(S x) { return std::isnan(x.v) ? x : S(static_cast<long double>((x.v > 0) - (x.v < 0))); }
S pow(S x, S y) { return S(std::pow(x.v, y.v)); }
S maximum(S a, S b) {
  return std::isnan(a.v) || std::isnan(b.v) ? S(a.v + b.v) : S(std::fmax(a.v, b.v));
}
S minimum(S a, S b) {
  return std::isnan(a.v) || std::isnan(b.v) ? S(a.v + b.v) : S(std::fmin(a.v, b.v));
}

#include "backends/cpu/fused/pointwise_expressions.h"

long double number(S s) { return s.v; }
long double number(bool m) { return m ? 1 : 0; }
using Text = long double (*)(const S* operands);  // x, y, z, out, g
template <class Expr> long double text(const S* o) {
  return number(Expr::template eval<S>(o[0], o[1], o[2], o[3], o[4]));
}

struct Texts {
  Text value, gradient[3];
  std::string_view gradient_text[3];
};
const Texts texts[] = {
#define UNARY(name, ...) \
  {text<name##_value>, {text<name##_gx>, nullptr, nullptr}, {name##_gx::text, "none", "none"}},
#define BINARY(name, ...)                       \
  {text<name##_value>,                          \
   {text<name##_gx>, text<name##_gy>, nullptr}, \
   {name##_gx::text, name##_gy::text, "none"}},
#define TERNARY(name, ...)                              \
  {text<name##_value>,                                  \
   {text<name##_gx>, text<name##_gy>, text<name##_gz>}, \
   {name##_gx::text, name##_gy::text, name##_gz::text}},
#include "ops/schema/pointwise.def"
};

}  // namespace scalar

template <class T> std::vector<T> specials() {
  std::vector<T> v;
  if constexpr (sizeof(T) == 4)
    for (uint32_t bits : {0x7fc00000u, 0xffc00000u, 0x7fffffffu, 0xffffffffu, 0x7f800001u,
                          0x7fc01234u, 0x7f800000u, 0xff800000u})
      v.push_back(std::bit_cast<float>(bits));
  else
    for (uint64_t bits :
         {0x7ff8000000000000u, 0xfff8000000000000u, 0x7fffffffffffffffu, 0xffffffffffffffffu,
          0x7ff0000000000001u, 0x7ff8000012345678u, 0x7ff0000000000000u, 0xfff0000000000000u})
      v.push_back(std::bit_cast<double>(bits));
  return v;
}

template <class T> class NanPayload : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(NanPayload, FloatTypes);

TYPED_TEST(NanPayload, IsNanAfterEveryTile) {
  using T = TypeParam;
  constexpr size_t n = 37;  // whole vectors and a tail
  constexpr Compute compute = sizeof(T) == 4 ? Compute::f32 : Compute::f64;
  int checked = 0;
  for (int row = 0; row < pointwise_count; ++row) {
    const PointwiseRow& def = pointwise_rows[row];
    if (!value_tile(row, compute)) continue;  // of integers alone
    for (int input = -1; input < def.arity; ++input) {
      if (input >= 0 && scalar::texts[row].gradient_text[input] == "none") continue;
      const scalar::Text text =
          input < 0 ? scalar::texts[row].value : scalar::texts[row].gradient[input];
      const int operands = input < 0 ? def.arity : 5;
      for (int bad = 0; bad < operands; ++bad) {
        if (bad >= def.arity && bad < 3) continue;
        for (T special : specials<T>())
          for (size_t at : {size_t{0}, size_t{9}, n - 1}) {
            std::vector<T> v[5];
            for (int k = 0; k < 5; ++k) v[k].assign(n, static_cast<T>(0.5 + k));
            if (def.cls == PointwiseClass::Select) v[0].assign(n, T(1));
            std::memcpy(&v[bad][at], &special, sizeof special);
            const void* in[5] = {v[0].data(), v[1].data(), v[2].data(), nullptr, nullptr};
            in[def.arity] = v[3].data();
            in[def.arity + 1] = v[4].data();
            for (Isa isa : {Isa::base, Isa::sse4, Isa::avx2, Isa::avx3}) {
              if (!isa_available(isa)) continue;
              std::vector<T> out(n);
              (input < 0 ? value_tile(row, compute, isa) : gradient_tile(row, input, compute, isa))(
                  in, out.data(), n);
              ++checked;
              for (size_t i : {size_t{0}, size_t{9}, size_t{20}, n - 1}) {
                scalar::S s[5];
                for (int k = 0; k < 5; ++k) s[k] = scalar::S(static_cast<long double>(v[k][i]));
                ASSERT_EQ(std::isnan(out[i]), std::isnan(text(s)))
                    << def.name << ", text " << input << ", operand " << bad << ", instruction set "
                    << static_cast<int>(isa) << ", place " << i << " where " << at
                    << " is special: " << out[i] << ", the text gives " << text(s);
              }
            }
          }
      }
    }
  }
  EXPECT_GT(checked, 1000);
}

}  // namespace
}  // namespace suanli::cpu
