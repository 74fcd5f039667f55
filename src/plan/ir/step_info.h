// SPDX-License-Identifier: Apache-2.0
// The name and the cost of a step, for reports and for passes that weigh costs.
#pragma once
#include <string>

#include "ops/schema/ops.h"

namespace suanli {

/// "conv2d", "fused(add, relu)"; a gradient of a pointwise op is named after its row and input:
/// "relu.gx".
std::string step_name(const Step& step);
/// A fused step counts the FLOPs that its ops would take alone, and the bytes that it moves itself.
Cost step_cost(const Step& step);

}  // namespace suanli
