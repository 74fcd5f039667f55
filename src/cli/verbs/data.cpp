// SPDX-License-Identifier: Apache-2.0
// suanli data: what a data set holds, where it comes from, and a packed copy of it.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text/json.h"
#include "base/text/shell.h"
#include "cli/framework/console.h"
#include "cli/framework/verbs.h"
#include "cli/verbs/data_verbs.h"
#include "cli/verbs/training_options.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"

namespace suanli::cli {

int run_data_pack(const Arguments& args) {
  if (args.positionals().size() != 3)
    throw ArgumentError(
        {.argument = "data pack",
         .given = counted(static_cast<int64_t>(args.positionals().size()) - 1, "word"),
         .expected = "two: DATA and the file to write"});
  const std::string source = args.positional(1), path = args.positional(2);
  const bool quiet = args.has("--quiet");
  OpenView view(quiet);
  // As it lies there: nothing is split off.
  const data::Splits splits =
      data::open(source, {.val_fraction = 0, .skip_bad = args.has("--skip-bad")});
  for (const std::string& note : splits.notes) print_note(note);
  data::pack(path, splits);
  view.close();
  int64_t samples = 0;
  for (const auto& set : {splits.train, splits.val, splits.test}) samples += set ? set->size() : 0;
  const Shape& shape = splits.train->info().input_shape;
  std::error_code no_file;  // a device has no size
  const auto size = std::filesystem::file_size(path, no_file);
  const int64_t bytes = no_file ? 0 : static_cast<int64_t>(size);
  if (args.has("--json")) {
    Json out =
        Json::Object{{"data", source}, {"file", path}, {"samples", samples}, {"bytes", bytes}};
    out.set("input_shape", Json::Array(shape.begin(), shape.end())).set("version", version());
    print_result(out.dump() + "\n");
    return 0;
  }
  print_result(fmt::format("{:<14} {} {} in {}, {}\n{:<14} suanli train {}\n", "packed",
                           counted(samples, "sample"), to_string(shape), path, memory_size(bytes),
                           "next", shell_quoted(path)));
  return 0;
}

namespace {

struct Word {
  const char* name;
  int (*run)(const Arguments& args);
  std::vector<std::string> options;  // besides --json and --quiet
};
const Word kWords[] = {{"show", run_data_show, {"--target", "--sheet", "--augment", "--skip-bad"}},
                       {"get", run_data_get, {}},
                       {"pack", run_data_pack, {"--skip-bad"}}};

int run(const Arguments& args) {
  for (const Word& word : kWords) {
    if (args.positional(0) != word.name) continue;
    for (const std::string& option : args.given())
      if (option != "--json" && option != "--quiet" &&
          std::find(word.options.begin(), word.options.end(), option) == word.options.end())
        throw ArgumentError({.argument = option,
                             .given = "not for data " + std::string(word.name),
                             .remedy = "Leave it out."});
    return word.run(args);
  }
  throw ArgumentError({.argument = "WORD",
                       .given = fmt::format("'{}'", args.positional(0)),
                       .expected = "show, get or pack"});
}

}  // namespace

Verb data_verb() {
  return {
      "data",
      "inspect data, download data sets, pack pictures",
      {{"WORD",
        "show: report counts, sizes, balance, brightness, duplicates and broken files; get: "
        "download a data set; pack: write pictures to one file",
        true, false, "show get pack"},
       {"DATA",
        "show and pack: same as for suanli train, default glyphs; get: mnist, fashion-mnist or "
        "cifar10",
        false,
        false,
        "",
        {{"get", published_sets()}}},
       {"WHERE", "get: the target folder, default downloads/DATA; pack: the file to write", false}},
      {
          {"--target", OptionType::text, "COLUMN",
           "show: target column of a table, the same as DATA?target=COLUMN"},
          {"--sheet", OptionType::text, "FILE",
           "show: write the first ten training pictures of each class to a PNG"},
          {"--augment", OptionType::text, "LIST",
           "show: augment these pictures as suanli train --augment LIST does", "none", -kNoLimit,
           kNoLimit, augment_names()},
          {"--skip-bad", OptionType::nothing, "", "pack: skip unreadable pictures"},
          {"--json", OptionType::nothing, "",
           "print the result or error as one JSON object on stdout"},
          {"--quiet", OptionType::nothing, "", "show no progress"},
      },
      {"suanli data show photos",
       "suanli data show cifar10:downloads/cifar10 --sheet sheet.png --augment crop,flip",
       "suanli data get mnist", "suanli data pack 'photos?size=224' photos.packed"},
      run};
}

}  // namespace suanli::cli
