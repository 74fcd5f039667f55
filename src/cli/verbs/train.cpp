// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>

#include "base/core/faults.h"
#include "base/files/file.h"
#include "base/text/shell.h"
#include "cli/framework/console.h"
#include "cli/framework/signals.h"
#include "cli/framework/verbs.h"
#include "cli/report/dry_run.h"
#include "cli/report/in_perspective.h"
#include "cli/report/machine_roofs.h"
#include "cli/verbs/training_options.h"
#include "suanli/train.h"
#include "train/stored/result.h"

namespace suanli::cli {

namespace {

/// Options that a resumed run accepts. Everything else is in its config.toml.
constexpr const char* kWithResume[] = {"--resume",
                                       "--force",
                                       "--epochs",
                                       "--threads",
                                       "--loader-threads",
                                       "--checkpoint-every",
                                       "--checkpoint-minutes",
                                       "--json",
                                       "--quiet"};

Trainer resumed_from(const Arguments& args) {
  for (const std::string& name : args.given())
    if (std::find(std::begin(kWithResume), std::end(kWithResume), name) == std::end(kWithResume))
      throw ArgumentError({.argument = name,
                           .given = "beside --resume",
                           .expected = "the value in the config.toml of the run",
                           .remedy = "Omit it, or start a new run."});
  ResumeOptions options;
  options.force = args.has("--force");
  options.epochs = args.integer("--epochs", options.epochs);
  options.checkpoint_every = args.integer("--checkpoint-every", options.checkpoint_every);
  options.checkpoint_minutes = args.real("--checkpoint-minutes", options.checkpoint_minutes);
  options.data = args.positional(0, "");  // where they are now
  options.threads = args.integer("--threads", options.threads);
  options.loader_threads = args.integer("--loader-threads", options.loader_threads);
  return Trainer::resume(args.text("--resume"), options);
}

std::string best_line(const TrainResult& r, const data::Info& info, const std::string& tta) {
  const bool regression = info.task == data::Task::regression, validated = !std::isnan(r.val_loss),
             tested = !std::isnan(r.test_loss);
  if (!validated && !tested)
    return fmt::format("train loss      {:.4f}  (there is no validation set and no test set)",
                       r.train_loss);
  auto measured = [&](double rmse, double accuracy) {
    return regression ? fmt::format("{:.6g}", rmse) : percent(accuracy);
  };
  const std::string val = measured(r.val_rmse, r.val_accuracy),
                    name = regression ? "RMSE" : "accuracy";
  if (!tested)
    return fmt::format("{:<15} {}  (weights of epoch {}, the best; there is no test set)",
                       "val " + name, val, r.best_epoch);
  std::string how =
      validated ? fmt::format("weights of epoch {}, the best in validation: {}", r.best_epoch, val)
                : "";
  if (tta != "none") how += fmt::format("{}tta {}", how.empty() ? "" : "; ", tta);
  return fmt::format("{:<15} {}{}", "test " + name, measured(r.test_rmse, r.test_accuracy),
                     how.empty() ? "" : fmt::format("  ({})", how));
}

std::string report(const TrainResult& r, const Trainer& trainer) {
  const data::Info& info = trainer.data().train->info();
  std::string out = best_line(r, info, trainer.config().tta) + "\n";
  auto line = [&](const char* name, const std::string& text) {
    out += fmt::format("{:<15} {}\n", name, text);
  };
  const data::Splits& splits = trainer.data();
  const bool tested = !std::isnan(r.test_loss);
  if (const auto& samples = tested ? splits.test : splits.val;
      samples && info.task == data::Task::classification)
    line("", in_perspective(*samples, tested ? r.test_accuracy : r.val_accuracy,
                            tested ? r.test_balanced_accuracy : r.val_balanced_accuracy));
  line("time", fmt::format("{}, {}, {}", duration(r.seconds), counted(r.epochs, "epoch"),
                           counted(r.steps, "step")));
  std::string speed =
      fmt::format("{:.0f} {}/s, {:.1f}% of it waiting for data", r.samples_per_s,
                  info.input_shape.rank() == 3 ? "images" : "samples", 100 * r.data_wait);
  line("speed", speed);
  constexpr double kMuchWaiting = 0.3;
  if (r.data_wait > kMuchWaiting && info.kind == "folder")
    line("",
         "to wait less: suanli data pack decodes the pictures once; --loader-threads reads with "
         "more threads");
  if (!std::isnan(r.flops_per_s))
    line("work", share_of_roof(r.flops_per_s, r.executed_flops_per_s));
  if (!std::isnan(r.grad_norm))
    line("gradients", fmt::format("mean norm {:.3g}, clipped to {} in {:.1f}% of the steps",
                                  r.grad_norm, trainer.config().clip_norm, 100 * r.clipped));
  line("memory", memory_in_words(r.peak_bytes));
  line("run folder", r.run);
  const std::string quoted = shell_quoted(r.run);
  line("next", "suanli eval " + quoted);
  const char* others = info.kind == "csv"                                   ? "table.csv"
                       : info.kind == "npz" || info.input_shape.rank() != 3 ? "data.npz"
                                                                            : "picture.png";
  line("", fmt::format("suanli predict {} {}", quoted, others));
  return out;
}

std::string as_json(const TrainResult& r) {
  return to_json(r).set("stopped", r.stopped).set("version", version()).dump() + "\n";
}

int run(const Arguments& args) {
  const bool json = args.has("--json"), resume = args.has("--resume");
  if (args.has("--force") && !resume)
    throw ArgumentError(
        {.argument = "--force", .given = "alone", .expected = "--resume beside it"});
  Trainer trainer = [&] {
    OpenView opening(args.has("--quiet"));
    return resume ? resumed_from(args) : Trainer(config_from(args, 0));
  }();
  trainer.autotune();
  ProgressView view(args.has("--quiet"));
  if (!trainer.finished())
    view.message(
        fmt::format("{}, {}", description(trainer), counted(trainer.config().epochs, "epoch")));
  if (args.has("--dry-run")) {
    const DryRun dry = dry_run(trainer);
    print_result(json ? to_json(dry, trainer).dump() + "\n" : in_words(dry, trainer));
    return 0;
  }
  trainer.on_message = [&](const std::string& line) { view.message(line); };
  trainer.on_step = [&](const StepReport& r) { view.step(r); };
  trainer.on_epoch = [&](const EpochReport& r) { view.epoch(r); };
  trainer.should_stop = [] { return stop_signal() != 0; };
  catch_stop_signals();  // only now: before the first step there is nothing to save
  TrainResult result;
  try {
    result = trainer.run();
  } catch (const IoError& e) {  // a full disk, say
    view.close();
    const std::string folder = trainer.folder();
    if (folder.empty() || !path_exists(folder + "/checkpoints/state.json")) throw;
    throw IoError(with_advice(
        e.fault(),
        fmt::format("The last checkpoint is complete. Then resume with: suanli train --resume {}",
                    shell_quoted(folder))));
  } catch (...) {
    view.close();
    throw;
  }
  view.close();
  if (result.stopped) {
    print_note(fmt::format(
        "suanli: stopped by {} at step {}, checkpoint saved. Go on with: suanli train --resume {}",
        stop_signal_name(), result.steps, shell_quoted(result.run)));
    if (json) print_result(as_json(result));
    return 128 + stop_signal();
  }
  if (json) print_result(as_json(result));
  else print_result(report(result, trainer));
  return 0;
}

}  // namespace

Verb train_verb() {
  return {"train",
          "train a model on data; all results go to a run folder",
          {{"DATA",
            "a folder of pictures with one sub-folder per class; table.csv?target=COLUMN; glyphs; "
            "KIND:PATH; default glyphs",
            false}},
          with_training_options({
              {"--epochs", OptionType::integer, "N", "passes over the training data",
               "the recipe's", 1, 1e9},
              {"--time", OptionType::text, "TIME",
               "time limit, such as 90s, 20m or 1.5h; the measured speed decides the epochs",
               "the recipe's epochs"},
              {"--patience", OptionType::integer, "N",
               "stop after N epochs without improvement in validation", "never", 1, 1e9},
              {"--out", OptionType::text, "DIR", "the run folder", "runs/<date>-<model>-<n>"},
              {"--checkpoint-every", OptionType::integer, "N",
               "steps between checkpoints; 0: none by steps", "500", 0, 1e15},
              {"--checkpoint-minutes", OptionType::real, "X",
               "minutes between checkpoints; 0: none by time", "5", 0},
              {"--max-steps", OptionType::integer, "N", "stop after N steps", "no limit", 1, 1e15},
              {"--resume", OptionType::text, "RUN",
               "resume a stopped or killed run bit for bit; DATA: the new location of its data"},
              {"--force", OptionType::nothing, "",
               "with --resume: continue even if the result will not be bit-exact"},
              {"--dry-run", OptionType::nothing, "",
               "show data, layers, memory and time; stop before the first step"},
              {"--json", OptionType::nothing, "",
               "print the result or error as one JSON object on stdout"},
              {"--quiet", OptionType::nothing, "", "show no progress"},
          }),
          {"suanli train", "suanli train photos",
           "suanli train mnist:downloads/mnist --model cnn_c --epochs 10",
           "suanli train --resume runs/2026-01-31-cnn_b-1"},
          run};
}

}  // namespace suanli::cli
