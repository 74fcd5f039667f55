// SPDX-License-Identifier: Apache-2.0
// An error on the command line: the options that help, and its parts as JSON.
#pragma once
#include <string>
#include <vector>

#include "base/text/json.h"
#include "cli/framework/options.h"
#include "suanli/error.h"

namespace suanli::cli {

/// "--batch-size" of "batch_size", the key of a run's configuration.
std::string option_of(const std::string& setting);

/// "Options: --batch-size, --accumulate. Command: suanli train --resume runs/1", in the user's
/// language: the settings of `fault`, as far as `verb` has options for them. "" if it has none. An
/// option whose value is at fault is left out where `words`, the command line, give it.
std::string hints(const Fault& fault, const Verb& verb, const std::vector<std::string>& words);

/// The code and the parts of an error, for `--json`.
Json as_json(const Error& error);

}  // namespace suanli::cli
