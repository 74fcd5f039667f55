// SPDX-License-Identifier: Apache-2.0
// docs/ops.md is what the table of ops says. SUANLI_UPDATE=1 writes it anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "ops/pointwise/pointwise.h"
#include "support/generated_page.h"

namespace suanli::test {
namespace {

std::string cell(const std::string& text) {  // a bar would end a cell of a table
  std::string out;
  for (char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

bool pointwise_gradient_exists(const std::string& op) {
  for (const PointwiseRow& row : pointwise_rows)
    if (op == row.name)
      for (int i = 0; i < row.arity; ++i)
        if (std::string_view(row.gradient[i]) != "none") return true;
  return false;
}

/// That of a composite follows from its parts; its samples say whether it has one.
bool has_gradient(const OpDef& d) {
  if (!d.composite) return d.vjp != nullptr;
  for (const Sample& s : d.samples())
    if (s.gradient && !s.throws) return true;
  return false;
}

std::string page() {
  std::vector<const OpDef*> pointwise, others;
  for (const Op* op : all_ops()) {
    const std::string name = op->def().name;
    const bool row = std::any_of(std::begin(pointwise_rows), std::end(pointwise_rows),
                                 [&](const auto& r) { return name == r.name; });
    (row ? pointwise : others).push_back(&op->def());
  }
  auto by_name = [](const OpDef* a, const OpDef* b) { return std::string_view(a->name) < b->name; };
  std::sort(pointwise.begin(), pointwise.end(), by_name);
  std::sort(others.begin(), others.end(), by_name);
  std::ostringstream out;
  out << "# Ops\n\nEvery op that a program can hold, as its definition describes it. The "
         "functions, with their arguments, are in\n"
         "`include/suanli/ops.h`; a few more there (`flatten`, `sum_to`, `dropout`) are written "
         "with these. This page is generated from "
         "the\n"
         "definitions by `SUANLI_UPDATE=1 ctest --test-dir build/test -R Docs`; a test compares "
         "the "
         "two.\n";
  auto table = [&](const char* title, const std::vector<const OpDef*>& ops, bool rows) {
    out << "\n## " << title << "\n\n| op | what it gives | gradient | ONNX |\n|---|---|---|---|\n";
    for (const OpDef* d : ops) {
      const bool gradient = rows ? pointwise_gradient_exists(d->name) : has_gradient(*d);
      out << "| `" << d->name << "` | " << cell(d->doc) << " | " << (gradient ? "yes" : "no")
          << " | " << (d->onnx.name ? d->onnx.name : "—") << " |\n";
    }
  };
  table("Pointwise", pointwise, true);
  table("Others", others, false);
  return out.str();
}

TEST(Docs, ListEveryOp) { expect_page("ops.md", page(), "test_ops --gtest_filter=Docs.*"); }

}  // namespace
}  // namespace suanli::test
