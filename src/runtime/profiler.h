// SPDX-License-Identifier: Apache-2.0
// Where a profiler listens to a session: kernels, plans, and named spans of the host's work.
#pragma once
#include "runtime/session.h"
#include "runtime/step.h"

namespace suanli {

/// Hooks that follow a session's work. Any thread may call them. On one thread, spans nest and
/// contain steps.
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

/// Names what this thread does in a session while it lives. It keeps the hooks alive, so a profiler
/// may end meanwhile.
class ProfilerSpan {
 public:
  ProfilerSpan(std::shared_ptr<ProfilerHooks> hooks, const char* name) : hooks_(std::move(hooks)) {
    if (hooks_) hooks_->span_begins(name);
  }
  ProfilerSpan(const Session& session, const char* name)
      : ProfilerSpan(session.state().profiler(), name) {}
  ~ProfilerSpan() {
    if (hooks_) hooks_->span_ends();
  }
  ProfilerSpan(const ProfilerSpan&) = delete;

 private:
  const std::shared_ptr<ProfilerHooks> hooks_;
};

}  // namespace suanli
