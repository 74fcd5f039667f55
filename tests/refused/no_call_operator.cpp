// SPDX-License-Identifier: Apache-2.0
// error: this module has no call operator
#include "suanli/nn.h"

using namespace suanli;

struct Twice : nn::Module {
  Tensor forward(const Tensor& x) const { return x * 2.0; }
#ifdef CORRECTED
  SUANLI_CALL
#endif
};

Tensor call(const Twice& twice, const Tensor& x) { return twice(x); }
