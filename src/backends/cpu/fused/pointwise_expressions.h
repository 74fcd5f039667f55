// SPDX-License-Identifier: Apache-2.0
// The texts of pointwise.def as templates, in the namespace that includes this: struct NAME_value
// and NAME_gx, NAME_gy, NAME_gz. eval<T>() takes all five variables; a caller passes anything for
// those that the text does not mention. Attributes stand in the place of y and z. No include guard:
// every instruction set compiles its own copy.

#define SUANLI_EXPRESSION(Name, Arity, Y, Z, Text)                                            \
  struct Name {                                                                               \
    static constexpr int arity = Arity;                                                       \
    static constexpr std::string_view text = #Text;                                           \
    static constexpr std::string_view y_name = SUANLI_TEXT_OF(Y), z_name = SUANLI_TEXT_OF(Z); \
    template <class T>                                                                        \
    static HWY_INLINE auto eval([[maybe_unused]] const T x, [[maybe_unused]] const T Y,       \
                                [[maybe_unused]] const T Z, [[maybe_unused]] const T out,     \
                                [[maybe_unused]] const T g) {                                 \
      SUANLI_POINTWISE_CONSTANTS(T)                                                           \
      return Text;                                                                            \
    }                                                                                         \
  };
#define UNARY(name, Class, domain, value, gx, onnx, doc) \
  SUANLI_EXPRESSION(name##_value, 1, y, z, value) SUANLI_EXPRESSION(name##_gx, 1, y, z, gx)
#define UNARY1(name, Class, domain, A, value, gx, onnx, doc)            \
  SUANLI_EXPRESSION(name##_value, 2, SUANLI_ATTRIBUTE_NAME A, z, value) \
  SUANLI_EXPRESSION(name##_gx, 2, SUANLI_ATTRIBUTE_NAME A, z, gx)       \
  SUANLI_EXPRESSION(name##_gy, 2, y, z, none)
#define UNARY2(name, Class, domain, A, B, value, gx, onnx, doc)                               \
  SUANLI_EXPRESSION(name##_value, 3, SUANLI_ATTRIBUTE_NAME A, SUANLI_ATTRIBUTE_NAME B, value) \
  SUANLI_EXPRESSION(name##_gx, 3, SUANLI_ATTRIBUTE_NAME A, SUANLI_ATTRIBUTE_NAME B, gx)       \
  SUANLI_EXPRESSION(name##_gy, 3, y, z, none) SUANLI_EXPRESSION(name##_gz, 3, y, z, none)
#define BINARY(name, Class, domain, value, gx, gy, onnx, doc) \
  SUANLI_EXPRESSION(name##_value, 2, y, z, value)             \
  SUANLI_EXPRESSION(name##_gx, 2, y, z, gx) SUANLI_EXPRESSION(name##_gy, 2, y, z, gy)
#define TERNARY(name, Class, domain, value, gx, gy, gz, onnx, doc) \
  SUANLI_EXPRESSION(name##_value, 3, y, z, value)                  \
  SUANLI_EXPRESSION(name##_gx, 3, y, z, gx)                        \
  SUANLI_EXPRESSION(name##_gy, 3, y, z, gy) SUANLI_EXPRESSION(name##_gz, 3, y, z, gz)
#include "ops/schema/pointwise.def"
#undef SUANLI_EXPRESSION

/// Where a text's variables lie among a tile function's inputs: x, y, z, then out, then g.
template <class Expr> struct Operands {
  static constexpr bool x = mentions(Expr::text, "x"), y = mentions(Expr::text, Expr::y_name),
                        z = mentions(Expr::text, Expr::z_name);
  static constexpr bool out = mentions(Expr::text, "out"), g = mentions(Expr::text, "g");
  static constexpr int out_at = Expr::arity, g_at = Expr::arity + 1;
};
