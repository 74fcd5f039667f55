// SPDX-License-Identifier: Apache-2.0
#include "support/op_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "ops/schema/attributes.h"
#include "ops/schema/pointwise.h"
#include "support/op_reference_arrays.h"
#include "support/op_reference_nn.h"
#include "support/op_samples.h"

namespace suanli::test {

namespace {

// ---- values -------------------------------------------------------------------------------------

Real most(DType d) {
  return d == DType::u8 ? 255 : std::ldexp(1.0L, static_cast<int>(8 * itemsize(d)) - 1) - 1;
}
Real least(DType d) { return d == DType::u8 ? 0 : -most(d) - 1; }
std::vector<Array> cast(const Call& c) {
  Array y = c.in[0];
  y.dtype = c.attr.as<DTypeAttr>().dtype;
  for (Real& v : y.v) {
    if (y.dtype == DType::boolean) v = truth(v != 0);
    else if (is_integer(y.dtype))
      v = std::isnan(v) ? 0 : std::clamp(std::trunc(v), least(y.dtype), most(y.dtype));
    else if (y.dtype == DType::f32) v = static_cast<float>(v);
  }
  return {y};
}
std::vector<Array> full(const Call& c) {
  return {filled(c.shape, c.attr.as<DTypeAttr>().dtype, c.in[0].v[0])};
}
std::vector<Array> arange(const Call& c) {
  Array y = filled(c.shape, c.attr.as<DTypeAttr>().dtype);
  for (size_t i = 0; i < y.v.size(); ++i) y.v[i] = c.in[0].v[0] + static_cast<Real>(i);
  return {y};
}

// ---- reductions ---------------------------------------------------------------------------------

std::vector<Array> sum(const Call& c) {
  const auto& a = c.attr.as<ReduceAttr>();
  const Array& x = c.in[0];
  const Shape k = kept(x.shape, a);
  Array y = sums(k, is_float(x.dtype) ? x.dtype : DType::i64);
  for (size_t i = 0; i < x.v.size(); ++i)
    add_term(y, broadcast_from(unravel(static_cast<int64_t>(i), x.shape), k), x.v[i]);
  y.shape = asked(x.shape, a);
  return {y};
}
std::vector<Array> mean(const Call& c) {
  Array y = sum(c)[0];
  const Real count = static_cast<Real>(c.in[0].v.size()) / static_cast<Real>(y.v.size());
  for (Real& v : y.v) v /= count;
  for (Real& v : y.scale) v /= count;
  return {y};
}
std::vector<Array> vector_norm(const Call& c) {
  Array y = filled({}, DType::f64);
  for (Real v : c.in[0].v) y.v[0] = std::hypot(y.v[0], v);
  if (std::any_of(c.in[0].v.begin(), c.in[0].v.end(), [](Real v) { return std::isnan(v); }))
    y.v[0] = std::numeric_limits<Real>::quiet_NaN();
  return {y};
}
// ---- products -----------------------------------------------------------------------------------

std::vector<Array> matmul(const Call& c) {
  const auto& a = c.attr.as<MatmulAttr>();
  const Array &x = c.in[0], &y = c.in[1];
  const int rx = x.shape.rank(), ry = y.shape.rank();
  const int64_t m = x.shape[a.transpose_a ? rx - 1 : rx - 2],
                k = x.shape[a.transpose_a ? rx - 2 : rx - 1];
  const int64_t n = y.shape[a.transpose_b ? ry - 2 : ry - 1];
  const Shape lead_x(x.shape.begin(), rx - 2), lead_y(y.shape.begin(), ry - 2),
      lead = broadcast_shape({lead_x, lead_y});
  Shape out = lead;
  out.push_back(m);
  out.push_back(n);
  Array z = sums(out, x.dtype);
  for (int64_t b = 0; b < lead.numel(); ++b) {
    const Index at = unravel(b, lead);
    const Real* px = x.v.data() + static_cast<int64_t>(broadcast_from(at, lead_x)) * m * k;
    const Real* py = y.v.data() + static_cast<int64_t>(broadcast_from(at, lead_y)) * k * n;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t l = 0; l < k; ++l)
          add_term(z, static_cast<size_t>((b * m + i) * n + j),
                   (a.transpose_a ? px[l * m + i] : px[i * k + l]) *
                       (a.transpose_b ? py[j * k + l] : py[l * n + j]));
  }
  return {z};
}

// ---- shape --------------------------------------------------------------------------------------

std::vector<Array> reshape(const Call& c) {
  Array y = c.in[0];
  y.shape = c.shape;
  return {y};
}
std::vector<Array> permute(const Call& c) {
  const auto& p = c.attr.as<PermuteAttr>();
  const Array& x = c.in[0];
  Shape out = x.shape;
  for (int d = 0; d < out.rank(); ++d) out[d] = x.shape[p.dims[d]];
  return moved(x, out, [&](const Index& at) {
    Index from(at.size());
    for (size_t d = 0; d < at.size(); ++d) from[static_cast<size_t>(p.dims[d])] = at[d];
    return ravel(from, x.shape);
  });
}
std::vector<Array> expand(const Call& c) {
  return moved(c.in[0], c.shape,
               [&](const Index& at) { return broadcast_from(at, c.in[0].shape); });
}
std::vector<Array> flip(const Call& c) {
  const auto axis = static_cast<size_t>(c.attr.as<DimAttr>().dim);
  const Shape& shape = c.in[0].shape;
  return moved(c.in[0], shape, [&](Index at) {
    at[axis] = shape[static_cast<int>(axis)] - 1 - at[axis];
    return ravel(at, shape);
  });
}
int64_t first_taken(const NarrowAttr& a, Real start, int64_t size) {
  const int64_t span = a.length > 0 ? (a.length - 1) * a.step + 1 : 0;
  return std::clamp<int64_t>(static_cast<int64_t>(start), 0, size - span);
}
std::vector<Array> narrow(const Call& c) {
  const auto& a = c.attr.as<NarrowAttr>();
  const Array& x = c.in[0];
  Shape out = x.shape;
  out[a.dim] = a.length;
  const int64_t start = first_taken(a, c.in[1].v[0], x.shape[a.dim]);
  return moved(x, out, [&](Index at) {
    at[static_cast<size_t>(a.dim)] = start + at[static_cast<size_t>(a.dim)] * a.step;
    return ravel(at, x.shape);
  });
}
std::vector<Array> slice_update(const Call& c) {
  const auto& a = c.attr.as<NarrowAttr>();
  Array y = c.in[0];
  const Array& u = c.in[1];
  const int64_t start = first_taken(a, c.in[2].v[0], y.shape[a.dim]);
  for (size_t i = 0; i < u.v.size(); ++i) {
    Index at = unravel(static_cast<int64_t>(i), u.shape);
    at[static_cast<size_t>(a.dim)] = start + at[static_cast<size_t>(a.dim)] * a.step;
    y.v[ravel(at, y.shape)] = u.v[i];
  }
  return {y};
}
std::vector<Array> cat(const Call& c) {
  const int axis = c.attr.as<DimAttr>().dim;
  Shape out = c.in[0].shape;
  out[axis] = 0;
  for (const Array& x : c.in) out[axis] += x.shape[axis];
  Array y = filled(out, c.in[0].dtype);
  int64_t before = 0;
  for (const Array& x : c.in) {
    for (size_t i = 0; i < x.v.size(); ++i) {
      Index at = unravel(static_cast<int64_t>(i), x.shape);
      at[static_cast<size_t>(axis)] += before;
      y.v[ravel(at, out)] = x.v[i];
    }
    before += x.shape[axis];
  }
  return {y};
}

// ---- indexing -----------------------------------------------------------------------------------

std::vector<Array> gather(const Call& c) {
  const size_t axis = static_cast<size_t>(c.attr.as<DimAttr>().dim);
  const Array &x = c.in[0], &index = c.in[1];
  return moved(x, index.shape, [&](Index at) {
    at[axis] = static_cast<int64_t>(index.v[ravel(at, index.shape)]);
    return ravel(at, x.shape);
  });
}
std::vector<Array> scatter_add(const Call& c) {
  const size_t axis = static_cast<size_t>(c.attr.as<DimAttr>().dim);
  const Array &x = c.in[0], &index = c.in[1], &src = c.in[2];
  Array y = sums(x.shape, x.dtype);
  for (size_t i = 0; i < x.v.size(); ++i) add_term(y, i, x.v[i]);
  for (size_t i = 0; i < src.v.size(); ++i) {
    Index at = unravel(static_cast<int64_t>(i), index.shape);
    at[axis] = static_cast<int64_t>(index.v[i]);
    add_term(y, ravel(at, x.shape), src.v[i]);
  }
  return {y};
}
/// The first members of the op's attributes.
struct OneHot {
  int64_t classes;
  DType dtype;
};
std::vector<Array> one_hot(const Call& c) {
  const auto& a = c.attr.as<OneHot>();
  Shape out = c.in[0].shape;
  out.push_back(a.classes);
  Array y = filled(out, a.dtype);
  for (size_t i = 0; i < c.in[0].v.size(); ++i)
    y.v[i * static_cast<size_t>(a.classes) + static_cast<size_t>(c.in[0].v[i])] = 1;
  return {y};
}

// ---- random -------------------------------------------------------------------------------------

/// The words of the draw's blocks, one after the other.
std::vector<uint32_t> words(const Call& c, size_t count) {
  const auto seed = static_cast<uint64_t>(static_cast<int64_t>(c.in[0].v[0])),
             first = static_cast<uint64_t>(static_cast<int64_t>(c.in[1].v[0]));
  std::vector<uint32_t> w;
  for (uint64_t block = first; w.size() < count; ++block)
    for (uint32_t word :
         reference_philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0},
                          {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}))
      w.push_back(word);
  return w;
}
/// n numbers in [0, 1): of the top 24 bits of one word, or for f64 of the top 53 of two, low word
/// first.
std::vector<Real> uniform01(const Call& c, DType dtype, size_t n) {
  const bool single = dtype != DType::f64;
  const auto w = words(c, single ? n : 2 * n);
  std::vector<Real> u(n);
  for (size_t i = 0; i < n; ++i)
    u[i] = single ? std::ldexp(static_cast<Real>(w[i] / 256), -24)
                  : std::ldexp(
                        static_cast<Real>((w[2 * i] + 4294967296u * uint64_t{w[2 * i + 1]}) / 2048),
                        -53);
  return u;
}
std::vector<Array> uniform(const Call& c) {
  const DType dtype = c.attr.as<DTypeAttr>().dtype;
  Array y = filled(c.shape, dtype);
  const auto u = uniform01(c, dtype, y.v.size());
  const Real low = c.in[2].v[0], high = c.in[3].v[0];
  for (size_t i = 0; i < u.size(); ++i) y.v[i] = low + (high - low) * u[i];
  y.scale.assign(u.size(), std::fabs(low) + std::fabs(high - low));
  return {y};
}
std::vector<Array> normal(const Call& c) {
  const DType dtype = c.attr.as<DTypeAttr>().dtype;
  Array y = sums(c.shape, dtype);
  const auto u = uniform01(c, dtype, y.v.size() + y.v.size() % 2);
  for (size_t i = 0; i < y.v.size(); ++i) {  // Box and Muller 1958; log of 1 − u, which is never 0
    const Real r = std::sqrt(-2 * std::log(1 - u[i / 2 * 2])), angle = 2 * kPi * u[i / 2 * 2 + 1];
    add_term(y, i, c.in[2].v[0]);
    add_term(y, i, c.in[3].v[0] * r * (i % 2 ? std::sin(angle) : std::cos(angle)));
    y.scale[i] += std::fabs(c.in[3].v[0]) * r;  // near a zero of cos the angle's rounding shows
  }
  return {y};
}
std::vector<Array> randperm(const Call& c) {
  const size_t n = static_cast<size_t>(c.shape[0]);
  const auto w = words(c, 2 * n);
  std::vector<std::pair<uint64_t, size_t>> keyed(n);
  for (size_t i = 0; i < n; ++i) keyed[i] = {w[2 * i] + 4294967296u * uint64_t{w[2 * i + 1]}, i};
  std::sort(keyed.begin(), keyed.end());
  Array y = filled(c.shape, DType::i64);
  for (size_t i = 0; i < n; ++i) y.v[i] = static_cast<Real>(keyed[i].second);
  return {y};
}

struct Named {
  const char* name;
  Reference reference;
};
// Ops that only move elements, or pick one, are exact.
const Named named[] = {
    {"cast", {cast, 0, 0}},
    {"full", {full, 0, 0}},
    {"arange", {arange, 0, 0}},
    {"sum", {sum, 1e-6}},
    {"mean", {mean, 1e-6}},
    {"vector_norm", {vector_norm, 1e-12}},
    {"softmax", {softmax, 1e-6}},
    {"log_softmax", {log_softmax, 1e-6}},
    {"nll_loss", {nll_loss, 1e-6}},
    {"nll_rows", {nll_rows, 1e-6}},
    {"nll_rows_grad", {nll_rows_grad, 1e-6}},
    {"cross_entropy", {cross_entropy, 1e-6}},
    {"cross_entropy_rows", {cross_entropy_rows, 1e-6, 1e-12, false, 1}},
    {"cross_entropy_grad", {cross_entropy_grad, 1e-6}},
    {"mse_loss", {mse_loss, 1e-6}},
    {"matmul", {matmul}},
    {"conv2d", {conv2d, 2e-6, 1e-12, true, 8, Reference::Wild::mixed}},
    {"conv2d_grad_input", {conv2d_grad_input, 2e-6, 1e-12, true, 8, Reference::Wild::mixed}},
    {"conv2d_grad_weight", {conv2d_grad_weight, 2e-6, 1e-12, true, 8, Reference::Wild::mixed}},
    {"conv1d", {conv1d, 2e-6, 1e-12, true, 8, Reference::Wild::mixed}},
    {"conv_transpose1d", {conv_transpose1d, 2e-6, 1e-12, true, 8, Reference::Wild::mixed}},
    {"conv_transpose2d", {conv_transpose2d, 2e-6, 1e-12, true, 8, Reference::Wild::mixed}},
    {"max_pool2d", {max_pool2d, 0, 0}},
    {"adaptive_max_pool2d", {adaptive_max_pool2d, 0, 0}},
    {"max_pool2d_grad", {max_pool2d_grad}},
    {"avg_pool2d", {avg_pool2d, 1e-6}},
    {"mean_pool2d", {mean_pool2d, 1e-6}},
    {"mean_pool2d_grad", {mean_pool2d_grad, 1e-6}},
    {"adaptive_avg_pool2d", {adaptive_avg_pool2d, 1e-6}},
    {"batch_norm", {batch_norm_training, 1e-6}},
    {"batch_norm_inference", {batch_norm_inference, 1e-6}},
    {"batch_norm_result", {first_input, 0, 0}},
    {"reshape", {reshape, 0, 0}},
    {"permute", {permute, 0, 0}},
    {"expand", {expand, 0, 0}},
    {"flip", {flip, 0, 0}},
    {"narrow", {narrow, 0, 0}},
    {"slice_update", {slice_update, 0, 0}},
    {"cat", {cat, 0, 0}},
    {"gather", {gather, 0, 0}},
    {"scatter_add", {scatter_add}},
    {"embedding", {embedding, 0, 0}},
    {"embedding_grad", {embedding_grad, 1e-6}},
    {"layer_norm", {layer_norm, 1e-6}},
    {"layer_norm_grad", {layer_norm_grad, 1e-6, 1e-12, false, 8, Reference::Wild::places}},
    {"scaled_dot_product_attention", {attention, 1e-6, 1e-12, false, 1}},
    {"scaled_dot_product_attention_grad",
     {attention_grad, 1e-6, 1e-12, false, 8, Reference::Wild::places}},
    {"self_attention", {self_attention, 1e-6, 1e-12, false, 1}},
    {"self_attention_grad", {self_attention_grad, 1e-6, 1e-12, false, 8, Reference::Wild::places}},
    {"one_hot", {one_hot, 0, 0}},
    {"uniform", {uniform, 1.2e-7, 2.3e-16}},
    {"normal", {normal, 2.4e-7, 1e-15}},
    {"randperm", {randperm, 0, 0}},
};

}  // namespace

const Reference* reference(std::string_view op) {
  static const std::vector<Named> all = [] {
    std::vector<Named> list(std::begin(named), std::end(named));
    for (const PointwiseRow& row : pointwise_rows)
      if (auto values = pointwise_values(row.name))
        list.push_back({row.name, {std::move(values), 5e-7, 1e-14}});
    return list;
  }();
  for (const Named& n : all)
    if (op == n.name) return &n.reference;
  return registered_reference(op);
}

std::array<uint32_t, 4> reference_philox(std::array<uint32_t, 4> counter,
                                         std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t left = uint64_t{0xD2511F53} * counter[0],
                   right = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(right / 4294967296u) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(right),
               static_cast<uint32_t>(left / 4294967296u) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(left)};
    key[0] += 0x9E3779B9;  // the golden ratio, and √3 − 1, as fractions of 2³²
    key[1] += 0xBB67AE85;
  }
  return counter;
}

}  // namespace suanli::test
