// SPDX-License-Identifier: Apache-2.0
// Analytic gradients against central differences.
#include <cmath>

#include "ops/op.h"
#include "suanli/autograd.h"
#include "tensor/guards.h"

namespace suanli {

namespace {

/// Fixed weights that make one number of all outputs; irregular, so that errors do not cancel.
Tensor weights_like(const Tensor& t) {
  std::vector<double> w(static_cast<size_t>(t.numel()));
  for (size_t i = 0; i < w.size(); ++i)
    w[i] = 0.5 + std::fmod(0.61803398875 * static_cast<double>(i + 1), 1.0);
  return tensor(w, t.shape());
}

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

std::vector<Tensor> leaves(const std::vector<Tensor>& values) {
  std::vector<Tensor> xs;
  for (const Tensor& v : values) {
    Tensor x = v.detach();
    if (is_float(x.dtype())) x.requires_grad_();
    xs.push_back(x);
  }
  return xs;
}

double check(const Function& weighted, const std::vector<Tensor>& inputs, double step) {
  auto xs = leaves(inputs);
  Tensor total = weighted(xs);
  std::vector<Tensor> wanted;
  std::vector<size_t> which;
  for (size_t i = 0; i < xs.size(); ++i)
    if (xs[i].requires_grad()) {
      wanted.push_back(xs[i]);
      which.push_back(i);
    }
  // Where nothing flows the gradient is zero, and is compared like any other: a vjp that forgets an
  // input is wrong.
  auto analytic = total.requires_grad() ? grad({total}, wanted, {}, {}, true)
                                        : std::vector<Tensor>(wanted.size());
  double worst = 0;
  for (size_t k = 0; k < which.size(); ++k) {
    auto values = inputs[which[k]].to_vector<double>();
    auto exact = analytic[k].defined() ? analytic[k].to_vector<double>()
                                       : std::vector<double>(values.size(), 0.0);
    for (size_t e = 0; e < values.size(); ++e) {
      const double h = step * std::max(1.0, std::fabs(values[e])), at = values[e];
      double side[2];
      for (int s = 0; s < 2; ++s) {
        NoGrad off;
        values[e] = s ? at - h : at + h;
        std::vector<Tensor> moved = inputs;
        moved[which[k]] = tensor(values, inputs[which[k]].shape());
        side[s] = weighted(moved).item<double>();
      }
      values[e] = at;
      const double numeric = (side[0] - side[1]) / (2 * h),
                   error = std::fabs(numeric - exact[e]) / std::max(1.0, std::fabs(numeric));
      worst = std::isfinite(error) ? std::max(worst, error) : HUGE_VAL;
    }
  }
  return worst;
}

}  // namespace

double gradcheck(const Function& f, const std::vector<Tensor>& inputs, bool second, double step) {
  Function weighted = [&](const std::vector<Tensor>& xs) {
    Tensor y = f(xs);
    return sum(y * weights_like(y));
  };
  double worst = check(weighted, inputs, step);
  if (!second) return worst;
  Function gradient = [&](const std::vector<Tensor>& xs) {
    // Numeric evaluations pass plain tensors and switch recording off; the inner gradient needs
    // both.
    GradMode on(true);
    std::vector<Tensor> ys = xs;
    for (Tensor& y : ys)
      if (is_float(y.dtype()) && !y.requires_grad()) y.requires_grad_();
    std::vector<Tensor> wanted;
    for (Tensor& y : ys)
      if (y.requires_grad()) wanted.push_back(y);
    Tensor total = weighted(ys);
    auto gs = grad({total}, wanted, {}, {.create_graph = true}, true);
    Tensor out = full({}, 0.0, DType::f64);
    for (auto& g : gs)
      // quadratic: a constant gradient must not hide a wrong second one
      if (g.defined()) out = out + sum(g * weights_like(g) * g);
    return out;
  };
  return std::max(worst, check(gradient, inputs, std::max(step, 1e-5)));
}

}  // namespace suanli
