// SPDX-License-Identifier: Apache-2.0
// A model as a list of its layers: what they put out, how many parameters they have and what they
// compute.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/text/json.h"
#include "suanli/train.h"

namespace suanli::cli {

struct LayerSummary {
  std::string path, type;
  std::string output;            // "[32, 26, 26]", of one sample
  int64_t parameters;            // of its own, not of modules below it
  // per sample, as an evaluation computes it; none where it does nothing by itself
  std::optional<int64_t> flops;
};

struct ModelSummary {
  std::vector<LayerSummary> layers;
  int64_t parameters;
  // per sample; none where the model computes with values that only a run knows
  std::optional<int64_t> flops;
};

/// By a rehearsed evaluation: nothing is computed.
ModelSummary summary_of(Trainer& trainer);
std::string in_words(const ModelSummary& summary);
Json to_json(const ModelSummary& summary);

}  // namespace suanli::cli
