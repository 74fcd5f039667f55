// Pictures of another size.
#pragma once
#include <cstdint>
#include <vector>

namespace suanli::data {

/// One plane [from_h, from_w] → [to_h, to_w], all sizes positive. Each axis on its own: when it shrinks, the mean over the area that a
/// new pixel covers (nothing flickers, nothing is skipped); when it grows, linear between pixel centres, constant at the border.
std::vector<float> resize(const float* plane, int64_t from_h, int64_t from_w, int64_t to_h, int64_t to_w);

}  // namespace suanli::data
