// SPDX-License-Identifier: Apache-2.0
// logsumexp along one axis or several.
#include "ops/op.h"
#include "ops/reduce/axes.h"
#include "ops/schema/reductions.h"

namespace suanli {

const Op logsumexp_op{OpSchema{
    .name = "logsumexp",
    .doc = "ln Σ exp(x) over axes, without overflow; -∞ for no elements. Float dtypes.",
    .inputs = {"input"},
    .attributes = &attribute_type<ReduceAttr>(),
    .required = "dim",
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<ReduceAttr>();
          c.require_float(0);
          c.out(0, reduced(c.shape(0), a, a.keepdim), c.dtype(0));
        },
}};
const RegisterRules logsumexp_rules{OpRules{
    .op = &logsumexp_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<ReduceAttr>();
          const ReduceAttr kept{a.dim, true};
          const Shape shape = reduced(in[0].shape(), a, a.keepdim);
          if (in[0].numel() == 0) return log(record(reduction_op(ReductionOp::sum), {&in[0]}, a));
          const Tensor top = record(reduction_op(ReductionOp::amax), {&in[0]}, kept).detach(),
                       finite = where(isfinite(top), top, 0.0);  // ∞ − ∞ would be NaN
          const Tensor terms = exp(in[0] - finite);
          return reshape(log(record(reduction_op(ReductionOp::sum), {&terms}, kept)) + finite,
                         shape);
        },
}};

Tensor logsumexp(const Tensor& x, const Dims& dim, bool keepdim) {
  return record(logsumexp_op, {&x}, ReduceAttr{axis_bits("logsumexp", x, dim), keepdim});
}

}  // namespace suanli
