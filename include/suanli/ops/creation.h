// SPDX-License-Identifier: Apache-2.0
// Tensors out of numbers. suanli/ops.h includes this header.
#pragma once
#include <optional>

#include "suanli/tensor.h"

namespace suanli {

/// A number of arange(), linspace() and the like: an integer or a float.
class Number {
 public:
  template <class S> requires(std::is_arithmetic_v<S> && !std::is_same_v<S, bool>)
  Number(S value) : real_(static_cast<double>(value)), is_float_(std::is_floating_point_v<S>) {
    if constexpr (std::is_integral_v<S>) integer_ = static_cast<int64_t>(value);
  }
  bool is_float() const { return is_float_; }
  double real() const { return real_; }
  int64_t integer() const { return integer_; }

 private:
  double real_;
  int64_t integer_ = 0;
  bool is_float_;
};

/// A tensor of `shape` filled with `value`, in value's dtype (numbers: i64, f32 or bool) unless one
/// is given. `value` is a scalar slot: another value gives the same program.
SUANLI_API Tensor full(const Shape& shape, const Tensor& value, std::optional<DType> dtype = {});
inline Tensor zeros(const Shape& shape, DType dtype = f32) { return full(shape, 0.0, dtype); }
inline Tensor ones(const Shape& shape, DType dtype = f32) { return full(shape, 1.0, dtype); }
/// Zeros: no tensor is uninitialized.
inline Tensor empty(const Shape& shape, DType dtype = f32) { return zeros(shape, dtype); }
/// The shape of x, and its dtype unless one is given.
SUANLI_API Tensor full_like(const Tensor& x, const Tensor& value, std::optional<DType> dtype = {});
SUANLI_API Tensor zeros_like(const Tensor& x, std::optional<DType> dtype = {});
SUANLI_API Tensor ones_like(const Tensor& x, std::optional<DType> dtype = {});
SUANLI_API Tensor empty_like(const Tensor& x, std::optional<DType> dtype = {});

/// [⌈(end − start)/step⌉]: start, start + step, … before end. i64 if all three are integers, else
/// f32, unless a dtype is given. start and step are scalar slots.
SUANLI_API Tensor arange(Number start, Number end, Number step = 1,
                         std::optional<DType> dtype = {});
inline Tensor arange(Number start, Number end, DType dtype) { return arange(start, end, 1, dtype); }
inline Tensor arange(Number end, std::optional<DType> dtype = {}) {
  return arange(0, end, 1, dtype);
}
/// [steps]: from start to end, both included, at equal distances.
SUANLI_API Tensor linspace(double start, double end, int64_t steps, DType dtype = f32);
/// base to the power of linspace().
SUANLI_API Tensor logspace(double start, double end, int64_t steps, double base = 10,
                           DType dtype = f32);
/// [n, m]: 1 where row and column are equal, else 0. m is n unless it is given.
SUANLI_API Tensor eye(int64_t n, std::optional<int64_t> m = {}, DType dtype = f32);
/// One tensor for each vector, in the shape of all sizes. indexing "ij": the first vector runs
/// along the first dimension. "xy": along the second one.
SUANLI_API std::vector<Tensor> meshgrid(const std::vector<Tensor>& vectors,
                                        std::string_view indexing = "ij");

}  // namespace suanli
