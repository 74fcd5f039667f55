// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/print_explanation.h"

#include <cstdio>
#include <string>

#include "base/system/environment.h"
#include "plan/build/listener.h"

namespace suanli {

namespace {
const std::string& wanted() {
  static const std::string choice = environment_choice("SUANLI_EXPLAIN");
  return choice;
}
}  // namespace

PrintedExplanation::PrintedExplanation() {
  if (wanted() != "0" && !plan_listener) explainer_ = std::make_unique<Explainer>();
}
PrintedExplanation::~PrintedExplanation() {
  if (!explainer_) return;
  for (const ProgramExplanation& p : explainer_->programs())
    if (!p.kernels.empty()) std::fprintf(stderr, "%s\n", in_words(p, wanted() == "tape").c_str());
}

}  // namespace suanli
