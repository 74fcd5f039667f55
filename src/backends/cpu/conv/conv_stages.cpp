// SPDX-License-Identifier: Apache-2.0
// The primitives of oneDNN's convolutions, and the copies around them.
#include <algorithm>

#include "backends/cpu/conv/conv_stages.h"
#include "backends/cpu/numerics.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {

namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
constexpr auto kF32 = dnnl::memory::data_type::f32;

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

Tag tag(int64_t block) { return block == 16 ? Tag::nChw16c : block == 8 ? Tag::nChw8c : Tag::nchw; }

}  // namespace

bool onednn_keeps_plain(Direction direction, const Geometry& g) {
  return layout(direction, g) != Tag::any;
}

SpreadReorder::SpreadReorder(const Desc& from, const Desc& to, Places& places) {
  if (from == to) return;
  const auto dims = from.get_dims();
  // 64 is a multiple of every block size along the first axis.
  const int64_t bands = (dims[0] + 63) / 64;
  const int64_t pieces = static_cast<int64_t>(from.get_size()) < cpu_tuning().thread_relayout_bytes
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

void SpreadReorder::run(const void* from, void* to, void* workspace) const {
  parallel_invoke(static_cast<int>(pieces_.size()), [&](int i) {
    OneOmpThread one;
    pieces_[static_cast<size_t>(i)].run({from, to},
                                        at(workspace, scratch_[static_cast<size_t>(i)]));
  });
}

ConvStages::ConvStages(Direction direction, const Geometry& g, bool bias, int64_t slice)
    : direction_(direction), g_(g), bias_(bias), slice_(slice), layout_(layout(direction, g)) {}

Desc ConvStages::given_x(int64_t n) const { return {{n, g_.c, g_.h, g_.w}, kF32, tag(g_.x_block)}; }
Desc ConvStages::given_y(int64_t n) const {
  return {{n, channels(), g_.p, g_.q}, kF32, tag(g_.y_block)};
}
Desc ConvStages::weights(bool any) const {
  const int64_t o = channels(), groups = g_.attr.groups, c = g_.c / groups;
  if (groups == 1) return {{o, c, g_.r, g_.s}, kF32, any ? Tag::any : Tag::oihw};
  return {{groups, o / groups, c, g_.r, g_.s}, kF32, any ? Tag::any : Tag::goihw};
}

ConvStage ConvStages::stage(int64_t n, const Desc& w) const {
  const int64_t o = channels();
  const Desc x({n, g_.c, g_.h, g_.w}, kF32, g_.x_block ? tag(g_.x_block) : layout_),
      y({n, o, g_.p, g_.q}, kF32, g_.y_block ? tag(g_.y_block) : layout_);
  const Desc b = bias_ ? Desc({o}, kF32, Tag::a) : Desc();
  const ConvAttr& a = g_.attr;
  const dnnl::memory::dims stride{a.stride[0], a.stride[1]},
      dilation{a.dilation[0] - 1, a.dilation[1] - 1}, padding{a.padding[0], a.padding[1]};
  constexpr auto direct = dnnl::algorithm::convolution_direct;
  const dnnl::engine& engine = onednn_engine();
  const dnnl::convolution_forward::primitive_desc forward(engine, dnnl::prop_kind::forward_training,
                                                          direct, x, w, b, y, stride, dilation,
                                                          padding, padding, onednn_attr());
  ConvStage s;
  // A primitive on x, w and y, with oneDNN's names of these arguments.
  const auto take = [&](const auto& made, const Desc(&descs)[3], const int(&names)[3]) {
    s.x_desc = descs[0];
    s.w_desc = descs[1];
    s.y_desc = descs[2];
    std::vector<Primitive::Argument> arguments;
    for (size_t k = 0; k < 3; ++k) arguments.push_back({names[k], descs[k]});
    if (bias_) arguments.push_back({DNNL_ARG_BIAS, b});
    s.conv = {made, arguments};
  };
  if (direction_ == Direction::forward) {
    take(forward, {forward.src_desc(), forward.weights_desc(), forward.dst_desc()},
         {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST});
    s.y = Primitive::reorder(s.y_desc, given_y(n));
  } else if (direction_ == Direction::grad_input) {
    const dnnl::convolution_backward_data::primitive_desc pd(
        engine, direct, x, w, y, stride, dilation, padding, padding, forward, onednn_attr());
    take(pd, {pd.diff_src_desc(), pd.weights_desc(), pd.diff_dst_desc()},
         {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST});
    s.x = Primitive::reorder(s.x_desc, given_x(n));
  } else {
    const dnnl::convolution_backward_weights::primitive_desc pd(
        engine, direct, x, w, y, stride, dilation, padding, padding, forward, onednn_attr());
    take(pd, {pd.src_desc(), pd.diff_weights_desc(), pd.diff_dst_desc()},
         {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST});
  }
  if (direction_ != Direction::grad_input && slice_ == 0)
    s.x = Primitive::reorder(given_x(n), s.x_desc);
  if (direction_ != Direction::forward) s.y = Primitive::reorder(given_y(n), s.y_desc);
  if (slice_ != 0) s.w = Primitive::reorder(weights(false), s.w_desc);
  return s;
}

ConvLane ConvStages::lane(int64_t chunk, int64_t rest, Places& places) const {
  ConvLane lane;
  lane.whole = stage(chunk, weights(layout_ != Tag::nchw));
  if (rest != 0) lane.rest = stage(rest, lane.whole.w_desc);  // one layout of weights for both
  int64_t scratch = 0;
  for (const ConvStage* s : {&lane.whole, &lane.rest})
    for (const Primitive* p : {&s->conv, &s->x, &s->w, &s->y})
      scratch = std::max(scratch, p->scratch_bytes());
  lane.scratch = places.add(scratch);
  auto copy = [&](const Primitive ConvStage::* reorder, const Desc ConvStage::* desc) {
    int64_t size = 0;
    for (const ConvStage* s : {&lane.whole, &lane.rest})
      if (s->*reorder) size = std::max(size, bytes_of(s->*desc));
    return places.add(size);
  };
  lane.x = copy(&ConvStage::x, &ConvStage::x_desc);
  lane.w = copy(&ConvStage::w, &ConvStage::w_desc);
  lane.y = copy(&ConvStage::y, &ConvStage::y_desc);
  return lane;
}

void ConvStages::run(const ConvLane& lane, const ConvStage& stage, const void* x, const void* w,
                     const void* bias, const void* y, void* workspace) const {
  void* scratch = at(workspace, lane.scratch);
  const void* x_used = stage.x ? at(workspace, lane.x) : x;
  const void* y_used = stage.y ? at(workspace, lane.y) : y;
  if (stage.x && direction_ != Direction::grad_input) stage.x.run({x, x_used}, scratch);
  if (stage.y && direction_ != Direction::forward) stage.y.run({y, y_used}, scratch);
  if (bias != nullptr) stage.conv.run({x_used, w, y_used, bias}, scratch);
  else stage.conv.run({x_used, w, y_used}, scratch);
  if (stage.x && direction_ == Direction::grad_input) stage.x.run({x_used, x}, scratch);
  if (stage.y && direction_ == Direction::forward) stage.y.run({y_used, y}, scratch);
}

}  // namespace suanli::cpu
