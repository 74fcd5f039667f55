// SPDX-License-Identifier: Apache-2.0
// The choice of a convolution's kernel. It follows from the shape alone, and so do the bits of its
// result: they do not depend on the number of threads.
#include <algorithm>
#include <cstring>

#include "backends/cpu/conv/conv.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/numerics.h"
#include "backends/cpu/onednn/onednn.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"
#include "base/text/text.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {

int64_t gradient_lanes(const Geometry& g) {
  return std::max<int64_t>(
      1, std::min({Numerics::gradient_lanes, g.n / Numerics::gradient_lane_samples,
                   static_cast<int64_t>(g.flops() / Numerics::gradient_lane_flops)}));
}

int64_t conv_lanes(const Geometry& g, int64_t tasks) {
  return std::max<int64_t>(
      1, std::min<int64_t>(
             {tasks, pool_threads(),
              static_cast<int64_t>(g.flops() / static_cast<double>(cpu_tuning().thread_flops))}));
}

namespace {

/// Where no product has a factor, or nothing is to be computed: zeros, or the bias.
class NoProducts final : public Kernel {
 public:
  NoProducts(const ValueDesc& out, bool bias)
      : shape_(out.shape), size_(itemsize(out.dtype)), bias_(bias) {}
  void run(const void* const* in, void* const* out, void*) override {
    if (shape_.numel() == 0) return;
    if (!bias_) {
      std::memset(out[0], 0, static_cast<size_t>(shape_.numel() * size_));
      return;
    }
    const int64_t pixels = shape_[2] * shape_[3];
    for (int64_t i = 0; i < shape_.numel(); ++i)
      std::memcpy(at(out[0], i * size_), at(in[2], i / pixels % shape_[1] * size_),
                  static_cast<size_t>(size_));
  }

 private:
  Shape shape_;
  int64_t size_;
  bool bias_;
};

/// Depthwise convolutions that oneDNN's own kernels do at least as fast as ours. In blocks they
/// read activations where they lie and skip the padding; results of a stride it makes slower, and
/// large weight gradients not at all.
bool onednn_has_depthwise(Direction direction, const Geometry& g) {
  if (g.x_block == 0 || g.y_block == 0 || g.attr.dilation != 1) return false;
  switch (direction) {
    case Direction::forward: return true;
    case Direction::grad_input: return g.attr.stride == 1;
    case Direction::grad_weight: break;
  }
  return std::max(g.r, g.s) <= Numerics::depthwise_onednn_kernel;
}

/// 1×1 convolutions of which the larger side, at least, is plain: a sample is a factor of a product
/// as it lies, where oneDNN works in blocks that are made before and unmade behind it. Few pixels
/// are too narrow for our products.
bool is_product_of_samples(const Geometry& g) {
  if (!g.in_place() || g.attr.groups != 1 || g.p * g.q < Numerics::conv_product_pixels)
    return false;
  if (g.x_block && g.y_block) return false;
  return g.x_block ? g.c < g.o : g.y_block ? g.o < g.c : true;
}

std::unique_ptr<Kernel> make(Direction direction, const Step& whole) {
  const Step step = whole.alone();
  const DType dtype = step.out[0].dtype;
  if (dtype != DType::f32 && dtype != DType::f64) return nullptr;
  for (const ValueDesc& v : step.in)
    if (v.dtype != dtype) return nullptr;
  const Shape& result = step.out[0].shape;
  const Shape& x = direction == Direction::grad_input ? result : step.in[0].shape;
  const Shape& w = direction == Direction::grad_weight ? result : step.in[1].shape;
  const Shape& y = direction == Direction::forward
                       ? result
                       : step.in[direction == Direction::grad_weight ? 1 : 0].shape;
  const bool bias = direction == Direction::forward && step.in.size() > 2;
  if (x.numel() == 0 || w.numel() == 0 || y.numel() == 0)
    return std::make_unique<NoProducts>(step.out[0], bias);
  const Geometry g(x, w, y, *static_cast<const ConvAttr*>(step.attr));
  const bool constant_weights = step.constant >> 1 & 1;
  Epilogue epilogue(whole);
  const bool frozen = direction == Direction::forward && dtype == DType::f32 && constant_weights;
  if (frozen && is_depthwise(g))
    if (auto kernel = make_frozen_depthwise(g, bias, whole)) return kernel;
  if (is_depthwise(g) && (dtype == DType::f64 || !onednn_has_depthwise(direction, g)))
    return make_depthwise(direction, dtype, g, bias, constant_weights, std::move(epilogue));
  if (dtype == DType::f64)
    return make_conv_products(direction, dtype, g, bias, std::move(epilogue));
  if (auto kernel = make_winograd(direction, g, bias, constant_weights, epilogue)) return kernel;
  if (auto kernel = make_gathered(direction, g, bias, constant_weights, epilogue)) return kernel;
  if (frozen)
    if (auto kernel = make_conv_1x1(g, bias, whole)) return kernel;
  if (auto kernel = make_direct(direction, g, bias, constant_weights, epilogue)) return kernel;
  if (is_product_of_samples(g))
    return make_conv_products(direction, dtype, g, bias, std::move(epilogue));
  const int64_t held = counted_held();
  try {
    return make_conv_onednn(direction, g, bias, constant_weights, epilogue);
  } catch (const ReferenceOnly&) {
  } catch (const dnnl::error& e) {  // geometries that it does not describe go on
    if (e.status != dnnl_unimplemented && e.status != dnnl_invalid_arguments)
      throw InternalError(
          Fault{.op = "conv2d", .given = str("oneDNN refuses ", x, " with ", w, ": ", e.what())});
  }
  count_held(held - counted_held());  // primitives that were made before are gone
  if (is_depthwise(g))
    return make_depthwise(direction, dtype, g, bias, constant_weights, std::move(epilogue));
  return make_conv_products(direction, dtype, g, bias, std::move(epilogue));
}

/// Each operand as it comes, if its channels fill whole blocks; with groups only where every
/// channel is one (depthwise).
BlockedOperands blocked(const Step& step, int64_t block, size_t x, size_t w, size_t y) {
  auto shape = [&](size_t i) { return i < step.in.size() ? step.in[i].shape : step.out[0].shape; };
  const Shape& weight = shape(w);
  const int64_t groups = static_cast<const ConvAttr*>(step.attr)->groups, in = weight[1] * groups,
                out = weight[0];
  if (step.out[0].dtype != DType::f32 || shape(x).numel() == 0 || shape(y).numel() == 0 ||
      weight.numel() == 0)
    return {};
  if (groups != 1 && (in != groups || out != groups)) return {};
  BlockedOperands b;
  for (auto [operand, channels] : {std::pair(x, in), std::pair(y, out)})
    if (channels % block == 0)
      (operand < step.in.size() ? b.in : b.out) |= 1u << (operand < step.in.size() ? operand : 0);
  return b;
}
constexpr size_t kResult = SIZE_MAX;
const RegisterBlocked forward_blocked(conv2d_op, [](const Step& s, int64_t b) {
  BlockedOperands operands = blocked(s, b, 0, 1, kResult);
  if (operands.in != 0 || operands.out == 0) return operands;
  // A picture's results that come either way at the same price: whoever reads them decides.
  const Shape &y = s.out[0].shape, in_blocks{y[0], y[1] / b, y[2], y[3], b};
  const auto direct = [&](const Shape& shape) {
    return is_direct(Direction::forward,
                     {s.in[0].shape, s.in[1].shape, shape, *static_cast<const ConvAttr*>(s.attr)});
  };
  operands.together = direct(y) && direct(in_blocks);
  return operands;
});
const RegisterBlocked grad_input_blocked(conv2d_grad_input_op, [](const Step& s, int64_t b) {
  return blocked(s, b, kResult, 1, 0);
});
const RegisterBlocked grad_weight_blocked(conv2d_grad_weight_op, [](const Step& s, int64_t b) {
  return blocked(s, b, 0, kResult, 1);
});

bool takes_epilogue(const Step& s) {
  auto usable = [](const ValueDesc& v) { return v.dtype == DType::f32 && v.shape.numel() > 0; };
  return usable(s.out[0]) && std::all_of(s.in.begin(), s.in.end(), usable);
}
const RegisterEpilogue forward_epilogue(conv2d_op, takes_epilogue);
const RegisterEpilogue grad_input_epilogue(conv2d_grad_input_op, takes_epilogue);

const RegisterKernel forward_kernel(conv2d_op,
                                    [](const Step& s) { return make(Direction::forward, s); });
const RegisterKernel grad_input_kernel(conv2d_grad_input_op, [](const Step& s) {
  return make(Direction::grad_input, s);
});
const RegisterKernel grad_weight_kernel(conv2d_grad_weight_op, [](const Step& s) {
  return make(Direction::grad_weight, s);
});

}  // namespace
}  // namespace suanli::cpu
