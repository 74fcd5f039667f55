// SPDX-License-Identifier: Apache-2.0
// Losses of numbers, probabilities and distances, written with other ops.
#include <cmath>
#include <numbers>

#include "ops/loss/loss.h"

namespace suanli {

namespace {

void require_same_shape(const char* op, const char* argument, const Tensor& x, const Tensor& y) {
  if (!x.defined() || !y.defined() || x.shape() == y.shape()) return;  // undefined: refused later
  throw ShapeError({.op = op,
                    .argument = argument,
                    .given = to_string(y.shape()),
                    .expected = str(x.shape(), ", the shape of the input"),
                    .module = module_path()});
}
void require_float(const char* op, const Tensor& x) {
  if (!x.defined() || is_float(x.dtype())) return;
  throw DTypeError({.op = op,
                    .argument = "x",
                    .given = name(x.dtype()),
                    .expected = "a float dtype",
                    .module = module_path()});
}
void require(const char* op, const char* argument, bool holds, double given, const char* expected) {
  if (holds) return;
  throw ArgumentError({.op = op,
                       .argument = argument,
                       .given = str(given),
                       .expected = expected,
                       .module = module_path()});
}

/// max(x, 0), whose gradient at 0 is 1.
Tensor positive_part(const Tensor& x) { return where(x < 0.0, 0.0, x); }

/// ln x, at least -100. No gradient flows below.
Tensor bounded_log(const Tensor& x) {
  const Tensor zero = x == 0.0;
  return maximum(where(zero, -100.0, log(where(zero, 1.0, x))), -100.0);
}

/// t · ln t, 0 at 0.
Tensor times_own_log(const Tensor& t) { return t * log(where(t == 0.0, 1.0, t)); }

}  // namespace

const Op mse_loss_op{OpSchema{
    .name = "mse_loss",
    .doc = "(x − y)²; x and y have the same shape. reduction: 0 none, 1 mean, 2 sum.",
    .inputs = {"x", {"y", kComputedDTypes}},
    .results = {{"output", promoted_dtype()}},
    .attributes = &attribute_type<ReductionAttr>(),
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_float(0);
          if (c.shape(0) != c.shape(1)) c.fail(1, str(c.shape(0), ", the shape of x"));
          const int64_t reduction = c.attr<ReductionAttr>().reduction;
          if (reduction < 0 || reduction > static_cast<int64_t>(Reduction::sum))
            c.fail_argument("reduction", str(reduction), "0 (none), 1 (mean) or 2 (sum)");
          c.out(0, reduction == 0 ? c.shape(0) : Shape{}, c.common_dtype());
        },
}};
const RegisterRules mse_loss_rules{OpRules{
    .op = &mse_loss_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          return reduced("mse_loss", square(in[0] - in[1]),
                         static_cast<Reduction>(attr.as<ReductionAttr>().reduction));
        },
}};

Tensor mse_loss(const Tensor& x, const Tensor& y, Reduction reduction) {
  return record(mse_loss_op, {&x, &y}, ReductionAttr{static_cast<int64_t>(reduction)});
}
Tensor l1_loss(const Tensor& x, const Tensor& y, Reduction reduction) {
  require_float("l1_loss", x);
  require_same_shape("l1_loss", "y", x, y);
  return reduced("l1_loss", abs(x - y), reduction);
}
Tensor smooth_l1_loss(const Tensor& x, const Tensor& y, Reduction reduction, double beta) {
  require_float("smooth_l1_loss", x);
  require_same_shape("smooth_l1_loss", "y", x, y);
  require("smooth_l1_loss", "beta", beta >= 0, beta, "at least 0");
  const Tensor d = abs(x - y);
  if (beta == 0) return reduced("smooth_l1_loss", d, reduction);
  return reduced("smooth_l1_loss", where(d < beta, square(d) * (0.5 / beta), d - 0.5 * beta),
                 reduction);
}
Tensor huber_loss(const Tensor& x, const Tensor& y, Reduction reduction, double delta) {
  require_float("huber_loss", x);
  require_same_shape("huber_loss", "y", x, y);
  require("huber_loss", "delta", delta > 0, delta, "above 0");
  const Tensor d = abs(x - y);
  return reduced("huber_loss", where(d <= delta, square(d) * 0.5, (d - 0.5 * delta) * delta),
                 reduction);
}

Tensor binary_cross_entropy(const Tensor& x, const Tensor& target,
                            const BinaryCrossEntropyOptions& o) {
  require_float("binary_cross_entropy", x);
  require_same_shape("binary_cross_entropy", "target", x, target);
  if (o.pos_weight.defined())
    throw ArgumentError({.op = "binary_cross_entropy",
                         .argument = "pos_weight",
                         .given = "a tensor",
                         .expected = "none: it is for binary_cross_entropy_with_logits",
                         .module = module_path()});
  Tensor loss = -(target * bounded_log(x) + (1.0 - target) * bounded_log(1.0 - x));
  if (o.weight.defined()) loss = loss * o.weight;
  return reduced("binary_cross_entropy", loss, o.reduction);
}
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target,
                                        const BinaryCrossEntropyOptions& o) {
  require_float("binary_cross_entropy_with_logits", x);
  require_same_shape("binary_cross_entropy_with_logits", "target", x, target);
  Tensor tail = softplus(-x);
  if (o.pos_weight.defined()) tail = ((o.pos_weight - 1.0) * target + 1.0) * tail;
  Tensor loss = (1.0 - target) * x + tail;
  if (o.weight.defined()) loss = loss * o.weight;
  return reduced("binary_cross_entropy_with_logits", loss, o.reduction);
}

Tensor kl_div(const Tensor& x, const Tensor& target, Reduction reduction, bool log_target) {
  require_float("kl_div", x);
  const Tensor loss = log_target ? exp(target) * (target - x) : times_own_log(target) - target * x;
  if (reduction != Reduction::batchmean) return reduced("kl_div", loss, reduction);
  const Tensor total = sum(loss);
  return x.rank() == 0 ? total : total / static_cast<double>(x.size(0));
}
Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, const PoissonNllOptions& o) {
  require_float("poisson_nll_loss", x);
  Tensor loss = o.log_input ? exp(x) - target * x : x - target * log(x + o.eps);
  if (o.full) {
    const Tensor large = target > 1.0, t = where(large, target, 1.0);
    loss = loss + where(large, t * log(t) - t + 0.5 * log(t * (2 * std::numbers::pi)), 0.0);
  }
  return reduced("poisson_nll_loss", loss, o.reduction);
}
Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var,
                         const GaussianNllOptions& o) {
  require_float("gaussian_nll_loss", x);
  require("gaussian_nll_loss", "eps", o.eps > 0, o.eps, "above 0");
  Tensor v = var;
  if (var.rank() + 1 == x.rank()) {
    Shape shape = var.shape();
    shape.push_back(1);
    v = reshape(var, shape);
  }
  Shape one = x.shape();
  if (one.rank() > 0) one[one.rank() - 1] = 1;
  if (v.shape() != x.shape() && v.shape() != one)
    require_same_shape("gaussian_nll_loss", "var", x, var);
  // The bound changes the value alone: the gradient passes as in PyTorch.
  v = v + (maximum(v, o.eps) - v).detach();
  Tensor loss = 0.5 * (log(v) + square(x - target) / v);
  if (o.full) loss = loss + 0.5 * std::log(2 * std::numbers::pi);
  return reduced("gaussian_nll_loss", loss, o.reduction);
}

Tensor cosine_similarity(const Tensor& x, const Tensor& y, int dim, double eps) {
  require_float("cosine_similarity", x);
  const Dims along = dim;
  const auto length = [&](const Tensor& t) {
    return sqrt(maximum(sum(square(t), along, true), eps * eps));
  };
  return sum((x / length(x)) * (y / length(y)), along);
}
Tensor pairwise_distance(const Tensor& x, const Tensor& y, double p, double eps, bool keepdim) {
  require_float("pairwise_distance", x);
  require("pairwise_distance", "p", p >= 0, p, "at least 0");
  const Tensor d = abs(x - y + eps);
  const Dims last = -1;
  if (p == 2) return sqrt(sum(square(d), last, keepdim));
  if (p == 1) return sum(d, last, keepdim);
  if (p == 0) return sum(cast(d != 0.0, d.dtype()), last, keepdim);
  if (std::isinf(p)) return amax(d, last, keepdim);
  return pow(sum(pow(d, p), last, keepdim), 1 / p);
}
Tensor cosine_embedding_loss(const Tensor& x, const Tensor& y, const Tensor& target, double margin,
                             Reduction reduction) {
  require_float("cosine_embedding_loss", x);
  const int rank = x.rank();
  if (rank < 1 || rank > 2 || target.rank() != rank - 1)
    throw ShapeError({.op = "cosine_embedding_loss",
                      .argument = "x",
                      .given = str(x.shape(), " with target ", target.shape()),
                      .expected = "[D] with [], or [N, D] with [N]",
                      .module = module_path()});
  constexpr double kEps = 1e-12;  // as in PyTorch
  const Dims last = -1;
  const Tensor cosine =
      sum(x * y, last) / sqrt((sum(square(x), last) + kEps) * (sum(square(y), last) + kEps));
  return reduced("cosine_embedding_loss",
                 where(target == 1.0, 1.0 - cosine, 0.0) +
                     where(target == -1.0, positive_part(cosine - margin), 0.0),
                 reduction);
}
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, double margin,
                            Reduction reduction) {
  require_float("hinge_embedding_loss", x);
  return reduced(
      "hinge_embedding_loss",
      where(target != 1.0, positive_part(margin - x), 0.0) + where(target != -1.0, x, 0.0),
      reduction);
}
Tensor margin_ranking_loss(const Tensor& x, const Tensor& y, const Tensor& target, double margin,
                           Reduction reduction) {
  require_float("margin_ranking_loss", x);
  return reduced("margin_ranking_loss", positive_part(-target * (x - y) + margin), reduction);
}
Tensor soft_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  require_float("soft_margin_loss", x);
  require_same_shape("soft_margin_loss", "target", x, target);
  return reduced("soft_margin_loss", softplus(-target * x), reduction);
}
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& o) {
  const Tensor near = pairwise_distance(anchor, positive, o.p, o.eps);
  Tensor far = pairwise_distance(anchor, negative, o.p, o.eps);
  if (o.swap) far = minimum(far, pairwise_distance(positive, negative, o.p, o.eps));
  return reduced("triplet_margin_loss", positive_part(near - far + o.margin), o.reduction);
}

}  // namespace suanli
