// SPDX-License-Identifier: Apache-2.0
// Depthwise convolutions: every input channel makes O/C output channels by kernels of its own.
// oneDNN has fast kernels for some of them: its weight gradients of 5×5 and 7×7 in blocks of
// channels are reference code, and plain activations are one small product per channel.
//
// A vector of channels is gathered, with zeros for the padding, from activations that are plain or
// lie in blocks; results are computed in registers, a few neighbors at a time. Results do not
// depend on the number of threads: a result is one sum, and the samples whose weight gradients are
// added up follow from the shape.
#include <algorithm>
#include <numeric>
#include <tuple>
#include <vector>

#include "backends/cpu/conv/conv.h"
#include "backends/cpu/conv/depthwise_simd.h"
#include "backends/cpu/numerics.h"
#include "backends/cpu/onednn/onednn.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

constexpr int64_t kMaxLanes = 16;

int64_t pieces(int64_t n, int64_t of) { return (n + of - 1) / of; }

/// Results along one axis whose factors lie alike: first, first + Axis::out_step, …
struct Phase {
  int64_t first, count;
  int64_t taps, base;  // how many, and where the first result has its first factor
  int64_t weight, weight_step;  // the index of its weight, and from one tap to the next
};

/// Computes results along one axis: y from x, or dx from dy, which the stride spreads.
struct Axis {
  int64_t out = 0, in = 0;  // sizes
  int64_t out_step = 1, in_step = 1, tap_step = 1;
  std::vector<Phase> phases;

  /// Axis 0 goes along the rows of pictures, 1 along their columns.
  Axis(bool backwards, const Geometry& g, int axis) {
    const int64_t x = axis == 0 ? g.h : g.w, y = axis == 0 ? g.p : g.q,
                  kernel = axis == 0 ? g.r : g.s, stride = g.attr.stride[axis],
                  padding = g.attr.padding[axis], dilation = g.attr.dilation[axis];
    out = backwards ? x : y;
    in = backwards ? y : x;
    if (!backwards) {
      in_step = stride;
      tap_step = dilation;
      phases.push_back({0, out, kernel, -padding, 0, 1});
      return;
    }
    // dx[i] = Σ dy[(i + padding − r·dilation) / stride] · w[r] over those r that divide.
    const int64_t step = stride / std::gcd(stride, dilation);
    out_step = stride;
    tap_step = step * dilation / stride;
    for (int64_t first = 0; first < std::min<int64_t>(out_step, out); ++first) {
      int64_t r = 0;
      while (r < step && (first + padding - r * dilation) % stride != 0) ++r;
      const int64_t taps = r < std::min(step, kernel) ? (kernel - 1 - r) / step + 1 : 0,
                    last = r + step * (taps - 1);
      phases.push_back({first, pieces(out - first, out_step), taps,
                        taps == 0 ? 0 : (first + padding - last * dilation) / stride, last, -step});
    }
  }

  /// Results first + begin·out_step … before first + end·out_step of a phase, as part of results 0
  /// … last−1.
  int64_t end(const Phase& p, int64_t last) const {
    return std::clamp<int64_t>(pieces(last - p.first, out_step), 0, p.count);
  }
  /// The factors of results from `begin` (a multiple of out_step) to before `last`: first one and
  /// how many.
  std::pair<int64_t, int64_t> window(int64_t begin, int64_t last) const {
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (const Phase& p : phases) {
      const int64_t from = begin / out_step, to = end(p, last);
      if (p.taps == 0 || from >= to) continue;
      low = std::min(low, p.base + from * in_step);
      high = std::max(high, p.base + (to - 1) * in_step + (p.taps - 1) * tap_step + 1);
    }
    return low < high ? std::pair(low, high - low) : std::pair(int64_t{0}, int64_t{0});
  }
};

/// Activations on one side of the convolution, and the channels of them that a vector takes.
struct Side {
  Side(int64_t n, int64_t all, int64_t layout_block, int64_t vector)
      : channels(all), pixels(n), block(std::max<int64_t>(1, layout_block)), lanes(vector) {}
  int64_t channels, pixels, block, lanes;
  /// From channel `first` on; `every`: takes each so many-th channel.
  template <class T> DepthwiseChannels<T> at(T* data, int64_t sample, int64_t first,
                                             int64_t every = 1) const {
    T* picture = data + sample * channels * pixels;
    const int64_t valid = std::min(lanes, pieces(channels - first, every));
    if (block == 1) return {picture + first * pixels, valid, 1, every * pixels};
    return {picture + first / block * block * pixels + first % block, valid, block, block * pixels};
  }
};

/// Both sides.
struct Sides {
  Sides(const Geometry& g, int64_t vector)
      : lanes(vector),
        multiplier(g.o / g.c),
        x(g.h * g.w, g.c, g.x_block, vector),
        y(g.p * g.q, g.o, g.y_block, vector) {}
  int64_t lanes, multiplier;
  Side x, y;
  /// The channels of x that output channels from `first` on are made of.
  template <class T> DepthwiseChannels<T> factors(T* data, int64_t sample, int64_t first) const {
    if (multiplier == 1) return x.at(data, sample, first);
    DepthwiseChannels<T> c = x.at(data, sample, first / multiplier);
    c.valid = std::min(lanes, y.channels - first);
    c.repeat = multiplier;
    c.phase = first % multiplier;
    return c;
  }
};

/// y and dx. A unit is as many channels of a sample as a vector has, or as a block of the layout
/// has, if that is more. A piece of work is a strip of rows of a unit, or some units whose pictures
/// are small.
template <class T> class Depthwise final : public Kernel {
 public:
  Depthwise(const Geometry& g, bool backwards, bool bias, bool constant_weights, Epilogue epilogue,
            const ChannelChain& chain = {})
      : g_(g),
        backwards_(backwards),
        bias_(bias),
        sides_(g, depthwise_lanes<T>()),
        rows_(backwards, g, 0),
        columns_(backwards, g, 1),
        epilogue_(std::move(epilogue)),
        chain_(chain) {
    const Side& to = result();
    unit_ = std::max(to.lanes, to.block);
    units_ = pieces(to.channels, unit_);
    std::tie(column_, window_columns_) = columns_.window(0, columns_.out);
    plan_strips();
    Places places;
    const int64_t w_bytes = pieces(to.channels, to.lanes) * of_vector() * kSize;
    if (constant_weights) packing = {1, w_bytes, packed_format()};
    else w_ = places.add(w_bytes);
    const int64_t lanes = std::clamp<int64_t>(
        static_cast<int64_t>(g.flops() / static_cast<double>(cpu_tuning().thread_depthwise_flops)),
        1, std::min<int64_t>(pieces_, pool_threads()));
    for (int64_t i = 0; i < lanes; ++i) {
      Lane lane;
      lane.window = places.add(window_rows() * window_columns_ * to.lanes * kSize);
      if (!in_place()) lane.vector = places.add(strip_ * columns_.out * to.lanes * kSize);
      if (!epilogue_.has_place())
        lane.result = places.add(together_ * unit_ * strip_ * columns_.out * kSize);
      lanes_.push_back(lane);
    }
    workspace_bytes = places.total();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    if (packing.input < 0) pack(in[1], at(workspace, w_));
    const T* w = static_cast<const T*>(packing.input < 0 ? at(workspace, w_) : in[1]);
    const T* x = static_cast<const T*>(in[0]);
    const T* bias = bias_ ? static_cast<const T*>(in[2]) : nullptr;
    const BoundChain chain = chain_.bind(in, out);
    void* const place = epilogue_.place(out);
    parallel_for_stealing(pieces_, static_cast<int>(lanes_.size()), [&](int i, WorkQueue& left) {
      const Lane& lane = lanes_[static_cast<size_t>(i)];
      const Operands operands{x,
                              w,
                              bias,
                              static_cast<T*>(at(workspace, lane.window)),
                              static_cast<T*>(at(workspace, lane.vector)),
                              &chain};
      for (int64_t piece; (piece = left.next()) >= 0;) {
        const Part part = part_of(piece);
        T* own = place ? nullptr : static_cast<T*>(at(workspace, lane.result));
        for (int64_t unit = part.unit; unit < part.last_unit; ++unit)
          compute(operands, unit, part,
                  own ? own + begin_of(unit) - begin_of(part.unit)
                      : static_cast<T*>(place) + begin_of(unit),
                  own != nullptr);
        if constexpr (std::is_same_v<T, float>)
          if (epilogue_) finish(part, own, static_cast<const float*>(place), in, out);
      }
    });
  }

  /// [vector of results][pass][phase of rows][of columns][taps][lane]
  void pack(const void* weights, void* packed) override {
    const T* w = static_cast<const T*>(weights);
    const Side& to = result();
    T* next = static_cast<T*>(packed);
    for (int64_t first = 0; first < to.channels; first += to.lanes)
      for (int64_t pass = 0; pass < passes(); ++pass)
        for (const Phase& a : rows_.phases)
          for (const Phase& b : columns_.phases)
            for (int64_t r = 0; r < a.taps; ++r)
              for (int64_t s = 0; s < b.taps; ++s)
                for (int64_t lane = 0; lane < to.lanes; ++lane) {
                  const int64_t channel = std::min(first + lane, to.channels - 1) * passes() + pass;
                  *next++ = w[(channel * g_.r + a.weight + r * a.weight_step) * g_.s + b.weight +
                              s * b.weight_step];
                }
  }

 private:
  static constexpr int64_t kSize = sizeof(T);
  struct Lane {
    // places of what is gathered, of a vector's results, of a piece's
    int64_t window = 0, vector = 0, result = 0;
  };
  struct Operands {
    const T *x, *w, *bias;
    T *window, *vector;
    const BoundChain* chain;
  };
  struct Part {
    int64_t unit, last_unit, row, last_row;
  };

  const Side& result() const { return backwards_ ? sides_.x : sides_.y; }
  /// dx has a sum over the output channels of each input channel.
  int64_t passes() const { return backwards_ ? sides_.multiplier : 1; }
  int64_t of_vector() const {
    int64_t taps = 0;
    for (const Phase& a : rows_.phases)
      for (const Phase& b : columns_.phases) taps += a.taps * b.taps;
    return passes() * taps * result().lanes;
  }
  /// True if a vector's results lie so in their block.
  bool in_place() const { return result().block % result().lanes == 0; }
  uint64_t packed_format() const {
    uint64_t hash = 0x64657074u;
    for (int64_t n : {g_.o, g_.c, g_.r, g_.s, sides_.lanes, int64_t{backwards_},
                      backwards_ ? g_.h : 0, backwards_ ? g_.w : 0, kSize})
      hash = (hash ^ static_cast<uint64_t>(n)) * 0x100000001B3u;
    for (IntPair pair : {g_.attr.stride, g_.attr.padding, g_.attr.dilation})
      for (int axis : {0, 1}) hash = (hash ^ static_cast<uint64_t>(pair[axis])) * 0x100000001B3u;
    return hash;
  }

  void plan_strips() {
    const int64_t row_bytes = std::max<int64_t>(1, window_columns_ * result().lanes * kSize);
    const CpuTuning& tuning = cpu_tuning();
    const int64_t rows =
        tuning.depthwise_window_bytes / row_bytes - rows_.window(0, rows_.out_step).second;
    strip_ = round_up(std::max<int64_t>(1, rows / rows_.in_step * rows_.out_step), rows_.out_step);
    strips_ = pieces(rows_.out, strip_);
    strip_ = std::min(rows_.out, round_up(pieces(rows_.out, strips_), rows_.out_step));
    strips_ = pieces(rows_.out, strip_);
    const int64_t all = g_.n * units_;
    together_ = strips_ > 1
                    ? 1
                    : std::clamp<int64_t>(
                          tuning.depthwise_results / (unit_ * strip_ * columns_.out), 1, all);
    pieces_ = strips_ * pieces(all, together_);
  }
  int64_t window_rows() const {
    int64_t most = 0;
    for (int64_t i = 0; i < strips_; ++i)
      most = std::max(most, rows_.window(i * strip_, std::min(rows_.out, (i + 1) * strip_)).second);
    return most;
  }
  Part part_of(int64_t piece) const {
    const int64_t unit = piece / strips_ * together_, row = piece % strips_ * strip_;
    return {unit, std::min(g_.n * units_, unit + together_), row,
            std::min(rows_.out, row + strip_)};
  }
  /// Where a unit begins in the result.
  int64_t begin_of(int64_t unit) const {
    return (unit / units_ * result().channels + unit % units_ * unit_) * result().pixels;
  }
  int64_t channels_of(int64_t unit) const {
    return std::min(unit_, result().channels - unit % units_ * unit_);
  }

  /// Rows of a unit, to their places from the unit's beginning on, or (`alone`) one strip behind
  /// the other.
  void compute(const Operands& o, int64_t unit, const Part& part, T* to, bool alone) const {
    const Side& side = result();
    const int64_t rows = part.last_row - part.row, pixels = rows * columns_.out,
                  sample = unit / units_;
    const int64_t first_of_unit = unit % units_ * unit_,
                  skipped = alone ? 0 : part.row * columns_.out;
    for (int64_t k = 0; k < channels_of(unit); k += side.lanes) {
      const int64_t first = first_of_unit + k;
      if (in_place()) {
        correlate(
            o, sample, first, part,
            to + k / side.block * side.block * side.pixels + k % side.block + skipped * side.block,
            side.block);
        continue;
      }
      correlate(o, sample, first, part, o.vector, side.lanes);
      const int64_t block_step = side.block * (alone ? pixels : side.pixels);
      depthwise_scatter<T>(
          o.vector, pixels,
          {to + k / side.block * block_step + k % side.block + skipped * side.block,
           std::min(side.lanes, side.channels - first), side.block, block_step});
    }
  }

  /// Rows of a vector of channels, `pixel` elements from one pixel to the next.
  void correlate(const Operands& o, int64_t sample, int64_t first, const Part& part, T* to,
                 int64_t pixel) const {
    const int64_t lanes = sides_.lanes;
    const auto [row, rows] = rows_.window(part.row, part.last_row);
    const DepthwiseWindow window{rows_.in, columns_.in, row, rows, column_, window_columns_};
    const T* w = o.w + first / lanes * of_vector();
    alignas(64) T start[kMaxLanes];
    if (o.bias != nullptr)
      for (int64_t lane = 0; lane < lanes; ++lane)
        start[lane] = o.bias[std::min(first + lane, sides_.y.channels - 1)];
    for (int64_t pass = 0; pass < passes(); ++pass) {
      const auto from = backwards_ ? sides_.y.at(o.x, sample, first * passes() + pass, passes())
                                   : sides_.factors(o.x, sample, first);
      depthwise_gather<T>(from, window, o.window);
      for (const Phase& a : rows_.phases)
        for (const Phase& b : columns_.phases) {
          const int64_t begin = part.row / rows_.out_step, end = rows_.end(a, part.last_row);
          const int64_t at_row = a.base + begin * rows_.in_step - row, at_column = b.base - column_;
          const DepthwiseTaps taps{b.taps == 0 ? 0 : a.taps,
                                   b.taps,
                                   rows_.tap_step * window_columns_ * lanes,
                                   columns_.tap_step * lanes,
                                   rows_.in_step * window_columns_ * lanes,
                                   columns_.in_step * lanes,
                                   rows_.tap_step,
                                   rows_.in_step,
                                   -row - at_row,
                                   rows_.in - row - at_row};
          const T* x =
              taps.rows == 0 ? o.window : o.window + (at_row * window_columns_ + at_column) * lanes;
          T* y = to + (a.first * columns_.out + b.first) * pixel;
          depthwise_correlate<T>(x, taps, w, o.bias != nullptr ? start : nullptr, pass > 0, y,
                                 end - begin, b.count, rows_.out_step * columns_.out * pixel,
                                 columns_.out_step * pixel,
                                 {o.chain, first, sides_.y.channels - first});
          w += a.taps * b.taps * lanes;
        }
    }
  }

  void finish(const Part& part, const float* own, const float* place, const void* const* in,
              void* const* out) const {
    const Side& side = result();
    const int64_t first = begin_of(part.unit), length = (part.last_row - part.row) * columns_.out;
    if (strips_ == 1) {
      const int64_t last = part.last_unit - 1,
                    end = begin_of(last) + channels_of(last) * side.pixels;
      epilogue_.apply(in, out, {first, end - first, own ? own : place + first});
      return;
    }
    const int64_t begin = first + part.row * columns_.out * side.block,
                  step = side.pixels * side.block;
    epilogue_.apply(in, out,
                    {begin, length * side.block, own ? own : place + begin,
                     channels_of(part.unit) / side.block, step, own ? length * side.block : step});
  }

  Geometry g_;
  bool backwards_, bias_;
  Sides sides_;
  Axis rows_, columns_;
  Epilogue epilogue_;
  ChannelChain chain_;  // done in registers; without ops where there is an epilogue
  int64_t unit_ = 0, units_ = 0;  // channels of one; of a sample
  int64_t column_ = 0, window_columns_ = 0;  // of all windows
  int64_t strip_ = 0, strips_ = 0, together_ = 0;  // rows of one; of a unit; units of a piece
  int64_t pieces_ = 0, w_ = 0;
  std::vector<Lane> lanes_;
};

/// dw. A task is a vector of output channels of some samples. Every task's sums lie apart and are
/// added up in order.
template <class T> class DepthwiseGradient final : public Kernel {
 public:
  explicit DepthwiseGradient(const Geometry& g)
      : g_(g),
        sides_(g, depthwise_lanes<T>()),
        rows_(false, g, 0),
        columns_(false, g, 1),
        vectors_(pieces(g.o, sides_.lanes)) {
    using N = Numerics;
    const int64_t worth = static_cast<int64_t>(g.flops() / N::depthwise_gradient_flops);
    chunks_ = std::clamp<int64_t>(
        std::min(pieces(N::depthwise_gradient_tasks, vectors_), worth / vectors_), 1,
        std::min(g.n, N::depthwise_gradient_chunks));
    std::tie(column_, window_columns_) = columns_.window(0, columns_.out);
    const int64_t row_bytes =
        (window_columns_ * g.attr.stride[1] + columns_.out) * sides_.lanes * kSize;
    strip_ = std::clamp<int64_t>(N::depthwise_gradient_window_bytes / row_bytes - g.r, 1, g.p);
    strip_ = pieces(g.p, pieces(g.p, strip_));
    Places places;
    sums_ = places.add(chunks_ * vectors_ * of_vector() * kSize);
    const int64_t lanes = conv_lanes(g, chunks_ * vectors_);
    for (int64_t i = 0; i < lanes; ++i) {
      Lane lane;
      lane.window =
          places.add(rows_.window(0, strip_).second * window_columns_ * sides_.lanes * kSize);
      if (!in_place()) lane.gradient = places.add(strip_ * columns_.out * sides_.lanes * kSize);
      lanes_.push_back(lane);
    }
    workspace_bytes = places.total();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const T* x = static_cast<const T*>(in[0]);
    const T* g = static_cast<const T*>(in[1]);
    T* sums = static_cast<T*>(at(workspace, sums_));
    parallel_for_stealing(
        chunks_ * vectors_, static_cast<int>(lanes_.size()), [&](int i, WorkQueue& left) {
          const Lane& lane = lanes_[static_cast<size_t>(i)];
          for (int64_t task; (task = left.next()) >= 0;) {
            const int64_t chunk = task / vectors_, vector = task % vectors_;
            T* sum = sums + task * of_vector();
            std::fill_n(sum, of_vector(), T(0));
            for (int64_t n = g_.n * chunk / chunks_; n < g_.n * (chunk + 1) / chunks_; ++n)
              for (int64_t row = 0; row < g_.p; row += strip_)
                add(x, g, n, vector * sides_.lanes, row, std::min(g_.p, row + strip_),
                    static_cast<T*>(at(workspace, lane.window)),
                    static_cast<T*>(at(workspace, lane.gradient)), sum);
          }
        });
    T* dw = static_cast<T*>(out[0]);
    const int64_t taps = g_.r * g_.s;
    for (int64_t o = 0; o < g_.o; ++o)
      for (int64_t tap = 0; tap < taps; ++tap) {
        const T* from =
            sums + o / sides_.lanes * of_vector() + tap * sides_.lanes + o % sides_.lanes;
        T sum = from[0];
        for (int64_t chunk = 1; chunk < chunks_; ++chunk)
          sum += from[chunk * vectors_ * of_vector()];
        dw[o * taps + tap] = sum;
      }
  }

 private:
  static constexpr int64_t kSize = sizeof(T);
  struct Lane {
    int64_t window = 0, gradient = 0;  // places of what is gathered
  };
  int64_t of_vector() const { return g_.r * g_.s * sides_.lanes; }
  /// True if a vector of gradients lies so in its block.
  bool in_place() const { return sides_.y.block % sides_.lanes == 0; }

  void add(const T* x, const T* g, int64_t sample, int64_t first, int64_t row, int64_t last_row,
           T* window, T* gradient, T* sum) const {
    const int64_t lanes = sides_.lanes;
    const auto [window_row, rows] = rows_.window(row, last_row);
    depthwise_gather<T>(sides_.factors(x, sample, first),
                        {g_.h, g_.w, window_row, rows, column_, window_columns_}, window);
    const DepthwiseChannels<const T> from = sides_.y.at(g, sample, first);
    const T* values = from.data + row * g_.q * from.block;
    int64_t pixel = from.block;
    if (!in_place()) {
      depthwise_gather<T>(from, {g_.p, g_.q, row, last_row - row, 0, g_.q}, gradient);
      values = gradient;
      pixel = lanes;
    }
    const DepthwiseTaps taps{g_.r,
                             g_.s,
                             rows_.tap_step * window_columns_ * lanes,
                             columns_.tap_step * lanes,
                             rows_.in_step * window_columns_ * lanes,
                             columns_.in_step * lanes,
                             rows_.tap_step,
                             rows_.in_step,
                             -window_row,
                             g_.h - window_row};
    depthwise_accumulate<T>(window, taps, values, last_row - row, g_.q, g_.q * pixel, pixel, sum);
  }

  Geometry g_;
  Sides sides_;
  Axis rows_, columns_;
  int64_t vectors_, chunks_ = 1, strip_ = 1;  // of channels; of samples; rows at a time
  int64_t column_ = 0, window_columns_ = 0, sums_ = 0;
  std::vector<Lane> lanes_;
};

template <class T>
std::unique_ptr<Kernel> make(Direction direction, const Geometry& g, bool bias,
                             bool constant_weights, Epilogue epilogue) {
  if (direction == Direction::grad_weight) return std::make_unique<DepthwiseGradient<T>>(g);
  return std::make_unique<Depthwise<T>>(g, direction == Direction::grad_input, bias,
                                        constant_weights, std::move(epilogue));
}

}  // namespace

std::unique_ptr<Kernel> make_depthwise(Direction direction, DType dtype, const Geometry& g,
                                       bool bias, bool constant_weights, Epilogue epilogue) {
  if (dtype == DType::f64)
    return make<double>(direction, g, bias, constant_weights, std::move(epilogue));
  return make<float>(direction, g, bias, constant_weights, std::move(epilogue));
}

std::unique_ptr<Kernel> make_frozen_depthwise(const Geometry& g, bool bias, const Step& step) {
  const int64_t lanes = depthwise_lanes<float>();
  auto fits = [&](int64_t block) { return block == 0 || block == lanes; };
  if (!fits(g.x_block) || !fits(g.y_block)) return nullptr;
  const auto chain = ChannelChain::of(step);
  return std::make_unique<Depthwise<float>>(
      g, false, bias, true, chain ? Epilogue() : Epilogue(step), chain.value_or(ChannelChain()));
}

}  // namespace suanli::cpu
