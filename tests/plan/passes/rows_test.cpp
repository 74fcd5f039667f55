// SPDX-License-Identifier: Apache-2.0
// Row programs: what people write with reductions that are read again runs as one kernel, and gives
// the same bits as op by op.
#include <cmath>
#include <set>

#include "gtest/gtest.h"
#include "plan/planned.h"
#include "plan/random_programs.h"

namespace suanli {
namespace {

using namespace suanli::test;
using Tensors = std::vector<Tensor>;

// ---- as people write it -------------------------------------------------------------------------

Tensor own_softmax(const Tensor& x) {
  const Tensor e = exp(x - amax(x, {-1}, true).detach());
  return e / sum(e, {-1}, true);
}
Tensor own_logsumexp(const Tensor& x) {
  const Tensor top = amax(x, {-1}, true).detach();
  return reshape(log(sum(exp(x - top), {-1}, true)) + top, {x.size(0)});
}
Tensor own_layer_norm(const Tensor& x, const Tensor& w, const Tensor& b) {
  const Tensor centered = x - mean(x, {-1}, true);
  return centered * rsqrt(mean(square(centered), {-1}, true) + 1e-5) * w + b;
}
Tensor own_rms_norm(const Tensor& x, const Tensor& w) {
  return x * rsqrt(mean(square(x), {-1}, true) + 1e-6) * w;
}
Tensor unit_length(const Tensor& x) { return x / sqrt(sum(square(x), {-1}, true) + 1e-12); }
Tensor cosine(const Tensor& x, const Tensor& y) {
  return sum(x * y, {-1}) * rsqrt(sum(square(x), {-1})) * rsqrt(sum(square(y), {-1}));
}
/// Lin et al. 2017, from logits and one-hot targets: −(1 − p)² ln p of the right class.
Tensor focal(const Tensor& x, const Tensor& one_hot) {
  const Tensor shifted = x - amax(x, {-1}, true).detach();
  const Tensor log_p = sum(shifted * one_hot, {-1}) - log(sum(exp(shifted), {-1}));
  return square(1.0 - exp(log_p)) * -log_p;
}

/// The steps that the planned tier makes of what `f` records and returns; then it runs.
template <class F> std::string steps(F&& f) {
  const InTier planned(Tier::planned);
  const Tensors held = f();
  const auto plan = plan_of_pending();
  EXPECT_EQ(plan->flops, plan_of_pending(Tier::cold)->flops);
  flush();
  return "\n" + describe(*plan);
}

template <class F> std::vector<std::string> bits_in(Tier t, F&& f) {
  const InTier in(t);
  std::vector<std::string> all;
  for (const Tensor& y : f()) all.push_back(bits(y));
  return all;
}

TEST(Rows, WhatPeopleWriteIsOneKernel) {
  const Tensor x = tensor_f32({4, 7}, 1), y = tensor_f32({4, 7}, 2), w = tensor_f32({7}, 3),
               b = tensor_f32({7}, 4);
  const Tensor hot = cast(tensor_f32({4, 7}, 5) > 0.9, f32);
  flush();
  EXPECT_EQ(steps([&] { return Tensors{own_softmax(x)}; }), R"(
fused(amax, sub, exp, sum, div) f32[4, 7] 1 in 1 out
)");
  EXPECT_EQ(steps([&] { return Tensors{own_logsumexp(x)}; }), R"(
fused(amax, sub, exp, sum, log, add) f32[4, 1] 1 in 1 out
)");
  EXPECT_EQ(steps([&] { return Tensors{own_layer_norm(x, w, b)}; }), R"(
fused(sum, div, sub, square, sum, div, add, rsqrt, mul, mul, add) f32[4, 7] 6 in 1 out
)");
  EXPECT_EQ(steps([&] { return Tensors{own_rms_norm(x, w)}; }), R"(
fused(square, sum, div, add, rsqrt, mul, mul) f32[4, 7] 4 in 1 out
)");
  EXPECT_EQ(steps([&] { return Tensors{unit_length(x)}; }), R"(
fused(square, sum, add, sqrt, div) f32[4, 7] 2 in 1 out
)");
  EXPECT_EQ(steps([&] { return Tensors{cosine(x, y)}; }), R"(
fused(square, sum, rsqrt, square, sum, rsqrt, mul, sum, mul, mul) f32[4] 2 in 1 out
)");
  EXPECT_EQ(steps([&] { return Tensors{focal(x, hot)}; }), R"(
fused(amax, sub, exp, sum, log, mul, sum, sub, neg, exp, sub, square, mul) f32[4] 3 in 1 out
)");
  EXPECT_EQ(steps([&] { return Tensors{gelu(own_layer_norm(x + y, w, b)) + x}; }), R"(
fused(add, sum, div, sub, square, sum, div, add, rsqrt, mul, mul, add, gelu, add) f32[4, 7] 7 in 1 out
)") << "what stands before and after";
}

/// Forward and backward with a product in between, so that they cannot be one.
TEST(Rows, ForwardAndBackward) {
  Parameter x(tensor_f32({4, 7}, 1)), w(tensor_f32({7}, 2)), b(tensor_f32({7}, 3));
  const Tensor m = tensor_f32({7, 3}, 4), v = tensor_f32({4, 3}, 5), u = tensor_f32({4}, 6);
  auto gradients = [&](Tensor loss, std::initializer_list<Parameter*> of) {
    loss.backward();
    Tensors all{loss};
    for (Parameter* p : of) {
      all.push_back(p->grad());
      p->set_grad({});
    }
    return all;
  };
  EXPECT_EQ(steps([&] { return gradients(sum(matmul(own_softmax(Tensor(x)), m) * v), {&x}); }),
            R"(
fused(amax, sub, exp, sum, div) f32[4, 7] 1 in 3 out
matmul f32[4, 3] 2 in 1 out
full f32[] 1 in 1 out
fused(mul, sum, mul.gx) f32[] 3 in 2 out
matmul f32[4, 7] 2 in 1 out
fused(div.gx, div.gy, sum, add, exp.gx) f32[4, 7] 4 in 1 out
)");
  EXPECT_EQ(steps([&] {
              return gradients(sum(matmul(own_layer_norm(Tensor(x), Tensor(w), Tensor(b)), m) * v),
                               {&x, &w, &b});
            }),
            R"(
fused(sum, div, sub, square, sum, div, add, rsqrt, mul, mul, add) f32[4, 7] 6 in 5 out
matmul f32[4, 3] 2 in 1 out
full f32[] 1 in 1 out
fused(mul, sum, mul.gx) f32[] 3 in 2 out
matmul f32[4, 7] 2 in 1 out
fused(sum, mul.gx, mul.gy, sum, mul.gx, mul.gy, sum, rsqrt.gx, div.gx, square.gx, add, sub.gy, sum, div.gx, add) f32[7] 8 in 3 out
)");
  EXPECT_EQ(steps([&] {
              return gradients(sum(matmul(own_rms_norm(Tensor(x), Tensor(w)), m) * v), {&x, &w});
            }),
            R"(
fused(square, sum, div, add, rsqrt, mul, mul) f32[4, 1] 4 in 4 out
matmul f32[4, 3] 2 in 1 out
full f32[] 1 in 1 out
fused(mul, sum, mul.gx) f32[] 3 in 2 out
matmul f32[4, 7] 2 in 1 out
fused(mul.gx, mul.gy, sum, mul.gx, mul.gy, sum, rsqrt.gx, div.gx, square.gx, add) f32[7] 7 in 2 out
)");
  EXPECT_EQ(steps([&] { return gradients(sum(own_logsumexp(Tensor(x)) * u), {&x}); }),
            R"(
fused(amax, sub, exp, sum, log, add) f32[4, 7] 1 in 3 out
fused(mul, sum) f32[] 2 in 1 out
full f32[] 1 in 1 out
fused(mul.gx, log.gx, exp.gx) f32[4, 7] 4 in 1 out
)");
}

TEST(Rows, WhatIsNotOneKernel) {
  const Tensor x = tensor_f32({4, 7}, 1);
  EXPECT_EQ(steps([&] { return Tensors{x - sum(x, {0}, true)}; }), R"(
sum f32[1, 7] 1 in 1 out
sub f32[4, 7] 2 in 1 out
)") << "columns are complete only at the end";
  EXPECT_EQ(
      steps([&] { return Tensors{own_softmax(transpose(own_softmax(transpose(x, 0, 1)), 0, 1))}; }),
      R"(
permute f32[7, 4] 1 in 1 out
fused(amax, sub, exp, sum, div) f32[7, 4] 1 in 1 out
permute f32[4, 7] 1 in 1 out
fused(amax, sub, exp, sum, div) f32[4, 7] 1 in 1 out
)") << "another order in memory";
  const Tensor inner = tensor_f32({4, 3, 5}, 1);
  EXPECT_EQ(steps([&] {
              const Tensor y = inner - mean(inner, {2}, true);
              return Tensors{y - mean(y, {1, 2}, true)};
            }),
            R"(
fused(sum, div) f32[4, 3, 1] 2 in 1 out
fused(sub, sum, div, sub) f32[4, 3, 5] 3 in 1 out
)") << "rows of two lengths";
}

// ---- bits ---------------------------------------------------------------------------------------

/// Rows shorter than a vector, several in a tile, one that is longer than a tile, and more of them
/// than a thread's share.
const Shape shapes[] = {{6, 5},    {3000, 10}, {1, 9},      {300, 301},  {70, 513},
                        {9, 5000}, {1, 32768}, {20, 20000}, {2, 3, 4, 8}};

TEST(Rows, ShapesHaveTheSameBitsInBothTiers) {
  for (const Shape& s : shapes)
    for (DType dtype : {f32, f64}) {
      const Tensor x = cast(tensor_f32(s, 1), dtype), y = cast(tensor_f32(s, 2), dtype),
                   w = cast(tensor_f32({s.at(-1)}, 3), dtype);
      flush();
      auto program = [&] {
        Parameter p(x), q(w);
        const Tensor out = own_layer_norm(own_softmax(Tensor(p)) * y, Tensor(q), w),
                     lse = log(sum(exp(out), {-1}));
        (sum(out * y) + sum(lse)).backward();
        return Tensors{out, lse, p.grad(), q.grad(), amax(out, {-1}), amax(out, {0})};
      };
      const auto cold = bits_in(Tier::cold, program);
      const int before = Session::current().threads();
      for (int threads : {1, 2, 3}) {
        Session::current().set_threads(threads);
        clear_plan_cache();
        const auto planned = bits_in(Tier::planned, program);
        for (size_t k = 0; k < cold.size(); ++k)
          EXPECT_EQ(planned[k] == cold[k], true) << to_string(s) << ' ' << to_string(dtype)
                                                 << ", result " << k << ", threads " << threads;
      }
      Session::current().set_threads(before);
      clear_plan_cache();
    }
}

TEST(Rows, AgreeWithLoopsInDouble) {
  const InTier planned(Tier::planned);
  for (const Shape& s : {Shape{200, 10}, Shape{3, 4000}}) {
    const Tensor x = tensor_f32(s, 1);
    const auto in = x.to_vector<float>(), softmaxed = own_softmax(x).to_vector<float>(),
               summed = own_logsumexp(x).to_vector<float>();
    const auto n = static_cast<size_t>(s[1]);
    for (size_t r = 0; r < static_cast<size_t>(s[0]); ++r) {
      double total = 0;
      for (size_t i = 0; i < n; ++i) total += std::exp(static_cast<double>(in[r * n + i]));
      EXPECT_NEAR(summed[r], std::log(total), 1e-6 * std::log(total));
      for (size_t i = 0; i < n; ++i) {
        const double want = std::exp(static_cast<double>(in[r * n + i])) / total;
        ASSERT_NEAR(softmaxed[r * n + i], want, 1e-6 * want) << r << ' ' << i;
      }
    }
  }
}

TEST(Rows, NotANumberStaysInItsRow) {
  std::vector<float> v(40, 1);
  v[13] = NAN;
  v[25] = -INFINITY;
  v[35] = INFINITY;
  const Tensor x = tensor(v, Shape{4, 10});
  for (Tier t : {Tier::cold, Tier::planned}) {
    const InTier in(t);
    const auto top = amax(x, {1}).to_vector<float>(),
               y = (x - amax(x, {1}, true)).to_vector<float>();
    EXPECT_EQ(top[0], 1.0f);
    EXPECT_TRUE(std::isnan(top[1]));
    EXPECT_EQ(top[2], 1.0f);
    EXPECT_EQ(top[3], INFINITY);
    for (size_t i = 0; i < 40; ++i) EXPECT_EQ(std::isnan(y[i]), i / 10 == 1 || i == 35) << i;
  }
}

// ---- bounds -------------------------------------------------------------------------------------

/// A graph of `ops` ops over one space: some per element, some per row, reductions from the one to
/// the other, each read; no op twice.
Tensor row_graph(uint64_t seed, size_t ops) {
  Draw d(seed);
  Tensors full{tensor_f32({6, 5}, 1), tensor_f32({6, 5}, 2)}, per_row{tensor_f32({6, 1}, 3)},
      unread;
  std::set<std::tuple<int, size_t, size_t>> seen;
  const size_t before = Recorder::current().pending().size();
  auto count = [&] {
    size_t n = 0;
    const auto& pending = Recorder::current().pending();
    for (size_t i = before; i < pending.size(); ++i) n += !op_of(pending[i]->op).has(Trait::view);
    return n;
  };
  while (count() + unread.size() < ops) {
    const int kind = static_cast<int>(d.below(7));
    const bool of_rows = kind == 4 || kind == 5;
    const Tensors &a = of_rows ? per_row : full, &b = kind == 3 || of_rows ? per_row : full;
    const size_t i = a.size() - 1 - d.below(std::min<size_t>(5, a.size())), k = d.below(b.size());
    const bool unary = kind == 0 || kind == 1 || kind == 4 || kind == 6;
    if (!seen.emplace(kind, i, unary ? SIZE_MAX : k).second) continue;
    Tensor z;
    switch (kind) {
      case 0: z = sum(a[i], {1}, true); break;
      case 1: z = reshape(amax(a[i], {1}), {6, 1}); break;
      case 2:
      case 3:
      case 5: z = maximum(a[i], b[k]); break;
      default: z = tanh(a[i]);
    }
    (z.size(1) == 1 ? per_row : full).push_back(z);
    unread.push_back(z);
  }
  while (unread.size() > 1 && count() < ops) {  // everything is read
    unread[0] = unread[0] + unread.back();
    unread.pop_back();
  }
  return unread[0];
}

// One space, rows of one length, at most 64 ops and 16 pointers: one kernel, however the ops hang
// together. Beyond, every unit keeps both bounds and every op is in one of them.
TEST(Rows, FusionReachesItsBounds) {
  const InTier planned(Tier::planned);
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const Tensor y = row_graph(seed, 8 + seed % 57);
    EXPECT_EQ(plan_of_pending()->steps.size(), 1u) << "seed " << seed;
  }
  flush();
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Tensor y = row_graph(seed, 65 + seed * 2);
    const auto plan = plan_of_pending();
    size_t ops_in_units = 0;
    for (const PlannedStep& s : plan->steps) {
      EXPECT_LE(s.in.size() + s.out.size(), static_cast<size_t>(Expr::kMaxPointers))
          << "seed " << seed;
      const size_t ops = s.expr ? s.expr->code.size() : 1;
      EXPECT_LE(ops, static_cast<size_t>(Expr::kMaxInstructions));
      ops_in_units += ops;
    }
    EXPECT_EQ(ops_in_units, plan_of_pending(Tier::cold)->steps.size())
        << "each op once, seed " << seed;
    flush();
  }
}

TEST(Rows, GraphsHaveTheSameBits) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    auto graph = [&] { return Tensors{row_graph(seed, 5 + seed)}; };
    EXPECT_EQ(bits_in(Tier::planned, graph) == bits_in(Tier::cold, graph), true) << "seed " << seed;
  }
}

TEST(Rows, PoisonChangesNothing) {
  const Tensor x = tensor_f32({300, 301}, 1), m = tensor_f32({301, 301}, 2);
  auto program = [&] { return Tensors{own_softmax(matmul(own_softmax(matmul(x, m)), m))}; };
  const auto clean = bits_in(Tier::planned, program);
  Session::current().set_poison(true);
  clear_plan_cache();
  EXPECT_EQ(bits_in(Tier::planned, program) == clean, true);
  Session::current().set_poison(false);
}

}  // namespace
}  // namespace suanli
