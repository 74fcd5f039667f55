// SPDX-License-Identifier: Apache-2.0
// 3×3 convolutions at stride 1 by Winograd's algorithm F(4×4, 3×3): 36 products per 16 results and
// channel where the definition takes 144. (Lavin & Gray 2016.) Its rounding errors are some four
// times those of the definition; SUANLI_CONV=direct does without it.
//
// Tiles go in groups through transform → 36 products → transform back, so that what lies between
// stays in a cache. Results do not depend on the number of threads: a tile's result is summed over
// the channels in one order, and the order in which tiles make up a weight gradient follows from
// the shape.
//
// A tile's results share rounding errors. |error| ≤ 2⁻¹⁸ · max |x of the tile's 6×6 pixels| · Σ max
// |w of a channel|, so that a large pixel moves its neighbors within that bound alone. NaN and
// infinity stay inside their receptive field: see winograd_direct().
#include <algorithm>

#include "backends/cpu/conv/conv.h"
#include "backends/cpu/conv/winograd_simd.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/numerics.h"
#include "backends/cpu/onednn/onednn.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"
#include "base/system/environment.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

/// Caches as many machines have them, not as this one has: programs, and the memory they need, are
/// then the same on every machine.
struct Caches {
  int64_t near_bytes, far_bytes;  // a core's own; of the last one, for all cores
  int64_t planes_bytes, tiles;  // at most: of planes that a lane keeps, and of a group
};
/// A group is as good as another for y and dx; in weight gradients its sums are added to those
/// before.
Caches caches_of_tiles() {
  const CpuTuning& t = cpu_tuning();
  return {t.winograd_near_bytes, t.winograd_far_bytes, t.winograd_planes_bytes, t.winograd_tiles};
}
constexpr Caches kGradientCaches = {
    Numerics::winograd_gradient_near_bytes, Numerics::winograd_gradient_far_bytes,
    Numerics::winograd_gradient_planes_bytes, Numerics::winograd_gradient_tiles};

// planes are not multiples of 4 KB apart: their elements would meet in the same cache sets
constexpr int64_t kShiftedFloats = 16;

int64_t tiles_along(int64_t size) { return (size + kWinogradTile - 1) / kWinogradTile; }
int64_t plane_of(int64_t rows, int64_t channels) { return rows * channels + kShiftedFloats; }
int64_t planes_bytes(int64_t rows, int64_t channels) {
  return 4 * kWinogradPlanes * plane_of(rows, channels);
}

/// Returns the number of tiles per group that moves the fewest bytes beyond a core's own cache. The
/// planes of a small group stay in that cache, but each group reads all `bytes` of the other
/// operand. Planes are written and read; planes that the last cache does not hold are also fetched
/// before they are written. `lanes` threads do so at a time, each with planes of its own.
int64_t best_group(int64_t tiles, int64_t channels, int64_t bytes, int64_t lanes,
                   const Caches& caches) {
  int64_t best = kWinogradRows, least = INT64_MAX;
  for (int64_t size = kWinogradRows; size <= std::min(caches.tiles, round_up(tiles, kWinogradRows));
       size *= 2) {
    const int64_t planes = planes_bytes(size, channels), groups = (tiles + size - 1) / size;
    if (planes > caches.planes_bytes) break;
    const int64_t times = planes <= caches.near_bytes          ? 0
                          : lanes * planes <= caches.far_bytes ? 2
                                                               : 3;
    const int64_t moved = groups * ((bytes > caches.near_bytes / 2 ? bytes : 0) + times * planes);
    if (moved <= least) {
      least = moved;
      best = size;
    }
  }
  return best;
}

/// The pictures on both sides of a convolution, cut so that tile i of the one makes tile i of the
/// other.
struct Cut {
  Cut(const Geometry& g, bool backwards) {
    // The gradient of x is the convolution of g with the rotated weights, padded so that every
    // window that held an x is met.
    in = backwards ? g.o : g.c;
    out = backwards ? g.c : g.o;
    const int64_t block = winograd_block(), rows = tiles_along(backwards ? g.h : g.p),
                  columns = tiles_along(backwards ? g.w : g.q);
    from = backwards ? WinogradTiles{in / block, g.p, g.q, rows, columns, 2 - g.attr.padding[0]}
                     : WinogradTiles{in / block, g.h, g.w, rows, columns, g.attr.padding[0]};
    to = {out / block, backwards ? g.h : g.p, backwards ? g.w : g.q, rows, columns, 0};
    tiles = g.n * rows * columns;
  }
  int64_t in, out, tiles;
  WinogradTiles from, to;
};

/// Products by definition, less those of the transformed tiles. The transforms are no multiply-adds
/// of the roof, and few.
int64_t saved_flops_of(const Geometry& g, const Cut& cut) {
  return 2 * cut.in * cut.out * (g.n * g.p * g.q * 9 - cut.tiles * kWinogradPlanes);
}

/// y and dx.
class Winograd final : public Kernel, public SavesFlops {
 public:
  int64_t saved_flops() const override { return saved_; }
  Winograd(const Geometry& g, bool backwards, bool bias, bool constant_weights,
           const Epilogue& epilogue)
      : cut_(g, backwards),
        saved_(saved_flops_of(g, cut_)),
        backwards_(backwards),
        bias_(bias),
        epilogue_(epilogue) {
    lanes_ = conv_lanes(g, (cut_.tiles + kWinogradRows - 1) / kWinogradRows);
    divide(best_group((cut_.tiles + lanes_ - 1) / lanes_, cut_.in + cut_.out,
                      4 * kWinogradPlanes * cut_.in * cut_.out, lanes_, caches_of_tiles()));
    u_plane_ = cut_.in * cut_.out + kShiftedFloats;
    Places places;
    const int64_t u_bytes = 4 * kWinogradPlanes * u_plane_;
    // Packed weights have the weights themselves behind them: results that are not finite are
    // computed by the definition.
    if (constant_weights)
      packing = {1, u_bytes + 4 * g.w_size(),
                 0x77696E6Fu + static_cast<uint64_t>(cut_.in << 33 | cut_.out << 1 | backwards)};
    else u_ = places.add(u_bytes);
    for (int64_t i = 0; i < lanes_; ++i)
      for (int64_t channels : {cut_.in, cut_.out})
        places_.push_back(places.add(planes_bytes(round_up(group_, kWinogradRows), channels)));
    if (epilogue_.consumes())
      for (int64_t i = 0; i < lanes_; ++i)
        results_.push_back(places.add(4 * kWinogradTile * kWinogradTile * group_ * cut_.out));
    workspace_bytes = places.total();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const float* x = static_cast<const float*>(in[0]);
    const float* bias = bias_ ? static_cast<const float*>(in[2]) : nullptr;
    if (packing.input < 0) pack(in[1], at(workspace, u_));
    const float* u = static_cast<const float*>(packing.input < 0 ? at(workspace, u_) : in[1]);
    const float* w =
        packing.input < 0 ? static_cast<const float*>(in[1]) : u + kWinogradPlanes * u_plane_;
    const int64_t groups = cut_.tiles / span_ * groups_per_span_;
    parallel_for_stealing(groups, static_cast<int>(lanes_), [&](int lane, WorkQueue& left) {
      float* v = static_cast<float*>(at(workspace, places_[static_cast<size_t>(2 * lane)]));
      float* m = static_cast<float*>(at(workspace, places_[static_cast<size_t>(2 * lane + 1)]));
      for (int64_t i; (i = left.next()) >= 0;) {
        const Group group = group_at(i);
        multiply(x, u, group.first, group.count, v, m);
        const Output output{x, w, bias, v, m};
        if (epilogue_)
          finish(
              group, output,
              epilogue_.consumes() ? at(workspace, results_[static_cast<size_t>(lane)]) : nullptr,
              in, out);
        else transform_back(output, group, cut_.to, group.first, static_cast<float*>(out[0]));
      }
    });
  }

  /// The transformed weights. w is [O, C, 3, 3] in both directions.
  void pack(const void* weights, void* packed) override {
    const int64_t pair = 2 * winograd_block(), of_out = out_stride(), of_in = in_stride();
    if (packing.input >= 0)
      std::copy_n(static_cast<const float*>(weights), 9 * cut_.in * cut_.out,
                  static_cast<float*>(packed) + kWinogradPlanes * u_plane_);
    parallel_chunks((cut_.out + pair - 1) / pair,
                    std::max<int64_t>(1, tuning_->thread_transform_elements / (cut_.in * pair)),
                    [&](int64_t begin, int64_t end) {
                      winograd_weights(static_cast<const float*>(weights), of_out, of_in,
                                       backwards_, cut_.in, cut_.out, begin * pair,
                                       std::min(cut_.out, end * pair), static_cast<float*>(packed),
                                       u_plane_);
                    });
  }

 private:
  struct Group {
    int64_t first, count;  // tiles
  };
  /// Inputs of a group's results: the planes `m`, and x, w and bias for the definition. `v` has the
  /// planes of x, free for reuse.
  struct Output {
    const float *x, *w, *bias;
    float* v;
    const float* m;
  };

  int64_t v_plane() const { return plane_of(round_up(group_, kWinogradRows), cut_.in); }
  int64_t m_plane() const { return plane_of(round_up(group_, kWinogradRows), cut_.out); }
  int64_t out_stride() const { return backwards_ ? 9 : 9 * cut_.in; }
  int64_t in_stride() const { return backwards_ ? 9 * cut_.out : 9; }

  /// A group's planes become tiles first … of y.
  void transform_back(const Output& o, const Group& group, const WinogradTiles& to, int64_t first,
                      float* y) const {
    if (winograd_output(o.m, m_plane(), to, first, group.count, o.bias, y)) return;
    // a block's weights take half of v's planes at most
    for (int64_t block = 0; block < to.blocks; ++block) {
      winograd_direct_weights(o.w, out_stride(), in_stride(), backwards_, cut_.in,
                              block * winograd_block(), o.v);
      winograd_direct(o.x, cut_.from, group.first, o.v, to, first, group.count, block, o.bias, y);
    }
  }

  /// Tiles first … first+count−1 of x, transformed, times the weights.
  void multiply(const float* x, const float* u, int64_t first, int64_t count, float* v,
                float* m) const {
    const int64_t rows = round_up(count, kWinogradRows);
    winograd_input(x, cut_.from, first, count, v, v_plane());
    for (int64_t p = 0; p < kWinogradPlanes; ++p) {
      float* plane = v + p * v_plane();
      // what is left of the last rows is computed too
      std::fill(plane + count * cut_.in, plane + rows * cut_.in, 0.0f);
      winograd_multiply(plane, u + p * u_plane_, m + p * m_plane(), rows, cut_.in, cut_.out);
    }
  }

  int64_t tiles_per_sample() const { return cut_.to.rows * cut_.to.columns; }

  /// Into groups of some `best` tiles, as many for each lane. With an epilogue their results have
  /// to be ranges of y: whole samples, or whole rows of pixels of one.
  void divide(int64_t best) {
    const bool rows = epilogue_ && best < tiles_per_sample();
    span_ = rows ? tiles_per_sample() : cut_.tiles;
    unit_ = rows ? cut_.to.columns : epilogue_ ? tiles_per_sample() : kWinogradRows;
    const int64_t units = (span_ + unit_ - 1) / unit_, most = std::max<int64_t>(1, best / unit_);
    groups_per_span_ = (units + most - 1) / most;
    if (cut_.tiles / span_ % lanes_ != 0)
      groups_per_span_ = std::min(units, round_up(groups_per_span_, lanes_));
    group_ = (units + groups_per_span_ - 1) / groups_per_span_ * unit_;
  }
  Group group_at(int64_t i) const {
    const int64_t units = (span_ + unit_ - 1) / unit_, span = i / groups_per_span_,
                  j = i % groups_per_span_;
    const int64_t begin = units * j / groups_per_span_ * unit_,
                  end = std::min(span_, units * (j + 1) / groups_per_span_ * unit_);
    return {span * span_ + begin, end - begin};
  }

  /// Transforms a group's planes back, to `own` (null: to y itself), and gives the epilogue the
  /// ranges of y that they fill.
  void finish(const Group& g, const Output& output, void* own, const void* const* in,
              void* const* out) const {
    const WinogradTiles& to = cut_.to;
    const int64_t sample = g.first / tiles_per_sample(),
                  samples = (g.count + tiles_per_sample() - 1) / tiles_per_sample();
    const int64_t rows = g.count / samples / to.columns, row = to.width * winograd_block(),
                  picture = to.height * row;
    const int64_t top = g.first % tiles_per_sample() / to.columns * kWinogradTile,
                  height = std::min(to.height - top, rows * kWinogradTile);
    const int64_t pictures = samples * to.blocks, first = sample * to.blocks * picture + top * row,
                  part = height * row;
    float* values = static_cast<float*>(own ? own : out[0]);
    if (own) {
      WinogradTiles cut = to;
      cut.rows = rows;
      cut.height = height;
      transform_back(output, g, cut, 0, values);
    } else {
      transform_back(output, g, to, g.first, values);
      values += first;
    }
    if (height == to.height) epilogue_.apply(in, out, {first, pictures * picture, values});
    else epilogue_.apply(in, out, {first, part, values, pictures, picture, own ? part : picture});
  }

  Cut cut_;
  const CpuTuning* tuning_ = &cpu_tuning();  // stays in memory
  int64_t saved_;
  bool backwards_, bias_;
  int64_t lanes_, u_plane_ = 0, u_ = 0;
  int64_t span_ = 0, unit_ = 0, groups_per_span_ = 0,
          group_ = 0;  // tiles: groups are made of units, and lie in one span; the largest one's
  Epilogue epilogue_;
  std::vector<int64_t> places_;  // per lane: v, m
  std::vector<int64_t> results_;  // per lane: a group's, where the epilogue consumes them
};

/// dw. Where its 36 planes are small every lane sums its own tiles; else all lanes transform a
/// group of tiles, and then share out the planes.
class WinogradGradient final : public Kernel, public SavesFlops {
 public:
  int64_t saved_flops() const override { return saved_; }
  explicit WinogradGradient(const Geometry& g)
      : cut_(g, false),
        saved_(saved_flops_of(g, cut_)),
        du_plane_(cut_.in * cut_.out + kShiftedFloats) {
    const int64_t du = 4 * kWinogradPlanes * du_plane_;
    own_ = du <= Numerics::winograd_gradient_own_bytes;
    lanes_ = own_ ? gradient_lanes(g) : 1;
    const int64_t most = (cut_.tiles + lanes_ - 1) / lanes_;
    group_ = std::min(most, best_group(most, cut_.in + cut_.out, du, lanes_, kGradientCaches));
    Places places;
    du_ = places.add(lanes_ * du);
    for (int64_t i = 0; i < lanes_; ++i)
      for (int64_t channels : {cut_.in, cut_.out})
        places_.push_back(places.add(planes_bytes(group_, channels)));
    workspace_bytes = places.total();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const float* x = static_cast<const float*>(in[0]);
    const float* g = static_cast<const float*>(in[1]);
    float* du = static_cast<float*>(at(workspace, du_));
    if (own_) {
      parallel_invoke(static_cast<int>(lanes_), [&](int lane) {
        const int64_t begin = cut_.tiles * lane / lanes_, end = cut_.tiles * (lane + 1) / lanes_;
        for (int64_t first = begin; first < end; first += group_) {
          const int64_t count = std::min(group_, end - first);
          transform(x, g, first, 0, count, lane, workspace);
          for (int64_t p = 0; p < kWinogradPlanes; ++p)
            accumulate(p, count, du + lane * kWinogradPlanes * du_plane_, 0, cut_.in, first > begin,
                       lane, workspace);
        }
      });
    } else {
      for (int64_t first = 0; first < cut_.tiles; first += group_) {
        const int64_t count = std::min(group_, cut_.tiles - first);
        parallel_chunks(count, tuning_->winograd_transform_tiles, [&](int64_t begin, int64_t end) {
          transform(x, g, first + begin, begin, end - begin, 0, workspace);
        });
        const int64_t slices = std::min(tuning_->winograd_slices, cut_.in / kWinogradRows),
                      step = round_up((cut_.in + slices - 1) / slices, kWinogradRows);
        parallel_chunks(kWinogradPlanes * slices, 1, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const int64_t from = std::min(cut_.in, i % slices * step);
            accumulate(i / slices, count, du, from, std::min(cut_.in, from + step), first > 0, 0,
                       workspace);
          }
        });
      }
    }
    parallel_chunks(cut_.in, std::max<int64_t>(1, tuning_->thread_weight_elements / cut_.out),
                    [&](int64_t begin, int64_t end) {
                      float* dw = static_cast<float*>(out[0]);
                      if (!winograd_weights_back(du, lanes_, kWinogradPlanes * du_plane_, du_plane_,
                                                 cut_.in, cut_.out, begin, end, dw))
                        winograd_direct_gradient(x, cut_.from, g, cut_.to,
                                                 cut_.tiles / (cut_.to.rows * cut_.to.columns),
                                                 begin, end, dw);
                    });
  }

 private:
  float* plane(int lane, int which, void* workspace) const {
    return static_cast<float*>(at(workspace, places_[static_cast<size_t>(2 * lane + which)]));
  }
  int64_t v_plane() const { return plane_of(group_, cut_.in); }
  int64_t z_plane() const { return plane_of(group_, cut_.out); }

  /// Tiles first … first+count−1 into rows `row` and on.
  void transform(const float* x, const float* g, int64_t first, int64_t row, int64_t count,
                 int lane, void* workspace) const {
    winograd_input(x, cut_.from, first, count, plane(lane, 0, workspace) + row * cut_.in,
                   v_plane());
    winograd_gradient(g, cut_.to, first, count, plane(lane, 1, workspace) + row * cut_.out,
                      z_plane());
  }
  void accumulate(int64_t p, int64_t rows, float* du, int64_t begin, int64_t end, bool add,
                  int lane, void* workspace) const {
    winograd_accumulate(plane(lane, 0, workspace) + p * v_plane(),
                        plane(lane, 1, workspace) + p * z_plane(), du + p * du_plane_, rows,
                        cut_.in, cut_.out, begin, end, add);
  }

  Cut cut_;
  const CpuTuning* tuning_ = &cpu_tuning();  // stays in memory
  int64_t saved_, du_plane_, lanes_ = 1, group_ = 0, du_ = 0;
  bool own_ = false;
  std::vector<int64_t> places_;  // per lane: v, z
};

/// Enough channels that the products outweigh the transforms, tiles that are mostly filled, and
/// enough of them that what is saved outweighs reading the transformed weights, which are four
/// times as large; and, unless they stay, making them.
bool pays(Direction direction, const Geometry& g, bool constant_weights) {
  if (g.r != 3 || g.s != 3 || g.attr.stride != 1 || g.attr.dilation != 1 || g.attr.groups != 1 ||
      g.attr.padding[0] > 2 || !g.attr.padding.equal())
    return false;
  const int64_t block = winograd_block();
  if (g.x_block != block || g.y_block != block || std::min(g.c, g.o) < Numerics::winograd_channels)
    return false;
  const int64_t height = direction == Direction::grad_input ? g.h : g.p,
                width = direction == Direction::grad_input ? g.w : g.q;
  const int64_t tiles = g.n * tiles_along(height) * tiles_along(width);
  const double weights = 4.0 * kWinogradPlanes * static_cast<double>(g.c * g.o);  // bytes
  return 2 * g.n * height * width > kWinogradTile * kWinogradTile * tiles &&
         g.flops() > static_cast<double>(constant_weights ? Numerics::winograd_packed_flops
                                                          : Numerics::winograd_weight_flops) *
                         weights;
}

}  // namespace

bool direct_convolutions() {
  static const bool on = environment_choice("SUANLI_CONV") == "direct";
  return on;
}

std::unique_ptr<Kernel> make_winograd(Direction direction, const Geometry& g, bool bias,
                                      bool constant_weights, const Epilogue& epilogue) {
  if (direct_convolutions() || !pays(direction, g, constant_weights)) return nullptr;
  if (direction == Direction::grad_weight) return std::make_unique<WinogradGradient>(g);
  return std::make_unique<Winograd>(g, direction == Direction::grad_input, bias, constant_weights,
                                    epilogue);
}

}  // namespace suanli::cpu
