// SPDX-License-Identifier: Apache-2.0
#include "cli/report/machine_roofs.h"

#include <fmt/format.h>

#include <cstdlib>

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

/// Throws IoError for anything that to_json() did not write on this machine.
Roofs from_json(const Json& json) {
  for (auto& [name, value] : key_of_this_machine())
    if (json.at(name) != value)
      throw IoError({.argument = name, .given = json.at(name).dump(), .expected = value.dump()});
  Roofs roofs;
  roofs.cpu = json.string("cpu");
  roofs.isa = json.string("isa");

  roofs.threads = Session::current().threads();
  for (const Rate& r : kRates) {
    const Json& given = json.at(r.name);
    roofs.*r.roof = {given.number("one"), given.number("all")};
    if (!((roofs.*r.roof).one >= 0 && (roofs.*r.roof).all >= 0))
      throw IoError({.argument = r.name, .given = "a negative rate", .expected = "0 or more"});
  }
  return roofs;
}

}  // namespace

Roofs machine_roofs(bool measure_again) {
  const std::string folder = cache_folder(), path = folder + "/roofs.json";
  if (!measure_again && !folder.empty()) {
    try {
      return from_json(Json::parse(read_file(path), path));
    } catch (const IoError&) {}  // missing, of another machine, or damaged: measured again
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
