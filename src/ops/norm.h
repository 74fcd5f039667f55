// Attributes of the normalisations, shared by their definitions and the backends' kernels.
#pragma once

namespace suanli {

struct NormAttr {
  double eps;
};

}  // namespace suanli
