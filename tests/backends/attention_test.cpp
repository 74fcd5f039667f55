// SPDX-License-Identifier: Apache-2.0
// One head's attention and its gradients against the definition in f64, with every instruction set:
// sizes that no tile or vector divides, and queries that see any number of keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/attention/attention_simd.h"
#include "backends/instruction_set.h"

namespace suanli::test {
namespace {

using cpu::AttentionGradient;
using cpu::AttentionHead;

struct Size {
  int64_t queries, keys, size, seen;
  std::string text() const {
    return std::to_string(queries) + " queries, " + std::to_string(keys) + " keys of " +
           std::to_string(size) + ", the first sees " + std::to_string(seen);
  }
};

/// Everything about one head, rows side by side.
template <class T> struct Head {
  std::vector<T> q, k, v, g, y, top, log_sum, dq, dk, dv;
};

template <class T> Head<T> random_head(const Size& s) {
  Head<T> h;
  std::mt19937 random(static_cast<unsigned>(s.queries + 7 * s.keys + 31 * s.size + 101 * s.seen));
  std::normal_distribution<double> normal;
  auto fill = [&](std::vector<T>& to, int64_t n) {
    to.resize(static_cast<size_t>(n));
    for (T& x : to) x = static_cast<T>(normal(random));
  };
  fill(h.q, s.queries * s.size);
  fill(h.k, s.keys * s.size);
  fill(h.v, s.keys * s.size);
  fill(h.g, s.queries * s.size);
  fill(h.y, s.queries * s.size);
  fill(h.top, s.queries);
  fill(h.log_sum, s.queries);
  fill(h.dq, s.queries * s.size);
  fill(h.dk, s.keys * s.size);
  fill(h.dv, s.keys * s.size);
  return h;
}

template <class To, class From> std::vector<To> as(const std::vector<From>& from) {
  return {from.begin(), from.end()};
}

/// By the definition. Returns the largest sum of the magnitudes of what makes an element of dq or
/// dk: rounding errors are in proportion to it, and with one key alone nothing else is left.
double compute(const Size& s, double scale, Head<double>& h) {
  std::vector<double> dq_size(h.dq.size()), dk_size(h.dk.size());
  auto at = [&](std::vector<double>& x, int64_t row, int64_t c) -> double& {
    return x[static_cast<size_t>(row * s.size + c)];
  };
  for (auto* x : {&h.y, &h.dq, &h.dk, &h.dv}) std::fill(x->begin(), x->end(), 0.0);
  for (int64_t i = 0; i < s.queries; ++i) {
    const int64_t seen = std::min(s.keys, s.seen + i);
    std::vector<double> p(static_cast<size_t>(seen)), dp(p.size());
    double top = -INFINITY, total = 0, along = 0;
    for (int64_t j = 0; j < seen; ++j) {
      double& score = p[static_cast<size_t>(j)];
      for (int64_t c = 0; c < s.size; ++c) score += at(h.q, i, c) * at(h.k, j, c) * scale;
      top = std::max(top, score);
    }
    for (double& x : p) total += std::exp(x - top);
    h.top[static_cast<size_t>(i)] = top;
    h.log_sum[static_cast<size_t>(i)] = std::log(total);
    for (size_t j = 0; j < p.size(); ++j) {
      p[j] = std::exp(p[j] - top) / total;
      const auto key = static_cast<int64_t>(j);
      for (int64_t c = 0; c < s.size; ++c) {
        at(h.y, i, c) += p[j] * at(h.v, key, c);
        at(h.dv, key, c) += p[j] * at(h.g, i, c);
        dp[j] += at(h.g, i, c) * at(h.v, key, c);
      }
      along += p[j] * dp[j];
    }
    for (size_t j = 0; j < p.size(); ++j)
      for (int64_t c = 0; c < s.size; ++c) {
        const auto key = static_cast<int64_t>(j);
        at(h.dq, i, c) += p[j] * (dp[j] - along) * at(h.k, key, c) * scale;
        at(h.dk, key, c) += p[j] * (dp[j] - along) * at(h.q, i, c) * scale;
        const double size = p[j] * (std::abs(dp[j]) + std::abs(along)) * scale;
        at(dq_size, i, c) += size * std::abs(at(h.k, key, c));
        at(dk_size, key, c) += size * std::abs(at(h.q, i, c));
      }
  }
  return std::max(*std::max_element(dq_size.begin(), dq_size.end()),
                  *std::max_element(dk_size.begin(), dk_size.end()));
}

template <class T> void expect_near(const std::vector<T>& found,
                                    const std::vector<double>& expected, const char* what,
                                    double largest = 1) {
  double error = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    const double e = std::abs(static_cast<double>(found[i]) - expected[i]);
    error = e <= error ? error : e;  // a NaN stays
  }
  EXPECT_LE(error, (sizeof(T) == 4 ? 2e-6 : 4e-15) * largest) << what;
}

template <class T> void check(const Size& s) {
  SCOPED_TRACE(s.text());
  const double scale = 1 / std::sqrt(static_cast<double>(s.size));
  Head<T> h = random_head<T>(s);
  Head<double> expected{as<double>(h.q),       as<double>(h.k),  as<double>(h.v),
                        as<double>(h.g),       as<double>(h.y),  as<double>(h.top),
                        as<double>(h.log_sum), as<double>(h.dq), as<double>(h.dk),
                        as<double>(h.dv)};
  const double size = compute(s, scale, expected);
  const int64_t most = std::max(cpu::attention_forward_workspace(s.queries, s.keys, s.size),
                                cpu::attention_backward_workspace(s.keys, s.size));
  // what it had before is of no account
  std::vector<T> memory(static_cast<size_t>(most) + 64, std::numeric_limits<T>::quiet_NaN());
  void* workspace = memory.data();
  size_t room = memory.size() * sizeof(T);
  std::align(64, static_cast<size_t>(most) * sizeof(T), workspace, room);
  const AttentionHead<T> head{h.q.data(), h.k.data(), h.v.data(), s.size, s.size,
                              s.queries,  s.keys,     s.size,     scale,  s.seen};
  attention_forward(head, 0, (s.queries + cpu::kAttentionBlock - 1) / cpu::kAttentionBlock,
                    h.y.data(), s.size, cpu::AttentionSums<T>{h.top.data(), h.log_sum.data()},
                    workspace);
  expect_near(h.y, expected.y, "y");
  expect_near(h.top, expected.top, "top");
  expect_near(h.log_sum, expected.log_sum, "log_sum");
  std::fill(memory.begin(), memory.end(), std::numeric_limits<T>::quiet_NaN());
  attention_backward(head,
                     AttentionGradient<T>{h.g.data(),
                                          h.y.data(),
                                          {h.top.data(), h.log_sum.data()},
                                          s.size,
                                          h.dq.data(),
                                          h.dk.data(),
                                          h.dv.data()},
                     workspace);
  expect_near(h.dq, expected.dq, "dq", std::max(1.0, size));
  expect_near(h.dk, expected.dk, "dk", std::max(1.0, size));
  expect_near(h.dv, expected.dv, "dv");
}

TEST(Attention, IsItsDefinitionWithEveryInstructionSet) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    const InstructionSet only(target);
    SCOPED_TRACE(hwy::TargetName(target));
    for (const int64_t queries : {1, 7, 64, 70, 131})
      for (const int64_t keys : {1, 64, 70, 200})
        for (const int64_t size : {3, 32, 40})
          for (const int64_t seen : {int64_t{1}, int64_t{13}, int64_t{37}, int64_t{64}, keys}) {
            check<float>({queries, keys, size, std::min(seen, keys)});
            check<double>({queries, keys, size, std::min(seen, keys)});
          }
  }
}

}  // namespace
}  // namespace suanli::test
