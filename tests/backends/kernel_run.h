// Runs one op on plain buffers, as an executor would, and checks what every kernel has to keep.
#pragma once
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/thread_pool.h"
#include "ops/op.h"
#include "runtime/backend.h"

namespace suanli::test {

template <class T> struct Buffer {
  Shape shape;
  std::vector<T> values;
};

/// Values in (-1, 1) with all bits of the mantissa in use.
template <class T> Buffer<T> random_buffer(const Shape& shape, uint64_t seed) {
  Buffer<T> b{shape, std::vector<T>(static_cast<size_t>(shape.numel()))};
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (T& v : b.values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    v = static_cast<T>(static_cast<double>(static_cast<int64_t>(state)) * 0x1p-63);
  }
  return b;
}

class PoolThreads {
 public:
  explicit PoolThreads(int threads) : before_(pool_threads()) { set_pool_threads(threads); }
  ~PoolThreads() { set_pool_threads(before_); }

 private:
  int before_;
};

/// The result of `op`. Fails the test if the kernel writes beyond its workspace or result, reads what nobody wrote (both are NaN
/// before), gives other bits the second time, or leaves the caller another OpenMP setting.
template <class T> std::vector<T> run_kernel(const char* op, const void* attr, const std::vector<const Buffer<T>*>& in, const Shape& out) {
  Step step{op_id(op), attr, {}, {{dtype_of<T>, out}}};
  std::vector<const void*> inputs;
  for (const Buffer<T>* b : in) {
    step.in.push_back({dtype_of<T>, b->shape});
    inputs.push_back(b->values.data());
  }
  constexpr int kOmpThreads = 3;
  omp_set_num_threads(kOmpThreads);
  std::unique_ptr<Kernel> kernel = cpu_backend().prepare(step);
  EXPECT_EQ(omp_get_max_threads(), kOmpThreads) << "after prepare";
  constexpr size_t kGuard = 4096;
  const size_t bytes = static_cast<size_t>(kernel->workspace_bytes), n = static_cast<size_t>(out.numel());
  std::vector<unsigned char> memory(bytes + 2 * kGuard + 64, 0xFF);
  void* aligned = memory.data() + kGuard;
  size_t space = bytes + 64;
  std::align(64, bytes, aligned, space);
  std::vector<T> first, result;
  for (int run = 0; run < 2; ++run) {
    memory.assign(memory.size(), 0xFF);
    result.assign(n + 64, std::numeric_limits<T>::quiet_NaN());
    void* outputs[] = {result.data() + 32};
    kernel->run(inputs.data(), outputs, aligned);
    for (size_t i = 0; i < 32; ++i) EXPECT_TRUE(std::isnan(result[i]) && std::isnan(result[n + 32 + i])) << "written outside of the result";
    result = std::vector<T>(result.begin() + 32, result.begin() + 32 + static_cast<std::ptrdiff_t>(n));
    if (run == 0) first = result;
  }
  EXPECT_EQ(omp_get_max_threads(), kOmpThreads) << "after run";
  const unsigned char* begin = static_cast<const unsigned char*>(aligned);
  bool kept = true;
  for (const unsigned char* p = memory.data(); p < begin; ++p) kept = kept && *p == 0xFF;
  for (const unsigned char* p = begin + bytes; p < memory.data() + memory.size(); ++p) kept = kept && *p == 0xFF;
  EXPECT_TRUE(kept) << "written outside of the workspace";
  EXPECT_TRUE(n == 0 || std::memcmp(first.data(), result.data(), n * sizeof(T)) == 0) << "another result the second time";
  return result;
}

/// `scale` is how large the sum of the absolute values of one element's products may be.
template <class T> void expect_near(const std::vector<T>& result, const std::vector<double>& expected, double scale) {
  const double tolerance = (sizeof(T) == 8 ? 1e-14 : 1e-6) * std::max(1.0, scale);
  ASSERT_EQ(result.size(), expected.size());
  for (size_t i = 0; i < result.size(); ++i) ASSERT_NEAR(static_cast<double>(result[i]), expected[i], tolerance) << "element " << i;
}

}  // namespace suanli::test
