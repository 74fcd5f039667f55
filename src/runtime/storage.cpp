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
#include "base/system/environment.h"
#include "base/system/proc.h"
#include "base/text/text.h"
#include "base/threads/fork.h"
#include "base/threads/slab.h"
#include "runtime/backend.h"

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
};

/// All memory of one device that is ours. Pages are kept, not returned: the first touch of fresh
/// memory runs at 1.5 GB/s, ten times slower than a copy.
struct DevicePool {
  std::mutex mutex;
  Device device;
  std::unordered_map<int64_t, std::vector<void*>> cache;
  int64_t cached = 0, held = 0, most_held = 0, arena = 0, peak = 0, limit = 0, system = 0;
  std::vector<Arena::Range*> arenas;
  std::atomic<int64_t> packed = 0;  // bytes of copies in other layouts

  Backend& engine() { return backend(device); }
  void note_peak() { peak = std::max(peak, held + arena); }

  void trim() {
    for (auto& [size, blocks] : cache) {
      for (void* b : blocks) engine().free(b, size);
      blocks.clear();
    }
    cached = 0;
  }
  [[noreturn]] void fail(int64_t bytes, const char* who) {
    std::string why = ", the device has no more";
    if (limit) why = str(", the limit is ", human_bytes(limit));
    else if (const auto left = address_space_left(); left && device.kind == DeviceKind::cpu)
      why = str(", ", human_bytes(*left),
                " are left of the address space that the process may take (ulimit -v)");
    throw OutOfMemory(str("[", who, "] cannot reserve ", human_bytes(bytes), " on ", device,
                          ": tensors hold ", human_bytes(held), ", working memory ",
                          human_bytes(arena), why, ". A smaller batch needs less."));
  }
  /// Throws if the limit does not allow a block of `bytes` for the `asked` bytes.
  void require(int64_t bytes, int64_t asked, const char* who) {
    if (limit && held + arena + bytes > limit) fail(asked, who);
    if (limit && held + arena + cached + bytes > limit) trim();
  }
  void* allocate(int64_t bytes, const char* who) {
    int64_t size = block_size(bytes);
    std::lock_guard lock(mutex);
    auto& free_blocks = cache[size];
    void* data = nullptr;
    if (!free_blocks.empty()) {
      if (limit && held + arena + size > limit) fail(bytes, who);
      data = free_blocks.back();
      free_blocks.pop_back();
      cached -= size;
    } else {
      if (cached > most_held + kSpareBytes) trim();
      require(size, bytes, who);
      ++system;
      data = engine().allocate(size);
      if (!data) {
        trim();
        drop_idle_arenas();
        data = engine().allocate(size);
        if (!data) fail(bytes, who);
      }
    }
    held += size;
    most_held = std::max(most_held, held);
    note_peak();
    return data;
  }
  /// Gives back arenas that no program uses.
  void drop_idle_arenas() {
    std::erase_if(arenas, [&](Arena::Range* r) {
      if (r->busy) return false;
      forget(*r);
      delete r;
      return true;
    });
  }
  void forget(Arena::Range& r) {
    if (r.data) engine().unreserve(r.data, r.reserved);
    arena -= r.committed;
    r = {};
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
  /// The smallest idle range that has so many bytes committed, or else the largest idle one, or a
  /// new one.
  Arena::Range* take_range(int64_t bytes) {
    Arena::Range* best = nullptr;
    auto fits_better = [bytes](const Arena::Range& a, const Arena::Range& b) {
      if ((a.committed >= bytes) != (b.committed >= bytes)) return a.committed >= bytes;
      return a.committed >= bytes ? a.committed < b.committed : a.committed > b.committed;
    };
    for (auto* r : arenas)
      if (!r->busy && (!best || fits_better(*r, *best))) best = r;
    return best ? best : arenas.emplace_back(new Arena::Range);
  }
  /// Makes the first `bytes` of an idle range usable.
  void grow(Arena::Range& r, int64_t bytes, const char* who) {
    require(bytes - r.committed, bytes, who);
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
      if (!there) fail(bytes, who);
    }
    if (!engine().commit(r.data, bytes)) {
      trim();
      if (!engine().commit(r.data, bytes)) fail(bytes, who);
    }
    arena += bytes - r.committed;
    r.committed = bytes;
    note_peak();
  }
  void give_back(void* data, int64_t bytes) {
    int64_t size = block_size(bytes);
    std::lock_guard lock(mutex);
    held -= size;
    cached += size;
    cache[size].push_back(data);
  }
};

namespace {

DevicePool& pool(Device device) {
  static auto* pools = [] {
    auto p = std::make_unique<std::array<DevicePool, 17>>();
    hold_across_fork(ForkOrder::memory, &(*p)[0].mutex);
    for (int i = 0; i < 16; ++i) (*p)[i + 1].device = {DeviceKind::cuda, static_cast<int8_t>(i)};
    (*p)[0].limit = environment_size("SUANLI_MEMORY_LIMIT").value_or(0);
    return p.release();
  }();
  return (*pools)[device.kind == DeviceKind::cpu ? 0 : device.index + 1];
}

}  // namespace

Storage* storage_without_bytes(int64_t bytes, Device device) {
  auto* s = new (slab_allocate(sizeof(Storage))) Storage;
  s->device = device;
  s->bytes = bytes;
  return s;
}

Storage* allocate_storage(int64_t bytes, Device device, const char* who) {
  Storage* s = storage_without_bytes(bytes, device);
  if (bytes > 0) {
    try {
      s->data = pool(device).allocate(bytes, who);
    } catch (...) {
      slab_free(s, sizeof(Storage));
      throw;
    }
  }
  return s;
}

struct PackedCopies {
  struct Copy {
    uint64_t format;
    Storage* storage;
  };
  std::mutex mutex;  // held while a copy is made
  std::vector<Copy> copies;
};

namespace {

void release_copies(const std::vector<PackedCopies::Copy>& copies) {
  for (const auto& c : copies) {
    pool(c.storage->device).packed -= c.storage->bytes;
    release(c.storage);
  }
}

/// For the last reference to a storage: nobody else asks for its copies.
void free_packed(PackedCopies* p) {
  release_copies(p->copies);
  delete p;
}

}  // namespace

void release(Storage* s) {
  if (s->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (PackedCopies* p = s->packed.load(std::memory_order_acquire)) free_packed(p);
  if (s->data) pool(s->device).give_back(s->data, s->bytes);
  slab_free(s, sizeof(Storage));
}

Storage* detail::packed_copy(Storage* source, uint64_t format, int64_t bytes, PackFn make,
                             void* context) {
  PackedCopies* p = source->packed.load(std::memory_order_acquire);
  if (!p) {
    auto fresh = std::make_unique<PackedCopies>();
    if (source->packed.compare_exchange_strong(p, fresh.get(), std::memory_order_acq_rel))
      p = fresh.release();
  }
  std::lock_guard lock(p->mutex);
  for (const auto& c : p->copies)
    if (c.format == format && c.storage->bytes == bytes) {
      retain(c.storage);
      return c.storage;
    }
  Storage* copy = allocate_storage(bytes, source->device, "pack");
  try {
    make(context, source->data, copy->data);
    p->copies.push_back({format, copy});
  } catch (...) {
    release(copy);
    throw;
  }
  pool(source->device).packed += bytes;
  retain(copy);
  return copy;
}

void forget_packed(Storage* s) {
  PackedCopies* p = s->packed.load(std::memory_order_acquire);
  if (!p) return;
  std::vector<PackedCopies::Copy> gone;
  {
    std::lock_guard lock(p->mutex);
    gone.swap(p->copies);
  }
  release_copies(gone);
}

int64_t packed_bytes(Device device) { return pool(device).packed; }

int64_t system_allocations() {
  auto& p = pool({});
  std::lock_guard lock(p.mutex);
  return p.system;
}

Arena::Arena(int64_t bytes, Device device, const char* who) : device_(device) {
  if (bytes <= 0) return;
  auto& p = pool(device);
  std::lock_guard lock(p.mutex);
  Range* range = p.take_range(bytes);
  if (bytes > range->committed) p.grow(*range, round_up(bytes, kArenaStep), who);
  range->busy = true;
  range_ = range;
}

Arena::~Arena() {
  if (!range_) return;
  std::lock_guard lock(pool(device_).mutex);
  range_->busy = false;
}

char* Arena::data() const { return range_ ? range_->data : nullptr; }

namespace {
std::atomic<int64_t> plan_bytes = 0;
}
void set_plan_bytes(int64_t bytes) { plan_bytes.store(bytes, std::memory_order_relaxed); }

MemoryUse memory_use(Device device) {
  auto& p = pool(device);
  std::lock_guard lock(p.mutex);
  return {p.held, p.arena, p.peak, p.limit,
          device.kind == DeviceKind::cpu ? plan_bytes.load(std::memory_order_relaxed) : 0};
}
void set_memory_limit(int64_t bytes, Device device) {
  auto& p = pool(device);
  std::lock_guard lock(p.mutex);
  p.limit = bytes;
}
void release_freed_memory(Device device) {
  auto& p = pool(device);
  std::lock_guard lock(p.mutex);
  p.trim();
}
void reset_peak_memory(Device device) {
  auto& p = pool(device);
  std::lock_guard lock(p.mutex);
  p.peak = p.held + p.arena;
}

}  // namespace suanli
