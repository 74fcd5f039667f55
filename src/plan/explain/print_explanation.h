// SPDX-License-Identifier: Apache-2.0
// SUANLI_EXPLAIN.
#pragma once
#include <memory>

#include "suanli/explain.h"

namespace suanli {

/// While it lives, what is planned on this thread is explained if SUANLI_EXPLAIN says so (and
/// nobody else listens); then printed on stderr.
class PrintedExplanation {
 public:
  PrintedExplanation();
  ~PrintedExplanation();
  PrintedExplanation(const PrintedExplanation&) = delete;

 private:
  std::unique_ptr<Explainer> explainer_;
};

}  // namespace suanli
