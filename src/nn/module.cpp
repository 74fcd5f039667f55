// SPDX-License-Identifier: Apache-2.0
// Module: visiting fields, state, modes, paths.
#include <cxxabi.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <set>
#include <typeinfo>

#include "base/text/text.h"
#include "nn/state_values.h"
#include "suanli/nn.h"
#include "tensor/recorder.h"

namespace suanli::nn {

namespace {

std::string join(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

/// Every parameter, and buffer if asked, below a module with its full name, in field order.
struct Collector : ConstFieldVisitor {
  explicit Collector(bool buffers) : buffers(buffers) {}
  bool buffers;
  std::string path;
  NamedParameters all;
  void parameter(const std::string& name, const Parameter& p) override {
    p.cell()->known = Cell::listed;
    all.emplace_back(join(path, name), p);
  }
  void buffer(const std::string& name, const Parameter& p) override {
    if (buffers) parameter(name, p);
  }
  void module(const std::string& name, const Module& m) override {
    std::string outer = path;
    path = join(path, name);
    m.fields(*this);
    path = std::move(outer);
  }
};

template <class F> struct EachModule : FieldVisitor {
  explicit EachModule(F f) : f(std::move(f)) {}
  F f;
  void parameter(const std::string&, Parameter&) override {}
  void module(const std::string&, Module& m) override {
    f(m);
    if (&m.self() != &m) f(m.self());
    m.fields(*this);
  }
};

NamedParameters collect(const Module& m, bool buffers) {
  Collector c(buffers);
  m.fields(c);
  return std::move(c.all);
}

}  // namespace

/// Gives every module below a root its full path, for errors and profiles.
/// Threads that share a model may learn it at the same time: they write the same numbers.
struct PathLearner : ConstFieldVisitor {
  std::string path;
  static uint32_t scope(const Module& m) {
    return std::atomic_ref(m.scope_).load(std::memory_order_relaxed);
  }
  /// Asks for the path's number only where a module does not have it yet: that takes a lock.
  static void set(const Module& m, const std::string& path) {
    if (knows(m, path) && knows(m.self(), path)) return;
    const uint32_t id = scope_id(path);
    std::atomic_ref(m.scope_).store(id, std::memory_order_relaxed);
    std::atomic_ref(m.self().scope_).store(id, std::memory_order_relaxed);
  }
  static bool knows(const Module& m, const std::string& path) {
    const uint32_t id = scope(m);
    return id != 0 && (id == kUnnamedScope || scope_path(id) == path);
  }
  static void learn(const Module& root) {
    PathLearner l;
    set(root, root.type_name());
    root.fields(l);
  }
  /// Handles a module that is called before any parameters() met it. Its parameters get names, for
  /// the report that nobody updates them; under another module (0: none), so do the modules below
  /// it.
  static void learn_called(const Module& root, uint32_t caller) {
    PathLearner l;
    l.prefix = join(caller ? scope_path(caller) : "", class_name(root.self()));
    if (caller) l.path = std::exchange(l.prefix, "");
    l.names_parameters = true;
    set(root, caller ? l.path : root.type_name());
    root.fields(l);
  }
  bool names_parameters = false;
  std::string prefix;  // of names alone
  void parameter(const std::string& name, const Parameter& p) override {
    if (names_parameters) p.cell()->name = scope_id(join(prefix, join(path, name)));
  }
  void module(const std::string& name, const Module& m) override {
    std::string outer = path;
    path = join(path, name);
    set(m, path);
    m.fields(*this);
    path = std::move(outer);
  }
  /// type_name(), or of a struct that does not say its name in C++.
  static std::string class_name(const Module& m) {
    std::string said = m.type_name();
    if (said != "Module") return said;
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> name(
        abi::__cxa_demangle(typeid(m).name(), nullptr, nullptr, &status), std::free);
    const std::string full = status == 0 ? name.get() : said;
    const size_t at = full.rfind("::");
    return at == std::string::npos ? full : full.substr(at + 2);
  }
};

void Module::fields(ConstFieldVisitor& visitor) const {
  struct AsConst : FieldVisitor {
    explicit AsConst(ConstFieldVisitor& visitor) : visitor(visitor) {}
    void parameter(const std::string& name, Parameter& p) override { visitor.parameter(name, p); }
    void buffer(const std::string& name, Parameter& p) override { visitor.buffer(name, p); }
    void module(const std::string& name, Module& m) override { visitor.module(name, m); }
    ConstFieldVisitor& visitor;
  } as_const(visitor);
  const_cast<Module*>(this)->fields(as_const);  // names the fields and changes none
}

std::vector<Parameter> Module::parameters() const {
  std::vector<Parameter> out;
  for (auto& [name, p] : named_parameters()) out.push_back(p);
  return out;
}

NamedParameters Module::named_parameters() const {
  PathLearner::learn(*this);
  NamedParameters out;
  std::set<Cell*> seen;
  for (auto& [name, p] : collect(*this, false))
    if (is_float(p.dtype()) && seen.insert(p.cell()).second) out.emplace_back(name, p);
  return out;
}

NamedParameters Module::state_dict() const {
  PathLearner::learn(*this);
  return collect(*this, true);
}

int64_t Module::parameter_count() const {
  int64_t n = 0;
  for (auto& [name, p] : named_parameters()) n += p.numel();
  return n;
}

LoadedState Module::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state,
                                    const LoadOptions& options) {
  auto mine = state_dict();
  LoadedState loaded;
  std::string misshapen, why;
  std::map<std::string_view, const Tensor*> given;  // of two tensors with one name the first counts
  for (auto& [name, tensor] : state) given.emplace(name, &tensor);
  std::vector<std::pair<Parameter, Tensor>> values;
  std::set<std::string_view> known;
  for (auto& [name, p] : mine) {
    known.insert(name);
    const auto it = given.find(name);
    if (it == given.end()) {
      if (!is_batch_counter(name)) loaded.missing_keys.push_back(name);
      continue;
    }
    if (Tensor value = state_value(name, p, *it->second, why); value.defined())
      values.emplace_back(p, std::move(value));
    else misshapen += (misshapen.empty() ? "" : ", ") + why;
  }
  for (auto& [name, t] : state)
    if (!known.contains(name)) loaded.unexpected_keys.push_back(name);
  std::string found;
  const auto list = [&](const char* what, const std::string& names) {
    if (!names.empty()) found += str(found.empty() ? "" : "; ", what, names);
  };
  const auto joined = [](const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    return all;
  };
  if (options.strict) {
    list("missing ", joined(loaded.missing_keys));
    list("unexpected ", joined(loaded.unexpected_keys));
  }
  list("misshapen ", misshapen);
  if (!found.empty())
    throw IoError({.op = "load_state_dict",
                   .argument = "state",
                   .given = std::move(found),
                   .expected = "the names and shapes of this model"});
  for (auto& [p, value] : values) p.set(value);
  return loaded;
}

void Module::train(bool on) {
  EachModule each([on](Module& m) { m.training_ = on; });
  each.module("", *this);
}

bool Module::training() const {
  // first, so that nobody reads in an InferenceMode what another thread's train() writes
  if (Recorder::current().inference()) return false;
  return training_;
}

void Module::requires_grad_(bool on) {
  for (auto& [name, p] : named_parameters()) p.set_requires_grad(on);
}

void Module::to(DType dtype) {
  if (!is_float(dtype))
    throw DTypeError({.op = "to",
                      .argument = "dtype",
                      .given = name(dtype),
                      .expected = "a float dtype, as parameters have gradients"});
  struct Converter : FieldVisitor {
    DType dtype;
    std::map<Cell*, Parameter> done;
    void parameter(const std::string&, Parameter& p) override {
      if (!is_float(p.dtype()) || p.dtype() == dtype) return;
      auto [it, fresh] = done.try_emplace(p.cell());
      if (fresh) it->second = Parameter(cast(p.value().detach(), dtype), p.requires_grad());
      p.cell()->replaced = true;
      p = it->second;
    }
    void module(const std::string&, Module& m) override { m.fields(*this); }
  } converter;
  converter.dtype = dtype;
  fields(converter);
  flush();
}

Scope::Scope(const Module& module) : exceptions_(std::uncaught_exceptions()) {
  Recorder& rec = Recorder::current();
  if (PathLearner::scope(module) == 0)
    PathLearner::learn_called(module, rec.in_module() ? rec.scope() : 0);
  outer_ = rec.enter_module(PathLearner::scope(module));
}

// A forward that failed midway must not leave half of itself (draws, statistics) to the next
// program.
Scope::~Scope() {
  Recorder::current().leave_module(outer_, std::uncaught_exceptions() > exceptions_);
}

void tie(const Parameter& a, Parameter& b) {
  if (a.shape() != b.shape())
    throw ShapeError({.op = "tie",
                      .argument = "b",
                      .given = to_string(b.shape()),
                      .expected = str(a.shape(), ", the shape of a")});
  b = a;
}

}  // namespace suanli::nn
