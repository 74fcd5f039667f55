// SPDX-License-Identifier: Apache-2.0
// Modules without parameters: activations, dropout, reshaping.
#pragma once
#include "suanli/nn/module.h"

namespace suanli::nn {

// Activations: a pointwise op as a module, under PyTorch's name.
#define SUANLI_ACTIVATION(Name, function)                         \
  class SUANLI_API Name : public Module {                         \
   public:                                                        \
    Tensor forward(const Tensor& x) const { return function(x); } \
    const char* type_name() const override { return #Name; }      \
    SUANLI_CALL                                                   \
  };
SUANLI_ACTIVATION(Identity, Tensor)
SUANLI_ACTIVATION(ReLU, relu)
SUANLI_ACTIVATION(ReLU6, relu6)
SUANLI_ACTIVATION(Tanh, tanh)
SUANLI_ACTIVATION(Sigmoid, sigmoid)
SUANLI_ACTIVATION(Softplus, softplus)
SUANLI_ACTIVATION(GELU, gelu)
SUANLI_ACTIVATION(SiLU, silu)
SUANLI_ACTIVATION(Hardsigmoid, hardsigmoid)
SUANLI_ACTIVATION(Hardswish, hardswish)
SUANLI_ACTIVATION(SELU, selu)
SUANLI_ACTIVATION(Mish, mish)
SUANLI_ACTIVATION(LogSigmoid, logsigmoid)
SUANLI_ACTIVATION(Softsign, softsign)
SUANLI_ACTIVATION(Tanhshrink, tanhshrink)
#undef SUANLI_ACTIVATION

// The same with a number.
#define SUANLI_ACTIVATION(Name, function, usual)                          \
  class SUANLI_API Name : public Module {                                 \
   public:                                                                \
    explicit Name(double value = usual) : value_(value) {}                \
    Tensor forward(const Tensor& x) const { return function(x, value_); } \
    const char* type_name() const override { return #Name; }              \
    SUANLI_CALL                                                           \
                                                                          \
   private:                                                               \
    double value_;                                                        \
  };
SUANLI_ACTIVATION(LeakyReLU, leaky_relu, 0.01)
SUANLI_ACTIVATION(ELU, elu, 1)
SUANLI_ACTIVATION(CELU, celu, 1)
SUANLI_ACTIVATION(Hardshrink, hardshrink, 0.5)
SUANLI_ACTIVATION(Softshrink, softshrink, 0.5)
#undef SUANLI_ACTIVATION

/// stochastic_depth() in training mode, the input itself in eval mode.
class SUANLI_API StochasticDepth : public Module {
 public:
  explicit StochasticDepth(double p) : p_(p) {}
  Tensor forward(const Tensor& x) const { return stochastic_depth(x, p_, training()); }
  const char* type_name() const override { return "StochasticDepth"; }
  SUANLI_CALL

 private:
  double p_;
};

/// dropout() in training mode, the input itself in eval mode.
class SUANLI_API Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5) : p_(p) {}
  Tensor forward(const Tensor& x) const { return dropout(x, p_, training()); }
  const char* type_name() const override { return "Dropout"; }
  SUANLI_CALL

 private:
  double p_;
};

/// softmax() along `dim`.
class SUANLI_API Softmax : public Module {
 public:
  explicit Softmax(int dim = -1) : dim_(dim) {}
  Tensor forward(const Tensor& x) const { return softmax(x, dim_); }
  const char* type_name() const override { return "Softmax"; }
  SUANLI_CALL

 private:
  int dim_;
};
/// log_softmax() along `dim`.
class SUANLI_API LogSoftmax : public Module {
 public:
  explicit LogSoftmax(int dim = -1) : dim_(dim) {}
  Tensor forward(const Tensor& x) const { return log_softmax(x, dim_); }
  const char* type_name() const override { return "LogSoftmax"; }
  SUANLI_CALL

 private:
  int dim_;
};

/// The base of Dropout1d and Dropout2d: drops complete channels of x [N, C, …] in training mode.
class SUANLI_API ChannelDropout : public Module {
 public:
  Tensor forward(const Tensor& x) const;
  SUANLI_CALL

 protected:
  /// Inputs of several samples have `rank` axes.
  ChannelDropout(const char* name, double p, int rank) : name_(name), p_(p), rank_(rank) {}

 private:
  const char* name_;
  double p_;
  int rank_;
};
/// For x [N, C, L] or [C, L].
class SUANLI_API Dropout1d : public ChannelDropout {
 public:
  explicit Dropout1d(double p = 0.5) : ChannelDropout("Dropout1d", p, 3) {}
  const char* type_name() const override { return "Dropout1d"; }
};
/// For x [N, C, H, W] or [C, H, W].
class SUANLI_API Dropout2d : public ChannelDropout {
 public:
  explicit Dropout2d(double p = 0.5) : ChannelDropout("Dropout2d", p, 4) {}
  const char* type_name() const override { return "Dropout2d"; }
};

/// Merges the dimensions from `start_dim` to `end_dim` into one. By default the batch remains.
class SUANLI_API Flatten : public Module {
 public:
  explicit Flatten(int start_dim = 1, int end_dim = -1) : start_(start_dim), end_(end_dim) {}
  Tensor forward(const Tensor& x) const { return flatten(x, start_, end_); }
  const char* type_name() const override { return "Flatten"; }
  SUANLI_CALL

 private:
  int start_, end_;
};
/// Splits dimension `dim` into several of the sizes `unflattened_size`, of which one may be -1.
class SUANLI_API Unflatten : public Module {
 public:
  Unflatten(int dim, const Shape& unflattened_size) : dim_(dim), size_(unflattened_size) {}
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "Unflatten"; }
  SUANLI_CALL

 private:
  int dim_;
  Shape size_;
};

}  // namespace suanli::nn
