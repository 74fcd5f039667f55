// Sums over axes of what an expression gives, tile by tile: nothing but the sums (and asked-for values) reaches memory. A sum alone is one of
// a value that is only loaded, so that it has the same bits fused and alone.
//
// In which order things are added follows from the shape alone: a block of kSumBlock elements in SIMD lanes, blocks in f64 into the
// accumulators of a part, parts in order. How many threads there are, and how large the tiles, changes nothing.
#include <algorithm>
#include <cstring>

#include "backends/cpu/kernels.h"
#include "backends/cpu/sum_tiles.h"
#include "backends/cpu/sums.h"
#include "backends/cpu/tile_runner.h"
#include "base/thread_pool.h"
#include "ops/op.h"

namespace suanli::cpu {
namespace {

constexpr int64_t kParts = 16;  // at most this many copies of the accumulators; also how many threads may work
constexpr int64_t kWorth = 32768;  // elements worth several threads
constexpr int64_t kCopiesBytes = 4 << 20;  // that all copies together may take

/// How a sum walks its space: the innermost axes make runs, each of which goes into one accumulator (rows) or `columns` neighbouring ones.
struct Walk {
  Walk(const Shape& space, uint32_t axes) {
    struct Group {
      int64_t size;
      bool reduced;
    };
    std::vector<Group> groups;  // innermost first; neighbours of one kind merged
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
    // What cuts may not go through: see kSumBlock.
    grain = columns == 1 ? kSumBlock : columns >= kSumBlock ? 1 : kSumBlock / columns * columns;
  }
  /// The first accumulator of a run.
  int64_t place(int64_t i) const {
    int64_t at = 0;
    for (const Axis& a : outer) at += i % a.size * a.stride, i /= a.size;
    return at;
  }
  struct Axis {
    int64_t size, stride;
  };
  int64_t rows = 1, columns = 1, run = 1, runs = 1, kept = 1, grain;
  std::vector<Axis> outer;  // innermost first
  bool outermost_kept;
};

template <class T> class Sums final : public Kernel {
 public:
  Sums(const std::vector<TileInstruction>& code, const std::vector<ValueDesc>& in, const std::vector<DType>& stored,
       const std::vector<uint8_t>& results, const std::vector<uint8_t>& summed, const Shape& space, uint32_t axes)
      : runner_(code, in, stored, results, summed, space), walk_(space, axes), stored_(stored.size()), sums_(summed.size()) {
    const Walk& w = walk_;
    const int64_t total = runner_.total(), copy = static_cast<int64_t>(sums_) * w.kept * 8;
    shared_ = total < kWorth || w.outermost_kept;
    if (total >= kWorth) {
      const int64_t most = shared_ ? w.outer.back().size : std::min(kParts, std::max<int64_t>(1, kCopiesBytes / copy));
      by_columns_ = !shared_ && w.outer.empty() && w.columns >= kParts * kSumBlock && most < kParts;
      // A few long runs are cut into pieces.
      if (!shared_ && !by_columns_ && w.runs < kParts) {
        const int64_t pieces = std::min<int64_t>(kParts / w.runs, std::max<int64_t>(1, w.run / kWorth));
        piece_ = (w.run + pieces - 1) / pieces;
        const int64_t whole = w.columns >= kSumBlock ? w.columns : w.grain;
        piece_ = (piece_ + whole - 1) / whole * whole;
      }
      parts_ = by_columns_ ? kParts : shared_ ? std::min<int64_t>(4 * kParts, most) : std::min(most, items());
      shared_ = shared_ || by_columns_;
    }
    workspace_bytes = (shared_ ? 1 : parts_) * copy;
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    double* sums = static_cast<double*>(workspace);
    const int64_t copy = static_cast<int64_t>(sums_) * walk_.kept;
    std::memset(sums, 0, static_cast<size_t>(workspace_bytes));
    if (runner_.total() > 0)
      parallel_parts(static_cast<int>(parts_), [&](int part) {
        TileRunner::Run tiles(runner_, in, out, runner_.total());
        double* mine = sums + (shared_ ? 0 : part * copy);
        if (by_columns_) return columns(tiles, part, mine);
        // Shared accumulators: whole steps of the outermost axis, which is kept, so no two parts meet in one.
        const int64_t units = shared_ && parts_ > 1 ? walk_.outer.back().size : items(), each = items() / units;
        items_of(tiles, units * part / parts_ * each, units * (part + 1) / parts_ * each, mine);
      });
    for (size_t k = 0; k < sums_; ++k) {
      T* to = static_cast<T*>(out[stored_ + k]);
      const double* from = sums + static_cast<int64_t>(k) * walk_.kept;
      for (int64_t i = 0; i < walk_.kept; ++i) {
        double total = from[i];
        for (int64_t p = 1; p < (shared_ ? 1 : parts_); ++p) total += from[p * copy + i];
        to[i] = static_cast<T>(total);
      }
    }
  }

 private:
  int64_t pieces() const { return piece_ ? (walk_.run + piece_ - 1) / piece_ : 1; }
  /// Runs, or pieces of runs, in the order in which they lie.
  int64_t items() const { return walk_.runs * pieces(); }

  const T* kept(const TileRunner::Run& tiles, size_t k) const { return static_cast<const T*>(tiles.kept(k)); }

  void items_of(TileRunner::Run& tiles, int64_t begin, int64_t end, double* sums) const {
    const Walk& w = walk_;
    const int64_t tile = runner_.tile();
    if (piece_ == 0 && w.run <= tile / 2) {  // several runs fit into a tile
      const int64_t together = tile / w.run;
      for (int64_t i = begin; i < end; i += together) {
        const int64_t n = std::min(together, end - i);
        tiles.compute(i * w.run, n * w.run);
        for (size_t k = 0; k < sums_; ++k)
          for (int64_t r = 0; r < n; ++r)
            add(kept(tiles, k) + r * w.run, 0, w.run, sums + static_cast<int64_t>(k) * w.kept + w.place(i + r));
      }
      return;
    }
    const int64_t step = tile / w.grain * w.grain;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t run = i / pieces(), from = i % pieces() * piece_, to = piece_ ? std::min(w.run, from + piece_) : w.run;
      double* acc = sums + w.place(run);
      for (int64_t at = from; at < to; at += step) {
        const int64_t n = std::min(step, to - at);
        tiles.compute(run * w.run + at, n);
        for (size_t k = 0; k < sums_; ++k) add(kept(tiles, k), at, n, acc + static_cast<int64_t>(k) * w.kept);
      }
    }
  }

  /// n values that lie from `at` on in a run.
  void add(const T* x, int64_t at, int64_t n, double* acc) const {
    const int64_t columns = walk_.columns;
    if (columns == 1) {
      *acc += add_row(x, n);
      return;
    }
    if (const int64_t column = at % columns; column != 0) {  // the rest of a row
      const int64_t length = std::min(n, columns - column);
      add_columns(x, 1, length, acc + column);
      x += length, n -= length;
    }
    add_columns(x, n / columns, columns, acc);
    if (n % columns) add_columns(x + n / columns * columns, 1, n % columns, acc);
  }

  /// One part's share of very many columns: all rows of it.
  void columns(TileRunner::Run& tiles, int part, double* sums) const {
    const Walk& w = walk_;
    const int64_t begin = w.columns * part / parts_, end = w.columns * (part + 1) / parts_;
    for (int64_t r = 0; r < w.rows; ++r)
      for (int64_t c = begin; c < end; c += runner_.tile()) {
        const int64_t n = std::min(runner_.tile(), end - c);
        tiles.compute(r * w.columns + c, n);
        for (size_t k = 0; k < sums_; ++k) add_columns(kept(tiles, k), 1, n, sums + static_cast<int64_t>(k) * w.kept + c);
      }
  }

  TileRunner runner_;
  Walk walk_;
  size_t stored_, sums_;
  int64_t parts_ = 1, piece_ = 0;
  bool shared_ = true, by_columns_ = false;
};

}  // namespace

std::unique_ptr<Kernel> make_sums(const std::vector<TileInstruction>& code, const std::vector<ValueDesc>& in,
                                  const std::vector<DType>& stored, const std::vector<uint8_t>& results, const std::vector<uint8_t>& summed,
                                  const Shape& space, uint32_t axes, DType dtype) {
  if (dtype == DType::f32) return std::make_unique<Sums<float>>(code, in, stored, results, summed, space, axes);
  if (dtype == DType::f64) return std::make_unique<Sums<double>>(code, in, stored, results, summed, space, axes);
  return nullptr;
}

std::unique_ptr<Kernel> make_sum(const Step& step) {
  return make_sums({}, step.in, {}, {}, {0}, step.in[0].shape, static_cast<const ReduceAttr*>(step.attr)->axes, step.in[0].dtype);
}

}  // namespace suanli::cpu
