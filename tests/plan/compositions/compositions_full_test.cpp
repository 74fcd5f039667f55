// SPDX-License-Identifier: Apache-2.0
// As compositions_test.cpp, many more: with scripts/test --full.
#include "plan/compositions/composition_check.h"

namespace suanli {
namespace {

TEST(CompositionsFull, HaveTheSameBitsInBothTiers) { test::check_compositions(20000); }

}  // namespace
}  // namespace suanli
