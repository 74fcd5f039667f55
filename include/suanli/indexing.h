// SPDX-License-Identifier: Apache-2.0
// Indices as PyTorch's C++ interface writes them: x.index({0, Slice(1, None), mask}). tensor.h
// includes this header at its end.
#pragma once
#include "suanli/tensor.h"

namespace suanli {

/// A missing end of a Slice, or, as an index, a new dimension of size 1.
struct NoneType {};
inline constexpr NoneType None{};
/// As many full slices as dimensions are left.
struct EllipsisType {};
inline constexpr EllipsisType Ellipsis{};

/// start:stop:step as in Python, with step ≥ 1. Ends are clamped; negative ones count from the end.
class Slice {
 public:
  class End {
   public:
    End(NoneType) {}
    template <class I> requires(std::is_integral_v<I> && !std::is_same_v<I, bool>)
    End(I value) : given(true), value(static_cast<int64_t>(value)) {}
    bool given = false;
    int64_t value = 0;
  };
  Slice(End start = None, End stop = None, End step = None)
      : start(start), stop(stop), step(step) {}
  End start, stop, step;
};

/// One index of Tensor::index().
class TensorIndex {
 public:
  enum class Kind : uint8_t { none, ellipsis, integer, truth, slice, tensor };
  TensorIndex(NoneType) : kind(Kind::none) {}
  TensorIndex(EllipsisType) : kind(Kind::ellipsis) {}
  TensorIndex(const char* ellipsis);  ///< "..."
  template <class I> requires std::is_integral_v<I>
  TensorIndex(I value)
      : kind(std::is_same_v<I, bool> ? Kind::truth : Kind::integer),
        integer(static_cast<int64_t>(value)) {}
  TensorIndex(const Slice& slice) : kind(Kind::slice), slice(slice) {}
  TensorIndex(const Tensor& tensor) : kind(Kind::tensor), tensor(tensor) {}
  Kind kind;
  int64_t integer = 0;
  Slice slice;
  Tensor tensor;
};

/// x[i]: the value at the index, which assignments write to x. `auto y = x[i]` is a value of its
/// own: assigning to y changes y alone.
class SUANLI_API IndexedTensor : public Tensor {
 public:
  IndexedTensor(const IndexedTensor&) = default;
  using Tensor::operator[];
  IndexedTensor operator[](const TensorIndex& i) &&;

  const IndexedTensor& operator=(const Tensor& value) && { return write(value); }
  const IndexedTensor& operator=(const IndexedTensor& value) && { return write(value); }
  IndexedTensor& operator=(const Tensor& value) & {
    Tensor::operator=(value);
    return *this;
  }
  IndexedTensor& operator=(const IndexedTensor& value) & {
    Tensor::operator=(value);
    return *this;
  }
  const IndexedTensor& operator+=(const Tensor& y) && { return write(add(y)); }
  const IndexedTensor& operator-=(const Tensor& y) && { return write(sub(y)); }
  const IndexedTensor& operator*=(const Tensor& y) && { return write(mul(y)); }
  const IndexedTensor& operator/=(const Tensor& y) && { return write(div(y)); }
  using Tensor::add_, Tensor::sub_, Tensor::mul_, Tensor::div_, Tensor::fill_, Tensor::zero_,
      Tensor::copy_;
  const IndexedTensor& add_(const Tensor& y) && { return write(add(y)); }
  const IndexedTensor& sub_(const Tensor& y) && { return write(sub(y)); }
  const IndexedTensor& mul_(const Tensor& y) && { return write(mul(y)); }
  const IndexedTensor& div_(const Tensor& y) && { return write(div(y)); }
  const IndexedTensor& fill_(const Tensor& value) && { return write(value); }
  const IndexedTensor& zero_() && { return write(0); }
  const IndexedTensor& copy_(const Tensor& source) && { return write(source); }

 private:
  friend class Tensor;
  IndexedTensor(Tensor* from, IndexedTensor* outer, const TensorIndex& index);
  /// Rebinds the tensor that was indexed; then, for x[i][j], the tensor around it.
  const IndexedTensor& write(const Tensor& value);
  Tensor* from_;
  IndexedTensor* outer_;  // x[i], of x[i][j]
  TensorIndex index_;
};

}  // namespace suanli
