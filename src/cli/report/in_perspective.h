// SPDX-License-Identifier: Apache-2.0
// Lines that say what a measured number is worth.
#pragma once
#include <string>

#include "suanli/train.h"

namespace suanli::cli {

/// "always 'cat' gives 62.50%; balanced accuracy 50.00%; 8 samples: ±31 points". balanced: NaN
/// where it is not known.
std::string in_perspective(const data::Dataset& samples, double accuracy, double balanced);

/// "10.3 GFLOP/s, 2% of this machine's 516"; the share is that of the executed FLOPs. No share
/// where the roof is exceeded though it was measured again.
std::string share_of_roof(double flops_per_s, double executed_flops_per_s);

/// "tensors 8.4 MiB at most, the process 34.2 MiB"
std::string memory_in_words(int64_t tensors);

/// "weights of epoch 3", "weights of step 12"
std::string weights_in_words(const TrainedModel& trained);
/// Says that a run did not come to its end, and how it goes on; "" for a finished one.
std::string unfinished(const TrainedModel& trained, const std::string& run);

}  // namespace suanli::cli
