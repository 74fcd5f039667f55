// SPDX-License-Identifier: Apache-2.0
// error: forward must be const
#include "suanli/nn.h"

using namespace suanli;

struct Twice : nn::Module {
#ifdef CORRECTED
  Tensor forward(const Tensor& x) const { return x * 2.0; }
#else
  Tensor forward(const Tensor& x) { return x * 2.0; }
#endif
  SUANLI_CALL
};

nn::AnyModule make() { return Twice(); }
