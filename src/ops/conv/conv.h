// SPDX-License-Identifier: Apache-2.0
// Parts that the convolutions share.
#pragma once
#include "ops/op.h"
#include "ops/schema/attributes.h"

namespace suanli {

/// The product of numbers that are not negative, at most the largest int64_t.
int64_t saturating_product(int64_t a, int64_t b);
/// Throws ArgumentError unless both numbers of an option are so large.
void require_at_least(const Infer& c, const char* option, IntPair value, int least);
/// The shape of a convolution's result. Throws where shapes or options do not fit.
Shape conv_shape(const Infer& c, const Shape& x, const Shape& w, const ConvAttr& a);
/// The conv2d op itself; b may be undefined.
Tensor conv2d_with(const Tensor& x, const Tensor& w, const Tensor& b, const ConvAttr& a);

/// f(x) for an x of `rank` dimensions. An x of one fewer is one sample: f takes it as a batch.
template <class F> Tensor with_samples(const Tensor& x, int rank, F&& f) {
  if (!x.defined() || x.rank() != rank - 1) return f(x);
  Shape batch{1};
  for (int64_t size : x.shape()) batch.push_back(size);
  const Tensor y = f(reshape(x, batch));
  return reshape(y, Shape(y.shape().begin() + 1, y.rank() - 1));
}

}  // namespace suanli
