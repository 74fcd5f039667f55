// SPDX-License-Identifier: Apache-2.0
#include "cli/framework/console.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/system/stopwatch.h"
#include "base/text/visible.h"
#include "cli/framework/translations_zh.h"

namespace suanli::cli {

namespace {

/// `share` of `cells` character cells, to an eighth of a cell.
std::string blocks(double share, int cells) {
  static const char* const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int filled = std::clamp(static_cast<int>(share * cells * 8), 0, cells * 8);
  std::string out;
  for (int i = 0; i < filled / 8; ++i) out += "█";
  out += eighths[filled % 8];
  out.append(static_cast<size_t>(cells - filled / 8 - (filled % 8 ? 1 : 0)), ' ');
  return out;
}

/// A line on the terminal that the next one, or close(), writes over. It stays one column short of
/// the width that the terminal has now: a longer one would begin a new line each time. `tails`: the
/// longest first, of which the first is taken that leaves room for a bar.
void draw_bar(const std::string& head, double share, const std::vector<std::string>& tails) {
  constexpr size_t kFrame = 4, kMinCells = 5, kMaxCells = 40;
  const size_t room = static_cast<size_t>(std::max(2, terminal_width())) - 1;
  const std::string shown = harmless(head);
  std::string line;
  for (const std::string& tail : tails) {
    const size_t fixed = columns_of(shown) + columns_of(tail) + kFrame;
    if (fixed + kMinCells > room) continue;
    line = fmt::format("{} |{}| {}", shown,
                       blocks(share, static_cast<int>(std::min(room - fixed, kMaxCells))), tail);
    break;
  }
  if (line.empty())
    line = cut_to(columns_of(shown) <= room ? shown : fmt::format("{:.0f}%", 100 * share), room);
  std::fputs(fmt::format("\r{}\033[K", line).c_str(), stderr);
}

constexpr const char *kBold = "\033[1m", *kPlain = "\033[0m";

std::string number(double v) { return std::isnan(v) ? "-" : fmt::format("{:.4f}", v); }

}  // namespace

std::string harmless(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char* kept = nullptr;
    for (const char* ours : {kBold, kPlain})
      if (text.compare(i, std::strlen(ours), ours) == 0) kept = ours;
    const size_t control = text[i] == '\n' || text[i] == '\t' ? 0 : control_at(text, i);
    if (kept) {
      out += kept;
      i += std::strlen(kept) - 1;
    } else if (control > 0) {
      i += control - 1;
      out += byte_code(text[i]);
    } else out += text[i];
  }
  return out;
}

void occupy_standard_files() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) != -1) continue;
    const int null = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (null >= 0 && null != fd) {
      dup2(null, fd);
      close(null);
    }
  }
}

void print_result(const std::string& result) {
  const std::string& text = is_terminal(STDOUT_FILENO) ? harmless(result) : result;
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
    return;
  if (errno == EPIPE)
    throw BrokenPipe(Fault{.argument = "standard output", .given = "nobody reads it any more"});
  throw IoError(Fault{.argument = "standard output",
                      .given = fmt::format("cannot be written: {}", std::strerror(errno))});
}

void print_note(const std::string& line) {
  const std::string text = harmless(line) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
}

bool is_terminal(int fd) {
  const char* term = std::getenv("TERM");
  return isatty(fd) && !(term && std::string(term) == "dumb");
}

bool is_stdout(const std::string& path) { return path == "-" || path == "/dev/stdout"; }

int terminal_width() {
  for (int fd : {STDERR_FILENO, STDOUT_FILENO}) {
    winsize size{};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  return 80;
}

std::string emphasized(const std::string& text) {
  const char* no_color = std::getenv("NO_COLOR");
  return is_terminal(STDERR_FILENO) && !(no_color && *no_color) ? kBold + text + kPlain : text;
}

std::string percent(double fraction) {
  return std::isnan(fraction) ? "-" : fmt::format("{:.2f}%", 100 * fraction);
}

std::string counted(int64_t n, const char* noun, const char* plural) {
  return n == 1   ? fmt::format("1 {}", noun)
         : plural ? fmt::format("{} {}", n, plural)
                  : fmt::format("{} {}s", n, noun);
}

std::string rounded(double value) {
  if (!std::isfinite(value) || value == 0 || std::abs(value) < 1e-4 || std::abs(value) >= 1e7)
    return fmt::format("{:.3g}", value);
  const int digits = static_cast<int>(std::floor(std::log10(std::abs(value))));
  std::string text = fmt::format("{:.{}f}", value, std::max(0, 2 - digits));
  if (text.find('.') != std::string::npos) {
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

std::string memory_size(int64_t bytes) {
  static const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit == 0 || value >= 100 ? 0 : 1, units[unit]);
}

std::string clock_time(double seconds) {
  const auto s = static_cast<int64_t>(std::max(0.0, seconds) + 0.5);
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{:02}:{:02}", s / 60, s % 60);
}

std::string duration(double seconds) {
  return seconds < 60 ? fmt::format("{:.1f}s", seconds) : clock_time(seconds);
}

Activity::Activity(bool quiet) : quiet_(quiet), bar_(is_terminal(STDERR_FILENO)) {}

void Activity::close() {
  if (bar_shown_) std::fputs("\r\033[K", stderr);
  bar_shown_ = false;
}

void Activity::show(const std::string& what, int64_t done, int64_t total) {
  if (quiet_) return;
  if (what != what_) {
    close();
    what_ = what;
    began_ = last_shown_ = steady_seconds();
  }
  if (done == total) return close();
  if (steady_seconds() - last_shown_ < (bar_ ? 0.1 : 10)) return;
  last_shown_ = steady_seconds();
  const double share = static_cast<double>(done) / static_cast<double>(std::max<int64_t>(1, total)),
               seconds = last_shown_ - began_;
  const std::string left = share > 0 ? clock_time(seconds * (1 - share) / share) : "?";
  const std::string head = fmt::format("{} {:3.0f}%", what, 100 * share),
                    count = fmt::format("{}/{}", done, total),
                    tail = fmt::format("{} [{}<{}]", count, clock_time(seconds), left);
  if (!bar_) return print_note(fmt::format("{} {}", head, tail));
  draw_bar(head, share, {tail, count});
  bar_shown_ = true;
}

OpenView::OpenView(bool quiet) : activity_(quiet) {
  data::set_open_listener(
      [this](const data::OpenProgress& p) { activity_.show(p.what, p.done, p.total); });
}
OpenView::~OpenView() { data::set_open_listener({}); }

ProgressView::ProgressView(bool quiet)
    : quiet_(quiet), bar_(is_terminal(STDERR_FILENO)), last_shown_(steady_seconds()) {}

void ProgressView::close() {
  if (!bar_shown_) return;
  std::fputs("\r\033[K", stderr);
  bar_shown_ = false;
}

void ProgressView::message(const std::string& line) {
  if (quiet_) return;
  close();
  print_note(bar_ ? wrapped(line, 2, static_cast<size_t>(terminal_width())) : line);
}

void ProgressView::step(const StepReport& r) {
  const double interval = bar_ ? 0.1 : 10;
  if (quiet_ || steady_seconds() - last_shown_ < interval) return;
  last_shown_ = steady_seconds();
  const double share = static_cast<double>(r.batch) / static_cast<double>(r.batches);
  const double rate = r.seconds > 0 ? static_cast<double>(r.batch - r.first_batch) / r.seconds : 0;
  const std::string left =
      rate > 0 ? clock_time(static_cast<double>(r.batches - r.batch) / rate) : "?";
  const std::string head = fmt::format("epoch {}/{} {:3.0f}%", r.epoch, r.epochs, 100 * share);
  const std::string count = fmt::format("{}/{}", r.batch, r.batches),
                    loss = fmt::format("loss={:.4f}", r.loss);
  const std::string time = fmt::format("{}<{}", clock_time(r.seconds), left);
  const std::string tail = fmt::format("{} [{}, {:.1f}it/s, {}]", count, time, rate, loss);
  if (!bar_) return print_note(fmt::format("{} {}", head, tail));
  draw_bar(head, share,
           {tail, fmt::format("{} [{}, {}]", count, time, loss),
            fmt::format("[{}, {}]", time, loss), loss});
  bar_shown_ = true;
}

void ProgressView::epoch(const EpochReport& r) {
  if (quiet_) return;
  close();
  struct Column {
    const char* name;
    size_t width;
    std::string text;
  };
  const Column columns[] = {{"epoch", 7, fmt::format("{}/{}", r.epoch, r.epochs)},
                            {"train loss", 10, number(r.train_loss)},
                            {"val loss", 8, number(r.val_loss)},
                            {"val acc", 8, percent(r.val_accuracy)},
                            {"time", 8, duration(r.seconds)},
                            {"samples/s", 9, fmt::format("{:.0f}", r.samples_per_s)}};
  // The last ones are left out where the terminal has no room for them.
  const size_t room = bar_ ? static_cast<size_t>(terminal_width()) : std::string::npos;
  std::string head, row;
  for (const Column& c : columns) {
    const char* between = row.empty() ? "" : "  ";
    const std::string cell = fmt::format("{}{:>{}}", between, c.text, c.width);
    if (row.size() + cell.size() > room) break;
    head += fmt::format("{}{:>{}}", between, c.name, c.width);
    row += cell;
  }
  if (!header_printed_) print_note(emphasized(head));
  header_printed_ = true;
  print_note(row);
  last_shown_ = steady_seconds();
}

}  // namespace suanli::cli
