// Storage: counted bytes on a device, taken from a caching allocator that counts against the memory limit.
#pragma once
#include <atomic>

#include "suanli/runtime.h"

namespace suanli {

struct Storage {
  std::atomic<uint32_t> refs{1};
  Device device;
  int64_t bytes = 0;
  void* data = nullptr;
};

/// Takes `bytes` (may be 0) with one reference. Throws OutOfMemory with `who` and what is held when limit or device are exhausted.
Storage* allocate_storage(int64_t bytes, Device device, const char* who);
inline void retain(Storage* s) { s->refs.fetch_add(1, std::memory_order_relaxed); }
void release(Storage* s);

/// Blocks taken from the system since start (for tests: constant at steady state).
int64_t system_allocations();

/// Working memory of one executing plan: a reserved address range per device, committed on demand, never moved. A concurrent
/// execution takes a second one.
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
