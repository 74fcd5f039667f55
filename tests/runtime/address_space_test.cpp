// SPDX-License-Identifier: Apache-2.0
// Working memory under a limit of address space (ulimit -v): what is reserved is a part of what is
// left.
#include <atomic>
#include <cstring>
#include <thread>

#include "base/system/proc.h"
#include "gtest/gtest.h"
#include "runtime/storage.h"
#include "support/account.h"
#include "support/child.h"
#include "tensor/programs.h"

// The shadow memory of sanitizers takes terabytes of address space.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SUANLI_LIMITED_ADDRESS_SPACE 0
#else
#define SUANLI_LIMITED_ADDRESS_SPACE 1
#endif

namespace suanli {
namespace {

using namespace suanli::test;

bool computes() {
  const Tensor a = ones({64, 64});
  for (int i = 0; i < 50; ++i)
    if (sum(matmul(a, a) * 2.0).item<double>() != 64.0 * 64 * 64 * 2) return false;
  return true;
}
bool holds_megabytes(int64_t megabytes) {
  const Tensor big = tensor_filled_by({megabytes << 18}, f32, [&](void* p) {
    std::memset(p, 0, static_cast<size_t>(megabytes) << 20);
  });
  return sum(big).item<double>() == 0;
}

TEST(AddressSpaceCase, DISABLED_OneProgram) { EXPECT_TRUE(computes()); }
TEST(AddressSpaceCase, DISABLED_ATensorOfAGigabyteBehindAProgram) {
  EXPECT_TRUE(computes());
  EXPECT_TRUE(holds_megabytes(1000));
}
TEST(AddressSpaceCase, DISABLED_ManyThreads) {
  EXPECT_TRUE(computes());
  std::atomic<int> right{0};
  std::vector<std::thread> others;
  for (int i = 0; i < 8; ++i) others.emplace_back([&] { right += computes(); });
  for (std::thread& t : others) t.join();
  EXPECT_EQ(right, 8);
}
TEST(AddressSpaceCase, DISABLED_WorkingMemoryThatGrows) {
  // Past the room that the first reservation had, and values are right in the new place.
  for (int64_t n : {100, 1000, 3000, 8000, 10000}) {
    const Tensor x = ones({n, 1000}), y = sum(matmul(x, ones({1000, 8})) + 1.0);
    EXPECT_EQ(y.item<double>(), static_cast<double>(n) * 8 * 1001) << n;
  }
}
TEST(AddressSpaceCase, DISABLED_TooMuchSaysWhatIsLeft) {
  EXPECT_TRUE(computes());
  auto expect_fault = [](const char* op, const char* given, auto&& call) {
    try {
      call();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const OutOfMemory& e) {
      EXPECT_EQ(e.op(), op);
      EXPECT_EQ(e.given().find(given), 0u) << e.what();
      EXPECT_TRUE(
          e.expected().ends_with(", which are left of the process's address space (ulimit -v)"))
          << e.what();
    }
  };
  expect_fault("tensor", "97.7 GiB more on cpu; ", [] { holds_megabytes(100000); });
  expect_fault("flush", "", [] { sum(matmul(ones({200000, 1000}), ones({1000, 100000}))).item(); });
  EXPECT_TRUE(computes()) << "and the process goes on";
}
TEST(AddressSpaceCase, DISABLED_FewerThreadsThanAskedFor) {
  Session::current().set_threads(64);  // 8 MiB of stack each
  EXPECT_TRUE(computes());
  EXPECT_EQ(Session::current().threads(), 64)
      << "results do not depend on how many the system gave";
}

TEST(AddressSpace, IsAsked) {
  EXPECT_FALSE(address_space_left().has_value());
  EXPECT_EQ(in_child([] {
              const rlimit limit{rlim_t{1} << 50, rlim_t{1} << 50};
              setrlimit(RLIMIT_AS, &limit);
              const auto left = address_space_left();
              return left && *left > 0 && *left < int64_t{1} << 50 ? 0 : 1;
            }),
            0);
}

TEST(AddressSpace, LimitsThatSufficeAreEnough) {
  if (!SUANLI_LIMITED_ADDRESS_SPACE) GTEST_SKIP() << "a sanitizer takes the address space";
  struct Case {
    const char* name;
    rlim_t megabytes;
  };
  for (const Case& c : {Case{"OneProgram", 400}, Case{"OneProgram", 4000},
                        Case{"ATensorOfAGigabyteBehindAProgram", 3000}, Case{"ManyThreads", 9000},
                        Case{"ManyThreads", 2000}, Case{"WorkingMemoryThatGrows", 2000},
                        Case{"TooMuchSaysWhatIsLeft", 4000}, Case{"FewerThreadsThanAskedFor", 600}})
    EXPECT_EQ(run_self(std::string("AddressSpaceCase.DISABLED_") + c.name, c.megabytes << 20), 0)
        << c.name << " in " << c.megabytes << " MB";
}

TEST(AddressSpace, AProgramWithoutWorkingMemoryReservesNone) {
  const int64_t before = Session::current().memory_use().arena;
  const Arena none(account(), 0, {}, "test");
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(Session::current().memory_use().arena, before);
}

}  // namespace
}  // namespace suanli
