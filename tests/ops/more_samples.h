// SPDX-License-Identifier: Apache-2.0
// Calls that the generic harness makes besides an op's own samples.
#pragma once
#include <string_view>
#include <vector>

#include "ops/op.h"
#include "support/op_samples.h"

namespace suanli::test {

std::vector<Sample> more_samples(std::string_view op);

}  // namespace suanli::test
