// SPDX-License-Identifier: Apache-2.0
// The ONNX operators that compute what ops of Suanli do.
#pragma once
#include "ops/schema/ops.h"

namespace suanli::onnx {

struct OpName {
  const char* name = nullptr;  // null: ONNX has no such operator
  int opset = 0;               // the version since which it is as described
  // where there is no operator: its substitute; null if nobody wrote it down, which a test finds
  const char* reason = nullptr;
};

/// The operator of an op, pointwise ones included.
SUANLI_API OpName op_name(const Op& op);

}  // namespace suanli::onnx
