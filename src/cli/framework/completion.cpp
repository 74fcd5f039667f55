// SPDX-License-Identifier: Apache-2.0
// Completion for bash, zsh and fish, from the tables of verbs and options.
#include <fmt/format.h>

#include "base/text/did_you_mean.h"
#include "cli/framework/console.h"
#include "cli/framework/translations_zh.h"
#include "cli/framework/verbs.h"

namespace suanli::cli {

namespace {

/// In single quotes, for any of the three.
std::string quoted(std::string text) {
  for (size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4)
    text.replace(at, 1, "'\\''");
  return "'" + text + "'";
}

std::string words_of(const std::vector<Verb>& all) {
  std::string words;
  for (const Verb& v : all) words += (words.empty() ? "" : " ") + std::string(v.name);
  return words;
}

/// The words that may follow a verb; "": files.
std::string first_words(const Verb& v) {
  if (v.name == std::string("help")) return words_of(verbs());
  return v.positionals.empty() ? "" : v.positionals.front().choices;
}

/// The words that may follow a verb's first one.
std::vector<std::pair<const char*, std::string>> second_words(const Verb& v) {
  if (v.positionals.size() < 2) return {};
  return v.positionals[1].choices_after;
}

/// True if an option's value is a path. The shells offer files for these alone.
bool takes_path(const Option& o) {
  const std::string_view name = o.metavar;
  return name == "FILE" || name == "DIR" || name == "RUN";
}

/// Values with commas between: each of the words may stand behind a comma.
bool is_list(const Option& o) { return o.metavar == std::string_view("LIST"); }

std::string bash() {
  std::string options, choices, first, behind;
  for (const Verb& v : verbs()) {
    std::string names = "--help";
    for (const Option& o : v.options) {
      names += fmt::format(" {}", o.name);
      if (!o.choices.empty())
        choices += fmt::format("    {}:{}) words={}{} ;;\n", v.name, o.name, quoted(o.choices),
                               is_list(o) ? " list=1" : "");
    }
    for (const auto& [word, words] : second_words(v))
      behind += fmt::format("    {}:{}) words={} ;;\n", v.name, word, quoted(words));
    options += fmt::format("    {}) words={} ;;\n", v.name, quoted(names));
    if (!first_words(v).empty())
      first += fmt::format("    {}) words={} ;;\n", v.name, quoted(first_words(v)));
  }
  return fmt::format(R"(# bash completion for suanli; made by `suanli completion bash`
_suanli() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" verb="${{COMP_WORDS[1]}}" words='' list=''
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    COMPREPLY=($(compgen -W {0} -- "$word"))
    return
  fi
  case "$verb:$before" in
{1}  esac
  if [[ -z $words && $word == -* ]]; then
    case "$verb" in
{2}    esac
  elif [[ -z $words ]] && (( COMP_CWORD == 2 )); then
    case "$verb" in
{3}    esac
  elif [[ -z $words ]] && (( COMP_CWORD == 3 )); then
    case "$verb:$before" in
{4}    esac
  fi
  if [[ -n $list && $word == *,* ]]; then
    local head="${{word%,*}}," each=''
    for each in $words; do COMPREPLY+=($(compgen -W "$head$each" -- "$word")); done
    return
  fi
  [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _suanli suanli
)",
                     quoted(words_of(verbs())), choices, options, first, behind);
}

std::string zsh() {
  auto plain = [](std::string text) {  // brackets and colons have a meaning in a specification
    std::string out;
    for (char c : text) {
      if (c == '[' || c == ']' || c == ':') out += '\\';
      out += c;
    }
    return out;
  };
  std::string list, cases;
  for (const Verb& v : verbs()) {
    list +=
        fmt::format("    {}\n", quoted(fmt::format("{}:{}", v.name, in_users_language(v.line))));
    cases += fmt::format("    {})\n      _arguments -s '--help[{}]'", v.name,
                         in_users_language("show this help"));
    for (const Option& o : v.options) {
      std::string spec = fmt::format("{}{}[{}]", o.name, o.takes == OptionType::nothing ? "" : "=",
                                     plain(in_users_language(o.help)));
      if (o.takes != OptionType::nothing)
        spec += fmt::format(":{}:{}", o.metavar,
                            !o.choices.empty() ? (is_list(o) ? "_values -s , word " + o.choices
                                                             : "(" + o.choices + ")")
                            : takes_path(o)    ? "_files"
                                               : " ");
      cases += " \\\n        " + quoted(spec);
    }
    if (!first_words(v).empty())
      cases += fmt::format(" \\\n        '1:{}:({})'", v.positionals.front().name, first_words(v));
    for (const auto& [word, words] : second_words(v))
      cases += fmt::format(" \\\n        '2:{}:{{[[ $words[2] == {} ]] && compadd {} || _files}}'",
                           v.positionals[1].name, word, words);
    cases += " \\\n        '*:file:_files' ;;\n";
  }
  return fmt::format(R"(#compdef suanli
# zsh completion for suanli; made by `suanli completion zsh`
_suanli() {{
  local -a verbs=(
{})
  if (( CURRENT == 2 )); then
    _describe command verbs
    return
  fi
  local verb=$words[2]
  words=("${{(@)words[2,-1]}}")
  (( CURRENT-- ))
  case $verb in
{}  esac
}}
_suanli "$@"
)",
                     list, cases);
}

std::string fish() {
  std::string out = "# fish completion for suanli; made by `suanli completion fish`\n";
  for (const Verb& v : verbs()) {
    out += fmt::format("complete -c suanli -n __fish_use_subcommand -a {} -d {}\n", v.name,
                       quoted(in_users_language(v.line)));
    if (!first_words(v).empty())
      out += fmt::format(
          "complete -c suanli -n '__fish_seen_subcommand_from {}; and test (count (commandline "
          "-opc)) -eq 2' -f -a {}\n",
          v.name, quoted(first_words(v)));
    for (const auto& [word, words] : second_words(v))
      out += fmt::format(
          "complete -c suanli -n '__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from "
          "{}; and test (count (commandline -opc)) "
          "-eq 3' -f -a {}\n",
          v.name, word, quoted(words));
    for (const Option& o : v.options) {
      out += fmt::format("complete -c suanli -n '__fish_seen_subcommand_from {}' -l {} -d {}",
                         v.name, o.name + 2, quoted(in_users_language(o.help)));
      const std::string list =
          fmt::format("(__fish_complete_list , \"string join \\n {}\")", o.choices);
      if (o.takes != OptionType::nothing)
        out += !o.choices.empty() ? " -x -a " + quoted(is_list(o) ? list : o.choices)
               : takes_path(o)    ? " -r"
                                  : " -x";
      out += "\n";
    }
  }
  return out;
}

int run(const Arguments& args) {
  const std::string shell = args.positional(0);
  if (shell == "bash") print_result(bash());
  else if (shell == "zsh") print_result(zsh());
  else if (shell == "fish") print_result(fish());
  else {
    throw ArgumentError(
        {.argument = "SHELL",
         .given = fmt::format("'{}'", shell),
         .expected = "bash, zsh or fish",
         .remedy = suggestion(shell, {"bash", "zsh", "fish"}, "Did you mean ", "?")});
  }
  return 0;
}

}  // namespace

Verb completion_verb() {
  return {"completion",
          "print a shell completion script",
          {{"SHELL", "bash, zsh or fish", true, false, "bash zsh fish"}},
          {},
          {"suanli completion bash > ~/.local/share/bash-completion/completions/suanli",
           "suanli completion fish > ~/.config/fish/completions/suanli.fish"},
          run};
}

}  // namespace suanli::cli
