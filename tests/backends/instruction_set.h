// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "base/system/simd_targets.h"
#include "hwy/highway.h"

namespace suanli::test {

/// Own kernels run with one instruction set while it lives.
class InstructionSet {
 public:
  explicit InstructionSet(int64_t target) { hwy::SetSupportedTargetsForTest(target); }
  ~InstructionSet() { hwy::SetSupportedTargetsForTest(0); }
};

}  // namespace suanli::test
