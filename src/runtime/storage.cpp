// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage.h"

#include <array>
#include <bit>
#include <memory>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#include "base/core/round_up.h"
#include "base/system/proc.h"
#include "base/text/text.h"
#include "base/threads/fork.h"
#include "base/threads/slab.h"
#include "runtime/backend.h"
#include "runtime/derived.h"

namespace suanli {
namespace {

// address space only; commit() makes pages usable
constexpr int64_t kArenaReserve = int64_t{1} << 40;
constexpr int64_t kArenaStep = int64_t{1} << 21;       // what is committed: whole huge pages
// of limited address space: an arena's room to grow takes at most this part
constexpr int64_t kArenaShare = 16;

// Freed blocks are kept for requests of their size. Where shapes change all the time some sizes do
// not come again: more than was ever held at once, and so many bytes, are not kept. A loop that
// repeats its sizes takes nothing from the system, and so never gives anything back.
constexpr int64_t kSpareBytes = int64_t{256} << 20;

}  // namespace

// In 1/8 steps of a power of two, so that freed blocks fit later requests of nearly the same size
// with ≤ 12.5% waste.
int64_t block_size(int64_t bytes) {
  if (bytes <= 512) return std::max<int64_t>(64, round_up(bytes, 64));
  int64_t step = int64_t{1} << (63 - std::countl_zero(static_cast<uint64_t>(bytes)) - 3);
  return round_up(bytes, step);
}

struct Arena::Range {
  char* data = nullptr;
  int64_t reserved = 0, committed = 0;
  bool busy = false;
  MemoryAccount* account = nullptr;  // that pays for what is committed; null: a spare
};

/// All memory of one device that is ours. Pages are kept, not returned: the first touch of fresh
/// memory runs at 1.5 GB/s, ten times slower than a copy. Blocks and arenas that nobody uses serve
/// all sessions.
struct DevicePool {
  using Account = MemoryAccount::OfDevice;
  std::mutex mutex;
  Device device;
  size_t index = 0;
  std::unordered_map<int64_t, std::vector<void*>> cache;
  int64_t cached = 0, held = 0, most_held = 0, arena = 0, spare = 0, system = 0;
  std::vector<Arena::Range*> arenas;

  Backend& engine() { return backend(device); }
  Account& of(MemoryAccount& account) const { return account.of_[index]; }
  static void note_peak(Account& a) { a.use.peak = std::max(a.use.peak, a.held()); }

  void trim() {
    for (auto& [size, blocks] : cache) {
      for (void* b : blocks) engine().free(b, size);
      blocks.clear();
    }
    cached = 0;
  }
  [[noreturn]] void fail(const Account& a, int64_t bytes, const char* who, bool by_limit = false) {
    std::string expected = "no more than the device has";
    if (by_limit) expected = str("no more than the limit of ", human_bytes(a.use.limit));
    else if (const auto left = address_space_left(); left && device.kind == DeviceKind::cpu)
      expected = str("at most ", human_bytes(*left),
                     ", which are left of the process's address space (ulimit -v)");
    const int64_t others = held + arena - a.held();
    Fault fault{
        .op = who,
        .argument = "memory",
        .given = str(human_bytes(bytes), " more on ", device, "; tensors hold ",
                     human_bytes(a.use.tensors), ", working memory ", human_bytes(a.use.arena),
                     others > 0 ? str(", other sessions ", human_bytes(others)) : ""),
        .expected = expected,
        .remedy = "Use smaller batches.",
        .settings = {"batch_size", "accumulate"}};
    if (by_limit) fault.settings.push_back("memory_limit");
    throw OutOfMemory(std::move(fault));
  }
  /// Gives back the account's own idle working memory where its limit stands in the way.
  void make_room(const Account& a, int64_t bytes) {
    if (a.allows(bytes)) return;
    drop_arenas([&](const Arena::Range& r) { return r.account && &of(*r.account) == &a; });
  }
  /// Throws if the limit does not allow a block of `bytes` for the `asked` bytes. Memory that
  /// nobody uses makes room.
  void require(const Account& a, int64_t bytes, int64_t asked, const char* who) {
    make_room(a, bytes);
    if (!a.allows(bytes)) fail(a, asked, who, true);
    if (!a.allows(cached + spare + bytes)) {
      trim();
      drop_spare_arenas();
    }
  }
  void* allocate(MemoryAccount& account, int64_t bytes, const char* who) {
    int64_t size = block_size(bytes);
    std::lock_guard lock(mutex);
    Account& a = of(account);
    auto& free_blocks = cache[size];
    void* data = nullptr;
    if (!free_blocks.empty()) {
      make_room(a, size);
      if (!a.allows(size)) fail(a, bytes, who, true);
      data = free_blocks.back();
      free_blocks.pop_back();
      cached -= size;
    } else {
      if (cached > most_held + kSpareBytes) trim();
      require(a, size, bytes, who);
      ++system;
      data = engine().allocate(size);
      if (!data) {
        trim();
        drop_idle_arenas();
        data = engine().allocate(size);
        if (!data) fail(a, bytes, who);
      }
    }
    held += size;
    most_held = std::max(most_held, held);
    a.use.tensors += size;
    note_peak(a);
    account.retain();
    return data;
  }
  /// The account pays for so many bytes of a range more, or (below 0) fewer. Spares are nobody's.
  void charge(Arena::Range& r, int64_t bytes) {
    if (!r.account) {
      spare += bytes;
      return;
    }
    Account& a = of(*r.account);
    arena += bytes;
    a.use.arena += bytes;
    note_peak(a);
  }
  void move_to(Arena::Range& r, MemoryAccount* account) {
    if (r.account == account) return;
    charge(r, -r.committed);
    if (account) account->retain();
    if (r.account) r.account->release();
    r.account = account;
    charge(r, r.committed);
  }
  template <class Predicate> void drop_arenas(Predicate dropped) {
    std::erase_if(arenas, [&](Arena::Range* r) {
      if (r->busy || !dropped(*r)) return false;
      forget(*r);
      move_to(*r, nullptr);
      delete r;
      return true;
    });
  }
  /// Gives back arenas that no program uses.
  void drop_idle_arenas() {
    drop_arenas([](const Arena::Range&) { return true; });
  }
  void drop_spare_arenas() {
    drop_arenas([](const Arena::Range& r) { return !r.account; });
  }
  void forget(Arena::Range& r) {
    if (r.data) engine().unreserve(r.data, r.reserved);
    charge(r, -r.committed);
    r.data = nullptr;
    r.reserved = r.committed = 0;
  }
  /// A range of at least so many bytes with room to grow: 1 TiB, or what is fitting where the
  /// address space is limited. False if there is none, not even of this size.
  bool reserve(Arena::Range& r, int64_t bytes) {
    int64_t size = kArenaReserve;
    if (const auto left = address_space_left())
      size = std::min(size, *left / kArenaShare / kArenaStep * kArenaStep);
    for (size = std::max(size, bytes);;
         size = std::max(size / 2 / kArenaStep * kArenaStep, bytes)) {
      r.data = static_cast<char*>(engine().reserve(size));
      if (r.data) {
        r.reserved = size;
        return true;
      }
      if (size == bytes) return false;
    }
  }
  /// One of the account's own idle ranges, or else of the spare ones that its limit allows: the
  /// smallest one that has so many bytes committed, or else the largest one. Or else a new one.
  Arena::Range* take_range(MemoryAccount& account, int64_t bytes) {
    Arena::Range* best = nullptr;
    auto fits_better = [&](const Arena::Range& a, const Arena::Range& b) {
      if ((a.account != nullptr) != (b.account != nullptr)) return a.account != nullptr;
      if ((a.committed >= bytes) != (b.committed >= bytes)) return a.committed >= bytes;
      return a.committed >= bytes ? a.committed < b.committed : a.committed > b.committed;
    };
    for (auto* r : arenas) {
      const bool may =
          r->account ? r->account == &account : of(account).allows(std::max(bytes, r->committed));
      if (!r->busy && may && (!best || fits_better(*r, *best))) best = r;
    }
    if (!best) {
      arenas.reserve(arenas.size() + 1);  // so that nothing throws once the range is made
      best = arenas.emplace_back(new Arena::Range);
    }
    move_to(*best, &account);
    return best;
  }
  /// Makes the first `bytes` of an idle range usable.
  void grow(Arena::Range& r, int64_t bytes, const char* who) {
    const Account& a = of(*r.account);
    r.busy = true;  // not dropped below
    try {
      require(a, bytes - r.committed, bytes, who);
    } catch (...) {
      r.busy = false;
      throw;
    }
    r.busy = false;
    if (bytes > r.reserved) {
      forget(r);  // nobody holds addresses in an idle range
      r.busy = true;  // not dropped below
      bool there = reserve(r, bytes);
      if (!there) {
        trim();
        drop_idle_arenas();
        there = reserve(r, bytes);
      }
      r.busy = false;
      if (!there) fail(a, bytes, who);
    }
    if (!engine().commit(r.data, bytes)) {
      trim();
      if (!engine().commit(r.data, bytes)) fail(a, bytes, who);
    }
    charge(r, bytes - r.committed);
    r.committed = bytes;
  }
  Arena::Range* take_arena(MemoryAccount& account, int64_t bytes, const char* who) {
    std::lock_guard lock(mutex);
    Arena::Range* range = take_range(account, bytes);
    if (bytes > range->committed) grow(*range, round_up(bytes, kArenaStep), who);
    range->busy = true;
    return range;
  }
  void give_back(Arena::Range& r) {
    std::lock_guard lock(mutex);
    r.busy = false;
    if (of(*r.account).closed) move_to(r, nullptr);
  }
  void give_back(MemoryAccount& account, void* data, int64_t bytes) {
    int64_t size = block_size(bytes);
    {
      std::lock_guard lock(mutex);
      held -= size;
      of(account).use.tensors -= size;
      cached += size;
      cache[size].push_back(data);
    }
    account.release();
  }
  void close(MemoryAccount& account) {
    std::lock_guard lock(mutex);
    of(account).closed = true;
    for (Arena::Range* r : arenas)
      if (r->account == &account && !r->busy) move_to(*r, nullptr);
  }
};

namespace {

std::array<DevicePool, kMaxDevices>& pools() {
  static auto* all = [] {
    auto p = std::make_unique<std::array<DevicePool, kMaxDevices>>();
    hold_across_fork(ForkOrder::memory, &(*p)[0].mutex);
    for (size_t i = 0; i < kMaxDevices; ++i) {
      (*p)[i].index = i;
      if (i > 0) (*p)[i].device = {DeviceKind::cuda, static_cast<int8_t>(i - 1)};
    }
    return p.release();
  }();
  return *all;
}
DevicePool& pool(Device device) {
  if (device.kind != DeviceKind::cpu &&
      (device.index < 0 || static_cast<size_t>(device.index) + 1 >= kMaxDevices))
    throw DeviceError({.op = "Device",
                       .argument = "index",
                       .given = str(static_cast<int>(device.index)),
                       .expected = str("0 to ", kMaxDevices - 2)});
  return pools()[device.kind == DeviceKind::cpu ? 0 : static_cast<size_t>(device.index) + 1];
}

}  // namespace

MemoryUse MemoryAccount::use(Device device) {
  auto& p = pool(device);
  std::lock_guard lock(p.mutex);
  return p.of(*this).use;
}
void MemoryAccount::set_limit(int64_t bytes, Device device) {
  auto& p = pool(device);
  std::lock_guard lock(p.mutex);
  p.of(*this).use.limit = bytes;
}
void MemoryAccount::copy_limits(MemoryAccount& from) {
  for (DevicePool& p : pools()) {
    std::lock_guard lock(p.mutex);
    p.of(*this).use.limit = p.of(from).use.limit;
  }
}
void MemoryAccount::reset_peak(Device device) {
  auto& p = pool(device);
  std::lock_guard lock(p.mutex);
  p.of(*this).use.peak = p.of(*this).held();
}
void MemoryAccount::close() {
  for (DevicePool& p : pools()) p.close(*this);
}

Storage* storage_without_bytes(int64_t bytes, Device device) {
  auto* s = new (slab_allocate(sizeof(Storage))) Storage;
  s->device = device;
  s->bytes = bytes;
  return s;
}

Storage* allocate_storage(MemoryAccount& account, int64_t bytes, Device device, const char* who) {
  Storage* s = storage_without_bytes(bytes, device);
  if (bytes > 0) {
    try {
      s->data = pool(device).allocate(account, bytes, who);
      s->account = &account;
    } catch (...) {
      slab_free(s, sizeof(Storage));
      throw;
    }
  }
  return s;
}

void release(Storage* s) {
  if (s->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (s->derived.load(std::memory_order_relaxed)) forget_derived(s);
  if (s->data) pool(s->device).give_back(*s->account, s->data, s->bytes);
  slab_free(s, sizeof(Storage));
}

int64_t system_allocations() {
  auto& p = pool({});
  std::lock_guard lock(p.mutex);
  return p.system;
}

int64_t held_by_all(Device device) {
  auto& p = pool(device);
  std::lock_guard lock(p.mutex);
  return p.held + p.arena;
}

void release_freed_memory(Device device) {
  auto& p = pool(device);
  std::lock_guard lock(p.mutex);
  p.trim();
  p.drop_spare_arenas();
}

Arena::Arena(MemoryAccount& account, int64_t bytes, Device device, const char* who)
    : device_(device) {
  if (bytes > 0) range_ = pool(device).take_arena(account, bytes, who);
}

Arena::~Arena() {
  if (range_) pool(device_).give_back(*range_);
}

char* Arena::data() const { return range_ ? range_->data : nullptr; }

}  // namespace suanli
