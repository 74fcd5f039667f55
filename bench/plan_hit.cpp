// SPDX-License-Identifier: Apache-2.0
// The cost of a step beside its kernels once its program is known: from the flush to the first
// kernel, between kernels, and until the optimizer's step() returns. Kernels do run, and throw out
// of the caches what they throw out in a training. Prints medians, in ns per recorded node.
//   build/test/bench_plan_hit [rounds]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "runtime/profiler.h"
#include "suanli/suanli.h"
#include "tensor/recorder.h"

using namespace suanli;

namespace {

using Clock = std::chrono::steady_clock;
double ns(Clock::duration d) { return std::chrono::duration<double, std::nano>(d).count(); }

/// Splits a flush: up to its first kernel, kernels, the rest.
struct Stopwatch final : ProfilerHooks {
  Clock::time_point flush_began, step_began, last;
  size_t nodes = 0, steps = 0;
  double before = 0, between = 0;

  void span_begins(const char* name) override {
    if (std::string_view(name) != "flush") return;
    nodes = Recorder::current().pending().size();
    steps = 0;
    before = between = 0;
    flush_began = Clock::now();
  }
  void span_ends() override {}
  void plan_found(bool) override {}
  void step_begins() override {
    step_began = Clock::now();
    if (steps++ == 0) before = ns(step_began - flush_began);
    else between += ns(step_began - last);
  }
  void step_ends(const Step&, int64_t, int64_t, uint32_t) override { last = Clock::now(); }
};

double median(std::vector<double>& v) {
  std::nth_element(v.begin(), v.begin() + static_cast<ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// `record` records a step and ends it with a flush.
template <class F> void report(const char* what, int rounds, F&& record) {
  for (int i = 0; i < 3; ++i) record();
  const auto listening = std::make_shared<Stopwatch>();
  const Stopwatch& watch = *listening;
  const Session session = Session::current();
  session.state().start_profiler(listening);
  std::vector<double> before, between, after;
  const int64_t plans = plan_stats().plans;
  for (int i = 0; i < rounds; ++i) {
    record();
    after.push_back(ns(Clock::now() - watch.last));
    before.push_back(watch.before);
    between.push_back(watch.between);
  }
  session.state().stop_profiler();
  const auto nodes = static_cast<double>(watch.nodes);
  std::printf(
      "%-22s %5zu nodes %4zu kernels   to the first kernel %6.1f ns/node (%.0f µs)   between "
      "kernels %6.1f   after the last %6.1f%s\n",
      what, watch.nodes, watch.steps, median(before) / nodes, median(before) / 1000,
      median(between) / nodes, median(after) / nodes,
      plan_stats().plans == plans ? "" : "   NOT A HIT");
}

/// A training step on random data.
void training(const char* name, const models::ModelOptions& options, int64_t batch, bool adam,
              int rounds) {
  nn::AnyModule model = models::make(name, options);
  std::vector<Parameter> parameters = model.parameters();
  optim::Adam adam_step(parameters);
  optim::SGD sgd_step(parameters, {.lr = 0.01, .momentum = 0.9});
  optim::Optimizer& optimizer = adam ? static_cast<optim::Optimizer&>(adam_step) : sgd_step;
  Shape shape{batch};
  for (int64_t size : options.input_shape) shape.push_back(size);
  Tensor x = randn(shape), y = tensor(std::vector<int64_t>(static_cast<size_t>(batch), 1), {batch});
  flush();
  report(name, rounds, [&] {
    Tensor loss = cross_entropy(model(x), y);
    loss.backward();
    optimizer.step();
  });
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 101;
  std::vector<Parameter> chain{Parameter(ones({4, 4})), Parameter(ones({4}))};
  Tensor x = tensor<float>(std::vector<float>(16, 0.1f), {4, 4});
  optim::SGD chain_step(chain, {.lr = 1e-6});
  report("200 × tanh(y·a + b)", rounds, [&] {
    Tensor a = chain[0], b = chain[1], y = x;
    for (int i = 0; i < 200; ++i) y = tanh(y * a + b);
    sum(y).backward();
    chain_step.step();
  });
  training("mlp", {.input_shape = {1, 28, 28}}, 64, true, rounds);
  training("cnn_b", {.input_shape = {1, 28, 28}}, 64, true, rounds);
  training("resnet18", {.input_shape = {3, 32, 32}}, 2, false, rounds / 3);
}
