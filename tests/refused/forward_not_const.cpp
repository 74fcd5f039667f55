// SPDX-License-Identifier: Apache-2.0
// error: forward must be const
#include "suanli/nn.h"

using namespace suanli;

struct Net : nn::Module {
  nn::Linear fc{4, 2};
  int calls = 0;
  SUANLI_FIELDS(fc)
#ifdef CORRECTED
  Tensor forward(const Tensor& x) const { return fc(x); }
#else
  Tensor forward(const Tensor& x) {
    ++calls;
    return fc(x);
  }
#endif
};

Tensor call(const Net& net, const Tensor& x) { return net(x); }
