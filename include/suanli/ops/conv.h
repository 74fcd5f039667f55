// SPDX-License-Identifier: Apache-2.0
// Convolution, pooling and padding. Options of height and width are pairs; one number stands for
// both.
#pragma once
#include <optional>
#include <vector>

#include "suanli/tensor.h"

namespace suanli {

/// The elements that pad() puts around a tensor: one value (zeros, constant), its elements mirrored
/// at the first and the last one, these repeated, or the elements from the other end.
enum class PadMode : uint8_t { zeros, constant = zeros, reflect, replicate, circular };
/// x with `pad` elements in front of the last dimension and behind it, then in front of the one
/// before it and behind, and so on: {left, right, top, bottom}. Negative numbers crop. `value` is
/// that of PadMode::constant. Throws ShapeError where a dimension is too small for its mode.
SUANLI_API Tensor pad(const Tensor& x, const std::vector<int64_t>& pad,
                      PadMode mode = PadMode::constant, double value = 0);

/// Padding at both ends of height and width: elements, "valid" (none) or "same", which gives a
/// result of the input's size at stride 1.
class ConvPadding {
 public:
  template <class I> requires(std::is_integral_v<I>)
  ConvPadding(I both) : pixels_(both) {}
  template <class I, class J> ConvPadding(I height, J width) : pixels_(height, width) {}
  ConvPadding(IntPair pixels) : pixels_(pixels) {}
  SUANLI_API ConvPadding(const char* name);  ///< Throws ArgumentError for another name.
  bool same() const { return same_; }
  IntPair pixels() const { return pixels_; }

 private:
  IntPair pixels_;
  bool same_ = false;
};

/// `bias` is for modules: false leaves it out.
struct ConvOptions {
  IntPair stride = 1;
  ConvPadding padding = 0;
  IntPair dilation = 1;
  int groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::zeros;
};
/// 2-D convolution (cross-correlation, as in every framework):
/// y[n,o,p,q] = Σ_{c,r,s} x[n,c,p·stride+r·dilation−pad, q·stride+s·dilation−pad] · w[o,c,r,s] +
/// b[o].
/// x [N, C, H, W], w [O, C/groups, R, S], b [O] or undefined → [N, O, P, Q] with P = ⌊(H + 2·pad −
/// dilation·(R−1) − 1)/stride⌋ + 1. x may be [C, H, W]. f32, f64. Throws ShapeError if channels,
/// groups or kernel do not fit, ArgumentError for an option below its least value.
SUANLI_API Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& b = {},
                         const ConvOptions& options = {});

struct Conv1dOptions {
  int stride = 1;
  ConvPadding padding = 0;
  int dilation = 1, groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::zeros;
};
/// The same along one dimension: x [N, C, L] or [C, L], w [O, C/groups, K] → [N, O, M].
SUANLI_API Tensor conv1d(const Tensor& x, const Tensor& w, const Tensor& b = {},
                         const Conv1dOptions& options = {});

struct ConvTransposeOptions {
  IntPair stride = 1, padding = 0, output_padding = 0;
  int groups = 1;
  bool bias = true;  ///< As in ConvOptions.
  IntPair dilation = 1;
};
/// Transposed convolution, the gradient of conv2d() for its input: x [N, C, H, W] or [C, H, W], w
/// [C, O/groups, R, S], b [O] or undefined → [N, O, P, Q] with P = (H − 1)·stride − 2·padding +
/// dilation·(R − 1) + output_padding + 1.
SUANLI_API Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& b = {},
                                   const ConvTransposeOptions& options = {});
struct ConvTranspose1dOptions {
  int stride = 1, padding = 0, output_padding = 0, groups = 1;
  bool bias = true;
  int dilation = 1;
};
/// The same along one dimension: x [N, C, L] or [C, L], w [C, O/groups, K] → [N, O, M].
SUANLI_API Tensor conv_transpose1d(const Tensor& x, const Tensor& w, const Tensor& b = {},
                                   const ConvTranspose1dOptions& options = {});

// ---- pooling ------------------------------------------------------------------------------------
// x [N, C, H, W] or [C, H, W] → [N, C, P, Q], P = ⌊(H + 2·padding − dilation·(kernel_size − 1) −
// 1)/stride⌋ + 1. In ceil_mode the quotient is rounded up, but the last window begins in front of
// the padding. Functions of one dimension take x [N, C, L] or [C, L].
struct MaxPoolOptions {
  IntPair kernel_size = 2, stride = 0 /* 0: kernel_size */, padding = 0, dilation = 1;
  bool ceil_mode = false;
};
struct MaxPool1dOptions {
  int kernel_size = 2, stride = 0 /* 0: kernel_size */, padding = 0, dilation = 1;
  bool ceil_mode = false;
};
/// The largest element of each window; padding counts as −∞.
SUANLI_API Tensor max_pool2d(const Tensor& x, const MaxPoolOptions& options = {});
inline Tensor max_pool2d(const Tensor& x, int kernel_size) {
  return max_pool2d(x, MaxPoolOptions{.kernel_size = kernel_size});
}
SUANLI_API Tensor max_pool1d(const Tensor& x, const MaxPool1dOptions& options = {});

struct AvgPoolOptions {
  IntPair kernel_size = 2, stride = 0 /* 0: kernel_size */, padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;  ///< Zeros of the padding count.
  std::optional<int> divisor_override = {};  ///< Divides the sums, in place of the counts.
};
struct AvgPool1dOptions {
  int kernel_size = 2, stride = 0 /* 0: kernel_size */, padding = 0;
  bool ceil_mode = false, count_include_pad = true;
};
/// The mean of each window.
SUANLI_API Tensor avg_pool2d(const Tensor& x, const AvgPoolOptions& options = {});
inline Tensor avg_pool2d(const Tensor& x, int kernel_size) {
  return avg_pool2d(x, AvgPoolOptions{.kernel_size = kernel_size});
}
SUANLI_API Tensor avg_pool1d(const Tensor& x, const AvgPool1dOptions& options = {});

/// Element i of a height P is the mean (the largest element) of rows ⌊i·H/P⌋ to ⌈(i+1)·H/P⌉ − 1.
/// Columns are pooled the same way. A size of -1 keeps x's.
SUANLI_API Tensor adaptive_avg_pool2d(const Tensor& x, IntPair output_size);
SUANLI_API Tensor adaptive_avg_pool1d(const Tensor& x, int output_size);
SUANLI_API Tensor adaptive_max_pool2d(const Tensor& x, IntPair output_size);
SUANLI_API Tensor adaptive_max_pool1d(const Tensor& x, int output_size);

// ---- sizes of pictures --------------------------------------------------------------------------
enum class Interpolation : uint8_t { nearest, bilinear };
struct InterpolateOptions {
  std::optional<IntPair> size = {};  ///< Height and width of the result; or else scale_factor.
  std::optional<double> scale_factor = {};
  Interpolation mode = Interpolation::nearest;
  bool align_corners = false;  ///< For bilinear: the corners' centers stay where they are.
};
/// x [N, C, H, W] in another size: the nearest pixel in front, or a mean of four pixels weighted by
/// their distances.
SUANLI_API Tensor interpolate(const Tensor& x, const InterpolateOptions& options);
/// [N, C·r², H, W] → [N, C, H·r, W·r]: channel c·r² + i·r + j goes to pixels (h·r + i, w·r + j).
SUANLI_API Tensor pixel_shuffle(const Tensor& x, int upscale_factor);
/// The inverse of pixel_shuffle().
SUANLI_API Tensor pixel_unshuffle(const Tensor& x, int downscale_factor);

}  // namespace suanli
