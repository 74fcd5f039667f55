// Attributes of matmul and convolution, shared by their definitions and the backends' kernels.
#pragma once
#include <cstdint>

namespace suanli {

struct MatmulAttr {
  bool transpose_a, transpose_b;
};
/// Square options, as in ConvOptions. The gradient records carry them too; their result's shape is that of Step::out.
struct ConvAttr {
  int32_t stride, padding, dilation, groups;
};
struct PoolAttr {
  int32_t kernel, stride, padding;
};
struct AdaptivePoolAttr {
  int32_t height, width;  // of the result
};

}  // namespace suanli
