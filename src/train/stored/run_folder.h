// SPDX-License-Identifier: Apache-2.0
// The folder of one run: config.toml, metrics.jsonl, log.txt, checkpoints/, model.safetensors,
// summary.json.
#pragma once
#include <memory>
#include <string>

#include "base/text/json.h"
#include "suanli/train.h"

namespace suanli {

class RunFolder {
 public:
  /// Makes the folder and its config.toml: config.out, or the first free runs/<date>-<model>-<n>.
  /// An existing one that is not empty throws IoError.
  static std::unique_ptr<RunFolder> create(const TrainConfig& config);
  /// Opens an existing one to go on with it. Throws IoError if it is none, or if another process
  /// is writing it.
  static std::unique_ptr<RunFolder> open(const std::string& path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string checkpoints() const { return file("checkpoints"); }

  /// Appends a row to metrics.jsonl.
  void add_metrics(const Json& row);
  /// Length of metrics.jsonl, all of it on the disk.
  int64_t sync_metrics();
  /// Cuts metrics.jsonl back to `bytes`.
  void cut_metrics(int64_t bytes);
  /// Appends a line with the time of day to log.txt.
  void log(const std::string& line);

  /// Removes what create() made: for a start that failed.
  void discard();

 private:
  explicit RunFolder(std::string path);
  void open_files();
  std::string path_, made_;  // made_: the topmost folder that create() made
  int log_ = -1, metrics_ = -1;
};

/// Throws IoError unless `path` can become a run folder: it does not exist, or is an empty
/// folder.
void require_free(const std::string& path);
/// Throws IoError unless `path` is a folder with a config.toml.
void require_run_folder(const std::string& path);

}  // namespace suanli
