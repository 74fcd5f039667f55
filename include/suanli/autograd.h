// SPDX-License-Identifier: Apache-2.0
// Gradients. Every op has a vjp (vector-Jacobian product) that records more ops, so gradients of
// any order are programs like others.
#pragma once
#include <functional>

#include "suanli/tensor.h"

namespace suanli {

struct BackwardOptions {
  bool retain_graph = false;  ///< Keep the graph for another backward.
  /// Record the gradients differentiably (implies retain_graph), for gradients of gradients.
  bool create_graph = false;
};

/// Adds d(output)/d(leaf) into the gradient of every leaf: parameters that require one, and tensors
/// after requires_grad_(). `output` has one element, unless `seed` (of its shape) says with what to
/// start. Throws StateError if the output does not require grad, or if the graph was consumed.
SUANLI_API void backward(const Tensor& output, const Tensor& seed = {},
                         BackwardOptions options = {});

/// Gradients of Σ outputs (or of Σ outputs·seeds) with respect to `inputs`: parameters' values read
/// by the program (Tensor(parameter)) or any tensor of the graph. Touches no parameter's gradient.
/// An input that does not lead to the outputs throws StateError, unless allow_unused: then its
/// gradient is undefined.
SUANLI_API std::vector<Tensor> grad(const std::vector<Tensor>& outputs,
                                    const std::vector<Tensor>& inputs,
                                    const std::vector<Tensor>& seeds = {},
                                    BackwardOptions options = {}, bool allow_unused = false);

/// While it lives, nothing recorded on this thread requires grad.
class SUANLI_API NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;

 private:
  int before_;
};

/// While it lives, modules compute as in eval mode on this thread: Module::training() is false,
/// whatever train() set. Nothing recorded requires grad, as under NoGrad. It writes no module and
/// other threads do not see it, so several threads may call one model at once. It nests.
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
/// largest
/// |analytic − numeric| / max(1, |numeric|) over all elements; `second` also checks the gradient of
/// the gradient.
SUANLI_API double gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                            const std::vector<Tensor>& inputs, bool second = false,
                            double step = 1e-6);

}  // namespace suanli
