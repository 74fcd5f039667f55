#include <fmt/format.h>

#include "base/text.h"
#include "cli/console.h"
#include "cli/verbs.h"
#include "suanli/train.h"
#include "train/json.h"

namespace suanli::cli {

namespace {

std::shared_ptr<const data::Dataset> split_of(const data::Splits& splits, const std::string& name, const std::string& source) {
  std::shared_ptr<const data::Dataset> split;
  if (name == "train") split = splits.train;
  else if (name == "val") split = splits.val;
  else if (name == "test") split = splits.test;
  else throw UsageError(fmt::format("--split is '{}', expected train, val or test", name));
  if (!split || split->size() == 0) throw InputError(fmt::format("{}: has no {} samples", source, name));
  return split;
}

int run(const Arguments& args) {
  const std::string path = args.positional(0), name = args.text("--split", "test");
  device_from_name(args.text("--device", "auto"));
  TrainedModel trained = load_run(path);
  const TrainConfig& c = trained.config;
  const bool own_data = args.positionals().size() < 2;
  const std::string source = args.positional(1, c.data);
  set_compute_threads(static_cast<int>(args.integer("--threads", c.threads)));
  // The run's own data are split as they were in training; other data count whole.
  data::Splits splits = data::open(source, {.seed = static_cast<uint64_t>(c.seed), .val_fraction = own_data ? c.val : 0});
  auto split = split_of(splits, name, source);
  const data::Info& info = split->info();
  if (!(info.input_shape == trained.input_shape) || info.classes != static_cast<int>(trained.class_names.size()))
    throw InputError(str(source, ": samples ", info.input_shape, " of ", info.classes,
                         " classes do not fit the model, which was trained on ", trained.input_shape, " of ", trained.class_names.size(),
                         " classes"));
  Evaluation e = evaluate(trained.model, split,
                          {.batch_size = std::max<int64_t>(256, c.batch_size),
                           .loader_threads = args.integer("--loader-threads", 1),
                           .mean = c.mean,
                           .stddev = c.stddev,
                           .loss = trained.loss});
  if (args.has("--json")) {
    Json out = Json::Object{{"run", path},    {"data", source},         {"split", name},       {"samples", e.samples},
                            {"loss", e.loss}, {"accuracy", e.accuracy}, {"version", version()}};
    print_result(out.dump() + "\n");
  } else {
    print_result(fmt::format("{} accuracy {} on {} samples of {}, loss {:.4f}  (weights of epoch {})\n", name, percent(e.accuracy),
                             e.samples, source, e.loss, trained.epoch));
  }
  return 0;
}

}  // namespace

Verb eval_verb() {
  return {"eval",
          "measures a trained model",
          {{"RUN", "the run folder"}, {"DATA", "other data than the run's own", false}},
          {
              {"--split", Takes::text, "NAME", "train, val or test", "test"},
              {"--device", Takes::text, "NAME", "cpu, cuda or auto", "auto"},
              {"--threads", Takes::integer, "N", "that compute", "the run's", 1, 1024},
              {"--loader-threads", Takes::integer, "N", "that read data", "1", 0, 256},
              {"--json", Takes::nothing, "", "the result as one JSON object on stdout"},
          },
          {"suanli eval runs/2026-01-31-cnn_b-1", "suanli eval runs/2026-01-31-cnn_b-1 mnist:downloads/mnist"},
          run};
}

}  // namespace suanli::cli
