// SPDX-License-Identifier: Apache-2.0
// docs/ops.md is what the table of ops says. SUANLI_UPDATE=1 writes it anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "onnx/op_names.h"
#include "ops/op.h"
#include "ops/schema/pointwise.h"
#include "support/generated_page.h"
#include "support/op_samples.h"

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
bool has_gradient(const Op& op) {
  if (!op.has(Trait::composite)) return rules_of(op.id()).vjp != nullptr;
  for (const Sample& s : samples_of(op))
    if (s.gradient && !s.throws) return true;
  return false;
}

std::string onnx_name(const Op& op) {
  const char* name = onnx::op_name(op).name;
  return name ? name : "—";
}

std::string page() {
  std::vector<const Op*> pointwise, others;
  for (const Op* op : all_ops()) {
    const std::string name = op->name();
    const bool row = std::any_of(std::begin(pointwise_rows), std::end(pointwise_rows),
                                 [&](const auto& r) { return name == r.name; });
    (row ? pointwise : others).push_back(op);
  }
  auto by_name = [](const Op* a, const Op* b) { return std::string_view(a->name()) < b->name(); };
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
  auto table = [&](const char* title, const std::vector<const Op*>& ops, bool rows) {
    out << "\n## " << title << "\n\n| op | what it gives | gradient | ONNX |\n|---|---|---|---|\n";
    for (const Op* op : ops) {
      const bool gradient = rows ? pointwise_gradient_exists(op->name()) : has_gradient(*op);
      out << "| `" << op->name() << "` | " << cell(op->schema().doc) << " | "
          << (gradient ? "yes" : "no") << " | " << onnx_name(*op) << " |\n";
    }
  };
  table("Pointwise", pointwise, true);
  table("Others", others, false);
  return out.str();
}

TEST(Docs, ListEveryOp) { expect_page("ops.md", page(), "test_ops --gtest_filter=Docs.*"); }

}  // namespace
}  // namespace suanli::test
