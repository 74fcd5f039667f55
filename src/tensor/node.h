// SPDX-License-Identifier: Apache-2.0
// Node: one recorded op with its results. The unit of recording, of the autograd graph and of
// storage ownership.
#pragma once
#include <atomic>

#include "runtime/attributes.h"
#include "runtime/step.h"
#include "runtime/storage.h"
#include "suanli/tensor.h"

namespace suanli {

class Recorder;

/// An input: one result of another node.
struct Edge {
  Node* node;
  int32_t index;
};

struct Result {
  Shape shape;
  DType dtype;
  // kept only by nodes with several results; a single result counts in Node::refs
  std::atomic<uint32_t> handles{0};
  Storage* storage = nullptr;
};

/// A scalar slot: a number that may change from step to step without making a new program.
struct ScalarAttr {
  double real;
  int64_t integer;
  DType dtype; /* weak: f32 or i64; strong: as is */
  uint8_t rest[7] = {};
};

enum NodeFlags : uint8_t {
  kRequiresGrad = 1,  // some input leads to a parameter, and recording of gradients was on
  kConsumed = 2,      // a backward() has passed; reaching it again is an error
  kExecuted = 4,      // its flush succeeded; results that were needed have storage
  kFailed = 8,        // its program was dropped; using it throws
  kWeak = 16,         // scalar slot: takes the dtype of what it meets
  // what a backward() left as a parameter's gradient: for telling who holds memory
  kGradient = 32,
  kOfCell = 64,       // a parameter's committed value
};

struct Node {
  /// Low 32 bits: all references. High 32 bits: those held by Tensor handles (what makes a result
  /// an output).
  std::atomic<uint64_t> refs;
  uint16_t op;
  uint8_t flags;
  uint8_t n_out;
  uint16_t n_in;
  Device device;
  uint32_t scope;  // module path, see Recorder::scope
  uint32_t position;  // while pending: index among the pending nodes + 1
  uint32_t visit;  // scratch of a backward walk (which may flush): index of the visit + 1
  uint64_t seq;  // order of recording on its thread
  Recorder* recorder;  // non-null while pending
  Cell* cell;  // the parameter whose value this is (its gradient goes there); counted
  Attr attr;

  Edge* in() { return reinterpret_cast<Edge*>(this + 1); }
  Result* out() { return reinterpret_cast<Result*>(in() + n_in); }
  Result& out(int i) { return out()[i]; }
  bool is(uint8_t flag) const { return flags & flag; }
  bool requires_grad() const { return flags & kRequiresGrad; }
  bool pending() const { return recorder != nullptr; }
  bool has_handle(int i) {
    return n_out == 1 ? (refs.load(std::memory_order_acquire) >> 32) != 0
                      : out(i).handles.load(std::memory_order_acquire) != 0;
  }
};

inline constexpr uint64_t kHandle = (uint64_t{1} << 32) + 1;

/// A node with zeroed results and one plain reference; edges are filled by the caller, who counts
/// them with retain_edge().
Node* new_node(uint16_t op, int n_in, int n_out);
void retain_node(Node* n);
void release_node(Node* n);
/// Gives back the inputs (they become unreachable through n).
void drop_edges(Node* n);

/// A new node for t's value: a pending value gets an alias record, a value in memory shares its
/// storage.
Tensor alias(const Tensor& t, uint8_t flags);

/// A handle to a result.
inline Tensor handle(Node* n, int index) {
  detail::retain(n, index);
  return Tensor::adopt(n, index);
}

}  // namespace suanli
