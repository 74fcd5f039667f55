// SPDX-License-Identifier: Apache-2.0
// Rehearsing programs: recorded and planned as they will be, with shapes instead of data, and
// nothing is computed.
#pragma once
#include <vector>

#include "runtime/storage.h"
#include "suanli/explain.h"

namespace suanli {

/// While it lives, programs of this thread are planned (and stay in the plan cache) but not run,
/// and reading a value throws RehearsalError. Afterward everything is as before: cells, gradients,
/// generators; what was recorded is gone.
class SUANLI_API Rehearsal {
 public:
  Rehearsal();
  ~Rehearsal();
  Rehearsal(const Rehearsal&) = delete;

  /// Stands for data of this shape.
  Tensor leaf(const Shape& shape, DType dtype);
  /// Of the programs so far, in the order of their flushes.
  const std::vector<ProgramForecast>& programs() const { return programs_; }
  /// Of each size, the most blocks that results of programs have taken at once so far.
  const Blocks& results() const { return results_.most; }

 private:
  std::vector<ProgramForecast> programs_;
  RehearsedResults results_;
};

}  // namespace suanli
