// SPDX-License-Identifier: Apache-2.0
// Small blocks: sizes, reuse, blocks freed by other threads.
#include "base/threads/slab.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace suanli {
namespace {

TEST(Slab, BlocksAreApart) {
  for (size_t bytes :
       {size_t{1}, size_t{64}, size_t{65}, size_t{200}, kSlabMax, kSlabMax + 1, size_t{100000}}) {
    std::vector<unsigned char*> blocks;
    for (int i = 0; i < 300; ++i) {
      auto* p = static_cast<unsigned char*>(slab_allocate(bytes));
      ASSERT_EQ(reinterpret_cast<uintptr_t>(p) % 16, 0u);
      std::memset(p, i & 255, bytes);
      blocks.push_back(p);
    }
    for (int i = 0; i < 300; ++i)
      for (size_t k : {size_t{0}, bytes / 2, bytes - 1})
        ASSERT_EQ(blocks[static_cast<size_t>(i)][k], i & 255) << bytes;
    for (auto* p : blocks) slab_free(p, bytes);
  }
}

TEST(Slab, WhatIsFreedIsUsedAgain) {
  for (int i = 0; i < 100; ++i) slab_free(slab_allocate(128), 128);
  const size_t chunks = slab_chunks();
  for (int i = 0; i < 100000; ++i) slab_free(slab_allocate(128), 128);
  EXPECT_EQ(slab_chunks(), chunks);
  void* p = slab_allocate(100);
  slab_free(p, 100);
  EXPECT_EQ(slab_allocate(128), p) << "both are blocks of 128";
  slab_free(p, 128);
}

TEST(Slab, BlocksFreedElsewhereReturn) {
  const size_t n = 5000;
  size_t chunks = 0;
  for (int round = 0; round < 50; ++round) {
    std::vector<void*> blocks;
    for (size_t i = 0; i < n; ++i) blocks.push_back(slab_allocate(192));
    if (round == 1) chunks = slab_chunks();
    std::thread([&] {
      for (void* p : blocks) slab_free(p, 192);
    }).join();
  }
  EXPECT_EQ(slab_chunks(), chunks);
}

TEST(Slab, ManyThreadsFreeIntoOneWhileItAllocates) {
  std::atomic<void*> handed[4] = {};
  std::atomic<bool> done{false};
  std::atomic<int64_t> wrong{0};
  std::vector<std::thread> threads;
  for (auto& slot : handed)
    threads.emplace_back([&slot, &done, &wrong] {
      for (;;) {
        if (void* p = slot.exchange(nullptr)) {
          for (size_t i = 1; i < 256; ++i)
            if (static_cast<unsigned char*>(p)[i] != static_cast<unsigned char*>(p)[0]) ++wrong;
          slab_free(p, 256);
        } else if (done) {
          return;
        } else {
          std::this_thread::yield();
        }
      }
    });
  for (int i = 0; i < 20000; ++i) {
    void* p = slab_allocate(256);
    std::memset(p, i & 255, 256);
    auto& slot = handed[i % 4];
    if (void* unclaimed = slot.exchange(p)) slab_free(unclaimed, 256);
  }
  done = true;
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Slab, AThreadsBlocksOutliveIt) {
  std::vector<unsigned char*> blocks;
  for (int t = 0; t < 20; ++t)
    std::thread([&blocks, t] {
      for (int i = 0; i < 10; ++i) {
        auto* p = static_cast<unsigned char*>(slab_allocate(300));
        std::memset(p, t, 300);
        blocks.push_back(p);
      }
    }).join();
  std::set<void*> distinct(blocks.begin(), blocks.end());
  EXPECT_EQ(distinct.size(), blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(blocks[i][0], i / 10);
    EXPECT_EQ(blocks[i][299], i / 10);
    slab_free(blocks[i], 300);
  }
}

}  // namespace
}  // namespace suanli
