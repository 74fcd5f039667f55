// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/fused/row_program_executor.h"

#include <algorithm>
#include <limits>
#include <new>

#include "backends/cpu/simd/streaming_store.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"

namespace suanli::cpu {

/// Finds in which stage each instruction runs, and what has to outlast it.
class RowProgramExecutor::Compiler {
 public:
  Compiler(RowProgramExecutor& to, const Expr& expr, const std::vector<ValueDesc>& in,
           const std::vector<ValueDesc>& out)
      : to_(to),
        e_(expr),
        in_(in),
        out_(out),
        rows_(rows_of(expr.space, expr.row_length)),
        past_caches_(past_caches(in, out)),
        places_(expr.code.size()) {
    order();
    find_homes();
    size_t last = 0;
    for (const Place& p : places_) last = std::max(last, p.stage);
    for (size_t stage = 0; stage <= last; ++stage)
      for (bool per_row : {true, false}) compile(stage, per_row);
  }

 private:
  struct Place {
    size_t ready = 0;  // the first stage that may read the value
    size_t stage = 0;  // in which it is computed
    std::optional<Home> home;
  };
  using Instruction = Expr::Instruction;

  bool is_input(size_t value) const { return value < in_.size(); }
  const Instruction& code(size_t value) const { return e_.code[value - in_.size()]; }
  Place& place(size_t value) { return places_[value - in_.size()]; }
  bool of_rows(const Instruction& i) const { return i.per == Expr::Per::row && !i.reduces(); }

  /// Values per row are computed as soon as possible, values per element where
  /// it is first needed.
  void order() {
    constexpr size_t kUnread = std::numeric_limits<size_t>::max();
    for (size_t k = 0; k < places_.size(); ++k) {
      const Instruction& i = e_.code[k];
      size_t stage = 0;
      for (size_t o = 0; o < i.operands; ++o)
        if (!is_input(i.operand[o])) stage = std::max(stage, place(i.operand[o]).ready);
      places_[k].ready = stage + i.reduces();
      places_[k].stage = of_rows(i) || i.reduces() ? stage : kUnread;
    }
    for (size_t k = places_.size(); k-- > 0;) {
      if (places_[k].stage == kUnread) places_[k].stage = places_[k].ready;
      for (size_t o = 0; o < e_.code[k].operands; ++o) {
        const size_t value = e_.code[k].operand[o];
        if (is_input(value) || of_rows(code(value)) || code(value).reduces()) continue;
        place(value).stage = std::min(place(value).stage, places_[k].stage);
      }
    }
  }

  void find_homes() {
    for (size_t r = 0; r < e_.results.size(); ++r) place(e_.results[r]).home = {Home::output, r};
    for (size_t k = 0; k < places_.size(); ++k)
      for (size_t o = 0; o < e_.code[k].operands; ++o) {
        const size_t value = e_.code[k].operand[o];
        if (is_input(value) || place(value).home || together(value, k + in_.size())) continue;
        place(value).home = {Home::buffer, to_.buffers_.size()};
        to_.buffers_.push_back({0, itemsize(code(value).type), code(value).per == Expr::Per::row});
      }
  }
  /// True if a value is computed in the stage that reads it.
  bool together(size_t value, size_t reader) {
    return !code(value).reduces() && of_rows(code(value)) == of_rows(code(reader)) &&
           place(value).stage == place(reader).stage;
  }

  /// True if another stage reads it from where it lies.
  bool read_later(size_t value) {
    for (size_t k = 0; k < e_.code.size(); ++k)
      for (size_t o = 0; o < e_.code[k].operands; ++o)
        if (e_.code[k].operand[o] == value && !together(value, k + in_.size())) return true;
    return false;
  }

  /// A value may be several results; it is read from the last of them.
  std::vector<Home> homes_of(size_t value) {
    std::vector<Home> homes;
    for (size_t r = 0; r < e_.results.size(); ++r)
      if (e_.results[r] == value) homes.push_back({Home::output, r});
    if (homes.empty() && place(value).home) homes.push_back(*place(value).home);
    return homes;
  }

  ValueDesc desc(size_t value) const {
    if (is_input(value)) return in_[value];
    return {code(value).type, code(value).per == Expr::Per::row ? rows_ : e_.space};
  }

  void compile(size_t number, bool per_row) {
    std::vector<size_t> members, read;  // values
    for (size_t k = 0; k < places_.size(); ++k)
      if (places_[k].stage == number && of_rows(e_.code[k]) == per_row)
        members.push_back(k + in_.size());
    if (members.empty()) return;
    for (size_t m : members)
      for (size_t o = 0; o < code(m).operands; ++o) {
        const size_t value = code(m).operand[o];
        if ((is_input(value) || !together(value, m)) &&
            std::find(read.begin(), read.end(), value) == read.end())
          read.push_back(value);
      }
    Stage stage;
    stage.per_row = per_row;
    std::vector<ValueDesc> in;
    std::vector<uint8_t> changing;
    for (size_t value : read) {
      in.push_back(desc(value));
      stage.in.push_back(is_input(value) ? Home{Home::input, value} : *place(value).home);
      changing.push_back(!is_input(value));
    }
    std::vector<size_t> computed = read;  // by local number
    auto local = [&](size_t value) {
      return static_cast<uint8_t>(std::find(computed.begin(), computed.end(), value) -
                                  computed.begin());
    };
    std::vector<Instruction> tile_code;
    std::vector<DType> out;
    std::vector<uint8_t> results, kept, streamed;
    for (size_t m : members) {
      const Instruction& i = code(m);
      const std::vector<Home> homes = homes_of(m);
      if (i.reduces()) {
        const auto op = static_cast<ReductionOp>(i.reduction_row());
        for (const Home& home : homes) {
          if (i.per == Expr::Per::row) {
            stage.along.push_back({kept.size(), op, i.compute, i.type, 0, home});
          } else {
            stage.across.push_back({kept.size(), to_.across_.size()});
            to_.across_.push_back({home.index, op, i.compute, i.type});
          }
          kept.push_back(local(i.operand[0]));
        }
        continue;
      }
      tile_code.push_back(i);
      for (size_t o = 0; o < i.operands; ++o) tile_code.back().operand[o] = local(i.operand[o]);
      computed.push_back(m);
      for (const Home& home : homes) {
        results.push_back(local(m));
        out.push_back(i.type);
        stage.out.push_back(home);
        streamed.push_back(past_caches_ && !per_row && home.kind == Home::output && !read_later(m));
      }
    }
    stage.tiles = std::make_unique<TileExecutor>(tile_code, in, out, results, kept,
                                                 per_row ? rows_ : e_.space, changing, streamed);
    if (!per_row) to_.work_ += stage.tiles->work() + static_cast<int64_t>(kept.size());
    to_.stages_.push_back(std::move(stage));
  }

  RowProgramExecutor& to_;
  const Expr& e_;
  const std::vector<ValueDesc>&in_, &out_;
  const Shape rows_;
  const bool past_caches_;
  std::vector<Place> places_;
};

RowProgramExecutor::RowProgramExecutor(const Expr& expr, const std::vector<ValueDesc>& in,
                                       const std::vector<ValueDesc>& out, int64_t whole)
    : total_(expr.space.numel()), row_(expr.row_length) {
  const Compiler compiled(*this, expr, in, out);
  step_ = std::numeric_limits<int64_t>::max();
  for (const Stage& s : stages_)
    if (!s.per_row) step_ = std::min(step_, s.tiles->tile());
  block_ = step_;
  if (row_ > step_) {
    block_ = row_;
  } else if (row_ > 0) {
    const int64_t unit = std::max(row_, whole);
    block_ = step_ = step_ / unit * unit;
  }
  const int64_t near_bytes = cpu_tuning().core_cache_bytes;
  for (size_t i = 0; i < in.size(); ++i)
    if (in[i].shape.numel() == total_ && bytes_of(in[i]) > near_bytes)
      whole_.push_back({i, itemsize(in[i].dtype)});
  auto reserve = [&](int64_t bytes) {
    const int64_t at = run_bytes_;
    run_bytes_ += round_up(bytes, 64);
    return at;
  };
  reserve(static_cast<int64_t>(sizeof(Run::State) * stages_.size()));
  const int64_t rows = row_ > 0 ? block_ / row_ : 0;
  for (Buffer& b : buffers_) b.at = reserve((b.per_row ? rows : block_) * b.itemsize);
  int64_t slots = 0;
  for (Stage& s : stages_) {
    for (Along& a : s.along) a.accumulators = reserve(rows * 8);
    s.inputs_at = reserve(s.tiles->input_bytes());
    slots = std::max(slots, s.tiles->slot_bytes());
  }
  reserve(slots);
}

RowProgramExecutor::Run::Run(const RowProgramExecutor& runner, const void* const* in,
                             void* const* out, std::byte* memory)
    : runner_(runner),
      in_(in),
      out_(out),
      memory_(memory),
      states_(reinterpret_cast<State*>(memory)) {
  std::byte* slots = memory;
  for (const Stage& s : runner.stages_)
    slots = std::max(slots, memory + s.inputs_at + round_up(s.tiles->input_bytes(), 64));
  for (size_t k = 0; k < runner.stages_.size(); ++k) {
    const Stage& s = runner.stages_[k];
    State& state = *new (states_ + k) State;
    for (size_t i = 0; i < s.in.size(); ++i) state.in[i] = address(s.in[i], 0);
    for (size_t i = 0; i < s.out.size(); ++i) state.out[i] = address(s.out[i], 0);
    state.tiles.emplace(*s.tiles, state.in, state.out, runner.step_, memory + s.inputs_at, slots);
  }
}

/// Where element 0 (or row 0) of a value would lie while the block that begins with element `at` is
/// computed.
void* RowProgramExecutor::Run::address(const Home& home, int64_t at) const {
  if (home.kind == Home::input) return const_cast<void*>(in_[home.index]);
  if (home.kind == Home::output) return out_[home.index];
  const Buffer& b = runner_.buffers_[home.index];
  return memory_ + b.at - (b.per_row ? at / runner_.row_ : at) * b.itemsize;
}

void RowProgramExecutor::Run::begin(int64_t at, int64_t n) {
  if (runner_.row_ == 0) return;
  for (size_t k = 0; k < runner_.stages_.size(); ++k) {
    const Stage& s = runner_.stages_[k];
    for (size_t i = 0; i < s.in.size(); ++i)
      if (s.in[i].kind == Home::buffer) states_[k].in[i] = address(s.in[i], at);
    for (size_t i = 0; i < s.out.size(); ++i)
      if (s.out[i].kind == Home::buffer) states_[k].out[i] = address(s.out[i], at);
    for (const Along& a : s.along)
      std::fill_n(reinterpret_cast<double*>(memory_ + a.accumulators), n / runner_.row_,
                  start_of(a.op));
  }
}

void RowProgramExecutor::Run::look_ahead(int64_t at, int64_t n, Prefetcher& ahead) const {
  if (n <= 0) return;
  for (const Whole& w : runner_.whole_)
    ahead.add(static_cast<const std::byte*>(in_[w.input]) + at * w.itemsize, n * w.itemsize);
  ahead.divide((n + runner_.step_ - 1) / runner_.step_ * runner_.work_);
}

/// n elements (or rows) from `at` on, `done` of the block before them.
void RowProgramExecutor::Run::tile(size_t stage, int64_t at, int64_t done, int64_t n,
                                   Prefetcher& ahead) {
  TileExecutor::Run& tiles = *states_[stage].tiles;
  tiles.compute(at, n, ahead);
  const int64_t row = std::min(runner_.row_, n);  // or a piece of one
  for (const Along& a : runner_.stages_[stage].along) {
    ahead.fetch();
    double* to = reinterpret_cast<double*>(memory_ + a.accumulators) + done / runner_.row_;
    if (a.dtype == DType::f32)
      reduce_rows(a.op, static_cast<const float*>(tiles.kept(a.kept)), n / row, row, to);
    else reduce_rows(a.op, static_cast<const double*>(tiles.kept(a.kept)), n / row, row, to);
  }
}

/// Turns reductions along the rows of a block into values.
void RowProgramExecutor::Run::finish(const Stage& stage, int64_t at, int64_t n) {
  for (const Along& a : stage.along) {
    const auto* from = reinterpret_cast<const double*>(memory_ + a.accumulators);
    const int64_t first = at / runner_.row_, rows = n / runner_.row_;
    suanli::cpu::finish(a.op, from, rows, a.type,
                        static_cast<std::byte*>(address(a.home, at)) + first * itemsize(a.type));
  }
}

}  // namespace suanli::cpu
