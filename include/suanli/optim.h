// SPDX-License-Identifier: Apache-2.0
// Optimizers. step() records the updates of all parameters that have a gradient as one program, and
// runs it.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "suanli/nn.h"

namespace suanli::optim {

/// The base of the optimizers. `lr` and the options may be changed between steps. They are scalar
/// slots, so no new program results. Values out of range (negative, not finite, a beta of 1 or
/// more) throw ArgumentError, in the constructor and at the step that would use them.
class SUANLI_API Optimizer {
 public:
  explicit Optimizer(std::vector<Parameter> parameters, double lr);
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;

  /// Updates every parameter that has a gradient and requires one, consumes these gradients, and
  /// flushes. Skips parameters without a gradient; their step counts do not change. Without any
  /// gradient it flushes and warns once.
  void step();
  /// Drops all gradients of its parameters.
  void zero_grad();

  /// Multiplies lr and weight_decay of these parameters by factors, which are 1 at first. It
  /// replaces PyTorch's parameter groups. Throws ArgumentError for a parameter that is not in this
  /// optimizer.
  void scale(const std::vector<Parameter>& parameters, double lr_factor,
             double weight_decay_factor);

  double& lr;  ///< The learning rate. In the optimizers below, it is options.lr.
  bool keep_grads = false;  ///< Keeps gradients after step().

  /// State under "name.key" for checkpoints, in the order of the parameters ("0.exp_avg",
  /// "0.step"). Scalars are i64 0-d tensors.
  std::vector<std::pair<std::string, Tensor>> state_dict();
  /// Throws IoError with missing, unexpected and misshapen entries; then nothing is changed.
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// The bytes of existing state: that of every parameter that was updated at least once.
  int64_t state_bytes() const;

 protected:
  /// For an optimizer whose options hold the learning rate. They live as long as the optimizer.
  struct LrOption {
    double& lr;
  };
  Optimizer(std::vector<Parameter> parameters, LrOption lr);
  /// Throws ArgumentError if an option is out of range. Called before each step, and by
  /// constructors.
  virtual void check_options() const {}

  struct Slot {
    Parameter parameter;
    // one per state_names(), made at the first step of this parameter
    std::vector<Parameter> state;
    Parameter count;  // step count, on the host
    double lr_factor = 1, weight_decay_factor = 1;
    int64_t steps() const;
    void set_steps(int64_t n);
  };
  virtual std::vector<std::string> state_names() const = 0;
  /// Records the update of one parameter at its step-th step (from 1), and calls write() with the
  /// new values of the parameter and its state.
  virtual void update(Slot& slot, const Tensor& gradient, int64_t step) = 0;
  double lr_of(const Slot& slot) const { return lr * slot.lr_factor; }
  /// Notes a new value. All new values are set together once every update is recorded. So a step of
  /// any length is done completely or not at all.
  void write(const Parameter& place, Tensor value) {
    writes_.emplace_back(place, std::move(value));
  }

 private:
  void make_state();
  void require_own_parameters() const;
  double own_lr_ = 0;  // holds lr if no option does
  std::vector<Parameter> parameters_;
  std::vector<Slot> slots_;
  std::vector<std::pair<Parameter, Tensor>> writes_;
};

struct SGDOptions {
  double lr = 0.01, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;
};
/// Stochastic gradient descent as in PyTorch: v ← μ v + (1−τ) g (v ← g the first time), w ← w − lr
/// v. g includes weight_decay·w.
class SUANLI_API SGD : public Optimizer {
 public:
  SGD(std::vector<Parameter> parameters, SGDOptions options);
  SGDOptions options;

 protected:
  void check_options() const override;
  std::vector<std::string> state_names() const override;
  void update(Slot& slot, const Tensor& gradient, int64_t step) override;
};

struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
};
/// Adam (Kingma & Ba 2015) with bias correction, in PyTorch's form: w ← w − lr/(1−β₁ᵗ) · m /
/// (√v/√(1−β₂ᵗ) + eps).
class SUANLI_API Adam : public Optimizer {
 public:
  Adam(std::vector<Parameter> parameters, AdamOptions options = {});
  AdamOptions options;

 protected:
  /// `decoupled`: weight decay shrinks the weight and is not added to the gradient.
  Adam(std::vector<Parameter> parameters, AdamOptions options, bool decoupled);
  void check_options() const override;
  std::vector<std::string> state_names() const override;
  void update(Slot& slot, const Tensor& gradient, int64_t step) override;

 private:
  bool decoupled_;
};

struct AdamWOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;
};
/// Adam with decoupled weight decay (Loshchilov & Hutter 2019) in PyTorch's form: w ← w·(1 −
/// lr·weight_decay), then Adam's step without weight decay in the gradient.
class SUANLI_API AdamW : public Adam {
 public:
  AdamW(std::vector<Parameter> parameters, AdamWOptions options = {});
};

/// Scales all gradients so that their joint 2-norm is at most max_norm. Returns the norm before
/// scaling, [] f32, without reading it.
SUANLI_API Tensor clip_grad_norm_(const std::vector<Parameter>& parameters, double max_norm);
/// Clamps every element of every gradient to −limit … limit.
SUANLI_API void clip_grad_value_(const std::vector<Parameter>& parameters, double limit);

/// The learning rate over a run of known length, as a factor of the optimizer's. It depends only on
/// step and length, so a resumed run needs no state for it.
struct SUANLI_API Schedule {
  enum class Shape : uint8_t { constant, cosine, linear, onecycle, step };
  Shape shape = Shape::constant;
  double warmup = 0;  ///< Fraction of the steps over which the factor rises to 1, in [0, 1).
  double start = 0.01;  ///< The factor at the start of the rise.
  double end = 0;  ///< The final factor of cosine, linear and onecycle.
  /// For step: fractions of the run after which the rate is multiplied by gamma.
  std::vector<double> milestones = {};
  double gamma = 0.1;

  /// The factor of step 0 … steps−1. With W = ⌊warmup · steps⌋, it is start + (1 − start)·t/W while
  /// t < W (PyTorch's LinearLR). After that, with u = (t − W)/(steps − W):
  /// - cosine: end + (1 − end)(1 + cos πu)/2 (CosineAnnealingLR)
  /// - linear: 1 + (end − 1)u
  /// - step: γ^(milestones passed) (MultiStepLR)
  /// onecycle (Smith & Topin 2019) is PyTorch's OneCycleLR: a cosine from start up to 1 until step
  /// warmup · steps − 1, and a cosine down to end at the last step. Throws ArgumentError if a
  /// number is negative or not finite, or warmup is not in [0, 1).
  double factor(int64_t step, int64_t steps) const;
};
/// Returns the schedule constant, cosine, linear, onecycle or step with its usual numbers. Throws
/// ArgumentError with the nearest name.
SUANLI_API Schedule schedule_from_name(const std::string& name);

/// The exponential moving average of a module's state (Polyak & Juditsky 1992). Float entries: avg
/// ← decay·avg + (1 − decay)·value. Other entries are copied. The average begins as the state at
/// construction.
class SUANLI_API WeightAverage {
 public:
  explicit WeightAverage(const nn::Module& module);
  /// Records the update and flushes. Call it after the optimizer's step. `decay` is in [0, 1].
  void update(double decay);
  /// Sets the module to the average, as Lookahead (Zhang et al. 2019) does every few steps.
  void copy_to_module();
  /// Exchanges the values of the module and of the average. A second call undoes it.
  void swap();
  /// The average, under the names of the module's state.
  std::vector<std::pair<std::string, Tensor>> state_dict();
  /// Throws IoError if the names differ from those of state_dict().
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);
  int64_t bytes() const;  ///< Bytes of the averages.

 private:
  struct Entry {
    std::string name;
    Parameter value, average;
  };
  void require_own_parameters() const;
  std::vector<Entry> entries_;
};

}  // namespace suanli::optim
