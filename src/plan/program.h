// Program: a tape with its names resolved (who reads whose bytes, through aliases), and its records grouped into units.
#pragma once
#include <span>
#include <vector>

#include "plan/tape.h"

namespace suanli {

/// Records that become one step, in tape order. Their results that nobody outside reads get no memory.
using Unit = std::vector<uint32_t>;

class Program {
 public:
  explicit Program(const Tape& tape);

  size_t size() const { return tape_.records.size(); }
  const Tape& tape() const { return tape_; }
  Node* record(size_t i) const { return tape_.records[i]; }
  std::span<const Ref> inputs(size_t i) const { return {tape_.refs.data() + first_ref_[i], tape_.records[i]->n_in}; }
  /// Whether the record only gives bytes another name; it is in no unit.
  bool is_alias(size_t i) const;
  /// What the reader sees. Scalar slots are 0-d, f64 or i64.
  ValueDesc desc(const Ref& r) const;
  /// Whose bytes it sees.
  Ref root(const Ref& r) const { return r.kind == Ref::record ? roots_[value(r)] : r; }
  /// Whether the bytes of a root leave the program.
  bool leaves(const Ref& root) const { return root.kind == Ref::record && leaves_[value(root)]; }
  /// Dense numbers of the records' results.
  size_t values() const { return roots_.size(); }
  size_t value(const Ref& r) const { return first_value_[r.index] + r.result; }

 private:
  const Tape& tape_;
  std::vector<uint32_t> first_value_, first_ref_;
  std::vector<Ref> roots_;
  std::vector<uint8_t> leaves_;
};

/// Every record by itself.
std::vector<Unit> one_by_one(const Program& program);

}  // namespace suanli
