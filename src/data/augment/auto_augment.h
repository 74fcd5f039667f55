// SPDX-License-Identifier: Apache-2.0
// RandAugment and TrivialAugment: random moves out of one table. As torchvision's RandAugment and
// TrivialAugmentWide have them.
#pragma once
#include <cstdint>
#include <span>

#include "base/core/philox.h"
#include "suanli/base.h"

namespace suanli::data {

/// One move on a sample x of `shape` [channels, height, width], planes of bytes.
struct Move {
  const char* name;
  bool either_way;  ///< The amount's sign is drawn too.
  double (*rand_most)(const Shape& shape);     ///< The amount at full strength: RandAugment's,
  double (*trivial_most)(const Shape& shape);  ///< and TrivialAugment's.
  void (*apply)(const Shape& shape, double amount, uint8_t* x);
};
/// In torchvision's order; the first does nothing.
std::span<const Move> moves();

/// Steps of strength: amounts are a multiple of a thirtieth of the largest.
inline constexpr int kStrengths = 30;

/// Two moves of the given strength, 0 … 30 (Cubuk et al., RandAugment, 2019).
void rand_augment(const Shape& shape, int strength, PhiloxStream& random, uint8_t* x);
/// One move of a random strength (Müller & Hutter, TrivialAugment, 2021).
void trivial_augment(const Shape& shape, PhiloxStream& random, uint8_t* x);

}  // namespace suanli::data
