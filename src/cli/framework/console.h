// SPDX-License-Identifier: Apache-2.0
// Output: results on stdout, everything else on stderr.
#pragma once
#include <string>
#include <vector>

#include "cli/framework/columns.h"
#include "suanli/train.h"

namespace suanli::cli {

/// Opens what of stdin, stdout and stderr is closed, as what cannot be read or written: else the
/// next file opened would get its number, and the notes meant for stderr would stand in a
/// checkpoint.
void occupy_standard_files();

/// Whoever read stdout went away (`suanli help train | head -1`): the program ends without a word.
class BrokenPipe : public IoError {
 public:
  using IoError::IoError;
};

/// The result, on a terminal as harmless(). Throws BrokenPipe, or StateError if stdout cannot take
/// it (a full disk).
void print_result(const std::string& text);
/// A line on stderr, harmless(); a reader that went away does not end a training run.
void print_note(const std::string& line);
/// `text` with control characters as "\x1b": names of files and classes come from anywhere, and a
/// terminal would obey them. Newlines, tabs and what emphasized() adds stay.
std::string harmless(const std::string& text);

bool is_terminal(int fd);
/// True if a file to write is the standard output: "-" or /dev/stdout.
bool is_stdout(const std::string& path);
/// Columns of the terminal; 80 where there is none.
int terminal_width();
/// `text` in bold or color where stderr is a terminal and NO_COLOR is not set.
std::string emphasized(const std::string& text);

/// "98.92%", or "-" for NaN.
std::string percent(double fraction);
/// "1 epoch", "2 epochs"; `plural` where an s does not do.
std::string counted(int64_t n, const char* noun, const char* plural = nullptr);
/// Three digits that count: "0.00283", "9390".
std::string rounded(double value);

/// "120 MiB".
std::string memory_size(int64_t bytes);
/// "01:05" or "2:03:10".
std::string clock_time(double seconds);
/// "8.3s", and from a minute on as clock_time().
std::string duration(double seconds);

/// Progress of something that is counted, on stderr: a bar where a person watches, now and then a
/// line elsewhere, nothing for what is done within a moment.
class Activity {
 public:
  explicit Activity(bool quiet);
  ~Activity() { close(); }
  Activity(const Activity&) = delete;
  void show(const std::string& what, int64_t done, int64_t total);
  /// OptionType the bar away.
  void close();

 private:
  bool quiet_, bar_, bar_shown_ = false;
  double began_ = 0, last_shown_ = 0;
  std::string what_;
};

/// Shows what data::open() does on this thread, while it lives.
class OpenView {
 public:
  explicit OpenView(bool quiet);
  ~OpenView();
  void close() { activity_.close(); }

 private:
  Activity activity_;
};

/// Progress of a training run on stderr: a bar where a person watches, now and then a line
/// elsewhere, and a table of epochs.
class ProgressView {
 public:
  explicit ProgressView(bool quiet);
  void message(const std::string& line);
  void step(const StepReport& report);
  void epoch(const EpochReport& report);
  /// OptionType the bar away.
  void close();

 private:
  bool quiet_, bar_, header_printed_ = false, bar_shown_ = false;
  double last_shown_ = 0;
};

}  // namespace suanli::cli
