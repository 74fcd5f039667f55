// SPDX-License-Identifier: Apache-2.0
// suanli: finds the verb, runs it, and turns every error into one line and an exit code.
#include <algorithm>
#include <csignal>
#include <exception>
#include <iterator>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/system/environment.h"
#include "base/text/json.h"
#include "cli/framework/console.h"
#include "cli/framework/hints.h"
#include "cli/framework/options.h"
#include "cli/framework/signals.h"
#include "cli/framework/verbs.h"

namespace suanli::cli {
namespace {

constexpr int kFailure = 1, kUsage = 2, kUnsuitable = 3, kBrokenPipe = 128 + SIGPIPE;

/// --json before a "--": whoever reads stdout gets one JSON object, errors included.
bool json_is_asked_for(const std::vector<std::string>& words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::find(words.begin(), end, "--json") != end;
}

/// One line on stderr; with --json also an object on stdout: the text, the exit code, and the parts
/// of an Error.
int fail(std::string text, int code, Json parts, const std::vector<std::string>& words) {
  for (size_t at; (at = text.find('\n')) != std::string::npos;) text.replace(at, 1, " ");
  print_note("suanli: " + text);
  if (!json_is_asked_for(words)) return code;
  Json object = Json::Object{{"error", text}, {"exit", code}};
  for (const auto& [key, value] : parts.object()) object.set(key, value);
  try {
    print_result(object.dump() + "\n");
  } catch (const Error&) {}  // nobody reads it, or it is stdout itself that failed
  return code;
}
int fail(const std::string& text, const std::vector<std::string>& words) {
  return fail(text, kFailure, Json::Object(), words);
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::argument: return kUsage;
    case ErrorCode::io:
    case ErrorCode::device:
    case ErrorCode::memory: return kUnsuitable;
    default: return kFailure;
  }
}

/// The text of an error, and the options that help.
std::string in_words(const Error& e, const std::vector<std::string>& words) {
  std::string text = e.what();
  const auto verb = std::find_if(verbs().begin(), verbs().end(), [&](const Verb& v) {
    return !words.empty() && words[0] == v.name;
  });
  const std::string more = verb == verbs().end() ? "" : hints(e.fault(), *verb, words);
  if (more.empty()) return text;
  if (!text.ends_with('.') && !text.ends_with('?')) text += '.';
  return text + ' ' + more;
}

int fail(const Error& e, const std::vector<std::string>& words) {
  return fail(in_words(e, words), exit_code(e.code()), as_json(e), words);
}

int run(const std::vector<std::string>& words) {
  if (words.empty()) {
    print_note(overview());
    return kUsage;
  }
  std::string name = words[0];
  if (name == "--help" || name == "-h") name = "help";
  if (name == "--version" || name == "-V" || name == "-v") name = "version";
  const Verb& verb = find_verb(name);
  bool help = false;
  Arguments arguments = parse(verb, {words.begin() + 1, words.end()}, &help);
  if (help) {
    print_result(help_of(verb));
    return 0;
  }
  // Texts about the program come out whatever the environment holds.
  constexpr std::string_view kTexts[] = {"help", "version", "man", "completion"};
  if (std::find(std::begin(kTexts), std::end(kTexts), verb.name) == std::end(kTexts))
    check_environment();
  return verb.run(arguments);
}

}  // namespace
}  // namespace suanli::cli

int main(int argc, char** argv) {
  using namespace suanli;
  using namespace suanli::cli;
  occupy_standard_files();
  ignore_write_signals();
  end_on_stop_signals();
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    return run(words);
  } catch (const BrokenPipe&) { return kBrokenPipe; } catch (const Error& e) {
    return fail(e, words);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", kUnsuitable, Json::Object(), words);
  } catch (const std::exception& e) { return fail(e.what(), words); }
}
