// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/framework/console.h"
#include "cli/framework/translations_zh.h"
#include "cli/framework/verbs.h"

namespace suanli::cli {

namespace {

constexpr size_t kLeft = 28;  // where the explanations begin

size_t width_of_help() {
  return is_terminal(STDOUT_FILENO) ? static_cast<size_t>(terminal_width()) : 100;
}

/// " --lr X learning rate (default: the recipe's)", in as many lines as the terminal needs; in a
/// narrow one the explanation begins below.
std::string row(const std::string& left, const std::string& text) {
  constexpr size_t kReadable = 32, kBelow = 6;
  const size_t width = width_of_help();
  if (width < kLeft + kReadable)
    return fmt::format("  {}\n{}{}\n", left, std::string(kBelow, ' '),
                       wrapped(text, kBelow, width));
  const std::string name = fmt::format("  {:<{}}", left, kLeft - 2);
  return name + (name.size() > kLeft ? "\n" + std::string(kLeft, ' ') : "") +
         wrapped(text, kLeft, width) + "\n";
}

int run(const Arguments& arguments) {
  print_result(arguments.positionals().empty() ? overview()
                                               : help_of(find_verb(arguments.positional(0))));
  return 0;
}

}  // namespace

std::string overview() {
  auto say = in_users_language;
  std::string out = fmt::format("{}\n\n{} suanli {}\n\n",
                                say("suanli trains, evaluates and runs neural networks."),
                                say("Usage:"), say("COMMAND …"));
  for (const Verb& v : verbs())
    out += fmt::format("  {:<11} {}\n", v.name,
                       wrapped(say(v.line), 14, std::min<size_t>(80, width_of_help())));
  out += fmt::format(
      "\n{}\n  suanli train\n{}\n  suanli COMMAND --help\n\n{}\n",
      say("First run, no data needed:"), say("Help for one command:"),
      wrapped(
          say("Exit: 0 success, 1 failure, 2 usage error, 3 bad data or files, 130 interrupted"), 2,
          width_of_help()));
  return out;
}

std::string help_of(const Verb& verb) {
  auto say = in_users_language;
  const std::string what =
      wrapped(fmt::format("suanli {}: {}", verb.name, say(verb.line)), 2, width_of_help());
  std::string out = fmt::format("{}\n\n{} {}", what, say("Usage:"), words_of(verb));
  if (!verb.options.empty()) out += fmt::format(" {}", say("[options]"));
  out += "\n\n";
  for (const Positional& p : verb.positionals) out += row(p.name, say(p.help));
  if (!verb.positionals.empty()) out += "\n";
  const char* group = "";
  const bool lists_groups = shows_training_options(verb);
  bool left_out = false;
  for (const Option& o : verb.options) {
    if (*o.group && !lists_groups) {
      left_out = true;
      continue;
    }
    if (std::string(group) != o.group) out += fmt::format("\n{}:\n", say(group = o.group));
    const std::string fallback =
        *o.fallback ? fmt::format(" ({} {})", say("default:"), say(o.fallback)) : "";
    out +=
        row(*o.metavar ? fmt::format("{} {}", o.name, o.metavar) : o.name, say(o.help) + fallback);
  }
  if (left_out) out += "\n" + wrapped(say(kSharedOptions), 0, width_of_help()) + "\n";
  out += "\n" + row("--help", say("show this help"));
  if (!verb.examples.empty()) {
    out += fmt::format("\n{}\n", say("Examples:"));
    for (const char* e : verb.examples) out += fmt::format("  {}\n", e);
  }
  return out;
}

Verb help_verb() {
  return {"help",
          "list all commands, or the options of one command",
          {{"COMMAND", "the command to describe", false}},
          {},
          {"suanli help train"},
          run};
}

}  // namespace suanli::cli
