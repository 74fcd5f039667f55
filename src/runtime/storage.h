// SPDX-License-Identifier: Apache-2.0
// Storage: counted bytes on a device, taken from a caching allocator of the process and charged to
// the account of a session.
#pragma once
#include <atomic>

#include "suanli/session.h"

namespace suanli {

inline constexpr size_t kMaxDevices = 17;  // the CPU and 16 GPUs

/// The memory that one session holds, by device. It outlives the session until its last storage is
/// freed. Storages and arenas count it.
class MemoryAccount {
 public:
  MemoryAccount() = default;
  MemoryAccount(const MemoryAccount&) = delete;

  MemoryUse use(Device device);
  void set_limit(int64_t bytes, Device device);
  void copy_limits(MemoryAccount& from);
  void reset_peak(Device device);

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  /// The session ends: its working memory serves the others.
  void close();

 private:
  friend struct DevicePool;
  /// Guarded by the pool of the device.
  struct OfDevice {
    MemoryUse use;
    bool closed = false;
    int64_t held() const { return use.tensors + use.arena; }
    bool allows(int64_t more) const { return use.limit == 0 || held() + more <= use.limit; }
  };
  ~MemoryAccount() = default;
  OfDevice of_[kMaxDevices];
  std::atomic<int64_t> refs_{1};
};

/// A session's own reference to its account.
class AccountHandle {
 public:
  AccountHandle() : account_(new MemoryAccount) {}
  ~AccountHandle() {
    account_->close();
    account_->release();
  }
  AccountHandle(const AccountHandle&) = delete;
  MemoryAccount& operator*() const { return *account_; }
  MemoryAccount* operator->() const { return account_; }

 private:
  MemoryAccount* account_;
};

struct Storage {
  std::atomic<uint32_t> refs{1};
  Device device;
  int64_t bytes = 0;
  void* data = nullptr;
  std::atomic<bool> derived{false};  // derived values of it exist
  MemoryAccount* account = nullptr;  // that `data` is charged to
};

/// Takes `bytes` (may be 0) with one reference. Throws OutOfMemory with `who` and the bytes that
/// are held when the account's limit or the device is exhausted.
Storage* allocate_storage(MemoryAccount& account, int64_t bytes, Device device, const char* who);
/// Stands for `bytes` bytes and has none (data is null): for programs that are planned and not run.
Storage* storage_without_bytes(int64_t bytes, Device device);

inline void retain(Storage* s) { s->refs.fetch_add(1, std::memory_order_relaxed); }
void release(Storage* s);

/// The block that a storage of so many bytes takes: blocks come in sizes, so that freed ones fit
/// later requests.
int64_t block_size(int64_t bytes);
/// Blocks taken from the system since start (for tests: constant at steady state).
int64_t system_allocations();
/// Bytes that all accounts hold together, those of ended sessions included.
int64_t held_by_all(Device device);

/// Working memory of one executing plan: a reserved address range per device, committed on demand,
/// which stays where it is while the plan executes. A concurrent execution takes a second one. Its
/// account keeps it for the next program.
class Arena {
 public:
  Arena(MemoryAccount& account, int64_t bytes, Device device, const char* who);
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
