// SPDX-License-Identifier: Apache-2.0
// Batching rules: the record of one example becomes a record of all examples.
#pragma once
#include <vector>

#include "ops/op.h"

namespace suanli {

/// A record of one example, and its inputs for all of them.
class BatchedRecord {
 public:
  /// `inputs`: [B, …] where `batched`, else of one example.
  BatchedRecord(Node* node, int64_t size, std::vector<Tensor> inputs, std::vector<uint8_t> batched)
      : node_(node), size_(size), in_(std::move(inputs)), batched_(std::move(batched)) {}

  const Op& op() const { return op_of(node_->op); }
  const Attr& attr() const { return node_->attr; }
  template <class T> const T& attr() const { return node_->attr.as<T>(); }
  int inputs() const { return node_->n_in; }
  bool batched(int i) const { return batched_[static_cast<size_t>(i)]; }
  /// B.
  int64_t size() const { return size_; }
  /// The shape and dtype of one example's input or result.
  const Shape& shape(int i) const { return of(i).shape; }
  DType dtype(int i) const { return of(i).dtype; }
  const Result& result(int i) const { return node_->out(i); }
  /// Input i as it is.
  const Tensor& in(int i) const { return in_[static_cast<size_t>(i)]; }
  /// Input i as [B, …].
  Tensor all(int i) const;
  std::vector<Tensor> all() const;
  /// Input i as [B, 1, …, …], so that one example has `rank` dimensions. One that is not batched
  /// stays.
  Tensor with_rank(int i, int rank) const;

 private:
  const Result& of(int i) const {
    const Edge& e = node_->in()[i];
    return e.node->out(e.index);
  }
  Node* node_;
  int64_t size_;
  std::vector<Tensor> in_;
  std::vector<uint8_t> batched_;
};

/// [s…] → [first, s…].
Shape with_first(int64_t first, const Shape& s);

/// The results as [B, …]; none where the rule does not cover these inputs.
using BatchingRule = std::vector<Tensor> (*)(const BatchedRecord&);
/// Null for an op without a rule: each example is recorded by itself.
SUANLI_API BatchingRule batching_rule(const Op& op);

}  // namespace suanli
