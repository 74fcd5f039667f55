// SPDX-License-Identifier: Apache-2.0
// Reductions tile by tile: nothing but their values (and asked-for others) reaches memory. One
// alone is one of a value that is only loaded, so that it has the same bits fused and alone.
//
// In which order things are added follows from the shape alone: a block of kReductionBlock elements
// in SIMD lanes, blocks in f64 into the accumulators of a part, parts in order. The number of
// threads and the size of tiles change nothing.
#include "backends/cpu/fused/reduction_kernel.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/fused/row_program_executor.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/simd/streaming_store.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/ops.h"

namespace suanli::cpu {
namespace {

// at most this many copies of the accumulators; also how many threads may work
constexpr int64_t kParts = Numerics::reduction_parts;
constexpr int64_t kMinParallelElements = Numerics::reduction_parallel_elements;
constexpr int64_t kCopiesBytes = Numerics::reduction_copies_bytes;  // all copies together

/// The order in which a reduction visits its space. The innermost axes make runs; each run goes
/// into one accumulator (rows) or into `columns` neighboring ones.
struct Walk {
  Walk(const Shape& space, uint32_t axes) {
    struct Group {
      int64_t size;
      bool reduced;
    };
    std::vector<Group> groups;  // innermost first; neighbors of one kind merged
    for (int i = space.rank() - 1; i >= 0; --i) {
      if (space[i] == 1) continue;
      const bool reduced = axes >> i & 1;
      if (!groups.empty() && groups.back().reduced == reduced) groups.back().size *= space[i];
      else groups.push_back({space[i], reduced});
    }
    size_t next = 0;
    if (!groups.empty() && !groups[0].reduced) columns = groups[next++].size;
    if (next < groups.size()) rows = groups[next++].size;
    run = rows * columns;
    int64_t kept_stride = columns;
    for (; next < groups.size(); ++next) {
      outer.push_back({groups[next].size, groups[next].reduced ? 0 : kept_stride});
      if (!groups[next].reduced) kept_stride *= groups[next].size;
      runs *= groups[next].size;
    }
    kept = kept_stride;
    outermost_kept = !outer.empty() && outer.back().stride != 0;
    // Cuts may not go through these: see kReductionBlock.
    grain = columns == 1 ? kReductionBlock
            : columns >= kReductionBlock
                ? 1
                : kReductionBlock / std::max<int64_t>(1, columns) * columns;
  }
  /// The first accumulator of a run.
  int64_t place(int64_t i) const {
    int64_t at = 0;
    for (const Axis& a : outer) {
      at += i % a.size * a.stride;
      i /= a.size;
    }
    return at;
  }
  struct Axis {
    int64_t size, stride;
  };
  int64_t rows = 1, columns = 1, run = 1, runs = 1, kept = 1, grain;
  std::vector<Axis> outer;  // innermost first
  bool outermost_kept;
};

class Reductions final : public Kernel {
 public:
  Reductions(const Expr& expr, const std::vector<ValueDesc>& in, const std::vector<ValueDesc>& out)
      : walk_(expr.space, expr.axes), runner_(expr, in, out, walk_.grain), row_(expr.row_length) {
    const Walk& w = walk_;
    const int64_t total = runner_.total(), copy = w.kept * 8;
    copy_ = static_cast<int64_t>(runner_.across().size()) * w.kept;
    if (runner_.across().empty()) {
      // Rows are independent.
      const CpuTuning& tuning = cpu_tuning();
      const int64_t grain = std::max(tuning.thread_least_elements,
                                     tuning.thread_elements / std::max<int64_t>(1, runner_.work()));
      const int64_t most = std::max<int64_t>(1, std::min(total / row_, total / grain));
      parts_ = most == 1 || pool_threads() == 1
                   ? 1
                   : std::min<int64_t>(most, tuning.pieces_per_thread * pool_threads());
    } else if (total >= kMinParallelElements) {
      divide(copy);
    }
    threads_ = std::min<int64_t>(parts_, pool_threads());
    runs_at_ = round_up((shared_ ? 1 : parts_) * copy_ * 8, 64);
    workspace_bytes = runs_at_ + threads_ * runner_.run_bytes();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    double* sums = static_cast<double*>(workspace);
    std::byte* runs = static_cast<std::byte*>(workspace) + runs_at_;
    fill(sums);
    if (runner_.total() > 0)
      parallel_for_stealing(parts_, static_cast<int>(threads_), [&](int thread, WorkQueue& left) {
        RowProgramExecutor::Run run(runner_, in, out, runs + thread * runner_.run_bytes());
        for (int64_t part; (part = left.next()) >= 0;) do_part(run, part, sums);
        finish_past_caches();
      });
    for (size_t k = 0; k < runner_.across().size(); ++k) {
      const RowProgramExecutor::Across& a = runner_.across()[k];
      double* total = sums + static_cast<int64_t>(k) * walk_.kept;
      join_parts(a.op, total);
      finish(a.op, total, walk_.kept, a.type, out[a.result]);
    }
  }

 private:
  /// The share of a part in reductions that do not go along rows.
  void divide(int64_t copy) {
    const Walk& w = walk_;
    shared_ = w.outermost_kept;
    const int64_t most =
        shared_ ? w.outer.back().size : std::min(kParts, std::max<int64_t>(1, kCopiesBytes / copy));
    by_columns_ =
        !shared_ && w.outer.empty() && w.columns >= kParts * kReductionBlock && most < kParts;
    // A few long runs are cut into pieces.
    if (!shared_ && !by_columns_ && w.runs < kParts) {
      const int64_t pieces =
          std::min<int64_t>(kParts / w.runs, std::max<int64_t>(1, w.run / kMinParallelElements));
      piece_ = (w.run + pieces - 1) / pieces;
      const int64_t whole = w.columns >= kReductionBlock ? w.columns : w.grain;
      piece_ = round_up(piece_, whole);
    }
    parts_ = by_columns_ ? kParts
             : shared_   ? std::min<int64_t>(4 * kParts, most)
                         : std::min(most, items());
    shared_ = shared_ || by_columns_;
  }

  int64_t pieces() const { return piece_ ? (walk_.run + piece_ - 1) / piece_ : 1; }
  /// Runs, or pieces of runs, in the order in which they lie.
  int64_t items() const { return walk_.runs * pieces(); }

  void fill(double* sums) const {
    for (int64_t copy = 0; copy < (shared_ ? 1 : parts_); ++copy)
      for (const RowProgramExecutor::Across& a : runner_.across())
        sums = std::fill_n(sums, walk_.kept, start_of(a.op));
  }
  void join_parts(ReductionOp op, double* total) const {
    if (shared_ || parts_ == 1) return;
    for (int64_t i = 0; i < walk_.kept; ++i)
      for (int64_t p = 1; p < parts_; ++p) total[i] = join(op, total[i], total[p * copy_ + i]);
  }

  void do_part(RowProgramExecutor::Run& run, int64_t part, double* sums) const {
    if (runner_.across().empty()) return rows_of_part(run, part);
    double* mine = sums + (shared_ ? 0 : part * copy_);
    if (by_columns_) return columns(run, part, mine);
    // Shared accumulators: whole steps of the outermost axis, which is kept, so no two parts meet
    // in one.
    const int64_t units = shared_ && parts_ > 1 ? walk_.outer.back().size : items(),
                  each = items() / units;
    items_of(run, units * part / parts_ * each, units * (part + 1) / parts_ * each, mine);
  }

  /// Where nothing is reduced across rows.
  void rows_of_part(RowProgramExecutor::Run& run, int64_t part) const {
    const int64_t rows = runner_.total() / row_, end = rows * (part + 1) / parts_ * row_;
    for (int64_t at = rows * part / parts_ * row_; at < end; at += runner_.block())
      run.compute(at, std::min(runner_.block(), end - at),
                  [](size_t, const void*, int64_t, int64_t) {});
  }

  void items_of(RowProgramExecutor::Run& run, int64_t begin, int64_t end, double* sums) const {
    const Walk& w = walk_;
    const int64_t block = runner_.block();
    if (piece_ == 0 && w.run <= block / 2) {  // several runs fit into a block
      const int64_t together = block / w.run;
      for (int64_t i = begin; i < end; i += together)
        run.compute(i * w.run, std::min(together, end - i) * w.run,
                    [&](size_t k, const void* values, int64_t at, int64_t n) {
                      for (int64_t r = 0; r < n / w.run; ++r)
                        add(k, values, r * w.run, 0, w.run,
                            sums + static_cast<int64_t>(k) * w.kept + w.place(at / w.run + r));
                    });
      return;
    }
    const int64_t step = std::max(row_, block / w.grain * w.grain);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i / pieces() * w.run, from = i % pieces() * piece_,
                    to = piece_ ? std::min(w.run, from + piece_) : w.run;
      double* acc = sums + w.place(i / pieces());
      for (int64_t at = from; at < to; at += step)
        run.compute(first + at, std::min(step, to - at),
                    [&](size_t k, const void* values, int64_t tile, int64_t n) {
                      add(k, values, 0, tile - first, n, acc + static_cast<int64_t>(k) * w.kept);
                    });
    }
  }

  /// n of the k-th reduction's values, the first of which is values[offset] and lies at `at` in a
  /// run.
  void add(size_t k, const void* values, int64_t offset, int64_t at, int64_t n, double* acc) const {
    const RowProgramExecutor::Across& a = runner_.across()[k];
    if (a.dtype == DType::f32) add(a.op, static_cast<const float*>(values) + offset, at, n, acc);
    else add(a.op, static_cast<const double*>(values) + offset, at, n, acc);
  }
  template <class T> void add(ReductionOp op, const T* x, int64_t at, int64_t n,
                              double* acc) const {
    const int64_t columns = walk_.columns;
    if (columns == 1) return reduce_rows(op, x, 1, n, acc);
    if (const int64_t column = at % columns; column != 0) {  // the rest of a row
      const int64_t length = std::min(n, columns - column);
      reduce_columns(op, x, 1, length, acc + column);
      x += length;
      n -= length;
    }
    reduce_columns(op, x, n / columns, columns, acc);
    if (n % columns) reduce_columns(op, x + n / columns * columns, 1, n % columns, acc);
  }

  /// One part's share of very many columns: all rows of it.
  void columns(RowProgramExecutor::Run& run, int64_t part, double* sums) const {
    const Walk& w = walk_;
    const int64_t begin = w.columns * part / parts_, end = w.columns * (part + 1) / parts_;
    for (int64_t r = 0; r < w.rows; ++r)
      for (int64_t c = begin; c < end; c += runner_.block())
        run.compute(r * w.columns + c, std::min(runner_.block(), end - c),
                    [&](size_t k, const void* values, int64_t at, int64_t n) {
                      add(k, values, 0, 0, n,
                          sums + static_cast<int64_t>(k) * w.kept + at % w.columns);
                    });
  }

  Walk walk_;
  RowProgramExecutor runner_;
  int64_t row_, copy_ = 0;  // accumulators of a copy
  int64_t parts_ = 1, threads_ = 1, piece_ = 0, runs_at_ = 0;
  bool shared_ = true, by_columns_ = false;
};

}  // namespace

std::unique_ptr<Kernel> make_reductions(const Expr& expr, const std::vector<ValueDesc>& in,
                                        const std::vector<ValueDesc>& out) {
  return std::make_unique<Reductions>(expr, in, out);
}

std::unique_ptr<Kernel> make_reduction(ReductionOp op, const Step& step) {
  const DType dtype = step.in[0].dtype;
  if (!is_float(dtype)) return nullptr;
  Expr e;
  e.code = {{.op_index = Expr::reduction(static_cast<int>(op)),
             .gradient = -1,
             .operands = 1,
             .compute = wide_dtype(dtype),
             .type = step.out[0].dtype,
             .operand = {0},
             .per = Expr::Per::kept}};
  e.results = {1};
  e.space = step.in[0].shape;
  e.axes = static_cast<const ReduceAttr*>(step.attr)->dim;
  return make_reductions(e, step.in, step.out);
}

}  // namespace suanli::cpu
