// SPDX-License-Identifier: Apache-2.0
// RandAugment and TrivialAugment: random operations from one table, as in torchvision's RandAugment
// and TrivialAugmentWide.
#pragma once
#include <cstdint>
#include <span>

#include "base/core/philox.h"
#include "suanli/base.h"

namespace suanli::data {

/// An operation on a sample x of `shape` [channels, height, width], planes of bytes.
struct Move {
  const char* name;
  bool either_way;  ///< The sign of the amount is random.
  double (*rand_most)(const Shape& shape);  ///< RandAugment's amount at full strength.
  double (*trivial_most)(const Shape& shape);  ///< TrivialAugment's amount at full strength.
  void (*apply)(const Shape& shape, double amount, uint8_t* x);
};
/// All operations in torchvision's order. The first one changes nothing.
std::span<const Move> moves();

/// The strengths: an amount is a multiple of 1/30 of the amount at full strength.
inline constexpr int kStrengths = 30;

/// Applies two operations of the given strength, 0 … 30 (Cubuk et al., RandAugment, 2019).
void rand_augment(const Shape& shape, int strength, PhiloxStream& random, uint8_t* x);
/// Applies one operation of random strength (Müller & Hutter, TrivialAugment, 2021).
void trivial_augment(const Shape& shape, PhiloxStream& random, uint8_t* x);

}  // namespace suanli::data
