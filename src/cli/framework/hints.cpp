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

/// A setting that helps, with a value if there is one.
struct Hint {
  std::string setting, value;
};

Hint hint_from(const std::string& text) {
  const size_t equals = std::min(text.find('='), text.size());
  return {text.substr(0, equals), text.substr(std::min(equals + 1, text.size()))};
}

/// "--weights runs/1/model.safetensors", as a shell reads it.
std::string with_value(const std::string& option, const std::string& value) {
  return value.empty() ? option : option + " " + shell_quoted(value);
}

/// True if the words give the option the value that is at fault.
bool is_at_fault(const std::string& option, const Fault& fault,
                 const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    std::string value;
    if (words[i].starts_with(option + "=")) value = words[i].substr(option.size() + 1);
    else if (words[i] == option && i + 1 < words.size()) value = words[i + 1];
    else continue;
    if (value == fault.argument || option_of(fault.argument) == option) return true;
  }
  return false;
}

/// The command that another run needs; "" if none does.
std::string command(const std::vector<Hint>& hints, const Verb& verb) {
  const auto find = [&](const char* setting) {
    return std::find_if(hints.begin(), hints.end(),
                        [&](const Hint& h) { return h.setting == setting; });
  };
  if (const auto run = find("resume"); run != hints.end())
    return with_value("suanli train --resume", run->value) +
           (find("data") != hints.end() ? " DATA" : "");
  if (const auto file = find("weights"); file != hints.end() && !verb.has("--weights"))
    return with_value("suanli train --weights", file->value);
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

std::string hints(const Fault& fault, const Verb& verb, const std::vector<std::string>& words) {
  auto say = in_users_language;
  std::vector<Hint> all;
  std::vector<std::string> options;
  for (const std::string& text : fault.settings) {
    all.push_back(hint_from(text));
    const auto& [setting, value] = all.back();
    const std::string option = option_of(setting);
    if (setting == "resume" || !verb.has(option)) continue;
    if (!value.empty() || !is_at_fault(option, fault, words))
      options.push_back(with_value(option, value));
  }
  std::string out;
  if (!options.empty()) out = say("Options: ") + join_list(options, say(", ")) + say(".");
  if (const std::string next = command(all, verb); !next.empty())
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
