// SPDX-License-Identifier: Apache-2.0
// Ops without a gradient, and why.
#pragma once
#include "ops/op.h"

namespace suanli {

/// Facts about the gradient of an op.
struct GradientFact {
  bool exists = false;
  std::string reason = {};  // why there is none; empty if nobody wrote it down, which a test finds
};
SUANLI_API GradientFact gradient_fact(const Op& op);

}  // namespace suanli
