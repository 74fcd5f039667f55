// SPDX-License-Identifier: Apache-2.0
// Random draws: element i is a function of (seed, counter, i) alone.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "backends/cpu/kernels.h"
#include "backends/cpu/tuning.h"
#include "base/core/philox.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/ops.h"

namespace suanli::cpu {

namespace {

struct Seed {
  uint64_t seed, counter;
  Seed(const Step& s, const void* const* in)
      : seed(static_cast<uint64_t>(read_integer(in[0], s.in[0].dtype))),
        counter(static_cast<uint64_t>(read_integer(in[1], s.in[1].dtype))) {}
};

/// Fills y with blocks of Philox: `per_block` values from each, made by f(words, values).
template <class T, int per_block, class F> void fill(T* y, int64_t n, int64_t grain, Seed s,
                                                     F&& f) {
  parallel_chunks((n + per_block - 1) / per_block, grain, [&](int64_t a, int64_t b) {
    for (int64_t block = a; block < b; ++block) {
      T values[per_block];
      f(philox(s.seed, s.counter + static_cast<uint64_t>(block)), values);
      for (int k = 0; k < per_block && block * per_block + k < n; ++k)
        y[block * per_block + k] = values[k];
    }
  });
}

/// The largest number of a 16-bit float dtype that is less than `high`, or `high` rounded if `low`
/// is not less.
template <class T> T below(double high, double low) {
  T t(high);
  if (!(low < high) || static_cast<double>(static_cast<float>(t)) < high) return t;
  if ((t.bits & 0x7fff) == 0) t.bits = 0x8001;
  else t.bits = static_cast<uint16_t>(t.bits & 0x8000 ? t.bits + 1 : t.bits - 1);
  return t;
}

/// Drawn as f32, rounded.
template <class T> std::unique_ptr<Kernel> make_narrow_uniform(const Step& step) {
  const int64_t n = step.out[0].shape.numel(), grain = cpu_tuning().thread_random_blocks;
  return make_kernel([=](const void* const* in, void* const* out) {
    const double low = read_real(in[2], step.in[2].dtype),
                 high = read_real(in[3], step.in[3].dtype);
    const float l = static_cast<float>(low), s = static_cast<float>(high - low),
                most = below<T>(high, low);
    fill<T, 4>(static_cast<T*>(out[0]), n, grain, Seed(step, in), [&](const auto& w, T* v) {
      for (size_t k = 0; k < 4; ++k) {
        v[k] = T(l + s * uniform01(w[k]));
        if (s > 0 && v[k] > most) v[k] = T(most);
      }
    });
  });
}

const RegisterKernel register_uniform(uniform_op, [](const Step& step) -> std::unique_ptr<Kernel> {
  const int64_t n = step.out[0].shape.numel(), grain = cpu_tuning().thread_random_blocks;
  const bool single = step.out[0].dtype == DType::f32;
  if (step.out[0].dtype == DType::f16) return make_narrow_uniform<float16>(step);
  if (step.out[0].dtype == DType::bf16) return make_narrow_uniform<bfloat16>(step);
  return make_kernel([=](const void* const* in, void* const* out) {
    const double low = read_real(in[2], step.in[2].dtype),
                 high = read_real(in[3], step.in[3].dtype), span = high - low;
    if (single) {
      // Rounding may reach `high` from below; the interval is half open.
      const float l = static_cast<float>(low), s = static_cast<float>(span),
                  below = std::nextafter(static_cast<float>(high), l);
      fill<float, 4>(
          static_cast<float*>(out[0]), n, grain, Seed(step, in), [&](const auto& w, float* v) {
            for (size_t k = 0; k < 4; ++k)
              v[k] = s > 0 ? std::min(l + s * uniform01(w[k]), below) : l + s * uniform01(w[k]);
          });
    } else {
      const double below = std::nextafter(high, low);
      fill<double, 2>(
          static_cast<double*>(out[0]), n, grain, Seed(step, in), [&](const auto& w, double* v) {
            for (size_t k = 0; k < 2; ++k)
              v[k] = span > 0 ? std::min(low + span * uniform01(w[2 * k], w[2 * k + 1]), below)
                              : low + span * uniform01(w[2 * k], w[2 * k + 1]);
          });
    }
  });
});

const RegisterKernel register_normal(normal_op, [](const Step& step) -> std::unique_ptr<Kernel> {
  const int64_t n = step.out[0].shape.numel(), grain = cpu_tuning().thread_random_blocks;
  if (step.out[0].dtype != DType::f32 && step.out[0].dtype != DType::f64) return nullptr;
  const bool single = step.out[0].dtype == DType::f32;
  return make_kernel([=](const void* const* in, void* const* out) {
    const double mean = read_real(in[2], step.in[2].dtype),
                 std_dev = read_real(in[3], step.in[3].dtype);
    // Box and Muller 1958; 1 − u is never 0. Computed in f64 so that devices agree within the
    // stated 4 ulp.
    auto pair = [&](double u, double v, auto* to) {
      const double r = std::sqrt(-2 * std::log(1 - u)), angle = 2 * std::numbers::pi * v;
      using T = std::remove_reference_t<decltype(*to)>;
      to[0] = static_cast<T>(mean + std_dev * r * std::cos(angle));
      to[1] = static_cast<T>(mean + std_dev * r * std::sin(angle));
    };
    if (single)
      fill<float, 4>(static_cast<float*>(out[0]), n, grain, Seed(step, in),
                     [&](const auto& w, float* v) {
                       pair(uniform01(w[0]), uniform01(w[1]), v);
                       pair(uniform01(w[2]), uniform01(w[3]), v + 2);
                     });
    else
      fill<double, 2>(
          static_cast<double*>(out[0]), n, grain, Seed(step, in),
          [&](const auto& w, double* v) { pair(uniform01(w[0], w[1]), uniform01(w[2], w[3]), v); });
  });
});

/// Orders 0 … n-1 by random keys.
class Permutation final : public Kernel {
 public:
  explicit Permutation(const Step& step) : step_(step), n_(step.out[0].shape.numel()) {
    workspace_bytes = n_ * static_cast<int64_t>(sizeof(uint64_t));
  }
  void run(const void* const* in, void* const* out, void* workspace) override {
    auto* keys = static_cast<uint64_t*>(workspace);
    fill<uint64_t, 2>(keys, n_, grain_, Seed(step_, in), [](const auto& w, uint64_t* v) {
      v[0] = w[0] | uint64_t{w[1]} << 32;
      v[1] = w[2] | uint64_t{w[3]} << 32;
    });
    auto* y = static_cast<int64_t*>(out[0]);
    std::iota(y, y + n_, 0);
    // Equal keys keep their order. std::stable_sort would allocate.
    std::sort(y, y + n_,
              [&](int64_t a, int64_t b) { return keys[a] != keys[b] ? keys[a] < keys[b] : a < b; });
  }

 private:
  Step step_;
  int64_t n_, grain_ = cpu_tuning().thread_random_blocks;
};

const RegisterKernel register_permutation(randperm_op,
                                          [](const Step& step) -> std::unique_ptr<Kernel> {
                                            return std::make_unique<Permutation>(step);
                                          });

}  // namespace

}  // namespace suanli::cpu
