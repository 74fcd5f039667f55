// The blocked executor: a list of tile instructions runs on one tile after the other, so that everything between the loads and
// the stores stays in L1. An op alone is a list of one; a fused expression is a longer one.
#include "backends/cpu/pointwise.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/iteration.h"
#include "backends/cpu/tile_program.h"
#include "base/thread_pool.h"
#include "ops/pointwise.h"

namespace suanli::cpu {
namespace {

constexpr int64_t kTileBytes = 8192;          // three operands leave half of a 48 KB L1 to spare
constexpr int64_t kScratchBytes = 256 << 10;  // on the stack; a program that needs more takes smaller tiles
// Long programs take smaller tiles so that their registers stay in L1, but not so small that calls would show.
constexpr int64_t kCacheBytes = 32 << 10, kLeastElements = 512;

/// A load, and how its elements lie against the output's.
struct Input {
  enum Kind : uint8_t {
    linear,    // as in the output
    periodic,  // in[i mod period], period small: a scalar, a bias; expanded once per run, then pointed into
    strided,   // any other broadcast: gathered tile by tile
  } kind;
  uint8_t source;
  uint16_t to;
  int64_t period = 0;
  std::array<int64_t, 8> strides{};  // over Pointwise::sizes_
  int64_t itemsize = 0, width = 0;   // of an element in memory, and of one as it is computed with
  ConvertFn convert = nullptr;       // nullptr: these are the same
  int64_t scratch = -1;              // offset, if it is not always read in place
};

class Pointwise final : public Kernel {
 public:
  Pointwise(const std::vector<TileInstruction>& code, const std::vector<ValueDesc>& in, const std::vector<ValueDesc>& out,
            const std::vector<uint8_t>& results)
      : program_(lower(code, in, results)), total_(out[0].shape.numel()) {
    std::vector<std::array<int64_t, 8>> strides;
    for (const ValueDesc& v : in) strides.push_back(broadcast_strides(v.shape, out[0].shape));
    sizes_ = collapse(out[0].shape, strides);
    for (const ValueDesc& v : out) out_itemsize_.push_back(itemsize(v.dtype));
    for (tile_ = kTileBytes / program_.width;; tile_ /= 2) {
      inputs_.clear();
      scratch_ = 0;
      for (const TileProgram::Load& load : program_.loads) inputs_.push_back(prepare(load, in[load.source], strides[load.source]));
      slots_at_ = scratch_;
      scratch_ += program_.slots * tile_ * program_.width;
      if (scratch_ <= (tile_ > kLeastElements ? kCacheBytes : kScratchBytes)) break;
    }
    // 64k elements of the cheapest op take some 8 µs in the cache, about what waking a thread costs.
    grain_ = std::max<int64_t>(4096, 65536 / std::max<int64_t>(1, static_cast<int64_t>(program_.code.size())));
  }

  void run(const void* const* in, void* const* out, void*) override {
    parallel_chunks(total_, grain_, [&](int64_t begin, int64_t end) { chunk(in, out, begin, end); });
  }

 private:
  int64_t reserve(int64_t elements, int64_t width) {
    const int64_t at = scratch_;
    scratch_ += (elements * width + 63) / 64 * 64;
    return at;
  }

  Input prepare(const TileProgram::Load& load, const ValueDesc& desc, const std::array<int64_t, 8>& strides) {
    Input input = classify(strides, desc.shape.numel());
    input.source = load.source, input.to = load.to;
    input.itemsize = itemsize(desc.dtype), input.width = itemsize(load.type);
    if (desc.dtype != load.type) input.convert = checked_converter(desc.dtype, load.type);
    // A periodic one is read from any phase on.
    if (input.kind == Input::periodic) input.scratch = reserve(tile_ + input.period, input.width);
    else if (input.convert || input.kind == Input::strided) input.scratch = reserve(tile_, input.width);
    return input;
  }

  Input classify(const std::array<int64_t, 8>& strides, int64_t numel) const {
    const int rank = static_cast<int>(sizes_.size());
    Input input{};
    input.strides = strides;
    int axis = rank - 1;
    int64_t period = 1;
    while (axis >= 0 && strides[axis] == period) period *= sizes_[axis--];  // the trailing axes that it has
    while (axis >= 0 && strides[axis] == 0) --axis;                         // and those that it repeats over
    input.period = period;
    input.kind = numel == total_ ? Input::linear : axis < 0 && period <= tile_ ? Input::periodic : Input::strided;
    return input;
  }

  /// Makes `done` elements into `n` of the same pattern by copying what is there.
  static void repeat(std::byte* to, int64_t done, int64_t n, int64_t width) {
    for (; done < n; done *= 2) std::memcpy(to + done * width, to, static_cast<size_t>(std::min(done, n - done) * width));
  }

  /// Elements begin … begin+n of a broadcast input, as they are.
  template <class T> void gather(const Input& input, const void* in, std::byte* out, int64_t begin, int64_t n) const {
    const int inner = static_cast<int>(sizes_.size()) - 1;
    const int64_t row = sizes_[inner], stride = input.strides[inner];  // 1, or 0 where it repeats along the row
    const T* from = static_cast<const T*>(in);
    T* to = reinterpret_cast<T*>(out);
    Odometer<1> at(sizes_, inner, {input.strides.data()}, begin / row);
    for (int64_t done = 0, column = begin % row; done < n; column = 0, at.next()) {
      const int64_t length = std::min(row - column, n - done);
      const T* source = from + at.offset[0] + column * stride;
      if (length < 32) {
        for (int64_t i = 0; i < length; ++i) to[done + i] = source[i * stride];
      } else if (stride) {
        std::copy_n(source, length, to + done);
      } else {
        to[done] = *source;
        repeat(reinterpret_cast<std::byte*>(to + done), 1, length, sizeof(T));
      }
      done += length;
    }
  }

  /// The same in the type that is computed with. In place if they lie in one row and need no conversion, else in `scratch`.
  const void* gathered(const Input& input, const std::byte* from, std::byte* scratch, int64_t begin, int64_t n) const {
    const int inner = static_cast<int>(sizes_.size()) - 1;
    const int64_t row = sizes_[inner], column = begin % row;
    if (!input.convert && input.strides[inner] == 1 && column + n <= row) {
      Odometer<1> at(sizes_, inner, {input.strides.data()}, begin / row);
      return from + (at.offset[0] + column) * input.itemsize;
    }
    alignas(64) std::byte raw[2 * kTileBytes];  // a tile of f32 loaded from f64 is twice as large before its conversion
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

  /// Registers that are the same in every tile.
  void prepare_registers(const void* const* in, std::byte* scratch, std::byte** registers, int64_t longest) const {
    for (size_t r = 0; r < program_.registers.size(); ++r)
      registers[r] = program_.registers[r].slot < 0 ? nullptr : scratch + slots_at_ + program_.registers[r].slot * tile_ * program_.width;
    for (const Input& input : inputs_) {
      if (input.kind != Input::periodic || !in[input.source]) continue;
      std::byte* to = scratch + input.scratch;
      if (input.convert) input.convert(in[input.source], to, static_cast<size_t>(input.period));
      else std::memcpy(to, in[input.source], static_cast<size_t>(input.period * input.width));
      repeat(to, input.period, longest + input.period, input.width);
    }
  }

  const void* load(const Input& input, const void* memory, std::byte* scratch, int64_t at, int64_t n) const {
    const std::byte* from = static_cast<const std::byte*>(memory);
    std::byte* to = scratch + input.scratch;
    if (!from) return nullptr;
    if (input.kind == Input::periodic) return to + at % input.period * input.width;
    if (input.kind == Input::strided) return gathered(input, from, to, at, n);
    if (!input.convert) return from + at * input.width;
    input.convert(from + at * input.itemsize, to, static_cast<size_t>(n));
    return to;
  }

  void chunk(const void* const* in, void* const* out, int64_t begin, int64_t end) const {
    alignas(64) std::byte scratch[kScratchBytes];
    std::byte* computed[TileProgram::kMaxRegisters];
    const void* registers[TileProgram::kMaxRegisters];
    prepare_registers(in, scratch, computed, std::min(end - begin, tile_));
    for (int64_t at = begin; at < end; at += tile_) {
      const int64_t n = std::min(tile_, end - at);
      for (const Input& input : inputs_) registers[input.to] = load(input, in[input.source], scratch, at, n);
      for (const TileProgram::Op& op : program_.code) {
        const void* operands[5];
        for (size_t k = 0; k < 5; ++k) operands[k] = op.operand[k] == TileProgram::kNone ? nullptr : registers[op.operand[k]];
        const int output = program_.registers[op.to].output;
        std::byte* to =
            output < 0 ? computed[op.to] : static_cast<std::byte*>(out[output]) + at * out_itemsize_[static_cast<size_t>(output)];
        if (op.fn) op.fn(operands, to, static_cast<size_t>(n));
        else op.convert(operands[0], to, static_cast<size_t>(n));
        registers[op.to] = to;
      }
    }
  }

  TileProgram program_;
  std::vector<Input> inputs_;
  std::vector<int64_t> sizes_;  // of the outputs, axes merged; at least one
  std::vector<int64_t> out_itemsize_;
  int64_t total_, tile_ = 0, grain_ = 0, scratch_ = 0, slots_at_ = 0;
};

Compute compute_of(DType type) { return type == DType::f64 ? Compute::f64 : type == DType::f32 ? Compute::f32 : Compute::i64; }

}  // namespace

std::unique_ptr<Kernel> make_pointwise(TileFn fn, Compute compute, const std::vector<ValueDesc>& in, const ValueDesc& out,
                                       const int8_t* places) {
  TileInstruction only{fn, compute, out.dtype, false};
  if (!fn || in.size() > only.operand.size()) throw Error("[pointwise] no such kernel");
  for (uint8_t k = 0; k < in.size(); ++k) only.operand[static_cast<size_t>(places ? places[k] : k)] = k;
  return std::make_unique<Pointwise>(std::vector{only}, in, std::vector{out}, std::vector{static_cast<uint8_t>(in.size())});
}

std::array<int8_t, 5> tile_places(int row, int gradient) {
  std::array<int8_t, 5> places{0, 1, 2, 3, 4};
  if (gradient < 0) return places;
  const GradientOperands needed = gradient_operands(row, gradient);
  for (int k = 0; k < needed.count; ++k)
    places[static_cast<size_t>(k)] =
        static_cast<int8_t>(needed.which[k] < 3 ? needed.which[k] : pointwise_rows[row].arity + needed.which[k] - 3);
  return places;
}

std::unique_ptr<Kernel> make_fused(const Step& step) {
  std::vector<TileInstruction> code;
  for (const Expr::Instruction& i : step.expr->code) {
    TileInstruction t{nullptr, compute_of(i.compute), i.type, false};
    if (i.row == Expr::kCast) {
      t.operand[0] = i.operand[0];
    } else {
      const auto cls = pointwise_rows[i.row].cls;
      t.fn = i.gradient < 0 ? value_tile(i.row, t.compute) : gradient_tile(i.row, i.gradient, t.compute);
      if (!t.fn) return nullptr;
      t.flag = i.gradient < 0 && (cls == PointwiseClass::Compare || cls == PointwiseClass::Logic);
      const auto places = tile_places(i.row, i.gradient);
      for (size_t k = 0; k < i.operands; ++k) t.operand[static_cast<size_t>(places[k])] = i.operand[k];
    }
    code.push_back(t);
  }
  return std::make_unique<Pointwise>(code, step.in, step.out, step.expr->results);
}

}  // namespace suanli::cpu
