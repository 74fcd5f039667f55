// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/text/json.h"
#include "cli/framework/console.h"
#include "cli/framework/verbs.h"
#include "cli/report/machine_roofs.h"
#include "suanli/session.h"

namespace suanli::cli {

namespace {

struct Line {
  const char* name;
  const char* unit;
  Roof Roofs::* roof;
};
constexpr Line kLines[] = {{"f32", "GFLOP/s", &Roofs::f32},   {"f64", "GFLOP/s", &Roofs::f64},
                           {"bf16", "GFLOP/s", &Roofs::bf16}, {"int8", "GOP/s", &Roofs::int8},
                           {"copy", "GB/s", &Roofs::copy},    {"read", "GB/s", &Roofs::read}};

int run(const Arguments& args) {
  if (args.positional(0) != "roofs")
    throw ArgumentError({.argument = "WHAT",
                         .given = fmt::format("'{}'", args.positional(0)),
                         .expected = "roofs"});
  if (args.has("--threads"))
    Session::current().set_threads(static_cast<int>(args.integer("--threads", 1)));
  const Roofs roofs = machine_roofs(args.has("--again"));
  if (args.has("--json")) {
    Json out =
        Json::Object{{"cpu", roofs.cpu}, {"isa", roofs.isa}, {"threads", int64_t{roofs.threads}}};
    for (const Line& l : kLines) {
      const Roof& r = roofs.*l.roof;
      out.set(l.name, r.all > 0 ? Json(Json::Object{
                                      {"unit", l.unit}, {"one", r.one / 1e9}, {"all", r.all / 1e9}})
                                : Json());
    }
    print_result(out.dump() + "\n");
    return 0;
  }
  std::string out = fmt::format("{}\n{}\n{:<6} {:>10} {:>10}\n", roofs.cpu, roofs.isa, "",
                                "1 thread", counted(roofs.threads, "thread"));
  for (const Line& l : kLines) {
    const Roof& r = roofs.*l.roof;
    out += r.all > 0 ? fmt::format("{:<6} {:>10.1f} {:>10.1f}  {}\n", l.name, r.one / 1e9,
                                   r.all / 1e9, l.unit)
                     : fmt::format("{:<6} {:>10} {:>10}\n", l.name, "not there", "not there");
  }
  print_result(out);
  return 0;
}

}  // namespace

Verb bench_verb() {
  return {"bench",
          "measure the peak performance of this machine",
          {{"WHAT",
            "roofs: measure multiply-adds on registers, and copying and reading of large arrays",
            true, false, "roofs"}},
          {
              {"--again", OptionType::nothing, "", "measure again, ignoring stored results"},
              {"--threads", OptionType::integer, "N", "compute threads", "all CPUs of this process",
               1, 1024},
              {"--json", OptionType::nothing, "",
               "print the result or error as one JSON object on stdout"},
          },
          {"suanli bench roofs"},
          run};
}

}  // namespace suanli::cli
