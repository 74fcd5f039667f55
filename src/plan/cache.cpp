#include "plan/cache.h"

#include <mutex>
#include <unordered_map>

#include "base/fork.h"

namespace suanli {

struct CachedPlans {
  uint64_t hash;
  Tier tier;
  std::vector<uint32_t> words, inputs;  // the tape's
  std::vector<std::unique_ptr<Plan>> idle;
  int lent = 0;          // leases; what is lent stays
  bool cleared = false;  // while it was lent
  int64_t bytes = 0;
  uint64_t used = 0;

  bool is_of(const Tape& tape, Tier wanted) const {
    return tier == wanted && same_words(words, tape.words.all()) && same_words(inputs, tape.inputs.all());
  }
};

namespace {

constexpr int64_t kMostBytes = int64_t{256} << 20;

class PlanCache {
 public:
  PlanCache() { hold_across_fork(ForkOrder::plans, &mutex_); }
  CachedPlans* take(const Tape& tape, Tier tier, std::unique_ptr<Plan>& plan) {
    std::lock_guard lock(mutex_);
    CachedPlans& c = find(tape, tier);
    c.used = ++clock_;
    ++c.lent;
    if (!c.idle.empty()) {
      plan = std::move(c.idle.back());
      c.idle.pop_back();
    }
    return &c;
  }
  void give(CachedPlans* c, std::unique_ptr<Plan> plan) {
    std::lock_guard lock(mutex_);
    --c->lent;
    if (plan && !c->cleared) {
      if (c->bytes == 0) bytes_ += c->bytes = plan->bytes_held() + static_cast<int64_t>((c->words.size() + c->inputs.size()) * 4);
      c->idle.push_back(std::move(plan));
    }
    if (c->lent == 0 && c->idle.empty()) erase(c);  // cleared, or its plan could not be built
    for (CachedPlans* oldest; bytes_ > kMostBytes && (oldest = oldest_idle());) erase(oldest);
  }
  void clear() {
    std::lock_guard lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end();) {
      CachedPlans& c = it->second;
      c.idle.clear();
      c.cleared = c.lent > 0;
      if (c.cleared) {
        ++it;
        continue;
      }
      bytes_ -= c.bytes;
      it = entries_.erase(it);
    }
  }

 private:
  CachedPlans& find(const Tape& tape, Tier tier) {
    auto [from, to] = entries_.equal_range(tape.hash);
    for (auto it = from; it != to; ++it)
      if (!it->second.cleared && it->second.is_of(tape, tier)) return it->second;
    const auto words = tape.words.all(), inputs = tape.inputs.all();
    CachedPlans c{
        .hash = tape.hash, .tier = tier, .words = {words.begin(), words.end()}, .inputs = {inputs.begin(), inputs.end()}, .idle = {}};
    return entries_.emplace(tape.hash, std::move(c))->second;
  }
  CachedPlans* oldest_idle() {
    CachedPlans* oldest = nullptr;
    for (auto& [hash, c] : entries_)
      if (c.lent == 0 && (!oldest || c.used < oldest->used) && entries_.size() > 1) oldest = &c;
    return oldest;
  }
  void erase(CachedPlans* c) {
    auto [from, to] = entries_.equal_range(c->hash);
    for (auto it = from; it != to; ++it)
      if (&it->second == c) {
        bytes_ -= c->bytes;
        entries_.erase(it);
        return;
      }
  }

  std::mutex mutex_;
  std::unordered_multimap<uint64_t, CachedPlans> entries_;  // its elements stay where they are
  int64_t bytes_ = 0;
  uint64_t clock_ = 0;
};

PlanCache& cache() {
  static auto* c = new PlanCache;
  return *c;
}

}  // namespace

PlanLease::PlanLease(const Tape& tape, Tier tier) : of_(cache().take(tape, tier, plan)) {}
PlanLease::~PlanLease() { cache().give(of_, std::move(plan)); }

void clear_plan_cache() { cache().clear(); }

}  // namespace suanli
