// SPDX-License-Identifier: Apache-2.0
// Depthwise convolutions of random geometries against the definition, in all layouts, dtypes and
// instruction sets.
#include <random>

#include "backends/conv/conv_run.h"
#include "backends/instruction_set.h"

namespace suanli::test {
namespace {

/// Kernels up to 11×11, unequal ones too, strides beyond the kernel, dilations, tiny pictures, one
/// to three outputs per channel.
Case depthwise_case(std::mt19937& random) {
  auto between = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  };
  for (;;) {
    const int64_t block = std::max<int64_t>(1, cpu_backend().channel_block()),
                  multiplier = between(0, 3) == 0 ? between(2, 3) : 1;
    const int64_t c = std::max<int64_t>(2, between(0, 1) ? block * between(1, 3) : between(2, 40));
    const int64_t kernel = between(1, 11), other = between(0, 3) == 0 ? between(1, 11) : kernel;
    const int64_t h = between(1, 22), w = between(1, 22), n = between(1, 5);
    const auto stride = static_cast<int32_t>(between(1, 4)),
               dilation = static_cast<int32_t>(between(0, 2) == 0 ? between(2, 3) : 1);
    const auto padding =
        static_cast<int32_t>(between(0, 1) ? dilation * (kernel - 1) / 2 : between(0, 6));
    const Case result{"random", n,     c,
                      h,        w,     c * multiplier,
                      kernel,   other, {stride, padding, dilation, static_cast<int32_t>(c)}};
    auto fits = [&](int64_t size, int64_t taps) {
      return dilation * (taps - 1) + 1 <= size + 2 * padding;
    };
    if (fits(h, kernel) && fits(w, other)) return result;
  }
}

void check_plain(const Case& c, const Definition& want, auto number) {
  using T = decltype(number);
  const auto x = random_buffer<T>(c.x(), 1), w = random_buffer<T>(c.weight(), 2),
             b = random_buffer<T>({c.o}, 3), g = random_buffer<T>(c.y(), 4);
  const double taps = static_cast<double>(c.r * c.s), outputs = static_cast<double>(c.o / c.c);
  expect_near(run_kernel<T>("conv2d", &c.attr, {&x, &w, &b}, c.y()), want.y, taps + 1);
  expect_near(run_kernel<T>("conv2d_grad_input", &c.attr, {&g, &w}, c.x()), want.dx,
              taps * outputs);
  expect_near(run_kernel<T>("conv2d_grad_weight", &c.attr, {&x, &g}, c.weight()), want.dw,
              static_cast<double>(c.n * c.p() * c.q()));
}

void check_cases(int cases, uint32_t seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < cases; ++i) {
    const Case c = depthwise_case(random);
    SCOPED_TRACE(geometry(c));
    {
      const auto x = random_buffer<double>(c.x(), 1), w = random_buffer<double>(c.weight(), 2),
                 b = random_buffer<double>({c.o}, 3), g = random_buffer<double>(c.y(), 4);
      check_plain(c, definition(c, x, w, b, g), double{});
    }
    InBlocks in(c);
    const Definition want = definition(c, in.x, in.w, in.bias, in.g);
    check_plain(c, want, float{});
    if (c.c != c.o) continue;  // only every channel by itself may come in blocks
    // Both sides in blocks, or one.
    for (const auto& [x_in, y_in] :
         {std::pair(in.x_in, in.y_in), std::pair(in.x_in, false), std::pair(false, in.y_in)}) {
      in.x_in = x_in;
      in.y_in = y_in;
      const auto got = in.results();
      expect_near(got[0], want.y, static_cast<double>(c.r * c.s) + 1);
      expect_near(got[1], want.dx, static_cast<double>(c.r * c.s));
      expect_near(got[2], want.dw, static_cast<double>(c.n * c.p() * c.q()));
    }
  }
}

TEST(Depthwise, EqualsTheSum) { check_cases(150, 21); }

TEST(Depthwise, EqualsTheSumWithEveryInstructionSet) {
  for (int64_t target : {int64_t{HWY_SSE4}, int64_t{HWY_AVX2}})
    if ((hwy::SupportedTargets() & target) != 0) {
      SCOPED_TRACE(hwy::TargetName(target));
      const InstructionSet one(target);
      check_cases(60, 22);
    }
}

TEST(Depthwise, BitsDoNotDependOnTheThreads) {
  std::mt19937 random(23);
  for (int i = 0; i < 40; ++i) {
    Case c = depthwise_case(random);
    c.n *= 8;  // enough for several threads
    SCOPED_TRACE(geometry(c));
    const InBlocks in(c);
    const auto g = random_buffer<float>(c.y(), 4);
    std::vector<std::vector<float>> first;
    for (int threads : {1, 2, 3, 5}) {
      PoolThreads pool(threads);
      auto results = c.c == c.o ? in.results() : std::vector<std::vector<float>>{};
      results.push_back(run_kernel<float>("conv2d", &c.attr, {&in.x, &in.w}, c.y()));
      results.push_back(run_kernel<float>("conv2d_grad_input", &c.attr, {&g, &in.w}, c.x()));
      results.push_back(run_kernel<float>("conv2d_grad_weight", &c.attr, {&in.x, &g}, c.weight()));
      if (threads == 1) first = results;
      for (size_t k = 0; k < results.size(); ++k)
        EXPECT_EQ(std::memcmp(results[k].data(), first[k].data(), first[k].size() * sizeof(float)),
                  0)
            << "result " << k << " on " << threads << " threads";
    }
  }
}

TEST(Depthwise, EpiloguesAddNoError) {
  std::mt19937 random(24);
  std::vector<Case> all;
  for (int i = 0; i < 30; ++i) all.push_back(depthwise_case(random));
  all.push_back({"strips of rows", 2, 48, 120, 100, 48, 5, 5, {1, 2, 1, 48}});
  all.push_back({"strips of rows, stride 2", 2, 20, 130, 130, 20, 5, 5, {2, 2, 1, 20}});
  all.push_back({"many small pictures", 9, 80, 3, 3, 80, 5, 5, {1, 2, 1, 80}});
  for (const Case& c : all) {
    SCOPED_TRACE(geometry(c));
    const InBlocks in(c);
    check_epilogue("conv2d", &c.attr, {&in.x, &in.w, &in.bias}, c.y(), 3);
    check_epilogue("conv2d_grad_input", &c.attr, {&in.g, &in.w}, c.x(), 2);
    if (c.c != c.o || !in.x_in) continue;
    const Buffer<float> x = relaid(in.x, c.x(), in.b, true), g = relaid(in.g, c.y(), in.b, true);
    check_epilogue("conv2d", &c.attr, {&x, &in.w, &in.bias}, g.shape, 2);
    check_epilogue("conv2d_grad_input", &c.attr, {&g, &in.w}, x.shape, 2);
  }
}

TEST(Depthwise, PackedWeightsGiveTheSameBits) {
  std::mt19937 random(25);
  for (int i = 0; i < 20; ++i) {
    const Case c = depthwise_case(random);
    SCOPED_TRACE(geometry(c));
    const InBlocks in(c);
    for (const char* op : {"conv2d", "conv2d_grad_input"}) {
      const bool forward = std::string(op) == "conv2d";
      const Buffer<float>& from = forward ? in.x : in.g;
      Step step{find_op(op)->id(),
                &c.attr,
                {{DType::f32, from.shape}, {DType::f32, c.weight()}},
                {{DType::f32, forward ? c.y() : c.x()}}};
      const auto want = run_step<float>(step, {from.values.data(), in.w.values.data()})[0];
      step.constant = 2;
      const auto kernel = cpu_backend().prepare(step);
      ASSERT_EQ(kernel->packing.input, 1);
      std::vector<std::byte> workspace(static_cast<size_t>(kernel->workspace_bytes) + 64);
      void* aligned = workspace.data();
      size_t space = workspace.size();
      std::align(64, static_cast<size_t>(kernel->workspace_bytes), aligned, space);
      std::vector<float> packed(static_cast<size_t>(kernel->packing.bytes) / 4), got(want.size());
      kernel->pack(in.w.values.data(), packed.data());
      const void* inputs[] = {from.values.data(), packed.data()};
      void* outputs[] = {got.data()};
      kernel->run(inputs, outputs, aligned);
      EXPECT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)), 0) << op;
    }
  }
}

}  // namespace
}  // namespace suanli::test
