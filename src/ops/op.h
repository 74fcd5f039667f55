// SPDX-License-Identifier: Apache-2.0
// OpRules: gradients and decompositions of ops, and record(), through which every op call goes. The
// file of a family defines each op by its schema (ops/schema/schema.h), its rules and the function
// that records it.
#pragma once
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "base/text/text.h"
#include "ops/schema/ops.h"
#include "suanli/ops.h"
#include "tensor/recorder.h"

namespace suanli {

/// One node of a backward walk. Everything recorded through it is part of the program.
class Vjp {
 public:
  Vjp(Node* node, Tensor* grads, Tensor* given, bool create_graph)
      : node_(node), grads_(grads), given_(given), create_graph_(create_graph) {}
  /// Forward values; only those that OpRules::saves names. Anything else has no storage by then,
  /// and throws.
  Tensor in(int i) const;
  Tensor result(int i = 0) const;
  /// Gradient of result i; zeros if nothing reached it.
  const Tensor& grad(int i = 0);
  /// True if input i leads to a parameter; gradients of others need not be given.
  bool needs_grad(int i) const { return node_->in()[i].node->requires_grad(); }
  int inputs() const { return node_->n_in; }
  bool create_graph() const { return create_graph_; }
  const Shape& in_shape(int i) const {
    const Edge& e = node_->in()[i];
    return e.node->out(e.index).shape;
  }
  DType in_dtype(int i) const {
    const Edge& e = node_->in()[i];
    return e.node->out(e.index).dtype;
  }
  template <class T> const T& attr() const { return node_->attr.as<T>(); }
  /// Gradient of input i, in its shape; dtype is converted where a promotion took place.
  void set_grad(int i, Tensor gradient);

 private:
  Node* node_;
  Tensor* grads_;
  Tensor* given_;
  bool create_graph_;
};

/// The values that vjp reads, as bits: input i is 1 << i (up to 7), result i is 256 << i.
using Saves = uint16_t;
constexpr Saves saves_in(int i) { return static_cast<Saves>(1 << i); }
constexpr Saves saves_result(int i = 0) { return static_cast<Saves>(256 << i); }

/// The part of an op that is about tensors: its gradient, and its parts.
struct OpRules {
  const Op* op = nullptr;
  void (*vjp)(Vjp&) = nullptr;  // null: no input has a gradient
  Saves saves = 0;
  // the same value by simpler ops
  Tensor (*decompose)(std::span<const Tensor> inputs, const Attr&) = nullptr;
};

/// Gives an op its rules, for the life of the process. It stands behind the op in the same file, so
/// that the op exists before it. Ops without rules have no gradient.
class RegisterRules {
 public:
  explicit RegisterRules(const OpRules& rules);
  RegisterRules(const RegisterRules&) = delete;

 private:
  OpRules rules_;
};
const OpRules& rules_of(uint16_t op);

/// Records a call: infers shapes (throws here), appends a node. Nothing runs.
/// `shape` is what Infer::requested_shape gives, for ops whose result's shape the caller chooses.
Node* record_node(const Op& op, const Tensor* const* inputs, int n, const Attr& attr,
                  const Shape* shape = nullptr);
Tensor record(const Op& op, std::initializer_list<const Tensor*> inputs, const Attr& attr = {},
              const Shape* shape = nullptr);
Tensor record(const Op& op, std::span<const Tensor> inputs, const Attr& attr = {},
              const Shape* shape = nullptr);
/// The shape rule alone: throws what record() would throw.
void check(const Op& op, std::initializer_list<const Tensor*> inputs, const Attr& attr = {},
           const Shape* shape = nullptr);

/// A composite whose parts are recorded while it lives. Its own shape rule is checked first, so
/// that errors name it. record() does all this for a composite; a function that gets more from the
/// parts than the results does it itself.
class Composite {
 public:
  Composite(const Op& op, std::span<const Tensor* const> inputs, const Attr& attr,
            const Shape* shape = nullptr);
  /// As the shape rule completed them.
  const Attr& attr() const { return attr_; }
  /// That of the composite's result.
  DType dtype() const { return dtype_; }
  /// The parts are recorded: `result` is the composite's.
  Tensor end(Tensor result);

 private:
  DType dtype_{};
  Attr attr_;
  Calls::Open note_;
};
/// All results of a call, of a composite its one.
SUANLI_API std::vector<Tensor> record_all(const Op& op, std::span<const Tensor> inputs,
                                          const Attr& attr, const Shape* shape);
std::vector<Tensor> record_all(const Op& op, std::initializer_list<const Tensor*> inputs,
                               const Attr& attr = {});

/// The axis counted from the front; `argument` names it in the error where x has no such axis.
int checked_axis(const char* op, const Tensor& x, int axis, const char* argument = "dim");

}  // namespace suanli
