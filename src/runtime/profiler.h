// SPDX-License-Identifier: Apache-2.0
// Where a profiler listens: kernels, plans, and named spans of the host's work.
#pragma once
#include "runtime/step.h"

namespace suanli {

/// Hooks that follow one thread's work. Spans nest; steps lie in spans.
class ProfilerHooks {
 public:
  virtual ~ProfilerHooks() = default;
  virtual void span_begins(const char* name) = 0;  // a literal
  virtual void span_ends() = 0;
  /// A program's plan was looked up, and built if it was not there.
  virtual void plan_found(bool built) = 0;
  virtual void step_begins() = 0;
  /// `flops` and `bytes` as counted from shapes; `scope` as in Node.
  virtual void step_ends(const Step& step, int64_t flops, int64_t bytes, uint32_t scope) = 0;
};

/// The hooks of this thread; null while nobody profiles it. A thread's own, so that a profiler may
/// come and go while other threads compute.
extern constinit thread_local ProfilerHooks* profiler_hooks;

/// Names what this thread does while it lives.
class ProfilerSpan {
 public:
  explicit ProfilerSpan(const char* name) : hooks_(profiler_hooks) {
    if (hooks_) hooks_->span_begins(name);
  }
  ~ProfilerSpan() {
    if (hooks_ && hooks_ == profiler_hooks) hooks_->span_ends();  // it may have gone meanwhile
  }
  ProfilerSpan(const ProfilerSpan&) = delete;

 private:
  ProfilerHooks* hooks_;
};

}  // namespace suanli
