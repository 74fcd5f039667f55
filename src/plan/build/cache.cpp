// SPDX-License-Identifier: Apache-2.0
#include "plan/build/cache.h"

#include <mutex>
#include <unordered_map>

#include "base/threads/fork.h"
#include "plan/ir/tuning.h"

namespace suanli {

struct CachedPlans {
  uint64_t hash;
  PlanSettings settings;
  std::vector<uint32_t> words, inputs;  // the tape's
  std::vector<std::unique_ptr<Plan>> idle;
  int lent = 0;          // leases; what is lent stays
  bool cleared = false;  // while it was lent
  int64_t bytes = 0;     // of all its plans, and of itself
  CachedPlans *older = nullptr, *newer = nullptr;  // by their last use

  bool is_of(const Tape& tape, const PlanSettings& wanted) const {
    return settings == wanted && same_words(words, tape.words.all()) &&
           same_words(inputs, tape.inputs.all());
  }
};

namespace {

constexpr int64_t kMaxBytes = int64_t{256} << 20;

class PlanCache {
 public:
  PlanCache() { hold_across_fork(ForkOrder::plans, &mutex_); }
  CachedPlans* take(const Tape& tape, const PlanSettings& settings, std::unique_ptr<Plan>& plan) {
    std::lock_guard lock(mutex_);
    CachedPlans& c = find(tape, settings);
    ++c.lent;
    if (&c != newest_) {
      unlink(c);
      link(c);
    }
    if (!c.idle.empty()) {
      plan = std::move(c.idle.back());
      c.idle.pop_back();
    }
    return &c;
  }
  void give(CachedPlans* c, std::unique_ptr<Plan> plan) {
    std::lock_guard lock(mutex_);
    --c->lent;
    if (plan && !c->cleared && (plan->counted_bytes || c->settings.still_hold())) {
      if (plan->counted_bytes == 0) count(*c, plan->counted_bytes = plan->bytes_held());
      c->idle.push_back(std::move(plan));
    }
    // cleared; or its plan could not be built, or is not what others would build
    if (c->lent == 0 && c->idle.empty()) erase(c);
    for (CachedPlans* at = oldest_; bytes_ > kMaxBytes && at && at != newest_;) {
      CachedPlans* const next = at->newer;
      if (at->lent == 0) erase(at);
      at = next;
    }
  }
  void clear() {
    std::lock_guard lock(mutex_);
    for (CachedPlans* at = oldest_; at;) {
      CachedPlans* const next = at->newer;
      if (at->lent == 0) {
        erase(at);
      } else {
        at->idle.clear();
        at->cleared = true;
        count(*at, -at->bytes);
      }
      at = next;
    }
  }

  int64_t bytes() {
    std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  CachedPlans& find(const Tape& tape, const PlanSettings& settings) {
    auto [from, to] = entries_.equal_range(tape.hash);
    for (auto it = from; it != to; ++it)
      if (!it->second.cleared && it->second.is_of(tape, settings)) return it->second;
    const auto words = tape.words.all(), inputs = tape.inputs.all();
    CachedPlans& c = entries_
                         .emplace(tape.hash, CachedPlans{.hash = tape.hash,
                                                         .settings = settings,
                                                         .words = {words.begin(), words.end()},
                                                         .inputs = {inputs.begin(), inputs.end()},
                                                         .idle = {}})
                         ->second;
    link(c);
    count(c, static_cast<int64_t>(kEntryBytes +
                                  (c.words.size() + c.inputs.size()) * sizeof(uint32_t)));
    return c;
  }
  void count(CachedPlans& c, int64_t bytes) {
    c.bytes += bytes;
    bytes_ += bytes;
  }
  void link(CachedPlans& c) {
    c.older = newest_;
    c.newer = nullptr;
    (newest_ ? newest_->newer : oldest_) = &c;
    newest_ = &c;
  }
  void unlink(CachedPlans& c) {
    (c.older ? c.older->newer : oldest_) = c.newer;
    (c.newer ? c.newer->older : newest_) = c.older;
  }
  void erase(CachedPlans* c) {
    auto [from, to] = entries_.equal_range(c->hash);
    for (auto it = from; it != to; ++it)
      if (&it->second == c) {
        bytes_ -= c->bytes;
        unlink(*c);
        entries_.erase(it);
        return;
      }
  }

  // with what the table and the allocator need for it
  static constexpr size_t kEntryBytes = sizeof(CachedPlans) + 128;
  std::mutex mutex_;
  std::unordered_multimap<uint64_t, CachedPlans> entries_;  // its elements stay where they are
  CachedPlans *oldest_ = nullptr, *newest_ = nullptr;
  int64_t bytes_ = 0;
};

PlanCache& cache() {
  static auto* c = new PlanCache;
  return *c;
}

}  // namespace

PlanLease::PlanLease(const Tape& tape, const PlanSettings& settings)
    : of_(cache().take(tape, settings, plan)) {}
PlanLease::~PlanLease() { cache().give(of_, std::move(plan)); }

void clear_plan_cache() { cache().clear(); }
int64_t plan_cache_bytes() { return cache().bytes(); }

}  // namespace suanli
