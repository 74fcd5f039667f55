// SPDX-License-Identifier: Apache-2.0
// The subject of suanli explain.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "suanli/base.h"

namespace suanli::cli {

struct ExplainSubject {
  std::string model, data;
  Shape input_shape;  // of one sample
  int64_t batch_size, threads;
  std::function<void(bool training)> rehearse;  // plans a step's programs, or an evaluation's
};

}  // namespace suanli::cli
