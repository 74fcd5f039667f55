// SPDX-License-Identifier: Apache-2.0
// The weights of a run folder, for evaluation, prediction and fine-tuning.
#pragma once
#include <string>

#include "base/text/json.h"
#include "suanli/io.h"
#include "suanli/train.h"
#include "train/stored/dataset_summary.h"

namespace suanli {

/// The kept weights of a run, and what they belong to.
struct StoredRun {
  TrainConfig config;
  DataRecord data;
  NamedTensors weights;
  std::string file;             // where the weights lie
  int64_t epoch = 0, step = 0;  // when they were saved; epoch 0: before the first one was complete
  bool finished = false;  // the run came to its end
};

/// From the checkpoint; where that is gone, from model.safetensors, which a finished run leaves.
/// Throws IoError.
StoredRun read_stored_run(const std::string& run);

/// Under which key model.safetensors describes itself in its metadata.
inline constexpr const char* kRunRecord = "suanli";
/// The record: the data's kind, shape, classes and encoding, and when the weights were saved. Equal
/// runs write equal bytes.
std::string run_record(const data::Info& info, int64_t epoch, int64_t step);

/// Throws IoError where a run cannot go on because its checkpoints are gone although it had
/// some; says what can be done instead.
void require_resumable(const std::string& run);

}  // namespace suanli
