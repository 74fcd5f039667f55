// SPDX-License-Identifier: Apache-2.0
// Runs an expression with reductions. Reductions along rows divide it into stages. Each stage runs
// tile by tile over a block of whole rows, which stays in a cache; then the next stage runs over
// the block. Values with one number per row are computed between stages. Without rows, there is one
// stage.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "backends/cpu/fused/reduction_tiles.h"
#include "backends/cpu/fused/tile_executor.h"
#include "runtime/step.h"

namespace suanli::cpu {

class RowProgramExecutor {
 public:
  /// Blocks are multiples of `whole` elements. Without rows, the caller chooses such blocks.
  RowProgramExecutor(const Expr& expr, const std::vector<ValueDesc>& in,
                     const std::vector<ValueDesc>& out, int64_t whole);

  int64_t total() const { return total_; }
  /// The most elements of a call of compute().
  int64_t block() const { return block_; }
  /// Ops per element.
  int64_t work() const { return work_; }
  /// Bytes of a Run's memory.
  int64_t run_bytes() const { return run_bytes_; }

  /// A reduction across rows. The caller computes its value.
  struct Across {
    size_t result;  // of Step::out
    ReductionOp op;
    DType dtype, type;  // of the elements, of the result
  };
  const std::vector<Across>& across() const { return across_; }

 private:
  /// The place of a value: in Step::in, in Step::out, or in a buffer for the elements or rows of a
  /// block.
  struct Home {
    enum Kind : uint8_t { input, output, buffer } kind;
    size_t index;
  };
  struct Buffer {
    int64_t at, itemsize;
    bool per_row;
  };
  /// A reduction along rows, of a kept value of a stage.
  struct Along {
    size_t kept;
    ReductionOp op;
    DType dtype, type;  // of the elements, of the result
    int64_t accumulators;
    Home home;
  };
  struct Stage {
    bool per_row = false;
    std::unique_ptr<TileExecutor> tiles;
    std::vector<Home> in, out;
    std::vector<Along> along;
    std::vector<std::pair<size_t, size_t>> across;  // kept value, index in across_
    int64_t inputs_at = 0;
  };
  class Compiler;

 public:
  /// One thread's walk over blocks. Needs no destructor.
  class Run {
   public:
    /// `memory`: run_bytes(), 64-byte aligned.
    Run(const RowProgramExecutor& runner, const void* const* in, void* const* out,
        std::byte* memory);
    Run(const Run&) = delete;
    /// Computes elements at … at+n−1: whole rows, n ≤ block(). Calls across(k, values, at', n')
    /// with each tile of the operand of the k-th reduction across rows.
    template <class F> void compute(int64_t at, int64_t n, F&& across) {
      begin(at, n);
      Prefetcher ahead;
      look_ahead(at + n, std::min(n, runner_.total_ - at - n), ahead);
      for (size_t s = 0; s < runner_.stages_.size(); ++s) {
        const Stage& stage = runner_.stages_[s];
        const int64_t length = stage.per_row ? n / runner_.row_ : n,
                      step = stage.per_row ? stage.tiles->tile() : runner_.step_;
        for (int64_t done = 0; done < length; done += step) {
          const int64_t count = std::min(step, length - done);
          tile(s, (stage.per_row ? at / runner_.row_ : at) + done, done, count, ahead);
          for (const auto& [kept, k] : stage.across)
            across(k, states_[s].tiles->kept(kept), at + done, count);
        }
        finish(stage, at, n);
      }
    }

   private:
    struct State {
      const void* in[Expr::kMaxPointers + Expr::kMaxInstructions];
      void* out[Expr::kMaxPointers + Expr::kMaxInstructions];
      std::optional<TileExecutor::Run> tiles;
    };
    friend class RowProgramExecutor;

    void* address(const Home& home, int64_t at) const;
    void begin(int64_t at, int64_t n);
    void look_ahead(int64_t at, int64_t n, Prefetcher& ahead) const;
    void tile(size_t stage, int64_t at, int64_t done, int64_t n, Prefetcher& ahead);
    void finish(const Stage& stage, int64_t at, int64_t n);

    const RowProgramExecutor& runner_;
    const void* const* in_;
    void* const* out_;
    std::byte* memory_;
    State* states_;
  };

 private:
  std::vector<Stage> stages_;
  std::vector<Buffer> buffers_;
  std::vector<Across> across_;
  struct Whole {
    size_t input;
    int64_t itemsize;
  };
  std::vector<Whole>
      whole_;  // inputs with one element per element of the space, too large for a near cache
  int64_t total_, row_, block_ = 0, step_ = 0, work_ = 0, run_bytes_ = 0;
};

}  // namespace suanli::cpu
