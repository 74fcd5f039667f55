// Max pooling of one plane, many windows at a time.
#pragma once
#include <cstdint>

namespace suanli::cpu {

/// Windows that lie inside the plane: window i starts at x[start[i]] and has kernel × kernel elements in rows of `width`. y[i] becomes its
/// largest element, at[i] where in the plane that lies: the first of equal ones, or the first NaN.
void pool_windows(const float* x, const int32_t* start, int64_t windows, int64_t kernel, int64_t width, float* y, int32_t* at);

}  // namespace suanli::cpu
