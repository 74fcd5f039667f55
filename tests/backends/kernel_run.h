// SPDX-License-Identifier: Apache-2.0
// Runs one op on plain buffers, as an executor would, and checks what every kernel has to keep.
#pragma once
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/threads/thread_pool.h"
#include "ops/op.h"
#include "ops/schema/pointwise.h"
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
  explicit PoolThreads(int threads) : pool_(threads), use_(pool_) {}

 private:
  ThreadPool pool_;
  ThreadPool::Use use_;
};

/// The results of a step that computes in T. Fails the test if the kernel writes beyond its
/// workspace or results, reads what nobody wrote (both are NaN before), gives other bits the second
/// time, or leaves the caller another OpenMP setting.
template <class T> std::vector<std::vector<T>> run_step(const Step& step,
                                                        const std::vector<const void*>& inputs) {
  constexpr int kOmpThreads = 3;
  omp_set_num_threads(kOmpThreads);
  std::unique_ptr<Kernel> kernel = cpu_backend().prepare(step);
  EXPECT_EQ(omp_get_max_threads(), kOmpThreads) << "after prepare";
  constexpr size_t kGuard = 4096;
  const size_t bytes = static_cast<size_t>(kernel->workspace_bytes);
  std::vector<unsigned char> memory(bytes + 2 * kGuard + 64, 0xFF);
  void* aligned = memory.data() + kGuard;
  size_t space = bytes + 64;
  std::align(64, bytes, aligned, space);
  std::vector<std::vector<T>> first, results;
  for (int run = 0; run < 2; ++run) {
    memory.assign(memory.size(), 0xFF);
    results.clear();
    std::vector<void*> outputs;
    for (const ValueDesc& d : step.out) {
      results.emplace_back(static_cast<size_t>(d.shape.numel()) + 64,
                           std::numeric_limits<T>::quiet_NaN());
      outputs.push_back(results.back().data() + 32);
    }
    kernel->run(inputs.data(), outputs.data(), aligned);
    for (std::vector<T>& r : results) {
      for (size_t i = 0; i < 32; ++i)
        EXPECT_TRUE(std::isnan(r[i]) && std::isnan(r[r.size() - 1 - i]))
            << "written outside of the result";
      r = std::vector<T>(r.begin() + 32, r.end() - 32);
    }
    if (run == 0) first = results;
  }
  EXPECT_EQ(omp_get_max_threads(), kOmpThreads) << "after run";
  const unsigned char* begin = static_cast<const unsigned char*>(aligned);
  bool kept = true;
  for (const unsigned char* p = memory.data(); p < begin; ++p) kept = kept && *p == 0xFF;
  for (const unsigned char* p = begin + bytes; p < memory.data() + memory.size(); ++p)
    kept = kept && *p == 0xFF;
  EXPECT_TRUE(kept) << "written outside of the workspace";
  for (size_t k = 0; k < first.size(); ++k)
    EXPECT_TRUE(first[k].empty() ||
                std::memcmp(first[k].data(), results[k].data(), first[k].size() * sizeof(T)) == 0)
        << "another result the second time";
  return results;
}

/// The result of `op` on operands that are all of its dtype.
template <class T> std::vector<T> run_kernel(const char* op, const void* attr,
                                             const std::vector<const Buffer<T>*>& in,
                                             const Shape& out) {
  Step step{find_op(op)->id(), attr, {}, {{dtype_of<T>, out}}};
  std::vector<const void*> inputs;
  for (const Buffer<T>* b : in) {
    step.in.push_back({dtype_of<T>, b->shape});
    inputs.push_back(b->values.data());
  }
  return run_step<T>(step, inputs)[0];
}

/// Runs `op` (in f32) with an epilogue, its result kept or not, on this many threads, and compares
/// with what the op alone gives: every bit.
inline void check_epilogue(const char* op, const void* attr,
                           const std::vector<const Buffer<float>*>& in, const Shape& out,
                           int threads) {
  const auto row = [](PointwiseOp op) { return static_cast<int16_t>(op); };
  const Buffer<float> residual = random_buffer<float>(out, 8),
                      number = random_buffer<float>({1}, 9), scale = random_buffer<float>({1}, 7);
  const std::vector<float> alone = run_kernel<float>(op, attr, in, out);
  PoolThreads pool(threads);
  // With a residual of its size no result may lie over the op's own; else the last one may, which
  // reads that as it is written.
  for (const auto& [keeps, other] :
       {std::pair(false, &residual), std::pair(true, &residual), std::pair(false, &number)}) {
    Step step{find_op(op)->id(), attr, {}, {}};
    std::vector<const void*> inputs;
    for (const Buffer<float>* b : in) {
      step.in.push_back({DType::f32, b->shape});
      inputs.push_back(b->values.data());
    }
    ASSERT_TRUE(cpu_backend().takes_epilogue({step.op, attr, step.in, {{DType::f32, out}}}));
    Expr expr;  // 0: the op's result, 1: other, 2: scale
    expr.code = {{row(PointwiseOp::mul), -1, 2, DType::f32, DType::f32, {0, 2}},
                 {row(PointwiseOp::add), -1, 2, DType::f32, DType::f32, {3, 1}},
                 {row(PointwiseOp::relu), -1, 1, DType::f32, DType::f32, {4}},
                 {row(PointwiseOp::sub), -1, 2, DType::f32, DType::f32, {5, 0}}};
    expr.results = {4, 6};
    expr.space = out;
    expr.own_inputs = static_cast<int>(in.size());
    expr.keeps = keeps;

    expr.own_result = {DType::f32, out};
    for (const Buffer<float>* b : {other, &scale}) {
      step.in.push_back({DType::f32, b->shape});
      inputs.push_back(b->values.data());
    }
    step.out.assign(keeps ? 3 : 2, {DType::f32, out});
    step.expr = &expr;
    const auto results = run_step<float>(step, inputs);
    if (keeps) { ASSERT_EQ(results[0], alone); }
    for (size_t i = 0; i < alone.size(); ++i) {
      const float scaled = alone[i] * scale.values[0],
                  sum = scaled + other->values[other == &residual ? i : 0];
      ASSERT_EQ(results[keeps + 0][i], sum) << "element " << i;
      ASSERT_EQ(results[keeps + 1][i], (sum > 0 ? sum : 0) - alone[i]) << "element " << i;
    }
  }
}

/// `scale` is how large the sum of the absolute values of one element's products may be.
template <class T> void expect_near(const std::vector<T>& result,
                                    const std::vector<double>& expected, double scale) {
  const double tolerance = (sizeof(T) == 8 ? 1e-14 : 1e-6) * std::max(1.0, scale);
  ASSERT_EQ(result.size(), expected.size());
  for (size_t i = 0; i < result.size(); ++i)
    ASSERT_NEAR(static_cast<double>(result[i]), expected[i], tolerance) << "element " << i;
}

}  // namespace suanli::test
