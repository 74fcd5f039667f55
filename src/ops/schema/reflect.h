// SPDX-License-Identifier: Apache-2.0
// Attributes whose fields are known by name, for printing, JSON and other tools.
//
//   struct ConvAttr {
//     IntPair stride, padding, dilation;
//     int32_t groups;
//     SUANLI_ATTRIBUTES(stride, padding, dilation, groups)
//   };
#pragma once
#include <array>
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
  /// As a default: all axes of the input, whatever its rank.
  static constexpr AxisSet all() { return {~uint32_t{0}}; }
};
/// Result axis i is input axis of[i], for as many axes as the input has.
struct AxisOrder {
  int8_t of[Shape::kMaxRank];
  constexpr int8_t operator[](int axis) const { return of[axis]; }
  constexpr int8_t& operator[](int axis) { return of[axis]; }
};

/// Up to N integers. Those behind `count` are 0, so that equal lists have equal bytes.
template <size_t N> struct IntList {
  int64_t count = 0;
  int64_t of[N] = {};
  constexpr void push_back(int64_t value) { of[count++] = value; }
  constexpr int64_t size() const { return count; }
  constexpr int64_t operator[](int64_t i) const { return of[i]; }
};

/// The type of an attribute's field. `array` has a fixed number of integers (std::array, IntPair),
/// `list` is an IntList.
enum class AttributeKind : uint8_t { boolean, integer, real, dtype, axes, order, array, list };

struct AttributeField {
  std::string_view name;
  AttributeKind kind;
  uint16_t offset, bytes;
  uint16_t element = 0;  // bytes of one integer of an array or a list
};

/// The attributes of an op: their fields, and the values that they have by default.
struct AttributeType {
  Attr defaults;
  uint16_t bytes = 0;  // of the struct
  std::vector<AttributeField> fields{};
};

namespace detail {

template <class T> struct ArrayOf {
  static constexpr AttributeKind kind = AttributeKind::integer;
  static constexpr uint16_t element = 0;
};
template <class T, size_t N> struct ArrayOf<std::array<T, N>> {
  static_assert(std::is_integral_v<T> && !std::is_same_v<T, bool>);
  static constexpr AttributeKind kind = AttributeKind::array;
  static constexpr uint16_t element = sizeof(T);
};
template <> struct ArrayOf<IntPair> {
  static constexpr AttributeKind kind = AttributeKind::array;
  static constexpr uint16_t element = sizeof(int32_t);
};
template <size_t N> struct ArrayOf<IntList<N>> {
  static constexpr AttributeKind kind = AttributeKind::list;
  static constexpr uint16_t element = sizeof(int64_t);
};

template <class T> constexpr AttributeKind attribute_kind() {
  if constexpr (std::is_same_v<T, bool>) return AttributeKind::boolean;
  else if constexpr (std::is_same_v<T, DType>) return AttributeKind::dtype;
  else if constexpr (std::is_same_v<T, AxisSet>) return AttributeKind::axes;
  else if constexpr (std::is_same_v<T, AxisOrder>) return AttributeKind::order;
  else if constexpr (std::is_same_v<T, double>) return AttributeKind::real;
  else {
    static_assert(std::is_integral_v<T> || ArrayOf<T>::element != 0,
                  "an attribute is an integer, a double, a dtype, axes or a list of integers");
    return ArrayOf<T>::kind;
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
    AttributeType made{.defaults = prototype, .bytes = sizeof(T)};
    prototype.each_attribute([&]<class F>(std::string_view name, const F& field) {
      made.fields.push_back({name, detail::attribute_kind<F>(),
                             static_cast<uint16_t>(reinterpret_cast<const std::byte*>(&field) -
                                                   reinterpret_cast<const std::byte*>(&prototype)),
                             sizeof(F), detail::ArrayOf<F>::element});
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
