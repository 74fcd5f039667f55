// SPDX-License-Identifier: Apache-2.0
// Modules that hold others.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "suanli/nn/module.h"

namespace suanli::nn {

/// Holds any module that maps one tensor to one tensor, behind one interface. Sequential, the model
/// zoo and Trainer use it. A default-constructed or moved-from one is empty.
class SUANLI_API AnyModule : public Module {
 public:
  AnyModule() = default;
  template <class M> requires(std::is_base_of_v<Module, std::decay_t<M>> &&
                              !std::is_same_v<std::decay_t<M>, AnyModule>)
  AnyModule(M&& module) : held_(std::make_unique<Held<std::decay_t<M>>>(std::forward<M>(module))) {}
  explicit operator bool() const { return held_ != nullptr; }  ///< False if it is empty.
  /// Throws StateError if it is empty, as get() does.
  Tensor operator()(const Tensor& x) const { return held().call(x); }
  Module& get() { return held().module(); }
  const Module& get() const { return held().module(); }
  using Module::self;
  const Module& self() const override {
    if (held_) return held_->module();
    return *this;
  }
  using Module::fields;
  void fields(FieldVisitor& v) override {
    if (held_) held_->module().fields(v);
  }
  const char* type_name() const override { return held_ ? held_->type_name() : "AnyModule"; }

 private:
  struct Holder {
    virtual ~Holder() = default;
    virtual Tensor call(const Tensor& x) const = 0;
    virtual Module& module() = 0;
    virtual const char* type_name() const = 0;
  };
  template <class M> struct Held : Holder {
    explicit Held(M&& m) : m(std::move(m)) {}
    Tensor call(const Tensor& x) const override { return m(x); }
    Module& module() override { return m; }
    const char* type_name() const override { return m.type_name(); }
    M m;
  };
  Holder& held() const;
  std::unique_ptr<Holder> held_;
};

/// Calls modules in sequence. Fields are named 0, 1, 2, ….
class SUANLI_API Sequential : public Module {
 public:
  Sequential() = default;
  template <class... M>
  requires(sizeof...(M) > 0 && (std::is_base_of_v<Module, std::decay_t<M>> && ...))
  explicit Sequential(M&&... modules) {
    (add(std::forward<M>(modules)), ...);
  }
  Sequential& add(AnyModule module);  ///< Throws StateError if it is empty.
  size_t size() const { return modules_.size(); }
  AnyModule& operator[](size_t i) { return modules_[i]; }
  const AnyModule& operator[](size_t i) const { return modules_[i]; }
  Tensor forward(const Tensor& x) const;
  using Module::fields;
  void fields(FieldVisitor& v) override;
  const char* type_name() const override { return "Sequential"; }
  SUANLI_CALL

 private:
  std::vector<AnyModule> modules_;
};

/// Modules under the names 0, 1, 2, …, which another module's forward() calls.
class SUANLI_API ModuleList : public Module {
 public:
  ModuleList() = default;
  template <class... M>
  requires(sizeof...(M) > 0 && (std::is_base_of_v<Module, std::decay_t<M>> && ...))
  explicit ModuleList(M&&... modules) {
    (append(std::forward<M>(modules)), ...);
  }
  ModuleList& append(AnyModule module);  ///< Throws StateError if it is empty.
  size_t size() const { return modules_.size(); }
  AnyModule& operator[](size_t i) { return modules_.at(i); }
  const AnyModule& operator[](size_t i) const { return modules_.at(i); }
  auto begin() const { return modules_.begin(); }
  auto end() const { return modules_.end(); }
  using Module::fields;
  void fields(FieldVisitor& v) override;
  const char* type_name() const override { return "ModuleList"; }

 private:
  std::vector<AnyModule> modules_;
};

/// Modules under names of their own, in the order of their insertion.
class SUANLI_API ModuleDict : public Module {
 public:
  /// Replaces the module of that name. Throws StateError for an empty module, and ArgumentError for
  /// a name that is empty or has a dot.
  ModuleDict& insert(const std::string& name, AnyModule module);
  size_t size() const { return modules_.size(); }
  bool contains(std::string_view name) const;
  /// Throws ArgumentError for an unknown name.
  const AnyModule& operator[](std::string_view name) const;
  auto begin() const { return modules_.begin(); }
  auto end() const { return modules_.end(); }
  using Module::fields;
  void fields(FieldVisitor& v) override;
  const char* type_name() const override { return "ModuleDict"; }

 private:
  std::vector<std::pair<std::string, AnyModule>> modules_;
};

/// Parameters under the names 0, 1, 2, ….
class SUANLI_API ParameterList : public Module {
 public:
  ParameterList() = default;
  explicit ParameterList(std::vector<Parameter> parameters) : parameters_(std::move(parameters)) {}
  ParameterList& append(const Parameter& parameter) {
    parameters_.push_back(parameter);
    return *this;
  }
  size_t size() const { return parameters_.size(); }
  Parameter& operator[](size_t i) { return parameters_.at(i); }
  const Parameter& operator[](size_t i) const { return parameters_.at(i); }
  auto begin() const { return parameters_.begin(); }
  auto end() const { return parameters_.end(); }
  using Module::fields;
  void fields(FieldVisitor& v) override;
  const char* type_name() const override { return "ParameterList"; }

 private:
  std::vector<Parameter> parameters_;
};

}  // namespace suanli::nn
