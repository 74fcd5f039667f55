// SPDX-License-Identifier: Apache-2.0
// Explanations of a program: its passes, kernels and memory, in words and as data.
//
//   Explainer explainer;
//   step();                                    // whatever is planned on this thread meanwhile
//   puts(in_words(explainer.programs()[0]).c_str());
//
// SUANLI_EXPLAIN=1 prints every program of a process to stderr when it is planned;
// SUANLI_EXPLAIN=tape its records after each pass too.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "suanli/tensor.h"

namespace suanli {

/// A holder of memory at the peak of a program's working memory.
struct MemoryHolder {
  enum Kind : uint8_t { activation, gradient, workspace };
  Kind kind;
  std::string op, module;  ///< That computed it; of a workspace: the kernel's.
  Shape shape;             ///< None of a workspace.
  int64_t bytes;
};

/// A cell's new value that is not written over its former one, though it might be.
struct KeptUpdate {
  std::string op, module, why;
  int64_t bytes;
};

/// Memory and FLOPs of one execution of a program, known from its plan alone.
struct ProgramForecast {
  int64_t flops = 0, kernels = 0;
  /// Part of `flops` that the kernels do without: convolutions by Winograd's algorithm.
  int64_t saved_flops = 0;
  /// Working memory: values that do not leave the program, and workspaces.
  int64_t arena_bytes = 0;
  int64_t gradient_bytes = 0;         ///< Share of gradients at the peak.
  int64_t workspace_bytes = 0;
  /// Fresh storages for what leaves it; what it replaces is held until it ends.
  std::vector<int64_t> output_bytes;
  /// Results that need none: they are written over what they replace.
  int64_t overwritten_bytes = 0;
  std::vector<KeptUpdate> kept;
  /// Computed from constant weights once for all programs: their layouts for kernels, and values
  /// that depend on them alone. A weight, a number that says what is computed, and its bytes.
  std::map<std::pair<const void*, uint64_t>, int64_t> packed;
  /// Beside `kernels`: those that compute such values, at first sight of the weights.
  int64_t constant_kernels = 0;
  std::string peak_step;              ///< The kernel that runs when it is fullest.
  std::vector<MemoryHolder> holders;  ///< Then, largest first.
};

/// A program as it is after one pass.
struct PassListing {
  std::string pass;                  ///< "recorded", "simplify", …
  std::vector<std::string> records;  ///< "%12 = relu(%11) f32[64, 32]  in conv1"
};

struct ExplainedKernel {
  std::string name, module;
  enum Phase : uint8_t { forward, backward, update };
  Phase phase;           ///< A kernel of a gradient and its update counts as backward.
  bool updates = false;  ///< A result is a new value of a parameter or of the optimizer's state.
  /// The first of the records that it computes, in the order of recording.
  int64_t record = 0;
  std::vector<std::string> results;  ///< "f32[64, 32]"
  std::vector<size_t> reads;         ///< Kernels whose results it reads.
  int64_t ops = 1;                   ///< Records that it computes.
  int64_t flops = 0, bytes = 0, workspace_bytes = 0;
  /// Live bytes of working memory while it runs, workspace included.
  int64_t alive_bytes = 0;
  bool leaves = false;               ///< A result outlives the program.
};

/// Neighbors that could be fused and are not, for one reason.
struct Unfused {
  std::string why, example;
  int64_t count;
};

struct ProgramExplanation {
  std::vector<PassListing> passes;
  std::vector<ExplainedKernel> kernels;  ///< In the order in which they run.
  std::vector<Unfused> unfused;          ///< Most frequent first.
  ProgramForecast memory;
};

/// Several paragraphs; `records` adds the listings of all passes.
SUANLI_API std::string in_words(const ProgramExplanation& program, bool records = false);

/// Explains what is planned on the thread that makes it, while it lives; programs that are planned
/// already are not seen (see clear_plan_cache()). One at a time per thread: throws ArgumentError.
class SUANLI_API Explainer {
 public:
  Explainer();
  ~Explainer();
  Explainer(const Explainer&) = delete;
  const std::vector<ProgramExplanation>& programs() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace suanli
