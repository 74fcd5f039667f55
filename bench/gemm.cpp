// SPDX-License-Identifier: Apache-2.0
// Our matrix product beside oneDNN's sgemm, shape by shape, in interleaved runs: operands warm (one
// set of buffers) and cold (so many sets that each comes from beyond L2). Prints GFLOP/s, medians.
// Usage: bench_gemm [rounds [M N K [t]]]
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "backends/cpu/gemm/gemm.h"
#include "base/threads/thread_pool.h"

namespace {

using namespace suanli;
using cpu::Gemm;
using cpu::GemmShape;

const GemmShape shapes[] = {
    // GPT, forward: x · wᵀ
    {2048, 768, 256, false, true},
    {2048, 256, 256, false, true},
    {2048, 1024, 256, false, true},
    {2048, 256, 1024, false, true},
    {2048, 5000, 256, false, true},
    // its gradients of the input: g · w
    {2048, 256, 768},
    {2048, 256, 256},
    {2048, 256, 1024},
    {2048, 1024, 256},
    {2048, 256, 5000},
    // and of the weights: gᵀ · x
    {768, 256, 2048, true, false},
    {256, 256, 2048, true, false},
    {1024, 256, 2048, true, false},
    {256, 1024, 2048, true, false},
    {5000, 256, 2048, true, false},
    // MLP
    {128, 1024, 784, false, true},
    {128, 1024, 1024, false, true},
    {128, 10, 1024, false, true},
    {128, 1024, 1024},
    {128, 1024, 10},
    {1024, 784, 128, true, false},
    {1024, 1024, 128, true, false},
    {10, 1024, 128, true, false},
    // few rows
    {1, 512, 512, false, true},
    {1, 128, 3136, false, true},
    {8, 256, 784, false, true},
    {1, 5000, 256, false, true},
    {32, 1000, 512, false, true},
    {32, 128, 3136, false, true},
    {4, 1024, 1024},
    {16, 1024, 1024, false, true},
    // square, odd
    {64, 64, 64},
    {128, 128, 128},
    {256, 256, 256},
    {512, 512, 512},
    {1024, 1024, 1024},
    {2048, 2048, 2048},
    {127, 131, 137},
    {509, 521, 523},
    {1031, 67, 1009, true, true},
    {67, 1031, 509, false, true}};

struct Buffers {
  std::vector<float> a, b, c, scratch;
};

double seconds(const std::function<void()>& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}
double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// oneDNN's sgemm on bands of the longer side, one for each thread.
void sgemm(const GemmShape& s, const float* a, const float* b, float* c) {
  const int64_t lda = s.a_transposed ? s.m : s.k, ldb = s.b_transposed ? s.k : s.n;
  const bool by_rows = s.m >= s.n;
  const int64_t side = by_rows ? s.m : s.n, all = (side + 15) / 16;
  const double flops =
      2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const int64_t parts = std::min<int64_t>(
      {all, pool_threads(), std::max<int64_t>(1, static_cast<int64_t>(flops / 8e6))});
  parallel_invoke(static_cast<int>(parts), [&](int part) {
    omp_set_num_threads(1);
    const int64_t from = all * part / parts * 16,
                  to = std::min(side, all * (part + 1) / parts * 16), n = to - from;
    dnnl_sgemm(s.a_transposed ? 'T' : 'N', s.b_transposed ? 'T' : 'N', by_rows ? n : s.m,
               by_rows ? s.n : n, s.k, 1, a + (by_rows ? from * (s.a_transposed ? 1 : lda) : 0),
               lda, b + (by_rows ? 0 : from * (s.b_transposed ? ldb : 1)), ldb, 0,
               c + from * (by_rows ? s.n : 1), s.n);
  });
}

void measure(const GemmShape& s, int rounds, double* product) {
  const Gemm<float> gemm(s);
  const auto count = [](int64_t n) { return static_cast<size_t>(n); };
  const int64_t floats = s.m * s.k + s.k * s.n + s.m * s.n;
  const double flops =
      2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const size_t sets = count(std::clamp<int64_t>((24 << 20) / floats, 3, 256));
  std::vector<Buffers> all(sets);
  uint32_t state = 1;
  auto fill = [&](std::vector<float>& v, int64_t n) {
    v.resize(count(n));
    for (float& x : v) x = static_cast<float>(state = state * 1664525 + 1013904223) * 0x1p-31f - 1;
  };
  for (Buffers& x : all) {
    fill(x.a, s.m * s.k);
    fill(x.b, s.k * s.n);
    fill(x.c, s.m * s.n);
  }
  std::vector<float> scratch(count(gemm.scratch_bytes() / 4 + 16));
  void* aligned = scratch.data();
  size_t space = scratch.size() * 4;
  std::align(64, 1, aligned, space);
  auto ours = [&](Buffers& x) { gemm.run(x.a.data(), x.b.data(), x.c.data(), aligned); };
  auto theirs = [&](Buffers& x) { sgemm(s, x.a.data(), x.b.data(), x.c.data()); };
  auto run = [&](bool cold, bool our, int repeats, size_t& at) {
    return seconds([&] {
             for (int i = 0; i < repeats; ++i) {
               Buffers& x = all[cold ? at++ % sets : 0];
               our ? ours(x) : theirs(x);
             }
           }) /
           repeats;
  };
  std::vector<double> times[2][2];
  size_t at = 0;
  const int repeats = std::max(
      1, static_cast<int>(1e-3 / (flops / 2e11 + 4.0 * static_cast<double>(floats) / 2e10)));
  for (int cold = 0; cold < 2; ++cold)
    for (int i = -1; i < rounds; ++i)
      for (int our = 0; our < 2; ++our) {
        const double t = run(cold != 0, our != 0, repeats, at);
        if (i >= 0) times[cold][our].push_back(t);
      }
  double worst = 0;
  {
    std::vector<float> expected(all[0].c.size());
    sgemm(s, all[0].a.data(), all[0].b.data(), expected.data());
    ours(all[0]);
    for (size_t i = 0; i < expected.size(); ++i)
      worst = std::max<double>(worst, std::abs(expected[i] - all[0].c[i]));
  }
  std::printf("%5ld x%5ld x%5ld %c%c ", s.m, s.n, s.k, s.a_transposed ? 'T' : 'N',
              s.b_transposed ? 'T' : 'N');
  for (int cold = 0; cold < 2; ++cold) {
    std::vector<double> ratios;  // of neighbors in time: the clock changes
    for (size_t i = 0; i < times[cold][0].size(); ++i)
      ratios.push_back(times[cold][0][i] / times[cold][1][i]);
    const double ratio = median(ratios);
    product[cold] += std::log(ratio);
    auto rate = [&](int our, auto of) { return flops / of(times[cold][our]) * 1e-9; };
    auto best = [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); };
    std::printf(" | %s %6.1f %6.1f, best %6.1f %6.1f, ratio %.3f", cold ? "cold" : "warm",
                rate(0, median), rate(1, median), rate(0, best), rate(1, best), ratio);
  }
  std::printf(" diff %.1e\n", worst);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 9;
  double product[2] = {0, 0};
  int n = 0;
  if (argc > 4) {
    const char* form = argc > 5 ? argv[5] : "NN";
    measure({std::atol(argv[2]), std::atol(argv[3]), std::atol(argv[4]), form[0] == 'T',
             form[1] == 'T'},
            rounds, product);
    n = 1;
  } else {
    for (const GemmShape& s : shapes) {
      measure(s, rounds, product);
      ++n;
    }
  }
  std::printf("geometric mean of the ratios: warm %.3f, cold %.3f\n", std::exp(product[0] / n),
              std::exp(product[1] / n));
}
