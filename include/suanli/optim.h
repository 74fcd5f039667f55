// Optimisers. step() records the updates of all parameters that have a gradient as one program, and runs it.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "suanli/nn.h"

namespace suanli::optim {

/// Base of the optimisers. `lr` may be changed between steps; it is a scalar slot, so no new program results.
class SUANLI_API Optimizer {
 public:
  explicit Optimizer(std::vector<Parameter> parameters, double lr);
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;

  /// Updates every parameter that has a gradient and requires one, consumes these gradients, and flushes. A parameter without a
  /// gradient is skipped, its step count too. With no gradient at all it flushes and warns once.
  void step();
  /// Drops all gradients of its parameters.
  void zero_grad();

  /// From now on these parameters learn with lr times `factor`, as a group of PyTorch's with a learning rate of its own.
  void scale_lr(const std::vector<Parameter>& parameters, double factor);

  double lr;
  bool keep_grads = false;  ///< Leaves gradients in place after step().

  /// State under "name.key" for checkpoints, in the order of the parameters ("0.exp_avg", "0.step"); scalars as i64 0-d tensors.
  std::vector<std::pair<std::string, Tensor>> state_dict();
  /// Throws InputError listing missing, unexpected and misshapen entries; nothing is changed then.
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Of the state that is there: of every parameter that was stepped once.
  int64_t state_bytes() const;

 protected:
  struct Slot {
    Parameter parameter;
    std::vector<Parameter> state;  // one per state_names(), made at the first step of this parameter
    Parameter count;               // host counter of steps
    double lr_factor = 1;
    int64_t steps() const;
    void set_steps(int64_t n);
  };
  virtual std::vector<std::string> state_names() const = 0;
  /// Records the update of one parameter at its step-th step (from 1 on) and write()s what becomes of it and its state.
  virtual void update(Slot& slot, const Tensor& gradient, int64_t step) = 0;
  /// Notes a new value. All are set together once every update is recorded, so that a step is all or nothing however long it is.
  void write(const Parameter& place, Tensor value) { writes_.emplace_back(place, std::move(value)); }

 private:
  void make_state();
  std::vector<Parameter> parameters_;
  std::vector<Slot> slots_;
  std::vector<std::pair<Parameter, Tensor>> writes_;
};

struct SGDOptions {
  double lr = 0.01, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;
};
/// Stochastic gradient descent as in PyTorch: v ← μ v + (1−τ) g (v ← g the first time), w ← w − lr v; g includes weight_decay·w.
class SUANLI_API SGD : public Optimizer {
 public:
  SGD(std::vector<Parameter> parameters, SGDOptions options);
  SGDOptions options;

 protected:
  std::vector<std::string> state_names() const override;
  void update(Slot& slot, const Tensor& gradient, int64_t step) override;
};

struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
};
/// Adam (Kingma & Ba 2015), bias-corrected, in PyTorch's form: w ← w − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + eps).
class SUANLI_API Adam : public Optimizer {
 public:
  Adam(std::vector<Parameter> parameters, AdamOptions options = {});
  AdamOptions options;

 protected:
  std::vector<std::string> state_names() const override;
  void update(Slot& slot, const Tensor& gradient, int64_t step) override;
  /// What a step at learning rate `rate` is taken from.
  virtual Tensor decayed(const Tensor& w, [[maybe_unused]] double rate) const { return w; }
};

struct AdamWOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;
};
/// Adam with decoupled weight decay (Loshchilov & Hutter 2019) in PyTorch's form: w ← w·(1 − lr·weight_decay), then Adam's step without
/// weight decay in the gradient.
class SUANLI_API AdamW : public Adam {
 public:
  AdamW(std::vector<Parameter> parameters, AdamWOptions options = {});

 protected:
  Tensor decayed(const Tensor& w, double rate) const override;

 private:
  double weight_decay_;
};

/// Scales all gradients so that their joint 2-norm is at most max_norm; returns the norm before, [] f32, without reading it.
SUANLI_API Tensor clip_grad_norm_(const std::vector<Parameter>& parameters, double max_norm);

}  // namespace suanli::optim
