// SPDX-License-Identifier: Apache-2.0
// Pooling of plain planes against its definition, and in blocks of channels against that: the same
// bits, ties, NaNs and padding included.
#include <limits>
#include <random>

#include "backends/instruction_set.h"
#include "backends/kernel_run.h"
#include "ops/schema/attributes.h"

namespace suanli::test {
namespace {

template <class T> std::vector<T> blocked(const std::vector<T>& plain, const Shape& s, int64_t b,
                                          bool into) {
  std::vector<T> out(plain.size());
  const int64_t pixels = s[2] * s[3];
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t c = 0; c < s[1]; ++c)
      for (int64_t i = 0; i < pixels; ++i) {
        const auto flat = static_cast<size_t>((n * s[1] + c) * pixels + i),
                   block = static_cast<size_t>(((n * s[1] / b + c / b) * pixels + i) * b + c % b);
        out[into ? block : flat] = plain[into ? flat : block];
      }
  return out;
}
Shape in_blocks(const Shape& s, int64_t b) {
  return b == 0 ? s : Shape{s[0], s[1] / b, s[2], s[3], b};
}

TEST(Pool, BlocksWhosePlacesNeedMoreThan32BitsStayPlain) {
  const int64_t block = cpu_backend().channel_block();
  if (block == 0) GTEST_SKIP() << "no blocks here";
  const MaxPoolAttr attr{2, 2, 0};
  for (int64_t side : {11580, 11600, 16400}) {  // 2³¹ lies between for blocks of 16, and of 8
    const Shape x{1, 16, side, side}, y{1, 16, side / 2, side / 2};
    const Step pool{
        max_pool2d_op.id(), &attr, {{DType::f32, x}}, {{DType::f32, y}, {DType::i32, y}}};
    const Step grad{
        max_pool2d_grad_op.id(), &attr, {{DType::f32, y}, {DType::i32, y}}, {{DType::f32, x}}};
    const uint32_t pooled = cpu_backend().blocked_operands(pool).in,
                   graded = cpu_backend().blocked_operands(grad).in;
    const bool fits = side * side * block <= INT32_MAX;
    EXPECT_EQ(pooled, fits ? 1u : 0u) << side;
    EXPECT_EQ(graded, fits ? 3u : 0u) << side;
  }
}

struct Pooled {
  std::vector<float> y;
  std::vector<int32_t> at;
  std::vector<float> dx;
};

/// Forward, then the gradient of g; b: channels of a block, 0 for plain buffers. The result is
/// plain.
Pooled run(const std::vector<float>& x, const std::vector<float>& g, const Shape& xs,
           const Shape& ys, const MaxPoolAttr& attr, int64_t b) {
  Pooled p{std::vector<float>(g.size()), std::vector<int32_t>(g.size()),
           std::vector<float>(x.size())};
  auto given = [&](const std::vector<float>& v, const Shape& s) {
    return b ? blocked(v, s, b, true) : v;
  };
  const auto xv = given(x, xs), gv = given(g, ys);
  const void* in[] = {xv.data()};
  void* out[] = {p.y.data(), p.at.data()};
  Step step{max_pool2d_op.id(),
            &attr,
            {{DType::f32, in_blocks(xs, b)}},
            {{DType::f32, in_blocks(ys, b)}, {DType::i32, in_blocks(ys, b)}}};
  cpu_backend().prepare(step)->run(in, out, nullptr);
  const void* gradient_in[] = {gv.data(), p.at.data()};
  void* gradient_out[] = {p.dx.data()};
  Step gradient{max_pool2d_grad_op.id(),
                &attr,
                {{DType::f32, in_blocks(ys, b)}, {DType::i32, in_blocks(ys, b)}},
                {{DType::f32, in_blocks(xs, b)}}};
  cpu_backend().prepare(gradient)->run(gradient_in, gradient_out, nullptr);
  if (b) {
    p.y = blocked(p.y, ys, b, false);
    p.at = blocked(p.at, ys, b, false);

    p.dx = blocked(p.dx, xs, b, false);
  }
  return p;
}

/// The largest elements alone, of plain planes.
std::vector<float> run_values(const Buffer<float>& x, const Shape& ys, const MaxPoolAttr& attr) {
  std::vector<float> y(static_cast<size_t>(ys.numel()));
  const void* in[] = {x.values.data()};
  void* out[] = {y.data(), nullptr};
  Step step{
      max_pool2d_op.id(), &attr, {{DType::f32, x.shape}}, {{DType::f32, ys}, {DType::i32, ys}}};
  cpu_backend().prepare(step)->run(in, out, nullptr);
  return y;
}

// No op asks for it; a window without rows is still no reason to read in front of a plane.
TEST(MeanPool, WindowsOfPaddingAloneAreZeros) {
  const MeanPoolAttr attr{2, 1, 1, {1, 5}};
  const Buffer<float> x{{1, 1, 0, 4}, {}};
  EXPECT_EQ(run_kernel<float>("mean_pool2d", &attr, {&x}, {1, 1, 1, 5}),
            std::vector<float>(5, 0.0f));
}

/// By the definition: the first of the largest elements, or the first NaN.
Pooled defined(const std::vector<float>& x, const Shape& xs, const Shape& ys,
               const MaxPoolAttr& attr) {
  Pooled p;
  for (int64_t plane = 0; plane < ys[0] * ys[1]; ++plane)
    for (int64_t i = 0; i < ys[2]; ++i)
      for (int64_t j = 0; j < ys[3]; ++j) {
        int64_t best = -1;
        float largest = 0;
        for (int64_t k = 0; k < attr.kernel_size[0]; ++k)
          for (int64_t l = 0; l < attr.kernel_size[1]; ++l) {
            const int64_t r = i * attr.stride[0] - attr.padding[0] + k * attr.dilation[0],
                          c = j * attr.stride[1] - attr.padding[1] + l * attr.dilation[1];
            if (r < 0 || r >= xs[2] || c < 0 || c >= xs[3]) continue;
            const float v = x[static_cast<size_t>((plane * xs[2] + r) * xs[3] + c)];
            if (best < 0 || v > largest || (std::isnan(v) && !std::isnan(largest))) {
              largest = v;
              best = r * xs[3] + c;
            }
          }
        p.y.push_back(largest);
        p.at.push_back(static_cast<int32_t>(best));
      }
  return p;
}

TEST(Pool, PlanesFollowTheDefinitionWithEveryInstructionSet) {
  std::mt19937 random(11);
  auto between = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  };
  for (int round = 0; round < 120; ++round) {
    const MaxPoolAttr attr{static_cast<int32_t>(between(1, 4)), static_cast<int32_t>(between(1, 3)),
                           round % 4 == 0 ? 1 : 0};
    if (attr.padding[0] >= attr.kernel_size[0]) continue;
    const Shape xs{between(1, 2), between(1, 5), attr.kernel_size[0] + between(0, 9),
                   attr.kernel_size[0] + between(0, 70)};
    const Shape ys{xs[0], xs[1],
                   (xs[2] + 2 * attr.padding[0] - attr.kernel_size[0]) / attr.stride[0] + 1,
                   (xs[3] + 2 * attr.padding[0] - attr.kernel_size[0]) / attr.stride[0] + 1};
    SCOPED_TRACE(str(xs, " → ", ys, ", kernel ", attr.kernel_size[0], ", stride ", attr.stride[0]));
    auto x = random_buffer<float>(xs, 1).values;
    for (size_t i = 0; i < x.size(); i += 5) x[i] = i % 2 ? 0.0f : -0.0f;  // ties of both signs
    for (size_t i = 1; i < x.size(); i += 3) x[i] = 0.0f;
    for (size_t i = 3; i < x.size(); i += 41) x[i] = std::numeric_limits<float>::quiet_NaN();
    for (size_t i = 4; i < x.size(); i += 53) x[i] = -std::numeric_limits<float>::infinity();
    const auto g = random_buffer<float>(ys, 2).values;
    const Pooled want = defined(x, xs, ys, attr);
    std::vector<double> dx(x.size());
    const size_t plane_y = static_cast<size_t>(ys[2] * ys[3]),
                 plane_x = static_cast<size_t>(xs[2] * xs[3]);
    for (size_t i = 0; i < g.size(); ++i)
      dx[i / plane_y * plane_x + static_cast<size_t>(want.at[i])] += static_cast<double>(g[i]);
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
      const InstructionSet only(target);
      SCOPED_TRACE(hwy::TargetName(target));
      for (int threads : {1, 2, 3, 4, 5}) {
        PoolThreads pool(threads);
        const Pooled got = run(x, g, xs, ys, attr, 0);
        EXPECT_EQ(std::memcmp(got.y.data(), want.y.data(), got.y.size() * 4), 0);
        EXPECT_EQ(got.at, want.at);
        for (size_t i = 0; i < dx.size(); ++i) ASSERT_NEAR(got.dx[i], dx[i], 1e-5) << i;
      }
      // where nobody wants the positions
      const Buffer<float> input{xs, x};
      const auto values = run_values(input, ys, attr);
      EXPECT_EQ(std::memcmp(values.data(), want.y.data(), values.size() * 4), 0);
    }
  }
}

TEST(Pool, BlocksGiveTheBitsOfPlanes) {
  struct Case {
    int64_t n, c, h, w;
    MaxPoolAttr attr;
  };
  for (const Case& c :
       {Case{3, 32, 9, 8, {2, 2, 0}}, Case{2, 16, 11, 7, {3, 2, 1}}, Case{1, 48, 5, 5, {3, 1, 1}},
        Case{2, 16, 4, 4, {4, 4, 0}}, Case{5, 32, 26, 26, {2, 2, 0}}}) {
    const Shape xs{c.n, c.c, c.h, c.w};
    const Shape ys{c.n, c.c,
                   (c.h + 2 * c.attr.padding[0] - c.attr.kernel_size[0]) / c.attr.stride[0] + 1,
                   (c.w + 2 * c.attr.padding[0] - c.attr.kernel_size[0]) / c.attr.stride[0] + 1};
    auto x = random_buffer<float>(xs, 1).values;
    const auto g = random_buffer<float>(ys, 2).values;
    for (size_t i = 0; i < x.size(); i += 7) x[i] = 0.5f;  // ties
    for (size_t i = 3; i < x.size(); i += 41) x[i] = std::numeric_limits<float>::quiet_NaN();
    for (size_t i = 5; i < x.size(); i += 53) x[i] = -std::numeric_limits<float>::infinity();
    const Pooled plain = run(x, g, xs, ys, c.attr, 0);
    for (int64_t b : {8, 16}) {
      const Pooled p = run(x, g, xs, ys, c.attr, b);
      EXPECT_EQ(std::memcmp(p.y.data(), plain.y.data(), p.y.size() * 4), 0) << b;
      EXPECT_EQ(p.at, plain.at) << b;
      EXPECT_EQ(p.dx, plain.dx) << b;
    }
  }
}

}  // namespace
}  // namespace suanli::test
