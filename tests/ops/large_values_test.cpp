// SPDX-License-Identifier: Apache-2.0
// Large numbers, infinities where a factor is 0, and squares beyond a dtype's range: what is right
// by a closed form.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "suanli/autograd.h"
#include "suanli/optim.h"
#include "support/op_harness.h"

namespace suanli::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(),
                 kNan = std::numeric_limits<double>::quiet_NaN();
using F64s = std::vector<double>;

Tensor in_dtype(const F64s& v, const Shape& shape, DType d) { return cast(tensor(v, shape), d); }
F64s read(const Tensor& t) { return cast(t, f64).to_vector<double>(); }
Tensor integers(const std::vector<int64_t>& v) {
  return tensor(v, {static_cast<int64_t>(v.size())});
}
void expect_near(const F64s& got, const F64s& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i)
    if (std::isnan(want[i]) || std::isinf(want[i]))
      EXPECT_TRUE(got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i])))
          << what << " at " << i << ": " << got[i];
    else EXPECT_NEAR(got[i], want[i], tolerance) << what << " at " << i;
}

struct Offset {
  DType dtype;
  double offset, spacing;  // multiples of `spacing` are exact beside the offset
};
constexpr Offset offsets[] = {{f32, 0, 1},         {f32, 1e5, 1},        {f32, -1e5, 1},
                              {f32, 100000000, 8}, {f32, -100000000, 8}, {f32, 0x1p100, 0},
                              {f32, -0x1p100, 0},  {f32, 0x1p126, 0},    {f64, 0, 1},
                              {f64, 0x1p40, 1},    {f64, -0x1p40, 1},    {f64, 0x1p52, 1},
                              {f64, -0x1p52, 1},   {f64, 0x1p500, 0},    {f64, -0x1p1000, 0}};

// ---- one number added to all logits -------------------------------------------------------------

/// Logits (offset + spacing·k) for k = 0 … 3 in some order: their probabilities are those without
/// the offset.
TEST(CommonOffset, ChangesNoLossAndNoGradient) {
  const int64_t order[2][4] = {{2, 0, 3, 1}, {0, 0, 1, 0}};
  const std::vector<int64_t> target{0, 2};
  for (const Offset& o : offsets) {
    SCOPED_TRACE(std::string(name(o.dtype)) + " " + std::to_string(o.offset));
    const double tolerance = o.dtype == f32 ? 3e-6 : 1e-14;
    F64s logits, p, log_p;
    for (const auto& row : order) {
      double total = 0;
      for (int64_t k : row) total += std::exp(o.spacing * static_cast<double>(k));
      for (int64_t k : row) {
        logits.push_back(o.offset + o.spacing * static_cast<double>(k));
        log_p.push_back(o.spacing * static_cast<double>(k) - std::log(total));
        p.push_back(std::exp(log_p.back()));
      }
    }
    Tensor x = in_dtype(logits, {2, 4}, o.dtype);
    x.requires_grad_();
    const Tensor t = integers(target), weight = in_dtype({1, 2, 3, 0}, {4}, o.dtype),
                 share = one_hot(t, 4, o.dtype) * 0.75 + 0.0625;
    expect_near(read(softmax(x)), p, tolerance, "softmax");
    expect_near(read(log_softmax(x)), log_p, tolerance * 10, "log_softmax");
    const double hard = -(log_p[0] + log_p[6]) / 2,
                 all = -(log_p[0] + log_p[1] + log_p[2] + log_p[3] + log_p[4] + log_p[5] +
                         log_p[6] + log_p[7]) /
                       8;
    const auto check = [&](const char* what, const Tensor& loss, double want,
                           const F64s& gradient) {
      expect_near(read(loss), {want}, tolerance * 10, what);
      expect_near(read(grad({loss}, {x})[0]), gradient, tolerance,
                  std::string(what) + ", gradient");
    };
    F64s d(8), smooth(8), weighted(8);
    for (size_t i = 0; i < 8; ++i) {
      const double hot = i == 0 || i == 6;
      d[i] = (p[i] - hot) / 2;
      smooth[i] = (p[i] - (0.75 * hot + 0.0625)) / 2;
      weighted[i] = (p[i] - hot) * (i < 4 ? 1 : 3) / 4;
    }
    check("cross_entropy", cross_entropy(x, t), hard, d);
    check("soft cross_entropy", cross_entropy(x, share), 0.75 * hard + 0.25 * all, smooth);
    check("smoothed", cross_entropy(x, t, {.label_smoothing = 0.25}), 0.75 * hard + 0.25 * all,
          smooth);
    check("weighted", cross_entropy(x, t, {.weight = weight}), -(log_p[0] + 3 * log_p[6]) / 4,
          weighted);
    check("nll_loss", nll_loss(log_softmax(x), t), hard, d);
    // Hessian of the loss: (diag p − p pᵀ)/N. Its first row through a second backward.
    const Tensor first = grad({cross_entropy(x, t)}, {x}, {}, {.create_graph = true})[0];
    const Tensor one = in_dtype({1, 0, 0, 0, 0, 0, 0, 0}, {2, 4}, o.dtype);
    F64s row(8, 0.0);
    for (size_t i = 0; i < 4; ++i) row[i] = (p[0] * (i == 0) - p[0] * p[i]) / 2;
    expect_near(read(grad({first}, {x}, {one})[0]), row, tolerance, "second derivative");
  }
}

/// Attention whose scores have a large part in common: keys (offset, k) and queries (1, 1).
TEST(CommonOffset, ChangesNoAttention) {
  for (const Offset& o : offsets) {
    SCOPED_TRACE(std::string(name(o.dtype)) + " " + std::to_string(o.offset));
    const double tolerance = o.dtype == f32 ? 1e-5 : 1e-13;
    constexpr int64_t keys = 5;
    F64s k, v;
    for (int64_t j = 0; j < keys; ++j) {
      k.push_back(o.offset + o.spacing * static_cast<double>(j % 3));

      v.push_back(static_cast<double>(j));
    }
    Tensor q = in_dtype(F64s(keys, 1), {1, keys, 1}, o.dtype),
           key = in_dtype(k, {1, keys, 1}, o.dtype), value = in_dtype(v, {1, keys, 1}, o.dtype);
    for (Tensor* t : {&q, &key, &value}) t->requires_grad_();
    for (bool causal : {false, true}) {
      F64s y(keys, 0.0), dv(keys, 0.0), dk(keys, 0.0);
      for (size_t i = 0; i < keys; ++i) {
        const size_t seen = causal ? i + 1 : keys;
        double total = 0;
        F64s p(seen);
        for (size_t j = 0; j < seen; ++j)
          total += p[j] = std::exp(o.spacing * static_cast<double>(j % 3));
        for (size_t j = 0; j < seen; ++j) {
          p[j] /= total;
          y[i] += p[j] * v[j];
          dv[j] += p[j];
        }
        for (size_t j = 0; j < seen; ++j) dk[j] += p[j] * (v[j] - y[i]);
      }
      AttentionOptions options;
      options.is_causal = causal;
      options.scale = 1.0;
      const Tensor out = scaled_dot_product_attention(q, key, value, options);
      expect_near(read(out), y, tolerance, "attention");
      const auto g = grad({sum(out)}, {key, value});
      expect_near(read(g[0]), dk, 4 * tolerance, "gradient of the keys");
      expect_near(read(g[1]), dv, 4 * tolerance, "gradient of the values");
    }
  }
}

TEST(CommonOffset, SpreadsOfAnySizeStayRight) {
  for (DType d : {f32, f64}) {
    const double wide = d == f32 ? 1e38 : 1e307;
    Tensor x = in_dtype({wide, -wide, 0, wide, 0, 0}, {2, 3}, d);
    x.requires_grad_();
    expect_near(read(cross_entropy(x, integers({0, 0}))), {0}, 0, "the certain class");
    expect_near(read(grad({cross_entropy(x, integers({0, 0}))}, {x})[0]), F64s(6, 0.0), 0,
                "its gradient");
    const double loss = read(cross_entropy(x, integers({1, 0})))[0];
    EXPECT_NEAR(loss / wide, 1, 1e-6) << "the mean of 2·wide and 0";
    expect_near(read(grad({cross_entropy(x, integers({1, 0}))}, {x})[0]), {0.5, -0.5, 0, 0, 0, 0},
                0, "gradient");
  }
}

// ---- 0 · ∞ --------------------------------------------------------------------------------------

TEST(ZeroTimesInfinity, ImpossibleClassesThatNobodyWantsAreNothing) {
  for (DType d : {f64, f32}) {
    Tensor x = in_dtype({1, 2, -kInf, 0.5, 1, -kInf}, {2, 3}, d);
    x.requires_grad_();
    const Tensor t = integers({0, 1});
    const double l0 = std::log(std::exp(1) + std::exp(2)) - 1,
                 l1 = std::log(std::exp(0.5) + std::exp(1)) - 1;
    const double p0 = std::exp(-l0), p1 = std::exp(-l1);
    struct Case {
      const char* what;
      Tensor loss;
      double want;
      F64s gradient;
    };
    const F64s plain{(p0 - 1) / 2, (1 - p0) / 2, 0, (1 - p1) / 2, (p1 - 1) / 2, 0};
    const Case cases[] = {
        {"hard", cross_entropy(x, t), (l0 + l1) / 2, plain},
        {"no weights", cross_entropy(x, t), (l0 + l1) / 2, plain},
        {"weights",
         cross_entropy(x, t, {.weight = in_dtype({1, 2, 3}, {3}, d)}),
         (l0 + 2 * l1) / 3,
         {(p0 - 1) / 3, (1 - p0) / 3, 0, (1 - p1) * 2 / 3, (p1 - 1) * 2 / 3, 0}},
        {"a class of weight 0",
         cross_entropy(x, integers({0, 2}), {.weight = in_dtype({1, 1, 0}, {3}, d)}),
         l0,
         {p0 - 1, 1 - p0, 0, 0, 0, 0}},
        {"smoothing over classes of weight 0",
         cross_entropy(x, integers({0, 0}),
                       {.weight = in_dtype({1, 0, 0}, {3}, d), .label_smoothing = 0.3}),
         ((l0 + std::log(std::exp(0.5) + std::exp(1)) - 0.5) / 2) * (0.7 + 0.1),
         {}},
        {"shares", cross_entropy(x, in_dtype({1, 0, 0, 0, 1, 0}, {2, 3}, d)), (l0 + l1) / 2, plain},
        {"nll_loss", nll_loss(log_softmax(x), t), (l0 + l1) / 2, plain}};
    for (const Case& c : cases) {
      expect_near(read(c.loss), {c.want}, 1e-6, c.what);
      const auto g = read(grad({c.loss}, {x})[0]);
      if (!c.gradient.empty()) expect_near(g, c.gradient, 1e-6, std::string(c.what) + ", gradient");
      for (double v : g) EXPECT_TRUE(std::isfinite(v)) << c.what;
    }
    EXPECT_EQ(read(cross_entropy(x, integers({2, 1})))[0], kInf)
        << "the impossible class is the target";
    EXPECT_EQ(read(cross_entropy(x, t, {.label_smoothing = 0.1}))[0], kInf)
        << "smoothing wants the impossible class";
  }
}

TEST(ZeroTimesInfinity, SharesOfZeroKeepTheirGradient) {
  const Tensor x = tensor<double>({1, 2, 3}, {1, 3});
  Tensor share = tensor<double>({1, 0, 0}, {1, 3});
  share.requires_grad_();
  expect_near(read(grad({cross_entropy(x, share)}, {share})[0]), read(-log_softmax(x)), 1e-15,
              "-ln p, also where the share is 0");
}

TEST(ZeroTimesInfinity, AveragesReachTheirOwnWindowsOnly) {
  struct Case {
    const char* what;
    std::function<Tensor(const Tensor&)> pool;
    int64_t affected;  // results whose window holds the first pixel
  };
  const Case cases[] = {
      {"3, 1, 1", [](const Tensor& x) { return avg_pool2d(x, {3, 1, 1}); }, 4},
      {"3, 2, 1", [](const Tensor& x) { return avg_pool2d(x, {3, 2, 1}); }, 1},
      {"2, 1, 0", [](const Tensor& x) { return avg_pool2d(x, {2, 1, 0}); }, 1},
      {"2, 1, 1", [](const Tensor& x) { return avg_pool2d(x, {2, 1, 1}); }, 4},
      {"5, 5, 0", [](const Tensor& x) { return avg_pool2d(x, {5, 5, 0}); }, 1},
      {"adaptive 3×3", [](const Tensor& x) { return adaptive_avg_pool2d(x, {3, 3}); }, 1},
      {"adaptive 7×5", [](const Tensor& x) { return adaptive_avg_pool2d(x, {7, 5}); }, 2},
      {"adaptive 1×1", [](const Tensor& x) { return adaptive_avg_pool2d(x, {1, 1}); }, 1}};
  for (DType d : {f32, f64})
    for (double bad : {kInf, -kInf, kNan})
      for (const Case& c : cases) {
        F64s v(25, 1.0);
        v[0] = bad;
        const auto y = read(c.pool(in_dtype(v, {1, 1, 5, 5}, d)));
        EXPECT_EQ(std::count_if(y.begin(), y.end(), [](double e) { return !std::isfinite(e); }),
                  c.affected)
            << c.what;
        // The transpose: an infinite gradient reaches the pixels of its own window.
        Tensor x = ones({1, 1, 5, 5}, d);
        x.requires_grad_();
        const Tensor p = c.pool(x);
        F64s seed(static_cast<size_t>(p.numel()), 1.0);
        const auto usual = read(grad({p}, {x}, {in_dtype(seed, p.shape(), d)})[0]);
        seed[0] = bad;
        const auto g = read(grad({c.pool(x)}, {x}, {in_dtype(seed, p.shape(), d)})[0]);
        F64s first(static_cast<size_t>(p.numel()), 0.0);
        first[0] = 1;
        const auto window = read(grad({c.pool(x)}, {x}, {in_dtype(first, p.shape(), d)})[0]);
        for (size_t i = 0; i < 25; ++i)
          if (window[i] != 0) EXPECT_FALSE(std::isfinite(g[i])) << c.what << " at " << i;
          else EXPECT_EQ(g[i], usual[i]) << c.what << " at " << i;
      }
}

TEST(ZeroTimesInfinity, GradientsReachWhatWasChosen) {
  for (DType d : {f32, f64}) {
    Tensor x = in_dtype({1, 3, 2, 5, 4, 6}, {2, 3}, d);
    x.requires_grad_();
    const Tensor seed = in_dtype({kInf, 1}, {2}, d);
    EXPECT_EQ(read(grad({amax(x, {1})}, {x}, {seed})[0]), (F64s{0, kInf, 0, 0, 0, 1}));
    const Tensor keep = tensor(std::vector<bool>{true, false, true, false, true, false}, {2, 3});
    const Tensor all = in_dtype(F64s(6, kInf), {2, 3}, d);
    EXPECT_EQ(read(grad({where(keep, x, 0.0)}, {x}, {all})[0]), (F64s{kInf, 0, kInf, 0, kInf, 0}));
    EXPECT_EQ(read(where(keep, 0.0, in_dtype({kNan, 1, kInf, 2, kInf, 3}, {2, 3}, d))),
              (F64s{0, 1, 0, 2, 0, 3}));
    EXPECT_EQ(read(grad({maximum(x, 3.5)}, {x}, {all})[0]), (F64s{0, 0, 0, kInf, kInf, kInf}));
    EXPECT_EQ(read(grad({relu(x - 3.5)}, {x}, {all})[0]), (F64s{0, 0, 0, kInf, kInf, kInf}));
    EXPECT_EQ(read(dropout(in_dtype(F64s(6, kInf), {6}, d), 1.0)), F64s(6, 0.0));
    Tensor picture = in_dtype({1, 2, 3, 4}, {1, 1, 2, 2}, d);
    picture.requires_grad_();
    EXPECT_EQ(read(grad({max_pool2d(picture)}, {picture}, {in_dtype({kInf}, {1, 1, 1, 1}, d)})[0]),
              (F64s{0, 0, 0, kInf}));
    Tensor table = in_dtype({1, 2, 3, 4}, {2, 2}, d);
    table.requires_grad_();
    EXPECT_EQ(
        read(grad({embedding(table, integers({1}))}, {table}, {in_dtype({kInf, 1}, {1, 2}, d)})[0]),
        (F64s{0, 0, kInf, 1}));
  }
}

TEST(ZeroTimesInfinity, TheGradientOfAMaximumThatIsNanIsNan) {
  Tensor x = tensor<double>({1, kNan, 3, 4, 5, 6}, {2, 3});
  x.requires_grad_();
  expect_near(read(grad({amax(x, {1})}, {x}, {ones({2}, f64)})[0]), {kNan, kNan, kNan, 0, 0, 1}, 0,
              "as PyTorch's amax");
}

/// A causal query does not see later keys, whatever they are.
TEST(ZeroTimesInfinity, HiddenKeysStayHidden) {
  for (DType d : {f32, f64})
    for (int64_t n : {int64_t{3}, int64_t{9}, int64_t{70}})
      for (double bad : {kInf, kNan}) {
        const int64_t at = n - 2;  // key `at` is seen by the last two queries
        F64s v(static_cast<size_t>(n * 2), 0.5), k(static_cast<size_t>(n * 2), 0.25);
        const Tensor q = in_dtype(F64s(static_cast<size_t>(n * 2), 1), {1, n, 2}, d);
        AttentionOptions options;
        options.is_causal = true;
        v[static_cast<size_t>(at * 2)] = bad;
        const auto by_value = read(scaled_dot_product_attention(
            q, in_dtype(k, {1, n, 2}, d), in_dtype(v, {1, n, 2}, d), options));
        for (int64_t i = 0; i < n; ++i)
          EXPECT_EQ(std::isfinite(by_value[static_cast<size_t>(i * 2)]), i < at)
              << n << " query " << i;
        v[static_cast<size_t>(at * 2)] = 0.5;
        k[static_cast<size_t>(at * 2)] = bad;
        const auto by_key = read(scaled_dot_product_attention(q, in_dtype(k, {1, n, 2}, d),
                                                              in_dtype(v, {1, n, 2}, d), options));
        for (int64_t i = 0; i < n; ++i)
          EXPECT_EQ(std::isfinite(by_key[static_cast<size_t>(i * 2)]), i < at)
              << n << " query " << i;
        // The gradient of an early query, infinite, reaches the keys that it sees.
        Tensor values = in_dtype(F64s(static_cast<size_t>(n * 2), 0.5), {1, n, 2}, d);
        values.requires_grad_();
        F64s seed(static_cast<size_t>(n * 2), 1.0);
        seed[0] = bad;
        const Tensor y = scaled_dot_product_attention(
            q, in_dtype(F64s(static_cast<size_t>(n * 2), 0.25), {1, n, 2}, d), values, options);
        const auto g = read(grad({y}, {values}, {in_dtype(seed, {1, n, 2}, d)})[0]);
        for (int64_t j = 0; j < n; ++j)
          EXPECT_EQ(std::isfinite(g[static_cast<size_t>(j * 2)]), j > 0) << n << " key " << j;
      }
}

// ---- squares that the dtype does not hold -------------------------------------------------------

TEST(Squares, ClippedGradientsOfAnySizeHaveTheirNorm) {
  struct Case {
    DType dtype;
    F64s g;
    double max_norm;
    F64s want;
    double norm;
  };
  const Case cases[] = {{f64, {3e25, 4e25}, 1, {0.6, 0.8}, 5e25},
                        {f64, {3e-25, 4e-25}, 1, {3e-25, 4e-25}, 5e-25},
                        {f64, {3e200, 4e200}, 1, {0.6, 0.8}, kInf},
                        {f64, {-3e300, 4e300}, 10, {-6, 8}, kInf},
                        {f64, {3e-200, 4e-200}, 1, {3e-200, 4e-200}, 0},
                        {f32, {3e20, 4e20}, 1, {0.6, 0.8}, 5e20},
                        {f32, {3e37, -4e37}, 1, {0.6, -0.8}, 5e37},
                        {f32, {3e-30, 4e-30}, 1, {3e-30, 4e-30}, 5e-30},
                        {f32, {0, 0}, 1, {0, 0}, 0},
                        {f64, {0, 0}, 1, {0, 0}, 0},
                        {f64, {0, kNan}, 1, {kNan, kNan}, kNan},
                        {f64, {kNan, -0.0}, 1, {kNan, kNan}, kNan},
                        {f64, {kInf, 1}, 1, {kNan, 0}, kInf},
                        {f32, {kInf, 1}, 1, {kNan, 0}, kInf},
                        {f64, {kNan, 1}, 1, {kNan, kNan}, kNan},
                        {f32, {kNan, 1}, 1, {kNan, kNan}, kNan}};
  for (const Case& c : cases) {
    Parameter p(zeros({2}, c.dtype));
    p.set_grad(in_dtype(c.g, {2}, c.dtype));
    const double norm = static_cast<double>(optim::clip_grad_norm_({p}, c.max_norm).item());
    const auto g = read(p.grad());
    for (size_t i = 0; i < 2; ++i)
      if (std::isnan(c.want[i])) EXPECT_TRUE(std::isnan(g[i])) << c.g[0];
      else EXPECT_NEAR(g[i], c.want[i], 1e-6 * std::fabs(c.want[i])) << c.g[0];
    if (std::isnan(c.norm)) EXPECT_TRUE(std::isnan(norm));
    else if (std::isinf(c.norm)) EXPECT_EQ(norm, c.norm);
    else EXPECT_NEAR(norm, c.norm, 1e-6 * c.norm) << c.g[0];
  }
}

TEST(Squares, TheJointNormOfSeveralDTypesIsOne) {
  Parameter a(zeros({1}, f32)), b(zeros({1}, f64));
  a.set_grad(in_dtype({3e20}, {1}, f32));
  b.set_grad(in_dtype({4e20}, {1}, f64));
  const double norm = std::hypot(static_cast<double>(3e20f), 4e20);
  EXPECT_NEAR(static_cast<double>(optim::clip_grad_norm_({a, b}, 1).item()) / norm, 1, 1e-6);
  EXPECT_NEAR(read(a.grad())[0], static_cast<double>(3e20f) / norm, 1e-6);
  EXPECT_NEAR(read(b.grad())[0], 4e20 / norm, 1e-12);
}

TEST(Squares, ClippingByValueKeepsNan) {
  Parameter p(zeros({4}, f32));
  p.set_grad(in_dtype({kInf, -kInf, kNan, 1e38}, {4}, f32));
  optim::clip_grad_value_({p}, 0.5);
  expect_near(read(p.grad()), {0.5, -0.5, kNan, 0.5}, 0, "clipped by value");
}

TEST(Squares, NormalizationsOfLargeNumbers) {
  struct Case {
    DType dtype;
    double size, eps;
  };
  for (const Case& c : {Case{f32, 1, 1e-5}, Case{f32, 1e20, 1e-5}, Case{f32, 1e25, 1e-5},
                        Case{f64, 1e170, 1e-5}, Case{f64, 1e200, 1e-5}}) {
    SCOPED_TRACE(c.size);
    // ±size: mean 0, variance size².
    const F64s rows{c.size, -c.size, c.size, -c.size, -c.size, c.size, -c.size, c.size};
    const double unit = c.size / std::sqrt(c.size * c.size + c.eps),
                 expected = std::isfinite(c.size * c.size) ? unit : 1;
    Tensor x = in_dtype(rows, {2, 4}, c.dtype);
    x.requires_grad_();
    F64s want;
    for (double v : rows) want.push_back(v > 0 ? expected : -expected);
    const Tensor w = ones({4}, c.dtype), b = zeros({4}, c.dtype);
    expect_near(read(layer_norm(x, w, b, c.eps)), want, 1e-6, "layer_norm");
    // The gradient for g = (1, 0, 0, 0) along ±1: (g − mean g − x̂·mean(g·x̂))/σ = (½, 0, −½, 0)/σ.
    const auto g = read(grad({layer_norm(x, w, b, c.eps)}, {x},
                             {in_dtype({1, 0, 0, 0, 0, 0, 0, 0}, {2, 4}, c.dtype)})[0]);
    for (size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(g[i] * c.size, (i == 0 ? 0.5 : i == 2 ? -0.5 : 0), 2e-5) << i;
    if (c.size > 1e24 && c.dtype == f32) continue;
    BatchStatistics statistics;
    expect_near(read(batch_norm(x, w, b, c.eps, &statistics)), want, 1e-6, "batch_norm");
    expect_near(read(batch_norm(x, w, b, c.eps)), want, 1e-6, "batch_norm");
  }
  EXPECT_EQ(
      read(layer_norm(in_dtype({3e38, 3e38, 3e38, 3e38}, {1, 4}, f32), ones({4}), zeros({4}))),
      F64s(4, 0.0))
      << "a constant row";
}

}  // namespace
}  // namespace suanli::test
