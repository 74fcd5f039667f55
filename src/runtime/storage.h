// SPDX-License-Identifier: Apache-2.0
// Storage: counted bytes on a device, taken from a caching allocator that counts against the memory
// limit.
#pragma once
#include <atomic>
#include <type_traits>

#include "suanli/runtime.h"

namespace suanli {

struct PackedCopies;

struct Storage {
  std::atomic<uint32_t> refs{1};
  Device device;
  int64_t bytes = 0;
  void* data = nullptr;
  std::atomic<PackedCopies*> packed{nullptr};  // copies in other layouts; null until the first
};

/// Takes `bytes` (may be 0) with one reference. Throws OutOfMemory with `who` and what is held when
/// limit or device are exhausted.
Storage* allocate_storage(int64_t bytes, Device device, const char* who);
/// Stands for `bytes` bytes and has none (data is null): for programs that are planned and not run.
Storage* storage_without_bytes(int64_t bytes, Device device);

inline void retain(Storage* s) { s->refs.fetch_add(1, std::memory_order_relaxed); }
void release(Storage* s);

/// A copy of a storage in another layout, with a reference for the caller. The first request for a
/// format calls make(source, copy); others for the same storage wait for it meanwhile. The copy is
/// kept until its source is freed, or until forget_packed(). Part of a program (see Running): a
/// fork() then finds no copy half made.
template <class F> Storage* packed_copy(Storage* source, uint64_t format, int64_t bytes, F&& make);
/// Drops the copies of a storage that is about to change.
void forget_packed(Storage* s);
/// Bytes of all copies on a device.
int64_t packed_bytes(Device device);

namespace detail {
using PackFn = void (*)(void* context, const void* source, void* copy);
Storage* packed_copy(Storage* source, uint64_t format, int64_t bytes, PackFn make, void* context);
}  // namespace detail
template <class F> Storage* packed_copy(Storage* source, uint64_t format, int64_t bytes, F&& make) {
  using G = std::remove_reference_t<F>;
  return detail::packed_copy(
      source, format, bytes,
      [](void* context, const void* from, void* to) { (*static_cast<G*>(context))(from, to); },
      &make);
}

/// Tells memory_use() what the plan cache holds.
void set_plan_bytes(int64_t bytes);

/// What a storage of so many bytes takes: blocks come in sizes, so that freed ones fit later
/// requests.
int64_t block_size(int64_t bytes);
/// Blocks taken from the system since start (for tests: constant at steady state).
int64_t system_allocations();

/// Working memory of one executing plan: a reserved address range per device, committed on demand,
/// which stays where it is while the plan executes. A concurrent execution takes a second one.
class Arena {
 public:
  Arena(int64_t bytes, Device device, const char* who);
  ~Arena();
  Arena(const Arena&) = delete;
  char* data() const;

 private:
  struct Range;
  friend struct DevicePool;
  Device device_;
  Range* range_ = nullptr;
};

}  // namespace suanli
