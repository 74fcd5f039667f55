// suanli data: what a data set holds, where it comes from, and a packed copy of it.
#include <fmt/format.h>

#include <filesystem>

#include "cli/console.h"
#include "cli/data_verbs.h"
#include "cli/verbs.h"
#include "suanli/data.h"

namespace suanli::cli {

int run_data_pack(const Arguments& args) {
  if (args.positionals().size() != 3) throw UsageError("data pack needs two words: DATA and the file to write.");
  const std::string source = args.positional(1), path = args.positional(2);
  const bool quiet = args.has("--quiet");
  OpenView view(quiet);
  // As it lies there: nothing is split off.
  const data::Splits splits = data::open(source, {.val_fraction = 0, .skip_bad = args.has("--skip-bad")});
  for (const std::string& note : splits.notes) print_note(note);
  data::pack(path, splits);
  view.close();
  int64_t samples = 0;
  for (const auto& set : {splits.train, splits.val, splits.test}) samples += set ? set->size() : 0;
  print_result(fmt::format("{:<14} {} samples {} in {}, {}\n{:<14} suanli train {}\n", "packed", samples,
                           to_string(splits.train->info().input_shape), path,
                           memory_size(static_cast<int64_t>(std::filesystem::file_size(path))), "next", path));
  return 0;
}

namespace {

struct Word {
  const char* name;
  int (*run)(const Arguments& args);
};
const Word kWords[] = {{"show", run_data_show}, {"get", run_data_get}, {"pack", run_data_pack}};

int run(const Arguments& args) {
  for (const Word& word : kWords)
    if (args.positional(0) == word.name) return word.run(args);
  throw UsageError(fmt::format("'{}' is nothing that data does, expected show, get or pack", args.positional(0)));
}

}  // namespace

Verb data_verb() {
  return {"data",
          "shows what data hold, gets published sets, packs pictures for quick reading",
          {{"WORD", "show: counts, sizes, balance, brightness, duplicates, broken files; get: downloads; pack: writes one file", true,
            false, "show get pack"},
           {"DATA", "show and pack: as for suanli train, default glyphs; get: mnist, fashion-mnist or cifar10", false},
           {"WHERE", "get: the folder, default downloads/DATA; pack: the file to write", false}},
          {
              {"--sheet", Takes::text, "FILE", "show: the first ten training pictures of each class as one PNG"},
              {"--augment", Takes::text, "LIST", "show: these pictures as suanli train --augment LIST would see them", "none"},
              {"--skip-bad", Takes::nothing, "", "pack: leaves out pictures that cannot be read"},
              {"--json", Takes::nothing, "", "show: the result as one JSON object on stdout"},
              {"--quiet", Takes::nothing, "", "no progress"},
          },
          {"suanli data show photos", "suanli data show cifar10:downloads/cifar10 --sheet sheet.png --augment crop,flip",
           "suanli data get mnist", "suanli data pack 'photos?size=224' photos.packed"},
          run};
}

}  // namespace suanli::cli
