// SPDX-License-Identifier: Apache-2.0
// The kernels of oneDNN's convolutions. Each lane, in general a thread, takes chunks of samples
// through plain x, y → copies in oneDNN's layout → primitive → plain result. The copies of a chunk
// stay in L2, and the workspace stays small. A single sample is split along its output channels
// instead. One thread at a time may run a kernel.
#include "backends/cpu/conv/conv_stages.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/numerics.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {

namespace {

/// Chunks of samples for y and dx. Enough for the copies of one to stay in most of an L2 of 2 MB,
/// and for 16 threads; but one needs 4 MFLOP or 256 KB of y to be worth starting, and each reads
/// all weights again, which must serve some 512 pixels where they do not fit into L2.
int64_t chunks(const Geometry& g) {
  using N = Numerics;
  const int64_t cached = g.n * 4 * (g.x_size() + g.y_size()) / N::conv_chunk_bytes;
  const int64_t useful = std::max(static_cast<int64_t>(g.flops() / N::conv_chunk_flops),
                                  g.n * 4 * g.y_size() / N::conv_chunk_result_bytes);
  const int64_t fewest_samples = g.w_size() > N::conv_large_weights
                                     ? (N::conv_weight_pixels - 1 + g.p * g.q) / (g.p * g.q)
                                     : 1;
  const int64_t n = std::clamp<int64_t>(std::max(cached, std::min(useful, N::conv_chunks)), 1,
                                        std::max<int64_t>(1, g.n / fewest_samples));
  // most machines have an even number of cores
  const int64_t multiple = N::conv_chunk_multiple;
  return n < multiple - 1 ? n : std::min(g.n, round_up(n, multiple));
}

/// Slices of a single sample's output channels: whole blocks, as many in every slice. An even
/// number where there is one, since most machines have an even number of cores; of two blocks or
/// more where that gives as many as two.
int64_t channel_slices(const Geometry& g) {
  if (g.o % 16 != 0) return 1;
  const int64_t blocks = g.o / 16,
                most = std::min(Numerics::conv_slices,
                                static_cast<int64_t>(g.flops() / Numerics::conv_slice_flops));
  for (const int64_t fewest_blocks : {Numerics::conv_slice_blocks, int64_t{1}})
    for (int64_t slices = std::min(most, blocks / fewest_blocks) / 2 * 2; slices > 1; slices -= 2)
      if (blocks % slices == 0) return slices;
  int64_t slices = std::min(most, blocks / Numerics::conv_slice_blocks);
  while (slices > 1 && blocks % slices != 0) --slices;
  return std::max<int64_t>(1, slices);
}

/// Samples whose weight gradient is computed at once. A few, so that their copies stay in L2; but
/// adding each dw to the lane's must not matter beside it.
int64_t gradient_chunk(const Geometry& g) {
  const int64_t lane = (g.n + gradient_lanes(g) - 1) / gradient_lanes(g),
                bytes = std::max(Numerics::conv_gradient_bytes,
                                 Numerics::conv_gradient_weights * g.w_size());
  const int64_t steps = (lane * 4 * (g.x_size() + g.y_size()) + bytes - 1) / bytes;
  return (lane + steps - 1) / steps;
}

/// y or dx in chunks of samples, which the lanes share.
class ConvChunks final : public Kernel {
 public:
  ConvChunks(Direction direction, const Geometry& g, bool bias, bool constant_weights,
             Epilogue epilogue)
      : forward_(direction == Direction::forward),
        g_(g),
        bias_(bias),
        stages_(direction, g, bias, 0),
        epilogue_(std::move(epilogue)),
        chunk_((g.n + chunks(g) - 1) / chunks(g)),
        count_((g.n + chunk_ - 1) / chunk_) {
    OneOmpThread one;
    Places places;
    const int64_t lanes = conv_lanes(g, count_);
    for (int64_t i = 0; i < lanes; ++i) {
      lanes_.push_back(stages_.lane(chunk_, g.n % chunk_, places));
      if (!epilogue_.has_place()) results_.push_back(places.add(4 * chunk_ * made()));
    }
    const ConvStage& first = lanes_[0].whole;
    w_reorder_ = SpreadReorder(stages_.given_weights(), first.w_desc, places);
    if (w_reorder_) w_place_ = places.add(bytes_of(first.w_desc));
    workspace_bytes = places.total();
    // Weights that stay are reordered once.
    if (constant_weights && w_reorder_)
      packing = {1, bytes_of(first.w_desc), layout_hash(first.w_desc) * 31};
  }

  void pack(const void* weights, void* packed) override {
    const auto scratch = std::make_unique<std::byte[]>(static_cast<size_t>(workspace_bytes) + 64);
    w_reorder_.run(weights, packed, scratch.get());
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const void* w = in[1];
    if (w_reorder_ && packing.input < 0) {
      w_reorder_.run(w, at(workspace, w_place_), workspace);
      w = at(workspace, w_place_);
    }
    float* const place = epilogue_.place(out);
    const int64_t given = forward_ ? g_.x_size() : g_.y_size();
    parallel_for_stealing(count_, static_cast<int>(lanes_.size()), [&](int i, WorkQueue& left) {
      OneOmpThread one;
      const ConvLane& lane = lanes_[static_cast<size_t>(i)];
      for (int64_t chunk; (chunk = left.next()) >= 0;) {
        const int64_t first = chunk * chunk_, end = std::min(g_.n, first + chunk_);
        const void* from = at(in[0], 4 * first * given);
        void* to =
            place ? at(place, 4 * first * made()) : at(workspace, results_[static_cast<size_t>(i)]);
        stages_.run(lane, end - first == chunk_ ? lane.whole : lane.rest, forward_ ? from : to, w,
                    bias_ ? in[2] : nullptr, forward_ ? to : from, workspace);
        if (epilogue_)
          epilogue_.apply(in, out,
                          {first * made(), (end - first) * made(), static_cast<const float*>(to)});
      }
    });
  }

 private:
  /// Elements of a sample's result.
  int64_t made() const { return forward_ ? g_.y_size() : g_.x_size(); }

  bool forward_;
  Geometry g_;
  bool bias_;
  ConvStages stages_;
  Epilogue epilogue_;
  int64_t chunk_, count_;  // samples; chunks
  std::vector<ConvLane> lanes_;
  std::vector<int64_t> results_;  // of a chunk each, where the epilogue consumes them
  SpreadReorder w_reorder_;
  int64_t w_place_ = 0;
};

/// y of one sample: each lane computes a slice of the output channels.
class ConvSlices final : public Kernel {
 public:
  ConvSlices(const Geometry& g, int64_t slices, bool bias, bool constant_weights, Epilogue epilogue)
      : g_(g),
        bias_(bias),
        slice_(g.o / slices),
        stages_(Direction::forward, g, bias, slice_),
        epilogue_(std::move(epilogue)) {
    OneOmpThread one;
    Places places;
    for (int64_t i = 0; i < slices; ++i) {
      lanes_.push_back(stages_.lane(1, 0, places));
      if (!epilogue_.has_place()) results_.push_back(places.add(4 * made()));
    }
    const ConvStage& first = lanes_[0].whole;
    x_reorder_ = SpreadReorder(stages_.given_x(1), first.x_desc, places);
    if (x_reorder_) x_place_ = places.add(bytes_of(first.x_desc));
    workspace_bytes = places.total();
    if (!constant_weights || !first.w) return;
    slice_bytes_ = round_up(bytes_of(first.w_desc), 64);
    packing = {1, slice_bytes_ * slices,
               layout_hash(first.w_desc) * 31 + static_cast<uint64_t>(slice_)};
  }

  void pack(const void* weights, void* packed) override {
    const auto scratch = std::make_unique<std::byte[]>(static_cast<size_t>(workspace_bytes) + 64);
    OneOmpThread one;
    for (size_t i = 0; i < lanes_.size(); ++i)
      lanes_[i].whole.w.run({at(weights, 4 * static_cast<int64_t>(i) * slice_ * g_.depth()),
                             at(packed, static_cast<int64_t>(i) * slice_bytes_)},
                            at(scratch.get(), lanes_[i].scratch));
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const void* x = in[0];
    if (x_reorder_) {
      x_reorder_.run(x, at(workspace, x_place_), workspace);
      x = at(workspace, x_place_);
    }
    float* const place = epilogue_.place(out);
    parallel_invoke(static_cast<int>(lanes_.size()), [&](int i) {
      OneOmpThread one;
      const ConvLane& lane = lanes_[static_cast<size_t>(i)];
      const int64_t first = i * made();
      void* to = place ? at(place, 4 * first) : at(workspace, results_[static_cast<size_t>(i)]);
      stages_.run(lane, lane.whole, x, weights_of(i, in[1], workspace),
                  bias_ ? at(in[2], 4 * i * slice_) : nullptr, to, workspace);
      if (epilogue_) epilogue_.apply(in, out, {first, made(), static_cast<const float*>(to)});
    });
  }

 private:
  /// Elements of a slice's result.
  int64_t made() const { return slice_ * g_.p * g_.q; }
  /// The weights of slice i, in oneDNN's layout.
  const void* weights_of(int64_t i, const void* w, void* workspace) const {
    const ConvLane& lane = lanes_[static_cast<size_t>(i)];
    if (packing.input >= 0) return at(w, i * slice_bytes_);
    w = at(w, 4 * i * slice_ * g_.depth());
    if (!lane.whole.w) return w;
    lane.whole.w.run({w, at(workspace, lane.w)}, at(workspace, lane.scratch));
    return at(workspace, lane.w);
  }

  Geometry g_;
  bool bias_;
  int64_t slice_;  // output channels
  ConvStages stages_;
  Epilogue epilogue_;
  std::vector<ConvLane> lanes_;
  std::vector<int64_t> results_;  // of a slice each, where the epilogue consumes them
  SpreadReorder x_reorder_;
  int64_t x_place_ = 0, slice_bytes_ = 0;  // bytes of a slice's packed weights
};

/// dw: each lane adds up those of its chunks of samples, which are the same whoever computes them;
/// then the lanes' are added up in order.
class ConvWeightGradient final : public Kernel {
 public:
  explicit ConvWeightGradient(const Geometry& g)
      : g_(g),
        stages_(Direction::grad_weight, g, false, 0),
        chunk_(gradient_chunk(g)),
        count_((g.n + chunk_ - 1) / chunk_) {
    OneOmpThread one;
    Places places;
    const int64_t lanes = std::min(count_, gradient_lanes(g)), rest = g.n % chunk_;
    for (int64_t i = 0; i < lanes; ++i)  // the last lane meets the last chunk
      lanes_.push_back(stages_.lane(chunk_, i == lanes - 1 ? rest : 0, places));
    const ConvStage& first = lanes_[0].whole;
    w_reorder_ = SpreadReorder(first.w_desc, stages_.given_weights(), places);
    if (lanes > 1 || w_reorder_)
      for (int64_t i = 0; i < lanes; ++i) sums_.push_back(places.add(bytes_of(first.w_desc)));
    if (lanes * chunk_ < g.n)
      for (int64_t i = 0; i < lanes; ++i) more_.push_back(places.add(bytes_of(first.w_desc)));
    workspace_bytes = places.total();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const int64_t lanes = std::ssize(lanes_);
    parallel_invoke(static_cast<int>(lanes), [&](int i) {
      OneOmpThread one;
      const ConvLane& lane = lanes_[static_cast<size_t>(i)];
      const int64_t begin = count_ * i / lanes, end = count_ * (i + 1) / lanes;
      void* sum = sums_.empty() ? out[0] : at(workspace, sums_[static_cast<size_t>(i)]);
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t first = chunk * chunk_;
        void* dw = chunk > begin ? at(workspace, more_[static_cast<size_t>(i)]) : sum;
        stages_.run(lane, first + chunk_ <= g_.n ? lane.whole : lane.rest,
                    at(in[0], 4 * first * g_.x_size()), dw, nullptr,
                    at(in[1], 4 * first * g_.y_size()), workspace);
        if (dw != sum) add(sum, dw, 0, bytes_of(lane.whole.w_desc) / 4);
      }
    });
    if (!sums_.empty()) add_lanes(out[0], workspace);
  }

 private:
  static void add(void* sum, const void* more, int64_t begin, int64_t end) {
    float* to = static_cast<float*>(sum);
    const float* from = static_cast<const float*>(more);
    for (int64_t i = begin; i < end; ++i) to[i] += from[i];
  }

  void add_lanes(void* out, void* workspace) const {
    void* sum = at(workspace, sums_[0]);
    const int64_t n = bytes_of(lanes_[0].whole.w_desc) / 4;
    if (lanes_.size() > 1)
      parallel_chunks(n, grain_, [&](int64_t begin, int64_t end) {
        for (size_t k = 1; k < lanes_.size(); ++k) add(sum, at(workspace, sums_[k]), begin, end);
      });
    if (w_reorder_) w_reorder_.run(sum, out, workspace);
    else std::memcpy(out, sum, static_cast<size_t>(4 * n));
  }

  Geometry g_;
  ConvStages stages_;
  int64_t chunk_, count_;  // samples; chunks
  std::vector<ConvLane> lanes_;
  // places of each lane's dw in oneDNN's layout, and of a chunk's; none: dw itself is written
  std::vector<int64_t> sums_, more_;
  SpreadReorder w_reorder_;
  int64_t grain_ = cpu_tuning().thread_weight_elements;
};

}  // namespace

std::unique_ptr<Kernel> make_conv_onednn(Direction direction, const Geometry& g, bool bias,
                                         bool constant_weights, Epilogue epilogue) {
  if (direction == Direction::grad_weight) return std::make_unique<ConvWeightGradient>(g);
  if (direction == Direction::forward && g.n == 1 && g.attr.groups == 1 &&
      !onednn_keeps_plain(direction, g))
    if (const int64_t slices = channel_slices(g); slices > 1)
      return std::make_unique<ConvSlices>(g, slices, bias, constant_weights, std::move(epilogue));
  return std::make_unique<ConvChunks>(direction, g, bias, constant_weights, std::move(epilogue));
}

}  // namespace suanli::cpu
