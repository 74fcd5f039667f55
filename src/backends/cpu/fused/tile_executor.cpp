// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/fused/tile_executor.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/fused/reduction_tiles.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/simd/iteration.h"
#include "backends/cpu/simd/streaming_store.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"

namespace suanli::cpu {
namespace {

/// Repeats the first `done` elements until there are `n`.
void repeat(std::byte* to, int64_t done, int64_t n, int64_t width) {
  for (; done < n; done *= 2)
    std::memcpy(to + done * width, to, static_cast<size_t>(std::min(done, n - done) * width));
}

}  // namespace

TileExecutor::TileExecutor(const std::vector<Expr::Instruction>& code,
                           const std::vector<ValueDesc>& in, const std::vector<DType>& out,
                           const std::vector<uint8_t>& results, const std::vector<uint8_t>& kept,
                           const Shape& space, const std::vector<uint8_t>& changing,
                           const std::vector<uint8_t>& streamed)
    : program_(lower(code, in, results, kept)),
      streamed_(streamed),
      given_(in.size()),
      total_(space.numel()),
      near_bytes_(cpu_tuning().core_cache_bytes) {
  const CpuTuning& tuning = cpu_tuning();
  streamed_.resize(out.size());
  std::vector<std::array<int64_t, 8>> strides;
  for (const ValueDesc& v : in) strides.push_back(broadcast_strides(v.shape, space));
  sizes_ = collapse(space, strides);
  for (DType d : out) out_itemsize_.push_back(itemsize(d));
  for (tile_ = tuning.tile_bytes / program_.width;; tile_ /= 2) {
    inputs_.clear();
    scratch_ = 0;
    for (const TileProgram::Load& load : program_.loads)
      inputs_.push_back(prepare(load, in[load.source], strides[load.source],
                                !changing.empty() && changing[load.source]));
    slots_at_ = scratch_;
    scratch_ += (program_.slots + std::count(streamed_.begin(), streamed_.end(), 1)) * tile_ *
                program_.width;
    // Long programs use smaller tiles, so that their registers stay in L1. The minimum size keeps
    // the cost of calls small.
    if (scratch_ <= (tile_ > kMinTile ? tuning.tile_scratch_bytes : kScratchBytes)) break;
  }
  count_held(static_cast<int64_t>(
      sizeof *this + program_.code.size() * sizeof(TileProgram::Instruction) +
      inputs_.size() * sizeof(Input) + program_.registers.size() * sizeof(TileProgram::Register)));
}

int64_t TileExecutor::reserve(int64_t elements, int64_t width) {
  const int64_t at = scratch_;
  scratch_ += round_up(elements * width, 64);
  return at;
}

TileExecutor::Input TileExecutor::prepare(const TileProgram::Load& load, const ValueDesc& desc,
                                          const std::array<int64_t, 8>& strides, bool changes) {
  Input input = classify(strides, desc.shape.numel(), changes);
  input.source = load.source;
  input.to = load.to;
  input.itemsize = itemsize(desc.dtype);
  input.width = itemsize(load.type);
  if (desc.dtype != load.type)
    input.convert = checked_converter("pointwise", desc.dtype, load.type);
  // Reading a periodic input may start at any phase, so its copy is one period longer than a tile.
  if (input.kind == Input::periodic) input.scratch = reserve(tile_ + input.period, input.width);
  else if (input.convert || input.kind == Input::strided)
    input.scratch = reserve(tile_, input.width);
  return input;
}

TileExecutor::Input TileExecutor::classify(const std::array<int64_t, 8>& strides, int64_t numel,
                                           bool changes) const {
  Input input{};
  input.strides = strides;
  int axis = static_cast<int>(sizes_.size()) - 1;
  int64_t period = 1;
  // trailing axes that the input has in full
  while (axis >= 0 && strides[axis] == period) period *= sizes_[axis--];
  int64_t span = period;
  while (axis >= 0 && strides[axis] == 0) span *= sizes_[axis--];  // axes it repeats over
  input.period = period;
  input.span = span;
  input.one_per_span = period == 1 && numel * span == total_;
  input.kind = numel == total_                           ? Input::linear
               : axis < 0 && period <= tile_ && !changes ? Input::periodic
                                                         : Input::strided;
  return input;
}

/// Copies n elements of a broadcast input, from `begin` on, without conversion. Works span by span;
/// in each span it repeats the period from the current phase on.
template <class T> void TileExecutor::gather(const Input& input, const void* in, std::byte* out,
                                             int64_t begin, int64_t n) const {
  const T* from = static_cast<const T*>(in);
  T* to = reinterpret_cast<T*>(out);
  if constexpr (sizeof(T) >= 4) {
    if (input.one_per_span && begin % input.span == 0 && n % input.span == 0) {
      using Float = std::conditional_t<sizeof(T) == 4, float, double>;
      return repeat_rows(reinterpret_cast<const Float*>(from + begin / input.span), n / input.span,
                         input.span, reinterpret_cast<Float*>(to));
    }
  }
  int inner = static_cast<int>(sizes_.size());  // axes outside of a span
  for (int64_t size = 1; size < input.span;) size *= sizes_[--inner];
  Odometer<1> at(sizes_, inner, {input.strides.data()}, begin / input.span);
  for (int64_t done = 0, in_span = begin % input.span; done < n; in_span = 0, at.next()) {
    const int64_t length = std::min(input.span - in_span, n - done), phase = in_span % input.period;
    const T* source = from + at.offset[0];
    const int64_t first = std::min(length, input.period - phase),
                  second = std::min(length - first, phase);
    std::copy_n(source + phase, first, to + done);
    std::copy_n(source, second, to + done + first);
    repeat(reinterpret_cast<std::byte*>(to + done), first + second, length, sizeof(T));
    done += length;
  }
}

/// Returns the same elements in the compute dtype. Elements of one contiguous row that need no
/// conversion are returned in place; all others are gathered into `scratch`. `filled` encodes the
/// span and phase that a full tile of `scratch` holds, or is -1. Later tiles of that span and phase
/// reuse it.
const void* TileExecutor::gathered(const Input& input, const std::byte* from, std::byte* scratch,
                                   int64_t begin, int64_t n, int64_t& filled) const {
  const int inner = static_cast<int>(sizes_.size()) - 1;
  const int64_t row = sizes_[inner], column = begin % row;
  if (!input.convert && input.strides[inner] == 1 && column + n <= row) {
    Odometer<1> at(sizes_, inner, {input.strides.data()}, begin / row);
    return from + (at.offset[0] + column) * input.itemsize;
  }
  const bool one_span = begin % input.span + n <= input.span;
  const int64_t held = begin / input.span * input.period + begin % input.period;
  if (one_span && n <= tile_ && held == filled) return scratch;
  filled = one_span && n == tile_ ? held : -1;
  // a tile of f32 loaded from f64 is twice as large before its conversion
  alignas(64) std::byte raw[2 * CpuTuning::most_tile_bytes];
  std::byte* to = input.convert ? raw : scratch;
  switch (input.itemsize) {
    case 1: gather<uint8_t>(input, from, to, begin, n); break;
    case 2: gather<uint16_t>(input, from, to, begin, n); break;
    case 4: gather<uint32_t>(input, from, to, begin, n); break;
    default: gather<uint64_t>(input, from, to, begin, n);
  }
  if (input.convert) input.convert(raw, scratch, static_cast<size_t>(n));
  return scratch;
}

const void* TileExecutor::load(const Input& input, const void* memory, std::byte* scratch,
                               int64_t at, int64_t n, int64_t& filled) const {
  const std::byte* from = static_cast<const std::byte*>(memory);
  std::byte* to = scratch + input.scratch;
  if (!from) return nullptr;
  if (input.kind == Input::periodic) return to + at % input.period * input.width;
  if (input.kind == Input::strided) return gathered(input, from, to, at, n, filled);
  if (!input.convert) return from + at * input.width;
  input.convert(from + at * input.itemsize, to, static_cast<size_t>(n));
  return to;
}

TileExecutor::Run::Run(const TileExecutor& runner, const void* const* in, void* const* out,
                       int64_t longest, std::byte* for_inputs, std::byte* for_slots)
    : runner_(runner), in_(in), out_(out), inputs_(for_inputs) {
  const TileProgram& program = runner.program_;
  int64_t streamed = program.slots;
  for (size_t r = 0; r < program.registers.size(); ++r) {
    const auto [output, slot] = program.registers[r];
    int64_t at = slot;
    if (output >= 0 && runner.streamed_[static_cast<size_t>(output)]) {
      at = streamed++;
      // A result in place of its input is not streamed: its lines are already in the cache.
      if (std::find(in, in + runner.given_, out[output]) != in + runner.given_) at = -1;
    }
    computed_[r] = at < 0 ? nullptr : for_slots + at * runner.tile_ * program.width;
  }
  longest = std::min(longest, runner.tile_);
  for (size_t k = 0; k < runner.inputs_.size(); ++k) {  // inputs equal in every tile
    const Input& input = runner.inputs_[k];
    filled_[k] = -1;
    if (input.kind != Input::periodic || !in[input.source]) continue;
    std::byte* to = inputs_ + input.scratch;
    if (input.convert) input.convert(in[input.source], to, static_cast<size_t>(input.period));
    else std::memcpy(to, in[input.source], static_cast<size_t>(input.period * input.width));
    repeat(to, input.period, longest + input.period, input.width);
  }
}

void TileExecutor::run(const void* const* in, void* const* out, int64_t begin, int64_t end) const {
  alignas(64) std::byte scratch[kScratchBytes];
  Run run(*this, in, out, end - begin, scratch, scratch + slots_at_);
  // A single instruction is limited by memory bandwidth, so prefetching does not help it.
  const bool worth_it = work() > 1;
  for (int64_t at = begin; at < end; at += tile_) {
    Prefetcher ahead;
    if (worth_it) run.look_ahead(at + tile_, std::min(tile_, end - at - tile_), ahead);
    ahead.divide(work());
    run.compute(at, std::min(tile_, end - at), ahead);
  }
  finish_past_caches();
}

void TileExecutor::Run::look_ahead(int64_t at, int64_t n, Prefetcher& ahead) const {
  if (n <= 0) return;
  for (const Input& input : runner_.inputs_)
    if (const auto* from = static_cast<const std::byte*>(in_[input.source]);
        from && input.kind == Input::linear &&
        runner_.total_ * input.itemsize > runner_.near_bytes_)
      ahead.add(from + at * input.itemsize, n * input.itemsize);
}

void TileExecutor::Run::compute(int64_t at, int64_t n, Prefetcher& ahead) {
  const TileProgram& program = runner_.program_;
  for (size_t k = 0; k < runner_.inputs_.size(); ++k) {
    const Input& input = runner_.inputs_[k];
    registers_[input.to] = runner_.load(input, in_[input.source], inputs_, at, n, filled_[k]);
  }
  for (const TileProgram::Instruction& op : program.code) {
    ahead.fetch();
    const void* operands[5];
    for (size_t k = 0; k < 5; ++k)
      operands[k] = op.operand[k] == TileProgram::kNone ? nullptr : registers_[op.operand[k]];
    const int output = program.registers[op.to].output;
    const int64_t itemsize = output < 0 ? 0 : runner_.out_itemsize_[static_cast<size_t>(output)];
    std::byte* const result =
        output < 0 ? nullptr : static_cast<std::byte*>(out_[output]) + at * itemsize;
    std::byte* const to = computed_[op.to] ? computed_[op.to] : result;
    if (op.fn) op.fn(operands, to, static_cast<size_t>(n));
    else op.convert(operands[0], to, static_cast<size_t>(n));
    if (result && to != result) copy_past_caches(to, result, n * itemsize);
    registers_[op.to] = to;
  }
}

}  // namespace suanli::cpu
