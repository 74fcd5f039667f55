// SPDX-License-Identifier: Apache-2.0
// Copies of weights in other layouts: one per storage and format, made without keeping others waiting.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "runtime/storage.h"

namespace suanli {
namespace {

constexpr int64_t kBytes = 4096;

/// Waits for a few seconds at most.
bool becomes_true(const std::atomic<bool>& flag) {
  for (int ms = 0; ms < 5000 && !flag; ++ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return flag;
}

TEST(PackedCopy, IsMadeOncePerFormat) {
  Storage* source = allocate_storage(kBytes, {}, "test");
  std::memset(source->data, 7, kBytes);
  const int64_t before = packed_bytes({});
  int made = 0;
  auto make = [&](const void* from, void* to) {
    ++made;
    std::memcpy(to, from, kBytes);
  };
  Storage* a = packed_copy(source, 1, kBytes, make);
  Storage* b = packed_copy(source, 1, kBytes, make);
  Storage* c = packed_copy(source, 2, kBytes, make);
  EXPECT_EQ(made, 2);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(std::memcmp(a->data, source->data, kBytes), 0);
  EXPECT_EQ(packed_bytes({}) - before, 2 * kBytes);
  forget_packed(source);
  EXPECT_EQ(packed_bytes({}), before);
  EXPECT_EQ(a->refs.load(), 2u) << "those of the callers";
  Storage* d = packed_copy(source, 1, kBytes, make);
  EXPECT_EQ(made, 3);
  for (Storage* s : {a, b, c, d}) release(s);
  release(source);
  EXPECT_EQ(packed_bytes({}), before) << "copies go with their source";
}

TEST(PackedCopy, AFailureLeavesNone) {
  Storage* source = allocate_storage(kBytes, {}, "test");
  const int64_t before = packed_bytes({}), held = memory_use({}).tensors;
  EXPECT_THROW(packed_copy(source, 1, kBytes, [](const void*, void*) { throw Error("no"); }),
               Error);
  EXPECT_EQ(packed_bytes({}), before);
  EXPECT_EQ(memory_use({}).tensors, held);
  Storage* copy = packed_copy(source, 1, kBytes, [](const void*, void*) {});
  release(copy);
  release(source);
}

// The copy of one storage is finished while that of another is being made.
TEST(PackedCopy, StoragesDoNotWaitForEachOther) {
  Storage* slow = allocate_storage(kBytes, {}, "test");
  Storage* fast = allocate_storage(kBytes, {}, "test");
  std::atomic<bool> begun = false, other_made = false;
  bool made_meanwhile = false;
  std::thread thread([&] {
    Storage* copy = packed_copy(slow, 1, kBytes, [&](const void*, void*) {
      begun = true;
      made_meanwhile = becomes_true(other_made);
    });
    release(copy);
  });
  EXPECT_TRUE(becomes_true(begun));
  Storage* copy = packed_copy(fast, 1, kBytes, [](const void*, void*) {});
  other_made = true;
  thread.join();
  EXPECT_TRUE(made_meanwhile);
  release(copy);
  release(slow);
  release(fast);
}

TEST(PackedCopy, ThreadsShareOne) {
  Storage* source = allocate_storage(kBytes, {}, "test");
  std::atomic<int> made = 0;
  std::vector<Storage*> copies(8);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < copies.size(); ++t)
    threads.emplace_back([&, t] {
      copies[t] = packed_copy(source, 1, kBytes, [&](const void*, void*) {
        ++made;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      });
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(made, 1);
  for (Storage* copy : copies) {
    EXPECT_EQ(copy, copies[0]);
    release(copy);
  }
  release(source);
}

}  // namespace
}  // namespace suanli
