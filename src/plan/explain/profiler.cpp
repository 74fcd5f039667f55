// SPDX-License-Identifier: Apache-2.0
#include "base/system/stopwatch.h"
#include "suanli/profile.h"

#include <algorithm>
#include <unordered_map>

#include "plan/build/plan.h"
#include "plan/ir/step_info.h"
#include "runtime/profiler.h"

namespace suanli {

struct Profiler::State final : ProfilerHooks {
  struct Event {
    const std::string* name;
    uint32_t scope;
    bool kernel;
    double start, seconds, inside;  // `inside`: of other events within it
    int64_t flops, bytes;
  };

  Stopwatch watch;
  std::vector<Event> events;
  std::vector<size_t> open;  // spans that have begun
  double kernel_began = 0, own = 0;
  int64_t hits = 0, built = 0;
  std::unordered_map<std::string, std::unique_ptr<std::string>> names;

  double now() const { return watch.seconds(); }
  const std::string* name(const std::string& text) {
    auto& kept = names[text];
    if (!kept) kept = std::make_unique<std::string>(text);
    return kept.get();
  }
  void tell_outer(double seconds) {
    if (!open.empty()) events[open.back()].inside += seconds;
  }
  /// The profiler's own work since `from` is nobody's.
  void own_since(double from) {
    const double seconds = now() - from;
    own += seconds;
    tell_outer(seconds);
  }

  void span_begins(const char* text) override {
    const double from = now();
    const std::string* known = name(text);
    open.push_back(events.size());
    events.push_back({known, 0, false, from, 0, 0, 0, 0});
    own_since(from);
  }
  void span_ends() override {
    Event& e = events[open.back()];
    e.seconds = now() - e.start;
    open.pop_back();
    tell_outer(e.seconds);
  }
  void plan_found(bool was_built) override { ++(was_built ? built : hits); }
  void step_begins() override { kernel_began = now(); }
  void step_ends(const Step& step, int64_t flops, int64_t bytes, uint32_t scope) override {
    const double end = now(), seconds = end - kernel_began;
    tell_outer(seconds);
    events.push_back({name(step_name(step)), scope, true, kernel_began, seconds, 0, flops, bytes});
    own_since(end);
  }
};

Profiler::Profiler() {
  if (profiler_hooks)
    throw StateError(
        {.op = "Profiler", .given = "a second one on this thread", .expected = "one at a time"});
  state_ = std::make_unique<State>();
  profiler_hooks = state_.get();
}
Profiler::~Profiler() { profiler_hooks = nullptr; }

namespace {

/// Rows by name.
class Table {
 public:
  void add(const std::string& name, double seconds, int64_t flops, int64_t bytes) {
    auto [it, fresh] = index_.try_emplace(name, rows_.size());
    if (fresh) rows_.push_back({.name = name});
    ProfileRow& r = rows_[it->second];
    ++r.calls;
    r.seconds += seconds;
    r.flops += flops;
    r.bytes += bytes;
  }
  std::vector<ProfileRow> longest_first() {
    std::stable_sort(rows_.begin(), rows_.end(), [](const ProfileRow& a, const ProfileRow& b) {
      return a.seconds > b.seconds;
    });
    return std::move(rows_);
  }

 private:
  std::unordered_map<std::string, size_t> index_;
  std::vector<ProfileRow> rows_;
};

}  // namespace

ProfileReport Profiler::report() const {
  const State& s = *state_;
  ProfileReport r;
  r.seconds = s.now();
  r.own_seconds = s.own;
  r.plan_hits = s.hits;
  r.plans_built = s.built;
  Table ops, modules, spans;
  for (const State::Event& e : s.events) {
    if (!e.kernel) {
      spans.add(*e.name, e.seconds - e.inside, 0, 0);
      continue;
    }
    ++r.kernels;
    r.kernel_seconds += e.seconds;
    r.flops += e.flops;
    r.bytes += e.bytes;
    ops.add(*e.name, e.seconds, e.flops, e.bytes);
    modules.add(scope_path(e.scope), e.seconds, e.flops, e.bytes);
  }
  r.by_op = ops.longest_first();
  r.by_module = modules.longest_first();

  r.spans = spans.longest_first();
  return r;
}

std::vector<ProfileEvent> Profiler::events() const {
  std::vector<ProfileEvent> out;
  for (const State::Event& e : state_->events)
    out.push_back({*e.name, scope_path(e.scope), e.kernel, e.start, e.seconds, e.flops, e.bytes});
  return out;
}

}  // namespace suanli
