#include "cli/console.h"
#include "cli/verbs.h"

namespace suanli::cli {

namespace {
int run(const Arguments& arguments) {
  print_result(arguments.positionals().empty() ? overview() : help_of(find_verb(arguments.positional(0))));
  return 0;
}
}  // namespace

Verb help_verb() {
  return {"help", "shows the commands, or the options of one", {{"COMMAND", "the command to explain", false}}, {}, {"suanli help train"},
          run};
}

}  // namespace suanli::cli
