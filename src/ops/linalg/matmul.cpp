// SPDX-License-Identifier: Apache-2.0
// Matrix product with NumPy-broadcast leading axes.
#include "ops/op.h"
#include "ops/schema/attributes.h"

namespace suanli {

const Op matmul_op{OpSchema{
    .name = "matmul",
    .doc = "[.., M, K] × [.., K, N] → [.., M, N]; leading axes broadcast; either operand may be "
           "read with its last two axes swapped. "
           "Float dtypes; f16 and bf16 are added in f32.",
    .inputs = {"a", "b"},
    .attributes = &attribute_type<MatmulAttr>(),
    .traits = Trait::contraction,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<MatmulAttr>();
          if (c.dtype(0) != c.dtype(1))
            c.fail_dtype("a, b", str(c.dtype(0), " and ", c.dtype(1)), "one dtype");
          for (int i = 0; i < 2; ++i)
            if (c.shape(i).rank() < 2) c.fail(i, "rank 2 or more");
          const Shape &x = c.shape(0), &y = c.shape(1);
          const int64_t m = x.at(a.transpose_a ? -1 : -2), k = x.at(a.transpose_a ? -2 : -1),
                        k2 = y.at(a.transpose_b ? -1 : -2), n = y.at(a.transpose_b ? -2 : -1);
          if (k != k2)
            c.fail("a, b", str(x, a.transpose_a ? "ᵀ and " : " and ", y, a.transpose_b ? "ᵀ" : ""),
                   str("equal inner sizes, not ", k, " and ", k2));
          Shape batch_x(x.begin(), x.rank() - 2), batch_y(y.begin(), y.rank() - 2), out;
          try {
            out = broadcast(batch_x, batch_y);
          } catch (const ShapeError& e) { c.fail("a, b", c.shapes(2), "leading " + e.expected()); }
          out.push_back(m);
          out.push_back(n);
          c.out(0, out, c.dtype(0));
        },
    .cost =
        [](const Step& s) {
          const auto* a = static_cast<const MatmulAttr*>(s.attr);
          auto c = element_cost(s, 0);
          c.flops = 2 * s.out[0].shape.numel() * s.in[0].shape.at(a->transpose_a ? -2 : -1);
          return c;
        },
}};
const RegisterRules matmul_rules{OpRules{
    .op = &matmul_op,
    .vjp =
        [](Vjp& v) {
          const auto [ta, tb] = v.attr<MatmulAttr>();
          Tensor g = v.grad();
          if (v.needs_grad(0))
            v.set_grad(0, sum_to(ta ? matmul(v.in(1), g, {.transpose_a = tb, .transpose_b = true})
                                    : matmul(g, v.in(1), {.transpose_b = !tb}),
                                 v.in_shape(0)));
          if (v.needs_grad(1))
            v.set_grad(1, sum_to(tb ? matmul(g, v.in(0), {.transpose_a = true, .transpose_b = ta})
                                    : matmul(v.in(0), g, {.transpose_a = !ta}),
                                 v.in_shape(1)));
        },
    .saves = saves_in(0) | saves_in(1),
}};

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& o) {
  return record(matmul_op, {&a, &b}, MatmulAttr{o.transpose_a, o.transpose_b});
}

}  // namespace suanli
