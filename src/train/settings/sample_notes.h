// SPDX-License-Identifier: Apache-2.0
// Lines for the user about the samples of a run: classes, imbalance, and how much the validation
// samples can tell.
#pragma once
#include <string>
#include <vector>

#include "suanli/dataset.h"

namespace suanli {

/// The class with the most samples, and its share: what a model that always answers it is right
/// for.
struct Baseline {
  int64_t label = 0;
  double share = 0;
};
/// Expects classes and at least one sample.
SUANLI_API Baseline baseline_of(const data::Dataset& samples);

/// Half the width of the 95% interval (Wilson 1927) of a share that was counted on so many samples.
SUANLI_API double uncertainty_of(double share, int64_t samples);

/// "3 classes: cat, dog, fox (81 train, 9 val)", and what is worth knowing before a training of
/// classes begins. Nothing of regressions.
void note_samples(const data::Splits& splits, std::vector<std::string>& notes);

}  // namespace suanli
