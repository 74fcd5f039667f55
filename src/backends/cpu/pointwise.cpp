// The blocked executor: a list of tile instructions runs on one tile after the other, so that everything between the loads and
// the store stays in L1. Today every list has one instruction; a fused expression is a longer one.
#include "backends/cpu/pointwise.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/iteration.h"
#include "base/thread_pool.h"

namespace suanli::cpu {
namespace {

constexpr int64_t kTileBytes = 8192;  // three operands leave half of a 48 KB L1 to spare
constexpr int kMaxInputs = 8, kMaxRegisters = 16;

/// Reads and writes registers: 0 … inputs-1 hold the inputs, then one per instruction, the last of which is the result.
struct Instruction {
  static constexpr uint8_t kUnused = 255;
  TileFn fn;
  uint8_t operand[5] = {kUnused, kUnused, kUnused, kUnused, kUnused};
};

/// How an input's elements lie against the output's.
struct Input {
  enum Kind : uint8_t {
    linear,    // as in the output
    periodic,  // in[i mod period], period small: a scalar, a bias; expanded once per run, then pointed into
    strided,   // any other broadcast: gathered tile by tile
  } kind;
  int64_t period = 0;
  std::array<int64_t, 8> strides{};  // over Pointwise::sizes_
  int64_t itemsize = 0;
  ConvertFn convert = nullptr;  // nullptr: already of the compute type
};

class Pointwise final : public Kernel {
 public:
  Pointwise(std::vector<Instruction> code, Compute compute, const std::vector<ValueDesc>& in, const ValueDesc& out)
      : code_(std::move(code)), width_(static_cast<int64_t>(compute_size(compute))), total_(out.shape.numel()) {
    const DType type = compute == Compute::f64 ? DType::f64 : compute == Compute::f32 ? DType::f32 : DType::i64;
    if (in.size() > kMaxInputs || in.size() + code_.size() > kMaxRegisters) throw Error("[pointwise] too many operands for one expression");
    std::vector<std::array<int64_t, 8>> strides;
    for (const ValueDesc& v : in) strides.push_back(broadcast_strides(v.shape, out.shape));
    sizes_ = collapse(out.shape, strides);
    for (size_t k = 0; k < in.size(); ++k) {
      Input input = classify(strides[k], in[k].shape.numel());
      input.itemsize = itemsize(in[k].dtype);
      if (in[k].dtype != type) input.convert = checked_converter(in[k].dtype, type);
      inputs_.push_back(input);
    }
    out_itemsize_ = itemsize(out.dtype);
    if (out.dtype != type) store_ = checked_converter(type, out.dtype);
  }

  void run(const void* const* in, void* const* out, void*) override {
    // 64k elements of the cheapest op take some 8 µs in the cache, about what waking a thread costs.
    parallel_chunks(total_, 65536, [&](int64_t begin, int64_t end) { chunk(in, static_cast<std::byte*>(out[0]), begin, end); });
  }

 private:
  static ConvertFn checked_converter(DType from, DType to) {
    ConvertFn f = converter(from, to);
    if (!f) throw DTypeError("[pointwise] the CPU does not convert " + to_string(from) + " to " + to_string(to));
    return f;
  }

  int64_t tile() const { return kTileBytes / width_; }

  Input classify(const std::array<int64_t, 8>& strides, int64_t numel) const {
    const int rank = static_cast<int>(sizes_.size());
    Input input{};
    input.strides = strides;
    int axis = rank - 1;
    int64_t period = 1;
    while (axis >= 0 && strides[axis] == period) period *= sizes_[axis--];  // the trailing axes that it has
    while (axis >= 0 && strides[axis] == 0) --axis;                         // and those that it repeats over
    input.period = period;
    input.kind = numel == total_ ? Input::linear : axis < 0 && period <= tile() ? Input::periodic : Input::strided;
    return input;
  }

  void convert(const Input& input, const void* from, void* to, int64_t n) const {
    if (input.convert) input.convert(from, to, static_cast<size_t>(n));
    else std::memcpy(to, from, static_cast<size_t>(n * width_));
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

  /// The same in the compute type. In place if they lie in one row and need no conversion, else in `scratch`.
  const void* load(const Input& input, const std::byte* from, std::byte* scratch, int64_t begin, int64_t n) const {
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

  void chunk(const void* const* in, std::byte* out, int64_t begin, int64_t end) const {
    const int inputs = static_cast<int>(inputs_.size()), last = inputs + static_cast<int>(code_.size()) - 1;
    // Twice a tile per input: a periodic one is read from any phase on.
    alignas(64) std::byte loaded[kMaxInputs][2 * kTileBytes];
    alignas(64) std::byte computed[kMaxRegisters - 1][kTileBytes];
    for (int k = 0; k < inputs; ++k) {
      const Input& input = inputs_[k];
      if (input.kind != Input::periodic || !in[k]) continue;
      convert(input, in[k], loaded[k], input.period);
      repeat(loaded[k], input.period, std::min(end - begin, tile()) + input.period, width_);
    }
    const void* registers[kMaxRegisters];
    for (int64_t at = begin; at < end; at += tile()) {
      const int64_t n = std::min(tile(), end - at);
      for (int k = 0; k < inputs; ++k) {
        const Input& input = inputs_[k];
        const std::byte* from = static_cast<const std::byte*>(in[k]);
        if (!from) {
          registers[k] = nullptr;
        } else if (input.kind == Input::periodic) {
          registers[k] = loaded[k] + at % input.period * width_;
        } else if (input.kind == Input::strided) {
          registers[k] = load(input, from, loaded[k], at, n);
        } else if (input.convert) {
          input.convert(from + at * input.itemsize, loaded[k], static_cast<size_t>(n));
          registers[k] = loaded[k];
        } else {
          registers[k] = from + at * width_;
        }
      }
      for (int r = inputs; r <= last; ++r) {
        const Instruction& i = code_[static_cast<size_t>(r - inputs)];
        const void* operands[5];
        for (int k = 0; k < 5; ++k) operands[k] = i.operand[k] == Instruction::kUnused ? nullptr : registers[i.operand[k]];
        std::byte* to = r == last && !store_ ? out + at * width_ : computed[r - inputs];
        i.fn(operands, to, static_cast<size_t>(n));
        registers[r] = to;
      }
      if (store_) store_(registers[last], out + at * out_itemsize_, static_cast<size_t>(n));
    }
  }

  std::vector<Instruction> code_;
  std::vector<Input> inputs_;
  std::vector<int64_t> sizes_;  // of the output, axes merged; at least one
  int64_t width_, total_, out_itemsize_ = 0;
  ConvertFn store_ = nullptr;
};

}  // namespace

std::unique_ptr<Kernel> make_pointwise(TileFn fn, Compute compute, const std::vector<ValueDesc>& in, const ValueDesc& out,
                                       const int8_t* places) {
  Instruction only{fn};
  if (!fn || in.size() > std::size(only.operand)) throw Error("[pointwise] no such kernel");
  for (uint8_t k = 0; k < in.size(); ++k) only.operand[places ? places[k] : k] = k;
  return std::make_unique<Pointwise>(std::vector<Instruction>{only}, compute, in, out);
}

}  // namespace suanli::cpu
