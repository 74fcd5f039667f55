// SPDX-License-Identifier: Apache-2.0
// Arrays of long doubles and their indices: what the references of op_reference*.cpp are written
// with.
#pragma once
#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "support/op_reference.h"

namespace suanli::test {

constexpr Real kPi = 3.14159265358979323846264338327950288L;
inline bool nan_among(Real x, Real y) { return std::isnan(x) || std::isnan(y); }
inline Real truth(bool b) { return b ? 1 : 0; }

using Index = std::vector<int64_t>;

inline Index unravel(int64_t flat, const Shape& shape) {
  Index at(static_cast<size_t>(shape.rank()));
  for (int d = shape.rank(); d-- > 0; flat /= shape[d])
    at[static_cast<size_t>(d)] = flat % shape[d];
  return at;
}
inline size_t ravel(const Index& at, const Shape& shape) {
  int64_t flat = 0;
  for (int d = 0; d < shape.rank(); ++d) flat = flat * shape[d] + at[static_cast<size_t>(d)];
  return static_cast<size_t>(flat);
}
/// Where an element of a broadcast result is read from.
inline size_t broadcast_from(const Index& at, const Shape& from) {
  Index there;
  for (int d = 0; d < from.rank(); ++d) {
    const size_t axis = at.size() - static_cast<size_t>(from.rank()) + static_cast<size_t>(d);
    there.push_back(from[d] == 1 ? 0 : at[axis]);
  }
  return ravel(there, from);
}
inline Shape broadcast_shape(const std::vector<Shape>& shapes) {
  int rank = 0;
  for (const Shape& s : shapes) rank = std::max(rank, s.rank());
  std::vector<int64_t> out(static_cast<size_t>(rank), 1);
  for (const Shape& s : shapes)
    for (int d = 0; d < s.rank(); ++d)
      if (s[d] != 1) out[static_cast<size_t>(rank - s.rank() + d)] = s[d];
  return Shape(out);
}

inline Array filled(const Shape& shape, DType dtype, Real value = 0) {
  return {shape, dtype, std::vector<Real>(static_cast<size_t>(shape.numel()), value), {}};
}
/// An array of sums, with the sums of magnitudes beside them.
inline Array sums(const Shape& shape, DType dtype) {
  Array a = filled(shape, dtype);
  a.scale = a.v;
  return a;
}
inline void add_term(Array& a, size_t i, Real term) {
  a.v[i] += term;
  a.scale[i] += std::fabs(term);
}

/// A result whose element at every index is an element of the input.
template <class From> std::vector<Array> moved(const Array& x, const Shape& shape, From&& from) {
  Array y = filled(shape, x.dtype);
  for (size_t i = 0; i < y.v.size(); ++i)
    y.v[i] = x.v[from(unravel(static_cast<int64_t>(i), shape))];
  return {y};
}

/// Positions of a dilated window along an axis.
inline int64_t windows(int64_t size, int64_t kernel, int64_t stride, int64_t padding,
                       int64_t dilation) {
  int64_t count = 0;  // positions at which the dilated window still lies inside
  for (int64_t at = -padding; at + dilation * (kernel - 1) < size + padding; at += stride) ++count;
  return count;
}

/// bool < u8 < i32 < i64 < f16 < bf16 < f32 < f64: the wider of two. (The samples hold no others,
/// and never f16 with bf16.)
inline int width(DType d) {
  constexpr DType order[] = {DType::boolean, DType::u8,   DType::i32, DType::i64,
                             DType::f16,     DType::bf16, DType::f32, DType::f64};
  return static_cast<int>(std::find(std::begin(order), std::end(order), d) - std::begin(order));
}
inline DType wider(DType a, DType b) { return width(a) < width(b) ? b : a; }

// ---- reductions ---------------------------------------------------------------------------------

inline bool is_reduced(const ReduceAttr& a, int axis) { return (a.dim >> axis) % 2 == 1; }
/// The result's shape with every reduced axis as 1, and as it is asked for.
inline Shape kept(const Shape& x, const ReduceAttr& a) {
  Shape s = x;
  for (int d = 0; d < x.rank(); ++d) s[d] = is_reduced(a, d) ? 1 : x[d];
  return s;
}
inline Shape asked(const Shape& x, const ReduceAttr& a) {
  std::vector<int64_t> s;
  for (int d = 0; d < x.rank(); ++d)
    if (a.keepdim || !is_reduced(a, d)) s.push_back(is_reduced(a, d) ? 1 : x[d]);
  return Shape(s);
}

}  // namespace suanli::test
