// SPDX-License-Identifier: Apache-2.0
// Explanations of a program: its passes, kernels and memory, as text and as data.
//
//   Explainer explainer;
//   step();                                    // everything that is planned on this thread
//   puts(in_words(explainer.programs()[0]).c_str());
//
// SUANLI_EXPLAIN=1 prints every program of a process to stderr when it is planned.
// SUANLI_EXPLAIN=tape also prints its records after each pass.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "suanli/tensor.h"

namespace suanli {

/// A value or workspace that holds memory at the peak of a program's working memory.
struct MemoryHolder {
  enum Kind : uint8_t { activation, gradient, workspace };
  Kind kind;
  std::string op, module;  ///< The op that computed it; for a workspace, the op of the kernel.
  Shape shape;             ///< Empty for a workspace.
  int64_t bytes;
};

/// A cell's new value that is not written over the former one, although it could be.
struct KeptUpdate {
  std::string op, module, why;
  int64_t bytes;
};

/// Memory and FLOPs of one execution of a program, known from its plan.
struct ProgramForecast {
  int64_t flops = 0, kernels = 0;
  /// The part of `flops` that kernels save: convolutions with Winograd's algorithm.
  int64_t saved_flops = 0;
  /// Working memory: workspaces, and values that do not leave the program.
  int64_t arena_bytes = 0;
  int64_t gradient_bytes = 0;         ///< The part of gradients at the peak.
  int64_t workspace_bytes = 0;
  /// New storages for values that leave the program. The storages that they replace are held until
  /// the program ends.
  std::vector<int64_t> output_bytes;
  /// Results that need no new storage because they overwrite the values that they replace.
  int64_t overwritten_bytes = 0;
  std::vector<KeptUpdate> kept;
  /// Values that are computed once from constant weights, for all programs: their layouts for
  /// kernels, and values that depend only on them. The key is a weight and the number of the
  /// computation. The value is the size in bytes.
  std::map<std::pair<const void*, uint64_t>, int64_t> packed;
  /// Kernels, besides `kernels`, that compute such values when the weights are first used.
  int64_t constant_kernels = 0;
  std::string peak_step;  ///< The kernel that runs at the peak.
  std::vector<MemoryHolder> holders;  ///< At the peak, largest first.
};

/// A program after one pass.
struct PassListing {
  std::string pass;  ///< "recorded", "simplify", …
  std::vector<std::string> records;  ///< "%12 = relu(%11) f32[64, 32]  in conv1"
};

struct ExplainedKernel {
  std::string name, module;
  enum Phase : uint8_t { forward, backward, update };
  Phase phase;  ///< A kernel of both a gradient and its update counts as backward.
  bool updates = false;  ///< A result is a new value of a parameter or of optimizer state.
  /// The first record that it computes, in the order of recording.
  int64_t record = 0;
  std::vector<std::string> results;  ///< "f32[64, 32]"
  std::vector<size_t> reads;  ///< Kernels whose results it reads.
  int64_t ops = 1;  ///< The number of records that it computes.
  int64_t flops = 0, bytes = 0, workspace_bytes = 0;
  /// Live bytes of working memory while it runs, including its workspace.
  int64_t alive_bytes = 0;
  bool leaves = false;  ///< A result outlives the program.
};

/// Neighbors that are not fused although they could be, for one reason.
struct Unfused {
  std::string why, example;
  int64_t count;
};

/// A composite op that user code called. The program holds its parts.
struct ExplainedCall {
  std::string op, attributes, module;  ///< "mean", "dim=[1], keepdim=false", "head.norm".
  size_t depth = 0;  ///< The number of calls in this list that it is a part of.
  /// Its parts: so many records of the first listing, from `first` on. Parts that nobody needs are
  /// in no program.
  size_t first = 0, records = 0;
  /// As the first listing names them: "leaf0", "%12.1". "unused" if no part reads the input, or
  /// the program does not need the result.
  std::vector<std::string> inputs, results;
};

struct ProgramExplanation {
  std::vector<PassListing> passes;
  std::vector<ExplainedCall> calls;  ///< Outer ones before those within.
  std::vector<ExplainedKernel> kernels;  ///< In the order in which they run.
  std::vector<Unfused> unfused;  ///< Most frequent first.
  ProgramForecast memory;
};

/// Returns several paragraphs. `records` adds the listings of all passes.
SUANLI_API std::string in_words(const ProgramExplanation& program, bool records = false);

/// While it exists, explains the programs that are planned on the thread that made it. It does not
/// see programs that are already planned (see clear_plan_cache()). Each thread may have one at a
/// time; a second one throws ArgumentError.
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
