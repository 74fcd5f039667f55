// SPDX-License-Identifier: Apache-2.0
// The three directions of a convolution: what its kernels on the CPU share.
#pragma once
#include <algorithm>
#include <memory>

#include "backends/cpu/fused/epilogue.h"
#include "ops/schema/attributes.h"
#include "runtime/step.h"

namespace suanli::cpu {

enum class Direction { forward, grad_input, grad_weight };

/// The block of a layout [N, C/b, H, W, b]; 0 for the plain [N, C, H, W].
inline int64_t block_of(const Shape& s) { return s.rank() == 5 ? s[4] : 0; }

struct Geometry {
  Geometry(const Shape& x, const Shape& weight, const Shape& y, const ConvAttr& options)
      : n(x[0]),
        c(x[1] * std::max<int64_t>(1, block_of(x))),
        h(x[2]),
        w(x[3]),
        o(weight[0]),
        r(weight[2]),
        s(weight[3]),
        p(y[2]),
        q(y[3]),
        x_block(block_of(x)),
        y_block(block_of(y)),
        attr(options) {}
  int64_t n, c, h, w, o, r, s, p, q;
  int64_t x_block, y_block;
  ConvAttr attr;

  int64_t x_size() const { return c * h * w; }  // of one sample
  int64_t y_size() const { return o * p * q; }
  int64_t depth() const { return c / attr.groups * r * s; }  // products per element of y
  int64_t w_size() const { return o * depth(); }
  /// True if every element of y reads one of x, at its own place.
  bool in_place() const { return r * s == 1 && attr.stride == 1 && attr.padding == 0; }
  double flops() const {
    return 2.0 * static_cast<double>(n * y_size()) * static_cast<double>(depth());
  }
};

/// Returns the number of threads for a number of tasks. Each gets at least 2 MFLOP: waking a core
/// costs as much as some ten microseconds of work.
int64_t conv_lanes(const Geometry& g, int64_t tasks);
/// Lanes whose weight gradients are added up, a function of the shape alone. More than four would
/// feed more threads, but every one costs another dw.
int64_t gradient_lanes(const Geometry& g);

/// The convolution by oneDNN in f32: y or dx in chunks of samples, y of one sample in slices of
/// channels, or dw. May throw ReferenceOnly.
std::unique_ptr<Kernel> make_conv_onednn(Direction direction, const Geometry& g, bool bias,
                                         bool constant_weights, Epilogue epilogue);
/// Products with the matrix of all windows. f32 or f64.
std::unique_ptr<Kernel> make_conv_products(Direction direction, DType dtype, const Geometry& g,
                                           bool bias, Epilogue epilogue);
/// One product of all samples: pictures of one pixel, and dw of more weights than pixels; null
/// where that does not pay. f32.
std::unique_ptr<Kernel> make_gathered(Direction direction, const Geometry& g, bool bias,
                                      bool constant_weights, const Epilogue& epilogue);
/// 1×1 with weights that stay; null where that does not apply. f32.
std::unique_ptr<Kernel> make_conv_1x1(const Geometry& g, bool bias, const Step& step);
/// True if make_direct() makes a kernel.
bool is_direct(Direction direction, const Geometry& g);
/// By the definition, y or dx from plain activations; null where that does not pay. f32.
std::unique_ptr<Kernel> make_direct(Direction direction, const Geometry& g, bool bias,
                                    bool constant_weights, const Epilogue& epilogue);
/// True if every input channel is a group.
inline bool is_depthwise(const Geometry& g) { return g.c > 1 && g.attr.groups == g.c; }
/// Where is_depthwise(). f32 or f64.
std::unique_ptr<Kernel> make_depthwise(Direction direction, DType dtype, const Geometry& g,
                                       bool bias, bool constant_weights, Epilogue epilogue);
/// The forward direction of it with weights that stay, and an epilogue in registers where there can
/// be one; null where the layout is another one. f32.
std::unique_ptr<Kernel> make_frozen_depthwise(const Geometry& g, bool bias, const Step& step);
/// 3×3 at stride 1 on blocked activations by Winograd's algorithm; null where that does not apply
/// or does not pay.
std::unique_ptr<Kernel> make_winograd(Direction direction, const Geometry& g, bool bias,
                                      bool constant_weights, const Epilogue& epilogue);

}  // namespace suanli::cpu
