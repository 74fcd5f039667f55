// SPDX-License-Identifier: Apache-2.0
// Gradients. Every op has a vjp (vector-Jacobian product) that records more ops. So gradients of
// any order are ordinary programs.
#pragma once
#include <functional>

#include "suanli/tensor.h"

namespace suanli {

struct BackwardOptions {
  bool retain_graph = false;  ///< Keep the graph for another backward().
  /// Record the gradients differentiably, for gradients of gradients. Implies retain_graph.
  bool create_graph = false;
};

/// Adds d(output)/d(leaf) to the gradient of every leaf: parameters that require one, and tensors
/// after requires_grad_(). `output` has one element, or `seed` of its shape gives the initial
/// gradient. Throws StateError if the output does not require grad, or if the graph was consumed.
SUANLI_API void backward(const Tensor& output, const Tensor& seed = {},
                         BackwardOptions options = {});

/// Gradients of Σ outputs (or of Σ outputs·seeds) with respect to `inputs`. An input is a
/// parameter's value read by the program (Tensor(parameter)) or any tensor of the graph. Changes no
/// gradient of a parameter. An input that the outputs do not depend on throws StateError. With
/// allow_unused its gradient is undefined instead.
SUANLI_API std::vector<Tensor> grad(const std::vector<Tensor>& outputs,
                                    const std::vector<Tensor>& inputs,
                                    const std::vector<Tensor>& seeds = {},
                                    BackwardOptions options = {}, bool allow_unused = false);

/// While it exists, nothing recorded on this thread requires grad.
class SUANLI_API NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;

 private:
  int before_;
};

/// While it exists, modules compute as in eval mode on this thread: Module::training() is false,
/// whatever train() set. Nothing recorded requires grad, as under NoGrad. It changes no module and
/// is invisible to other threads, so several threads may call one model at once. It can be nested.
class SUANLI_API InferenceMode {
 public:
  InferenceMode();
  ~InferenceMode();
  InferenceMode(const InferenceMode&) = delete;
  InferenceMode& operator=(const InferenceMode&) = delete;

 private:
  NoGrad no_grad_;
  bool before_;
};

/// Compares the analytic gradient of f at `inputs` (f64) with central differences. Returns the
/// largest |analytic − numeric| / max(1, |numeric|) over all elements. `second` also checks the
/// gradient of the gradient.
SUANLI_API double gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                            const std::vector<Tensor>& inputs, bool second = false,
                            double step = 1e-6);

}  // namespace suanli
