// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/print_explanation.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "plan/build/listener.h"

namespace suanli {

namespace {
std::string_view wanted() {
  static const char* text = std::getenv("SUANLI_EXPLAIN");
  return text && std::string_view(text) != "0" ? text : "";
}
}  // namespace

PrintedExplanation::PrintedExplanation() {
  if (!wanted().empty() && !plan_listener) explainer_ = std::make_unique<Explainer>();
}
PrintedExplanation::~PrintedExplanation() {
  if (!explainer_) return;
  for (const ProgramExplanation& p : explainer_->programs())
    if (!p.kernels.empty()) std::fprintf(stderr, "%s\n", in_words(p, wanted() == "tape").c_str());
}

}  // namespace suanli
