// A model's layers in a table: shapes, parameters, FLOPs.
#pragma once
#include <string>

#include "suanli/train.h"

namespace suanli::cli {

/// One line per module that has parameters of its own or computes something, for one sample; and the sums. The trainer's evaluation is
/// rehearsed for it. A model that reads values while it computes has no shapes and FLOPs.
std::string model_summary(Trainer& trainer);

}  // namespace suanli::cli
