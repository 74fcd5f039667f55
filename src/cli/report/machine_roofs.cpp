// SPDX-License-Identifier: Apache-2.0
#include "cli/report/machine_roofs.h"

#include <fmt/format.h>

#include <cstdlib>
#include <optional>

#include "base/files/file.h"
#include "base/text/json.h"
#include "cli/framework/console.h"
#include "suanli/session.h"

namespace suanli::cli {

namespace {

struct Rate {
  const char* name;
  Roof Roofs::* roof;
};
constexpr Rate kRates[] = {{"f32", &Roofs::f32},   {"f64", &Roofs::f64},   {"bf16", &Roofs::bf16},
                           {"int8", &Roofs::int8}, {"copy", &Roofs::copy}, {"read", &Roofs::read}};

/// "" where there is no home.
std::string cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/')
    return std::string(cache) + "/suanli";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::string(home) + "/.cache/suanli";
  return "";
}

/// The machine and settings that a measurement holds for.
Json::Object key_of_this_machine() {
  return {{"version", version()},
          {"cpu", cpu_model()},
          {"isa", isa()},
          {"threads", int64_t{Session::current().threads()}}};
}

Json to_json(const Roofs& roofs) {
  Json out = key_of_this_machine();
  for (const Rate& r : kRates)
    out.set(r.name, Json::Object{{"one", (roofs.*r.roof).one}, {"all", (roofs.*r.roof).all}});
  return out;
}

/// The roofs that to_json() wrote; nothing if they are another machine's. Throws IoError for
/// anything else.
std::optional<Roofs> from_json(const Json& json) {
  for (auto& [name, value] : key_of_this_machine())
    if (json.at(name) != value) return std::nullopt;
  Roofs roofs;
  roofs.cpu = json.string("cpu");
  roofs.isa = json.string("isa");
  roofs.threads = Session::current().threads();
  for (const Rate& r : kRates) {
    const Json& given = json.at(r.name);
    Roof& roof = roofs.*r.roof;
    roof = {given.number("one"), given.number("all")};
    if (!(roof.one >= 0 && roof.all >= 0))
      throw IoError({.argument = r.name, .given = given.dump(), .expected = "rates of at least 0"});
  }
  return roofs;
}

}  // namespace

Roofs machine_roofs(bool measure_again) {
  const std::string folder = cache_folder(), path = folder + "/roofs.json";
  if (!measure_again && !folder.empty()) {
    try {
      if (const auto kept = from_json(Json::parse(read_file(path), path))) return *kept;
    } catch (const IoError&) {}  // missing or damaged: measured again
  }
  print_note("measuring this machine's roofs (once, about two seconds)");
  const Roofs roofs = measure_roofs();
  try {
    if (folder.empty())
      throw IoError(Fault{.argument = "cache folder", .given = "neither XDG_CACHE_HOME nor HOME"});
    make_folders(folder);
    write_file_atomically(path, to_json(roofs).dump(1) + "\n");
  } catch (const IoError& e) {
    print_note(fmt::format("the roofs are not kept for the next time: {}", e.what()));
  }
  return roofs;
}

}  // namespace suanli::cli
