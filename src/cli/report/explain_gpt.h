// SPDX-License-Identifier: Apache-2.0
// The step of a language model, which no data set of pictures or tables brings about.
#pragma once
#include "cli/framework/options.h"
#include "cli/report/explain_subject.h"

namespace suanli::cli {

/// A GPT of 4 layers, 256 wide, with 8 heads, and its AdamW step on `random:tokens=T[?vocab=V]`:
/// [batch, T] tokens of V kinds. Throws ArgumentError for other data, and for options that only the
/// models of the zoo have.
ExplainSubject gpt_subject(const Arguments& args);

}  // namespace suanli::cli
