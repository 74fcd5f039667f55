// Running tests in one tier or the other.
#pragma once
#include "suanli/plan.h"

namespace suanli::test {

/// While it lives, programs run in this tier. What is pending at either end is run before the change.
class InTier {
 public:
  explicit InTier(Tier t) : before_(tier()) {
    flush();
    set_tier(t);
  }
  ~InTier() {
    flush();
    set_tier(before_);
  }
  InTier(const InTier&) = delete;

 private:
  Tier before_;
};

}  // namespace suanli::test
