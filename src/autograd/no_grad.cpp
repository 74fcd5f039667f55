// SPDX-License-Identifier: Apache-2.0
#include "suanli/autograd.h"
#include "tensor/guards.h"

namespace suanli {

NoGrad::NoGrad() : before_(std::exchange(Recorder::current().grad_enabled_, false)) {}
NoGrad::~NoGrad() { Recorder::current().grad_enabled_ = before_ != 0; }

InferenceMode::InferenceMode() : before_(std::exchange(Recorder::current().inference_, true)) {}
InferenceMode::~InferenceMode() { Recorder::current().inference_ = before_; }

}  // namespace suanli
