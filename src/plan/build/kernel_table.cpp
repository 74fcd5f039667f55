// SPDX-License-Identifier: Apache-2.0
#include "plan/build/kernel_table.h"

#include <cstring>
#include "base/core/hash.h"

namespace suanli {

namespace {

/// Hash of the parts in which most steps differ.
uint64_t hash_of(const Step& s) {
  uint64_t h = s.op;
  auto add = [&](uint64_t word) { h = mix_hash(h, word); };
  for (const auto* values : {&s.in, &s.out})
    for (const ValueDesc& v : *values) add(static_cast<uint64_t>(v.shape.numel()));
  if (s.expr) add(s.expr->code.size());
  return h;
}

}  // namespace

bool KernelTable::Entry::is_for(const Step& other, const Attr& other_attr) const {
  return step.op == other.op && step.in == other.in && step.out == other.out &&
         step.constant == other.constant &&
         std::memcmp(attr.bytes, other_attr.bytes, sizeof attr.bytes) == 0 &&
         (other.expr ? expr && *expr == *other.expr : !expr);
}

std::shared_ptr<Kernel> KernelTable::kernel_for(const Step& step, const Attr& attr) {
  const uint64_t hash = hash_of(step);
  const auto [begin, end] = entries_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (it->second.is_for(step, attr)) return it->second.kernel;
  std::shared_ptr<Kernel> kernel = backend_.prepare(step);
  Entry entry{step, attr, step.expr ? std::make_unique<Expr>(*step.expr) : nullptr, kernel};
  entry.step.attr = nullptr;
  entry.step.expr = nullptr;
  entries_.emplace(hash, std::move(entry));
  return kernel;
}

}  // namespace suanli
