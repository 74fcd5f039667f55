// SPDX-License-Identifier: Apache-2.0
// The 2-norm of all elements.
#include "ops/norm/norm.h"
#include "ops/op.h"

namespace suanli {

const Op vector_norm_op{OpSchema{
    .name = "vector_norm",
    .doc =
        "√Σ x² over all elements, in f64; squares neither overflow nor underflow. x: a float dtype "
        "→ [] f64.",
    .inputs = {"input"},
    .results = {{"output", always(DType::f64)}},
    .traits = Trait::reduction,
    .dtypes = kFloatDTypes,
    .infer = [](Infer& c) { c.out(0, {}, DType::f64); },
    .cost =
        [](const Step& s) {
          auto c = element_cost(s, 0);
          c.flops = 2 * s.in[0].shape.numel();
          return c;
        },
}};
const RegisterRules vector_norm_rules{OpRules{
    .op = &vector_norm_op,
    .vjp =
        [](Vjp& v) {
          const Tensor norm = v.result();
          // 0 at 0, as PyTorch has it
          v.set_grad(0, cast(v.in(0), DType::f64) * (v.grad() / where(norm == 0, 1.0, norm)));
        },
    .saves = saves_in(0) | saves_result(0),
    .decompose = [](std::span<const Tensor> in,
                    const Attr&) { return sqrt(sum(square(cast(in[0], DType::f64)))); },
}};

Tensor vector_norm(const Tensor& x) { return record(vector_norm_op, {&x}); }

}  // namespace suanli
