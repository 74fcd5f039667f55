// SPDX-License-Identifier: Apache-2.0
// Storage, its limit, and the working memory of programs.
#include "runtime/storage.h"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/text/text.h"
#include "gtest/gtest.h"
#include "support/account.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

TEST(Memory, BlocksAreAlignedAndReused) {
  for (int64_t bytes : {1, 63, 64, 65, 500, 513, 4097, 1000003}) {
    Storage* s = allocate_storage(account(), bytes, {}, "test");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(s->data) % 64, 0u) << bytes;
    std::memset(s->data, 1, static_cast<size_t>(bytes));
    void* data = s->data;
    release(s);
    const int64_t system = system_allocations();
    s = allocate_storage(account(), bytes, {}, "test");
    EXPECT_EQ(s->data, data) << "a freed block comes back";
    EXPECT_EQ(system_allocations(), system);
    release(s);
  }
  Storage* empty = allocate_storage(account(), 0, {}, "test");
  EXPECT_EQ(empty->bytes, 0);
  release(empty);
}

// Blocks of ever other sizes, one at a time: address space does not become the sum of all sizes.
// Nothing is touched.
TEST(Memory, SizesThatDoNotComeAgainAreNotKeptForever) {
  auto address_space = [] {
    std::ifstream file("/proc/self/statm");
    int64_t pages = 0;
    file >> pages;
    return pages * 4096;
  };
  release_freed_memory();
  const int64_t before = address_space();
  int64_t sum = 0;
  for (int64_t octave = int64_t{16} << 20; octave < int64_t{1} << 30; octave *= 2)
    for (int64_t eighths = 8; eighths < 16; ++eighths) {
      release(allocate_storage(account(), octave / 8 * eighths, {}, "test"));
      sum += octave / 8 * eighths;
    }
  EXPECT_GT(sum, int64_t{10} << 30);
  EXPECT_LT(address_space() - before, int64_t{3} << 30);
  release_freed_memory();
}

TEST(Memory, UseIsCounted) {
  const int64_t before = Session::current().memory_use().tensors;
  {
    Tensor a = zeros({1024, 1024});
    EXPECT_EQ(Session::current().memory_use().tensors, before) << "nothing is computed yet";
    flush();
    EXPECT_EQ(Session::current().memory_use().tensors - before, 4 << 20);
    Tensor same = a, reshaped = reshape(a, {1 << 20});
    flush();
    EXPECT_EQ(Session::current().memory_use().tensors - before, 4 << 20)
        << "another name for the same bytes";
    Session::current().reset_peak_memory();
    {
      Tensor b = tensor_filled_by({1 << 20}, f32, [](void* p) { std::memset(p, 0, 4 << 20); });
    }
    EXPECT_GE(Session::current().memory_use().peak - before, 8 << 20);
  }
  EXPECT_EQ(Session::current().memory_use().tensors, before);
}

TEST(Memory, IntermediateValuesShareTheArena) {
  // A chain of a hundred 1 MiB values: two live at a time, one leaves.
  Tensor x = ones({1 << 18});
  flush();
  Tensor y = x;
  for (int i = 0; i < 100; ++i) y = y * 0.5 + 1.0;
  flush();
  EXPECT_LE(plan_stats().last_arena_bytes, 3 << 20);
  EXPECT_EQ(plan_stats().last_output_bytes, 1 << 20);
  EXPECT_NEAR(y.to_vector<float>()[12345], 2, 1e-6);
}

TEST(Memory, TheLimitIsAnErrorThatSaysWhoHoldsWhat) {
  flush();
  Tensor held = zeros({1 << 20});
  flush();
  const auto use = Session::current().memory_use();
  Session::current().set_memory_limit(use.tensors + use.arena + (1 << 20));
  EXPECT_EQ(Session::current().memory_use().limit, use.tensors + use.arena + (1 << 20));
  const std::string limit =
      "no more than the limit of " + human_bytes(Session::current().memory_use().limit);
  try {
    tensor(std::vector<float>(1 << 20), {1 << 20});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const OutOfMemory& e) {
    EXPECT_EQ(e.op(), "tensor");
    EXPECT_EQ(e.argument(), "memory");
    EXPECT_EQ(e.given().find("4.0 MiB more on cpu; tensors hold " + human_bytes(use.tensors) +
                             ", working memory "),
              0u)
        << e.what();
    EXPECT_EQ(e.expected(), limit);
    EXPECT_EQ(e.fault().settings,
              (std::vector<std::string>{"batch_size", "accumulate", "memory_limit"}));
  }
  EXPECT_FAULT(OutOfMemory, (zeros({1 << 20}) + 1.0).to_vector<float>(), .op = "flush",
               .argument = "memory", .expected = limit);
  Session::current().set_memory_limit(0);
  EXPECT_EQ((zeros({1 << 20}) + 1.0).to_vector<float>()[5], 1);
  EXPECT_EQ(held.to_vector<float>()[5], 0);
}

TEST(Memory, CachedBlocksMakeRoomUnderALimit) {
  { Tensor big = tensor(std::vector<float>(1 << 20), {1 << 20}); }  // its block is cached now
  const auto use = Session::current().memory_use();
  Session::current().set_memory_limit(use.tensors + use.arena + (3 << 20));
  EXPECT_NO_THROW(tensor(std::vector<float>(1 << 19), {1 << 19}));
  Session::current().set_memory_limit(0);
}

TEST(Memory, ArenasNeverOverlap) {
  Arena one(account(), 1000, {}, "test");
  std::memset(one.data(), 1, 1000);
  char* other = nullptr;
  std::thread([&] {
    Arena two(account(), 1000, {}, "test");
    other = two.data();
    std::memset(two.data(), 2, 1000);
  }).join();
  EXPECT_NE(one.data(), other);
  EXPECT_EQ(one.data()[999], 1);
  Arena three(account(), 1000, {}, "test");
  EXPECT_EQ(three.data(), other) << "what is free is taken again";
}

TEST(Memory, AnArenaGrowsInPlace) {
  char* small = nullptr;
  {
    Arena a(account(), 1000, {}, "test");
    small = a.data();
  }
  Arena b(account(), 50 << 20, {}, "test");
  EXPECT_EQ(b.data(), small);
  std::memset(b.data(), 1, 50 << 20);
  EXPECT_GE(Session::current().memory_use().arena, 50 << 20);
}

TEST(Memory, FreedBlocksAreGivenBackWhenAsked) {
  release(allocate_storage(account(), 1000003, {}, "test"));
  const int64_t system = system_allocations();
  release(allocate_storage(account(), 1000003, {}, "test"));
  EXPECT_EQ(system_allocations(), system) << "kept";
  release_freed_memory();
  release(allocate_storage(account(), 1000003, {}, "test"));
  EXPECT_EQ(system_allocations(), system + 1) << "given back";
}

TEST(Devices, Names) {
  EXPECT_EQ(device_from_name("cpu"), Device{});
  EXPECT_EQ(to_string(Device{}), "cpu");
  EXPECT_EQ(to_string(Device{DeviceKind::cuda, 1}), "cuda:1");
  EXPECT_FAULT(ArgumentError, device_from_name("tpu"), .op = "device_from_name",
               .argument = "device", .given = "'tpu'", .expected = "cpu, cuda, cuda:N or auto");
  for (const char* name : {"cuda", "cuda:99", "cuda:x"})
    EXPECT_FAULT(DeviceError, device_from_name(name), .op = "device_from_name",
                 .argument = "device", .given = "'" + std::string(name) + "'",
                 .expected = "an available device");
  EXPECT_FALSE(isa().empty());
}

}  // namespace
}  // namespace suanli
