// SPDX-License-Identifier: Apache-2.0
#include "cli/framework/console.h"
#include "cli/framework/verbs.h"
#include "suanli/base.h"

namespace suanli::cli {

namespace {
// Nothing here may start the thread pool or oneDNN: scripts ask for the version in loops.
int run(const Arguments&) {
  print_result(std::string("suanli ") + version() + "\n");
  return 0;
}
}  // namespace

Verb version_verb() { return {"version", "print the version", {}, {}, {}, run}; }

}  // namespace suanli::cli
