// SPDX-License-Identifier: Apache-2.0
// Cross-entropy where classes count differently, and where the target is not believed entirely.
#include "ops/op.h"
#include "ops/reduce/classes.h"
#include "ops/schema/attributes.h"

namespace suanli {

const Op weighted_cross_entropy_op{OpSchema{
    .name = "weighted_cross_entropy",
    .doc = "Σ w[t]·((1−ε)·(−ln p[n, t]) + …)/Σ w[t]: cross_entropy of logits [N, C], targets t [N] "
           "i64 and class weights w [C] (or none), "
           "with "
           "ε of each target spread over all classes (Szegedy et al. 2016, section 7) → [].",
    .inputs = {"logits",
               {"target", kIndexDTypes},
               {"weight", InputSpec::optional, kComputedDTypes}},
    .attributes = &attribute_type<SmoothingAttr>(),
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          require_classes(c);
          if (const Shape& x = c.shape(0); c.inputs() == 3 && c.shape(2) != Shape{x[1]})
            c.fail(2, str(Shape{x[1]}, ", one per class of logits ", x));
          const double smoothing = c.attr<SmoothingAttr>().label_smoothing;
          if (!(smoothing >= 0 && smoothing <= 1))
            c.fail_argument("label_smoothing", str(smoothing), "0 to 1");
          c.out(0, {}, c.dtype(0));
        },
}};
const RegisterRules weighted_cross_entropy_rules{OpRules{
    .op = &weighted_cross_entropy_op,
    // As PyTorch has it: a class's weight counts in its own term of the spread part, and the
    // target's class alone in the divisor.
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const double smoothing = attr.as<SmoothingAttr>().label_smoothing;
          // A term whose factor is 0 is left out: the logarithm of an impossible class, -∞, would
          // make NaN of it.
          const auto both = [&](auto&& right, auto&& spread) {
            if (smoothing == 0) return Tensor(right());
            if (smoothing == 1) return Tensor(spread());
            return (1 - smoothing) * right() + smoothing * spread();
          };
          if (in.size() == 2)
            return both([&] { return cross_entropy(in[0], in[1]); },
                        [&] { return -mean(log_softmax(in[0], 1)); });
          const Tensor log_p = log_softmax(in[0], 1), column = reshape(in[1], {-1, 1});
          const Tensor weight = cast(in[2], in[0].dtype()), of_target = gather(weight, 0, in[1]);
          const auto weighted = [](const Tensor& x, const Tensor& w) {
            return sum(multiply_no_nan(x, w));
          };
          return -both(
                     [&] { return weighted(flatten(gather(log_p, 1, column)), of_target); },
                     [&] { return weighted(log_p, weight) / static_cast<double>(in[0].size(1)); }) /
                 sum(of_target);
        },
}};

Tensor weighted_cross_entropy(const Tensor& logits, const Tensor& target, const Tensor& weight,
                              double label_smoothing) {
  const Tensor classes =
      is_integer(target.dtype()) && target.dtype() != i64 ? cast(target, i64) : target;
  if (!weight.defined())
    return record(weighted_cross_entropy_op, {&logits, &classes}, SmoothingAttr{label_smoothing});
  return record(weighted_cross_entropy_op, {&logits, &classes, &weight},
                SmoothingAttr{label_smoothing});
}

}  // namespace suanli
