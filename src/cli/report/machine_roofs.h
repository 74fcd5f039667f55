// SPDX-License-Identifier: Apache-2.0
// The machine's roofs, measured once and kept in the user's cache folder.
#pragma once
#include "suanli/roofs.h"

namespace suanli::cli {

/// From $XDG_CACHE_HOME/suanli/roofs.json (else ~/.cache/suanli/roofs.json) if that was measured on
/// this CPU with this instruction set, number of threads and version; else measured now, said on
/// stderr, and kept there where the folder can be written.
Roofs machine_roofs(bool measure_again = false);

}  // namespace suanli::cli
