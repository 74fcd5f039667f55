// SPDX-License-Identifier: Apache-2.0
// One function per verb makes its entry; each lies in the file of its name.
#pragma once
#include "cli/framework/options.h"

namespace suanli::cli {

Verb train_verb();
Verb eval_verb();
Verb predict_verb();
Verb data_verb();
Verb profile_verb();
Verb explain_verb();
Verb bench_verb();
Verb doctor_verb();
Verb ops_verb();
Verb completion_verb();
Verb man_verb();
Verb version_verb();
Verb help_verb();

}  // namespace suanli::cli
