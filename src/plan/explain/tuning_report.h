// SPDX-License-Identifier: Apache-2.0
// Constants that decide bits or speed, as runs record them and `suanli doctor` prints them.
#pragma once
#include <string>

#include "base/text/json.h"
#include "suanli/runtime.h"

namespace suanli {

/// The hash of a device's numerics table, in hexadecimal.
SUANLI_API std::string numerics_in_force(Device device);
/// {"device": {name: value, …}, "plan": {name: value, …}}.
SUANLI_API Json tuning_in_force(Device device);

}  // namespace suanli
