// SPDX-License-Identifier: Apache-2.0
// Convolutions in f32 by oneDNN, on activations that are plain or lie in blocks of channels, each
// as the step says. Results do not depend on the number of threads: into which chunks the work is
// cut follows from the shape alone, because oneDNN may sum a chunk of another size in another
// order.
#include <algorithm>
#include <cstring>

#include "backends/cpu/conv/conv.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/numerics.h"
#include "backends/cpu/onednn/onednn.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"
#include "base/text/text.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {

int64_t gradient_lanes(const Geometry& g) {
  return std::max<int64_t>(
      1, std::min({Numerics::gradient_lanes, g.n / Numerics::gradient_lane_samples,
                   static_cast<int64_t>(g.flops() / Numerics::gradient_lane_flops)}));
}

int64_t conv_lanes(const Geometry& g, int64_t tasks) {
  return std::max<int64_t>(
      1, std::min<int64_t>(
             {tasks, pool_threads(),
              static_cast<int64_t>(g.flops() / static_cast<double>(cpu_tuning().thread_flops))}));
}

namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
constexpr auto kF32 = dnnl::memory::data_type::f32;

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

/// Returns the layout of plain activations while oneDNN works. Its blocked layouts (any) pay
/// although plain buffers have to be reordered into and out of them. Not where few products meet
/// every reordered element, and not for dx of a picture: blocks pad its channels to 16.
Tag layout(Direction direction, const Geometry& g) {
  if (g.x_block || g.y_block) return Tag::any;
  const int64_t c = g.c / g.attr.groups, o = g.o / g.attr.groups;
  switch (direction) {
    case Direction::forward:
      return g.attr.groups == 1 && g.depth() < Numerics::conv_plain_depth ? Tag::nchw : Tag::any;
    case Direction::grad_input:
      return g.attr.groups == 1 && c <= Numerics::conv_plain_channels ? Tag::nchw : Tag::any;
    case Direction::grad_weight: break;
  }
  // Odd channel counts leave `any` with AVX2 kernels where nhwc has AVX-512 ones.
  return g.attr.groups == 1 && c > Numerics::conv_plain_channels && c < 16 &&
                 (c % 8 != 0 || o % 16 != 0)
             ? Tag::nhwc
             : Tag::any;
}

/// A layout change of one buffer in pieces that may run on several threads.
class SpreadReorder {
 public:
  SpreadReorder() = default;
  SpreadReorder(const Desc& from, const Desc& to, Places& places) {
    if (from == to) return;
    const auto dims = from.get_dims();
    // 64 is a multiple of every block size along the first axis.
    const int64_t bands = (dims[0] + 63) / 64;
    const int64_t pieces =
        static_cast<int64_t>(from.get_size()) < cpu_tuning().thread_relayout_bytes
            ? 1
            : std::min<int64_t>(bands, pool_threads());
    for (int64_t i = 0; i < pieces; ++i) {
      auto offsets = decltype(dims)(dims.size(), 0);
      auto part = dims;
      offsets[0] = bands * i / pieces * 64;
      part[0] = std::min(dims[0], bands * (i + 1) / pieces * 64) - offsets[0];
      const Desc piece_from = from.submemory_desc(part, offsets, true),
                 piece_to = to.submemory_desc(part, offsets, true);
      if (!piece_from || !piece_to) {  // groups in front, or a layout that cannot be cut there
        pieces_.clear();
        break;
      }
      pieces_.push_back(Primitive::reorder(piece_from, piece_to));
    }
    if (pieces_.empty()) pieces_.push_back(Primitive::reorder(from, to));
    for (const Primitive& piece : pieces_) scratch_.push_back(places.add(piece.scratch_bytes()));
  }
  explicit operator bool() const { return !pieces_.empty(); }
  void run(const void* from, void* to, void* workspace) const {
    parallel_invoke(static_cast<int>(pieces_.size()), [&](int i) {
      OneOmpThread one;
      pieces_[static_cast<size_t>(i)].run({from, to},
                                          at(workspace, scratch_[static_cast<size_t>(i)]));
    });
  }

 private:
  std::vector<Primitive> pieces_;
  std::vector<int64_t> scratch_;
};

/// The three convolutions in f32. Each lane (in general a thread) takes chunks of samples through
/// plain x, y → copies in oneDNN's layout → primitive → plain result. A chunk's copies stay in L2,
/// and the workspace stays small. A single sample is split along its output channels instead. One
/// thread at a time may run it.
class ConvF32 final : public Kernel {
 public:
  /// May throw ReferenceOnly.
  ConvF32(Direction direction, const Geometry& g, bool bias, bool constant_weights,
          Epilogue epilogue)
      : direction_(direction),
        g_(g),
        bias_(bias),
        layout_(layout(direction, g)),
        epilogue_(std::move(epilogue)) {
    OneOmpThread one;
    const bool gradient = direction == Direction::grad_weight;
    chunk_ = gradient ? gradient_chunk(g) : (g.n + chunks(g) - 1) / chunks(g);
    const int64_t count = (g.n + chunk_ - 1) / chunk_;
    int64_t lanes = gradient ? std::min(count, gradient_lanes(g)) : conv_lanes(g, count);
    if (direction == Direction::forward && g.n == 1 && g.attr.groups == 1 && layout_ == Tag::any) {
      const int64_t slices = channel_slices(g);
      if (slices > 1) {
        lanes = slices;
        slice_ = g.o / slices;
      }
    }
    prepare(lanes);
    workspace_bytes = places_.total();
    if (constant_weights && !gradient) pack_weights();
  }

  void pack(const void* weights, void* packed) override {
    const auto scratch = std::make_unique<std::byte[]>(static_cast<size_t>(workspace_bytes) + 64);
    if (slice_ == 0) return w_reorder_.run(weights, packed, scratch.get());
    OneOmpThread one;
    for (size_t i = 0; i < lanes_.size(); ++i)
      lanes_[i].whole.w.run({at(weights, 4 * static_cast<int64_t>(i) * slice_ * g_.depth()),
                             at(packed, static_cast<int64_t>(i) * slice_bytes_)},
                            at(scratch.get(), lanes_[i].scratch));
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const void* x = in[0];
    const void* w = direction_ == Direction::grad_weight ? out[0] : in[1];
    const void* y = in[direction_ == Direction::grad_weight ? 1 : 0];
    if (direction_ != Direction::grad_weight && w_reorder_ && packing.input < 0) {
      w_reorder_.run(w, at(workspace, w_place_), workspace);
      w = at(workspace, w_place_);
    }
    if (x_reorder_) {
      x_reorder_.run(x, at(workspace, x_place_), workspace);
      x = at(workspace, x_place_);
    }
    const int64_t count = (g_.n + chunk_ - 1) / chunk_, lanes = static_cast<int64_t>(lanes_.size());
    float* const place = epilogue_.place(out);
    auto finish = [&](int64_t begin, int64_t end, const void* values) {
      if (epilogue_)
        epilogue_.apply(in, out, {begin, end - begin, static_cast<const float*>(values)});
    };
    if (slice_ != 0) {
      parallel_invoke(static_cast<int>(lanes), [&](int i) {
        OneOmpThread one;
        const Lane& lane = lanes_[static_cast<size_t>(i)];
        const int64_t first = i * slice_ * g_.p * g_.q;
        void* to = place ? at(place, 4 * first) : at(workspace, lane.result);
        run_slice(lane, i * slice_, x, w, bias_ ? in[2] : nullptr, to, workspace);
        finish(first, first + slice_ * g_.p * g_.q, to);
      });
    } else if (direction_ != Direction::grad_weight) {
      parallel_for_stealing(count, static_cast<int>(lanes), [&](int i, WorkQueue& left) {
        OneOmpThread one;
        const Lane& lane = lanes_[static_cast<size_t>(i)];
        const bool forward = direction_ == Direction::forward;
        const int64_t given = forward ? g_.x_size() : g_.y_size(),
                      made = forward ? g_.y_size() : g_.x_size();
        for (int64_t chunk; (chunk = left.next()) >= 0;) {
          const int64_t first = chunk * chunk_;
          const void* from = at(forward ? x : y, 4 * first * given);
          void* to = place ? at(place, 4 * first * made) : at(workspace, lane.result);
          run_chunk(lane, stage_at(lane, chunk), forward ? from : to, w, bias_ ? in[2] : nullptr,
                    forward ? to : from, workspace);
          finish(first * made, std::min(g_.n, first + chunk_) * made, to);
        }
      });
    } else {
      // Sums over the same chunks whoever computes them.
      parallel_invoke(static_cast<int>(lanes), [&](int i) {
        OneOmpThread one;
        const Lane& lane = lanes_[static_cast<size_t>(i)];
        const int64_t begin = count * i / lanes, end = count * (i + 1) / lanes;
        const void* sum = lane.dw < 0 ? w : at(workspace, lane.dw);
        for (int64_t chunk = begin; chunk < end; ++chunk) {
          const int64_t first = chunk * chunk_;
          const bool more = chunk > begin;
          run_chunk(lane, stage_at(lane, chunk), at(x, 4 * first * g_.x_size()),
                    more ? at(workspace, lane.more) : sum, nullptr, at(y, 4 * first * g_.y_size()),
                    workspace);
          if (more)
            add(const_cast<void*>(sum), at(workspace, lane.more), 0, bytes(lane.whole.w_desc) / 4);
        }
      });
    }
    if (direction_ == Direction::grad_weight && lanes_[0].dw >= 0) add_gradients(out[0], workspace);
  }

 private:
  /// Weights that stay are reordered once.
  void pack_weights() {
    const Stage& first = lanes_[0].whole;
    if (slice_ == 0 ? !w_reorder_ : !first.w) return;
    slice_bytes_ = round_up(bytes(first.w_desc), 64);
    packing = {
        1, slice_ == 0 ? bytes(first.w_desc) : slice_bytes_ * static_cast<int64_t>(lanes_.size()),
        layout_hash(first.w_desc) * 31 + static_cast<uint64_t>(slice_)};
  }

  /// The primitives for one number of samples.
  struct Stage {
    Primitive conv, x, w, y;  // x, w, y: layout changes on the way in or out; empty: none
    Desc x_desc, w_desc, y_desc;
  };
  struct Lane {
    Stage whole, rest;  // rest: the last, smaller chunk, where this lane may meet it
    int64_t x = 0, w = 0, y = 0, scratch = 0;  // places of the copies
    int64_t result = 0;  // a chunk of it, where the epilogue consumes it
    // its share of dw in oneDNN's layout, and a chunk's; -1: dw itself is written
    int64_t dw = -1, more = 0;
  };

  static Tag tag(int64_t block) {
    return block == 16 ? Tag::nChw16c : block == 8 ? Tag::nChw8c : Tag::nchw;
  }
  /// As they lie in memory.
  Desc given_x(int64_t n) const { return {{n, g_.c, g_.h, g_.w}, kF32, tag(g_.x_block)}; }
  Desc given_y(int64_t n, int64_t o) const { return {{n, o, g_.p, g_.q}, kF32, tag(g_.y_block)}; }
  Desc weights(int64_t o, bool any) const {
    const int64_t groups = g_.attr.groups, c = g_.c / groups;
    if (groups == 1) return {{o, c, g_.r, g_.s}, kF32, any ? Tag::any : Tag::oihw};
    return {{groups, o / groups, c, g_.r, g_.s}, kF32, any ? Tag::any : Tag::goihw};
  }

  Stage stage(int64_t n, int64_t o, const Desc& w) const {
    const Desc x({n, g_.c, g_.h, g_.w}, kF32, g_.x_block ? tag(g_.x_block) : layout_),
        y({n, o, g_.p, g_.q}, kF32, g_.y_block ? tag(g_.y_block) : layout_);
    const Desc b = bias_ ? Desc({o}, kF32, Tag::a) : Desc();
    const dnnl::memory::dims stride(2, g_.attr.stride), dilation(2, g_.attr.dilation - 1),
        padding(2, g_.attr.padding);
    constexpr auto direct = dnnl::algorithm::convolution_direct;
    const dnnl::engine& engine = onednn_engine();
    const dnnl::convolution_forward::primitive_desc forward(
        engine, dnnl::prop_kind::forward_training, direct, x, w, b, y, stride, dilation, padding,
        padding, onednn_attr());
    Stage s;
    if (direction_ == Direction::forward) {
      s.x_desc = forward.src_desc();
      s.w_desc = forward.weights_desc();

      s.y_desc = forward.dst_desc();
      std::vector<Primitive::Argument> arguments{
          {DNNL_ARG_SRC, s.x_desc}, {DNNL_ARG_WEIGHTS, s.w_desc}, {DNNL_ARG_DST, s.y_desc}};
      if (bias_) arguments.push_back({DNNL_ARG_BIAS, b});
      s.conv = {forward, arguments};
      s.y = Primitive::reorder(s.y_desc, given_y(n, o));
    } else if (direction_ == Direction::grad_input) {
      const dnnl::convolution_backward_data::primitive_desc pd(
          engine, direct, x, w, y, stride, dilation, padding, padding, forward, onednn_attr());
      s.x_desc = pd.diff_src_desc();
      s.w_desc = pd.weights_desc();
      s.y_desc = pd.diff_dst_desc();
      s.conv = {pd,
                {{DNNL_ARG_DIFF_SRC, s.x_desc},
                 {DNNL_ARG_WEIGHTS, s.w_desc},
                 {DNNL_ARG_DIFF_DST, s.y_desc}}};
      s.x = Primitive::reorder(s.x_desc, given_x(n));
    } else {
      const dnnl::convolution_backward_weights::primitive_desc pd(
          engine, direct, x, w, y, stride, dilation, padding, padding, forward, onednn_attr());
      s.x_desc = pd.src_desc();
      s.w_desc = pd.diff_weights_desc();
      s.y_desc = pd.diff_dst_desc();
      s.conv = {pd,
                {{DNNL_ARG_SRC, s.x_desc},
                 {DNNL_ARG_DIFF_WEIGHTS, s.w_desc},
                 {DNNL_ARG_DIFF_DST, s.y_desc}}};
    }
    if (direction_ != Direction::grad_input && slice_ == 0)
      s.x = Primitive::reorder(given_x(n), s.x_desc);
    if (direction_ != Direction::forward) s.y = Primitive::reorder(given_y(n, o), s.y_desc);
    if (slice_ != 0) s.w = Primitive::reorder(weights(o, false), s.w_desc);
    return s;
  }

  const Stage& stage_at(const Lane& lane, int64_t chunk) const {
    return (chunk + 1) * chunk_ <= g_.n ? lane.whole : lane.rest;
  }
  static int64_t bytes(const Desc& desc) { return static_cast<int64_t>(desc.get_size()); }

  void prepare(int64_t lanes) {
    const int64_t rest = g_.n % chunk_, o = slice_ != 0 ? slice_ : g_.o;
    for (int64_t i = 0; i < lanes; ++i) {
      Lane lane;
      lane.whole = stage(chunk_, o, weights(o, layout_ != Tag::nchw));
      if (rest != 0 && (direction_ != Direction::grad_weight || i == lanes - 1))
        lane.rest = stage(rest, o, lane.whole.w_desc);  // the weights are reordered once for both
      int64_t scratch = 0;
      for (const Stage* s : {&lane.whole, &lane.rest})
        for (const Primitive* p : {&s->conv, &s->x, &s->w, &s->y})
          scratch = std::max(scratch, p->scratch_bytes());
      lane.scratch = places_.add(scratch);
      auto copy = [&](const Primitive Stage::* reorder, const Desc Stage::* desc) {
        int64_t size = 0;
        for (const Stage* s : {&lane.whole, &lane.rest})
          if (s->*reorder) size = std::max(size, bytes(s->*desc));
        return places_.add(size);
      };
      lane.x = copy(&Stage::x, &Stage::x_desc);
      lane.w = copy(&Stage::w, &Stage::w_desc);
      lane.y = copy(&Stage::y, &Stage::y_desc);
      if (!epilogue_.has_place())
        lane.result = places_.add(
            4 * chunk_ * (direction_ == Direction::grad_input ? g_.x_size() : o * g_.p * g_.q));
      lanes_.push_back(std::move(lane));
    }
    const Stage& first = lanes_[0].whole;
    if (direction_ == Direction::grad_weight) {
      w_reorder_ = SpreadReorder(first.w_desc, weights(g_.o, false), places_);
      if (lanes > 1 || w_reorder_)
        for (Lane& lane : lanes_) lane.dw = places_.add(bytes(first.w_desc));
      if (lanes * chunk_ < g_.n)
        for (Lane& lane : lanes_) lane.more = places_.add(bytes(first.w_desc));
    } else if (slice_ != 0) {
      x_reorder_ = SpreadReorder(given_x(1), first.x_desc, places_);
      if (x_reorder_) x_place_ = places_.add(bytes(first.x_desc));
    } else {
      w_reorder_ = SpreadReorder(weights(g_.o, false), first.w_desc, places_);
      if (w_reorder_) w_place_ = places_.add(bytes(first.w_desc));
    }
  }

  void run_conv(const Stage& stage, const void* x, const void* w, const void* b, const void* y,
                void* scratch) const {
    if (b != nullptr) stage.conv.run({x, w, y, b}, scratch);
    else stage.conv.run({x, w, y}, scratch);
  }

  void run_chunk(const Lane& lane, const Stage& stage, const void* x, const void* w, const void* b,
                 const void* y, void* workspace) const {
    void* scratch = at(workspace, lane.scratch);
    const void* x_used = stage.x ? at(workspace, lane.x) : x;
    const void* y_used = stage.y ? at(workspace, lane.y) : y;
    if (stage.x && direction_ != Direction::grad_input) stage.x.run({x, x_used}, scratch);
    if (stage.y && direction_ != Direction::forward) stage.y.run({y, y_used}, scratch);
    run_conv(stage, x_used, w, b, y_used, scratch);
    if (stage.x && direction_ == Direction::grad_input) stage.x.run({x_used, x}, scratch);
    if (stage.y && direction_ == Direction::forward) stage.y.run({y_used, y}, scratch);
  }

  /// Output channels from `o` on of the only sample, to y; x lies in oneDNN's layout already.
  void run_slice(const Lane& lane, int64_t o, const void* x, const void* w, const void* b,
                 const void* y, void* workspace) const {
    w = packing.input < 0 ? at(w, 4 * o * g_.depth()) : at(w, o / slice_ * slice_bytes_);
    if (lane.whole.w && packing.input < 0) {
      lane.whole.w.run({w, at(workspace, lane.w)}, at(workspace, lane.scratch));
      w = at(workspace, lane.w);
    }
    run_chunk(lane, lane.whole, x, w, b != nullptr ? at(b, 4 * o) : nullptr, y, workspace);
  }

  static void add(void* sum, const void* more, int64_t begin, int64_t end) {
    float* to = static_cast<float*>(sum);
    const float* from = static_cast<const float*>(more);
    for (int64_t i = begin; i < end; ++i) to[i] += from[i];
  }

  void add_gradients(void* out, void* workspace) const {
    void* sum = at(workspace, lanes_[0].dw);
    const int64_t n = bytes(lanes_[0].whole.w_desc) / 4;
    if (lanes_.size() > 1)
      parallel_chunks(n, grain_, [&](int64_t begin, int64_t end) {
        for (size_t k = 1; k < lanes_.size(); ++k)
          add(sum, at(workspace, lanes_[k].dw), begin, end);
      });
    if (w_reorder_) w_reorder_.run(sum, out, workspace);
    else std::memcpy(out, sum, static_cast<size_t>(4 * n));
  }

  Direction direction_;
  Geometry g_;
  bool bias_;
  Tag layout_;
  Epilogue epilogue_;
  int64_t chunk_ = 1;  // samples
  // output channels per lane where there is one sample; 0: lanes share the samples
  int64_t slice_ = 0;
  std::vector<Lane> lanes_;
  SpreadReorder x_reorder_, w_reorder_;
  int64_t x_place_ = 0, w_place_ = 0;
  int64_t slice_bytes_ = 0;  // of a slice's packed weights
  int64_t grain_ = cpu_tuning().thread_weight_elements;
  Places places_;
};

/// Where no product has a factor, or nothing is to be computed: zeros, or the bias.
class NoProducts final : public Kernel {
 public:
  NoProducts(const ValueDesc& out, bool bias)
      : shape_(out.shape), size_(itemsize(out.dtype)), bias_(bias) {}
  void run(const void* const* in, void* const* out, void*) override {
    if (shape_.numel() == 0) return;
    if (!bias_) {
      std::memset(out[0], 0, static_cast<size_t>(shape_.numel() * size_));
      return;
    }
    const int64_t pixels = shape_[2] * shape_[3];
    for (int64_t i = 0; i < shape_.numel(); ++i)
      std::memcpy(at(out[0], i * size_), at(in[2], i / pixels % shape_[1] * size_),
                  static_cast<size_t>(size_));
  }

 private:
  Shape shape_;
  int64_t size_;
  bool bias_;
};

/// Depthwise convolutions that oneDNN's own kernels do at least as fast as ours. In blocks they
/// read activations where they lie and skip the padding; results of a stride it makes slower, and
/// large weight gradients not at all.
bool onednn_has_depthwise(Direction direction, const Geometry& g) {
  if (g.x_block == 0 || g.y_block == 0 || g.attr.dilation != 1) return false;
  switch (direction) {
    case Direction::forward: return true;
    case Direction::grad_input: return g.attr.stride == 1;
    case Direction::grad_weight: break;
  }
  return std::max(g.r, g.s) <= Numerics::depthwise_onednn_kernel;
}

/// 1×1 convolutions of which the larger side, at least, is plain: a sample is a factor of a product
/// as it lies, where oneDNN works in blocks that are made before and unmade behind it. Few pixels
/// are too narrow for our products.
bool is_product_of_samples(const Geometry& g) {
  if (g.r * g.s != 1 || g.attr.stride != 1 || g.attr.padding != 0 || g.attr.groups != 1 ||
      g.p * g.q < Numerics::conv_product_pixels)
    return false;
  if (g.x_block && g.y_block) return false;
  return g.x_block ? g.c < g.o : g.y_block ? g.o < g.c : true;
}

std::unique_ptr<Kernel> make(Direction direction, const Step& whole) {
  const Step step = whole.alone();
  const DType dtype = step.out[0].dtype;
  if (dtype != DType::f32 && dtype != DType::f64) return nullptr;
  for (const ValueDesc& v : step.in)
    if (v.dtype != dtype) return nullptr;
  const Shape& result = step.out[0].shape;
  const Shape& x = direction == Direction::grad_input ? result : step.in[0].shape;
  const Shape& w = direction == Direction::grad_weight ? result : step.in[1].shape;
  const Shape& y = direction == Direction::forward
                       ? result
                       : step.in[direction == Direction::grad_weight ? 1 : 0].shape;
  const bool bias = direction == Direction::forward && step.in.size() > 2;
  if (x.numel() == 0 || w.numel() == 0 || y.numel() == 0)
    return std::make_unique<NoProducts>(step.out[0], bias);
  const Geometry g(x, w, y, *static_cast<const ConvAttr*>(step.attr));
  const bool constant_weights = step.constant >> 1 & 1;
  Epilogue epilogue(whole);
  const bool frozen = direction == Direction::forward && dtype == DType::f32 && constant_weights;
  if (frozen && is_depthwise(g))
    if (auto kernel = make_frozen_depthwise(g, bias, whole)) return kernel;
  if (is_depthwise(g) && (dtype == DType::f64 || !onednn_has_depthwise(direction, g)))
    return make_depthwise(direction, dtype, g, bias, constant_weights, std::move(epilogue));
  if (dtype == DType::f64)
    return make_conv_products(direction, dtype, g, bias, std::move(epilogue));
  if (auto kernel = make_winograd(direction, g, bias, constant_weights, epilogue)) return kernel;
  if (auto kernel = make_gathered(direction, g, bias, constant_weights, epilogue)) return kernel;
  if (frozen)
    if (auto kernel = make_conv_1x1(g, bias, whole)) return kernel;
  if (auto kernel = make_direct(direction, g, bias, constant_weights, epilogue)) return kernel;
  if (is_product_of_samples(g))
    return make_conv_products(direction, dtype, g, bias, std::move(epilogue));
  const int64_t held = counted_held();
  try {
    return std::make_unique<ConvF32>(direction, g, bias, constant_weights, epilogue);
  } catch (const ReferenceOnly&) {
    count_held(held - counted_held());  // primitives that were made before are gone
    if (is_depthwise(g))
      return make_depthwise(direction, dtype, g, bias, constant_weights, std::move(epilogue));
    return make_conv_products(direction, dtype, g, bias, std::move(epilogue));
  } catch (const dnnl::error& e) {
    throw InternalError(
        Fault{.op = "conv2d", .given = str("oneDNN refuses ", x, " with ", w, ": ", e.what())});
  }
}

/// Each operand as it comes, if its channels fill whole blocks; with groups only where every
/// channel is one (depthwise).
BlockedOperands blocked(const Step& step, int64_t block, size_t x, size_t w, size_t y) {
  auto shape = [&](size_t i) { return i < step.in.size() ? step.in[i].shape : step.out[0].shape; };
  const Shape& weight = shape(w);
  const int64_t groups = static_cast<const ConvAttr*>(step.attr)->groups, in = weight[1] * groups,
                out = weight[0];
  if (step.out[0].dtype != DType::f32 || shape(x).numel() == 0 || shape(y).numel() == 0 ||
      weight.numel() == 0)
    return {};
  if (groups != 1 && (in != groups || out != groups)) return {};
  BlockedOperands b;
  for (auto [operand, channels] : {std::pair(x, in), std::pair(y, out)})
    if (channels % block == 0)
      (operand < step.in.size() ? b.in : b.out) |= 1u << (operand < step.in.size() ? operand : 0);
  return b;
}
constexpr size_t kResult = SIZE_MAX;
const RegisterBlocked forward_blocked(conv2d_op, [](const Step& s, int64_t b) {
  BlockedOperands operands = blocked(s, b, 0, 1, kResult);
  if (operands.in != 0 || operands.out == 0) return operands;
  // A picture's results that come either way at the same price: whoever reads them decides.
  const Shape &y = s.out[0].shape, in_blocks{y[0], y[1] / b, y[2], y[3], b};
  const auto direct = [&](const Shape& shape) {
    return is_direct(Direction::forward,
                     {s.in[0].shape, s.in[1].shape, shape, *static_cast<const ConvAttr*>(s.attr)});
  };
  operands.together = direct(y) && direct(in_blocks);
  return operands;
});
const RegisterBlocked grad_input_blocked(conv2d_grad_input_op, [](const Step& s, int64_t b) {
  return blocked(s, b, kResult, 1, 0);
});
const RegisterBlocked grad_weight_blocked(conv2d_grad_weight_op, [](const Step& s, int64_t b) {
  return blocked(s, b, 0, kResult, 1);
});

bool takes_epilogue(const Step& s) {
  auto usable = [](const ValueDesc& v) { return v.dtype == DType::f32 && v.shape.numel() > 0; };
  return usable(s.out[0]) && std::all_of(s.in.begin(), s.in.end(), usable);
}
const RegisterEpilogue forward_epilogue(conv2d_op, takes_epilogue);
const RegisterEpilogue grad_input_epilogue(conv2d_grad_input_op, takes_epilogue);

const RegisterKernel forward_kernel(conv2d_op,
                                    [](const Step& s) { return make(Direction::forward, s); });
const RegisterKernel grad_input_kernel(conv2d_grad_input_op, [](const Step& s) {
  return make(Direction::grad_input, s);
});
const RegisterKernel grad_weight_kernel(conv2d_grad_weight_op, [](const Step& s) {
  return make(Direction::grad_weight, s);
});

}  // namespace
}  // namespace suanli::cpu
