// Rehearsing programs: recorded and planned as they will be, with shapes instead of data, and nothing is computed.
#pragma once
#include <string>
#include <vector>

#include "suanli/tensor.h"

namespace suanli {

/// Who holds memory at the moment when a program's working memory is fullest.
struct MemoryHolder {
  enum Kind : uint8_t { activation, gradient, workspace };
  Kind kind;
  std::string op, module;  // that computed it; for a workspace: the kernel's
  Shape shape;             // none of a workspace
  int64_t bytes;
};

/// What one execution of a program will need, known from its plan alone.
struct ProgramForecast {
  int64_t flops = 0, kernels = 0;
  int64_t arena_bytes = 0;             // working memory: values that do not leave the program, and workspaces
  int64_t gradient_bytes = 0;          // of it, at its peak
  int64_t workspace_bytes = 0;
  std::vector<int64_t> output_bytes;   // fresh storages for what leaves it; what it replaces is held until it ends
  int64_t overwritten_bytes = 0;       // results that need none: they are written over what they replace
  std::string peak_step;               // the kernel that runs at the peak
  std::vector<MemoryHolder> holders;   // at the peak, largest first
};

/// While it lives, programs of this thread are planned (and stay in the plan cache) but not run, and reading a value throws
/// RehearsalError. Afterwards everything is as before: cells, gradients, generators; what was recorded is gone.
class Rehearsal {
 public:
  Rehearsal();
  ~Rehearsal();
  Rehearsal(const Rehearsal&) = delete;

  /// Stands for data of this shape.
  Tensor leaf(const Shape& shape, DType dtype);
  /// Of the programs so far, in the order of their flushes.
  const std::vector<ProgramForecast>& programs() const { return programs_; }

 private:
  std::vector<ProgramForecast> programs_;
};

}  // namespace suanli
