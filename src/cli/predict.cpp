#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "cli/console.h"
#include "cli/verbs.h"
#include "suanli/train.h"
#include "train/json.h"

namespace suanli::cli {

namespace {

/// Indices of the `k` largest probabilities, largest first; of equal ones the lower class.
std::vector<size_t> best_of(std::span<const float> probabilities, size_t k) {
  std::vector<size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), size_t{0});
  k = std::min(k, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                    [&](size_t a, size_t b) { return probabilities[a] != probabilities[b] ? probabilities[a] > probabilities[b] : a < b; });
  order.resize(k);
  return order;
}

int run(const Arguments& args) {
  const std::string path = args.positional(0);
  device_from_name(args.text("--device", "auto"));
  TrainedModel trained = load_run(path);
  set_compute_threads(static_cast<int>(args.integer("--threads", trained.config.threads)));
  const Shape& shape = trained.input_shape;
  if (shape.rank() != 3) throw InputError(str(path, ": was trained on samples of shape ", shape, ", which are no pictures"));
  const auto k = static_cast<size_t>(args.integer("--top", 1));
  const std::vector<std::string> files(args.positionals().begin() + 1, args.positionals().end());
  // All pictures are read before anything is printed: an unreadable one leaves no half result.
  std::vector<Tensor> pictures;
  for (const std::string& file : files)
    pictures.push_back(reshape(data::read_png(file, {.channels = static_cast<int>(shape[0]), .height = shape[1], .width = shape[2]}),
                               Shape{1, shape[0], shape[1], shape[2]}));
  Json::Array predictions;
  std::string text;
  for (size_t i = 0; i < files.size(); ++i) {
    Tensor probabilities = trained.predict(pictures[i]);
    auto p = probabilities.data<float>();
    Json::Array top;
    std::string line;
    for (size_t c : best_of(p, k)) {
      const std::string name = c < trained.class_names.size() ? trained.class_names[c] : std::to_string(c);
      top.push_back(Json::Object{{"class", name}, {"probability", static_cast<double>(p[c])}});
      line += fmt::format("  {} {}", name, percent(p[c]));
    }
    Json entry = Json::Object{{"file", files[i]}, {"class", top.front().at("class")}, {"probability", top.front().at("probability")}};
    predictions.push_back(entry.set("top", top));
    text += files[i] + ":" + line + "\n";
  }
  if (args.has("--json"))
    print_result(Json(Json::Object{{"run", path}, {"predictions", predictions}, {"version", version()}}).dump() + "\n");
  else print_result(text);
  return 0;
}

}  // namespace

Verb predict_verb() {
  return {"predict",
          "names the class of pictures",
          {{"RUN", "the run folder"}, {"IMAGE", "PNG files; they are scaled to the size that the model was trained on", true, true}},
          {
              {"--top", Takes::integer, "K", "classes to list per picture", "1", 1, 1e6},
              {"--device", Takes::text, "NAME", "cpu, cuda or auto", "auto"},
              {"--threads", Takes::integer, "N", "that compute", "the run's", 1, 1024},
              {"--json", Takes::nothing, "", "the result as one JSON object on stdout"},
          },
          {"suanli predict runs/2026-01-31-cnn_b-1 seven.png --top 3"},
          run};
}

}  // namespace suanli::cli
