// SPDX-License-Identifier: Apache-2.0
#include "suanli/explain.h"

#include <fmt/format.h>

#include "base/files/file.h"
#include "base/text/json.h"
#include "base/text/text.h"
#include "cli/framework/console.h"
#include "cli/framework/verbs.h"
#include "cli/report/explain_gpt.h"
#include "cli/report/explain_page.h"
#include "cli/verbs/training_options.h"

namespace suanli::cli {

namespace {

const char* name_of(ExplainedKernel::Phase phase) {
  constexpr const char* names[] = {"forward", "backward", "update"};
  return names[phase];
}
const char* name_of(MemoryHolder::Kind kind) {
  constexpr const char* names[] = {"activation", "gradient", "workspace"};
  return names[kind];
}

Json as_json(const ExplainedKernel& k) {
  Json::Array results(k.results.begin(), k.results.end()), reads;
  for (size_t r : k.reads)
    // built in its place: a moved temporary makes g++ 12 warn of members it does not have
    reads.emplace_back(static_cast<int64_t>(r));
  Json out = Json::Object{{"name", k.name}, {"module", k.module}, {"phase", name_of(k.phase)}};
  out.set("updates", k.updates).set("record", k.record);
  out.set("results", std::move(results))
      .set("reads", std::move(reads))
      .set("ops", k.ops)
      .set("flops", k.flops);
  return out.set("bytes", k.bytes)
      .set("workspace_bytes", k.workspace_bytes)
      .set("alive_bytes", k.alive_bytes)
      .set("leaves", k.leaves);
}

Json as_json(const ProgramForecast& m) {
  int64_t fresh = 0, packed = 0;
  for (int64_t bytes : m.output_bytes) fresh += bytes;
  for (auto& [layout, bytes] : m.packed) packed += bytes;
  Json::Array holders, kept;
  for (const MemoryHolder& h : m.holders)
    holders.push_back(Json::Object{
        {"kind", name_of(h.kind)}, {"op", h.op}, {"module", h.module}, {"bytes", h.bytes}});
  for (const KeptUpdate& k : m.kept)
    kept.push_back(
        Json::Object{{"op", k.op}, {"module", k.module}, {"why", k.why}, {"bytes", k.bytes}});
  return Json::Object{{"working_bytes", m.arena_bytes},
                      {"gradient_bytes", m.gradient_bytes},
                      {"workspace_bytes", m.workspace_bytes},
                      {"fresh_result_bytes", fresh},
                      {"overwritten_bytes", m.overwritten_bytes},
                      {"packed_weight_bytes", packed},
                      {"fullest_in", m.peak_step},
                      {"holders", holders},
                      {"not_overwritten", kept}};
}

Json as_json(const ProgramExplanation& p) {
  Json::Array passes, calls, kernels, unfused;
  for (const PassListing& pass : p.passes)
    passes.push_back(Json::Object{
        {"pass", pass.pass}, {"records", Json::Array(pass.records.begin(), pass.records.end())}});
  for (const ExplainedCall& c : p.calls)
    calls.push_back(Json::Object{{"op", c.op},
                                 {"attributes", c.attributes},
                                 {"module", c.module},
                                 {"depth", static_cast<int64_t>(c.depth)},
                                 {"first", static_cast<int64_t>(c.first)},
                                 {"records", static_cast<int64_t>(c.records)},
                                 {"inputs", Json::Array(c.inputs.begin(), c.inputs.end())},
                                 {"results", Json::Array(c.results.begin(), c.results.end())}});
  int64_t bytes = 0, reorders = 0;
  for (const ExplainedKernel& k : p.kernels) {
    kernels.push_back(as_json(k));
    bytes += k.bytes;
    reorders += k.name == "reorder";
  }
  for (const Unfused& u : p.unfused)
    unfused.push_back(Json::Object{{"why", u.why}, {"count", u.count}, {"example", u.example}});
  return Json::Object{{"flops", p.memory.flops}, {"bytes", bytes},
                      {"reorders", reorders},    {"calls", calls},
                      {"kernels", kernels},      {"passes", passes},
                      {"unfused", unfused},      {"memory", as_json(p.memory)}};
}

ExplainSubject zoo_subject(const Arguments& args) {
  TrainConfig config = config_from(args, 0);
  if (config.model == "tabular" && args.positionals().empty() &&
      config.data.starts_with(TrainConfig().data))
    throw IoError({.argument = "DATA",
                   .given = "missing",
                   .expected = "a table for model tabular",
                   .remedy = "Give one: suanli explain table.csv --target y --model tabular"});
  config.batch_size = args.integer("--batch", config.batch_size);
  auto trainer = std::make_shared<Trainer>(config);
  const TrainConfig& chosen = trainer->config();
  const Shape& input = trainer->data().train->info().input_shape;
  return {chosen.model,   chosen.data,
          input,          chosen.batch_size,
          chosen.threads, [trainer](bool training) { trainer->rehearse(training); }};
}

int run(const Arguments& args) {
  if (args.has("--json") && is_stdout(args.text("--html")))
    throw ArgumentError({.argument = "--html",
                         .given = "the standard output, which --json takes",
                         .expected = "a file"});
  const ExplainSubject subject =
      args.text("--model") == "gpt" ? gpt_subject(args) : zoo_subject(args);
  const bool evaluation = args.has("--evaluation");
  flush();  // the first weights are a program too, and not the one that was asked for
  Explainer explainer;
  subject.rehearse(!evaluation);

  const std::string what =
      fmt::format("{} of {}, batch {}", evaluation ? "evaluation" : "training step", subject.model,
                  subject.batch_size);
  Json::Array programs;
  std::string words;
  for (const ProgramExplanation& p : explainer.programs()) {
    if (p.kernels.empty()) continue;
    programs.push_back(as_json(p));
    words += (words.empty() ? "" : "\n") + in_words(p, args.has("--tape"));
  }
  const Json all = Json::Object{
      {"version", version()},
      {"what", what},
      {"data", subject.data},
      {"input_shape", Json::Array(subject.input_shape.begin(), subject.input_shape.end())},
      {"model", subject.model},
      {"batch_size", subject.batch_size},
      {"threads", subject.threads},
      {"programs", programs}};
  const bool page_to_stdout = is_stdout(args.text("--html"));
  if (args.has("--html") && !page_to_stdout)
    write_file_atomically(args.text("--html"), explain_page(all));
  if (args.has("--json")) print_result(all.dump() + "\n");
  else if (page_to_stdout) print_result(explain_page(all));
  else if (args.has("--html"))
    print_result(fmt::format("{:<14} {} in {}\n", "drawn", what, args.text("--html")));
  else print_result(str(what, ", input ", subject.input_shape, " of ", subject.data, "\n", words));
  return 0;
}

}  // namespace

Verb explain_verb() {
  return {"explain",
          "explain a step: passes, fusion, kernels, memory",
          {{"DATA",
            "same as for suanli train; only shapes and classes matter; default glyphs. For --model "
            "gpt: random:tokens=256?vocab=5000",
            false}},
          with_training_options({
              {"--batch", OptionType::integer, "N", "short for --batch-size", "", 1, 1e9},
              {"--evaluation", OptionType::nothing, "",
               "explain the evaluation of a batch instead of a training step"},
              {"--tape", OptionType::nothing, "", "also list the records after each pass"},
              {"--html", OptionType::text, "FILE", "write the graph as a self-contained HTML page"},
              {"--json", OptionType::nothing, "", "print everything as one JSON object on stdout"},
          }),
          {"suanli explain --model resnet18 --batch 128",
           "suanli explain --model cnn_b --html step.html",
           "suanli explain 'random:tokens=256?vocab=5000' --model gpt --batch 8"},
          run};
}

}  // namespace suanli::cli
