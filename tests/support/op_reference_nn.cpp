// SPDX-License-Identifier: Apache-2.0
#include "support/op_reference_nn.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/norm/norm.h"
#include "ops/schema/attributes.h"
#include "support/op_reference_arrays.h"

namespace suanli::test {

// ---- softmax ------------------------------------------------------------------------------------

namespace {

std::vector<Array> softmax_rows(const Call& c, bool logarithm) {
  const size_t axis = static_cast<size_t>(c.attr.as<DimAttr>().dim);
  const Array& x = c.in[0];
  Shape rows = x.shape;
  rows[static_cast<int>(axis)] = 1;
  Array y = sums(x.shape, x.dtype);
  for (int64_t row = 0; row < rows.numel(); ++row) {
    Index at = unravel(row, rows);
    std::vector<size_t> places;
    for (at[axis] = 0; at[axis] < x.shape[static_cast<int>(axis)]; ++at[axis])
      places.push_back(ravel(at, x.shape));
    Real largest = -std::numeric_limits<Real>::infinity(), total = 0;
    for (size_t i : places) largest = std::fmax(largest, x.v[i]);
    for (size_t i : places) total += std::exp(x.v[i] - largest);
    for (size_t i : places) {
      const Real shifted = x.v[i] - largest;
      y.v[i] = logarithm ? shifted - std::log(total) : std::exp(shifted) / total;
      y.scale[i] = logarithm ? std::fabs(x.v[i]) + std::fabs(largest) + std::log(total)
                             : y.v[i] * (1 + std::fabs(shifted));
    }
  }
  return {y};
}

}  // namespace

std::vector<Array> softmax(const Call& c) { return softmax_rows(c, false); }
std::vector<Array> log_softmax(const Call& c) { return softmax_rows(c, true); }

// ---- losses -------------------------------------------------------------------------------------

namespace {

struct LogSum {
  Real top, log;  // the largest of some numbers, and ln Σ exp of their distances from it
  Real log_p(Real x) const { return (x - top) - log; }
};
/// Statistics of row n of x [N, C].
LogSum log_sum_of_row(const Array& x, int64_t n) {
  const Real* row = x.v.data() + n * x.shape[1];
  LogSum s{-std::numeric_limits<Real>::infinity(), 0};
  Real total = 0;
  for (int64_t k = 0; k < x.shape[1]; ++k) s.top = std::fmax(s.top, row[k]);
  for (int64_t k = 0; k < x.shape[1]; ++k) total += std::exp(row[k] - s.top);
  s.log = std::log(total);
  return s;
}
/// −share · ln p is added to y; a share of 0 is nothing whatever p is.
void add_loss(Array& y, Real share, Real x, const LogSum& s) {
  if (share == 0) return;
  y.v[0] += -share * s.log_p(x);
  y.scale[0] += std::fabs(share) * (std::fabs(s.log) + std::fabs(x - s.top));
}

}  // namespace

std::vector<Array> nll_rows(const Call& c) {
  const Attr attr = NllLossAttr{c.attr.as<IgnoreAttr>().ignore_index, 1};
  return nll_loss({c.in, attr, c.shape});
}
std::vector<Array> nll_rows_grad(const Call& c) {
  const Array& target = c.in[1];
  const auto ignored = static_cast<Real>(c.attr.as<IgnoreAttr>().ignore_index);
  const auto counted =
      std::count_if(target.v.begin(), target.v.end(), [&](Real t) { return t != ignored; });
  Array dx = sums(c.shape, c.in[0].dtype);
  for (size_t i = 0; i < target.v.size(); ++i)
    if (target.v[i] != ignored)
      add_term(dx, ravel({static_cast<int64_t>(i), static_cast<int64_t>(target.v[i])}, c.shape),
               -c.in[0].v[0] / static_cast<Real>(counted));
  return {dx};
}
std::vector<Array> cross_entropy_rows(const Call& c) {
  const Array &x = c.in[0], &target = c.in[1];
  const int64_t rows = x.shape[0];
  const auto ignored = static_cast<Real>(c.attr.as<IgnoreAttr>().ignore_index);
  const auto counted =
      std::count_if(target.v.begin(), target.v.end(), [&](Real t) { return t != ignored; });
  Array y = sums({}, x.dtype), row_sums = filled({2, rows}, wide_dtype(x.dtype));
  row_sums.scale.assign(row_sums.v.size(), 1);
  for (int64_t n = 0; n < rows; ++n) {
    const LogSum s = log_sum_of_row(x, n);
    const auto row = static_cast<size_t>(n);
    if (target.v[row] != ignored)
      add_loss(y, 1 / static_cast<Real>(counted),
               x.v[ravel({n, static_cast<int64_t>(target.v[row])}, x.shape)], s);
    row_sums.v[row] = s.top;
    row_sums.scale[row] = std::fabs(s.top);
    row_sums.v[row + static_cast<size_t>(rows)] = s.log;

    row_sums.scale[row + static_cast<size_t>(rows)] = 1 + std::fabs(s.log);
  }
  return {y, row_sums};
}
std::vector<Array> cross_entropy_grad(const Call& c) {
  const Array &x = c.in[1], &target = c.in[2], &row_sums = c.in[3];
  Array dx = sums(x.shape, x.dtype);
  const auto ignored = static_cast<Real>(c.attr.as<IgnoreAttr>().ignore_index);
  const auto counted =
      std::count_if(target.v.begin(), target.v.end(), [&](Real t) { return t != ignored; });
  const Real scale = c.in[0].v[0] / static_cast<Real>(counted);
  for (size_t i = 0; i < x.v.size(); ++i) {
    const Index at = unravel(static_cast<int64_t>(i), x.shape);
    const size_t row = static_cast<size_t>(at[0]);
    if (target.v[row] == ignored) continue;
    const LogSum s{row_sums.v[row], row_sums.v[row + static_cast<size_t>(x.shape[0])]};
    add_term(dx, i, std::exp(s.log_p(x.v[i])) * scale);
    dx.scale[i] *= 1 + std::fabs(x.v[i]) + std::fabs(s.top) + std::fabs(s.log);
    if (static_cast<Real>(at[1]) == target.v[row]) add_term(dx, i, -scale);
  }
  return {dx};
}
/// Losses over classes by the smoothed targets themselves: q[n, c] = (1−ε)[c = t_n] + ε/C. `terms`
/// gives −ln p and its scale.
template <class F> std::vector<Array> class_loss(const Call& c, int64_t ignored, int64_t reduction,
                                                 Real smoothing, DType dtype, F&& terms) {
  const Array &x = c.in[0], &target = c.in[1];
  const bool soft = target.shape == x.shape && is_float(target.dtype);
  const int axis = x.shape.rank() == 1 ? 0 : 1;
  const int64_t classes = x.shape[axis];
  Shape rest;
  for (int i = 0; i < x.shape.rank(); ++i)
    if (i != axis) rest.push_back(x.shape[i]);
  const int64_t rows = rest.numel();
  auto place = [&](int64_t row, int64_t k) {
    Index at = unravel(row, rest);
    at.insert(at.begin() + axis, k);
    return ravel(at, x.shape);
  };
  auto weight = [&](int64_t k) {
    return c.in.size() < 3 ? Real{1} : c.in[2].v[static_cast<size_t>(k)];
  };
  auto counts = [&](int64_t n) {
    return soft || target.v[static_cast<size_t>(n)] != static_cast<Real>(ignored);
  };
  Real divisor = soft ? static_cast<Real>(rows) : 0;
  for (int64_t n = 0; n < rows && !soft; ++n)
    if (counts(n)) divisor += weight(static_cast<int64_t>(target.v[static_cast<size_t>(n)]));
  Array y = sums(reduction == 0 ? rest : Shape{}, dtype);
  for (int64_t n = 0; n < rows; ++n)
    for (int64_t k = 0; counts(n) && k < classes; ++k) {
      const Real hot = soft ? target.v[place(n, k)]
                            : static_cast<Real>(static_cast<Real>(k) ==
                                                target.v[static_cast<size_t>(n)]),
                 q = (1 - smoothing) * hot + smoothing / static_cast<Real>(classes),
                 share = q == 0 ? 0 : q * weight(k) / (reduction == 1 ? divisor : 1);
      if (share == 0) continue;  // nothing whatever p is
      const auto [value, scale] = terms(n, k, place);
      const size_t to = reduction == 0 ? static_cast<size_t>(n) : 0;
      y.v[to] += share * value;
      y.scale[to] += std::fabs(share) * scale;
    }
  if (reduction == 1 && divisor == 0) y.v[0] = std::numeric_limits<Real>::quiet_NaN();
  return {y};
}
std::vector<Array> nll_loss(const Call& c) {
  const auto& a = c.attr.as<NllLossAttr>();
  const Array& x = c.in[0];
  return class_loss(c, a.ignore_index, a.reduction, 0, x.dtype,
                    [&](int64_t n, int64_t k, auto&& place) {
                      const Real v = x.v[place(n, k)];
                      return std::pair(-v, std::fabs(v));
                    });
}
std::vector<Array> cross_entropy(const Call& c) {
  const auto& a = c.attr.as<CrossEntropyAttr>();
  const Array& x = c.in[0];
  const int64_t classes = x.shape[x.shape.rank() == 1 ? 0 : 1];
  return class_loss(c, a.ignore_index, a.reduction, static_cast<Real>(a.label_smoothing), x.dtype,
                    [&](int64_t n, int64_t k, auto&& place) {
                      Array row = filled({1, classes}, x.dtype);
                      for (int64_t i = 0; i < classes; ++i)
                        row.v[static_cast<size_t>(i)] = x.v[place(n, i)];
                      const LogSum s = log_sum_of_row(row, 0);
                      const Real v = x.v[place(n, k)];
                      return std::pair(-s.log_p(v), std::fabs(s.log) + std::fabs(v - s.top));
                    });
}
std::vector<Array> mse_loss(const Call& c) {
  const int64_t reduction = c.attr.as<ReductionAttr>().reduction;
  Array y = sums(reduction == 0 ? c.in[0].shape : Shape{}, wider(c.in[0].dtype, c.in[1].dtype));
  const size_t n = c.in[0].v.size();
  for (size_t i = 0; i < n; ++i)
    add_term(
        y, reduction == 0 ? i : 0,
        std::pow(c.in[0].v[i] - c.in[1].v[i], 2.0L) / (reduction == 1 ? static_cast<Real>(n) : 1));
  return {y};
}

// ---- embedding ----------------------------------------------------------------------------------

std::vector<Array> embedding(const Call& c) {
  const Array &table = c.in[0], &index = c.in[1];
  Shape out = index.shape;
  out.push_back(table.shape[1]);
  return moved(table, out, [&](Index at) {
    const int64_t column = at.back();
    at.pop_back();
    return ravel({static_cast<int64_t>(index.v[ravel(at, index.shape)]), column}, table.shape);
  });
}

std::vector<Array> embedding_grad(const Call& c) {
  const Array &g = c.in[0], &index = c.in[1];
  Array y = sums(c.shape, g.dtype);
  for (size_t i = 0; i < g.v.size(); ++i) {
    Index at = unravel(static_cast<int64_t>(i), g.shape);
    const int64_t column = at.back();
    at.pop_back();
    add_term(y, ravel({static_cast<int64_t>(index.v[ravel(at, index.shape)]), column}, y.shape),
             g.v[i]);
  }
  return {y};
}

// ---- normalization ------------------------------------------------------------------------------

namespace {

struct Moments {
  Real mean, deviation;
};
/// Statistics of n numbers: the deviation is √(variance + eps), the variance divided by n.
Moments moments(const Real* x, int64_t n, Real eps) {
  Real mean = 0, variance = 0;
  for (int64_t i = 0; i < n; ++i) mean += x[i] / static_cast<Real>(n);
  for (int64_t i = 0; i < n; ++i) variance += std::pow(x[i] - mean, 2.0L) / static_cast<Real>(n);
  return {mean, std::sqrt(variance + eps)};
}

}  // namespace

std::vector<Array> layer_norm(const Call& c) {
  const Array &x = c.in[0], &w = c.in[1];
  const int64_t n = w.shape.numel();
  Array y = sums(x.shape, x.dtype);
  Moments m{};
  for (size_t i = 0; i < x.v.size(); ++i) {
    const size_t k = i % static_cast<size_t>(n);
    if (k == 0) m = moments(x.v.data() + i, n, c.attr.as<NormAttr>().eps);
    add_term(y, i, (x.v[i] - m.mean) / m.deviation * w.v[k]);
    // the difference cancels
    y.scale[i] += (std::fabs(x.v[i]) + std::fabs(m.mean)) / m.deviation * std::fabs(w.v[k]);
    if (c.in.size() == 3) add_term(y, i, c.in[2].v[k]);
  }
  return {y};
}

/// dx by its Jacobian: ∂y_k/∂x_j = w_k/σ · (δ_jk − 1/n − x̂_j x̂_k/n).
std::vector<Array> layer_norm_grad(const Call& c) {
  const Array &g = c.in[0], &x = c.in[1], &w = c.in[2];
  const int64_t n = w.shape.numel();
  Array dx = sums(x.shape, x.dtype), dw = sums(w.shape, x.dtype), db = sums(w.shape, x.dtype);
  for (int64_t row = 0; n > 0 && row < x.shape.numel() / n; ++row) {
    const size_t first = static_cast<size_t>(row * n);
    const Moments m = moments(x.v.data() + first, n, c.attr.as<NormAttr>().eps);
    auto hat = [&](size_t i) { return (x.v[first + i] - m.mean) / m.deviation; };
    for (size_t j = 0; j < static_cast<size_t>(n); ++j) {
      for (size_t k = 0; k < static_cast<size_t>(n); ++k)
        add_term(dx, first + j,
                 g.v[first + k] * w.v[k] / m.deviation *
                     ((j == k ? 1 : 0) - (1 + hat(j) * hat(k)) / static_cast<Real>(n)));
      add_term(dw, j, g.v[first + j] * hat(j));
      add_term(db, j, g.v[first + j]);
    }
  }
  return {dx, dw, db};
}

// ---- attention ----------------------------------------------------------------------------------

namespace {

/// Where element `column` of row `row` of one head lies in an array.
using Place = std::function<size_t(int64_t head, int64_t row, int64_t column)>;
struct Heads {
  int64_t heads, queries, keys, size;
  Place q, k, v, y;
};
Heads separate_heads(const Shape& q, const Shape& k) {
  const int64_t t = q.at(-2), s = k.at(-2), d = q.at(-1);
  auto rows_of = [d](int64_t rows) {
    return [=](int64_t h, int64_t i, int64_t c) {
      return static_cast<size_t>((h * rows + i) * d + c);
    };
  };
  int64_t heads = 1;
  for (int i = 0; i < q.rank() - 2; ++i) heads *= q[i];
  return {heads, t, s, d, rows_of(t), rows_of(s), rows_of(s), rows_of(t)};
}
Heads packed_heads(const Shape& qkv, int64_t heads) {
  const int64_t t = qkv[1], c = qkv[2] / 3, d = c / heads;
  auto part = [=](int64_t which, int64_t parts) {
    return [=](int64_t h, int64_t i, int64_t e) {
      return static_cast<size_t>(((h / heads * t + i) * parts + which) * c + h % heads * d + e);
    };
  };
  return {qkv[0] * heads, t, t, d, part(0, 3), part(1, 3), part(2, 3), part(0, 1)};
}

/// Calls f(head, query, key, score, sum of the magnitudes in the score) for every key that a query
/// sees.
template <class F> void scores(const Heads& h, const AttentionAttr& a, const Array& q,
                               const Array& k, F&& f, int64_t offset = 0) {
  for (int64_t head = 0; head < h.heads; ++head)
    for (int64_t i = 0; i < h.queries; ++i)
      for (int64_t j = 0; j < (a.is_causal ? std::min(offset + i + 1, h.keys) : h.keys); ++j) {
        Real score = 0, magnitude = 0;
        for (int64_t c = 0; c < h.size; ++c) {
          const Real term =
              q.v[h.q(head, i, c)] * k.v[h.k(head, j, c)] * static_cast<Real>(a.scale);
          score += term;
          magnitude += std::fabs(term);
        }
        f(head, i, j, score, magnitude);
      }
}

std::vector<Array> attention_values(const Heads& h, const AttentionAttr& a, const Array& q,
                                    const Array& k, const Array& v, const Shape& y_shape,
                                    const Shape& sums_shape, int64_t offset = 0) {
  Array y = sums(y_shape, q.dtype),
        all = filled(sums_shape, wide_dtype(q.dtype), -std::numeric_limits<Real>::infinity());
  const size_t half = all.v.size() / 2;  // the largest scores, then the logarithms
  auto row = [&](int64_t head, int64_t i) { return static_cast<size_t>(head * h.queries + i); };
  auto largest = [&](int64_t head, int64_t i, int64_t, Real score, Real) {
    Real& top = all.v[row(head, i)];
    top = std::fmax(top, score);
  };
  scores(h, a, q, k, largest, offset);
  std::fill(all.v.begin() + static_cast<ptrdiff_t>(half), all.v.end(), Real{0});
  auto exponentials = [&](int64_t head, int64_t i, int64_t, Real score, Real) {
    all.v[half + row(head, i)] += std::exp(score - all.v[row(head, i)]);
  };
  scores(h, a, q, k, exponentials, offset);
  for (size_t i = half; i < all.v.size(); ++i) all.v[i] = std::log(all.v[i]);
  all.scale.assign(all.v.size(), 1);
  scores(
      h, a, q, k,
      [&](int64_t head, int64_t i, int64_t j, Real score, Real magnitude) {
        const LogSum s{all.v[row(head, i)], all.v[half + row(head, i)]};
        const Real p = std::exp(s.log_p(score));
        Real& scale = all.scale[row(head, i)];
        scale = std::max(scale, 1 + magnitude + std::fabs(s.top) + std::fabs(s.log));
        all.scale[half + row(head, i)] = scale;
        for (int64_t c = 0; c < h.size; ++c) {
          const size_t at = h.y(head, i, c);
          const Real term = p * v.v[h.v(head, j, c)];
          y.v[at] += term;
          y.scale[at] += std::fabs(term) * scale;
        }
      },
      offset);
  return {y, all};
}

/// The probabilities come from the sums that are given. Adds to dq, dk and dv, which may be one
/// array.
void attention_gradients(const Heads& h, const AttentionAttr& a, const Array& g, const Array& q,
                         const Array& k, const Array& v, const Array& y, const Array& all,
                         Array& dq, Array& dk, Array& dv) {
  auto add = [](Array& to, size_t at, Real term, Real scale) {
    to.v[at] += term;
    to.scale[at] += std::fabs(term) + scale;
  };
  scores(h, a, q, k, [&](int64_t head, int64_t i, int64_t j, Real score, Real magnitude) {
    const auto row = static_cast<size_t>(head * h.queries + i);
    const LogSum s{all.v[row], all.v[all.v.size() / 2 + row]};
    const Real p = std::exp(s.log_p(score)),
               rounding = 1 + magnitude + std::fabs(s.top) + std::fabs(s.log);
    Real along = 0, along_scale = 0;
    for (int64_t c = 0; c < h.size; ++c) {
      const Real gi = g.v[h.y(head, i, c)], vj = v.v[h.v(head, j, c)], yi = y.v[h.y(head, i, c)];
      along += gi * (vj - yi);
      along_scale += std::fabs(gi * vj) + std::fabs(gi * yi);
    }
    for (int64_t c = 0; c < h.size; ++c) {
      const Real kj = k.v[h.k(head, j, c)], qi = q.v[h.q(head, i, c)], gi = g.v[h.y(head, i, c)],
                 factor = static_cast<Real>(a.scale) * p;
      add(dq, h.q(head, i, c), factor * along * kj,
          factor * along_scale * std::fabs(kj) * rounding);
      add(dk, h.k(head, j, c), factor * along * qi,
          factor * along_scale * std::fabs(qi) * rounding);
      add(dv, h.v(head, j, c), p * gi, p * std::fabs(gi) * rounding);
    }
  });
}

Shape sums_of(const Shape& q) {
  std::vector<int64_t> s{2};
  s.insert(s.end(), q.begin(), q.end() - 1);
  return Shape(s);
}

}  // namespace

std::vector<Array> attention(const Call& c) {
  const Shape &q = c.in[0].shape, &k = c.in[1].shape;
  return attention_values(separate_heads(q, k), c.attr.as<AttentionAttr>(), c.in[0], c.in[1],
                          c.in[2], q, sums_of(q),
                          c.in.size() == 4 ? static_cast<int64_t>(c.in[3].v[0]) : 0);
}
std::vector<Array> attention_grad(const Call& c) {
  const Shape &q = c.in[1].shape, &k = c.in[2].shape;
  Array dq = sums(q, c.in[0].dtype), dk = sums(k, c.in[0].dtype), dv = dk;
  attention_gradients(separate_heads(q, k), c.attr.as<AttentionAttr>(), c.in[0], c.in[1], c.in[2],
                      c.in[3], c.in[4], c.in[5], dq, dk, dv);
  return {dq, dk, dv};
}
std::vector<Array> self_attention(const Call& c) {
  const auto& a = c.attr.as<AttentionAttr>();
  const Array& x = c.in[0];
  const Shape& s = x.shape;
  return attention_values(packed_heads(s, a.num_heads), a, x, x, x, {s[0], s[1], s[2] / 3},
                          {2, s[0], a.num_heads, s[1]});
}
std::vector<Array> self_attention_grad(const Call& c) {
  const auto& a = c.attr.as<AttentionAttr>();
  const Array& x = c.in[1];
  Array dx = sums(x.shape, x.dtype);
  attention_gradients(packed_heads(x.shape, a.num_heads), a, c.in[0], x, x, x, c.in[2], c.in[3], dx,
                      dx, dx);
  return {dx};
}

// ---- batch normalization ------------------------------------------------------------------------

namespace {

/// y[n, c, …] = (x − mean)/√(variance + eps)·weight + bias with the statistics of channel c.
template <class Statistics> std::vector<Array> batch_norm(const Call& c, Statistics&& statistics) {
  const Array& x = c.in[0];
  const size_t channels = static_cast<size_t>(x.shape[1]);
  const double eps = c.attr.as<NormAttr>().eps;
  std::vector<Real> mean(channels), variance(channels);
  statistics(mean, variance);
  Array y = filled(x.shape, x.dtype);
  for (size_t i = 0; i < x.v.size(); ++i) {
    const size_t k = static_cast<size_t>(unravel(static_cast<int64_t>(i), x.shape)[1]);
    y.v[i] = (x.v[i] - mean[k]) / std::sqrt(variance[k] + static_cast<Real>(eps)) * c.in[1].v[k] +
             c.in[2].v[k];
  }
  y.scale.assign(y.v.size(), 10);  // near a mean the distance from it carries the rounding of x
  return {y};
}

}  // namespace

std::vector<Array> batch_norm_training(const Call& c) {
  return batch_norm(c, [&](std::vector<Real>& mean, std::vector<Real>& variance) {
    const Array& x = c.in[0];
    const Real n = static_cast<Real>(x.v.size() / mean.size());
    auto channel = [&](size_t i) {
      return static_cast<size_t>(unravel(static_cast<int64_t>(i), x.shape)[1]);
    };
    for (size_t i = 0; i < x.v.size(); ++i) mean[channel(i)] += x.v[i] / n;
    for (size_t i = 0; i < x.v.size(); ++i)
      variance[channel(i)] += (x.v[i] - mean[channel(i)]) * (x.v[i] - mean[channel(i)]) / n;
  });
}
std::vector<Array> batch_norm_inference(const Call& c) {
  return batch_norm(c, [&](std::vector<Real>& mean, std::vector<Real>& variance) {
    mean = c.in[3].v;
    variance = c.in[4].v;
  });
}
std::vector<Array> first_input(const Call& c) { return {c.in[0]}; }

}  // namespace suanli::test
