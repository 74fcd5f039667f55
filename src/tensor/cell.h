// SPDX-License-Identifier: Apache-2.0
// Cell: the place behind a Parameter or Generator. Its committed value is what other threads and
// checkpoints see; the recording thread sees the pending one.
#pragma once
#include <atomic>
#include <mutex>

#include "tensor/node.h"

namespace suanli {

struct Cell {
  /// With one reference.
  static Cell* make(const Shape& shape, DType dtype, bool of_tensor = false);

  std::atomic<uint32_t> refs{1};
  const Shape shape;
  const DType dtype;
  std::atomic<bool> requires_grad{true};
  /// Guards `committed` against readers on other threads. Cells share a few, so that fork() can
  /// hold them all.
  std::mutex& mutex() const;
  Tensor committed;                         // materialized
  // a running program writes the next value over it: readers wait
  std::atomic<bool> overwritten{false};
  std::atomic<uint64_t> version{0};
  std::atomic<Recorder*> writer{
      // whose program holds a write, a gradient or counters of this cell; what follows is that
      // thread's
      nullptr};
  Tensor pending;  // not flushed yet
  Tensor grad;
  // what a dropped program gives back: the gradient as the last successful flush left it
  Tensor grad_committed;
  uint64_t grad_version = 0;  // how many commits `grad` had

  // Numbers that the host keeps (a generator's seed and counter, an optimizer's step count): they
  // commit and roll back with the program.
  uint64_t host[2] = {0, 0}, host_pending[2] = {0, 0};
  bool host_changed = false;

  // the module call (an outermost one) that saved what the cell held before it
  uint64_t saved_in = 0;
  const bool of_tensor;  // of a tensor after requires_grad_(): it holds a gradient and no value
  /// The owner that knows a parameter: nobody, a module's fields or an optimizer, or a backward()
  /// that found it unknown.
  enum Known : uint8_t { unknown, listed, reported };
  std::atomic<Known> known{unknown};
  // Recorder::note_unknown() holds its address until the next report
  std::atomic<bool> noted{false};
  std::atomic<bool> replaced{false};  // Module::to() put another cell in its place
  std::atomic<uint32_t> name{0};  // as scope_id(); of parameters that no root module names

  Cell(const Shape& shape, DType dtype, bool of_tensor)
      : shape(shape), dtype(dtype), of_tensor(of_tensor) {}
};

/// The cell of a leaf, if it has one: another thread's backward() may be making it.
inline Cell* cell_of(Node* n) { return std::atomic_ref(n->cell).load(std::memory_order_acquire); }
/// Drops the note of a cell that is freed while it is `noted`.
void forget_unknown(Cell* cell);
/// Sets or (undefined) drops the gradient of a cell.
void set_gradient(Cell* cell, const Tensor& grad);

}  // namespace suanli
