// SPDX-License-Identifier: Apache-2.0
// Test-time augmentation: the views, and what a model makes of them.
#pragma once
#include "suanli/evaluate.h"

namespace suanli {

/// Returns the number of views of each picture.
int64_t view_count(TestTimeAugmentation tta);
/// Throws ArgumentError if there are no such views of samples of this shape.
void require_views(TestTimeAugmentation tta, data::Task task, const Shape& sample);
/// The model's answers to x [N, …], pictures in [0, 1], normalized for it: its output as it is, or
/// the average over the views as log-probabilities. To be called in an InferenceMode.
Tensor answers(const nn::AnyModule& model, const Tensor& x, const std::vector<double>& mean,
               const std::vector<double>& stddev, TestTimeAugmentation tta);

}  // namespace suanli
