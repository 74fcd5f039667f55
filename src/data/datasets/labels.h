// SPDX-License-Identifier: Apache-2.0
// Labels are checked where they enter: a data set of the user's may give any number.
#pragma once
#include <cstdint>

#include "suanli/dataset.h"

namespace suanli::data {

/// `label` of sample `index`. Throws IoError unless it is one of info.classes.
int64_t checked_label(const Info& info, int64_t index, int64_t label);
/// Throws ArgumentError unless the targets are classes; `op` is what needs them.
void require_classes(const char* op, const Info& info);

}  // namespace suanli::data
