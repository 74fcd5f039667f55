// SPDX-License-Identifier: Apache-2.0
// Modules that hold others.
#include "suanli/nn/containers.h"

#include <algorithm>

#include "nn/checks.h"

namespace suanli::nn {

namespace {
void require_module(const char* op, const AnyModule& module) {
  if (module) return;
  throw StateError(
      {.op = op, .argument = "module", .given = "an empty AnyModule", .expected = "a module"});
}
void visit(FieldVisitor& v, std::vector<AnyModule>& modules) {
  for (size_t i = 0; i < modules.size(); ++i) v.module(std::to_string(i), modules[i].get());
}
}  // namespace

AnyModule::Holder& AnyModule::held() const {
  if (!held_)
    throw StateError({.op = "AnyModule",
                      .given = "empty (default-constructed or moved from)",
                      .expected = "a module",
                      .module = module_path()});
  return *held_;
}

Tensor Sequential::forward(const Tensor& x) const {
  Tensor y = x;
  for (const AnyModule& m : modules_) y = m(y);
  return y;
}
Sequential& Sequential::add(AnyModule module) {
  require_module("Sequential.add", module);
  modules_.push_back(std::move(module));
  return *this;
}
void Sequential::fields(FieldVisitor& v) { visit(v, modules_); }

ModuleList& ModuleList::append(AnyModule module) {
  require_module("ModuleList.append", module);
  modules_.push_back(std::move(module));
  return *this;
}
void ModuleList::fields(FieldVisitor& v) { visit(v, modules_); }

ModuleDict& ModuleDict::insert(const std::string& name, AnyModule module) {
  require_module("ModuleDict.insert", module);
  if (name.empty() || name.find('.') != std::string::npos)
    throw ArgumentError({.op = "ModuleDict.insert",
                         .argument = "name",
                         .given = "'" + name + "'",
                         .expected = "a name without dots"});
  for (auto& [known, held] : modules_)
    if (known == name) {
      held = std::move(module);
      return *this;
    }
  modules_.emplace_back(name, std::move(module));
  return *this;
}
bool ModuleDict::contains(std::string_view name) const {
  return std::any_of(modules_.begin(), modules_.end(),
                     [&](const auto& held) { return held.first == name; });
}
const AnyModule& ModuleDict::operator[](std::string_view name) const {
  std::string names;
  for (const auto& [known, module] : modules_) {
    if (known == name) return module;
    names += str(names.empty() ? "" : ", ", known);
  }
  throw ArgumentError({.op = "ModuleDict",
                       .argument = "name",
                       .given = str("'", name, "'"),
                       .expected = names.empty() ? "none, as it is empty" : "one of " + names});
}
void ModuleDict::fields(FieldVisitor& v) {
  for (auto& [name, module] : modules_) v.module(name, module.get());
}

void ParameterList::fields(FieldVisitor& v) {
  for (size_t i = 0; i < parameters_.size(); ++i)
    if (parameters_[i].defined()) v.parameter(std::to_string(i), parameters_[i]);
}

}  // namespace suanli::nn
