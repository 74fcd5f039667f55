// SPDX-License-Identifier: Apache-2.0
// Mixup and CutMix: batches in which every picture holds another one too, and whose targets are
// shares of classes.
#pragma once
#include <cstdint>

#include "base/core/philox.h"
#include "data/augment/geometry.h"
#include "suanli/loader.h"

namespace suanli::data {

/// A draw from Beta(alpha, alpha), alpha > 0.
double random_beta(double alpha, PhiloxStream& random);

/// x [count, …shape] becomes share · x + (1 − share) · the sample before it, the last one before
/// the first.
void mixup(const Shape& shape, int64_t count, double share, float* x);
/// The part `area` of every picture becomes that of the sample before it.
void cutmix(const Shape& shape, int64_t count, const Area& area, float* x);

/// Mixes a batch x [count, …shape] as `augment` says, by draws from `random`: by one of the two
/// where both are asked for. Returns the share that each sample keeps; the rest is the sample's
/// before it.
double mix_batch(const Augment& augment, const Shape& shape, int64_t count, PhiloxStream random,
                 float* x);

/// y [count, classes]: for each sample `share` at its label and the rest at the label of the sample
/// before it.
void shares_of(const int64_t* labels, int64_t count, int64_t classes, double share, float* y);

}  // namespace suanli::data
