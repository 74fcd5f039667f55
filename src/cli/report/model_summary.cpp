// SPDX-License-Identifier: Apache-2.0
#include "cli/report/model_summary.h"

#include <fmt/format.h>

#include <map>

#include "base/text/text.h"
#include "cli/framework/console.h"
#include "suanli/explain.h"
#include "suanli/session.h"

namespace suanli::cli {

namespace {

struct Layer {
  std::string path, type;
  int64_t parameters = 0;  // of its own, not of modules below it
};

/// Modules in the order of the fields, the model itself first.
class Layers final : public nn::ConstFieldVisitor {
 public:
  explicit Layers(const nn::Module& model) { visit("", model); }
  void parameter(const std::string&, const Parameter& p) override {
    list[open_].parameters += p.numel();
  }
  void buffer(const std::string&, const Parameter&) override {}
  void module(const std::string& name, const nn::Module& m) override {
    const size_t above = open_;
    visit(list[above].path.empty() ? name : list[above].path + "." + name, m);
    open_ = above;
  }
  std::vector<Layer> list;

 private:
  void visit(const std::string& path, const nn::Module& m) {
    open_ = list.size();
    list.push_back({path, m.self().type_name(), 0});
    m.fields(*this);
  }
  size_t open_ = 0;
};

/// The own cost of a module, without its children.
struct Work {
  std::string result;
  int64_t flops = 0, last_record = -1;
};

/// Each op as a kernel of its own, so that every op counts for the module that calls it.
class OneKernelPerOp {
 public:
  explicit OneKernelPerOp(Session session) : session_(session), before_(session.tier()) {
    session_.set_tier(Tier::cold);
  }
  ~OneKernelPerOp() { session_.set_tier(before_); }
  OneKernelPerOp(const OneKernelPerOp&) = delete;

 private:
  Session session_;
  const Tier before_;
};

std::map<std::string, Work> work_by_module(Trainer& trainer) {
  std::map<std::string, Work> out;
  try {
    flush();
    OneKernelPerOp cold(trainer.session());
    Explainer explainer;
    trainer.rehearse(false);
    for (const ProgramExplanation& program : explainer.programs())
      for (const ExplainedKernel& k : program.kernels) {
        Work& work = out[k.module];
        work.flops += k.flops;
        if (k.record < work.last_record || k.results.empty()) continue;
        work.last_record = k.record;
        work.result = k.results.front();
      }
  } catch (const RehearsalError&) { out.clear(); }
  return out;
}

/// "[32, 26, 26]" of "f32[64, 32, 26, 26]": one sample's part.
std::string of_one_sample(const std::string& result) {
  const size_t open = result.find('['), comma = result.find(", ", open);
  if (open == std::string::npos) return "";
  return comma == std::string::npos ? "[]" : "[" + result.substr(comma + 2);
}

}  // namespace

ModelSummary summary_of(Trainer& trainer) {
  const Layers layers(trainer.model());
  const std::map<std::string, Work> work = work_by_module(trainer);
  const int64_t batch = trainer.config().batch_size;
  ModelSummary out{.layers = {}, .parameters = trainer.model().parameter_count(), .flops = {}};
  int64_t flops = 0;
  for (const auto& [path, done] : work) flops += done.flops;
  if (!work.empty()) out.flops = flops / batch;
  for (size_t i = 1; i < layers.list.size(); ++i) {
    const Layer& l = layers.list[i];
    const auto done = work.find(l.path);
    if (l.parameters == 0 && done == work.end()) continue;
    LayerSummary& layer =
        out.layers.emplace_back(LayerSummary{l.path, l.type, "", l.parameters, {}});
    if (done != work.end()) {
      layer.output = of_one_sample(done->second.result);
      layer.flops = done->second.flops / batch;
    }
  }
  return out;
}

std::string in_words(const ModelSummary& summary) {
  std::vector<std::string> names;
  for (const LayerSummary& l : summary.layers)
    names.push_back(fmt::format("{} ({})", l.path, l.type));
  const size_t width = widest(names, 17, 40);
  std::string out = fmt::format("{}  {:<18} {:>12} {:>12}\n", padded("layer", width), "output",
                                "parameters", "FLOPs");
  for (size_t i = 0; i < names.size(); ++i) {
    const LayerSummary& l = summary.layers[i];
    out += fmt::format("{}  {:<18} {:>12} {:>12}\n", padded(names[i], width), l.output,
                       l.parameters, l.flops ? human_flops(*l.flops) : "");
  }
  out += fmt::format("{}  {:<18} {:>12} {:>12}\n", padded("total, per sample", width), "",
                     summary.parameters, summary.flops ? human_flops(*summary.flops) : "not known");
  return out;
}

Json to_json(const ModelSummary& summary) {
  auto number = [](const std::optional<int64_t>& n) { return n ? Json(*n) : Json(); };
  Json::Array layers;
  for (const LayerSummary& l : summary.layers)
    layers.push_back(Json::Object{{"name", l.path},
                                  {"type", l.type},
                                  {"output", l.output},
                                  {"parameters", l.parameters},
                                  {"flops_per_sample", number(l.flops)}});
  return Json::Object{{"parameters", summary.parameters},
                      {"flops_per_sample", number(summary.flops)},
                      {"layers", layers}};
}

}  // namespace suanli::cli
