// SPDX-License-Identifier: Apache-2.0
// The result of a run, as JSON: summary.json and the command line's --json share it.
#pragma once
#include "base/text/json.h"
#include "suanli/train.h"

namespace suanli {

SUANLI_API Json to_json(const TrainResult& result);
/// Throws IoError if a value is missing.
TrainResult result_from_json(const Json& json);

}  // namespace suanli
