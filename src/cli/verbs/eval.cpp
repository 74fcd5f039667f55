// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/files/file.h"
#include "base/text/json.h"
#include "base/text/shell.h"
#include "base/text/text.h"
#include "cli/framework/console.h"
#include "cli/framework/verbs.h"
#include "cli/report/confusion.h"
#include "cli/report/in_perspective.h"
#include "cli/verbs/training_options.h"
#include "suanli/train.h"
#include "train/run/evaluate.h"
#include "train/stored/dataset_summary.h"

namespace suanli::cli {

namespace {

struct Part {
  const char* name;
  std::shared_ptr<const data::Dataset> samples;
};

/// "test accuracy"; of other data than the run's own the split is theirs, so nobody takes it for
/// the one that was trained on.
std::string measured_on(const Part& part, const char* what, bool own_data) {
  return own_data ? fmt::format("{} {}", part.name, what) : what;
}

/// The samples that were measured: "200 samples of new.csv", "40 samples (test) of photos".
std::string described(const Part& part, int64_t samples, const std::string& source, bool own_data,
                      const data::Splits& splits) {
  const bool parts = splits.val || splits.test;
  return fmt::format("{}{} of {}", counted(samples, "sample"),
                     !own_data && parts ? fmt::format(" ({})", part.name) : "", source);
}

/// The split of that name; by default the test samples, else those that validate, else all there
/// are.
Part split_of(const data::Splits& splits, const Arguments& args, const std::string& source) {
  const Part parts[] = {{"test", splits.test}, {"val", splits.val}, {"train", splits.train}};
  if (args.has("--split")) {
    const std::string name = args.text("--split");
    const auto part = std::find_if(std::begin(parts), std::end(parts),
                                   [&](const Part& p) { return name == p.name; });
    if (part == std::end(parts))
      throw ArgumentError({.argument = "--split",
                           .given = fmt::format("'{}'", name),
                           .expected = "train, val or test"});
    if (!part->samples || part->samples->size() == 0)
      throw IoError({.argument = source, .given = fmt::format("no {} samples", name)});
    return *part;
  }
  return *std::find_if(std::begin(parts), std::end(parts),
                       [](const Part& p) { return p.samples && p.samples->size() > 0; });
}

int run(const Arguments& args) {
  const std::string path = args.positional(0);
  device_from_name(args.text("--device", "auto"));
  TrainedModel trained = load_run(path);
  const TrainConfig& c = trained.config;
  if (args.has("--tta")) trained.tta = tta_from_text(args.text("--tta"));
  const bool own_data = args.positionals().size() < 2;
  std::string source = args.positional(1, c.data);
  if (source == "-") source = fmt::format("{}:{}", trained.kind, kStandardInput);
  trained.session.set_threads(static_cast<int>(args.integer("--threads", c.threads)));
  if (is_stdout(args.text("--confusion")))
    throw ArgumentError(
        {.argument = "--confusion",
         .given = "the standard output",
         .expected = "a file for the picture, since the result goes to the standard output"});
  if (args.has("--confusion") && trained.task == data::Task::regression)
    throw ArgumentError({.argument = "--confusion",
                         .given = fmt::format("{}, which was trained on numbers", path),
                         .expected = "a run with classes",
                         .remedy = "Leave it out."});
  if (const std::string place = path_in(c.data); own_data && !place.empty() && !path_exists(place))
    throw IoError(
        {.argument = path,
         .given = fmt::format("no data at {} any more", place),
         .remedy = fmt::format("Give the new location: suanli eval {} DATA", shell_quoted(path))});
  // The run's own data are split as they were in training; other data count whole.
  data::OpenOptions options{.seed = static_cast<uint64_t>(c.seed),
                            .val_fraction = own_data ? c.val : 0,
                            .skip_bad = args.has("--skip-bad")};
  if (!own_data) {
    options.input_shape = trained.input_shape;
    options.class_names = trained.class_names;

    options.encoding = trained.encoding;
  }
  data::Splits splits = [&] {
    OpenView opening(false);
    return data::open(source, options);
  }();
  for (const std::string& note : splits.notes) print_note(note);
  const Part part = split_of(splits, args, source);
  const data::Info& info = part.samples->info();
  const auto classes = static_cast<int64_t>(trained.class_names.size());
  const bool regression = trained.task == data::Task::regression;
  if (info.input_shape != trained.input_shape || info.classes != classes ||
      info.task != trained.task)
    throw IoError({.argument = source,
                   .given = str("samples ", info.input_shape, " of ", info.classes, " classes"),
                   .expected = str(trained.input_shape, " of ", classes,
                                   " classes, on which the model was trained")});
  Evaluation e = evaluate(trained.model, part.samples,
                          {.batch_size = evaluation_batch(c.batch_size, info.input_shape),
                           .loader_threads = args.integer("--loader-threads", 1),
                           .mean = c.mean,
                           .stddev = c.stddev,
                           .loss = trained.loss,
                           .classes = classes,
                           .tta = trained.tta,
                           .session = trained.session});
  // other data without splits of their own
  const bool whole = !own_data && !splits.val && !splits.test;
  const std::string split = whole ? "all" : part.name,
                    samples = described(part, e.samples, source, own_data, splits);
  if (const std::string note = unfinished(trained, path); !note.empty()) print_note(note);
  if (regression) {
    if (args.has("--json"))
      print_result(Json(Json::Object{{"run", path},
                                     {"data", source},
                                     {"split", split},
                                     {"samples", e.samples},
                                     {"loss", e.loss},
                                     {"rmse", e.rmse},
                                     {"mae", e.mean_absolute_error},
                                     {"r2", e.r2},
                                     {"epoch", trained.epoch},
                                     {"step", trained.step},
                                     {"finished", trained.finished},
                                     {"version", version()}})
                       .dump() +
                   "\n");
    else
      print_result(fmt::format("{} {:.6g}, mean absolute error {:.6g}, R² {} on {}  ({})\n",
                               measured_on(part, "RMSE", own_data), e.rmse, e.mean_absolute_error,
                               std::isnan(e.r2) ? "-" : fmt::format("{:.4f}", e.r2), samples,
                               weights_in_words(trained)));
    return 0;
  }
  const Confusion confusion{e.confusion, trained.class_names};
  if (args.has("--confusion")) draw(confusion, args.text("--confusion"));
  if (args.has("--json")) {
    Json out = Json::Object{{"run", path},
                            {"data", source},
                            {"split", split},
                            {"samples", e.samples},
                            {"loss", e.loss},
                            {"accuracy", e.accuracy},
                            {"top5", e.top5},
                            {"tta", to_string(trained.tta)},
                            {"balanced_accuracy", e.balanced_accuracy},
                            {"epoch", trained.epoch},
                            {"step", trained.step},
                            {"finished", trained.finished},
                            {"version", version()}};
    const Json details = to_json(confusion);
    for (const auto& [key, value] : details.object()) out.set(key, value);
    print_result(out.dump() + "\n");
    return 0;
  }
  const std::string top5 = classes > 5 ? fmt::format(", top-5 {}", percent(e.top5)) : "";
  const std::string views = trained.tta == TestTimeAugmentation::none
                                ? ""
                                : fmt::format("; tta {}", to_string(trained.tta));
  print_result(fmt::format("{} {}{} on {}, loss {:.4f}  ({}{})\n{}\n",
                           measured_on(part, "accuracy", own_data), percent(e.accuracy), top5,
                           samples, e.loss, weights_in_words(trained), views,
                           in_perspective(*part.samples, e.accuracy, e.balanced_accuracy)) +
               table_of_classes(confusion) + in_words(confusion));
  return 0;
}

}  // namespace

Verb eval_verb() {
  return {"eval",
          "evaluate a trained model",
          {{"RUN", "the run folder"},
           {"DATA", "data other than the run's own; - reads standard input", false}},
          {
              {"--split", OptionType::text, "NAME", "train, val or test",
               "test; val if there is none", -kNoLimit, kNoLimit, "train val test"},
              {"--confusion", OptionType::text, "FILE", "write the confusion matrix as a PNG"},
              tta_option("test-time augmentation: none, mirror or translate", "the run's"),
              {"--skip-bad", OptionType::nothing, "", "skip unreadable pictures"},
              device_option(),
              {"--threads", OptionType::integer, "N", "compute threads", "the run's", 1, 1024},
              {"--loader-threads", OptionType::integer, "N", "data loading threads", "1", 0, 256},
              {"--json", OptionType::nothing, "",
               "print the result or error as one JSON object on stdout"},
          },
          {"suanli eval runs/2026-01-31-cnn_b-1",
           "suanli eval runs/2026-01-31-cnn_b-1 mnist:downloads/mnist"},
          run};
}

}  // namespace suanli::cli
