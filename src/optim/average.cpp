// SPDX-License-Identifier: Apache-2.0
// Averages of a module's state over the steps.
#include <map>
#include <set>

#include "base/text/text.h"
#include "suanli/optim.h"
#include "tensor/cell.h"
#include "tensor/guards.h"

namespace suanli::optim {

WeightAverage::WeightAverage(const nn::Module& module) {
  NoGrad no_grad;
  std::set<Cell*> seen;  // a tied parameter is averaged once
  for (auto& [name, parameter] : module.state_dict()) {
    if (!seen.insert(parameter.cell()).second) continue;
    parameter.cell()->replaced = false;  // in one module; this one still has it
    // A copy of its own: an average that shared the weight's storage would keep the first step from
    // updating that in place.
    const Tensor value = parameter.value();
    const void* bytes = detail::host_data(value, value.dtype());
    entries_.push_back({name, parameter,
                        Parameter(tensor_from_bytes(bytes, value.numel() * itemsize(value.dtype()),
                                                    value.shape(), value.dtype()),
                                  false)});
  }
}

/// Module::to() puts others in the places of a module's state: those here would never change again.
void WeightAverage::require_own_parameters() const {
  for (const Entry& e : entries_)
    if (e.value.cell()->replaced)
      throw StateError({.op = "WeightAverage",
                        .argument = e.name,
                        .given = "replaced by Module::to() after this average was made",
                        .remedy = "Make the average after to()."});
}

void WeightAverage::update(double decay) {
  if (!(decay >= 0 && decay <= 1))
    throw ArgumentError({.op = "WeightAverage",
                         .argument = "decay",
                         .given = str(decay),
                         .expected = "a number from 0 to 1"});
  require_own_parameters();
  NoGrad no_grad;
  ScopeOf scope(optimizer_scope());
  for (Entry& e : entries_) {
    const Tensor value = e.value.value();
    e.average.set(is_float(value.dtype()) ? e.average.value() * decay + value * (1 - decay)
                                          : value);
  }
  flush();
}

void WeightAverage::copy_to_module() {
  require_own_parameters();
  NoGrad no_grad;
  ScopeOf scope(optimizer_scope());
  for (Entry& e : entries_) e.value.set(e.average.value().detach());
  flush();
}

void WeightAverage::swap() {
  require_own_parameters();
  NoGrad no_grad;
  ScopeOf scope(optimizer_scope());
  for (Entry& e : entries_) {
    const Tensor value = e.value.value().detach();
    e.value.set(e.average.value().detach());
    e.average.set(value);
  }
  flush();
}

std::vector<std::pair<std::string, Tensor>> WeightAverage::state_dict() {
  NoGrad no_grad;
  std::vector<std::pair<std::string, Tensor>> out;
  for (Entry& e : entries_) out.emplace_back(e.name, e.average.value().detach());
  return out;
}

void WeightAverage::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) {
  std::string problems;
  auto problem = [&](const std::string& what) {
    problems += (problems.empty() ? "" : "; ") + what;
  };
  std::map<std::string, Tensor> given(state.begin(), state.end());
  for (const Entry& e : entries_) {
    auto at = given.find(e.name);
    if (at == given.end()) {
      problem("missing " + e.name);
      continue;
    }
    const Tensor& value = at->second;
    if (value.shape() != e.average.shape() || value.dtype() != e.average.dtype())
      problem(str(e.name, " is ", value.dtype(), " ", value.shape(), ", not ", e.average.dtype(),
                  " ", e.average.shape()));
  }
  if (given.size() > entries_.size())
    problem(str(given.size() - entries_.size(), " entries too many"));
  if (!problems.empty())
    throw IoError({.op = "load_state_dict",
                   .argument = "state",
                   .given = problems,
                   .expected = "an average of this model"});
  for (Entry& e : entries_) e.average.set(given.at(e.name));
  flush();
}

int64_t WeightAverage::bytes() const {
  int64_t bytes = 0;
  for (const Entry& e : entries_) bytes += e.average.numel() * itemsize(e.average.dtype());
  return bytes;
}

}  // namespace suanli::optim
