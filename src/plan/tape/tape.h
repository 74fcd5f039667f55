// SPDX-License-Identifier: Apache-2.0
// Tape: the canonical record of a pending program. Two programs with equal tapes are the same
// program: the tape holds ops, attributes, shapes and who reads what, and no addresses, numbers
// (scalar slots) or module paths.
#pragma once
#include <vector>

#include "ops/op.h"
#include "plan/tape/tape_encoding.h"
#include "tensor/cell.h"

namespace suanli {

/// A value as an input sees it: of a node on the tape, later of a record of the program.
struct Ref {
  enum Kind : uint8_t {
    record,
    leaf,
    slot,
    constant  // of Program::constants; in no tape
  };
  Kind kind;
  uint8_t result;  // of a node or record
  uint32_t index;
};

inline bool same_value(const Ref& a, const Ref& b) {
  return a.kind == b.kind && a.index == b.index && a.result == b.result;
}

/// A value in memory that the program reads, and who holds it.
struct Leaf {
  Storage* storage;
  const Result* seen;       // one of the results that it is; all have its dtype and shape
  bool of_cell;             // the value of a parameter: it stays over many runs
  // the same bytes are read under another shape or dtype too, as a leaf of its own
  bool other_shapes;
  static constexpr int kMaxHolders = 4;
  int8_t holders = 0;  // nodes that hold the storage; kMaxHolders + 1: more than are listed
  uint32_t edges = 0;  // to them, from nodes that drop theirs when this program has run
  uint32_t update = UINT32_MAX;
  Node* nodes[kMaxHolders];

  ValueDesc desc() const { return {seen->dtype, seen->shape}; }
  void held_by(Node* n);
};

/// A result that becomes the value of a cell whose former value is a leaf: its bytes may be written
/// in that leaf's place.
struct Update {
  uint32_t node;
  uint8_t result;
  uint32_t leaf;
  Cell* cell;  // not part of the canonical form
};

/// The program of a flush and its canonical form. Kept per thread and
/// reused: no allocation at steady state. A step whose plan is known pays for building it every
/// time, so it is written in one pass over the nodes, without copies of what only the making of a
/// plan asks for.
class Tape {
 public:
  // The canonical form.
  TapeEncoding words;  // ops, attributes, shapes, leaves, updates
  TapeEncoding inputs;  // of all nodes, one after the other; see refs()
  uint64_t hash = 0;

  // Bindings of this run, in the canonical order.
  std::vector<Node*> nodes;
  std::vector<uint8_t> outputs;  // per node: results that leave the program, as bits
  std::vector<Leaf> leaves;
  std::vector<ScalarAttr> slots;
  std::vector<Update> updates;
  bool writes_cells = false;  // updates, and values of cells that had none in memory

  /// Takes those of the first `count` pending nodes that anything outside still needs. `cells`:
  /// those that the program writes.
  void build(const std::vector<Node*>& pending, size_t count, const std::vector<Cell*>& cells);
  /// Inputs of all nodes, one after the other.
  std::vector<Ref> refs() const;
  /// True if nobody but this program holds an update's former value; other threads then wait for
  /// the next one until release_cells(). `ignored`: references to its storage that do not count.
  bool claim(size_t update, uint32_t ignored = 0);
  void release_cells();

 private:
  void choose(const std::vector<Node*>& pending, size_t count);
  void add_node(Node* n, uint8_t outputs);
  Leaf& leaf_of(const Edge& e);
  uint32_t find_leaf(const Storage* storage) const;
  void count_holders(const Node* unneeded);
  void find_updates(const std::vector<Cell*>& cells, size_t count);
  size_t slot_in_table(const Storage* storage) const;
  void grow_table();

  std::vector<uint8_t> marks_;  // by pending node
  std::vector<uint32_t> index_of_;  // by pending node: in `nodes`
  std::vector<Node*> unneeded_;
  // Open-addressing map from storage to leaf; entries of earlier builds are recognized by their
  // stamp.
  struct Entry {
    const Storage* storage;
    uint32_t leaf;
    uint32_t stamp;
  };
  std::vector<Entry> table_ = std::vector<Entry>(64);
  uint32_t stamp_ = 0;
  std::vector<Cell*> claimed_;
};

}  // namespace suanli
