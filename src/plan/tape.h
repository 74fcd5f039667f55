// Tape: the canonical record of a pending program. Two programs with equal tapes are the same program: the tape holds ops,
// attributes, shapes and who reads what, and no addresses, numbers (scalar slots) or module paths.
#pragma once
#include <vector>

#include "ops/op.h"
#include "tensor/cell.h"

namespace suanli {

/// A value as a record's input sees it.
struct Ref {
  enum Kind : uint8_t { record, leaf, slot };
  Kind kind;
  uint8_t result;  // of a record
  uint32_t index;
};

inline bool same_value(const Ref& a, const Ref& b) { return a.kind == b.kind && a.index == b.index && a.result == b.result; }

struct SlotValue {
  double real;
  int64_t integer;
};

/// A result that becomes the value of a cell whose former value is a leaf: its bytes may be written in that leaf's place.
struct Update {
  uint32_t record;
  uint8_t result;
  uint32_t leaf;
};

/// What a flush of the current thread wants computed, and its canonical form. Kept per thread and reused: no allocation at
/// steady state.
struct Tape {
  std::vector<uint64_t> words;   // the canonical form, compared as a whole
  uint64_t hash = 0;

  // What this very run binds to it, in the canonical order.
  std::vector<Node*> records;
  std::vector<uint8_t> outputs;  // per record: results that leave the program, as bits
  std::vector<Storage*> leaves;
  std::vector<ValueDesc> leaf_descs;
  std::vector<uint8_t> leaf_is_cell;  // the value of a parameter: it stays over many runs
  std::vector<SlotValue> slots;
  std::vector<DType> slot_dtypes;
  std::vector<Ref> refs;         // inputs of all records, one after the other
  std::vector<Update> updates;
  std::vector<Cell*> update_cells;  // whose they are

  /// Records the first `count` pending nodes that anything outside still needs. `cells`: those that the program writes.
  void build(std::vector<Node*>& pending, size_t count, const std::vector<Cell*>& cells);
  /// True if nobody but this program holds an update's former value; other threads then wait for the next one until release_cells().
  bool claim(size_t update);
  void release_cells();

 private:
  void choose(std::vector<Node*>& pending, size_t count);
  uint32_t leaf_index(const Result& r, bool is_cell);
  void find_updates(const std::vector<Node*>& pending, size_t count, const std::vector<Cell*>& cells);
  std::vector<uint8_t> needed_, kept_, out_bits_;
  // Open-addressing map from storage to leaf index; entries of earlier builds are recognised by their stamp.
  struct Entry {
    Storage* storage;
    uint32_t index;
    uint32_t stamp;
  };
  std::vector<Entry> table_ = std::vector<Entry>(64);
  uint32_t stamp_ = 0;
  // Who holds the storage of an update's leaf.
  struct Holders {
    Node* nodes[4];
    int count;        // -1: more than fit
    uint32_t edges;   // from nodes that drop theirs when this program has run
  };
  std::vector<Holders> holders_;
  std::vector<Cell*> claimed_;
  std::vector<uint32_t> update_of_leaf_;
};

}  // namespace suanli
