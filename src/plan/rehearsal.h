// SPDX-License-Identifier: Apache-2.0
// Rehearsal: programs are recorded and planned with shapes instead of data, and nothing runs.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "suanli/explain.h"

namespace suanli {

/// Blocks of memory by their size, and how many of each.
using Blocks = std::map<int64_t, int64_t>;

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
  /// Forecasts of the programs so far, in the order of their flushes.
  const std::vector<ProgramForecast>& programs() const;
  /// The most blocks of each size that results of programs have taken at once so far.
  const Blocks& results() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace suanli
