// SPDX-License-Identifier: Apache-2.0
#include "cli/framework/hints.h"

#include <algorithm>

#include "base/text/shell.h"
#include "base/text/split_list.h"
#include "cli/framework/translations_zh.h"

namespace suanli::cli {

namespace {

/// Settings whose options have names of their own.
struct OwnName {
  const char* setting;
  const char* option;
};
constexpr OwnName kOwnNames[] = {{"sampler", "--balanced"}};

bool names(const Fault& fault, const char* setting) {
  return std::find(fault.settings.begin(), fault.settings.end(), setting) != fault.settings.end();
}

/// The command that another run needs; "" if none does. The argument of such errors is the run.
std::string command(const Fault& fault, const Verb& verb) {
  if (names(fault, "resume"))
    return "suanli train --resume " + shell_quoted(fault.argument) +
           (names(fault, "data") ? " DATA" : "");
  if (names(fault, "weights") && !verb.has("--weights")) return "suanli train --weights FILE";
  return "";
}

}  // namespace

std::string option_of(const std::string& setting) {
  for (const OwnName& own : kOwnNames)
    if (setting == own.setting) return own.option;
  std::string option = "--" + setting;
  std::replace(option.begin(), option.end(), '_', '-');
  return option;
}

std::string hints(const Fault& fault, const Verb& verb) {
  auto say = in_users_language;
  std::vector<std::string> options;
  for (const std::string& setting : fault.settings)
    if (const std::string option = option_of(setting); setting != "resume" && verb.has(option))
      options.push_back(option);
  std::string out;
  if (!options.empty()) out = say("Options: ") + join_list(options, say(", ")) + say(".");
  if (const std::string next = command(fault, verb); !next.empty())
    out += (out.empty() ? "" : " ") + (say("Command: ") + next);  // no stop: it is pasted
  return out;
}

Json as_json(const Error& error) {
  const Fault& fault = error.fault();
  Json::Array settings(fault.settings.begin(), fault.settings.end());
  return Json::Object{{"code", name(error.code())}, {"op", fault.op},
                      {"argument", fault.argument}, {"given", fault.given},
                      {"expected", fault.expected}, {"module", fault.module},
                      {"remedy", fault.remedy},     {"settings", std::move(settings)}};
}

}  // namespace suanli::cli
