// SPDX-License-Identifier: Apache-2.0
// Pages of docs/ that are written from tables of the code.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "support/checkout.h"

namespace suanli::test {

/// Fails if docs/NAME is not `expected`; SUANLI_UPDATE=1 writes it first. `rerun` is the command
/// that does so.
inline void expect_page(const std::string& name, const std::string& expected,
                        const std::string& rerun) {
  const auto root = checkout();
  if (root.empty()) GTEST_SKIP() << "the checkout was not found; set SUANLI_SOURCE";
  const auto path = root / "docs" / name;
  if (const char* update = std::getenv("SUANLI_UPDATE"); update && std::string(update) == "1")
    std::ofstream(path) << expected;
  std::ifstream file(path);
  std::stringstream found;
  found << file.rdbuf();
  EXPECT_TRUE(found.str() == expected) << path << " is out of date; run SUANLI_UPDATE=1 " << rerun;
}

}  // namespace suanli::test
