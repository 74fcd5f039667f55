// suanli: finds the verb, runs it, and turns every error into one line and an exit code.
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/options.h"
#include "cli/signals.h"
#include "cli/verbs.h"

namespace suanli::cli {
namespace {

constexpr int kFailure = 1, kUsage = 2, kInvalidInput = 3;

int fail(std::string text, int code) {
  for (size_t at; (at = text.find('\n')) != std::string::npos;) text.replace(at, 1, " ");
  print_note("suanli: " + text);
  return code;
}

int run(const std::vector<std::string>& words) {
  if (words.empty()) {
    print_note(overview());
    return kUsage;
  }
  std::string name = words[0];
  if (name == "--help" || name == "-h") name = "help";
  if (name == "--version" || name == "-V") name = "version";
  const Verb& verb = find_verb(name);
  bool help = false;
  Arguments arguments = parse(verb, {words.begin() + 1, words.end()}, &help);
  if (help) return print_result(help_of(verb)), 0;
  return verb.run(arguments);
}

}  // namespace
}  // namespace suanli::cli

int main(int argc, char** argv) {
  using namespace suanli;
  using namespace suanli::cli;
  ignore_write_signals();
  try {
    return run({argv + 1, argv + argc});
  } catch (const UsageError& e) { return fail(e.what(), kUsage); } catch (const InputError& e) {
    return fail(e.what(), kInvalidInput);
  } catch (const DeviceError& e) { return fail(e.what(), kInvalidInput); } catch (const std::bad_alloc&) {
    return fail("out of memory", kFailure);
  } catch (const std::exception& e) { return fail(e.what(), kFailure); }
}
