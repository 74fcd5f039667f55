// SPDX-License-Identifier: Apache-2.0
// The attribute of losses that smooth their targets.
#pragma once

namespace suanli {

struct SmoothingAttr {
  double label_smoothing;
};

}  // namespace suanli
