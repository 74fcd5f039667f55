// SPDX-License-Identifier: Apache-2.0
#include "suanli/profile.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text/json.h"
#include "cli/framework/console.h"
#include "cli/framework/verbs.h"
#include "cli/report/machine_roofs.h"
#include "cli/report/trace.h"
#include "cli/verbs/training_options.h"

namespace suanli::cli {

namespace {

constexpr size_t kRows = 25;   // of a table in words; --json has all
constexpr size_t kName = 48;   // characters of an op's name in words

struct Profiled {
  ProfileReport report;
  Roofs roofs;
  int64_t steps;

  double per_step(double amount) const { return amount / static_cast<double>(steps); }
  double in_spans(std::initializer_list<std::string_view> names) const {
    double seconds = 0;
    for (const ProfileRow& r : report.spans)
      if (std::find(names.begin(), names.end(), r.name) != names.end()) seconds += r.seconds;
    return seconds;
  }
  double data() const { return in_spans({"data"}); }
  double seconds() const { return report.seconds - report.own_seconds; }
  /// Everything that is neither a kernel nor waiting for data.
  double overhead() const { return seconds() - report.kernel_seconds - data(); }
};

double rate(int64_t amount, double seconds) {
  return seconds > 0 ? static_cast<double>(amount) / seconds : 0;
}

std::string shortened(const std::string& name) {
  if (name.size() <= kName) return name;
  const auto ops = std::count(name.begin(), name.end(), ',') + 1;
  const std::string tail =
      name.find('(') == std::string::npos ? "…" : fmt::format("… {} ops)", ops);
  // the ellipsis is one character and three bytes
  return name.substr(0, kName - tail.size() + 2) + tail;
}

/// A rate that exceeds its roof has no share: Winograd's convolutions take fewer operations than
/// are counted.
std::string share(double rate, double roof) {
  return rate > roof ? "-" : fmt::format("{:.0f}%", 100 * rate / roof);
}

std::string table(const char* what, const std::vector<ProfileRow>& rows, const Profiled& p) {
  std::string out =
      fmt::format("\n{:<{}} {:>10} {:>9} {:>6} {:>9} {:>5} {:>8} {:>5}\n", what, kName,
                  "calls/step", "ms/step", "share", "GFLOP/s", "roof", "GB/s", "roof");
  for (size_t i = 0; i < std::min(rows.size(), kRows); ++i) {
    const ProfileRow& r = rows[i];
    const double flops = rate(r.flops, r.seconds), bytes = rate(r.bytes, r.seconds);
    out += fmt::format("{:<{}} {:>10.4g} {:>9.3f} {:>5.1f}% {:>9.1f} {:>5} {:>8.1f} {:>4.0f}%\n",
                       r.name.empty() ? "(outside of modules)" : shortened(r.name), kName,
                       p.per_step(static_cast<double>(r.calls)), p.per_step(r.seconds) * 1e3,
                       100 * r.seconds / p.seconds(), flops / 1e9, share(flops, p.roofs.f32.all),
                       bytes / 1e9, 100 * bytes / p.roofs.copy.all);
  }
  if (rows.size() > kRows) out += fmt::format("… {} more\n", rows.size() - kRows);
  return out;
}

std::string in_words(const Profiled& p) {
  const ProfileReport& r = p.report;
  auto ms = [&](double seconds) {
    return fmt::format("{:.3f} ms ({:.1f}%)", p.per_step(seconds) * 1e3,
                       100 * seconds / p.seconds());
  };
  const double flops = rate(r.flops, p.seconds());
  std::string out;
  auto line = [&](const char* name, const std::string& text) {
    out += fmt::format("{:<10} {}\n", name, text);
  };
  line("step", fmt::format("{:.3f} ms, mean of {} after the warm-up", p.per_step(p.seconds()) * 1e3,
                           counted(p.steps, "step")));
  line("kernels",
       fmt::format("{}, {} per step", ms(r.kernel_seconds),
                   rounded(static_cast<double>(r.kernels) / static_cast<double>(p.steps))));
  line("data", ms(p.data()) + " waiting");
  line("overhead",
       fmt::format(
           "{}: forward {:.3f}, backward {:.3f}, optimizer {:.3f}, flush {:.3f}, plans {:.3f} ms",
           ms(p.overhead()), p.per_step(p.in_spans({"forward"})) * 1e3,
           p.per_step(p.in_spans({"backward"})) * 1e3, p.per_step(p.in_spans({"optimizer"})) * 1e3,
           p.per_step(p.in_spans({"flush"})) * 1e3, p.per_step(p.in_spans({"build plan"})) * 1e3));
  line("plans", fmt::format("{}, {} built", counted(r.plan_hits, "hit"), r.plans_built));
  line("work",
       fmt::format(
           "{:.3f} GFLOP per step, {:.1f} GFLOP/s: {} of the {:.1f} GFLOP/s that {} can do in f32",
           p.per_step(static_cast<double>(r.flops)) / 1e9, flops / 1e9,
           share(flops, p.roofs.f32.all), p.roofs.f32.all / 1e9,
           counted(p.roofs.threads, "thread")));
  out += table("op", r.by_op, p) + table("module", r.by_module, p);
  out += fmt::format(
      "\nroofs: f32 {:.1f} GFLOP/s, copy {:.1f} GB/s (suanli bench roofs). FLOPs and bytes are "
      "counted from shapes.\n",
      p.roofs.f32.all / 1e9, p.roofs.copy.all / 1e9);
  return out;
}

Json rows_as_json(const std::vector<ProfileRow>& rows) {
  Json::Array out;
  for (const ProfileRow& r : rows)
    out.push_back(Json::Object{{"name", r.name},
                               {"calls", r.calls},
                               {"seconds", r.seconds},
                               {"flops", r.flops},
                               {"bytes", r.bytes}});
  return out;
}

Json as_json(const Profiled& p, const TrainConfig& config) {
  const ProfileReport& r = p.report;
  return Json::Object{{"version", version()},
                      {"data", config.data},
                      {"model", config.model},
                      {"batch_size", config.batch_size},
                      {"isa", p.roofs.isa},
                      {"threads", int64_t{p.roofs.threads}},
                      {"steps", p.steps},
                      {"seconds", p.seconds()},
                      {"kernel_seconds", r.kernel_seconds},
                      {"data_seconds", p.data()},
                      {"overhead_seconds", p.overhead()},
                      {"kernels", r.kernels},
                      {"flops", r.flops},
                      {"bytes", r.bytes},
                      {"plan_hits", r.plan_hits},
                      {"plans_built", r.plans_built},
                      {"roofs", Json::Object{{"f32_flops_per_s", p.roofs.f32.all},
                                             {"copy_bytes_per_s", p.roofs.copy.all}}},
                      {"ops", rows_as_json(r.by_op)},
                      {"modules", rows_as_json(r.by_module)},
                      {"spans", rows_as_json(r.spans)}};
}

int run(const Arguments& args) {
  if (args.positional(0) != "train")
    throw ArgumentError({.argument = "profile",
                         .given = fmt::format("'{}'", args.positional(0)),
                         .expected = "train"});
  Trainer trainer(config_from(args, 1));
  trainer.autotune();
  print_note(description(trainer));
  Roofs roofs = machine_roofs();
  const int64_t steps = args.integer("--steps", 20);
  trainer.take_steps(args.integer("--warm-up", 3));
  Profiler profiler(trainer.session());
  trainer.take_steps(steps);
  const ProfileReport report = profiler.report();
  // A product above the roof says that the roof was measured while the machine was busy.
  if (std::any_of(report.by_op.begin(), report.by_op.end(), [&](const ProfileRow& r) {
        return r.name.starts_with("matmul") && rate(r.flops, r.seconds) > roofs.f32.all;
      }))
    roofs = machine_roofs(true);
  const Profiled profiled{report, roofs, steps};
  if (args.has("--trace")) write_trace(args.text("--trace"), profiler.events());
  print_result(args.has("--json") ? as_json(profiled, trainer.config()).dump() + "\n"
                                  : in_words(profiled));
  return 0;
}

}  // namespace

Verb profile_verb() {
  return {"profile",
          "profile training steps",
          {{"train", "the command to profile, always train", true, false, "train"},
           {"DATA", "same as for suanli train; default glyphs", false}},
          with_training_options({
              {"--steps", OptionType::integer, "N", "profiled steps", "20", 1, 1e6},
              {"--warm-up", OptionType::integer, "N", "warm-up steps before the profiled steps",
               "3", 0, 1e6},
              {"--trace", OptionType::text, "FILE", "write a trace for ui.perfetto.dev or Chrome"},
              {"--json", OptionType::nothing, "",
               "print the result or error as one JSON object on stdout"},
          }),
          {"suanli profile train",
           "suanli profile train mnist:downloads/mnist --model cnn_c --trace trace.json"},
          run};
}

}  // namespace suanli::cli
