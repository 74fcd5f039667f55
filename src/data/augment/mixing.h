// SPDX-License-Identifier: Apache-2.0
// Mixup and CutMix combine each picture of a batch with another one. The targets are shares of
// classes.
#pragma once
#include <cstdint>

#include "base/core/philox.h"
#include "data/augment/geometry.h"
#include "suanli/loader.h"

namespace suanli::data {

/// A draw from Beta(alpha, alpha), alpha > 0.
double random_beta(double alpha, PhiloxStream& random);

/// Replaces each sample of x [count, …shape] by share · sample + (1 − share) · previous sample. The
/// last sample counts as the one before the first.
void mixup(const Shape& shape, int64_t count, double share, float* x);
/// Replaces `area` of every picture by the same area of the previous sample.
void cutmix(const Shape& shape, int64_t count, const Area& area, float* x);

/// Mixes a batch x [count, …shape] by mixup or cutmix. If `augment` sets both, a draw from `random`
/// picks one. Returns the share that each sample keeps; the rest comes from the previous sample.
double mix_batch(const Augment& augment, const Shape& shape, int64_t count, PhiloxStream random,
                 float* x);

/// Writes the targets y [count, classes]. Each sample has `share` at its own label and the rest at
/// the label of the previous sample.
void shares_of(const int64_t* labels, int64_t count, int64_t classes, double share, float* y);

}  // namespace suanli::data
