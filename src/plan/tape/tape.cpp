// SPDX-License-Identifier: Apache-2.0
#include "plan/tape/tape.h"

#include <algorithm>
#include "base/core/hash.h"

namespace suanli {

namespace {

// The marks of choose() on a pending node: results that leave the program as bits 0 to 3, and:
constexpr uint8_t kNeeded = 16;  // something that leaves depends on it
constexpr uint8_t kWalked = 32;  // a later backward() may come by
constexpr uint8_t kOutput = 15;
static_assert(kMaxResults == 4);

/// True if the node gives back its inputs when it has run (Recorder::flush).
bool lets_go(const Node* n) { return !n->requires_grad() || n->is(kConsumed) || n->cell; }

// An input as a word: kind, result, index; of a slot, whose index is its place among the slots, the
// dtype.
constexpr uint32_t input_word(Ref::Kind kind, uint32_t result, uint32_t index) {
  return kind | result << 2 | index << 4;
}
constexpr uint32_t kMaxLeaves = uint32_t{1} << 28;

constexpr size_t kAttrWords = sizeof(Attr) / 4;

}  // namespace

/// Marks what must be computed and what must be kept: values with handles, values that later
/// (unflushed) nodes read, and the `saves` of every node that a backward() may still walk. One
/// sweep backwards, since inputs come before their readers.
void Tape::choose(const std::vector<Node*>& pending, size_t count) {
  marks_.assign(pending.size(), 0);
  uint8_t* const marks = marks_.data();
  for (size_t i = pending.size(); i-- > 0;) {
    Node* n = pending[i];
    uint8_t mark = marks[i];
    uint8_t held = 0;
    for (int r = 0; r < n->n_out; ++r) held |= static_cast<uint8_t>(n->has_handle(r) << r);
    mark |= held;
    const bool walked =
        n->requires_grad() && !n->is(kConsumed) && !n->cell && (held || mark & kWalked);
    const Saves saves = walked ? rules_of(n->op).saves : Saves{0};
    mark |= static_cast<uint8_t>(saves >> 8);
    if (mark & kOutput) mark |= kNeeded;
    marks[i] = mark;
    const bool later = i >= count;
    for (int k = 0; k < n->n_in; ++k) {
      const Edge& e = n->in()[k];
      if (!e.node->pending()) continue;
      const auto read = static_cast<uint8_t>(1 << e.index);
      uint8_t add = later ? read : mark & kNeeded;
      if (walked) {
        if (e.node->requires_grad()) add |= kWalked;
        if (k < 8 && (saves & saves_in(k))) add |= read;
      }
      marks[e.node->position - 1] |= add;
    }
  }
}

// ---- leaves -------------------------------------------------------------------------------------

void Leaf::held_by(Node* n) {
  const int listed = std::min<int>(holders, kMaxHolders);
  for (int k = 0; k < listed; ++k)
    if (nodes[k] == n) return;
  if (holders < kMaxHolders) nodes[holders] = n;
  if (holders <= kMaxHolders) ++holders;
}

size_t Tape::slot_in_table(const Storage* storage) const {
  return (mix_hash(0, reinterpret_cast<uintptr_t>(storage)) >> 32) & (table_.size() - 1);
}

void Tape::grow_table() {
  std::vector<Entry> before(table_.size() * 2);
  before.swap(table_);
  for (const Entry& e : before) {
    if (e.stamp != stamp_) continue;
    size_t at = slot_in_table(e.storage);
    while (table_[at].stamp == stamp_) at = (at + 1) & (table_.size() - 1);
    table_[at] = e;
  }
}

/// The leaf that an edge to a value in memory reads.
Leaf& Tape::leaf_of(const Edge& e) {
  const Result& r = e.node->out(e.index);
  if (!r.storage)
    throw InternalError(
        Fault{.op = "flush", .given = "an executed value that is still read has no storage"});
  const Cell* cell = cell_of(e.node);
  const bool of_cell = (cell && !cell->of_tensor) || e.node->is(kOfCell);
  if ((leaves.size() + 1) * 2 > table_.size()) grow_table();
  size_t at = slot_in_table(r.storage);
  bool known = false;
  for (; table_[at].stamp == stamp_; at = (at + 1) & (table_.size() - 1)) {
    if (table_[at].storage != r.storage) continue;
    // One storage may be seen under several shapes (reshape shares bytes); each is a leaf of its
    // own.
    Leaf& leaf = leaves[table_[at].leaf];
    if (leaf.seen == &r || (leaf.seen->dtype == r.dtype && leaf.seen->shape == r.shape)) {
      leaf.of_cell |= of_cell;
      return leaf;
    }
    leaf.other_shapes = known = true;
  }
  if (leaves.size() == kMaxLeaves)
    throw InternalError({.op = "flush",
                         .given = "too many values that the program reads",
                         .expected = str("at most ", kMaxLeaves),
                         .remedy = "Call flush() more often."});
  table_[at] = {r.storage, static_cast<uint32_t>(leaves.size()), stamp_};
  return leaves.emplace_back(Leaf{
      .storage = r.storage, .seen = &r, .of_cell = of_cell, .other_shapes = known, .nodes = {}});
}

/// The leaf with these bytes, if there is exactly one; else UINT32_MAX.
uint32_t Tape::find_leaf(const Storage* storage) const {
  for (size_t at = slot_in_table(storage); table_[at].stamp == stamp_;
       at = (at + 1) & (table_.size() - 1))
    if (table_[at].storage == storage)
      return leaves[table_[at].leaf].other_shapes ? UINT32_MAX : table_[at].leaf;
  return UINT32_MAX;
}

// ---- who may be written over --------------------------------------------------------------------

/// Nodes that nobody needs hold values too, until the program has run.
void Tape::count_holders(const Node* unneeded) {
  for (int k = 0; k < unneeded->n_in; ++k) {
    const Edge& e = const_cast<Node*>(unneeded)->in()[k];
    if (e.node->pending() || e.node->op == kOpScalar) continue;
    const uint32_t leaf = find_leaf(e.node->out(e.index).storage);
    if (leaf == UINT32_MAX) continue;
    leaves[leaf].held_by(e.node);
    leaves[leaf].edges += lets_go(unneeded);
  }
}

/// A former value may be overwritten if whoever holds it is its cell, or a node that lets go of it
/// when the program has run: counted, not guessed, so a handle anywhere else, or a graph that is
/// kept for a later backward, leaves it alone.
void Tape::find_updates(const std::vector<Cell*>& cells, size_t count) {
  updates.clear();
  writes_cells = false;
  for (Cell* c : cells) {
    if (!c->pending.defined() || !c->pending.node()->pending()) continue;
    const Node* now = c->pending.node();
    if (now->position > count) continue;
    writes_cells = true;
    if (!c->committed.defined()) continue;
    Node* before = c->committed.node();
    const uint32_t leaf = find_leaf(before->out(c->committed.index()).storage);
    if (leaf == UINT32_MAX || leaves[leaf].update != UINT32_MAX) continue;
    leaves[leaf].update = static_cast<uint32_t>(updates.size());
    leaves[leaf].held_by(before);
    updates.push_back(
        {index_of_[now->position - 1], static_cast<uint8_t>(c->pending.index()), leaf, c});
  }
  if (updates.empty()) return;
  for (const Node* n : unneeded_) count_holders(n);
}

bool Tape::claim(size_t update, uint32_t ignored) {
  const Leaf& leaf = leaves[updates[update].leaf];
  Cell* c = updates[update].cell;
  std::lock_guard lock(c->mutex());
  if (leaf.holders > Leaf::kMaxHolders) return false;
  uint64_t refs = 0;
  for (int k = 0; k < leaf.holders; ++k)
    refs += leaf.nodes[k]->refs.load(std::memory_order_acquire);
  // The cell's own handle, and the edges; every node holds the storage once.
  if (refs != kHandle + leaf.edges || leaf.storage->refs.load(std::memory_order_acquire) !=
                                          static_cast<uint32_t>(leaf.holders) + ignored)
    return false;
  c->overwritten.store(true, std::memory_order_release);
  claimed_.push_back(c);
  return true;
}

void Tape::release_cells() {
  for (Cell* c : claimed_) {
    c->overwritten.store(false, std::memory_order_release);
    c->overwritten.notify_all();
  }
  claimed_.clear();
}

// ---- the canonical form -------------------------------------------------------------------------

void Tape::add_node(Node* n, uint8_t outputs) {
  uint32_t* w = words.room(2 + kAttrWords + kDescWords * kMaxResults);
  uint32_t* const head = w;
  w += 2;
  uint32_t given = 0;  // the attributes' words that are not zero: most ops have few
  for (size_t k = 0; k < kAttrWords / 2; ++k) {
    uint64_t two;
    std::memcpy(&two, n->attr.bytes + 8 * k, sizeof two);
    std::memcpy(w, &two, sizeof two);
    given |= static_cast<uint32_t>(two != 0) << k;
    w += two != 0 ? 2 : 0;
  }
  head[0] = n->op | uint32_t{n->n_in} << 16;
  head[1] = n->n_out | uint32_t{outputs} << 4 | given << 8 | uint32_t{n->requires_grad()} << 14 |
            uint32_t{n->is(kGradient)} << 15 | static_cast<uint32_t>(n->device.kind) << 16 |
            uint32_t{static_cast<uint8_t>(n->device.index)} << 24;
  for (int r = 0; r < n->n_out; ++r) w = write_desc(w, n->out(r).dtype, n->out(r).shape);
  words.wrote(w);
  const bool drops = lets_go(n);
  uint32_t* in = inputs.room(n->n_in);
  for (int k = 0; k < n->n_in; ++k) {
    const Edge& e = n->in()[k];
    if (e.node->pending()) {
      *in++ =
          input_word(Ref::record, static_cast<uint32_t>(e.index), index_of_[e.node->position - 1]);
    } else if (e.node->op == kOpScalar) {
      slots.push_back(e.node->attr.as<ScalarAttr>());
      *in++ = input_word(Ref::slot, 0, static_cast<uint32_t>(slots.back().dtype));
    } else {
      Leaf& leaf = leaf_of(e);
      leaf.held_by(e.node);
      leaf.edges += drops;
      *in++ = input_word(Ref::leaf, 0, static_cast<uint32_t>(&leaf - leaves.data()));
    }
  }
  inputs.wrote(in);
}

void Tape::build(const std::vector<Node*>& pending, size_t count, const std::vector<Cell*>& cells) {
  choose(pending, count);
  words.clear();
  inputs.clear();
  nodes.clear();
  outputs.clear();
  leaves.clear();
  slots.clear();

  unneeded_.clear();
  index_of_.resize(count);
  ++stamp_;
  for (size_t i = 0; i < count; ++i) {
    Node* n = pending[i];
    if (!(marks_[i] & kNeeded)) {
      unneeded_.push_back(n);
      continue;
    }
    index_of_[i] = static_cast<uint32_t>(nodes.size());
    nodes.push_back(n);
    outputs.push_back(marks_[i] & kOutput);
    add_node(n, marks_[i] & kOutput);
  }
  find_updates(cells, count);
  uint32_t* w = words.room(leaves.size() * kDescWords + updates.size() * 3 + 4);
  for (const Leaf& l : leaves) w = write_desc(w, l.seen->dtype, l.seen->shape, l.of_cell);
  for (const Update& u : updates) {
    *w++ = u.node;
    *w++ = u.result;
    *w++ = u.leaf;
  }
  for (size_t n : {nodes.size(), leaves.size(), updates.size()})
    *w++ = static_cast<uint32_t>(n);  // where one list ends and the next begins
  *w++ = writes_cells;
  words.wrote(w);
  hash = hash_of(inputs.all(), hash_of(words.all(), 0));
}

std::vector<Ref> Tape::refs() const {
  std::vector<Ref> refs;
  uint32_t slot = 0;
  for (uint32_t word : inputs.all()) {
    const auto kind = static_cast<Ref::Kind>(word & 3);
    refs.push_back(
        {kind, static_cast<uint8_t>(word >> 2 & 3), kind == Ref::slot ? slot++ : word >> 4});
  }
  return refs;
}

}  // namespace suanli
