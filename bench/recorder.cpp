// SPDX-License-Identifier: Apache-2.0
// Nanoseconds and heap allocations per recorded node, forward and vjp, at steady state, without
// running anything. Prints medians.
//   build/test/bench_recorder
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "bench/allocations.h"
#include "suanli/autograd.h"
#include "suanli/nn.h"
#include "tensor/recorder.h"

using namespace suanli;

namespace {

struct Phase {
  double ns = 0;
  long nodes = 0, heap = 0;
};

template <class F> Phase measure(F&& f) {
  auto& rec = Recorder::current();
  const size_t before = rec.pending().size();
  const long heap = bench::allocations;
  const auto start = std::chrono::steady_clock::now();
  f();
  const double ns =
      std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  return {ns, static_cast<long>(rec.pending().size() - before), bench::allocations - heap};
}

/// A chain of `length` blocks y = tanh(y·a + b) recorded, walked backward, dropped.
void report(const char* what, int rounds,
            Tensor (*forward)(const std::vector<Parameter>&, const Tensor&),
            const std::vector<Parameter>& parameters, const Tensor& x) {
  std::vector<double> f, b;
  Phase pf, pb;
  for (int i = 0; i < rounds; ++i) {
    Tensor loss;
    pf = measure([&] { loss = forward(parameters, x); });
    pb = measure([&] { loss.backward(); });
    f.push_back(pf.ns / static_cast<double>(pf.nodes));
    b.push_back(pb.ns / static_cast<double>(pb.nodes));
    loss = Tensor();
    for (auto p : parameters) p.set_grad({});
    drop_pending();
  }
  std::sort(f.begin(), f.end());
  std::sort(b.begin(), b.end());
  std::printf(
      "%-10s forward %4ld nodes %6.1f ns/node (best %.1f) %.3f heap/node   vjp %4ld nodes %6.1f "
      "ns/node (best %.1f) %.3f heap/node\n",
      what, pf.nodes, f[f.size() / 2], f[0],
      static_cast<double>(pf.heap) / static_cast<double>(pf.nodes), pb.nodes, b[b.size() / 2], b[0],
      static_cast<double>(pb.heap) / static_cast<double>(pb.nodes));
}

}  // namespace

int main() {
  std::vector<Parameter> chain{Parameter(ones({4, 4})), Parameter(ones({4}))};
  flush();
  Tensor x = tensor<float>(std::vector<float>(16, 0.1f), {4, 4});
  auto pointwise = [](const std::vector<Parameter>& p, const Tensor& in) {
    Tensor a = p[0], b = p[1], y = in;
    for (int i = 0; i < 200; ++i) y = tanh(y * a + b);
    return sum(y);
  };
  auto products = [](const std::vector<Parameter>& p, const Tensor& in) {
    Tensor a = p[0], b = p[1], y = in;
    for (int i = 0; i < 200; ++i) y = relu(matmul(y, a) + b);
    return sum(y);
  };
  auto bare = [](const std::vector<Parameter>& p, const Tensor& in) {
    Tensor a = p[0], y = in;
    for (int i = 0; i < 400; ++i) y = y * a;
    return sum(y);
  };
  for (int repeat = 0; repeat < 2; ++repeat) {
    report("bare mul", 400, bare, chain, x);
    report("pointwise", 400, pointwise, chain, x);
    report("matmul", 400, products, chain, x);
  }
}
