// SPDX-License-Identifier: Apache-2.0
// Guards: each changes one setting of this thread's recorder while it lives. Public: NoGrad
// (include/suanli/autograd.h).
#pragma once
#include <utility>

#include "tensor/recorder.h"

namespace suanli {

/// Nodes are recorded under this module path.
class ScopeOf {
 public:
  explicit ScopeOf(uint32_t scope)
      : recorder_(Recorder::current()), before_(std::exchange(recorder_.scope_, scope)) {}
  ~ScopeOf() { recorder_.scope_ = before_; }
  ScopeOf(const ScopeOf&) = delete;

 private:
  Recorder& recorder_;
  const uint32_t before_;
};

/// Nodes are recorded with gradients, or without. An InferenceMode stays without.
class GradMode {
 public:
  explicit GradMode(bool on)
      : recorder_(Recorder::current()),
        before_(std::exchange(recorder_.grad_enabled_, on && !recorder_.inference_)) {}
  ~GradMode() { recorder_.grad_enabled_ = before_; }
  GradMode(const GradMode&) = delete;

 private:
  Recorder& recorder_;
  const bool before_;
};

/// Every op is flushed at once. Pending nodes are flushed first.
class Eager {
 public:
  Eager() : recorder_(Recorder::current()), before_(recorder_.eager_) {
    recorder_.flush();
    recorder_.eager_ = true;
  }
  ~Eager() { recorder_.eager_ = before_; }
  Eager(const Eager&) = delete;

 private:
  Recorder& recorder_;
  const bool before_;
};

/// A program ends at this many nodes.
class NodeBudget {
 public:
  explicit NodeBudget(size_t nodes)
      : recorder_(Recorder::current()), before_(std::exchange(recorder_.node_budget_, nodes)) {}
  ~NodeBudget() { recorder_.node_budget_ = before_; }
  NodeBudget(const NodeBudget&) = delete;

 private:
  Recorder& recorder_;
  const size_t before_;
};

/// Another executor computes the programs. Pending nodes are flushed to the former one first, and
/// dropped at the end.
class ExecuteWith {
 public:
  ExecuteWith(Executor& executor, std::string why_dropped)
      : recorder_(Recorder::current()), why_dropped_(std::move(why_dropped)) {
    recorder_.flush();
    before_ = std::exchange(recorder_.executor_, &executor);
  }
  ~ExecuteWith() {
    recorder_.drop(why_dropped_);
    recorder_.executor_ = before_;
  }
  ExecuteWith(const ExecuteWith&) = delete;

 private:
  Recorder& recorder_;
  const std::string why_dropped_;
  Executor* before_;
};

}  // namespace suanli
