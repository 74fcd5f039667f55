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

namespace {
/// Integers: products of all pairs, summed in i64.
Tensor integer_matmul(const Tensor& a, const Tensor& b) {
  const Tensor left = unsqueeze(cast(a, i64), -1), right = unsqueeze(cast(b, i64), -3);
  return cast(sum(left * right, -2), promote(a.dtype(), b.dtype()));
}

void require_rank(const char* op, const char* argument, const Tensor& x, int rank) {
  if (x.rank() != rank)
    throw ShapeError({.op = op,
                      .argument = argument,
                      .given = to_string(x.shape()),
                      .expected = str("rank ", rank),
                      .module = module_path()});
}

bool integers(const Tensor& x) { return is_integer(x.dtype()); }
}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& o) {
  if (a.rank() == 1 && b.rank() >= 1 && !o.transpose_a) {
    const Tensor y = matmul(unsqueeze(a, 0), b.rank() == 1 ? unsqueeze(b, 1) : b, o);
    return b.rank() == 1 ? reshape(y, {}) : squeeze(y, -2);
  }
  if (b.rank() == 1 && a.rank() >= 2 && !o.transpose_b)
    return squeeze(matmul(a, unsqueeze(b, 1), o), -1);
  if (integers(a) && integers(b) && a.rank() >= 2 && b.rank() >= 2) {
    const Tensor left = o.transpose_a ? transpose(a, -1, -2) : a,
                 right = o.transpose_b ? transpose(b, -1, -2) : b;
    if (left.size(-1) == right.size(-2)) return integer_matmul(left, right);
  }
  return record(matmul_op, {&a, &b}, MatmulAttr{o.transpose_a, o.transpose_b});
}

Tensor mm(const Tensor& a, const Tensor& b) {
  require_rank("mm", "a", a, 2);
  require_rank("mm", "b", b, 2);
  return matmul(a, b);
}
Tensor bmm(const Tensor& a, const Tensor& b) {
  require_rank("bmm", "a", a, 3);
  require_rank("bmm", "b", b, 3);
  return matmul(a, b);
}
Tensor mv(const Tensor& matrix, const Tensor& vector) {
  require_rank("mv", "matrix", matrix, 2);
  require_rank("mv", "vector", vector, 1);
  return matmul(matrix, vector);
}
Tensor dot(const Tensor& a, const Tensor& b) {
  require_rank("dot", "a", a, 1);
  require_rank("dot", "b", b, 1);
  return matmul(a, b);
}
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  require_rank("linear", "weight", weight, 2);
  const Tensor y = matmul(x, weight, {.transpose_b = true});
  return bias.defined() ? y + bias : y;
}
Tensor cdist(const Tensor& a, const Tensor& b, double p) {
  for (const Tensor* t : {&a, &b})
    if (t->rank() < 2 || t->size(-1) != a.size(-1))
      throw ShapeError({.op = "cdist",
                        .argument = t == &a ? "a" : "b",
                        .given = to_string(t->shape()),
                        .expected = "[.., rows, K] with one K for both inputs",
                        .module = module_path()});
  return norm(unsqueeze(a, -2) - unsqueeze(b, -3), p, -1);
}
Tensor kron(const Tensor& a, const Tensor& b) {
  const int rank = std::max(a.rank(), b.rank());
  Shape outer, inner, joined;  // [a₀, 1, a₁, 1, …], [1, b₀, 1, b₁, …] and [a₀·b₀, a₁·b₁, …]
  for (int i = 0; i < rank; ++i) {
    const int at_a = i - rank + a.rank(), at_b = i - rank + b.rank();
    const int64_t n = at_a < 0 ? 1 : a.shape()[at_a], m = at_b < 0 ? 1 : b.shape()[at_b];
    outer.push_back(n);
    outer.push_back(1);
    inner.push_back(1);
    inner.push_back(m);
    joined.push_back(n * m);
  }
  return reshape(reshape(a, outer) * reshape(b, inner), joined);
}
Tensor outer(const Tensor& a, const Tensor& b) {
  require_rank("outer", "a", a, 1);
  require_rank("outer", "b", b, 1);
  return unsqueeze(a, 1) * b;
}
namespace {
Tensor scaled_sum(const Tensor& x, const Tensor& product, double beta, double alpha) {
  auto times = [](const Tensor& y, double factor) {
    return factor == 1 ? y : cast(y * factor, y.dtype());
  };
  return beta == 0 ? times(product, alpha) : times(product, alpha) + times(x, beta);
}
}  // namespace
Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, double beta, double alpha) {
  return scaled_sum(x, mm(a, b), beta, alpha);
}
Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, double beta, double alpha) {
  return scaled_sum(x, bmm(a, b), beta, alpha);
}

Tensor tensordot(const Tensor& a, const Tensor& b, int dims) {
  if (dims < 0 || dims > a.rank() || dims > b.rank())
    throw ArgumentError({.op = "tensordot",
                         .argument = "dims",
                         .given = str(dims),
                         .expected = str("0 to the lower rank of ", a.shape(), " and ", b.shape()),
                         .module = module_path()});
  Dims last, first;
  for (int i = 0; i < dims; ++i) {
    last.push_back(a.rank() - dims + i);
    first.push_back(i);
  }
  return tensordot(a, b, last, first);
}

Tensor tensordot(const Tensor& a, const Tensor& b, const Dims& dims_a, const Dims& dims_b) {
  if (dims_a.size() != dims_b.size())
    throw ArgumentError({.op = "tensordot",
                         .argument = "dims_a, dims_b",
                         .given = str(to_string(dims_a), " and ", to_string(dims_b)),
                         .expected = "as many of a as of b",
                         .module = module_path()});
  uint32_t summed_a = 0, summed_b = 0;
  int64_t inner = 1;
  Dims tail, head;  // the summed dimensions, in one order
  for (int i = 0; i < dims_a.size(); ++i) {
    const int p = checked_axis("tensordot", a, dims_a[i], "dims_a"),
              q = checked_axis("tensordot", b, dims_b[i], "dims_b");
    if (a.shape()[p] != b.shape()[q] || (summed_a >> p & 1) || (summed_b >> q & 1))
      throw ShapeError({.op = "tensordot",
                        .argument = "dims_a, dims_b",
                        .given = str(p, " of ", a.shape(), " and ", q, " of ", b.shape()),
                        .expected = "pairs of equal size, each dimension once",
                        .module = module_path()});
    summed_a |= 1u << p;
    summed_b |= 1u << q;
    inner *= a.shape()[p];
    tail.push_back(p);
    head.push_back(q);
  }
  Dims order_a;
  Shape out;
  int64_t rows = 1, columns = 1;
  for (int i = 0; i < a.rank(); ++i)
    if (!(summed_a >> i & 1)) {
      order_a.push_back(i);
      out.push_back(a.shape()[i]);
      rows *= a.shape()[i];
    }
  for (int p : tail) order_a.push_back(p);
  for (int i = 0; i < b.rank(); ++i)
    if (!(summed_b >> i & 1)) {
      head.push_back(i);
      out.push_back(b.shape()[i]);
      columns *= b.shape()[i];
    }
  return reshape(matmul(reshape(permute(a, order_a), {rows, inner}),
                        reshape(permute(b, head), {inner, columns})),
                 out);
}

}  // namespace suanli
