// SPDX-License-Identifier: Apache-2.0
// docs/cli.md, from the tables of verbs and options.
#include "cli/framework/markdown.h"

#include <fmt/format.h>

#include "cli/framework/verbs.h"

namespace suanli::cli {

namespace {

/// A cell of a table: a bar would end it.
std::string cell(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string row(const std::string& name, const std::string& metavar, const std::string& help,
                const std::string& fallback) {
  const std::string word = metavar.empty() ? name : fmt::format("{} {}", name, metavar);
  return fmt::format("| `{}` | {} | {} |\n", cell(word), cell(help), cell(fallback));
}

std::string section(const Verb& v) {
  std::string out = fmt::format("## suanli {}\n\n", v.name);
  out += fmt::format("`{}{}`: {}.\n", words_of(v), v.options.empty() ? "" : " [options]", v.line);
  constexpr const char* kHead = "\n| option | effect | default |\n|---|---|---|\n";
  if (!v.positionals.empty()) {
    out += "\n| argument | meaning |\n|---|---|\n";
    for (const Positional& p : v.positionals)
      out += fmt::format("| `{}` | {} |\n", p.name, cell(p.help));
  }
  const char* group = nullptr;
  bool left_out = false;
  for (const Option& o : v.options) {
    if (*o.group && !shows_training_options(v)) {
      left_out = true;
      continue;
    }
    if (group == nullptr || std::string(group) != o.group) {
      group = o.group;
      if (*group) out += fmt::format("\n### {}\n", group);
      out += kHead;
    }
    out += row(o.name, o.metavar, o.help, o.fallback);
  }
  if (left_out) out += fmt::format("\n{}\n", kSharedOptions);
  if (v.examples.empty()) return out + "\n";
  out += "\n```sh\n";
  for (const char* e : v.examples) out += fmt::format("{}\n", e);
  return out + "```\n\n";
}

}  // namespace

std::string markdown_page() {
  std::string out =
      "# The command line\n\n"
      "`suanli man --markdown` writes this page from the tables of verbs and options.\n"
      "`suanli help VERB` prints the part for one verb, in Chinese if the locale is Chinese.\n\n";
  for (const Verb& v : verbs()) out += section(v);
  out += R"(## Exit status

| status | meaning |
|---|---|
| 0 | success |
| 1 | failure: a loss that became infinite, a bug of Suanli |
| 2 | usage error: an unknown option or command, a value that an option does not accept |
| 3 | data, files or configuration that are missing, damaged or unsuitable; a file or result that cannot be written; a device that is not available; too little memory |
| 129, 130, 143 | ended by SIGHUP, SIGINT or SIGTERM; a training saves a checkpoint first |
| 141 | the reader of the standard output is gone |

With `--json`, the standard output is one line with a JSON object. For an error, the object holds `error` (the
text), `exit` (the exit status), `code` (the kind of error) and the parts of the text: `op`, `argument`,
`given`, `expected`, `module`, `remedy` and `settings` (the settings that help). The text also goes to the standard error.
)";
  return out;
}

}  // namespace suanli::cli
