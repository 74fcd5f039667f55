// SPDX-License-Identifier: Apache-2.0
// The machine's roofs. Products: chains of multiply-adds that never leave the registers, more of
// them than latency times ports needs. Memory: two arrays far beyond the caches, each thread on its
// own part, as the executor divides work.
#include "suanli/roofs.h"
#include "base/system/stopwatch.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <functional>

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/roofs/roofs.cpp"
#include "hwy/foreach_target.h"

#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Twelve chains in variables of their own: in an array the compiler would keep them in memory. Each
// begins elsewhere: equal ones become one.
template <class T> double multiply_add(int64_t iterations) {
  const hn::ScalableTag<T> d;
  const auto x = hn::Set(d, static_cast<T>(0.999)), y = hn::Set(d, static_cast<T>(0.001));
  auto from = [&](double value) HWY_ATTR { return hn::Set(d, static_cast<T>(value)); };
  auto a0 = from(0), a1 = from(1), a2 = from(2), a3 = from(3), a4 = from(4), a5 = from(5),
       a6 = from(6), a7 = from(7), a8 = from(8), a9 = from(9), a10 = from(10), a11 = from(11);
  for (int64_t i = 0; i < iterations; ++i) {
    a0 = hn::MulAdd(a0, x, y);
    a1 = hn::MulAdd(a1, x, y);
    a2 = hn::MulAdd(a2, x, y);
    a3 = hn::MulAdd(a3, x, y);
    a4 = hn::MulAdd(a4, x, y);
    a5 = hn::MulAdd(a5, x, y);
    a6 = hn::MulAdd(a6, x, y);
    a7 = hn::MulAdd(a7, x, y);
    a8 = hn::MulAdd(a8, x, y);
    a9 = hn::MulAdd(a9, x, y);
    a10 = hn::MulAdd(a10, x, y);
    a11 = hn::MulAdd(a11, x, y);
  }
  const auto low = hn::Add(hn::Add(hn::Add(a0, a1), hn::Add(a2, a3)), hn::Add(a4, a5));
  const auto high = hn::Add(hn::Add(hn::Add(a6, a7), hn::Add(a8, a9)), hn::Add(a10, a11));
  return static_cast<double>(hn::GetLane(hn::Add(low, high)));
}
double multiply_add_f32(int64_t iterations) { return multiply_add<float>(iterations); }
double multiply_add_f64(int64_t iterations) { return multiply_add<double>(iterations); }
int64_t lanes_f32() { return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>())); }

/// Past the caches on the way out: an ordinary store would read the line first.
void copy_streamed(const float* from, float* to, int64_t n) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < n; i += lanes) hn::Stream(hn::Load(d, from + i), d, to + i);
  hwy::FlushStream();
}
void copy_stored(const float* from, float* to, int64_t n) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < n; i += lanes) hn::Store(hn::Load(d, from + i), d, to + i);
}
double read_all(const float* from, int64_t n) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto a = hn::Zero(d), b = a, c = a, e = a;
  for (int64_t i = 0; i < n; i += 4 * lanes) {
    a = hn::Add(a, hn::Load(d, from + i));
    b = hn::Add(b, hn::Load(d, from + i + lanes));
    c = hn::Add(c, hn::Load(d, from + i + 2 * lanes));

    e = hn::Add(e, hn::Load(d, from + i + 3 * lanes));
  }
  return static_cast<double>(hn::GetLane(hn::Add(hn::Add(a, b), hn::Add(c, e))));
}

}  // namespace
}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "backends/cpu/roofs/roof_loops.h"
#include "base/threads/thread_pool.h"
#include "suanli/runtime.h"

namespace suanli {
namespace cpu {
HWY_EXPORT(multiply_add_f32);
HWY_EXPORT(multiply_add_f64);
HWY_EXPORT(lanes_f32);
HWY_EXPORT(copy_streamed);
HWY_EXPORT(copy_stored);
HWY_EXPORT(read_all);

namespace {

constexpr int kRuns = 7;
constexpr double kShortestRun = 0.01;  // seconds: long beside the clock and the pool's start
constexpr int64_t kArray = int64_t{256} << 20;  // bytes

volatile double sink;  // what keeps the compiler from leaving the loops out

template <class F> double seconds_of(F&& work) {
  const Stopwatch watch;
  work();
  return watch.seconds();
}

/// The fastest run, for other programs only slow runs down.
template <class F> double best_seconds(int runs, F&& work) {
  double best = seconds_of(work);
  for (int i = 1; i < runs; ++i) best = std::min(best, seconds_of(work));
  return best;
}

/// `amount` per second of the fastest run.
template <class F> double rate(double amount, F&& work) {
  return amount / best_seconds(kRuns, work);
}

/// `loop(iterations)` does `operations` of work per iteration; run on `threads` threads at once.
double loop_rate(const std::function<void(int64_t)>& loop, double operations, int threads) {
  int64_t iterations = 1;
  auto run = [&] { parallel_invoke(threads, [&](int) { loop(iterations); }); };
  while (best_seconds(3, run) < kShortestRun) iterations *= 2;  // one disturbed run does not end it
  return rate(static_cast<double>(iterations) * operations * threads, run);
}

Roof loop_roof(const std::function<void(int64_t)>& loop, double operations, int threads) {
  const double one = loop_rate(loop, operations, 1);
  return {one, threads == 1 ? one : std::max(one, loop_rate(loop, operations, threads))};
}

Roof faster(const Roof& a, const Roof& b) {
  return {std::max(a.one, b.one), std::max(a.all, b.all)};
}

/// Loops over registers are what vector units can do; tile units (AMX) are reached through a
/// product of oneDNN.
Roof dot_roof(const RoofLoop& loop, Product kind, int threads) {
  Roof roof;
  if (loop.run) roof = loop_roof(loop.run, loop.operations, threads);
  const RoofLoop product = product_loop(kind);
  return product.run ? faster(roof, loop_roof(product.run, product.operations, threads)) : roof;
}

class Arrays {
 public:
  Arrays() : from_(map()), to_(map()) {
    if (from_ && to_)
      // each thread touches what it will use
      parallel_chunks(floats(), 1, [this](int64_t begin, int64_t end) {
        std::fill(from_ + begin, from_ + end, 1.0f);
        std::fill(to_ + begin, to_ + end, 0.0f);
      });
  }
  ~Arrays() {
    if (from_) munmap(from_, kArray);
    if (to_) munmap(to_, kArray);
  }
  Arrays(const Arrays&) = delete;

  /// work(from, to, floats) on every thread's part; `bytes` that count per byte of an array. Zero
  /// without the memory.
  template <class F> Roof roof(int threads, double bytes, F&& work) {
    if (!from_ || !to_) return {};
    auto on = [&](int parts) {
      return rate(bytes * kArray, [&] {
        parallel_invoke(parts, [&](int p) {
          const int64_t part = floats() / parts / kStep * kStep;
          work(from_ + p * part, to_ + p * part, p == parts - 1 ? floats() - p * part : part);
        });
      });
    };
    return {on(1), on(threads)};
  }

 private:
  static constexpr int64_t kStep = 1024;  // floats: parts begin at whole vectors
  static int64_t floats() { return kArray / static_cast<int64_t>(sizeof(float)); }
  static float* map() {
    void* p = mmap(nullptr, kArray, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    madvise(p, kArray, MADV_HUGEPAGE);
    return static_cast<float*>(p);
  }
  float *from_, *to_;
};

}  // namespace

RoofLoop f32_loop() {
  constexpr double kPerLane = 12 * 2;  // chains, each of a multiplication and an addition
  return {[](int64_t n) { sink = HWY_DYNAMIC_DISPATCH(multiply_add_f32)(n); },
          kPerLane * static_cast<double>(HWY_DYNAMIC_DISPATCH(lanes_f32)())};
}

}  // namespace cpu

Roofs measure_roofs() {
  using namespace cpu;
  Roofs r{.cpu = cpu_model(),
          .isa = isa(),
          .threads = pool_threads(),
          .f32 = {},
          .f64 = {},
          .bf16 = {},
          .int8 = {},
          .copy = {},
          .read = {}};
  const RoofLoop f32 = f32_loop();
  r.f32 = loop_roof(f32.run, f32.operations, r.threads);
  r.f64 = loop_roof([](int64_t n) { sink = HWY_DYNAMIC_DISPATCH(multiply_add_f64)(n); },
                    f32.operations / 2, r.threads);
  r.bf16 = dot_roof(bf16_dot_loop(), Product::bf16, r.threads);
  r.int8 = dot_roof(int8_dot_loop(), Product::int8, r.threads);
  Arrays arrays;
  r.copy = faster(arrays.roof(r.threads, 2,
                              [](const float* from, float* to, int64_t n) {
                                HWY_DYNAMIC_DISPATCH(copy_streamed)(from, to, n);
                              }),
                  arrays.roof(r.threads, 2, [](const float* from, float* to, int64_t n) {
                    HWY_DYNAMIC_DISPATCH(copy_stored)(from, to, n);
                  }));
  r.read = arrays.roof(r.threads, 1, [](const float* from, float*, int64_t n) {
    sink = HWY_DYNAMIC_DISPATCH(read_all)(from, n);
  });
  return r;
}

}  // namespace suanli
#endif
