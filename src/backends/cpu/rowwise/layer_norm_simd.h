// SPDX-License-Identifier: Apache-2.0
// Layer normalization of rows on the calling thread.
#pragma once
#include <cstdint>

namespace suanli::cpu {

/// `rows` rows of n elements: y = (x − mean) · scale · w + b with scale = 1/√(variance + eps); b
/// may be null. T: float, double.
template <class T> void layer_norm_rows(const T* x, const T* w, const T* b, T* y, int64_t rows,
                                        int64_t n, double eps);

/// dx of the rows; g·(x − mean)·scale and g are added to dw and db [n].
template <class T>
void layer_norm_grad_rows(const T* g, const T* x, const T* w, T* dx, T* dw, T* db, int64_t rows,
                          int64_t n, double eps);

}  // namespace suanli::cpu
