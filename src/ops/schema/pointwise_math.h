// SPDX-License-Identifier: Apache-2.0
// The parts of pointwise.def: the classes, the vocabulary of the texts, and the rows as a table.
//
// One text is compiled several times: for the CPU's vectors (backends/cpu/simd/simd.h), for 64-bit
// integers, for NVRTC (backends/cuda/pointwise_prelude.h) and, the gradients, for Tensor. So it may
// use only
//   x y z        the inputs
//   out g        the result and the incoming gradient, in gradient texts only
//   zero one two half   rsqrt2 = 1/√2   rsqrt2pi = 1/√(2π)   twobysqrtpi = 2/√π
//   lit(1.5)     any other number
//   + - * /  unary -    < <= > >= == !=  (these give a mask; only where(mask, a, b) takes one)
//   exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh
//   atanh erf erfc sigmoid abs floor ceil trunc rint sign   pow atan2 fmod maximum minimum
//   bit_and bit_or bit_xor shift_left shift_right (integers only)
//   the names of the row's attributes
// and a gradient text may be the word `none`: nothing flows to that input. NaN passes through every
// function, maximum and minimum included; pow alone follows C (1 to any power and any number to the
// power 0 are 1). rint goes to the even one of two; fmod keeps the sign of its first argument. A
// value text may end in a mask: the result is then 0 or 1.
//
// An attribute is a number that a call gives, by default one that the row gives. It is recorded as
// a scalar slot behind the tensors, in the place of y or z: another value is the same program.
#pragma once
#include <cstdint>
#include <iterator>
#include <limits>
#include <string_view>

namespace suanli {

enum class PointwiseClass : uint8_t {
  Floats,  ///< Float dtypes; integers are promoted to f32 before. No integer kernel.
  Numbers,  ///< Floats and integers, result of the same dtype; bools are promoted to i64 before.
  Signed,  ///< Floats and integers, result of the same dtype; bools are refused, as in PyTorch.
  Any,  ///< Floats, integers and bools, result of the same dtype.
  Compare,  ///< Any → bool.
  Logic,  ///< Any → bool; a number counts as true unless it is 0.
  Bits,  ///< Integers and bools, result of the same dtype.
  Integers,  ///< Integers, result of the same dtype; bools are refused, as in PyTorch.
  Select,  ///< x bool, y and z of one dtype, which the result has.
};

/// Where inputs may be drawn from for tests: smooth, finite and away from kinks. Unit is (-1, 1),
/// Share (0, 1), AboveOne (1, ∞). Elsewhere the texts still say what is right.
enum class PointwiseDomain : uint8_t { Real, Positive, NonZero, Unit, Share, AboveOne };

/// Names of the rows; the value is the row's index in pointwise.def.
enum class PointwiseOp : int {
#define UNARY(name, ...) name,
#define BINARY(name, ...) name,
#define TERNARY(name, ...) name,
#include "ops/schema/pointwise.def"
};

/// An attribute without a default, in the place of one.
inline constexpr double required = std::numeric_limits<double>::quiet_NaN();

struct PointwiseRow {
  const char* name;
  int tensors;
  int arity;  ///< Tensors and attributes together.
  PointwiseClass cls;
  PointwiseDomain domain;
  const char* operand[3];  ///< As the texts name them.
  double default_value[3];  ///< The defaults of attributes; `required`: none.
  const char* value;
  const char* gradient[3];  ///< Per operand: a text, "none", or nullptr beyond the arity.
  const char* onnx;  ///< nullptr: ONNX has no such op.
  const char* doc;
};

/// The name and the default of an attribute, from (name, default).
#define SUANLI_ATTRIBUTE_NAME(name, value) name
#define SUANLI_ATTRIBUTE_VALUE(name, value) value
#define SUANLI_TEXT_OF(text) #text
#define SUANLI_ATTRIBUTE_TEXT_OF(name, value) SUANLI_TEXT_OF(name)

inline constexpr PointwiseRow pointwise_rows[] = {
#define UNARY(name, Class, domain, value, gx, onnx, doc) \
  {#name,                                                \
   1,                                                    \
   1,                                                    \
   PointwiseClass::Class,                                \
   PointwiseDomain::domain,                              \
   {"x", nullptr, nullptr},                              \
   {},                                                   \
   #value,                                               \
   {#gx, nullptr, nullptr},                              \
   onnx,                                                 \
   doc},
#define UNARY1(name, Class, domain, A, value, gx, onnx, doc) \
  {#name,                                                    \
   1,                                                        \
   2,                                                        \
   PointwiseClass::Class,                                    \
   PointwiseDomain::domain,                                  \
   {"x", SUANLI_ATTRIBUTE_TEXT_OF A, nullptr},               \
   {required, SUANLI_ATTRIBUTE_VALUE A},                     \
   #value,                                                   \
   {#gx, "none", nullptr},                                   \
   onnx,                                                     \
   doc},
#define UNARY2(name, Class, domain, A, B, value, gx, onnx, doc)    \
  {#name,                                                          \
   1,                                                              \
   3,                                                              \
   PointwiseClass::Class,                                          \
   PointwiseDomain::domain,                                        \
   {"x", SUANLI_ATTRIBUTE_TEXT_OF A, SUANLI_ATTRIBUTE_TEXT_OF B},  \
   {required, SUANLI_ATTRIBUTE_VALUE A, SUANLI_ATTRIBUTE_VALUE B}, \
   #value,                                                         \
   {#gx, "none", "none"},                                          \
   onnx,                                                           \
   doc},
#define BINARY(name, Class, domain, value, gx, gy, onnx, doc) \
  {#name,                                                     \
   2,                                                         \
   2,                                                         \
   PointwiseClass::Class,                                     \
   PointwiseDomain::domain,                                   \
   {"x", "y", nullptr},                                       \
   {},                                                        \
   #value,                                                    \
   {#gx, #gy, nullptr},                                       \
   onnx,                                                      \
   doc},
#define TERNARY(name, Class, domain, value, gx, gy, gz, onnx, doc) \
  {#name,                                                          \
   3,                                                              \
   3,                                                              \
   PointwiseClass::Class,                                          \
   PointwiseDomain::domain,                                        \
   {"x", "y", "z"},                                                \
   {},                                                             \
   #value,                                                         \
   {#gx, #gy, #gz},                                                \
   onnx,                                                           \
   doc},
#include "ops/schema/pointwise.def"
};
inline constexpr int pointwise_count = static_cast<int>(std::size(pointwise_rows));

/// True if a text uses a word: mentions("g*out", "out"). Backward must keep the values that a
/// gradient text mentions.
constexpr bool mentions(std::string_view text, std::string_view word) {
  auto in_name = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    size_t end = at + word.size();
    if ((at == 0 || !in_name(text[at - 1])) && (end == text.size() || !in_name(text[end])))
      return true;
  }
  return false;
}

}  // namespace suanli

/// The constants of the texts for a type T that a double constructs. Where it stands, Literal<T>
/// must name a type whose objects turn a double into a T.
#define SUANLI_POINTWISE_CONSTANTS(T)                                                        \
  [[maybe_unused]] const Literal<T> lit{};                                                   \
  [[maybe_unused]] const T zero(0.0), one(1.0), two(2.0), half(0.5), none(0.0);              \
  [[maybe_unused]] const T rsqrt2(0.70710678118654752440), rsqrt2pi(0.39894228040143267794); \
  [[maybe_unused]] const T twobysqrtpi(1.12837916709551257390);
