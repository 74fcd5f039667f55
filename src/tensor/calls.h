// SPDX-License-Identifier: Apache-2.0
// Calls: notes of composite ops among the pending nodes. A composite is recorded as its parts;
// exporters, quantizers and reports read here which op they stand for.
#pragma once
#include <span>
#include <vector>

#include "tensor/node.h"

namespace suanli {

/// A composite: its parts are the pending nodes [begin, end).
struct CompositeCall {
  static constexpr int kNear = 6;  // inputs beyond them are on the heap: few composites take more

  uint16_t op;
  uint16_t depth = 0;  // the number of calls that it is a part of
  uint32_t scope;  // the module path of its caller
  size_t begin, end = 0;
  Attr attr;
  uint16_t inputs = 0;
  uint8_t results = 0;
  Edge near[kNear];
  std::vector<Edge> far;
  Edge out[kMaxResults];

  /// The inputs, from outside. The node is null if no part reads that input. No reference is
  /// counted: the parts hold what they read.
  std::span<const Edge> in() const { return {inputs > kNear ? far.data() : near, inputs}; }
  std::span<Edge> in() { return {inputs > kNear ? far.data() : near, inputs}; }
  /// Its results: of parts, or inputs that it gives back.
  std::span<const Edge> result() const { return {out, results}; }
};

/// The calls of one recorder. Outer calls come before the calls within them, earlier ones before
/// later ones.
class Calls {
 public:
  /// A call under way, on the stack of the function that records its parts.
  class Open;

  const std::vector<CompositeCall>& noted() const { return noted_; }
  bool any_open() const { return open_ != nullptr; }
  /// The first `count` pending nodes are gone.
  void flushed(size_t count);
  /// The pending nodes from `first` on are gone.
  void dropped(size_t first);
  /// The end of a program of about `cut` nodes that lies within no call.
  size_t boundary(size_t cut) const;

 private:
  void cut_open();

  std::vector<CompositeCall> noted_;
  Open* open_ = nullptr;  // the innermost one
};

/// Notes a call if it ends: an exception forgets it, with the calls within. One of which a flush
/// took a part is not noted either.
class Calls::Open {
 public:
  Open(uint16_t op, const Attr& attr, std::span<const Tensor* const> inputs);
  ~Open();
  Open(const Open&) = delete;
  /// The parts are recorded. May flush, so the caller must hold handles to all it goes on using.
  void end(std::span<const Tensor> results);

 private:
  friend class Calls;
  Calls& calls_;
  Open* const outer_;
  CompositeCall call_;
  bool cut_ = false, ended_ = false;
};

}  // namespace suanli
