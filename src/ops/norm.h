// Attributes of the normalisations, shared by their definitions and the backends' kernels.
#pragma once

namespace suanli {

struct LayerNormAttr {
  double eps;
};

}  // namespace suanli
