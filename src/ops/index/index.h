// SPDX-License-Identifier: Apache-2.0
// Attributes of indexing, shared by its definitions and the backends' kernels.
#pragma once
#include "suanli/base.h"

namespace suanli {

struct OneHotAttr {
  int64_t classes;
  DType dtype;
  uint8_t rest[7] = {};
};

}  // namespace suanli
