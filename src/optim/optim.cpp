// SPDX-License-Identifier: Apache-2.0
// SGD, Adam and AdamW. Learning rates and bias corrections are scalar slots, so all steps are one
// program.
#include "suanli/optim.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <set>

#include "base/text/text.h"
#include "ops/norm/norm.h"
#include "tensor/guards.h"

namespace suanli::optim {

namespace {
/// A host counter that commits and rolls back with the program.
Parameter make_counter() {
  const int64_t zero = 0;
  return Parameter(tensor_from_bytes(&zero, sizeof zero, Shape{}, i64), false);
}

/// State as it is before the first step.
Parameter zero_state(const Parameter& like) {
  const int64_t bytes = like.shape().numel() * itemsize(like.dtype());
  Parameter state(
      tensor_filled_by(like.shape(), like.dtype(),
                       [&](void* to) { std::memset(to, 0, static_cast<size_t>(bytes)); }),
      false);
  // it stays: that it is there is no reason to end the program
  Recorder::current().count_leaf_bytes(-bytes);
  return state;
}
void refuse(const char* who, const char* name, double value, const char* expected) {
  throw ArgumentError({.op = who, .argument = name, .given = str(value), .expected = expected});
}
void require_number(const char* who, const char* name, double value) {
  if (!(value >= 0 && std::isfinite(value))) refuse(who, name, value, "a finite number from 0 on");
}
void require_share(const char* who, const char* name, double value) {
  if (!(value >= 0 && value < 1)) refuse(who, name, value, "a number from 0 to less than 1");
}
}  // namespace

int64_t Optimizer::Slot::steps() const {
  return static_cast<int64_t>(count.cell()->host_pending[0]);
}
void Optimizer::Slot::set_steps(int64_t n) {
  Cell* c = count.cell();
  Recorder::current().touch(c);
  c->host_pending[0] = static_cast<uint64_t>(n);
  c->host_changed = true;
}

Optimizer::Optimizer(std::vector<Parameter> parameters, double given_lr)
    : Optimizer(std::move(parameters), LrOption{own_lr_}) {
  lr = given_lr;
  require_number("Optimizer", "lr", lr);
}

Optimizer::Optimizer(std::vector<Parameter> parameters, LrOption option) : lr(option.lr) {
  std::set<Cell*> seen;
  for (auto& p : parameters) {
    if (!p.defined())
      throw ArgumentError({.op = "Optimizer",
                           .argument = str("parameter ", &p - parameters.data()),
                           .given = "undefined (default-constructed)",
                           .expected = "a defined parameter"});
    p.cell()->known = Cell::listed;
    p.cell()->replaced = false;  // in one module; whoever gives it here has it from another
    if (seen.insert(p.cell()).second) parameters_.push_back(p);
  }
  if (parameters_.empty())
    throw ArgumentError({.op = "Optimizer",
                         .argument = "parameters",
                         .given = "none",
                         .expected = "at least 1",
                         .remedy = "Pass model.parameters(), which are those that its "
                                   "SUANLI_FIELDS names."});
  for (auto& p : parameters_) slots_.push_back({p, {}, make_counter()});
}

/// Module::to() puts others in the places of a module's parameters. One that still gets gradients
/// lives on elsewhere.
void Optimizer::require_own_parameters() const {
  for (size_t i = 0; i < parameters_.size(); ++i)
    if (const Parameter& p = parameters_[i];
        p.requires_grad() && p.cell()->replaced && !p.grad().defined())
      throw StateError({.op = "step",
                        .argument = str("parameter ", i, " (", p.dtype(), " ", p.shape(), ")"),
                        .given = "replaced by Module::to() after this optimizer was made",
                        .remedy = "Make the optimizer after to()."});
}

/// In memory rather than recorded, so that the first step is the same program as all later ones.
void Optimizer::make_state() {
  const size_t wanted = state_names().size();
  try {
    for (Slot& s : slots_)
      while (s.state.size() < wanted && s.parameter.grad().defined() && s.parameter.requires_grad())
        s.state.push_back(zero_state(s.parameter));
  } catch (const OutOfMemory&) {
    // as if its program had failed
    Recorder::current().drop("there was no memory for the optimizer's state");
    throw;
  }
}

void Optimizer::step() {
  Recorder& rec = Recorder::current();
  require_number("step", "lr", lr);
  check_options();
  require_own_parameters();
  for (const std::string& line : rec.take_unknown())
    std::fprintf(stderr, "suanli: [step] %s\n", line.c_str());
  GradMode off(false);
  ScopeOf scope(optimizer_scope());
  make_state();
  std::vector<Slot*> stepped;
  stepped.reserve(slots_.size());
  writes_.clear();
  for (Slot& s : slots_) {
    const Tensor g = s.parameter.grad();
    if (!g.defined() || !s.parameter.requires_grad()) continue;
    update(s, g, s.steps() + 1);
    stepped.push_back(&s);
  }
  if (stepped.empty()) {
    static std::atomic<bool> warned{false};
    if (!warned.exchange(true))
      std::fprintf(stderr, "suanli: [step] no parameter has a gradient; call backward() first\n");
  }
  for (auto& [place, value] : writes_) place.set(value);
  for (Slot* s : stepped) {
    s->set_steps(s->steps() + 1);
    if (keep_grads) continue;
    // the gradient is consumed if the program succeeds, and only then
    rec.touch(s->parameter.cell());
    s->parameter.cell()->grad = Tensor();
  }
  writes_.clear();
  rec.flush();
}

void Optimizer::scale(const std::vector<Parameter>& parameters, double lr_factor,
                      double weight_decay_factor) {
  require_number("scale", "lr_factor", lr_factor);
  require_number("scale", "weight_decay_factor", weight_decay_factor);
  for (const Parameter& p : parameters) {
    auto slot = std::find_if(slots_.begin(), slots_.end(),
                             [&](const Slot& s) { return s.parameter.cell() == p.cell(); });
    if (slot == slots_.end())
      throw ArgumentError({.op = "scale",
                           .argument = "parameters",
                           .given = str("one of shape ", p.shape()),
                           .expected = "parameters of this optimizer"});
    slot->lr_factor *= lr_factor;
    slot->weight_decay_factor *= weight_decay_factor;
  }
}

void Optimizer::zero_grad() {
  for (auto& p : parameters_) p.set_grad({});
}

int64_t Optimizer::state_bytes() const {
  int64_t bytes = 0;
  for (const Slot& s : slots_)
    for (const Parameter& p : s.state) bytes += p.shape().numel() * itemsize(p.dtype());
  return bytes;
}

std::vector<std::pair<std::string, Tensor>> Optimizer::state_dict() {
  std::vector<std::pair<std::string, Tensor>> out;
  const auto names = state_names();
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].steps() == 0) continue;
    const int64_t steps = slots_[i].steps();
    out.emplace_back(str(i, ".step"), tensor_from_bytes(&steps, sizeof steps, Shape{}, i64));
    // A state that an option asks for since the last step is made by the next one.
    for (size_t k = 0; k < std::min(names.size(), slots_[i].state.size()); ++k)
      out.emplace_back(str(i, ".", names[k]), slots_[i].state[k].value().detach());
  }
  return out;
}

void Optimizer::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) {
  const auto names = state_names();
  std::string problems;
  auto problem = [&](const std::string& what) {
    problems += (problems.empty() ? "" : "; ") + what;
  };
  struct Loaded {
    int64_t steps = 0;
    std::vector<Tensor> values;
  };
  std::vector<Loaded> loaded(slots_.size());
  for (auto& l : loaded) l.values.resize(names.size());
  for (auto& [name, t] : state) {
    const size_t dot = name.find('.');
    size_t i = slots_.size(), k = 0;
    if (dot != std::string::npos && dot > 0 && name.find_first_not_of("0123456789") == dot &&
        dot < 10)
      i = static_cast<size_t>(std::stoul(name.substr(0, dot)));
    const std::string key = dot == std::string::npos ? name : name.substr(dot + 1);
    while (k < names.size() && names[k] != key) ++k;
    if (i >= slots_.size() || (key != "step" && k == names.size())) problem("unexpected " + name);
    else if (key == "step") {
      if (t.dtype() != i64 || t.numel() != 1)
        problem(str(name, " is ", t.dtype(), " ", t.shape(), ", not one i64"));
      else loaded[i].steps = t.item<int64_t>();
    } else if (t.shape() != slots_[i].parameter.shape() ||
               t.dtype() != slots_[i].parameter.dtype()) {
      problem(str(name, " is ", t.dtype(), " ", t.shape(), ", not ", slots_[i].parameter.dtype(),
                  " ", slots_[i].parameter.shape()));
    } else {
      loaded[i].values[k] = t;
    }
  }
  for (size_t i = 0; i < loaded.size(); ++i) {
    size_t given = 0;
    for (auto& v : loaded[i].values) given += v.defined();
    if (loaded[i].steps <= 0 && given > 0) problem(str("missing ", i, ".step"));
    for (size_t k = 0; k < names.size(); ++k)
      if (loaded[i].steps > 0 && !loaded[i].values[k].defined())
        problem(str("missing ", i, ".", names[k]));
  }
  if (!problems.empty())
    throw IoError({.op = "load_state_dict",
                   .argument = "state",
                   .given = problems,
                   .expected = "a state of this optimizer"});
  for (size_t i = 0; i < loaded.size(); ++i) {
    slots_[i].state.clear();
    slots_[i].set_steps(loaded[i].steps);
    if (loaded[i].steps > 0)
      for (auto& v : loaded[i].values) slots_[i].state.emplace_back(v, false);
  }
  flush();
}

SGD::SGD(std::vector<Parameter> parameters, SGDOptions o)
    : Optimizer(std::move(parameters), LrOption{options.lr}), options(o) {
  check_options();
}
void SGD::check_options() const {
  require_number("SGD", "lr", options.lr);
  require_number("SGD", "momentum", options.momentum);
  require_number("SGD", "dampening", options.dampening);
  require_number("SGD", "weight_decay", options.weight_decay);
  if (options.nesterov && (options.momentum <= 0 || options.dampening != 0))
    throw ArgumentError(
        {.op = "SGD",
         .argument = "nesterov",
         .given = str("momentum ", options.momentum, " and dampening ", options.dampening),
         .expected = "momentum above 0 and dampening 0"});
}
std::vector<std::string> SGD::state_names() const {
  return options.momentum != 0 ? std::vector<std::string>{"momentum_buffer"}
                               : std::vector<std::string>{};
}

void SGD::update(Slot& s, const Tensor& gradient, int64_t step) {
  Tensor w = s.parameter, g = gradient;
  if (const double decay = options.weight_decay * s.weight_decay_factor; decay != 0)
    g = g + w * decay;
  if (options.momentum != 0) {
    // The first time v becomes g itself: the state is 0, and dampening does not count.
    Tensor v = s.state[0].value() * options.momentum + g * (step == 1 ? 1 : 1 - options.dampening);
    write(s.state[0], v);
    g = options.nesterov ? g + v * options.momentum : v;
  }
  write(s.parameter, w - g * lr_of(s));
}

Adam::Adam(std::vector<Parameter> parameters, AdamOptions o)
    : Adam(std::move(parameters), o, false) {}
Adam::Adam(std::vector<Parameter> parameters, AdamOptions o, bool decoupled)
    : Optimizer(std::move(parameters), LrOption{options.lr}), options(o), decoupled_(decoupled) {
  check_options();
}
void Adam::check_options() const {
  const char* who = decoupled_ ? "AdamW" : "Adam";
  require_number(who, "lr", options.lr);
  require_share(who, "beta1", options.beta1);
  require_share(who, "beta2", options.beta2);
  require_number(who, "eps", options.eps);
  require_number(who, "weight_decay", options.weight_decay);
}
std::vector<std::string> Adam::state_names() const { return {"exp_avg", "exp_avg_sq"}; }

void Adam::update(Slot& s, const Tensor& gradient, int64_t step) {
  const double t = static_cast<double>(step), c1 = 1 - std::pow(options.beta1, t),
               c2 = 1 - std::pow(options.beta2, t);
  const double decay = options.weight_decay * s.weight_decay_factor;
  Tensor w = s.parameter, g = gradient;
  if (decay != 0 && !decoupled_) g = g + w * decay;
  Tensor m = s.state[0].value() * options.beta1 + g * (1 - options.beta1);
  Tensor v = s.state[1].value() * options.beta2 + square(g) * (1 - options.beta2);
  write(s.state[0], m);
  write(s.state[1], v);
  Tensor from = decay != 0 && decoupled_ ? w * (1 - lr_of(s) * decay) : w;
  write(s.parameter, from - m / (sqrt(v) / std::sqrt(c2) + options.eps) * (lr_of(s) / c1));
}

AdamW::AdamW(std::vector<Parameter> parameters, AdamWOptions o)
    : Adam(std::move(parameters),
           {.lr = o.lr,
            .beta1 = o.beta1,
            .beta2 = o.beta2,
            .eps = o.eps,
            .weight_decay = o.weight_decay},
           true) {}

Tensor clip_grad_norm_(const std::vector<Parameter>& parameters, double max_norm) {
  GradMode off(false);
  // Norms, not their squares, are what f64 holds: they are squared in units of the largest.
  std::vector<Tensor> norms;
  Tensor unit;
  for (const auto& p : parameters) {
    if (!p.grad().defined()) continue;
    norms.push_back(vector_norm(p.grad()));
    unit = unit.defined() ? maximum(unit, norms.back()) : norms.back();
  }
  if (norms.empty()) return zeros({});
  unit = where(isfinite(unit), where(unit > 0.0, unit, 1.0), 1.0);
  Tensor total;
  for (const Tensor& n : norms) {
    const Tensor part = square(n / unit);
    total = total.defined() ? total + part : part;
  }
  const Tensor norm = sqrt(total) * unit, scale = minimum(max_norm / (norm + 1e-6), 1.0);
  for (const Parameter& p : parameters)
    if (p.grad().defined()) p.set_grad(p.grad() * cast(scale, p.dtype()));
  return cast(norm, f32);
}

void clip_grad_value_(const std::vector<Parameter>& parameters, double limit) {
  GradMode off(false);
  for (const Parameter& p : parameters)
    if (p.grad().defined()) p.set_grad(maximum(minimum(p.grad(), limit), -limit));
}

}  // namespace suanli::optim
