// SPDX-License-Identifier: Apache-2.0
#include "base/system/stopwatch.h"
#include "suanli/profile.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "plan/build/plan.h"
#include "plan/ir/step_info.h"
#include "runtime/profiler.h"

namespace suanli {

struct Profiler::State final : ProfilerHooks {
  struct Event {
    const std::string* name;
    uint32_t scope;
    int32_t thread;  // its place in `threads`
    bool kernel;
    double start, seconds, inside;  // `inside`: of other events within it
    int64_t flops, bytes;
  };
  struct Thread {
    int32_t place;
    std::vector<size_t> open;  // events of spans that have begun
    double kernel_began = 0;
  };

  const Stopwatch watch;
  mutable std::mutex mutex;  // guards everything below
  std::vector<Event> events;
  std::unordered_map<std::thread::id, Thread> threads;
  double own = 0;
  int64_t hits = 0, built = 0;
  std::unordered_map<std::string, std::unique_ptr<std::string>> names;

  double now() const { return watch.seconds(); }
  const std::string* name(const std::string& text) {
    auto& kept = names[text];
    if (!kept) kept = std::make_unique<std::string>(text);
    return kept.get();
  }
  Thread& this_thread() {
    return threads.try_emplace(std::this_thread::get_id(), static_cast<int32_t>(threads.size()))
        .first->second;
  }
  void tell_outer(const Thread& thread, double seconds) {
    if (!thread.open.empty()) events[thread.open.back()].inside += seconds;
  }
  /// The profiler's own work since `from` is nobody's.
  void own_since(const Thread& thread, double from) {
    const double seconds = now() - from;
    own += seconds;
    tell_outer(thread, seconds);
  }

  void span_begins(const char* text) override {
    const double from = now();
    const std::lock_guard lock(mutex);
    Thread& thread = this_thread();
    thread.open.push_back(events.size());
    events.push_back({name(text), 0, thread.place, false, from, 0, 0, 0, 0});
    own_since(thread, from);
  }
  void span_ends() override {
    const double end = now();
    const std::lock_guard lock(mutex);
    Thread& thread = this_thread();
    Event& e = events[thread.open.back()];
    e.seconds = end - e.start;
    thread.open.pop_back();
    tell_outer(thread, e.seconds);
  }
  void plan_found(bool was_built) override {
    const std::lock_guard lock(mutex);
    ++(was_built ? built : hits);
  }
  void step_begins() override {
    const std::lock_guard lock(mutex);
    this_thread().kernel_began = now();
  }
  void step_ends(const Step& step, int64_t flops, int64_t bytes, uint32_t scope) override {
    const double end = now();
    const std::lock_guard lock(mutex);
    Thread& thread = this_thread();
    const double seconds = end - thread.kernel_began;
    tell_outer(thread, seconds);
    events.push_back({name(step_name(step)), scope, thread.place, true, thread.kernel_began,
                      seconds, 0, flops, bytes});
    own_since(thread, end);
  }
};

Profiler::Profiler(Session session)
    : session_(std::move(session)), state_(std::make_shared<State>()) {
  if (!session_.state().start_profiler(state_))
    throw StateError({.op = "Profiler",
                      .argument = "session",
                      .given = "a session with a profiler",
                      .expected = "one profiler at a time"});
}
Profiler::~Profiler() { session_.state().stop_profiler(); }

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
  const std::lock_guard lock(s.mutex);
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
  const std::lock_guard lock(state_->mutex);
  std::vector<ProfileEvent> out;
  out.reserve(state_->events.size());
  for (const State::Event& e : state_->events)
    out.push_back(
        {*e.name, scope_path(e.scope), e.kernel, e.thread, e.start, e.seconds, e.flops, e.bytes});
  // A kernel was added at its end, when another thread may have begun more.
  std::stable_sort(out.begin(), out.end(),
                   [](const ProfileEvent& a, const ProfileEvent& b) { return a.start < b.start; });
  return out;
}

}  // namespace suanli
