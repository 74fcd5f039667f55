// SPDX-License-Identifier: Apache-2.0
#include "runtime/derived.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "base/threads/fork.h"

namespace suanli {

Derived::~Derived() {
  for (Storage* s : values) release(s);
}

namespace {

/// Derived values, or a place for them while a thread computes them.
struct Entry {
  std::vector<uint64_t> key;
  std::vector<Storage*> sources;
  std::mutex making;  // held while `value` is computed; others that ask for it wait
  DerivedRef value;   // guarded by the table; null until it is there
  bool is(std::span<const uint64_t> k, std::span<Storage* const> s) const {
    return std::ranges::equal(key, k) && std::ranges::equal(sources, s);
  }
};
using EntryRef = std::shared_ptr<Entry>;

class DerivedTable {
 public:
  DerivedTable() { hold_across_fork(ForkOrder::derived, &mutex_); }

  /// The entry, made if there is none, and its value if it is there.
  std::pair<EntryRef, DerivedRef> find(std::span<const uint64_t> key, size_t stem,
                                       std::span<Storage* const> sources) {
    std::vector<EntryRef> gone;  // released without the lock
    std::lock_guard lock(mutex_);
    auto& known = of_[sources[0]];  // in order of age
    for (const EntryRef& e : known)
      if (e->is(key, sources)) return {e, e->value};
    auto variant = [&](const EntryRef& e) {
      return std::ranges::equal(e->sources, sources) && e->key.size() == key.size() &&
             std::equal(key.begin(), key.begin() + static_cast<ptrdiff_t>(stem), e->key.begin());
    };
    if (static_cast<size_t>(std::ranges::count_if(known, variant)) >= kMaxVariants)
      drop(*std::ranges::find_if(known, variant), gone);
    for (Storage* s : sources)
      if (const auto& list = of_[s]; list.size() >= kMaxDerived) drop(list.front(), gone);
    auto e = std::make_shared<Entry>();
    e->key.assign(key.begin(), key.end());
    e->sources.assign(sources.begin(), sources.end());
    for (Storage* s : sources) {
      auto& list = of_[s];
      if (std::ranges::find(list, e) == list.end()) list.push_back(e);
      s->derived.store(true, std::memory_order_relaxed);
    }
    return {e, nullptr};
  }

  /// Moves an entry from the lists of its sources to `gone`. The lists stay.
  void drop(EntryRef e, std::vector<EntryRef>& gone) {
    for (Storage* s : e->sources)
      if (const auto list = of_.find(s); list != of_.end()) std::erase(list->second, e);
    gone.push_back(std::move(e));
  }

  DerivedRef value(const Entry& e) {
    std::lock_guard lock(mutex_);
    return e.value;
  }
  void set_value(Entry& e, DerivedRef value) {
    std::lock_guard lock(mutex_);
    e.value = std::move(value);
  }

  void forget(Storage* source) {
    std::vector<EntryRef> gone;  // released without the lock
    std::lock_guard lock(mutex_);
    const auto it = of_.find(source);
    if (it == of_.end()) return;
    gone = std::move(it->second);
    of_.erase(it);
    source->derived.store(false, std::memory_order_relaxed);
    for (const EntryRef& e : gone)
      for (Storage* s : e->sources) {
        const auto other = of_.find(s);
        if (other == of_.end()) continue;
        std::erase(other->second, e);
        if (!other->second.empty()) continue;
        of_.erase(other);
        s->derived.store(false, std::memory_order_relaxed);
      }
  }

  int64_t bytes(Device device) {
    std::lock_guard lock(mutex_);
    int64_t bytes = 0;
    for (const auto& [source, list] : of_)
      for (const EntryRef& e : list) {
        if (e->sources[0] != source || !e->value) continue;
        for (const Storage* s : e->value->values) bytes += s->device == device ? s->bytes : 0;
      }
    return bytes;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<const Storage*, std::vector<EntryRef>> of_;  // by every source
};

DerivedTable& table() {
  static auto* t = new DerivedTable;
  return *t;
}

}  // namespace

DerivedRef detail::derive(std::span<const uint64_t> key, size_t stem,
                          std::span<Storage* const> sources, DeriveFn make, void* context) {
  DerivedTable& t = table();
  const auto [entry, known] = t.find(key, stem, sources);
  if (known) return known;
  std::lock_guard lock(entry->making);
  if (DerivedRef made = t.value(*entry)) return made;
  auto fresh = std::make_shared<Derived>();
  make(context, fresh->values);
  t.set_value(*entry, fresh);
  return fresh;
}

void forget_derived(Storage* source) { table().forget(source); }
int64_t derived_bytes(Device device) { return table().bytes(device); }

}  // namespace suanli
