// SPDX-License-Identifier: Apache-2.0
// Attention of one head on the calling thread. T: float, double.
#pragma once
#include <algorithm>
#include <cstdint>
#include "backends/cpu/numerics.h"

namespace suanli::cpu {

/// Queries, keys and values of one head; rows of `size` elements, those of q, k and v `q_row` and
/// `kv_row` apart.
template <class T> struct AttentionHead {
  const T *q, *k, *v;
  int64_t q_row, kv_row;
  int64_t queries, keys, size;
  double scale;
  int64_t seen;  // query i sees the first seen + i keys; all of them if there are fewer
};

/// Queries are taken in blocks and keys in tiles of this many, so that their scores (16 KB in f32)
/// stay in the nearest cache.
constexpr int64_t kAttentionBlock = Numerics::attention_block;

/// Tiles of keys that a block of queries sees.
inline int64_t attention_tiles(int64_t block, int64_t queries, int64_t keys, int64_t seen) {
  const int64_t last = std::min(queries, (block + 1) * kAttentionBlock) - 1;
  return (std::min(keys, seen + last) + kAttentionBlock - 1) / kAttentionBlock;
}

/// The statistics of each query's scores: the largest, and ln Σ exp(score − largest). T may be
/// const.
template <class T> struct AttentionSums {
  T *top, *log_sum;
  /// Those of head `h`, where the sums of `heads` heads of `queries` queries lie in one array [2,
  /// heads, queries].
  static AttentionSums of_head(T* all, int64_t h, int64_t heads, int64_t queries) {
    return {all + h * queries, all + (heads + h) * queries};
  }
};

/// Blocks first … last−1: y[i] = Σ softmax(q kᵀ · scale)[i, j] v[j], rows `y_row` apart, and the
/// sums of the scores.
template <class T>
void attention_forward(const AttentionHead<T>& head, int64_t first, int64_t last, T* y,
                       int64_t y_row, const AttentionSums<T>& sums, void* workspace);

/// Further inputs of a gradient, and its results. Rows of g and y are `y_row` apart,
/// those of dq, dk and dv as q, k and v.
template <class T> struct AttentionGradient {
  const T *g, *y;
  AttentionSums<const T> sums;
  int64_t y_row;
  T *dq, *dk, *dv;
};
template <class T> void attention_backward(const AttentionHead<T>& head,
                                           const AttentionGradient<T>& gradient, void* workspace);

/// Elements of workspace (64-byte aligned) that they need.
int64_t attention_forward_workspace(int64_t queries, int64_t keys, int64_t size);
int64_t attention_backward_workspace(int64_t keys, int64_t size);

}  // namespace suanli::cpu
