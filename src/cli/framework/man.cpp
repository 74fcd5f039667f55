// SPDX-License-Identifier: Apache-2.0
// The manual page, from the tables of verbs and options.
#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "base/system/environment.h"
#include "cli/framework/console.h"
#include "cli/framework/markdown.h"
#include "cli/framework/translations_zh.h"
#include "cli/framework/verbs.h"
#include "suanli/base.h"

namespace suanli::cli {

namespace {

/// A letter that is not ASCII, by its number: how man reads a page's bytes depends on the locale
/// and on who calls it.
std::string roff_letter(std::string_view bytes) {
  uint32_t code = static_cast<unsigned char>(bytes[0]) & (0xFFu >> (bytes.size() + 1));
  for (char c : bytes.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3Fu);
  return fmt::format("\\[u{:04X}]", code);
}

/// Escapes characters that roff would interpret: backslashes, hyphens that are minus signs, and
/// dots or quotes at the beginning of a line.
std::string roff(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = character_at(text, at).bytes;
    const char c = text[at];
    if (bytes > 1) out += roff_letter(std::string_view(text).substr(at, bytes));
    else if (c == '\\') out += "\\e";
    else if (c == '-') out += "\\-";
    else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
      out += fmt::format("\\&{}", c);
    else out += c;
    at += bytes;
  }
  return out;
}

std::string section(const Verb& v) {
  auto say = in_users_language;
  std::string out = fmt::format(".SS {}\n{}.\n", roff(words_of(v)), roff(say(v.line)));
  for (const Positional& p : v.positionals)
    out += fmt::format(".TP\n.I {}\n{}\n", roff(p.name), roff(say(p.help)));
  const char* group = "";
  bool left_out = false;
  for (const Option& o : v.options) {
    if (*o.group && !shows_training_options(v)) {
      left_out = true;
      continue;
    }
    if (std::string(group) != o.group) out += fmt::format(".PP\n{}:\n", roff(say(group = o.group)));
    out += fmt::format(
        ".TP\n.B {}{}\n{}{}\n", roff(o.name),
        *o.metavar ? fmt::format(" \\fI{}\\fR", roff(o.metavar)) : "", roff(say(o.help)),
        *o.fallback ? roff(fmt::format(" ({} {})", say("default:"), say(o.fallback))) : "");
  }
  if (left_out) out += fmt::format(".PP\n{}\n", roff(say(kSharedOptions)));
  if (v.examples.empty()) return out;
  out += fmt::format(".PP\n{}\n.nf\n", roff(say("Examples:")));
  for (const char* e : v.examples) out += "    " + roff(e) + "\n";
  return out + ".fi\n";
}

int run(const Arguments& arguments) {
  if (arguments.has("--markdown")) {
    print_result(markdown_page());
    return 0;
  }
  std::string out = fmt::format(
      ".TH SUANLI 1 \"\" \"suanli {}\"\n.SH NAME\nsuanli \\- trains, evaluates and runs neural "
      "networks\n",
      version());
  out += ".SH SYNOPSIS\n.B suanli\n.I COMMAND\n[\\fIoption\\fR \\[u2026]]\n.SH COMMANDS\n";
  for (const Verb& v : verbs()) out += section(v);
  out += R"(.SH EXIT STATUS
.TP
.B 0
success
.TP
.B 1
failure: a loss that became infinite, a bug of Suanli
.TP
.B 2
usage error: an unknown option or command, a value that an option does not accept
.TP
.B 3
data, files or configuration that are missing, damaged or unsuitable; a file or result that cannot be written; a device that is not available; too little memory
.TP
.B 129, 130, 143
ended by SIGHUP, SIGINT or SIGTERM; a training saves a checkpoint first
.TP
.B 141
the reader of the standard output is gone
.SH JSON
With \-\-json, the standard output is one line with a JSON object. If a signal ends a verb other than train, the verb prints nothing.
For an error, the object holds "error" (the text), "exit" (the exit status), "code" (the kind of error) and the parts of the text: "op", "argument", "given", "expected", "module", "remedy" and "settings" (the settings that help). The text also goes to the standard error.
.SH ENVIRONMENT
.TP
.B NO_COLOR
turns bold text off
)";
  for (const EnvironmentVariable& v : kEnvironment)
    out += fmt::format(".TP\n.B {}\n{} ({}; default: {})\n", v.name, roff(v.doc),
                       roff(expected_value(v)), roff(v.usual));
  out += R"(.TP
.B LC_ALL, LC_MESSAGES, LANG
a value that begins with zh selects help in Chinese
.SH FILES
A run folder holds config.toml, metrics.jsonl, log.txt, checkpoints/, model.safetensors and summary.json.
)";
  print_result(out);
  return 0;
}

}  // namespace

Verb man_verb() {
  return {"man",
          "print the manual page",
          {},
          {{"--markdown", OptionType::nothing, "", "print Markdown instead"}},
          {"suanli man | man -l -", "suanli man --markdown > docs/cli.md"},
          run};
}

}  // namespace suanli::cli
