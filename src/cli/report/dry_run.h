// SPDX-License-Identifier: Apache-2.0
// suanli train --dry-run: the run that would be, without its first step.
#pragma once
#include <optional>
#include <string>

#include "cli/report/model_summary.h"

namespace suanli::cli {

struct DryRun {
  ModelSummary model;
  std::optional<RunForecast> forecast;  // none where it is not known beforehand
  std::string why_not;                  // then
  RunTiming timing;
};

DryRun dry_run(Trainer& trainer);
std::string in_words(const DryRun& run, const Trainer& trainer);
Json to_json(const DryRun& run, const Trainer& trainer);

}  // namespace suanli::cli
