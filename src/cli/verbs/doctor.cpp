// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "base/system/environment.h"
#include "base/system/proc.h"
#include "base/text/json.h"
#include "base/text/text.h"
#include "base/text/visible.h"
#include "cli/framework/console.h"
#include "cli/framework/verbs.h"
#include "plan/explain/tuning_report.h"
#include "suanli/roofs.h"
#include "suanli/session.h"

namespace suanli::cli {

namespace {

/// Asked of the library that this process really loaded, which may be another one than it was built
/// with.
std::string onednn_version() {
  struct Version {
    int major, minor, patch;
  };
  using Ask = const Version* (*)();
  auto ask = reinterpret_cast<Ask>(dlsym(RTLD_DEFAULT, "dnnl_version"));
  if (!ask) return "unknown";
  return fmt::format("{}.{}.{}", ask()->major, ask()->minor, ask()->patch);
}

std::string gpu() {
  try {
    device_from_name("cuda");
    return "available";
  } catch (const Error& e) { return "none: " + e.fault().remedy; }
}

std::string runs_folder() {
  if (access("runs", F_OK) == 0)
    return access("runs", W_OK) == 0 ? "runs/ is writable" : "runs/ is not writable: give --out";
  return access(".", W_OK) == 0 ? "runs/ can be created here"
                                : "this folder is not writable: give --out";
}

/// Each variable with the value in force: the given one, else the default.
Json::Array environment() {
  Json::Array rows;
  for (const EnvironmentVariable& v : kEnvironment) {
    const std::optional<std::string> given = given_value(v);
    rows.push_back(Json::Object{{"name", v.name},
                                {"value", given.value_or(v.usual)},
                                {"set", given.has_value()},
                                {"default", v.usual},
                                {"expected", expected_value(v)},
                                {"doc", v.doc}});
  }
  return rows;
}

std::string environment_in_words() {
  std::string out = "\nEnvironment variables, with the values in force\n";
  for (const EnvironmentVariable& v : kEnvironment) {
    const std::optional<std::string> given = given_value(v);
    out += fmt::format("{:<20} {}\n    {} ({})\n", v.name,
                       given ? fmt::format("{} (default: {})", visible(*given), v.usual) : v.usual,
                       v.doc, expected_value(v));
  }
  return out;
}

int run(const Arguments& args) {
  const int64_t total = proc_bytes("/proc/meminfo", "MemTotal"),
                free = proc_bytes("/proc/meminfo", "MemAvailable");
  Json::Object facts{
      {"version", version()},
      {"cpu", cpu_model()},
      {"isa", isa()},
      {"numerics", numerics_in_force({})},
      {"cpus", static_cast<int64_t>(std::thread::hardware_concurrency())},
      {"threads", Session::current().threads()},
      {"memory_bytes", total},
      {"free_bytes", free},
      {"onednn", onednn_version()},
      {"gpu", gpu()},
      {"runs", runs_folder()},
  };
  const Json tuning = tuning_in_force({});
  if (args.has("--json")) {
    facts.emplace_back("environment", environment());
    facts.emplace_back("tuning", tuning);
    print_result(Json(facts).dump() + "\n");
    return 0;
  }
  std::string out;
  for (auto& [key, value] : facts) {
    std::string name = key, text = value.is_string() ? value.string() : value.dump();
    if (size_t at = name.find("_bytes"); at != std::string::npos) {
      name = name.substr(0, at) == "memory" ? "memory" : "free memory";
      text = memory_size(value.integer());
    }
    out += fmt::format("{:<12} {}\n", name, text);
  }
  out += environment_in_words();
  for (const auto& [part, values] : tuning.object()) {
    out += fmt::format("tuning of the {}\n", part);
    for (const auto& [name, value] : values.object())
      out += fmt::format("  {:<32} {}\n", name, value.dump());
  }
  print_result(out);
  return 0;
}

}  // namespace

Verb doctor_verb() {
  return {"doctor", "report hardware, software, settings and anything missing",
          {},       {{"--json", OptionType::nothing, "", "print one JSON object on stdout"}},
          {},       run};
}

}  // namespace suanli::cli
