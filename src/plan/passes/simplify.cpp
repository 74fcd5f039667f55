// SPDX-License-Identifier: Apache-2.0
// Records that say the same thing twice, or nothing.
#include <unordered_map>

#include "base/core/hash.h"
#include "ops/schema/pointwise.h"
#include "plan/passes/passes.h"

namespace suanli {

namespace {

/// Everything that a record's value is a function of, as words.
struct Key {
  std::vector<uint64_t> words;
  bool operator==(const Key&) const = default;
};
struct HashKey {
  size_t operator()(const Key& k) const {
    uint64_t h = 0;
    for (uint64_t w : k.words) h = mix_hash(h, w);
    return h;
  }
};

Key key_of(const Record& r) {
  Key k;
  k.words.push_back(r.op);
  uint64_t attr[6];
  std::memcpy(attr, r.attr.bytes, sizeof attr);
  k.words.insert(k.words.end(), attr, attr + 6);
  for (const Ref& in : r.in)
    k.words.push_back(uint64_t{in.index} << 16 | uint64_t{in.result} << 8 | in.kind);
  for (const ValueDesc& out : r.out) {
    k.words.push_back(static_cast<uint64_t>(out.dtype) << 8 |
                      static_cast<uint64_t>(out.shape.rank()));
    for (int64_t d : out.shape) k.words.push_back(static_cast<uint64_t>(d));
  }
  return k;
}

}  // namespace

void simplify(Program& p) {
  // by value: what its readers may read instead; expand only for pointwise readers
  std::vector<Ref> forwarded(p.values());
  std::unordered_map<Key, uint32_t, HashKey> seen;
  for (uint32_t i = 0; i < p.size(); ++i) {
    Record& r = p.records[i];
    const Op& op = op_of(r.op);
    const bool broadcasts = op.has(Trait::pointwise), view = op.has(Trait::view);
    for (Ref& in : r.in)
      while (in.kind == Ref::record) {
        const Ref next = forwarded[p.value(in)];
        if ((next.kind == in.kind && next.index == in.index && next.result == in.result) ||
            (p.record(in.index).op == expand_op.id() && !broadcasts))
          break;
        in = next;
      }
    for (uint8_t k = 0; k < r.out.size(); ++k)
      forwarded[p.value({Ref::record, k, i})] = {Ref::record, k, i};
    if (view) r.in.resize(1);  // the others are its gradient's
    if (op.has(Trait::random)) continue;
    Ref& mine = forwarded[p.value({Ref::record, 0, i})];
    if (r.op == expand_op.id() || (view && p.desc(r.in[0]).shape == r.out[0].shape)) {
      mine = r.in[0];
      continue;
    }
    auto [same, fresh] = seen.try_emplace(key_of(r), i);
    if (fresh) continue;
    for (uint8_t k = 0; k < r.out.size(); ++k)
      forwarded[p.value({Ref::record, k, i})] = {Ref::record, k, same->second};
  }
  p.drop_dead();
}

}  // namespace suanli
