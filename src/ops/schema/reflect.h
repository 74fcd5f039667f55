// SPDX-License-Identifier: Apache-2.0
// Attributes whose fields are known by name, for printing, JSON and other tools.
//
//   struct ConvAttr {
//     int32_t stride, padding, dilation, groups;
//     SUANLI_ATTRIBUTES(stride, padding, dilation, groups)
//   };
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

#include "runtime/attributes.h"
#include "suanli/base.h"

namespace suanli {

/// Axes as bits, counted from the front.
struct AxisSet {
  uint32_t bits;
  constexpr operator uint32_t() const { return bits; }
};
/// Result axis i is input axis of[i], for as many axes as the input has.
struct AxisOrder {
  int8_t of[Shape::kMaxRank];
  constexpr int8_t operator[](int axis) const { return of[axis]; }
  constexpr int8_t& operator[](int axis) { return of[axis]; }
};

/// The type of an attribute's field.
enum class AttributeKind : uint8_t { boolean, integer, real, dtype, axes, order };

struct AttributeField {
  std::string_view name;
  AttributeKind kind;
  uint16_t offset, bytes;
};

/// The attributes of an op: their fields, and the values that they have by default.
struct AttributeType {
  Attr defaults;
  std::vector<AttributeField> fields{};
};

namespace detail {

template <class T> constexpr AttributeKind attribute_kind() {
  if constexpr (std::is_same_v<T, bool>) return AttributeKind::boolean;
  else if constexpr (std::is_same_v<T, DType>) return AttributeKind::dtype;
  else if constexpr (std::is_same_v<T, AxisSet>) return AttributeKind::axes;
  else if constexpr (std::is_same_v<T, AxisOrder>) return AttributeKind::order;
  else if constexpr (std::is_same_v<T, double>) return AttributeKind::real;
  else {
    static_assert(std::is_integral_v<T>, "an attribute is an integer, a double, a dtype or axes");
    return AttributeKind::integer;
  }
}

/// The first of "a, b, c", which becomes "b, c".
constexpr std::string_view next_name(std::string_view& names) {
  const size_t comma = names.find(',');
  const std::string_view name = names.substr(0, comma);
  names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
  while (names.starts_with(' ')) names.remove_prefix(1);
  return name;
}

}  // namespace detail

/// The fields of T, which SUANLI_ATTRIBUTES names. Made once.
template <class T> const AttributeType& attribute_type() {
  static const AttributeType type = [] {
    static constexpr T prototype{};
    AttributeType made{.defaults = prototype};
    prototype.each_attribute([&]<class F>(std::string_view name, const F& field) {
      made.fields.push_back({name, detail::attribute_kind<F>(),
                             static_cast<uint16_t>(reinterpret_cast<const std::byte*>(&field) -
                                                   reinterpret_cast<const std::byte*>(&prototype)),
                             sizeof(F)});
    });
    return made;
  }();
  return type;
}

}  // namespace suanli

#define SUANLI_ATTRIBUTES(...)                                    \
  template <class F> constexpr void each_attribute(F&& f) const { \
    std::string_view names = #__VA_ARGS__;                        \
    [&](const auto&... fields) {                                  \
      (f(::suanli::detail::next_name(names), fields), ...);       \
    }(__VA_ARGS__);                                               \
  }
