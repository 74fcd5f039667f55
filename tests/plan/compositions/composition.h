// SPDX-License-Identifier: Apache-2.0
// Compositions: programs as people write them (layers, penalties, gradients of gradients, optimizer
// steps), held as data, so that they can be run in both tiers, printed, and made smaller while they
// still fail.
#pragma once
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/text/text.h"
#include "plan/random_programs.h"
#include "runtime/step.h"
#include "support/tier.h"

namespace suanli::test {

/// One line of a program. Its value is named after its place.
struct Call {
  int kind;  // of kinds()
  std::vector<int> in;  // earlier lines
  std::vector<int64_t> n;  // numbers of the call: axes as bits, sizes, seeds
  Shape shape;
  DType dtype = f32;
  bool requires_grad = false;
};

struct Composition {
  /// The bits that the tiers have to share.
  enum Family : uint8_t {
    exact,  // no f32 convolution: all bits
    close,  // f32 convolutions among smooth ops: up to kClose
    // f32 convolutions of small whole numbers, not by Winograd's algorithm: sums are exact in any
    // order, so all values
    integer,
  };
  enum Mode : uint8_t { forward, gradients, sgd, momentum, adam, adamw };
  uint64_t seed = 0;
  Family family = exact;
  DType dtype = f32;
  Mode mode = forward;
  int steps = 1;
  std::vector<Call> body;
  // step i takes the (i mod size)-th, with an optimizer for every size-th parameter
  std::vector<int> losses;
  std::vector<int> held;  // read at the end
};
inline constexpr double kClose = 1e-3;  // of the largest value of a tensor, or of 1

/// The operands of a call.
struct Arguments {
  std::span<const Tensor> x;
  const Call& call;
  DType dtype;
  const Tensor& operator[](size_t i) const { return x[i]; }
  int64_t n(size_t i) const { return call.n[i]; }
  const Shape& shape() const { return call.shape; }
  Dims axes(size_t i) const {
    Dims a;
    for (int k = 0; k < Shape::kMaxRank; ++k)
      if (call.n[i] >> k & 1) a.push_back(k);
    return a;
  }
};

struct Kind {
  const char* name;
  const char* text;  // $0: an input; #0: a number; &0: axes; @: the result's shape
  Tensor (*apply)(const Arguments&);
};

/// Fixed numbers: in [-1, 1), or whole ones from -1 to 1 for the family that computes exactly.
inline Tensor data_of(const Shape& shape, DType dtype, uint64_t seed, bool whole) {
  std::vector<double> v = numbers(static_cast<size_t>(shape.numel()), seed);
  if (whole)
    for (double& e : v) e = std::floor((e + 1) * 1.5) - 1;
  return cast(tensor(v, shape), dtype);
}

inline Tensor swapped(const Tensor& x) {  // the last two axes
  Dims axes;
  for (int i = 0; i < x.rank(); ++i) axes.push_back(i);
  std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
  return permute(x, axes);
}

inline const std::vector<Kind>& kinds() {
  using A = const Arguments&;
  static const std::vector<Kind> all{
      {"parameter", "parameter(@)", nullptr},
      {"data", "data(@)",
       [](A a) { return data_of(a.shape(), a.dtype, static_cast<uint64_t>(a.n(0)), a.n(1)); }},
      {"labels", "labels(@, #1)",
       [](A a) {
         std::vector<int64_t> v;
         for (double e :
              numbers(static_cast<size_t>(a.shape().numel()), static_cast<uint64_t>(a.n(0))))
           v.push_back(std::min(a.n(1) - 1,
                                static_cast<int64_t>((e + 1) / 2 * static_cast<double>(a.n(1)))));
         return tensor(v, a.shape());
       }},
      {"exp", "exp(0.1 * $0)", [](A a) { return exp(0.1 * a[0]); }},
      {"log", "log(abs($0) + 1.0)", [](A a) { return log(abs(a[0]) + 1.0); }},
      {"sqrt", "sqrt(square($0) + 0.1)", [](A a) { return sqrt(square(a[0]) + 0.1); }},
      {"rsqrt", "rsqrt(square($0) + 0.5)", [](A a) { return rsqrt(square(a[0]) + 0.5); }},
      {"square", "0.5 * square($0)", [](A a) { return 0.5 * square(a[0]); }},
      {"tanh", "tanh($0)", [](A a) { return tanh(a[0]); }},
      {"sigmoid", "sigmoid($0)", [](A a) { return sigmoid(a[0]); }},
      {"sin", "sin($0)", [](A a) { return sin(a[0]); }},
      {"gelu", "gelu($0)", [](A a) { return gelu(a[0]); }},
      {"silu", "silu($0)", [](A a) { return silu(a[0]); }},
      {"softplus", "softplus($0)", [](A a) { return softplus(a[0]); }},
      {"relu", "relu($0)", [](A a) { return relu(a[0]); }},
      {"abs", "abs($0)", [](A a) { return abs(a[0]); }},
      {"neg", "-$0", [](A a) { return -a[0]; }},
      {"twice", "$0 * 2.0", [](A a) { return a[0] * 2.0; }},
      {"scaled", "$0 * 0.3 + 0.1", [](A a) { return a[0] * 0.3 + 0.1; }},
      {"add", "$0 + $1", [](A a) { return a[0] + a[1]; }},
      {"sub", "$0 - $1", [](A a) { return a[0] - a[1]; }},
      {"mul", "$0 * $1", [](A a) { return a[0] * a[1]; }},
      {"div", "$0 / (abs($1) + 1.0)", [](A a) { return a[0] / (abs(a[1]) + 1.0); }},
      {"maximum", "maximum($0, $1)", [](A a) { return maximum(a[0], a[1]); }},
      {"minimum", "minimum($0, $1)", [](A a) { return minimum(a[0], a[1]); }},
      {"where", "where($0 < $1, $0, 0.5 * $1)",
       [](A a) { return where(a[0] < a[1], a[0], 0.5 * a[1]); }},
      {"mask", "$0 * cast($0 > 0.0, dtype)", [](A a) { return a[0] * cast(a[0] > 0.0, a.dtype); }},
      {"truncate", "cast(cast($0 * 4.0, i32), dtype)",
       [](A a) { return cast(cast(a[0] * 4.0, i32), a.dtype); }},
      {"detach", "$0.detach()", [](A a) { return a[0].detach(); }},
      {"sum", "sum($0, &0, #1)", [](A a) { return sum(a[0], a.axes(0), a.n(1)); }},
      {"sum_all", "sum($0)", [](A a) { return sum(a[0]); }},
      {"mean", "mean($0, &0, #1)", [](A a) { return mean(a[0], a.axes(0), a.n(1)); }},
      {"mean_all", "mean($0)", [](A a) { return mean(a[0]); }},
      {"amax", "amax($0, &0, #1)", [](A a) { return amax(a[0], a.axes(0), a.n(1)); }},
      {"norm", "sqrt(sum(square($0), &0, #1) + 0.1)",
       [](A a) { return sqrt(sum(square(a[0]), a.axes(0), a.n(1)) + 0.1); }},
      {"softmax", "softmax($0, #0)", [](A a) { return softmax(a[0], static_cast<int>(a.n(0))); }},
      {"log_softmax", "log_softmax($0, #0)",
       [](A a) { return log_softmax(a[0], static_cast<int>(a.n(0))); }},
      {"argmax", "cast(argmax($0, #0), dtype)",
       [](A a) { return cast(argmax(a[0], static_cast<int>(a.n(0))), a.dtype); }},
      {"matmul", "matmul($0, $1, {.transpose_a = #0, .transpose_b = #1})",
       [](A a) {
         return matmul(a[0], a[1], {.transpose_a = a.n(0) != 0, .transpose_b = a.n(1) != 0});
       }},
      {"conv2d", "conv2d($0, $1, {}, {.stride = #0, .padding = #1, .groups = #2})",
       [](A a) {
         return conv2d(a[0], a[1], {},
                       {.stride = static_cast<int>(a.n(0)),
                        .padding = static_cast<int>(a.n(1)),
                        .groups = static_cast<int>(a.n(2))});
       }},
      {"max_pool2d", "max_pool2d($0, {.kernel_size = #0})",
       [](A a) { return max_pool2d(a[0], {.kernel_size = static_cast<int>(a.n(0))}); }},
      {"avg_pool2d", "avg_pool2d($0, {.kernel_size = #0})",
       [](A a) { return avg_pool2d(a[0], {.kernel_size = static_cast<int>(a.n(0))}); }},
      {"batch_norm", "batch_norm($0, $1, $2)",
       [](A a) { return batch_norm(a[0], a[1], a[2], 1e-2); }},
      {"layer_norm", "layer_norm($0, $1)", [](A a) { return layer_norm(a[0], a[1], {}, 1e-2); }},
      {"reshape", "reshape($0, @)", [](A a) { return reshape(a[0], a.shape()); }},
      {"permute", "permute($0, {…, 1, 0})",
       [](A a) {
         Dims axes;
         for (int i = a[0].rank() - 1; i >= 0; --i) axes.push_back(i);
         return permute(a[0], axes);
       }},
      {"swap", "swapped($0)", [](A a) { return swapped(a[0]); }},
      {"rotate", "permute($0, {1, …, 0})",
       [](A a) {
         Dims axes;
         for (int i = 1; i < a[0].rank(); ++i) axes.push_back(i);
         axes.push_back(0);
         return permute(a[0], axes);
       }},
      {"expand", "expand($0, @)", [](A a) { return expand(a[0], a.shape()); }},
      {"narrow", "narrow($0, #0, #1, #2)",
       [](A a) { return narrow(a[0], static_cast<int>(a.n(0)), a.n(1), a.n(2)); }},
      {"flip", "flip($0, #0)", [](A a) { return flip(a[0], static_cast<int>(a.n(0))); }},
      {"cat", "cat({$0, $1}, #0)", [](A a) { return cat({a[0], a[1]}, static_cast<int>(a.n(0))); }},
      {"embedding", "embedding($0, $1)", [](A a) { return embedding(a[0], a[1]); }},
      {"one_hot", "one_hot($0, #0)", [](A a) { return one_hot(a[0], a.n(0), a.dtype); }},
      {"dropout", "dropout($0, 0.25)", [](A a) { return dropout(a[0], 0.25); }},
      {"cross_entropy", "cross_entropy($0, $1)", [](A a) { return cross_entropy(a[0], a[1]); }},
      {"weighted", "cross_entropy($0, $1, {.weight = abs($2) + 0.1})",
       [](A a) { return cross_entropy(a[0], a[1], {.weight = (abs(a[2]) + 0.1).detach()}); }},
      {"mse", "mse_loss($0, $1)", [](A a) { return mse_loss(a[0], a[1]); }},
      {"attention", "scaled_dot_product_attention($0, $0, $0)",
       [](A a) { return scaled_dot_product_attention(a[0], a[0], a[0]); }},
      {"grad", "grad({sum($0)}, {$1}, {}, {.create_graph = true})[0]",
       [](A a) { return grad({sum(a[0])}, {a[1]}, {}, {.create_graph = true})[0]; }},
  };
  return all;
}

inline int kind_of(std::string_view name) {
  const auto& all = kinds();
  for (size_t k = 0; k < all.size(); ++k)
    if (name == all[k].name) return static_cast<int>(k);
  throw ArgumentError({.op = "kind_of",
                       .argument = "name",
                       .given = str("'", name, "'"),
                       .expected = "a kind of call"});
}
inline bool is_kind(const Call& c, const char* name) {
  return std::strcmp(kinds()[static_cast<size_t>(c.kind)].name, name) == 0;
}

inline Tensor applied(const Call& c, const std::vector<Tensor>& values, DType dtype) {
  std::vector<Tensor> x;
  for (int i : c.in) x.push_back(values[static_cast<size_t>(i)]);
  return kinds()[static_cast<size_t>(c.kind)].apply({x, c, dtype});
}

inline std::string text_of(const Composition& c, const Call& call, const char* pattern) {
  std::string text;
  for (const char* p = pattern; *p; ++p) {
    if (*p == '@') text += to_string(call.shape);
    else if (*p == '$') text += str("v", call.in[static_cast<size_t>(*++p - '0')]);
    else if (*p == '#') text += std::to_string(call.n[static_cast<size_t>(*++p - '0')]);
    else if (*p == '&') {
      text += '{';
      for (int64_t bits = call.n[static_cast<size_t>(*++p - '0')], axis = 0; bits >> axis; ++axis)
        if (bits >> axis & 1) text += str(text.back() == '{' ? "" : ", ", axis);
      text += '}';
    } else {
      text += *p;
    }
  }
  const size_t at = text.find("dtype");
  return at == std::string::npos ? text : text.replace(at, 5, to_string(c.dtype));
}

/// As code, but for the declarations.
inline std::string text_of(const Composition& c) {
  constexpr const char* modes[] = {"forward",           "backward()", "SGD",
                                   "SGD with momentum", "Adam",       "AdamW"};
  constexpr const char* families[] = {"all bits", "close", "whole numbers"};
  std::string text = str("// seed ", c.seed, ", ", c.dtype, ", ", families[c.family], ", ",
                         modes[c.mode], ", ", c.steps, " step(s)\n");
  for (size_t i = 0; i < c.body.size(); ++i)
    text +=
        str("v", i, " = ", text_of(c, c.body[i], kinds()[static_cast<size_t>(c.body[i].kind)].text),
            ";  // ", c.body[i].shape, "\n");
  for (int l : c.losses) text += str("loss: v", l, "\n");
  for (int h : c.held) text += str("held: v", h, "\n");
  return text;
}

// ---- running ------------------------------------------------------------------------------------

struct Outcome {
  std::vector<std::pair<ValueDesc, std::string>> values;
  std::string error;
};

inline std::unique_ptr<optim::Optimizer> optimizer_of(Composition::Mode mode,
                                                      const std::vector<Parameter>& p) {
  switch (mode) {
    case Composition::sgd: return std::make_unique<optim::SGD>(p, optim::SGDOptions{.lr = 0.125});
    case Composition::momentum:
      return std::make_unique<optim::SGD>(
          p, optim::SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-3});
    case Composition::adam: return std::make_unique<optim::Adam>(p, optim::AdamOptions{.lr = 0.01});
    case Composition::adamw:
      return std::make_unique<optim::AdamW>(p, optim::AdamWOptions{.lr = 0.01});
    default: return nullptr;
  }
}

inline void run_steps(const Composition& c, Outcome& o) {
  manual_seed(c.seed);
  std::vector<std::optional<Parameter>> of_line(c.body.size());
  std::vector<std::vector<Parameter>> shares(std::max<size_t>(1, c.losses.size()));
  size_t count = 0;
  for (size_t i = 0; i < c.body.size(); ++i) {
    if (!is_kind(c.body[i], "parameter")) continue;
    of_line[i].emplace(data_of(c.body[i].shape, c.dtype, static_cast<uint64_t>(c.body[i].n[0]),
                               c.family == Composition::integer));
    shares[count++ % shares.size()].push_back(*of_line[i]);
  }
  flush();
  std::vector<std::unique_ptr<optim::Optimizer>> optimizers;
  if (c.mode >= Composition::sgd)
    for (const auto& p : shares) optimizers.push_back(optimizer_of(c.mode, p));
  std::vector<Tensor> held;
  for (int step = 0; step < c.steps; ++step) {
    std::vector<Tensor> v;
    for (size_t i = 0; i < c.body.size(); ++i)
      v.push_back(of_line[i] ? Tensor(*of_line[i]) : applied(c.body[i], v, c.dtype));
    held.clear();
    for (int h : c.held) held.push_back(v[static_cast<size_t>(h)]);
    if (c.losses.empty() || c.mode == Composition::forward) continue;
    const size_t turn = static_cast<size_t>(step) % c.losses.size();
    Tensor loss = v[static_cast<size_t>(c.losses[turn])];
    v.clear();
    loss.backward();
    held.push_back(loss);
    if (c.mode == Composition::gradients) break;
    optimizers[turn]->step();
    for (auto& other : optimizers) other->zero_grad();
  }
  for (const auto& p : of_line) {
    if (!p) continue;
    if (c.mode >= Composition::sgd) held.push_back(p->value());
    else if (c.mode == Composition::gradients && p->grad().defined()) held.push_back(p->grad());
  }
  flush();
  for (const Tensor& t : held) o.values.push_back({{t.dtype(), t.shape()}, bits(t)});
}

inline Outcome run(const Composition& c, Tier tier) {
  const Tier before = Session::current().tier();
  flush();
  Session::current().set_tier(tier);
  Outcome o;
  try {
    run_steps(c, o);
  } catch (const std::exception& e) { o.error = e.what(); }
  try {
    flush();
  } catch (const std::exception& e) { o.error += e.what(); }
  Session::current().set_tier(before);
  return o;
}

template <class T> std::string difference(const std::string& a, const std::string& b,
                                          Composition::Family family) {
  const size_t n = a.size() / sizeof(T);
  std::vector<T> x(n), y(n);
  if (n == 0) return "";
  std::memcpy(x.data(), a.data(), a.size());
  std::memcpy(y.data(), b.data(), b.size());
  double largest = 1;
  if (family == Composition::close)
    for (T e : y) largest = std::max(largest, std::fabs(static_cast<double>(e)));
  for (size_t i = 0; i < n; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(x[i]) && std::isnan(y[i])) continue;
      if (family == Composition::close &&
          std::fabs(static_cast<double>(x[i]) - static_cast<double>(y[i])) <= kClose * largest)
        continue;
      if (family == Composition::integer && x[i] == y[i]) continue;
    }
    if (std::memcmp(&x[i], &y[i], sizeof(T)) != 0)
      return str("element ", i, " of ", n, ": planned ", x[i], ", cold ", y[i]);
  }
  return "";
}

/// In what the tiers differ; empty if they do not. `refused`: both refuse the program, for the same
/// reason.
inline std::string failure(const Composition& c, bool* refused = nullptr) {
  const Outcome planned = run(c, Tier::planned), cold = run(c, Tier::cold);
  if (refused) *refused = !planned.error.empty();
  for (const Outcome* o : {&planned, &cold})
    if (o->error.find("internal") != std::string::npos) return o->error;
  if (planned.error != cold.error) return str("planned: ", planned.error, "; cold: ", cold.error);
  if (planned.values.size() != cold.values.size())
    return "the tiers give different numbers of results";
  for (size_t k = 0; k < planned.values.size(); ++k) {
    const auto& [desc, p] = planned.values[k];
    const auto& [cold_desc, q] = cold.values[k];
    if (desc != cold_desc) return str("result ", k, " has another shape or dtype");
    const std::string what = desc.dtype == f64   ? difference<double>(p, q, c.family)
                             : desc.dtype == f32 ? difference<float>(p, q, c.family)
                                                 : difference<uint8_t>(p, q, c.family);
    if (!what.empty()) return str("result ", k, " ", desc.shape, ", ", what);
  }
  return "";
}

}  // namespace suanli::test
