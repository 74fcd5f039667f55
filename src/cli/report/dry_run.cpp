// SPDX-License-Identifier: Apache-2.0
#include "cli/report/dry_run.h"

#include <fmt/format.h>

#include "base/text/text.h"
#include "cli/framework/console.h"

namespace suanli::cli {

namespace {

int64_t size_of(const std::shared_ptr<const data::Dataset>& samples) {
  return samples ? samples->size() : 0;
}

Json to_json(const RunForecast& f) {
  return Json::Object{{"peak_bytes", f.peak()},
                      {"weights_bytes", f.weights},
                      {"optimizer_state_bytes", f.optimizer_state},
                      {"gradients_bytes", f.gradients},
                      {"activations_bytes", f.activations},
                      {"workspace_bytes", f.workspace},
                      {"updates_bytes", f.updates},
                      {"packed_weights_bytes", f.packed},
                      {"loader_bytes", f.loader},
                      {"data_bytes", f.data}};
}

}  // namespace

DryRun dry_run(Trainer& trainer) {
  DryRun out{.model = summary_of(trainer), .forecast = {}, .why_not = "", .timing = {}};
  try {
    out.forecast = trainer.forecast();
  } catch (const RehearsalError& e) { out.why_not = e.what(); }
  out.timing = trainer.measure();
  return out;
}

std::string in_words(const DryRun& run, const Trainer& trainer) {
  std::string out = in_words(run.model) + "\n";
  auto line = [&](const char* name, const std::string& text) {
    out += fmt::format("{:<10} {}\n", name, text);
  };
  line("memory", run.forecast ? forecast_in_words(*run.forecast)
                              : fmt::format("not known beforehand: {}", run.why_not));
  if (run.forecast) line("step", human_flops(run.forecast->flops_per_step));
  const RunTiming& t = run.timing;
  const int64_t epochs = trainer.config().epochs;
  line("time", fmt::format("about {} for {} of {}: {} of {} ms each", duration(t.of_run(epochs)),
                           counted(epochs, "epoch"), duration(t.epoch),
                           counted(t.steps_per_epoch, "step"), rounded(t.step * 1e3)));
  return out;
}

Json to_json(const DryRun& run, const Trainer& trainer) {
  const TrainConfig& c = trainer.config();
  const data::Splits& splits = trainer.data();
  const data::Info& info = splits.train->info();
  Json out =
      Json::Object{{"dry_run", true},
                   {"data", c.data},
                   {"model", c.model},
                   {"task", info.task == data::Task::regression ? "regression" : "classification"},
                   {"classes", info.classes},
                   {"input_shape", Json::Array(info.input_shape.begin(), info.input_shape.end())}};
  out.set("train_samples", size_of(splits.train))
      .set("val_samples", size_of(splits.val))
      .set("test_samples", size_of(splits.test));
  out.set("epochs", c.epochs)
      .set("batch_size", c.batch_size)
      .set("optimizer", c.optimizer)
      .set("lr", c.lr);
  const Json model = to_json(run.model);
  for (const auto& [key, value] : model.object()) out.set(key, value);
  out.set("memory", run.forecast ? to_json(*run.forecast) : Json());
  out.set("flops_per_step", run.forecast ? Json(run.forecast->flops_per_step) : Json());
  const RunTiming& t = run.timing;
  out.set("steps_per_epoch", t.steps_per_epoch)
      .set("step_seconds", t.step)
      .set("epoch_seconds", t.epoch);
  return out.set("seconds", t.of_run(c.epochs)).set("version", version());
}

}  // namespace suanli::cli
