// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <string_view>

#include "backends/conv/conv_run.h"
#include "backends/instruction_set.h"
#include "support/tunings.h"

namespace suanli::test {
namespace {

/// Operands of plain layout, and what the definition gives for them.
template <class T> struct Plain {
  explicit Plain(const Case& c)
      : c(c),
        x(random_buffer<T>(c.x(), 1)),
        w(random_buffer<T>(c.weight(), 2)),
        b(random_buffer<T>({c.o}, 3)),
        g(random_buffer<T>(c.y(), 4)),
        want(definition(c, x, w, b, g)) {}
  const Case& c;
  Buffer<T> x, w, b, g;
  Definition want;
};

template <class T> void check(const Plain<T>& in) {
  const Case& c = in.c;
  SCOPED_TRACE(std::string(c.what) + (sizeof(T) == 8 ? ", f64" : ", f32"));
  const double outputs = static_cast<double>(c.o / c.attr.groups);
  std::vector<double> without_bias = in.want.y;
  for (size_t k = 0; k < without_bias.size(); ++k)
    without_bias[k] -=
        in.b.values[k / static_cast<size_t>(c.p() * c.q()) % static_cast<size_t>(c.o)];
  expect_near(run_kernel<T>("conv2d", &c.attr, {&in.x, &in.w}, c.y()), without_bias, c.depth());
  expect_near(run_kernel<T>("conv2d_grad_input", &c.attr, {&in.g, &in.w}, c.x()), in.want.dx,
              outputs * static_cast<double>(c.r * c.s));
  expect_near(run_kernel<T>("conv2d_grad_weight", &c.attr, {&in.x, &in.g}, c.weight()), in.want.dw,
              static_cast<double>(c.n * c.p() * c.q()));
  expect_near(run_kernel<T>("conv2d", &c.attr, {&in.x, &in.w, &in.b}, c.y()), in.want.y,
              c.depth() + 1);
}

/// Operands in blocks of channels, and what the definition gives for them.
struct Blocked {
  explicit Blocked(const Case& c) : in(c), want(definition(c, in.x, in.w, in.bias, in.g)) {}
  InBlocks in;
  Definition want;
};

void check(const Blocked& blocked) {
  const auto& [in, want] = blocked;
  const Case& c = in.c;
  SCOPED_TRACE(c.what);
  const auto got = in.results();
  // Against the spread of a sum of n products of numbers in (−1, 1), √n/3: the transforms'
  // rounding is of that size.
  auto near = [](const std::vector<float>& a, const std::vector<double>& want, double products) {
    double worst = 0;
    for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(a[i] - want[i]));
    EXPECT_LE(worst, 2e-5 * std::sqrt(products) / 3);
    return worst / (std::sqrt(products) / 3);
  };
  const double a = near(got[0], want.y, c.depth()),
               b = near(got[1], want.dx, static_cast<double>(c.o * c.r * c.s)),
               d = near(got[2], want.dw, static_cast<double>(c.n * c.p() * c.q()));
  std::printf("%-18s %.1e %.1e %.1e\n", c.what, a, b, d);
}

TEST(Conv, InBlocksEqualsTheSum) {
  PoolThreads two(2);
  for (const Case& c : blocked_cases) check(Blocked(c));
}

TEST(Conv, BitsInBlocksDoNotDependOnTheThreads) {
  for (const Case& c : blocked_cases) {
    SCOPED_TRACE(c.what);
    const InBlocks in(c);
    std::vector<std::vector<float>> results[3];
    int i = 0;
    for (int threads : {1, 2, 5}) {
      PoolThreads pool(threads);
      results[i++] = in.results();
    }
    EXPECT_TRUE(results[0] == results[1] && results[0] == results[2]);
  }
}

/// With weights that stay, and so are packed, the bits are those that the kernel gives without.
void check_packed(const char* op, const Case& c, const Buffer<float>& from, const Buffer<float>& w,
                  const Shape& to) {
  Step step{find_op(op)->id(),
            &c.attr,
            {{DType::f32, from.shape}, {DType::f32, w.shape}},
            {{DType::f32, to}}};
  const auto want = run_step<float>(step, {from.values.data(), w.values.data()})[0];
  step.constant = 2;
  const auto kernel = cpu_backend().prepare(step);
  if (kernel->packing.input < 0) return;
  std::vector<std::byte> memory(static_cast<size_t>(kernel->workspace_bytes) + 64),
      packed(static_cast<size_t>(kernel->packing.bytes) + 64);
  auto aligned = [](std::vector<std::byte>& bytes) {
    void* p = bytes.data();
    size_t space = bytes.size();
    return std::align(64, 1, p, space);
  };
  std::vector<float> got(want.size());
  kernel->pack(w.values.data(), aligned(packed));
  const void* inputs[] = {from.values.data(), aligned(packed)};
  void* outputs[] = {got.data()};
  kernel->run(inputs, outputs, aligned(memory));
  EXPECT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)), 0) << op;
}

TEST(Conv, PackedWeightsGiveTheSameBits) {
  for (const Case& c : cases) {
    if (c.x().numel() == 0 || c.weight().numel() == 0 || c.y().numel() == 0) continue;
    SCOPED_TRACE(c.what);
    const auto x = random_buffer<float>(c.x(), 1), w = random_buffer<float>(c.weight(), 2),
               g = random_buffer<float>(c.y(), 4);
    check_packed("conv2d", c, x, w, c.y());
    check_packed("conv2d_grad_input", c, g, w, c.x());
  }
  for (const Case& c : blocked_cases) {
    SCOPED_TRACE(c.what);
    const InBlocks in(c);
    const Buffer<float> x = in.x_in ? relaid(in.x, c.x(), in.b, true) : in.x,
                        g = in.y_in ? relaid(in.g, c.y(), in.b, true) : in.g;
    check_packed("conv2d", c, x, in.w, g.shape);
    check_packed("conv2d_grad_input", c, g, in.w, x.shape);
  }
}

TEST(Conv, EpiloguesAddNoError) {
  for (const Case& c : cases) {
    if (c.x().numel() == 0 || c.weight().numel() == 0 || c.y().numel() == 0) continue;
    SCOPED_TRACE(c.what);
    const auto x = random_buffer<float>(c.x(), 1), w = random_buffer<float>(c.weight(), 2);
    const auto b = random_buffer<float>({c.o}, 3), g = random_buffer<float>(c.y(), 4);
    check_epilogue("conv2d", &c.attr, {&x, &w, &b}, c.y(), 1);
    check_epilogue("conv2d", &c.attr, {&x, &w}, c.y(), 3);
    check_epilogue("conv2d_grad_input", &c.attr, {&g, &w}, c.x(), 2);
  }
  for (const Case& c : blocked_cases) {
    SCOPED_TRACE(c.what);
    const InBlocks in(c);
    const Buffer<float> x = in.x_in ? relaid(in.x, c.x(), in.b, true) : in.x,
                        g = in.y_in ? relaid(in.g, c.y(), in.b, true) : in.g;
    check_epilogue("conv2d", &c.attr, {&x, &in.w, &in.bias}, g.shape, 2);
    check_epilogue("conv2d_grad_input", &c.attr, {&g, &in.w}, x.shape, 2);
  }
}

TEST(Conv, EqualsTheSum) {
  PoolThreads two(2);
  for (const Case& c : cases) {
    check(Plain<float>(c));
    check(Plain<double>(c));
  }
}

bool is_called(const Case& c, std::string_view what) {
  return std::string_view(c.what).starts_with(what);
}

// Those of our own kernels of plain activations, which each instruction set cuts into other tiles.
TEST(Conv, EqualsTheSumWithEveryInstructionSet) {
  PoolThreads two(2);
  std::vector<Plain<float>> plain;
  for (const Case& c : cases)
    if (is_called(c, "few channels")) plain.emplace_back(c);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    const InstructionSet only(target);
    SCOPED_TRACE(hwy::TargetName(target));
    for (const Plain<float>& in : plain) check(in);
    for (const Case& c : blocked_cases)  // the instruction set decides the size of a block
      if (is_called(c, "picture")) check(Blocked(c));
  }
}

TEST(Conv, ResultsPastTheCachesHaveTheSameBits) {
  PoolThreads two(2);
  cpu::CpuTuning no_last_cache = cpu::cpu_tuning();
  no_last_cache.last_cache_bytes = 0;
  for (const Case& c : cases) {
    if (!is_called(c, "few channels")) continue;
    SCOPED_TRACE(c.what);
    const auto x = random_buffer<float>(c.x(), 1), w = random_buffer<float>(c.weight(), 2),
               b = random_buffer<float>({c.o}, 3);
    const auto want = run_kernel<float>("conv2d", &c.attr, {&x, &w, &b}, c.y());
    const InTuning tuning(no_last_cache);
    EXPECT_EQ(run_kernel<float>("conv2d", &c.attr, {&x, &w, &b}, c.y()), want);
    check_epilogue("conv2d", &c.attr, {&x, &w, &b}, c.y(), 3);
  }
  for (const Case& c : blocked_cases) {
    if (!is_called(c, "picture")) continue;
    SCOPED_TRACE(c.what);
    const InBlocks in(c);
    const auto want = in.results();
    const InTuning tuning(no_last_cache);
    EXPECT_EQ(in.results(), want);
    const Shape y = in.y_in ? blocked(c.y(), in.b) : c.y();
    check_epilogue("conv2d", &c.attr, {&in.x, &in.w, &in.bias}, y, 3);
  }
}

template <class T> void check_bits(const Case& c) {
  SCOPED_TRACE(std::string(c.what) + (sizeof(T) == 8 ? ", f64" : ", f32"));
  const auto x = random_buffer<T>(c.x(), 1), w = random_buffer<T>(c.weight(), 2);
  const auto b = random_buffer<T>({c.o}, 3), g = random_buffer<T>(c.y(), 4);
  std::vector<T> results[3];
  for (int threads : {1, 2, 3, 7}) {
    PoolThreads pool(threads);
    std::vector<T> now[] = {run_kernel<T>("conv2d", &c.attr, {&x, &w, &b}, c.y()),
                            run_kernel<T>("conv2d_grad_input", &c.attr, {&g, &w}, c.x()),
                            run_kernel<T>("conv2d_grad_weight", &c.attr, {&x, &g}, c.weight())};
    for (int i = 0; i < 3; ++i) {
      if (threads == 1) results[i] = now[i];
      EXPECT_TRUE(results[i].empty() ||
                  std::memcmp(results[i].data(), now[i].data(), now[i].size() * sizeof(T)) == 0)
          << threads << " threads, result " << i;
    }
  }
}

TEST(Conv, BitsDoNotDependOnTheThreads) {
  for (const Case& c : cases) {
    check_bits<float>(c);
    check_bits<double>(c);
  }
  const Case larger[] = {
      {"b 1", 64, 1, 28, 28, 32, 3, 3, {1, 0, 1, 1}},
      {"b 2", 64, 32, 13, 13, 64, 3, 3, {1, 0, 1, 1}},
      {"picture", 16, 3, 32, 32, 64, 3, 3, {1, 1, 1, 1}},
      {"wide", 16, 512, 4, 4, 512, 3, 3, {1, 1, 1, 1}},
      {"1x1", 16, 256, 14, 14, 64, 1, 1, {1, 0, 1, 1}},
      {"stride", 16, 64, 32, 32, 128, 3, 3, {2, 1, 1, 1}},
      {"1x1 stride", 16, 64, 32, 32, 128, 1, 1, {2, 0, 1, 1}},
      {"one, wide", 1, 512, 7, 7, 512, 3, 3, {1, 1, 1, 1}},
      {"one, 1x1", 1, 1024, 14, 14, 256, 1, 1, {1, 0, 1, 1}},
      {"one, odd", 1, 20, 40, 40, 96, 5, 5, {1, 0, 1, 1}},
  };
  for (const Case& c : larger) check_bits<float>(c);
}

}  // namespace
}  // namespace suanli::test
