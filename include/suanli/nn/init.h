// SPDX-License-Identifier: Apache-2.0
// Initializers, under PyTorch's names. They set a parameter from this thread's default generator
// and record nothing for gradients.
#pragma once
#include "suanli/tensor.h"

namespace suanli::nn::init {

enum class Nonlinearity : uint8_t { linear, sigmoid, tanh, relu, leaky_relu, selu };
/// The factor by which a nonlinearity asks weights to be larger. `slope` is that of leaky_relu.
SUANLI_API double calculate_gain(Nonlinearity nonlinearity, double slope = 0.01);

SUANLI_API void uniform_(const Parameter& p, double low = 0, double high = 1);
SUANLI_API void normal_(const Parameter& p, double mean = 0, double std = 1);
/// Normal, but drawn from within [low, high].
SUANLI_API void trunc_normal_(const Parameter& p, double mean = 0, double std = 1, double low = -2,
                              double high = 2);
SUANLI_API void constant_(const Parameter& p, double value);
inline void ones_(const Parameter& p) { constant_(p, 1); }
inline void zeros_(const Parameter& p) { constant_(p, 0); }
/// A matrix with ones in its diagonal, else zeros.
SUANLI_API void eye_(const Parameter& p);
/// Weights of a convolution, [out, in/groups, …], that keep as many channels as they can.
SUANLI_API void dirac_(const Parameter& p, int64_t groups = 1);

/// Uniform in ±gain·√(6/(fan_in + fan_out)) (Glorot & Bengio 2010). Fans are of weights [out, in,
/// …]: their sizes times those of the other axes.
SUANLI_API void xavier_uniform_(const Parameter& p, double gain = 1);
SUANLI_API void xavier_normal_(const Parameter& p, double gain = 1);

enum class FanMode : uint8_t { fan_in, fan_out };
struct KaimingOptions {
  double a = 0;  ///< The slope of leaky_relu.
  FanMode mode = FanMode::fan_in;
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;
};
/// Uniform in ±gain·√(3/fan) (He et al. 2015).
SUANLI_API void kaiming_uniform_(const Parameter& p, const KaimingOptions& options = {});
SUANLI_API void kaiming_normal_(const Parameter& p, const KaimingOptions& options = {});

/// A (semi-)orthogonal matrix of [first size, product of the others], times `gain` (Saxe et al.
/// 2013).
SUANLI_API void orthogonal_(const Parameter& p, double gain = 1);

}  // namespace suanli::nn::init
