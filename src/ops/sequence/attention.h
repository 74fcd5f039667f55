// SPDX-License-Identifier: Apache-2.0
// Attributes of attention, shared by its definitions and the backends' kernels.
#pragma once
#include <cstdint>

namespace suanli {

struct AttentionAttr {
  double scale;
  int32_t causal;  // or 0
  int32_t heads;  // of self_attention, whose input holds them beside each other
};

}  // namespace suanli
