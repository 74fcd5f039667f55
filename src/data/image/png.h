// SPDX-License-Identifier: Apache-2.0
// Pictures to PNG files.
#pragma once
#include <string>

#include "data/image/picture.h"

namespace suanli::data {

/// 1 or 3 channels, with the same pixels the same bytes.
std::string encode_png(const Picture& picture);

}  // namespace suanli::data
