// SPDX-License-Identifier: Apache-2.0
// The composites of a program, from the notes of this thread's recorder.
#pragma once
#include "plan/ir/program.h"
#include "suanli/explain.h"

namespace suanli {

/// "%3.1", "leaf0", "number2".
std::string text_of(const Ref& r);

/// To be called with the program as recorded, before it runs.
std::vector<ExplainedCall> explained_calls(const Program& recorded);

/// One line: "mean(leaf0; dim=[1], keepdim=false) → %2, 2 records from %1".
std::string in_words(const ExplainedCall& call);

}  // namespace suanli
