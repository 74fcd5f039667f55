// SPDX-License-Identifier: Apache-2.0
// The attributes of one op, as bytes. Their types are in ops/schema/attributes.h.
#pragma once
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

namespace suanli {

/// True if every byte of a T belongs to a member: those between members may hold anything, so that
/// equal values would differ as bytes.
template <class T>
concept Padless = requires {
  typename std::bool_constant<(std::bit_cast<std::array<signed char, sizeof(T)>>(T{})[0], true)>;
};

/// Attributes of an op: a trivially copyable struct of at most 48 bytes without padding, kept
/// inline and compared as bytes.
struct Attr {
  alignas(8) unsigned char bytes[48] = {};
  Attr() = default;
  template <class T> requires(std::is_trivially_copyable_v<T> && !std::is_same_v<T, Attr>)
  Attr(const T& value) {
    static_assert(sizeof(T) <= sizeof bytes && alignof(T) <= 8,
                  "attributes are at most 48 bytes; intern longer ones");
    static_assert(Padless<T>,
                  "attributes are compared as bytes; let a wider member fill the padding");
    std::memcpy(bytes, &value, sizeof(T));
  }
  template <class T> const T& as() const { return *reinterpret_cast<const T*>(bytes); }
};

}  // namespace suanli
