// SPDX-License-Identifier: Apache-2.0
// Checkpoints: what a run needs to go on bit for bit, written so that a kill at any instant leaves
// a complete one.
//
//   checkpoints/step-00001200.safetensors         model state under its PyTorch names
//   checkpoints/step-00001200.optim.safetensors
//       optimizer state; under "average." the state of averages of the weights
//   checkpoints/step-00001200.kept.safetensors
//       the best weights, where an average is kept rather than the weights themselves
//   checkpoints/state.json
//       everything else, and the names, lengths and checksums of the files that belong to it
//
// state.json is the commit point: it is renamed into place after the files that it names are on the
// disk, and it names the best weights as well as the last, so one rename moves both. Files that it
// does not name are left-overs; they are removed after each commit and when a run is resumed.
#pragma once
#include <optional>
#include <string>

#include "base/files/file.h"
#include "base/text/json.h"
#include "suanli/evaluate.h"
#include "suanli/io.h"

namespace suanli {

/// Where the run stands. Sums are doubles accumulated in step order, so a resumed run reports the
/// same digits.
struct Progress {
  int64_t epoch = 0;  // complete and evaluated
  int64_t batch = 0;  // steps taken in the current epoch
  int64_t step = 0;  // steps taken in all
  int64_t samples = 0;  // trained in all
  double epoch_loss = 0;  // Σ loss · samples over the current epoch
  int64_t epoch_samples = 0;
  double window_loss = 0;  // Σ loss since the last row in metrics.jsonl
  int64_t window_steps = 0;
  double train_loss = 0;  // mean of the last complete epoch
  double seconds = 0, train_seconds = 0, wait_seconds = 0;
  double grad_norm = 0;  // Σ over the steps, where gradients are clipped by norm
  int64_t clipped = 0;  // steps whose gradient was longer than allowed
  // length of metrics.jsonl; later rows belong to steps that will be taken again
  int64_t metrics_bytes = 0;
  uint64_t generator_seed = 0, generator_counter = 0;
};
Json to_json(const Progress& progress);
Progress progress_from_json(const Json& json);

/// The epoch whose weights are kept.
struct Best {
  int64_t epoch = 0, step = 0;  // epoch counted from 1; 0: none yet
  double loss = 0, accuracy = 0, balanced_accuracy = 0, rmse = 0;  // as Evaluation's
};

/// The origin of a checkpoint. A bit-exact resume needs the same one, except for `threads`.
struct Provenance {
  std::string version, isa;
  int64_t threads = 0;  // for the log: no op's bits depend on them
  Json config;  // deciding_fields()
  Json data;  // kind, shape, classes, fingerprints
  // hash of the constants that order additions, in hexadecimal; empty in runs of older programs
  std::string numerics;
};

struct SavedFile {
  std::string name;  // within the checkpoints folder
  FileDigest digest;
};

struct Checkpoint {
  Progress progress;
  Best best;
  Provenance provenance;
  Json tuning;  // by name: decides speed, so that a resume may use another one
  SavedFile model, optimizer, best_model;  // best_model.name is empty before the first evaluation
};

class CheckpointFolder {
 public:
  explicit CheckpointFolder(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

  /// Nothing if no checkpoint was committed. Reads the state only; throws IoError if it is
  /// damaged.
  std::optional<Checkpoint> load() const;
  /// Name of the file with the weights of the latest step, whatever the state says of it; "" if
  /// none was trained.
  std::string newest_weights() const;
  /// Reads the tensors of one of its files; verifies length and checksum first.
  NamedTensors tensors(const SavedFile& file) const;

  /// Writes the files, commits, then cleans. `checkpoint` holds what was committed before (its
  /// best_model stays unless `best` is given) and is updated. `best`: the weights to keep, often
  /// `model` itself.
  void save(Checkpoint& checkpoint, const NamedTensors& model, const NamedTensors& optimizer,
            const NamedTensors* best);
  /// Removes files that no state names.
  void clean(const std::optional<Checkpoint>& keep) const;

 private:
  std::string path_;
};

}  // namespace suanli
