// SPDX-License-Identifier: Apache-2.0
// Parts of the convolutions that oneDNN computes: primitives for a number of samples, and the
// copies in its layouts that a thread needs.
#pragma once
#include <vector>

#include "backends/cpu/conv/conv.h"
#include "backends/cpu/onednn/onednn.h"

namespace suanli::cpu {

/// A layout change of one buffer in pieces that may run on several threads.
class SpreadReorder {
 public:
  SpreadReorder() = default;
  SpreadReorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to, Places& places);
  explicit operator bool() const { return !pieces_.empty(); }
  void run(const void* from, void* to, void* workspace) const;

 private:
  std::vector<Primitive> pieces_;
  std::vector<int64_t> scratch_;
};

/// The primitives for one number of samples. x, w and y are layout changes on the way in or out;
/// empty: none.
struct ConvStage {
  Primitive conv, x, w, y;
  dnnl::memory::desc x_desc, w_desc, y_desc;
};

/// The stages of a thread, and the places of its copies.
struct ConvLane {
  ConvStage whole, rest;  // rest: the last, smaller chunk of samples, where there is one
  int64_t x = 0, w = 0, y = 0, scratch = 0;
};

/// Makes and runs the stages of one convolution.
class ConvStages {
 public:
  /// `narrow`: output channels of a stage, where the lanes share those of one sample; 0: all.
  ConvStages(Direction direction, const Geometry& g, bool bias, int64_t slice);

  /// For chunks of so many samples, and for the rest of them unless it is 0. May throw
  /// ReferenceOnly.
  ConvLane lane(int64_t chunk, int64_t rest, Places& places) const;
  /// Plain or blocked operands as the step gives them → copies in oneDNN's layout → the primitive
  /// → the result as the step wants it. The weights are in oneDNN's layout.
  void run(const ConvLane& lane, const ConvStage& stage, const void* x, const void* w,
           const void* bias, const void* y, void* workspace) const;

  // Operands as they lie in memory.
  dnnl::memory::desc given_x(int64_t n) const;
  dnnl::memory::desc given_y(int64_t n) const;
  dnnl::memory::desc given_weights() const { return weights(false); }

 private:
  int64_t channels() const { return slice_ != 0 ? slice_ : g_.o; }
  dnnl::memory::desc weights(bool any) const;
  ConvStage stage(int64_t n, const dnnl::memory::desc& w) const;

  Direction direction_;
  Geometry g_;
  bool bias_;
  int64_t slice_;
  dnnl::memory::format_tag layout_;
};

inline int64_t bytes_of(const dnnl::memory::desc& desc) {
  return static_cast<int64_t>(desc.get_size());
}

/// True if oneDNN keeps plain activations as they are for this convolution.
bool onednn_keeps_plain(Direction direction, const Geometry& g);

}  // namespace suanli::cpu
