// SPDX-License-Identifier: Apache-2.0
// Convolutions in blocks of channels with weights that stay: their packed weights, and epilogues in
// registers.
#include <cmath>

#include "backends/conv/conv_run.h"

namespace suanli::test {
namespace {

using Floats = std::vector<float>;

// Pixels that tiles fill and do not fill, fewer than a tile has, several strips, output channels in
// odd numbers of blocks.
const Case frozen_cases[] = {
    {"one tile", 2, 16, 7, 2, 32, 1, 1, {1, 0, 1, 1}},
    {"tiles overlap", 3, 32, 5, 5, 48, 1, 1, {1, 0, 1, 1}},
    {"less than a tile", 2, 48, 1, 3, 16, 1, 1, {1, 0, 1, 1}},
    {"few pixels, many channels", 1, 96, 7, 7, 320, 1, 1, {1, 0, 1, 1}},
    {"strips", 2, 16, 31, 23, 96, 1, 1, {1, 0, 1, 1}},
    {"deep", 1, 640, 9, 10, 16, 1, 1, {1, 0, 1, 1}},
    {"plain input", 2, 24, 9, 13, 64, 1, 1, {1, 0, 1, 1}},
    {"plain result", 2, 48, 9, 13, 24, 1, 1, {1, 0, 1, 1}},
    {"plain result, strips", 1, 96, 20, 19, 88, 1, 1, {1, 0, 1, 1}},
    {"plain, both", 2, 72, 7, 9, 40, 1, 1, {1, 0, 1, 1}},
    {"depthwise, plain", 2, 40, 13, 11, 40, 3, 3, {1, 1, 1, 40}},
    {"depthwise", 2, 32, 13, 11, 32, 3, 3, {1, 1, 1, 32}},
    {"depthwise, stride 2", 3, 48, 15, 14, 48, 5, 5, {2, 2, 1, 48}},
    {"depthwise, strips", 1, 16, 90, 70, 16, 3, 3, {1, 1, 1, 16}},
    {"depthwise, small", 4, 64, 3, 3, 64, 3, 3, {1, 1, 1, 64}},
};

/// Ops behind a convolution: of the table of pointwise ops, and what they take.
struct Op {
  PointwiseOp op;
  enum Operand { none, channel, beside } operand = none;
  bool first = false;
};

/// A convolution whose weights are constant, with the ops as its epilogue.
class Frozen {
 public:
  Frozen(const Case& c, std::vector<Op> ops) : c_(c), ops_(std::move(ops)) {
    const int64_t b = cpu_backend().channel_block();
    x_ = random_buffer<float>(c.x(), 1);
    if (c.c % b == 0) x_ = relaid(x_, c.x(), b, true);
    w_ = random_buffer<float>(c.weight(), 2);
    out_ = c.o % b == 0 ? blocked(c.y(), b) : c.y();
    const Shape per_channel = c.o % b == 0 ? Shape{c.o / b, 1, 1, b} : Shape{c.o, 1, 1};
    for (size_t k = 0; k < ops_.size(); ++k)
      operands_.push_back(ops_[k].operand == Op::none ? Buffer<float>{}
                          : ops_[k].operand == Op::channel
                              ? random_buffer<float>(per_channel, 10 + k)
                              : random_buffer<float>(out_, 10 + k));
  }
  Buffer<float>& x() { return x_; }

  /// Plain, as the kernel computes it; `in_place`: over the operand of this op.
  Floats run(int in_place = -1) {
    Step step{conv2d_op.id(), &c_.attr, {}, {{DType::f32, out_}}, nullptr, 2};
    std::vector<const void*> in;
    auto add = [&](const Buffer<float>& b) {
      step.in.push_back({DType::f32, b.shape});
      in.push_back(b.values.data());
    };
    add(x_);
    add(w_);
    Expr e;
    e.space = out_;
    e.own_inputs = 2;
    e.own_result = {DType::f32, out_};
    size_t inputs = 1;
    for (const Op& op : ops_) inputs += op.operand != Op::none;
    uint8_t next = 1, value = 0;
    for (size_t k = 0; k < ops_.size(); ++k) {
      Expr::Instruction code{
          static_cast<int16_t>(ops_[k].op), -1, 1, DType::f32, DType::f32, {value}};
      if (ops_[k].operand != Op::none) {
        code.operands = 2;
        code.operand[1] = next++;
        if (ops_[k].first) std::swap(code.operand[0], code.operand[1]);
        add(operands_[k]);
      }
      e.code.push_back(code);
      value = static_cast<uint8_t>(inputs + k);
    }
    e.results = {value};
    if (!ops_.empty()) step.expr = &e;
    const std::unique_ptr<Kernel> kernel = cpu_backend().prepare(step);
    std::vector<float> packed(static_cast<size_t>(kernel->packing.bytes) / 4 + 1);
    if (kernel->packing.input >= 0) {
      EXPECT_EQ(kernel->packing.input, 1);
      kernel->pack(w_.values.data(), packed.data());
      in[1] = packed.data();
    }
    Floats y(static_cast<size_t>(out_.numel()), NAN);
    if (in_place >= 0) {
      y = operands_[static_cast<size_t>(in_place)].values;
      for (const void*& p : in)
        if (p == operands_[static_cast<size_t>(in_place)].values.data()) p = y.data();
    }
    std::vector<std::byte> workspace(static_cast<size_t>(kernel->workspace_bytes) + 64);
    void* aligned = workspace.data();
    size_t space = workspace.size();
    std::align(64, static_cast<size_t>(kernel->workspace_bytes), aligned, space);
    void* const out[] = {y.data()};
    kernel->run(in.data(), out, aligned);
    return y;
  }

  /// The ops one after the other in scalar code, on what the convolution alone gives.
  Floats expected() {
    Floats y = Frozen(*this, {}).run();
    const auto b = static_cast<size_t>(
                   c_.o % cpu_backend().channel_block() == 0 ? cpu_backend().channel_block() : 1),
               pixels = static_cast<size_t>(c_.p() * c_.q()), channels = static_cast<size_t>(c_.o);
    for (size_t i = 0; i < y.size(); ++i)
      for (size_t k = 0; k < ops_.size(); ++k) {
        const size_t channel = i / (pixels * b) % (channels / b) * b + i % b;
        const float other = ops_[k].operand == Op::none      ? 0
                            : ops_[k].operand == Op::channel ? operands_[k].values[channel]
                                                             : operands_[k].values[i];
        y[i] = apply(ops_[k], y[i], other);
      }
    return y;
  }

 private:
  Frozen(const Frozen& of, std::vector<Op> ops)
      : c_(of.c_), ops_(std::move(ops)), x_(of.x_), w_(of.w_), out_(of.out_) {}
  static float larger(float a, float b) { return std::isnan(a) || a > b ? a : b; }
  static float smaller(float a, float b) { return std::isnan(a) || a < b ? a : b; }
  static float apply(const Op& op, float v, float other) {
    switch (op.op) {
      case PointwiseOp::add: return v + other;
      case PointwiseOp::sub: return op.first ? other - v : v - other;
      case PointwiseOp::mul: return v * other;
      case PointwiseOp::relu: return larger(v, 0);
      case PointwiseOp::relu6: return smaller(larger(v, 0), 6);
      case PointwiseOp::hardswish: return v * (smaller(larger(v + 3, 0), 6) / 6);
      case PointwiseOp::abs: return std::fabs(v);
      default: ADD_FAILURE() << "no such op"; return 0;
    }
  }

  const Case& c_;
  std::vector<Op> ops_;
  Buffer<float> x_, w_;
  Shape out_;
  std::vector<Buffer<float>> operands_;
};

bool blocks_of_16() { return cpu_backend().channel_block() == 16; }

// Frozen batch normalization with what may follow; the last one is not done in registers.
const std::vector<Op> chains[] = {
    {},
    {{PointwiseOp::sub, Op::channel},
     {PointwiseOp::mul, Op::channel},
     {PointwiseOp::add, Op::channel}},
    {{PointwiseOp::sub, Op::channel},
     {PointwiseOp::mul, Op::channel},
     {PointwiseOp::add, Op::channel},
     {PointwiseOp::relu6}},
    {{PointwiseOp::mul, Op::channel}, {PointwiseOp::hardswish}},
    {{PointwiseOp::sub, Op::channel, true}, {PointwiseOp::add, Op::beside}, {PointwiseOp::relu}},
    {{PointwiseOp::relu}, {PointwiseOp::add, Op::beside, true}},
    {{PointwiseOp::mul, Op::channel}, {PointwiseOp::abs}},
};

TEST(FrozenConvolution, EqualsTheSum) {
  if (!blocks_of_16()) GTEST_SKIP() << "no blocks of 16 channels on this machine";
  for (const Case& c : frozen_cases) {
    SCOPED_TRACE(c.what);
    const auto x = random_buffer<float>(c.x(), 1), w = random_buffer<float>(c.weight(), 2);
    std::vector<double> want(static_cast<size_t>(c.y().numel()));
    for_products(c, [&](size_t i, size_t j, size_t k) {
      want[k] += static_cast<double>(x.values[i]) * static_cast<double>(w.values[j]);
    });
    Floats y = Frozen(c, {}).run();
    if (c.o % 16 == 0) y = relaid({blocked(c.y(), 16), y}, c.y(), 16, false).values;
    expect_near(y, want, c.depth());
  }
}

TEST(FrozenConvolution, EpiloguesGiveTheBitsOfTheirOps) {
  if (!blocks_of_16()) GTEST_SKIP() << "no blocks of 16 channels on this machine";
  for (const Case& c : frozen_cases)
    for (const auto& chain : chains) {
      SCOPED_TRACE(c.what);
      Frozen frozen(c, chain);
      const Floats want = frozen.expected();
      ASSERT_EQ(frozen.run(), want) << chain.size() << " ops";
      for (size_t k = 0; k < chain.size(); ++k)
        if (chain[k].operand == Op::beside) {
          ASSERT_EQ(frozen.run(static_cast<int>(k)), want) << "over what it reads";
        }
    }
}

TEST(FrozenConvolution, BitsDoNotDependOnTheThreads) {
  if (!blocks_of_16()) GTEST_SKIP() << "no blocks of 16 channels on this machine";
  for (const Case& c : frozen_cases) {
    SCOPED_TRACE(c.what);
    Frozen frozen(c, chains[2]);
    Floats first;
    for (int threads : {1, 2, 3, 5}) {
      PoolThreads pool(threads);
      const Floats y = frozen.run();
      if (threads == 1) first = y;
      ASSERT_EQ(y, first) << threads;
    }
  }
}

TEST(FrozenConvolution, NaNsComeThroughActivations) {
  if (!blocks_of_16()) GTEST_SKIP() << "no blocks of 16 channels on this machine";
  for (PointwiseOp op : {PointwiseOp::relu, PointwiseOp::relu6, PointwiseOp::hardswish}) {
    Frozen frozen(frozen_cases[0], {{op}});
    frozen.x().values[5] = NAN;  // a channel of pixel 0 of the first sample
    const Floats y = frozen.run();
    for (size_t o = 0; o < 16; ++o) {
      EXPECT_TRUE(std::isnan(y[o]));
      EXPECT_FALSE(std::isnan(y[16 + o]));
    }
  }
}

}  // namespace
}  // namespace suanli::test
