// SPDX-License-Identifier: Apache-2.0
// Runs an expression on one tile after the other, so that everything between the loads and the
// stores stays in L1: what pointwise ops and reductions over them have in common.
#pragma once
#include <array>
#include <vector>

#include "backends/cpu/fused/tile_program.h"
#include "backends/cpu/numerics.h"
#include "backends/cpu/simd/prefetch.h"
#include "backends/cpu/tuning.h"

namespace suanli::cpu {

class TileExecutor {
 public:
  /// Values have the shape `space`, or broadcast to it. `results` are stored, one per dtype of
  /// `out`; `kept` can be read after each tile. `changing`: per input, whether its memory changes
  /// while a Run lives; empty: none does. `streamed`: per result, whether it goes past the caches;
  /// empty: none does. The caller then calls finish_past_caches().
  TileExecutor(const std::vector<Expr::Instruction>& code, const std::vector<ValueDesc>& in,
               const std::vector<DType>& out, const std::vector<uint8_t>& results,
               const std::vector<uint8_t>& kept, const Shape& space,
               const std::vector<uint8_t>& changing = {},
               const std::vector<uint8_t>& streamed = {});

  /// Elements of the space, and those that are computed at once; a power of two, kMinTile at
  /// least.
  int64_t total() const { return total_; }
  int64_t tile() const { return tile_; }
  /// Returns the number of inputs (`in`).
  size_t inputs() const { return given_; }
  /// Instructions per element.
  int64_t work() const { return static_cast<int64_t>(program_.code.size()); }

  static constexpr int64_t kMinTile = Numerics::reduction_block;
  static constexpr int64_t kScratchBytes = CpuTuning::scratch_bytes;

  /// Bytes of scratch of one thread, a multiple of 64, kScratchBytes at most: for inputs, which
  /// hold from tile to tile, and for what is computed, which does not.
  int64_t input_bytes() const { return slots_at_; }
  int64_t slot_bytes() const { return scratch_ - slots_at_; }

  /// One thread's walk over tiles.
  class Run {
   public:
    /// At most `longest` elements at once. Scratch is 64-byte aligned.
    Run(const TileExecutor& runner, const void* const* in, void* const* out, int64_t longest,
        std::byte* for_inputs, std::byte* for_slots);
    Run(const Run&) = delete;
    /// Elements at … at+n−1, n ≤ tile(). Calls ahead.fetch() with every op.
    void compute(int64_t at, int64_t n, Prefetcher& ahead);
    /// Adds what elements at … at+n−1 are read from, where they lie in order.
    void look_ahead(int64_t at, int64_t n, Prefetcher& ahead) const;
    /// The i-th kept value of the latest tile.
    const void* kept(size_t i) const { return registers_[runner_.program_.kept[i]]; }

   private:
    const TileExecutor& runner_;
    const void* const* in_;
    void* const* out_;
    std::byte* inputs_;
    std::byte* computed_[TileProgram::kMaxRegisters];  // null: where the result lies
    const void* registers_[TileProgram::kMaxRegisters];
    // per input: what its scratch holds, see gathered()
    int64_t filled_[TileProgram::kMaxRegisters];
  };

  /// Elements begin … end−1, with scratch on the stack.
  void run(const void* const* in, void* const* out, int64_t begin, int64_t end) const;

 private:
  /// A load, and how its elements lie against the space.
  struct Input {
    enum Kind : uint8_t {
      linear,  // as in the space
      // in[i mod period], period small: a scalar, a bias; expanded once per run, then pointed into
      periodic,
      strided,  // any other broadcast: gathered tile by tile
    } kind;
    uint8_t source;
    uint16_t to;
    int64_t period = 0;  // the trailing elements that it has …
    int64_t span = 0;  // … and how many elements of the space it repeats them over
    bool one_per_span = false;  // an element for each of them, in order
    std::array<int64_t, 8> strides{};  // over sizes_
    int64_t itemsize = 0, width = 0;  // of an element in memory, and of one as it is computed with
    ConvertFn convert = nullptr;  // nullptr: these are the same
    int64_t scratch = -1;  // offset, if it is not always read in place
  };

  int64_t reserve(int64_t elements, int64_t width);
  Input prepare(const TileProgram::Load& load, const ValueDesc& desc,
                const std::array<int64_t, 8>& strides, bool changes);
  Input classify(const std::array<int64_t, 8>& strides, int64_t numel, bool changes) const;
  template <class T> void gather(const Input& input, const void* in, std::byte* out, int64_t begin,
                                 int64_t n) const;
  const void* gathered(const Input& input, const std::byte* from, std::byte* scratch, int64_t begin,
                       int64_t n, int64_t& filled) const;
  const void* load(const Input& input, const void* memory, std::byte* scratch, int64_t at,
                   int64_t n, int64_t& filled) const;

  TileProgram program_;
  std::vector<Input> inputs_;
  std::vector<int64_t> sizes_;  // of the space, axes merged; at least one
  std::vector<int64_t> out_itemsize_;
  std::vector<uint8_t> streamed_;
  size_t given_;
  int64_t total_, tile_ = 0, scratch_ = 0, slots_at_ = 0;
  int64_t near_bytes_;  // larger inputs are prefetched
};

}  // namespace suanli::cpu
