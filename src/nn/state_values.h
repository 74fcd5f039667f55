// SPDX-License-Identifier: Apache-2.0
// Values of a state dict on their way into a model: which dtypes fit, and how they are converted,
// on the host and bit for bit.
#pragma once
#include <string>
#include <string_view>

#include "suanli/nn.h"

namespace suanli::nn {

/// Counters of batches decide nothing. Writers disagree about their dtype, and files of before
/// PyTorch 0.4.1 have none.
inline bool is_batch_counter(std::string_view name) {
  return name.ends_with("num_batches_tracked");
}

/// `given` as a value of the parameter or buffer `own` called `name`. Float tensors take the dtype
/// of `own`: f16 and bf16 become f32 or f64 exactly, f64 is rounded to f32. Counters of batches may
/// have any dtype that holds their number. Undefined, with the reason in `why` ("fc.weight is f16
/// [2, 3], not f32 [3, 3]"), where shapes or dtypes do not fit.
SUANLI_API Tensor state_value(const std::string& name, const Parameter& own, const Tensor& given,
                              std::string& why);

}  // namespace suanli::nn
