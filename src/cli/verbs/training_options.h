// SPDX-License-Identifier: Apache-2.0
// The options that say what is trained, for all verbs that train, measure or explain a training
// step.
#pragma once
#include "cli/framework/options.h"
#include "suanli/train.h"

namespace suanli::cli {

/// These options and the verb's own ones.
std::vector<Option> with_training_options(std::vector<Option> own);
/// --device, of all verbs that compute.
Option device_option();
/// --tta, of all verbs that measure or answer.
Option tta_option(const char* help, const char* fallback);
/// The words of --augment, with blanks between, for completion.
std::string augment_names();
/// The configuration that they give. `data` is the place of DATA among the positional words.
TrainConfig config_from(const Arguments& args, size_t data);
/// "data … / model … / device …": what was chosen for the user.
std::string description(const Trainer& trainer);

}  // namespace suanli::cli
