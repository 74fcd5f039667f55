// SPDX-License-Identifier: Apache-2.0
// Values derived from storages: made once per key and sources, without keeping others waiting.
#include "runtime/derived.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "support/account.h"

namespace suanli {
namespace {

constexpr int64_t kBytes = 4096;

Storage* storage() { return allocate_storage(test::account(), kBytes, {}, "test"); }

/// One value of kBytes under a key of one word; `fill` writes it.
template <class F> DerivedRef derive_one(Storage* source, uint64_t key, F&& fill) {
  return derive(std::span(&key, 1), 1, std::span(&source, 1), [&](std::vector<Storage*>& values) {
    values.push_back(storage());
    fill(source->data, values[0]->data);
  });
}

/// Waits for a few seconds at most.
bool becomes_true(const std::atomic<bool>& flag) {
  for (int ms = 0; ms < 5000 && !flag; ++ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return flag;
}

TEST(Derived, IsMadeOncePerKey) {
  Storage* source = storage();
  std::memset(source->data, 7, kBytes);
  const int64_t before = derived_bytes({});
  int made = 0;
  auto fill = [&](const void* from, void* to) {
    ++made;
    std::memcpy(to, from, kBytes);
  };
  {
    const DerivedRef a = derive_one(source, 1, fill), b = derive_one(source, 1, fill);
    const DerivedRef c = derive_one(source, 2, fill);
    EXPECT_EQ(made, 2);
    EXPECT_EQ(a, b);
    EXPECT_NE(a, c);
    EXPECT_EQ(std::memcmp(a->values[0]->data, source->data, kBytes), 0);
    EXPECT_EQ(derived_bytes({}) - before, 2 * kBytes);
    forget_derived(source);
    EXPECT_EQ(derived_bytes({}), before);
    EXPECT_EQ(a->values[0]->refs.load(), 1u) << "that of its holders";
    derive_one(source, 1, fill);
    EXPECT_EQ(made, 3);
  }
  release(source);
  EXPECT_EQ(derived_bytes({}), before) << "values go with their source";
}

TEST(Derived, DependsOnAllSources) {
  const std::array<Storage*, 3> sources = {storage(), storage(), storage()};
  const int64_t before = derived_bytes({});
  int made = 0;
  auto of = [&](size_t first, size_t count) {
    const uint64_t key = 1;
    return derive(std::span(&key, 1), 1, std::span(sources).subspan(first, count),
                  [&](std::vector<Storage*>& values) {
                    ++made;
                    values.push_back(storage());
                  });
  };
  const DerivedRef a = of(0, 2);
  EXPECT_EQ(a, of(0, 2));
  EXPECT_NE(a, of(1, 2));
  EXPECT_EQ(made, 2);
  forget_derived(sources[1]);  // of both
  EXPECT_EQ(derived_bytes({}), before);
  of(0, 2);
  EXPECT_EQ(made, 3);
  for (Storage* s : sources) release(s);
  EXPECT_EQ(derived_bytes({}), before);
}

// A number that changes from call to call does not fill the memory.
TEST(Derived, KeepsFewVariants) {
  Storage* source = storage();
  const int64_t before = derived_bytes({});
  auto of = [&](uint64_t stem, uint64_t number) {
    const uint64_t key[] = {stem, number};
    return derive(key, 1, std::span(&source, 1),
                  [&](std::vector<Storage*>& values) { values.push_back(storage()); });
  };
  const DerivedRef other = of(2, 0), first = of(1, 0);
  for (uint64_t number = 0; number < 10; ++number) of(1, number);
  EXPECT_EQ(derived_bytes({}) - before, static_cast<int64_t>(kMaxVariants + 1) * kBytes);
  EXPECT_EQ(of(2, 0), other) << "of another computation";
  EXPECT_NE(of(1, 0), first) << "the oldest was dropped, and its holder keeps it";
  for (uint64_t stem = 10; stem < 200; ++stem) of(stem, 0);
  EXPECT_EQ(derived_bytes({}) - before, static_cast<int64_t>(kMaxDerived) * kBytes);
  release(source);
  EXPECT_EQ(derived_bytes({}), before);
}

TEST(Derived, KeepsFewOfEverySource) {
  Storage* shared = storage();
  const int64_t before = derived_bytes({});
  std::vector<Storage*> others;
  for (size_t k = 0; k < 2 * kMaxDerived; ++k) {
    Storage* const sources[] = {others.emplace_back(storage()), shared};
    const uint64_t key = 1;
    derive(std::span(&key, 1), 1, sources,
           [&](std::vector<Storage*>& values) { values.push_back(storage()); });
    EXPECT_LE(derived_bytes({}) - before, static_cast<int64_t>(kMaxDerived) * kBytes);
  }
  EXPECT_EQ(derived_bytes({}) - before, static_cast<int64_t>(kMaxDerived) * kBytes);
  for (Storage* s : others) release(s);
  release(shared);
  EXPECT_EQ(derived_bytes({}), before);
}

TEST(Derived, AFailureLeavesNone) {
  Storage* source = storage();
  const int64_t before = derived_bytes({});
  EXPECT_THROW(
      derive_one(source, 1, [](const void*, void*) { throw StateError(Fault{.given = "no"}); }),
      Error);
  EXPECT_EQ(derived_bytes({}), before);
  EXPECT_TRUE(derive_one(source, 1, [](const void*, void*) {}));
  release(source);
}

// Values of one storage are finished while those of another are being made.
TEST(Derived, SourcesDoNotWaitForEachOther) {
  Storage *slow = storage(), *fast = storage();
  std::atomic<bool> begun = false, other_made = false;
  bool made_meanwhile = false;
  std::thread thread([&] {
    derive_one(slow, 1, [&](const void*, void*) {
      begun = true;
      made_meanwhile = becomes_true(other_made);
    });
  });
  EXPECT_TRUE(becomes_true(begun));
  derive_one(fast, 1, [](const void*, void*) {});
  other_made = true;
  thread.join();
  EXPECT_TRUE(made_meanwhile);
  release(slow);
  release(fast);
}

// A value may be derived from another one while it is made.
TEST(Derived, MayAskForOthers) {
  Storage* source = storage();
  DerivedRef inner;
  const DerivedRef outer = derive_one(source, 1, [&](const void*, void*) {
    inner = derive_one(source, 2, [](const void*, void*) {});
  });
  EXPECT_TRUE(inner);
  EXPECT_NE(inner, outer);
  release(source);
}

TEST(Derived, ThreadsShareOne) {
  Storage* source = storage();
  std::atomic<int> made = 0;
  std::vector<DerivedRef> values(8);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < values.size(); ++t)
    threads.emplace_back([&, t] {
      values[t] = derive_one(source, 1, [&](const void*, void*) {
        ++made;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      });
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(made, 1);
  for (const DerivedRef& v : values) EXPECT_EQ(v, values[0]);
  release(source);
}

}  // namespace
}  // namespace suanli
