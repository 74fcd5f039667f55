// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/calls.h"

#include <algorithm>

#include "base/text/text.h"
#include "ops/schema/attribute_values.h"

namespace suanli {

namespace {

constexpr const char* kUnused = "unused";

/// The calls of pending nodes, as records of the program that these nodes are.
class CallsOf {
 public:
  explicit CallsOf(const Program& p) : p_(p), nodes_(p.tape().nodes) {}

  ExplainedCall explained(const CompositeCall& call) const {
    const OpSchema& schema = op_of(call.op).schema();
    const auto at = [&](size_t position) {
      return static_cast<size_t>(
          std::partition_point(nodes_.begin(), nodes_.end(),
                               [&](const Node* n) { return n->position <= position; }) -
          nodes_.begin());
    };
    const size_t first = at(call.begin), end = at(call.end);
    ExplainedCall told{.op = schema.name,
                       .attributes = attributes_text(schema, call.attr, rank_of(call)),
                       .module = scope_path(call.scope),
                       .depth = call.depth,
                       .first = first,
                       .records = end - first};
    for (const Edge& input : call.in()) told.inputs.push_back(read_by(first, end, input));
    for (const Edge& result : call.result()) told.results.push_back(made_by(first, end, result));
    return told;
  }

 private:
  static int rank_of(const CompositeCall& call) {
    if (call.inputs == 0 || !call.in()[0].node) return 0;
    return call.in()[0].node->out(call.in()[0].index).shape.rank();
  }
  std::string read_by(size_t first, size_t end, const Edge& value) const {
    for (size_t i = first; i < end; ++i)
      for (int k = 0; k < nodes_[i]->n_in; ++k) {
        const Edge& e = nodes_[i]->in()[k];
        if (e.node == value.node && e.index == value.index)
          return text_of(p_.record(i).in[static_cast<size_t>(k)]);
      }
    return kUnused;
  }
  std::string made_by(size_t first, size_t end, const Edge& value) const {
    for (size_t i = first; i < end; ++i)
      if (nodes_[i] == value.node)
        return text_of(
            Ref{Ref::record, static_cast<uint8_t>(value.index), static_cast<uint32_t>(i)});
    return read_by(first, end, value);  // an input that the call gives back
  }

  const Program& p_;
  const std::vector<Node*>& nodes_;
};

}  // namespace

std::string text_of(const Ref& r) {
  if (r.kind == Ref::leaf) return str("leaf", r.index);
  if (r.kind == Ref::slot) return str("number", r.index);
  if (r.kind == Ref::constant) return str("constant", r.index);
  return r.result ? str("%", r.index, ".", static_cast<int>(r.result)) : str("%", r.index);
}

std::vector<ExplainedCall> explained_calls(const Program& recorded) {
  const CallsOf calls(recorded);
  std::vector<ExplainedCall> all;
  for (const CompositeCall& call : Recorder::current().calls().noted())
    if (ExplainedCall told = calls.explained(call); told.records > 0)
      all.push_back(std::move(told));
  return all;
}

std::string in_words(const ExplainedCall& call) {
  const auto listed = [](const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& one : all) text += (text.empty() ? "" : ", ") + one;
    return text;
  };
  return str(call.op, "(", listed(call.inputs), call.attributes.empty() ? "" : "; ",
             call.attributes, ") → ", listed(call.results), ", ", call.records,
             call.records == 1 ? " record from %" : " records from %", call.first,
             call.module.empty() ? "" : "  " + call.module);
}

}  // namespace suanli
