// SPDX-License-Identifier: Apache-2.0
// The drawing of an explained step.
#pragma once
#include <string>

#include "base/text/json.h"

namespace suanli::cli {

/// One HTML page that draws what `suanli explain --json` prints, with nothing loaded from
/// elsewhere.
std::string explain_page(const Json& explained);

}  // namespace suanli::cli
