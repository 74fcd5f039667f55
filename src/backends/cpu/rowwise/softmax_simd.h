// SPDX-License-Identifier: Apache-2.0
// Softmax of contiguous rows on the calling thread: `rows` rows of n ≥ 1 elements. T: float,
// double.
#pragma once
#include <cstdint>

namespace suanli::cpu {

/// y = exp(x − max x) / Σ exp(x − max x).
template <class T> void softmax_rows(const T* x, T* y, int64_t rows, int64_t n);
/// y = x − max x − ln Σ exp(x − max x).
template <class T> void log_softmax_rows(const T* x, T* y, int64_t rows, int64_t n);
/// top[row] = max x and log_sum[row] = ln Σ exp(x − max x).
template <class T> void log_sum_exp_rows(const T* x, T* top, T* log_sum, int64_t rows, int64_t n);
/// y = exp((x − top[row]) − log_sum[row]) · scale: the probabilities, from what log_sum_exp_rows()
/// gave.
template <class T> void scaled_softmax_rows(const T* x, const T* top, const T* log_sum, T scale,
                                            T* y, int64_t rows, int64_t n);

}  // namespace suanli::cpu
