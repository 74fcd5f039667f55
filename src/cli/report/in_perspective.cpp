// SPDX-License-Identifier: Apache-2.0
#include "cli/report/in_perspective.h"
#include "base/text/visible.h"

#include <fmt/format.h>

#include <cmath>

#include "base/system/proc.h"
#include "base/text/shell.h"
#include "cli/framework/console.h"
#include "cli/report/machine_roofs.h"
#include "train/settings/sample_notes.h"

namespace suanli::cli {

std::string in_perspective(const data::Dataset& samples, double accuracy, double balanced) {
  const data::Info& info = samples.info();
  const Baseline baseline = baseline_of(samples);
  const auto label = static_cast<size_t>(baseline.label);
  const std::string name =
      label < info.class_names.size() ? visible(info.class_names[label]) : std::to_string(label);
  std::string out = fmt::format("always '{}' gives {}", name, percent(baseline.share));
  if (!std::isnan(balanced)) out += fmt::format("; balanced accuracy {}", percent(balanced));
  const double points = 100 * uncertainty_of(accuracy, samples.size());
  return out + fmt::format("; {}: ±{:.{}f} points", counted(samples.size(), "sample"), points,
                           points < 10 ? 1 : 0);
}

std::string share_of_roof(double flops_per_s, double executed_flops_per_s) {
  double roof = machine_roofs().f32.all;
  // it was measured while the machine was busy
  if (executed_flops_per_s > roof) roof = machine_roofs(true).f32.all;
  std::string out = fmt::format("{:.1f} GFLOP/s", flops_per_s / 1e9);
  const double saved = 1 - executed_flops_per_s / flops_per_s;
  if (saved >= 0.005)
    out += fmt::format(", {:.0f}% of them saved by Winograd's algorithm", 100 * saved);
  if (executed_flops_per_s <= roof)
    out += fmt::format(", {}{:.0f}% of this machine's {:.0f} (suanli bench roofs)",
                       saved >= 0.005 ? "the rest " : "", 100 * executed_flops_per_s / roof,
                       roof / 1e9);
  return out;
}

std::string memory_in_words(int64_t tensors) {
  const int64_t process = proc_bytes("/proc/self/status", "VmHWM");
  return fmt::format("tensors {} at most{}", memory_size(tensors),
                     process > 0 ? fmt::format(", the process {}", memory_size(process)) : "");
}

std::string weights_in_words(const TrainedModel& trained) {
  return trained.epoch > 0 ? fmt::format("weights of epoch {}", trained.epoch)
                           : fmt::format("weights of step {}", trained.step);
}

std::string unfinished(const TrainedModel& trained, const std::string& run) {
  if (trained.finished) return "";
  const std::string how =
      fmt::format("It goes on with: suanli train --resume {}", shell_quoted(run));
  if (trained.step == 0)
    return fmt::format("{}: the run is not finished; these weights are untrained, of step 0. {}",
                       run, how);
  if (trained.epoch == 0)
    return fmt::format(
        "{}: the run is not finished; no epoch is complete, these weights are of step {}. {}", run,
        trained.step, how);
  return fmt::format(
      "{}: the run is not finished; these weights are of epoch {}, the best so far. {}", run,
      trained.epoch, how);
}

}  // namespace suanli::cli
