// SPDX-License-Identifier: Apache-2.0
// Batch normalization. Recorded as sums and pointwise ops, which fuse with what stands around them;
// its gradient is the closed form, not that of each part.
#include "ops/norm/norm.h"
#include "ops/op.h"
#include "tensor/guards.h"

namespace suanli {

namespace {

/// [C] as it meets [N, C, …].
Tensor per_channel(const Tensor& t, int rank) {
  Shape s{t.numel()};
  for (int i = 2; i < rank; ++i) s.push_back(1);
  return reshape(t, s);
}

/// Σ over all axes but the channel's: [N, C, …] → [C].
Tensor channel_sum(const Tensor& x) {
  Dims axes;
  for (int i = 0; i < x.rank(); ++i)
    if (i != 1) axes.push_back(i);
  return sum(x, axes);
}

double samples_per_channel(const Shape& x) {
  return static_cast<double>(x.numel()) / static_cast<double>(std::max<int64_t>(1, x[1]));
}

/// The statistics of a batch, and 1/√(variance + eps).
struct Moments {
  BatchStatistics statistics;
  Tensor rstd;
};

/// The mean first, then the mean of squared distances from it: in one pass x² − mean² would cancel.
/// Distances are squared in other units, so that the squares of large ones do not overflow. A power
/// of two changes no bit of the others, down to distances of some 1e-12 in f32 and 1e-94 in f64:
/// squares of smaller ones lose bits, which matters where eps is not above them.
Moments moments_of(const Tensor& x, double eps) {
  const double n = samples_per_channel(x.shape()),
               unit = x.dtype() == DType::f32 ? 0x1p-24 : 0x1p-200;
  const Tensor mean = channel_sum(x) / n,
               variance = channel_sum(square((x - per_channel(mean, x.rank())) * unit)) / n;
  return {{mean, variance * (1 / (unit * unit))}, rsqrt(variance + eps * unit * unit) * unit};
}

/// (x − mean) · rstd · weight + bias with one number per channel each.
Tensor normalized(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& weight,
                  const Tensor& bias) {
  const int rank = x.rank();
  return (x - per_channel(mean, rank)) * per_channel(rstd * weight, rank) + per_channel(bias, rank);
}

void infer_batch_norm(Infer& c) {
  const Shape& x = c.shape(0);
  if (x.rank() < 2) c.fail(0, "rank 2 or more, [N, C, …]");
  c.require_same_dtype();
  for (int i = 1; i < c.inputs(); ++i)
    if (c.shape(i) != Shape{x[1]}) c.fail(i, str(Shape{x[1]}, ", one per channel of input ", x));
  c.out(0, x, c.dtype(0));
}

Tensor train_batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                        BatchStatistics* statistics) {
  Tensor y;
  Moments m;
  {
    GradMode off(false);
    m = moments_of(x, eps);
    y = normalized(x, m.statistics.mean, m.rstd, weight, bias);
  }
  if (statistics) *statistics = m.statistics;
  if (!Recorder::current().grad_enabled()) return y;
  return record(batch_norm_result_op, {&y, &x, &weight, &bias, &m.statistics.mean, &m.rstd},
                NormAttr{eps});
}

}  // namespace

/// y, computed already, with the gradient of batch normalization: in: y, x, weight, bias, mean,
/// rstd. (Ioffe & Szegedy 2015, section 3.)
const Op batch_norm_result_op{OpSchema{
    .name = "batch_norm_result",
    .doc = "Internal: returns y = batch_norm(x, weight, bias), which is already computed, and has "
           "the gradient of batch_norm. Inputs: y, x, weight, bias, mean, rstd.",
    .inputs = {"y", "x", "weight", "bias", "mean", "rstd"},
    .attributes = &attribute_type<NormAttr>(),
    .traits = Trait::view | Trait::internal,
    .dtypes = kFloatDTypes,
    .infer = [](Infer& c) { c.out(0, c.shape(0), c.dtype(0)); },
    .cost = [](const Step&) { return Cost{}; },
}};
const RegisterRules batch_norm_result_rules{OpRules{
    .op = &batch_norm_result_op,
    .vjp =
        [](Vjp& v) {
          const Tensor g = v.grad(), x = v.in(1), weight = v.in(2);
          Tensor mean = v.in(4), rstd = v.in(5);
          const int rank = x.rank();
          const double n = samples_per_channel(x.shape());
          if (v.create_graph()) {  // higher derivatives have to see how the statistics depend on x
            const Moments m = moments_of(x, v.attr<NormAttr>().eps);
            mean = m.statistics.mean;
            rstd = m.rstd;
          }
          const Tensor d = x - per_channel(mean, rank);
          const Tensor of_bias = channel_sum(g), of_weight = channel_sum(g * d) * rstd;
          v.set_grad(2, of_weight);
          v.set_grad(3, of_bias);
          if (!v.needs_grad(1)) return;
          v.set_grad(1, (g - per_channel(of_bias / n, rank) -
                         d * per_channel(of_weight * rstd / n, rank)) *
                            per_channel(rstd * weight, rank));
        },
    .saves = saves_in(1) | saves_in(2) | saves_in(4) | saves_in(5),
}};

const Op batch_norm_op{OpSchema{
    .name = "batch_norm",
    .doc = "(x − mean) / √(variance + eps) · weight + bias with mean and variance of each channel "
           "over all other axes of x [N, C, …]; "
           "weight, bias [C].",
    .inputs = {"input", "weight", "bias"},
    .attributes = &attribute_type<NormAttr>(),
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer = infer_batch_norm,
}};
const RegisterRules batch_norm_rules{OpRules{
    .op = &batch_norm_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          return train_batch_norm(in[0], in[1], in[2], attr.as<NormAttr>().eps, nullptr);
        },
}};

const Op batch_norm_inference_op{OpSchema{
    .name = "batch_norm_inference",
    .doc = "(x − mean) / √(variance + eps) · weight + bias with given mean and variance [C]; x [N, "
           "C, …], weight, bias [C]. Inputs: x, weight, bias, mean, variance.",
    .inputs = {"input", "weight", "bias", "mean", "variance"},
    .attributes = &attribute_type<NormAttr>(),
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer = infer_batch_norm,
}};
const RegisterRules batch_norm_inference_rules{OpRules{
    .op = &batch_norm_inference_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          return normalized(in[0], in[3], rsqrt(in[4] + attr.as<NormAttr>().eps), in[1], in[2]);
        },
}};

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                  BatchStatistics* statistics) {
  if (!statistics) return record(batch_norm_op, {&x, &weight, &bias}, NormAttr{eps});
  const Tensor* const inputs[] = {&x, &weight, &bias};
  Composite call(batch_norm_op, inputs, NormAttr{eps});
  const DType dtype = x.dtype(), wide = wide_dtype(dtype);
  const Tensor y =
      train_batch_norm(cast(x, wide), cast(weight, wide), cast(bias, wide), eps, statistics);
  *statistics = {cast(statistics->mean, dtype), cast(statistics->variance, dtype)};
  return call.end(cast(y, dtype));
}

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const BatchStatistics& fixed, double eps) {
  return record(batch_norm_inference_op,
                std::vector<Tensor>{x, weight, bias, fixed.mean, fixed.variance}, NormAttr{eps});
}

}  // namespace suanli
