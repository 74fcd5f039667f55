// The manual page, from the tables of verbs and options.
#include <fmt/format.h>

#include "cli/console.h"
#include "cli/texts.h"
#include "cli/verbs.h"
#include "suanli/base.h"

namespace suanli::cli {

namespace {

/// What roff would read as its own: backslashes, hyphens that are minus signs, and dots or quotes at the beginning of a line.
std::string roff(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '\\') out += "\\e";
    else if (c == '-') out += "\\-";
    else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += fmt::format("\\&{}", c);
    else out += c;
  }
  return out;
}

std::string section(const Verb& v) {
  auto say = in_users_language;
  std::string out = fmt::format(".SS suanli {}", v.name);
  for (const Positional& p : v.positionals) {
    const std::string word = fmt::format("{}{}", p.name, p.many ? "…" : "");
    out += p.required ? " " + word : " [" + word + "]";
  }
  out += "\n" + roff(say(v.line)) + ".\n";
  for (const Positional& p : v.positionals) out += fmt::format(".TP\n.I {}\n{}\n", roff(p.name), roff(say(p.help)));
  const char* group = "";
  for (const Option& o : v.options) {
    if (std::string(group) != o.group) out += fmt::format(".PP\n{}:\n", roff(say(group = o.group)));
    out += fmt::format(".TP\n.B {}{}\n{}{}\n", roff(o.name), *o.metavar ? fmt::format(" \\fI{}\\fR", roff(o.metavar)) : "",
                       roff(say(o.help)), *o.fallback ? roff(fmt::format(" ({} {})", say("default:"), say(o.fallback))) : "");
  }
  if (v.examples.empty()) return out;
  out += fmt::format(".PP\n{}\n.nf\n", say("Examples:"));
  for (const char* e : v.examples) out += "    " + roff(e) + "\n";
  return out + ".fi\n";
}

int run(const Arguments&) {
  std::string out =
      fmt::format(".TH SUANLI 1 \"\" \"suanli {}\"\n.SH NAME\nsuanli \\- trains, measures and uses neural networks\n", version());
  out += ".SH SYNOPSIS\n.B suanli\n.I COMMAND\n[\\fIoption\\fR …]\n.SH COMMANDS\n";
  for (const Verb& v : verbs()) out += section(v);
  out += R"(.SH EXIT STATUS
.TP
.B 0
good
.TP
.B 1
failure
.TP
.B 2
wrong usage
.TP
.B 3
bad data or configuration, names that are not known included
.TP
.B 130, 143
after SIGINT or SIGTERM; the run is saved first
.SH ENVIRONMENT
.TP
.B NO_COLOR
no bold text
.TP
.B SUANLI_THREADS
threads that compute, where \-\-threads does not say
.TP
.B SUANLI_MEMORY_LIMIT
what tensors may take, 400MiB or bytes; more is an error
.TP
.B LC_ALL, LC_MESSAGES, LANG
zh…: help in Chinese
.SH FILES
A run folder holds config.toml, metrics.jsonl, log.txt, checkpoints/, model.safetensors and summary.json.
)";
  print_result(out);
  return 0;
}

}  // namespace

Verb man_verb() { return {"man", "writes the manual page", {}, {}, {"suanli man | man -l -"}, run}; }

}  // namespace suanli::cli
