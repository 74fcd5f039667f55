// SPDX-License-Identifier: Apache-2.0
// Convolutions, pooling and padding as modules.
#pragma once
#include <array>

#include "suanli/nn/module.h"

namespace suanli::nn {

/// See conv2d(). weight [out, in/groups, R, S] and bias [out] are uniform in ±1/√(in/groups·R·S).
class SUANLI_API Conv2d : public Module {
 public:
  using Options = ConvOptions;
  Conv2d(int64_t in, int64_t out, IntPair kernel_size, const Options& options = {});
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "Conv2d"; }
  Parameter weight, bias;
  SUANLI_FIELDS(weight, bias)

 private:
  Options options_;
};
/// See conv1d(). weight [out, in/groups, K] and bias [out] are initialized as in Conv2d.
class SUANLI_API Conv1d : public Module {
 public:
  using Options = Conv1dOptions;
  Conv1d(int64_t in, int64_t out, int kernel_size, const Options& options = {});
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "Conv1d"; }
  Parameter weight, bias;
  SUANLI_FIELDS(weight, bias)

 private:
  Options options_;
};
/// See conv_transpose2d(). weight [in, out/groups, R, S] and bias [out] are uniform in
/// ±1/√(out/groups·R·S).
class SUANLI_API ConvTranspose2d : public Module {
 public:
  using Options = ConvTransposeOptions;
  ConvTranspose2d(int64_t in, int64_t out, IntPair kernel_size, const Options& options = {});
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "ConvTranspose2d"; }
  Parameter weight, bias;
  SUANLI_FIELDS(weight, bias)

 private:
  Options options_;
};
/// See conv_transpose1d(). weight [in, out/groups, K].
class SUANLI_API ConvTranspose1d : public Module {
 public:
  using Options = ConvTranspose1dOptions;
  ConvTranspose1d(int64_t in, int64_t out, int kernel_size, const Options& options = {});
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "ConvTranspose1d"; }
  Parameter weight, bias;
  SUANLI_FIELDS(weight, bias)

 private:
  Options options_;
};

// Pooling: a function as a module, under PyTorch's name, with the function's options. A kernel size
// alone stands for them.
#define SUANLI_POOL(Name, function, OptionsOf, Size)                        \
  class SUANLI_API Name : public Module {                                   \
   public:                                                                  \
    using Options = OptionsOf;                                              \
    explicit Name(Size kernel_size, Size stride = 0, Size padding = 0)      \
        : Name(Options{kernel_size, stride, padding}) {}                    \
    explicit Name(const Options& options) : options_(options) {}            \
    Tensor forward(const Tensor& x) const { return function(x, options_); } \
    const char* type_name() const override { return #Name; }                \
    SUANLI_CALL                                                             \
                                                                            \
   private:                                                                 \
    Options options_;                                                       \
  };
SUANLI_POOL(MaxPool2d, max_pool2d, MaxPoolOptions, IntPair)
SUANLI_POOL(MaxPool1d, max_pool1d, MaxPool1dOptions, int)
SUANLI_POOL(AvgPool2d, avg_pool2d, AvgPoolOptions, IntPair)
SUANLI_POOL(AvgPool1d, avg_pool1d, AvgPool1dOptions, int)
#undef SUANLI_POOL

/// See interpolate().
class SUANLI_API Upsample : public Module {
 public:
  using Options = InterpolateOptions;
  explicit Upsample(const Options& options) : options_(options) {}
  Tensor forward(const Tensor& x) const { return interpolate(x, options_); }
  const char* type_name() const override { return "Upsample"; }
  SUANLI_CALL

 private:
  Options options_;
};

// Modules that call a function with one number, or a pair.
#define SUANLI_WITH_SIZE(Name, function, Size)                           \
  class SUANLI_API Name : public Module {                                \
   public:                                                               \
    explicit Name(Size size) : size_(size) {}                            \
    Tensor forward(const Tensor& x) const { return function(x, size_); } \
    const char* type_name() const override { return #Name; }             \
    SUANLI_CALL                                                          \
                                                                         \
   private:                                                              \
    Size size_;                                                          \
  };
SUANLI_WITH_SIZE(AdaptiveAvgPool2d, adaptive_avg_pool2d, IntPair)
SUANLI_WITH_SIZE(AdaptiveAvgPool1d, adaptive_avg_pool1d, int)
SUANLI_WITH_SIZE(AdaptiveMaxPool2d, adaptive_max_pool2d, IntPair)
SUANLI_WITH_SIZE(AdaptiveMaxPool1d, adaptive_max_pool1d, int)
SUANLI_WITH_SIZE(PixelShuffle, pixel_shuffle, int)
SUANLI_WITH_SIZE(PixelUnshuffle, pixel_unshuffle, int)
#undef SUANLI_WITH_SIZE

/// pad() of height and width: {left, right, top, bottom}, or one number for all.
#define SUANLI_PAD(Name, mode)                                                       \
  class SUANLI_API Name : public Module {                                            \
   public:                                                                           \
    explicit Name(int64_t padding) : padding_{padding, padding, padding, padding} {} \
    explicit Name(const std::array<int64_t, 4>& padding) : padding_(padding) {}      \
    Tensor forward(const Tensor& x) const {                                          \
      return pad(x, {padding_.begin(), padding_.end()}, mode);                       \
    }                                                                                \
    const char* type_name() const override { return #Name; }                         \
    SUANLI_CALL                                                                      \
                                                                                     \
   private:                                                                          \
    std::array<int64_t, 4> padding_;                                                 \
  };
SUANLI_PAD(ZeroPad2d, PadMode::zeros)
SUANLI_PAD(ReflectionPad2d, PadMode::reflect)
SUANLI_PAD(ReplicationPad2d, PadMode::replicate)
SUANLI_PAD(CircularPad2d, PadMode::circular)
#undef SUANLI_PAD

}  // namespace suanli::nn
