// SPDX-License-Identifier: Apache-2.0
// The texts of pointwise.def as templates, in the namespace that includes this: struct NAME_value
// and NAME_gx, NAME_gy, NAME_gz. eval<T>() takes all five variables; a caller passes anything for
// those that the text does not mention. No include guard: every instruction set compiles its own
// copy.

#define SUANLI_EXPRESSION(Name, Arity, Text)                                              \
  struct Name {                                                                           \
    static constexpr int arity = Arity;                                                   \
    static constexpr std::string_view text = #Text;                                       \
    template <class T>                                                                    \
    static HWY_INLINE auto eval([[maybe_unused]] const T x, [[maybe_unused]] const T y,   \
                                [[maybe_unused]] const T z, [[maybe_unused]] const T out, \
                                [[maybe_unused]] const T g) {                             \
      SUANLI_POINTWISE_CONSTANTS(T)                                                       \
      return Text;                                                                        \
    }                                                                                     \
  };
#define UNARY(name, Class, domain, value, gx, onnx, doc) \
  SUANLI_EXPRESSION(name##_value, 1, value) SUANLI_EXPRESSION(name##_gx, 1, gx)
#define BINARY(name, Class, domain, value, gx, gy, onnx, doc) \
  SUANLI_EXPRESSION(name##_value, 2, value)                   \
  SUANLI_EXPRESSION(name##_gx, 2, gx) SUANLI_EXPRESSION(name##_gy, 2, gy)
#define TERNARY(name, Class, domain, value, gx, gy, gz, onnx, doc) \
  SUANLI_EXPRESSION(name##_value, 3, value)                        \
  SUANLI_EXPRESSION(name##_gx, 3, gx)                              \
  SUANLI_EXPRESSION(name##_gy, 3, gy) SUANLI_EXPRESSION(name##_gz, 3, gz)
#include "ops/schema/pointwise.def"
#undef SUANLI_EXPRESSION

/// Where a text's variables lie among a tile function's inputs: x, y, z, then out, then g.
template <class Expr> struct Operands {
  static constexpr bool x = mentions(Expr::text, "x"), y = mentions(Expr::text, "y"),
                        z = mentions(Expr::text, "z");
  static constexpr bool out = mentions(Expr::text, "out"), g = mentions(Expr::text, "g");
  static constexpr int out_at = Expr::arity, g_at = Expr::arity + 1;
};
