// SPDX-License-Identifier: Apache-2.0
#include "cli/framework/verbs.h"

namespace suanli::cli {

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> all = {
      train_verb(),   eval_verb(),    predict_verb(), data_verb(), profile_verb(),
      explain_verb(), bench_verb(),   doctor_verb(),  ops_verb(),  completion_verb(),
      man_verb(),     version_verb(), help_verb()};
  return all;
}

}  // namespace suanli::cli
