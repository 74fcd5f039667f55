// SPDX-License-Identifier: Apache-2.0
// Row programs beside copying: how many bytes their kernels move per second, counted once for each
// input and each result, and what part of a copy's rate that is. Rounds are interleaved; the
// medians are printed.
//   build/test/bench_rows [rounds] [rows] [columns]
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/threads/thread_pool.h"
#include "runtime/profiler.h"
#include "suanli/suanli.h"

using namespace suanli;

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point t) {
  return std::chrono::duration<double>(Clock::now() - t).count();
}

/// Adds up the time and the bytes of kernels.
struct Stopwatch final : ProfilerHooks {
  Clock::time_point began;
  double seconds = 0;
  int64_t bytes = 0, kernels = 0;
  void span_begins(const char*) override {}
  void span_ends() override {}
  void plan_found(bool) override {}
  void step_begins() override { began = Clock::now(); }
  void step_ends(const Step&, int64_t, int64_t moved, uint32_t) override {
    seconds += seconds_since(began);
    bytes += moved;
    ++kernels;
  }
};

struct Case {
  std::string name;
  std::function<std::vector<Tensor>()> record;
  std::vector<double> seconds = {};
  int64_t bytes = 0, kernels = 0;
};

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// Two arrays on huge pages, as tensors are.
class Arrays {
 public:
  explicit Arrays(int64_t floats) : floats_(floats), from_(map()), to_(map()) {}
  void copy() const {
    parallel_chunks(floats_, 1, [&](int64_t begin, int64_t end) {
      std::memcpy(to_ + begin, from_ + begin, static_cast<size_t>(end - begin) * 4);
    });
  }

 private:
  float* map() const {
    void* p = mmap(nullptr, static_cast<size_t>(floats_) * 4, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(p, static_cast<size_t>(floats_) * 4, MADV_HUGEPAGE);
    std::fill_n(static_cast<float*>(p), floats_, 1.0f);
    return static_cast<float*>(p);
  }
  int64_t floats_;
  float *from_, *to_;
};

Tensor random(const Shape& shape) {
  std::vector<float> v(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < v.size(); ++i)
    v[i] = static_cast<float>((i * 2654435761u) % 1000) / 250.0f - 2;
  return tensor(v, shape);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 15;
  const int64_t rows = argc > 2 ? std::atoll(argv[2]) : 1024,
                columns = argc > 3 ? std::atoll(argv[3]) : 5000;
  const Tensor x = random({rows, columns}), g = random({rows, columns}), w = random({columns}),
               b = random({columns});
  const Tensor target = tensor(std::vector<int64_t>(static_cast<size_t>(rows), 1), Shape{rows});
  Parameter p(x), weight(w), bias(b);
  auto last = [](const Tensor& t, const char* how) {
    return how[0] == 's'   ? sum(t, {-1}, true)
           : how[0] == 'm' ? mean(t, {-1}, true)
                           : amax(t, {-1}, true);
  };
  auto own_softmax = [&](const Tensor& t) {
    const Tensor e = exp(t - last(t, "x"));
    return e / last(e, "s");
  };
  auto own_layer_norm = [&](const Tensor& t) {
    const Tensor centerd = t - last(t, "m");
    return centerd * rsqrt(last(square(centerd), "m") + 1e-5) * Tensor(weight) + Tensor(bias);
  };
  auto gradient = [&](const Tensor& y) {
    sum(y * g).backward();
    std::vector<Tensor> all;
    for (Parameter* q : {&p, &weight, &bias})
      if (q->grad().defined()) {
        all.push_back(q->grad());
        q->set_grad({});
      }
    return all;
  };
  std::vector<Case> cases;
  auto add = [&](const char* name, std::function<std::vector<Tensor>()> record) {
    cases.push_back({name, std::move(record)});
  };
  add("x * 2", [&] { return std::vector{x * 2.0}; });
  add("softmax", [&] { return std::vector{softmax(x)}; });
  add("softmax by hand", [&] { return std::vector{own_softmax(x)}; });
  add("log_softmax", [&] { return std::vector{log_softmax(x)}; });
  add("log_softmax by hand", [&] {
    const Tensor shifted = x - last(x, "x");
    return std::vector{shifted - log(last(exp(shifted), "s"))};
  });
  add("logsumexp by hand", [&] {
    const Tensor top = amax(x, {-1}, true);
    return std::vector{log(sum(exp(x - top), {-1}, true)) + top};
  });
  add("cross_entropy", [&] { return std::vector{cross_entropy(x, target)}; });
  add("layer_norm", [&] { return std::vector{layer_norm(x, w, b)}; });
  add("layer_norm by hand", [&] {
    const NoGrad off;
    return std::vector{own_layer_norm(x)};
  });
  add("rms_norm by hand",
      [&] { return std::vector{x * rsqrt(mean(square(x), {-1}, true) + 1e-6) * w}; });
  add("softmax, gradient", [&] {
    auto all = gradient(softmax(Tensor(p)));
    return all;
  });
  add("softmax by hand, gradient", [&] { return gradient(own_softmax(Tensor(p))); });
  add("layer_norm, gradient",
      [&] { return gradient(layer_norm(Tensor(p), Tensor(weight), Tensor(bias))); });
  add("layer_norm by hand, gradient", [&] { return gradient(own_layer_norm(Tensor(p))); });

  const Arrays copied(rows * columns);
  std::vector<double> copying;
  const Session session = Session::current();
  for (int round = -1; round < rounds; ++round) {
    const auto began = Clock::now();
    copied.copy();
    if (round >= 0) copying.push_back(seconds_since(began));
    for (Case& c : cases) {
      const auto listening = std::make_shared<Stopwatch>();
      const Stopwatch& watch = *listening;
      session.state().start_profiler(listening);
      const auto held = c.record();
      flush();
      session.state().stop_profiler();
      if (round >= 0) c.seconds.push_back(watch.seconds);
      c.bytes = watch.bytes;
      c.kernels = watch.kernels;
    }
  }
  const double rate = static_cast<double>(8 * rows * columns) / median(copying);
  std::printf("[%ld, %ld] f32; a copy: %.2f ms, %.1f GB/s\n", static_cast<long>(rows),
              static_cast<long>(columns), median(copying) * 1e3, rate / 1e9);
  for (const Case& c : cases) {
    const double s = median(c.seconds);
    std::printf("%-30s %8.3f ms %3ld kernels %6.1f GB/s %5.2f of a copy\n", c.name.c_str(), s * 1e3,
                static_cast<long>(c.kernels), static_cast<double>(c.bytes) / s / 1e9,
                static_cast<double>(c.bytes) / s / rate);
  }
}
