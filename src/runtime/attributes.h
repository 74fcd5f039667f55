// SPDX-License-Identifier: Apache-2.0
// The attributes of one op, as bytes. Their types are in ops/schema/attributes.h.
#pragma once
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "suanli/export.h"

namespace suanli {

/// True if every byte of a T belongs to a member: those between members may hold anything, so that
/// equal values would differ as bytes.
template <class T>
concept Padless = requires {
  typename std::bool_constant<(std::bit_cast<std::array<signed char, sizeof(T)>>(T{})[0], true)>;
};

/// The one copy of these bytes in the process. It stays: programs that differ in it are planned
/// apart anyway.
SUANLI_API const void* intern_attributes(const void* bytes, size_t size);

/// Attributes of an op: a trivially copyable struct without padding, compared as bytes. Up to 48
/// bytes are kept inline. A longer struct is interned, and its address kept: equal structs have
/// equal addresses.
struct Attr {
  alignas(8) unsigned char bytes[48] = {};
  template <class T> static constexpr bool kInline = sizeof(T) <= 48;

  Attr() = default;
  template <class T> requires(std::is_trivially_copyable_v<T> && !std::is_same_v<T, Attr>)
  Attr(const T& value) {
    static_assert(alignof(T) <= 8);
    static_assert(Padless<T>,
                  "attributes are compared as bytes; let a wider member fill the padding");
    if constexpr (kInline<T>) std::memcpy(bytes, &value, sizeof(T));
    else *this = from(&value, sizeof(T));
  }
  /// Those of a struct that is given as bytes.
  static Attr from(const void* struct_bytes, size_t size) {
    Attr attr;
    if (size <= sizeof attr.bytes) {
      std::memcpy(attr.bytes, struct_bytes, size);
    } else {
      const void* interned = intern_attributes(struct_bytes, size);
      std::memcpy(attr.bytes, &interned, sizeof interned);
    }
    return attr;
  }
  template <class T> const T& as() const { return *static_cast<const T*>(of(sizeof(T))); }
  /// The struct, which has `size` bytes.
  const void* of(size_t size) const {
    if (size <= sizeof bytes) return bytes;
    const void* interned;
    std::memcpy(&interned, bytes, sizeof interned);
    return interned;
  }
};

}  // namespace suanli
