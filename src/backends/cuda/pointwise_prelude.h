// SPDX-License-Identifier: Apache-2.0
// pointwise.def as CUDA source: the vocabulary of its texts, and each text as a device function
// template. The generated source includes nothing, so NVRTC needs no header path; a host compiler
// takes it too once __device__ and CUDA's math functions are declared.
#pragma once
#include <string>

#include "ops/schema/pointwise_math.h"

namespace suanli::cuda {

#define SUANLI_STRINGISE(...) #__VA_ARGS__
#define SUANLI_EXPAND_AND_STRINGISE(...) SUANLI_STRINGISE(__VA_ARGS__)

/// Comes first, once per source. The functions that C has too, of float and double, are CUDA's own.
/// T of the functions is float, double or Int (narrower types compute in float and Int, as on the
/// CPU).
inline constexpr const char* pointwise_prelude = R"cuda(
#define SUANLI_FN static __device__ __forceinline__

// A 64-bit integer that wraps around and never traps.
struct Int {
  long long v;
  __device__ Int() : v(0) {}
  __device__ explicit Int(long long value) : v(value) {}
  __device__ explicit Int(unsigned long long value) : v((long long)value) {}
  __device__ explicit Int(double c) : v((long long)c) {}
  __device__ unsigned long long bits() const { return (unsigned long long)v; }
};
SUANLI_FN Int operator+(Int a, Int b) { return Int(a.bits() + b.bits()); }
SUANLI_FN Int operator-(Int a, Int b) { return Int(a.bits() - b.bits()); }
SUANLI_FN Int operator*(Int a, Int b) { return Int(a.bits() * b.bits()); }
SUANLI_FN Int operator-(Int a) { return Int(0ull - a.bits()); }
SUANLI_FN Int operator/(Int a, Int b) { return b.v == 0 ? Int() : b.v == -1 ? -a : Int(a.v / b.v); }
SUANLI_FN bool operator<(Int a, Int b) { return a.v < b.v; }
SUANLI_FN bool operator<=(Int a, Int b) { return a.v <= b.v; }
SUANLI_FN bool operator>(Int a, Int b) { return a.v > b.v; }
SUANLI_FN bool operator>=(Int a, Int b) { return a.v >= b.v; }
SUANLI_FN bool operator==(Int a, Int b) { return a.v == b.v; }
SUANLI_FN bool operator!=(Int a, Int b) { return a.v != b.v; }
SUANLI_FN Int abs(Int x) { return x.v < 0 ? -x : x; }
SUANLI_FN Int floor(Int x) { return x; }
SUANLI_FN Int ceil(Int x) { return x; }
SUANLI_FN Int trunc(Int x) { return x; }
SUANLI_FN Int rint(Int x) { return x; }
SUANLI_FN Int fmod(Int x, Int y) { return y.v == 0 ? x : y.v == -1 ? Int() : Int(x.v % y.v); }
SUANLI_FN Int bit_and(Int a, Int b) { return Int(a.v & b.v); }
SUANLI_FN Int bit_or(Int a, Int b) { return Int(a.v | b.v); }
SUANLI_FN Int bit_xor(Int a, Int b) { return Int(a.v ^ b.v); }
SUANLI_FN Int shift_left(Int a, Int b) { return b.bits() > 63 ? Int() : Int(a.bits() << b.v); }
SUANLI_FN Int shift_right(Int a, Int b) { return Int(a.v >> (b.bits() > 63 ? 63 : b.v)); }
SUANLI_FN Int pow(Int x, Int y) {
  if (y.v < 0) return x.v == 1 || x.v == -1 ? (y.v % 2 ? x : Int(1ll)) : Int();
  Int r(1ll);
  for (unsigned long long n = y.bits(); n; n >>= 1, x = x * x)
    if (n & 1) r = r * x;
  return r;
}

template <class T> SUANLI_FN T where(bool m, T a, T b) { return m ? a : b; }
template <class T> SUANLI_FN T maximum(T a, T b) { return a > b || a != a ? a : b; }  // CUDA's fmax would lose NaN
template <class T> SUANLI_FN T minimum(T a, T b) { return a < b || a != a ? a : b; }
template <class T> SUANLI_FN T sigmoid(T x) { return T(1.0) / (T(1.0) + exp(-x)); }
template <class T> SUANLI_FN T sign(T x) { return x > T(0.0) ? T(1.0) : x < T(0.0) ? T(-1.0) : x; }

template <class T> struct Literal {
  __device__ T operator()(double c) const { return T(c); }
};
// A mask is stored as 0 or 1.
template <class T> SUANLI_FN T as_stored(T v) { return v; }
template <class T> SUANLI_FN T as_stored(bool m) { return m ? T(1.0) : T(0.0); }
)cuda";

/// A row's text as a function template: `T NAME_value(T x[, T y[, T z]])` for input < 0, else the
/// gradient of that input as `T NAME_gx(T x[, T y[, T z]], T out, T g)` (gy, gz). Attributes stand
/// in the place of y and z.
inline std::string pointwise_function(const PointwiseRow& row, int input) {
  static const char* suffixes[] = {"_value", "_gx", "_gy", "_gz"};
  std::string parameters;
  for (int i = 0; i < row.arity; ++i) parameters += std::string(i ? ", T " : "T ") + row.operand[i];
  return std::string("template <class T> SUANLI_FN T ") + row.name + suffixes[input + 1] + "(" +
         parameters + (input < 0 ? "" : ", T out, T g") +
         ") {\n  " SUANLI_EXPAND_AND_STRINGISE(
             SUANLI_POINTWISE_CONSTANTS(T)) "\n  return as_stored<T>(" +
         (input < 0 ? row.value : row.gradient[input]) + ");\n}\n";
}

#undef SUANLI_EXPAND_AND_STRINGISE
#undef SUANLI_STRINGISE

}  // namespace suanli::cuda
