// SPDX-License-Identifier: Apache-2.0
#include "base/threads/slab.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "base/threads/fork.h"
#include "base/threads/per_thread.h"

namespace suanli {
namespace {

constexpr size_t kStep = 64, kClasses = kSlabMax / kStep,
                 // chunks are aligned to their size: a block finds its owner by masking
    kChunk = 64 * 1024;

struct FreeBlock {
  FreeBlock* next;
};

struct Heap {
  FreeBlock* free[kClasses] = {};
  std::atomic<FreeBlock*> remote[kClasses] = {};
  size_t chunks = 0;

  void* allocate(size_t c) {
    if (!free[c]) {
      free[c] = remote[c].exchange(nullptr, std::memory_order_acquire);
      if (!free[c]) refill(c);
    }
    FreeBlock* b = free[c];
    free[c] = b->next;
    return b;
  }
  void refill(size_t c);
  void give_back_remote(FreeBlock* b, size_t c) {
    b->next = remote[c].load(std::memory_order_relaxed);
    while (!remote[c].compare_exchange_weak(b->next, b, std::memory_order_release,
                                            std::memory_order_relaxed)) {}
  }
};

struct ChunkHeader {
  Heap* owner;
};

void Heap::refill(size_t c) {
  char* chunk = static_cast<char*>(std::aligned_alloc(kChunk, kChunk));
  if (!chunk) throw std::bad_alloc();
  ++chunks;
  new (chunk) ChunkHeader{this};
  size_t size = (c + 1) * kStep;
  for (size_t at = kStep; at + size <= kChunk; at += size) {
    auto* b = reinterpret_cast<FreeBlock*>(chunk + at);
    b->next = free[c];
    free[c] = b;
  }
}

// A heap outlives its thread (its blocks may be held elsewhere) and is handed to the next new
// thread.
std::mutex idle_mutex;
std::vector<Heap*>& idle_heaps() {
  static auto* heaps = new std::vector<Heap*>;
  return *heaps;
}

constinit thread_local Heap* this_heap = nullptr;
const bool held = [] {
  hold_across_fork(ForkOrder::slabs, &idle_mutex);
  return true;
}();

Heap& heap() {
  if (!this_heap) {
    {
      std::lock_guard lock(idle_mutex);
      if (idle_heaps().empty()) {
        this_heap = new Heap;
      } else {
        this_heap = idle_heaps().back();
        idle_heaps().pop_back();
      }
    }
    detail::at_thread_end(
        [](void* of_thread) {
          this_heap = nullptr;
          std::lock_guard lock(idle_mutex);
          idle_heaps().push_back(static_cast<Heap*>(of_thread));
        },
        this_heap);
  }
  return *this_heap;
}

}  // namespace

void* slab_allocate(size_t bytes) {
  if (bytes > kSlabMax) {
    void* p = std::malloc(bytes);
    if (!p) throw std::bad_alloc();
    return p;
  }
  return heap().allocate((bytes - 1) / kStep);
}

void slab_free(void* block, size_t bytes) {
  if (bytes > kSlabMax) return std::free(block);
  size_t c = (bytes - 1) / kStep;
  Heap* owner =
      reinterpret_cast<ChunkHeader*>(reinterpret_cast<uintptr_t>(block) & ~(kChunk - 1))->owner;
  auto* b = static_cast<FreeBlock*>(block);
  if (owner == this_heap) {
    b->next = owner->free[c];
    owner->free[c] = b;
  } else {
    owner->give_back_remote(b, c);
  }
}

size_t slab_chunks() { return heap().chunks; }

}  // namespace suanli
