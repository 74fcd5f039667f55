// SPDX-License-Identifier: Apache-2.0
// Normalizations written with reductions along rows, which a plan fuses.
#include <limits>

#include "ops/op.h"

namespace suanli {

namespace {

[[noreturn]] void fail(const char* op, const char* argument, const Shape& given,
                       std::string expected) {
  throw ShapeError({.op = op,
                    .argument = argument,
                    .given = to_string(given),
                    .expected = std::move(expected),
                    .module = module_path()});
}
void require_float(const char* op, const Tensor& x) {
  if (is_float(x.dtype())) return;
  throw DTypeError({.op = op,
                    .argument = "input",
                    .given = name(x.dtype()),
                    .expected = "a float dtype",
                    .module = module_path()});
}

/// The distance from 1 to the next number.
double epsilon_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return std::numeric_limits<double>::epsilon();
    case DType::f16: return 0x1p-10;
    case DType::bf16: return 0x1p-7;
    default: return std::numeric_limits<float>::epsilon();
  }
}

/// x [rows, n] less each row's mean, divided by its deviation.
Tensor standardized(const Tensor& x, double eps) {
  const Dims row = 1;
  const Tensor d = x - mean(x, row, true);
  return d * rsqrt(mean(square(d), row, true) + eps);
}

/// x · weight + bias of channels [C] of x [N, C, …].
Tensor scaled(const char* op, Tensor x, const Tensor& weight, const Tensor& bias) {
  Shape channels = x.shape();
  for (int i = 0; i < channels.rank(); ++i)
    if (i != 1) channels[i] = 1;
  const auto of_channels = [&](const char* argument, const Tensor& t) {
    if (t.shape() != Shape{x.size(1)})
      fail(op, argument, t.shape(), str(Shape{x.size(1)}, ", one per channel"));
    return reshape(t, channels);
  };
  if (weight.defined()) x = x * of_channels("weight", weight);
  return bias.defined() ? x + of_channels("bias", bias) : x;
}

}  // namespace

Tensor group_norm(const Tensor& x, int64_t num_groups, const Tensor& weight, const Tensor& bias,
                  double eps) {
  require_float("group_norm", x);
  if (x.rank() < 2) fail("group_norm", "input", x.shape(), "[N, C, …]");
  if (num_groups < 1 || x.size(1) % num_groups != 0)
    throw ArgumentError(
        {.op = "group_norm",
         .argument = "num_groups",
         .given = str(num_groups),
         .expected = str("a divisor of ", x.size(1), ", the channels of input ", x.shape()),
         .module = module_path()});
  if (x.numel() == 0) return scaled("group_norm", x, weight, bias);
  const int64_t rows = x.size(0) * num_groups;
  return scaled("group_norm",
                reshape(standardized(reshape(x, {rows, x.numel() / rows}), eps), x.shape()), weight,
                bias);
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  require_float("instance_norm", x);
  if (x.rank() < 3) fail("instance_norm", "input", x.shape(), "[N, C, …] with at least 3 axes");
  if (x.numel() == 0) return scaled("instance_norm", x, weight, bias);
  const int64_t rows = x.size(0) * x.size(1);
  return scaled("instance_norm",
                reshape(standardized(reshape(x, {rows, x.numel() / rows}), eps), x.shape()), weight,
                bias);
}

Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight,
                std::optional<double> eps) {
  require_float("rms_norm", x);
  const int rank = normalized_shape.rank(), lead = x.rank() - rank;
  bool fits = rank > 0 && lead >= 0;
  for (int i = 0; fits && i < rank; ++i) fits = x.size(lead + i) == normalized_shape[i];
  if (!fits) fail("rms_norm", "input", x.shape(), str("sizes that end in ", normalized_shape));
  if (weight.defined() && weight.shape() != normalized_shape)
    fail("rms_norm", "weight", weight.shape(), str(normalized_shape, ", the normalized shape"));
  const double least = eps.value_or(epsilon_of(x.dtype()));
  Dims last;
  for (int i = lead; i < x.rank(); ++i) last.push_back(i);
  const Tensor y = x * rsqrt(mean(square(x), last, true) + least);
  return weight.defined() ? y * weight : y;
}

}  // namespace suanli
