#include <fmt/format.h>

#include <cmath>

#include "cli/console.h"
#include "cli/signals.h"
#include "cli/training_options.h"
#include "cli/verbs.h"
#include "suanli/train.h"
#include "train/result.h"

namespace suanli::cli {

namespace {

/// What may be said again when a run goes on; everything else is in its config.toml.
constexpr const char* kWithResume[] = {"--resume",           "--force", "--epochs", "--threads", "--loader-threads",
                                       "--checkpoint-every", "--json",  "--quiet"};

TrainConfig new_run(const Arguments& args) {
  TrainConfig c = config_from(args, 0);
  c.epochs = args.integer("--epochs", c.epochs);
  c.max_steps = args.integer("--max-steps", c.max_steps);
  c.checkpoint_every = args.integer("--checkpoint-every", c.checkpoint_every);
  c.out = args.text("--out", c.out);
  return c;
}

Trainer resumed_from(const Arguments& args) {
  if (!args.positionals().empty())
    throw UsageError(fmt::format("'{}' is one word too many: a run that goes on has its data in its config.toml", args.positional(0)));
  for (const std::string& name : args.given())
    if (std::find(std::begin(kWithResume), std::end(kWithResume), name) == std::end(kWithResume))
      throw UsageError(fmt::format(
          "{} cannot change with --resume: the run goes on with what its config.toml says. Leave it out, or start a new run.", name));
  ResumeOptions options;
  options.force = args.has("--force");
  options.epochs = args.integer("--epochs", options.epochs);
  options.checkpoint_every = args.integer("--checkpoint-every", options.checkpoint_every);
  options.threads = args.integer("--threads", options.threads);
  options.loader_threads = args.integer("--loader-threads", options.loader_threads);
  return Trainer::resume(args.text("--resume"), options);
}

std::string report(const TrainResult& r, const data::Info& info) {
  std::string out;
  auto line = [&](const char* name, const std::string& text) { out += fmt::format("{:<14} {}\n", name, text); };
  const bool regression = info.task == data::Task::regression;
  const bool validated = !std::isnan(r.val_loss), tested = !std::isnan(r.test_loss);
  auto error = [&](double loss) { return fmt::format("{:.6g}", std::sqrt(loss) * info.target_stddev); };
  if (regression && tested)
    line("test RMSE",
         error(r.test_loss) +
             (validated ? fmt::format("  (weights of epoch {}, the best in validation: {})", r.best_epoch, error(r.val_loss)) : ""));
  else if (regression && validated)
    line("val RMSE", fmt::format("{}  (weights of epoch {}, the best; there is no test set)", error(r.val_loss), r.best_epoch));
  else if (tested)
    line("test accuracy",
         percent(r.test_accuracy) +
             (validated ? fmt::format("  (weights of epoch {}, the best in validation: {})", r.best_epoch, percent(r.val_accuracy)) : ""));
  else if (validated)
    line("val accuracy", fmt::format("{}  (weights of epoch {}, the best; there is no test set)", percent(r.val_accuracy), r.best_epoch));
  else line("train loss", fmt::format("{:.4f}  (there is neither a validation nor a test set)", r.train_loss));
  line("time",
       fmt::format("{:.1f} s, {} steps, {:.0f} samples/s, peak memory {}", r.seconds, r.steps, r.samples_per_s, memory_size(r.peak_bytes)));
  line("run folder", r.run);
  line("next", info.input_shape.rank() == 3 ? fmt::format("suanli eval {0}   or   suanli predict {0} picture.png", r.run)
                                            : fmt::format("suanli eval {0}", r.run));
  return out;
}

int run(const Arguments& args) {
  const bool json = args.has("--json"), resume = args.has("--resume");
  if (args.has("--force") && !resume) throw UsageError("--force belongs to --resume");
  catch_stop_signals();
  Trainer trainer = [&] {
    OpenView opening(args.has("--quiet"));
    return resume ? resumed_from(args) : Trainer(new_run(args));
  }();
  ProgressView view(args.has("--quiet"));
  if (!trainer.finished()) view.message(fmt::format("{}, {} epochs", description(trainer), trainer.config().epochs));
  trainer.on_message = [&](const std::string& line) { view.message(line); };
  trainer.on_step = [&](const StepReport& r) { view.step(r); };
  trainer.on_epoch = [&](const EpochReport& r) { view.epoch(r); };
  trainer.should_stop = [] { return stop_signal() != 0; };
  TrainResult result;
  try {
    result = trainer.run();
  } catch (...) {
    view.close();
    throw;
  }
  view.close();
  if (result.stopped) {
    print_note(fmt::format("suanli: stopped by {} at step {}, checkpoint saved. Go on with: suanli train --resume {}",
                           stop_signal() == 2 ? "SIGINT" : "SIGTERM", result.steps, result.run));
    return 128 + stop_signal();
  }
  if (json) print_result(to_json(result).set("version", version()).dump() + "\n");
  else print_result(report(result, trainer.data().train->info()));
  return 0;
}

}  // namespace

Verb train_verb() {
  return {"train",
          "trains a model on data and keeps everything in a run folder",
          {{"DATA", "a folder of pictures, a sub-folder per class; table.csv?target=COLUMN; glyphs; KIND:PATH; default glyphs", false}},
          with_training_options({
              {"--epochs", Takes::integer, "N", "passes over the training data", "the model's recipe", 1, 1e9},
              {"--out", Takes::text, "DIR", "the run folder", "runs/<date>-<model>-<n>"},
              {"--checkpoint-every", Takes::integer, "N", "steps between checkpoints; 0: only after epochs", "500", 0, 1e15},
              {"--max-steps", Takes::integer, "N", "ends after so many steps", "no limit", 1, 1e15},
              {"--resume", Takes::text, "RUN", "goes on with a run where it was stopped or killed, bit for bit"},
              {"--force", Takes::nothing, "", "with --resume: also where the result will not be bit-exact"},
              {"--json", Takes::nothing, "", "the result as one JSON object on stdout"},
              {"--quiet", Takes::nothing, "", "no progress"},
          }),
          {"suanli train", "suanli train photos", "suanli train mnist:downloads/mnist --model cnn_c --epochs 10",
           "suanli train --resume runs/2026-01-31-cnn_b-1"},
          run};
}

}  // namespace suanli::cli
