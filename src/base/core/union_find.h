// SPDX-License-Identifier: Apache-2.0
// Disjoint sets of 0 … n-1.
#pragma once
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace suanli {

/// Each set is named by one of its members, its root. The caller chooses which root stays, so that
/// data about a set can lie at its root.
class UnionFind {
 public:
  UnionFind() = default;
  explicit UnionFind(size_t n) : parent_(n) { std::iota(parent_.begin(), parent_.end(), 0u); }
  /// Another element, in a set of its own.
  void add() { parent_.push_back(static_cast<uint32_t>(parent_.size())); }
  /// The root of i's set. Halves the path to it.
  uint32_t find(uint32_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  /// Joins the set of root `b` to that of root `a`, whose root stays.
  void join(uint32_t a, uint32_t b) { parent_[b] = a; }

 private:
  std::vector<uint32_t> parent_;
};

}  // namespace suanli
