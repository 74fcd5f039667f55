// SPDX-License-Identifier: Apache-2.0
// Rounding up to a multiple.
#pragma once
#include <type_traits>

namespace suanli {

/// The smallest multiple of `multiple` that is not below n. n ≥ 0, multiple > 0.
template <class T> constexpr T round_up(T n, std::type_identity_t<T> multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace suanli
