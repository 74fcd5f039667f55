// SPDX-License-Identifier: Apache-2.0
#include "cli/report/explain_gpt.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "plan/rehearsal.h"
#include "suanli/suanli.h"

namespace suanli::cli {

namespace {

struct Tokens {
  int64_t length = 256, kinds = 5000;
};

/// "random:tokens=256?vocab=5000".
Tokens tokens_from(const std::string& text) {
  Tokens t;
  std::string_view left = text;
  auto number = [&](std::string_view name, int64_t& value, int64_t most) {
    if (!left.starts_with(name)) return false;
    left.remove_prefix(name.size());
    const auto [end, error] = std::from_chars(left.data(), left.data() + left.size(), value);
    left.remove_prefix(static_cast<size_t>(end - left.data()));
    return error == std::errc() && value >= 1 && value <= most;
  };
  const bool good = number("random:tokens=", t.length, 1 << 20) &&
                    (left.empty() || number("?vocab=", t.kinds, 1 << 24)) && left.empty();
  if (!good)
    throw ArgumentError(
        {.argument = "DATA",
         .given = fmt::format("'{}'", text),
         .expected = "tokens for a gpt: random:tokens=256?vocab=5000, with numbers of your own"});
  return t;
}

struct Step {
  Tokens tokens;
  int64_t batch;
  models::Gpt gpt;
  optim::AdamW optimizer;

  Step(const Tokens& t, int64_t batch)
      : tokens(t),
        batch(batch),
        gpt({.vocab = t.kinds, .context = t.length, .layers = 4, .width = 256, .heads = 8}),
        optimizer(gpt.parameters()) {}
  void rehearse(bool training) {
    Rehearsal rehearsal;
    const Tensor x = rehearsal.leaf({batch, tokens.length}, DType::i64),
                 next = rehearsal.leaf({batch * tokens.length}, DType::i64);
    std::optional<InferenceMode> inference;
    if (!training) inference.emplace();
    const Tensor loss = cross_entropy(flatten(gpt(x), 0, 1), next);
    if (training) {
      loss.backward();
      optimizer.step();
    } else {
      flush();
    }
  }
};

}  // namespace

ExplainSubject gpt_subject(const Arguments& args) {
  const std::string_view own[] = {"--model", "--batch", "--batch-size", "--evaluation",
                                  "--tape",  "--html",  "--json"};
  for (const std::string& option : args.given())
    if (std::find(std::begin(own), std::end(own),
                  std::string_view(option).substr(0, option.find(' '))) == std::end(own))
      throw ArgumentError({.argument = option,
                           .given = "beside --model gpt",
                           .expected = "no option of the recipe",
                           .remedy = "One step of AdamW is shown."});
  const std::string data = args.positional(0, "random:tokens=256?vocab=5000");
  const int64_t batch = args.integer("--batch", args.integer("--batch-size", 8));
  auto step = std::make_shared<Step>(tokens_from(data), batch);
  return {"gpt",
          data,
          {step->tokens.length},
          batch,
          Session::current().threads(),
          [step](bool training) { step->rehearse(training); }};
}

}  // namespace suanli::cli
