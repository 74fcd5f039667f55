#include "plan/tape.h"

#include <algorithm>

namespace suanli {

namespace {
uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * 0x9E3779B97F4A7C15ull;
  return h ^ (h >> 32);
}
}  // namespace

/// Marks what must be computed and what must be kept: values with handles, values that later (unflushed) nodes read, and the
/// `saves` of every node that a backward() may still walk. One sweep backwards, since inputs come before their readers.
void Tape::choose(std::vector<Node*>& pending, size_t count) {
  const size_t total = pending.size();
  needed_.assign(total, 0);
  kept_.assign(total, 0);
  out_bits_.assign(total, 0);
  for (size_t i = 0; i < total; ++i) pending[i]->position = static_cast<uint32_t>(i + 1);
  for (size_t i = total; i-- > 0;) {
    Node* n = pending[i];
    bool held = false;
    for (int r = 0; r < n->n_out; ++r)
      if (n->has_handle(r)) out_bits_[i] |= static_cast<uint8_t>(1 << r), held = true;
    auto input = [&](int k) { return n->in()[k].node && n->in()[k].node->pending() ? n->in()[k].node->position : 0; };
    if (n->requires_grad() && !n->is(kConsumed) && !n->cell && (held || kept_[i])) {
      const Saves saves = op_def(n->op).saves;
      out_bits_[i] |= static_cast<uint8_t>(saves >> 8);
      for (int k = 0; k < n->n_in; ++k) {
        const uint32_t at = input(k);
        if (!at) continue;
        if (n->in()[k].node->requires_grad()) kept_[at - 1] = 1;
        if (k < 8 && (saves & saves_in(k))) out_bits_[at - 1] |= static_cast<uint8_t>(1 << n->in()[k].index);
      }
    }
    const bool later = i >= count;
    needed_[i] |= out_bits_[i] != 0;
    for (int k = 0; k < n->n_in; ++k) {
      const uint32_t at = input(k);
      if (!at) continue;
      if (later) out_bits_[at - 1] |= static_cast<uint8_t>(1 << n->in()[k].index);
      else if (needed_[i]) needed_[at - 1] = 1;
    }
  }
}

uint32_t Tape::leaf_index(const Result& r, bool is_cell) {
  if (!r.storage) throw Error("[flush] internal: an executed value that is still read has no storage");
  if ((leaves.size() + 1) * 2 > table_.size()) {
    std::vector<Entry> bigger(table_.size() * 2);
    for (const Entry& e : table_)
      if (e.stamp == stamp_) {
        size_t at = mix(0, reinterpret_cast<uintptr_t>(e.storage)) & (bigger.size() - 1);
        while (bigger[at].stamp == stamp_) at = (at + 1) & (bigger.size() - 1);
        bigger[at] = e;
      }
    table_.swap(bigger);
  }
  size_t at = mix(0, reinterpret_cast<uintptr_t>(r.storage)) & (table_.size() - 1);
  for (; table_[at].stamp == stamp_; at = (at + 1) & (table_.size() - 1)) {
    const uint32_t i = table_[at].index;
    // One storage may be seen under several shapes (reshape shares bytes); each is a leaf of its own.
    if (table_[at].storage == r.storage && leaf_descs[i].dtype == r.dtype && leaf_descs[i].shape == r.shape) {
      leaf_is_cell[i] |= is_cell;
      return i;
    }
  }
  table_[at] = {r.storage, static_cast<uint32_t>(leaves.size()), stamp_};
  leaves.push_back(r.storage);
  leaf_descs.push_back({r.dtype, r.shape});
  leaf_is_cell.push_back(is_cell);
  return table_[at].index;
}

/// A former value may be overwritten if whoever holds it is its cell, or a node that lets go of it when the program has run: counted, not
/// guessed, so a handle anywhere else, or a graph that is kept for a later backward, leaves it alone.
void Tape::find_updates(const std::vector<Node*>& pending, size_t count, const std::vector<Cell*>& cells) {
  updates.clear(), update_cells.clear(), holders_.clear();
  update_of_leaf_.assign(leaves.size(), UINT32_MAX);
  auto leaf_of = [&](const Result& r) -> uint32_t {  // only if it is seen under one shape
    uint32_t leaf = UINT32_MAX;
    for (size_t at = mix(0, reinterpret_cast<uintptr_t>(r.storage)) & (table_.size() - 1); table_[at].stamp == stamp_;
         at = (at + 1) & (table_.size() - 1))
      if (table_[at].storage == r.storage) {
        if (leaf != UINT32_MAX) return UINT32_MAX;
        leaf = table_[at].index;
      }
    return leaf;
  };
  for (Cell* c : cells) {
    if (!c->pending.defined() || !c->committed.defined() || !c->pending.node()->pending()) continue;
    Node *now = c->pending.node(), *before = c->committed.node();
    if (now->position == 0 || now->position > records.size() || records[now->position - 1] != now) continue;
    const uint32_t leaf = leaf_of(before->out(c->committed.index()));
    if (leaf == UINT32_MAX || update_of_leaf_[leaf] != UINT32_MAX) continue;
    update_of_leaf_[leaf] = static_cast<uint32_t>(updates.size());
    updates.push_back({now->position - 1, static_cast<uint8_t>(c->pending.index()), leaf});
    update_cells.push_back(c);
    holders_.push_back({{before}, 1, 0});
  }
  if (updates.empty()) return;
  for (size_t i = 0; i < count; ++i) {
    Node* n = pending[i];
    const bool lets_go = !n->requires_grad() || n->is(kConsumed) || n->cell;
    for (int k = 0; k < n->n_in; ++k) {
      Node* in = n->in()[k].node;
      if (!in || in->pending() || in->op == kOpScalar) continue;
      const uint32_t leaf = leaf_of(in->out(n->in()[k].index));
      if (leaf == UINT32_MAX || update_of_leaf_[leaf] == UINT32_MAX) continue;
      Holders& h = holders_[update_of_leaf_[leaf]];
      h.edges += lets_go;
      if (h.count < 0 || std::find(h.nodes, h.nodes + h.count, in) != h.nodes + h.count) continue;
      if (h.count == 4) h.count = -1;
      else h.nodes[h.count++] = in;
    }
  }
}

bool Tape::claim(size_t update) {
  const Holders& h = holders_[update];
  Cell* c = update_cells[update];
  std::lock_guard lock(c->mutex);
  uint64_t refs = 0;
  for (int k = 0; k < h.count; ++k) refs += h.nodes[k]->refs.load(std::memory_order_acquire);
  // The cell's own handle, and the edges; every node holds the storage once.
  if (h.count < 0 || refs != kHandle + h.edges ||
      leaves[updates[update].leaf]->refs.load(std::memory_order_acquire) != static_cast<uint32_t>(h.count))
    return false;
  c->overwritten.store(true, std::memory_order_release);
  if (Storage* s = leaves[updates[update].leaf]; s->packed.load(std::memory_order_relaxed)) forget_packed(s);
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

void Tape::build(std::vector<Node*>& pending, size_t count, const std::vector<Cell*>& cells) {
  choose(pending, count);
  words.clear(), records.clear(), outputs.clear(), leaves.clear(), leaf_descs.clear(), leaf_is_cell.clear(), slots.clear(),
      slot_dtypes.clear(), refs.clear();
  ++stamp_;
  auto describe = [&](DType dtype, const Shape& shape) {
    words.push_back(static_cast<uint64_t>(dtype) << 8 | static_cast<uint64_t>(shape.rank()));
    for (int64_t d : shape) words.push_back(static_cast<uint64_t>(d));
  };
  // Only needed nodes get a position; positions are 1-based record indices from here on.
  for (size_t i = 0; i < count; ++i) {
    Node* n = pending[i];
    if (!needed_[i]) {
      n->position = 0;
      continue;
    }
    records.push_back(n);
    outputs.push_back(out_bits_[i]);
    n->position = static_cast<uint32_t>(records.size());
    words.push_back(uint64_t{n->op} << 48 | uint64_t{n->n_in} << 32 | uint64_t{n->n_out} << 24 | uint64_t{out_bits_[i]} << 16 |
                    static_cast<uint64_t>(n->device.kind) << 8 | static_cast<uint8_t>(n->device.index));
    uint64_t attr[6];
    std::memcpy(attr, n->attr.bytes, sizeof attr);
    words.insert(words.end(), attr, attr + 6);
    for (int k = 0; k < n->n_in; ++k) {
      const Edge& e = n->in()[k];
      Ref ref{};
      if (e.node->pending()) {
        ref = {Ref::record, static_cast<uint8_t>(e.index), e.node->position - 1};
      } else if (e.node->op == kOpScalar) {
        const auto& s = e.node->attr.as<ScalarAttr>();
        ref = {Ref::slot, 0, static_cast<uint32_t>(slots.size())};
        slots.push_back({s.real, s.integer});
        slot_dtypes.push_back(s.dtype);
        words.push_back(static_cast<uint64_t>(s.dtype));
      } else {
        ref = {Ref::leaf, 0, leaf_index(e.node->out(e.index), e.node->cell || e.node->is(kOfCell))};
      }
      refs.push_back(ref);
      words.push_back(uint64_t{ref.index} << 16 | uint64_t{ref.result} << 8 | ref.kind);
    }
    for (int r = 0; r < n->n_out; ++r) describe(n->out(r).dtype, n->out(r).shape);
  }
  for (const auto& d : leaf_descs) describe(d.dtype, d.shape);
  for (uint8_t cell : leaf_is_cell) words.push_back(cell);
  find_updates(pending, count, cells);
  for (const Update& u : updates) words.push_back(uint64_t{u.record} << 40 | uint64_t{u.result} << 32 | u.leaf);
  hash = 0;
  for (uint64_t w : words) hash = mix(hash, w);
}

}  // namespace suanli
