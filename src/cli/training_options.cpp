#include "cli/training_options.h"

#include <fmt/format.h>

#include <iterator>

#include "suanli/runtime.h"

namespace suanli::cli {

namespace {
/// The words of --augment with their usual numbers.
const char* augment_help() {
  static const std::string help = [] {
    std::string words;
    for (const data::AugmentWord& w : data::augment_words()) words += fmt::format("{}{}={:g}", words.empty() ? "" : ", ", w.name, w.usual);
    return "none, or some of these with commas between, other numbers if given: " + words;
  }();
  return help.c_str();
}
}  // namespace

std::vector<Option> with_training_options(std::vector<Option> own) {
  std::vector<Option> all = {
      {"--model", Takes::text, "NAME", "a network of the zoo; docs/zoo.md lists them", "one that fits the data"},
      {"--weights", Takes::text, "FILE", "begins with these: safetensors, or a state dict by PyTorch", "random weights"},
      {"--freeze", Takes::text, "LIST", "parameters that stay: names with * and ?, or backbone", "none"},
      {"--backbone-lr", Takes::real, "X", "learning rate of all but the last layer, as a factor", "1", 0},
      {"--stem", Takes::text, "NAME", "of networks for pictures: small or large", "as the weights or pictures ask"},
      {"--batch-size", Takes::integer, "N", "samples per step", "the model's recipe", 1, 1e9},
      {"--optimizer", Takes::text, "NAME", "sgd or adam", "the model's recipe"},
      {"--lr", Takes::real, "X", "learning rate", "the model's recipe", 0},
      {"--momentum", Takes::real, "X", "of sgd", "the model's recipe", 0, 1},
      {"--augment", Takes::text, "LIST", augment_help(), "as usual for the data"},
      {"--seed", Takes::integer, "N", "decides weights, order, validation split and dropout", "0", 0, 9.2e18},
      {"--val", Takes::real, "FRACTION", "of the training samples that validates; 0: none", "0.1", 0, 1},
      {"--task", Takes::text, "NAME", "of a table: regression or classification", "as the target column looks"},
      {"--skip-bad", Takes::nothing, "", "leaves out pictures that cannot be read, instead of refusing the data"},
      {"--device", Takes::text, "NAME", "cpu, cuda or auto", "auto"},
      {"--threads", Takes::integer, "N", "that compute", "the CPUs of this process", 1, 1024},
      {"--loader-threads", Takes::integer, "N", "that read data; never changes a result", "1", 0, 256},
  };
  all.insert(all.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
  return all;
}

TrainConfig config_from(const Arguments& args, size_t data) {
  TrainConfig c;
  c.data = args.positional(data, c.data);
  auto add_setting = [&](const std::string& setting) { c.data += (c.data.find('?') == std::string::npos ? "?" : "&") + setting; };
  if (args.has("--skip-bad")) add_setting("skip_bad=1");
  if (args.has("--task")) add_setting("task=" + args.text("--task"));
  c.model = args.text("--model", c.model);
  c.weights = args.text("--weights", c.weights);
  c.freeze = args.text("--freeze", c.freeze);
  c.backbone_lr = args.real("--backbone-lr", c.backbone_lr);
  c.stem = args.text("--stem", c.stem);
  c.batch_size = args.integer("--batch-size", c.batch_size);
  c.optimizer = args.text("--optimizer", c.optimizer);
  c.lr = args.real("--lr", c.lr);
  if (args.has("--lr") && !(c.lr > 0)) throw UsageError(fmt::format("--lr is {}, expected a number above 0", args.text("--lr")));
  c.momentum = args.real("--momentum", c.momentum);
  c.augment = args.text("--augment", c.augment);
  c.seed = args.integer("--seed", c.seed);
  c.val = args.real("--val", c.val);
  c.threads = args.integer("--threads", c.threads);
  c.loader_threads = args.integer("--loader-threads", c.loader_threads);
  c.device = args.text("--device", c.device);
  return c;
}

std::string description(const Trainer& trainer) {
  const TrainConfig& c = trainer.config();
  const data::Splits& d = trainer.data();
  auto size = [](const auto& split) { return split ? split->size() : 0; };
  std::string notes;
  for (const std::string& note : d.notes) notes += note + "\n";
  return notes + fmt::format(
                     "data {} ({} train, {} val, {} test)\nmodel {}, {} lr {}{}, batch {}, augment {}, seed {}\ndevice {} ({}, {} "
                     "threads), precision {}",
                     c.data, size(d.train), size(d.val), size(d.test), c.model, c.optimizer, c.lr,
                     c.momentum > 0 ? fmt::format(" momentum {}", c.momentum) : "", c.batch_size, c.augment, c.seed, c.device, isa(),
                     c.threads, c.precision);
}

}  // namespace suanli::cli
