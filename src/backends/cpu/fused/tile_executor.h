// SPDX-License-Identifier: Apache-2.0
// Runs an expression tile by tile. Intermediate values stay in L1. Pointwise kernels, reductions
// and epilogues use it.
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
  /// Inputs have the shape `space` or broadcast to it. The values `results` are stored; `out` holds
  /// their dtypes. The values `kept` can be read after each tile. `changing` marks the inputs whose
  /// memory changes while a Run exists. `streamed` marks the results that bypass the caches; if
  /// there are any, the user of a Run must call finish_past_caches(). An empty list marks none.
  TileExecutor(const std::vector<Expr::Instruction>& code, const std::vector<ValueDesc>& in,
               const std::vector<DType>& out, const std::vector<uint8_t>& results,
               const std::vector<uint8_t>& kept, const Shape& space,
               const std::vector<uint8_t>& changing = {},
               const std::vector<uint8_t>& streamed = {});

  /// Returns the number of elements of `space`.
  int64_t total() const { return total_; }
  /// Returns the number of elements of a tile: a power of two, at least kMinTile.
  int64_t tile() const { return tile_; }
  /// Returns the number of inputs (`in`).
  size_t inputs() const { return given_; }
  /// Returns the number of instructions that run for each element.
  int64_t work() const { return static_cast<int64_t>(program_.code.size()); }

  static constexpr int64_t kMinTile = Numerics::reduction_block;
  static constexpr int64_t kScratchBytes = CpuTuning::scratch_bytes;

  /// Scratch bytes that a thread needs for inputs. Their contents must persist between tiles.
  int64_t input_bytes() const { return slots_at_; }
  /// Scratch bytes that a thread needs for computed values, which live for one tile. Both sizes are
  /// multiples of 64. Their sum is at most kScratchBytes.
  int64_t slot_bytes() const { return scratch_ - slots_at_; }

  /// The state of one thread that computes tiles.
  class Run {
   public:
    /// compute() gets at most `longest` elements per call. Both scratch areas are 64-byte
    /// aligned.
    Run(const TileExecutor& runner, const void* const* in, void* const* out, int64_t longest,
        std::byte* for_inputs, std::byte* for_slots);
    Run(const Run&) = delete;
    /// Computes elements at … at+n−1, n ≤ tile(). Calls ahead.fetch() before every instruction.
    void compute(int64_t at, int64_t n, Prefetcher& ahead);
    /// Adds the input memory of elements at … at+n−1 to `ahead`. Skips broadcast inputs and small
    /// inputs.
    void look_ahead(int64_t at, int64_t n, Prefetcher& ahead) const;
    /// Returns the i-th value of `kept`, for the tile that was computed last.
    const void* kept(size_t i) const { return registers_[runner_.program_.kept[i]]; }

   private:
    const TileExecutor& runner_;
    const void* const* in_;
    void* const* out_;
    std::byte* inputs_;
    std::byte* computed_[TileProgram::kMaxRegisters];  // null: written directly to the result
    const void* registers_[TileProgram::kMaxRegisters];
    // per input: the span that its scratch holds, see gathered()
    int64_t filled_[TileProgram::kMaxRegisters];
  };

  /// Computes elements begin … end−1, with scratch on the stack.
  void run(const void* const* in, void* const* out, int64_t begin, int64_t end) const;

 private:
  /// A load, and how its elements map to the elements of `space`.
  struct Input {
    enum Kind : uint8_t {
      linear,  // one element per element of the space, in order
      // Element i is in[i mod period], as for a scalar or a bias. The period is at most a tile. A
      // Run repeats the input into scratch once, and tiles point into that copy.
      periodic,
      strided,  // any other broadcast: each tile gathers its elements
    } kind;
    uint8_t source;
    uint16_t to;
    int64_t period = 0;  // elements of the trailing axes that the input has in full
    int64_t span = 0;  // consecutive elements of the space over which a period repeats
    bool one_per_span = false;  // the input has one element for each span, in order
    std::array<int64_t, 8> strides{};  // one for each axis of sizes_
    int64_t itemsize = 0, width = 0;  // bytes of an element in memory and in the compute dtype
    ConvertFn convert = nullptr;  // nullptr: both dtypes are equal
    int64_t scratch = -1;  // offset; -1: the input is always read in place
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
  std::vector<int64_t> sizes_;  // of the merged axes of the space; at least one axis
  std::vector<int64_t> out_itemsize_;
  std::vector<uint8_t> streamed_;
  size_t given_;
  int64_t total_, tile_ = 0, scratch_ = 0, slots_at_ = 0;
  int64_t near_bytes_;  // larger inputs are prefetched
};

}  // namespace suanli::cpu
