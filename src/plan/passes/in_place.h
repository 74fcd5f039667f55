// SPDX-License-Identifier: Apache-2.0
// Results that are written where an input lies.
#pragma once
#include <vector>

#include "plan/tape/tape.h"
#include "runtime/step.h"

namespace suanli {

/// True if a step may write its result k where its input i lies: it works element by element there,
/// and reads nothing of that input once the result is written. `roots`: whose bytes the inputs are.
bool may_write_over(const Step& step, const std::vector<Ref>& roots, size_t k,
                    const ValueDesc& result, size_t i);

}  // namespace suanli
