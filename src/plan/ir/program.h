// SPDX-License-Identifier: Apache-2.0
// Program: what a tape computes, as records that passes may rewrite. A pass takes a program and
// leaves one that computes the same.
#pragma once
#include <span>
#include <vector>

#include "plan/tape/tape.h"
#include "runtime/step.h"

namespace suanli {

/// One op of a program.
struct Record {
  uint16_t op;
  Attr attr;
  // of the tape, which it stems from: for module paths, which are not part of the canonical form
  uint32_t node;
  std::vector<Ref> in;
  std::vector<ValueDesc> out;
  // computed once more, where it is read: to be kept away from where it was computed first
  bool again = false;
};

/// A result of the tape that must leave the program, and the value that it is.
struct ProgramOutput {
  uint32_t node;   // of the tape
  uint8_t result;
  Ref value;
  // of the tape: the value is a cell's next, and may be written over the former one
  int64_t update = -1;
};

/// Records that become one step, in program order. Their results that nobody outside reads get no
/// memory.
using Unit = std::vector<uint32_t>;

class Program {
 public:
  explicit Program(const Tape& tape);

  std::vector<Record> records;   // everything is computed before it is read
  std::vector<ProgramOutput> outputs;
  std::vector<ValueDesc> constants;  // computed by another program: see hoist_constants()
  /// To be called after records or outputs were changed.
  void index();
  /// Drops records that nothing leaves depends on. Indexes anew.
  void drop_dead();

  size_t size() const { return records.size(); }
  Device device() const { return tape_->nodes.empty() ? Device{} : tape_->nodes[0]->device; }
  const Tape& tape() const { return *tape_; }
  /// True if it writes cells or computes gradients of parameters.
  bool trains() const;
  const Record& record(size_t i) const { return records[i]; }
  /// The record as a backend would be asked to run it.
  Step step(size_t i) const;
  std::span<const Ref> inputs(size_t i) const { return records[i].in; }
  /// True if the record only gives bytes another name; it is in no unit.
  bool is_alias(size_t i) const { return op_of(records[i].op).has(Trait::view); }
  /// The value as its reader sees it. Scalar slots are 0-d, f64 or i64.
  ValueDesc desc(const Ref& r) const;
  /// The value whose bytes it sees.
  Ref root(const Ref& r) const { return r.kind == Ref::record ? roots_[value(r)] : r; }
  /// True if the bytes of a root leave the program.
  bool is_output(const Ref& root) const {
    return root.kind == Ref::record && is_output_[value(root)];
  }
  /// Dense numbers of the records' results.
  size_t values() const { return roots_.size(); }
  size_t value(const Ref& r) const { return first_value_[r.index] + r.result; }

 private:
  const Tape* tape_;
  std::vector<uint32_t> first_value_;
  std::vector<Ref> roots_;
  std::vector<uint8_t> is_output_;
};

/// Every record by itself.
std::vector<Unit> one_by_one(const Program& program);

}  // namespace suanli
