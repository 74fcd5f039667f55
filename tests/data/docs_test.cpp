// SPDX-License-Identifier: Apache-2.0
// docs/data.md lists every word of --augment as augment_words() has it.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "suanli/loader.h"
#include "support/checkout.h"

namespace suanli::data {
namespace {

TEST(Docs, ListEveryAugmentation) {
  const auto root = test::checkout();
  if (root.empty()) GTEST_SKIP() << "the checkout was not found; set SUANLI_SOURCE";
  std::ifstream file(root / "docs" / "data.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  std::ostringstream rows;
  for (const AugmentWord& w : augment_words())
    rows << "| `" << w.name << "` | " << w.usual << " | " << w.doc << " |\n";
  EXPECT_NE(page.find(rows.str()), std::string::npos) << "the table of docs/data.md is to be:\n"
                                                      << rows.str();
}

}  // namespace
}  // namespace suanli::data
