// SPDX-License-Identifier: Apache-2.0
// Running sums and products along one dimension.
#include "ops/op.h"

namespace suanli {

namespace {

void infer_scan(Infer& c) { c.out(0, c.shape(0), is_float(c.dtype(0)) ? c.dtype(0) : DType::i64); }

/// Sums from every element to the last one.
Tensor sums_to_the_end(const Tensor& x, int dim) { return flip(cumsum(flip(x, dim), dim), dim); }

Tensor scan(const Op& op, const Tensor& x, int dim) {
  if (x.rank() == 0 && (dim == 0 || dim == -1)) return reshape(scan(op, reshape(x, 1), 0), {});
  return record(op, {&x}, DimAttr{checked_axis(op.name(), x, dim)});
}

}  // namespace

const Op cumsum_op{OpSchema{
    .name = "cumsum",
    .doc = "y[i] = x[0] + … + x[i] along one axis. Floats are summed in f64, integers and bool in "
           "i64.",
    .inputs = {"input"},
    .results = {{"output", dtype_of_input(0).but(kNotFloatDTypes, DType::i64)}},
    .attributes = &attribute_type<DimAttr>(),
    .required = "dim",
    .infer = infer_scan,
}};
const RegisterRules cumsum_rules{OpRules{
    .op = &cumsum_op,
    .vjp = [](Vjp& v) { v.set_grad(0, sums_to_the_end(v.grad(), v.attr<DimAttr>().dim)); },
}};

const Op cumprod_op{OpSchema{
    .name = "cumprod",
    .doc = "y[i] = x[0]·…·x[i] along one axis. Floats are multiplied in f64, integers and bool in "
           "i64.",
    .inputs = {"input"},
    .results = {{"output", dtype_of_input(0).but(kNotFloatDTypes, DType::i64)}},
    .attributes = &attribute_type<DimAttr>(),
    .required = "dim",
    .infer = infer_scan,
}};
const RegisterRules cumprod_rules{OpRules{
    .op = &cumprod_op,
    .vjp =
        [](Vjp& v) {
          // dy[i]/dx[k] = y[i]/x[k] for k ≤ i. At the first zero it is the product of the others,
          // which is cumprod with a one in its place. Behind it every product has that zero.
          const int dim = v.attr<DimAttr>().dim;
          const Tensor x = v.in(0), zeros_so_far = cumsum(x == 0, dim),
                       first = logical_and(x == 0, zeros_so_far == 1),
                       others = cumprod(where(first, 1, x), dim),
                       before = sums_to_the_end(v.grad() * v.result(), dim) / where(x == 0, 1, x),
                       at = sums_to_the_end(v.grad() * others, dim);
          v.set_grad(0, where(zeros_so_far == 0, before, where(first, at, 0)));
        },
    .saves = saves_in(0) | saves_result(0),
}};

Tensor cumsum(const Tensor& x, int dim) { return scan(cumsum_op, x, dim); }
Tensor cumprod(const Tensor& x, int dim) { return scan(cumprod_op, x, dim); }

Tensor diff(const Tensor& x, int dim) {
  const int axis = checked_axis("diff", x, dim);
  const int64_t n = x.shape()[axis];
  if (n == 0) return x;
  const Tensor next = narrow(x, axis, 1, n - 1), own = narrow(x, axis, 0, n - 1);
  return x.dtype() == boolean ? next != own : next - own;
}

}  // namespace suanli
