// SPDX-License-Identifier: Apache-2.0
#include "train/stored/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>

#include "base/files/file.h"
#include "base/text/text.h"
#include "train/settings/config.h"

namespace suanli {

namespace fs = std::filesystem;

namespace {

std::string local_time(const char* format) {
  std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[64];
  std::strftime(text, sizeof text, format, &parts);
  return text;
}

[[noreturn]] void fail(const std::string& path, const char* what, int error) {
  throw IoError(fault_of_errno(path, what, error));
}

int open_to_append(const std::string& path) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) fail(path, "cannot be opened", errno);
  return fd;
}

void append_line(int fd, const std::string& path, const std::string& line) {
  // One write per line: a killed process leaves whole lines.
  ssize_t n = 0;
  while ((n = ::write(fd, line.data(), line.size())) < 0 && errno == EINTR) {}
  if (n != static_cast<ssize_t>(line.size()))
    fail(path, "cannot be written", n < 0 ? errno : ENOSPC);
}

}  // namespace

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {}

RunFolder::~RunFolder() {
  if (log_ >= 0) ::close(log_);
  if (metrics_ >= 0) ::close(metrics_);
}

void RunFolder::open_files() {
  log_ = open_to_append(file("log.txt"));
  // Two writers would destroy each other's checkpoints. The kernel lets go of this lock however the
  // process ends.
  if (::flock(log_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw IoError({.argument = path_,
                   .given = "another process is training this run",
                   .remedy = "Wait for it, or start another run."});
  metrics_ = open_to_append(file("metrics.jsonl"));
}

std::unique_ptr<RunFolder> RunFolder::create(const TrainConfig& config) {
  std::string path = config.out, made;
  auto first_missing = [](fs::path p) {
    fs::path topmost;
    for (; !p.empty() && !path_exists(p.string()); p = p.parent_path()) topmost = p;
    return topmost.string();
  };
  if (!path.empty()) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    require_free(path);
    made = first_missing(path);
    make_folders(path);
  } else {
    made = first_missing("runs");
    make_folders("runs");
    const std::string stem = str("runs/", local_time("%Y-%m-%d"), "-", config.model, "-");
    for (int64_t n = 1;; ++n) {
      path = str(stem, n);
      // atomic: of two runs that start together each gets its own
      if (::mkdir(path.c_str(), 0777) == 0) break;
      if (errno != EEXIST) fail(path, "cannot be made", errno);
    }
    if (made.empty()) made = path;
  }
  std::unique_ptr<RunFolder> run(new RunFolder(path));
  run->made_ = made;
  try {
    // First of all files: with it the folder can be resumed, without it the folder counts as empty.
    write_file_atomically(run->file("config.toml"), to_toml(config));
    make_folders(run->checkpoints());
    run->open_files();
  } catch (...) {
    run->discard();
    throw;
  }
  return run;
}

std::unique_ptr<RunFolder> RunFolder::open(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  require_run_folder(trimmed);
  std::unique_ptr<RunFolder> run(new RunFolder(trimmed));
  make_folders(run->checkpoints());
  run->open_files();
  return run;
}

void RunFolder::add_metrics(const Json& row) {
  append_line(metrics_, file("metrics.jsonl"), row.dump() + "\n");
}

int64_t RunFolder::sync_metrics() {
  struct stat info;
  if (::fsync(metrics_) != 0 || ::fstat(metrics_, &info) != 0)
    fail(file("metrics.jsonl"), "cannot be synchronized with the disk", errno);
  return info.st_size;
}

void RunFolder::cut_metrics(int64_t bytes) {
  struct stat info;
  if (::fstat(metrics_, &info) != 0 || (info.st_size > bytes && ::ftruncate(metrics_, bytes) != 0))
    fail(file("metrics.jsonl"), "cannot be cut back to the checkpoint", errno);
}

void RunFolder::log(const std::string& line) {
  append_line(log_, file("log.txt"), str(local_time("%Y-%m-%d %H:%M:%S "), line, "\n"));
}

void RunFolder::discard() {
  std::error_code error;
  if (made_.empty()) {  // the folder was there, empty, before us
    for (auto& entry : fs::directory_iterator(path_, error)) fs::remove_all(entry.path(), error);
    return;
  }
  fs::remove_all(path_, error);
  // the folders above, as far as they are ours and still empty
  for (fs::path p = path_;
       p.string() != made_ && p.has_relative_path() && error == std::error_code();) {
    p = p.parent_path();
    if (!fs::remove(p, error)) break;
  }
}

void require_free(const std::string& path) {
  constexpr const char* kFreeFolder = "a folder that is new or empty";
  std::error_code error;
  if (!path_exists(path)) return;
  if (!fs::is_directory(path, error))
    throw IoError({.argument = path,
                   .given = "no folder",
                   .expected = kFreeFolder,
                   .remedy = "Choose another one.",
                   .settings = {"out"}});
  for (auto& entry : fs::directory_iterator(path, error)) {
    // A process that was killed before its first file was complete leaves this.
    if (entry.path().filename().string() == str("config.toml", kTemporarySuffix)) continue;
    const bool is_run = path_exists(path + "/config.toml");
    if (is_run)
      throw IoError({.argument = path,
                     .given = "the folder of a run",
                     .expected = kFreeFolder,
                     .remedy = "Go on with this run, or choose another folder.",
                     .settings = {"out", "resume=" + path}});
    throw IoError({.argument = path,
                   .given = "a folder that is not empty and holds no run",
                   .expected = kFreeFolder,
                   .remedy = "Choose another one.",
                   .settings = {"out"}});
  }
}

void require_run_folder(const std::string& path) {
  constexpr const char* kRunFolder = "the folder of a run";
  std::error_code error;
  if (!fs::exists(path, error))
    throw IoError({.argument = path,
                   .given = "no such run folder",
                   .remedy = "Runs lie in runs/ unless another place was chosen."});
  if (!fs::is_directory(path, error))
    throw IoError({.argument = path, .given = "a file", .expected = kRunFolder});
  if (!fs::exists(path + "/config.toml", error))
    throw IoError(
        {.argument = path, .given = "a folder without config.toml", .expected = kRunFolder});
}

}  // namespace suanli
