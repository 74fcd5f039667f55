// SPDX-License-Identifier: Apache-2.0
// Running tests in one tier or the other, or on so many threads. Op by op: Eager.
#pragma once
#include "suanli/plan.h"
#include "tensor/guards.h"

namespace suanli::test {

/// While it lives, programs run in this tier. Pending work at either end runs before the change.
class InTier {
 public:
  explicit InTier(Tier t) : before_(Session::current().tier()) {
    flush();
    Session::current().set_tier(t);
  }
  ~InTier() {
    flush();
    Session::current().set_tier(before_);
  }
  InTier(const InTier&) = delete;

 private:
  Tier before_;
};

/// While it lives, so many threads compute.
class Threads {
 public:
  explicit Threads(int n) : before_(Session::current().threads()) {
    Session::current().set_threads(n);
  }
  ~Threads() { Session::current().set_threads(before_); }
  Threads(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace suanli::test
