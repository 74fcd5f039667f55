// SPDX-License-Identifier: Apache-2.0
// Values that are the same in every run: folded statistics of a frozen network, reshaped or cast
// weights, masks of weights.
#include <algorithm>

#include "plan/passes/passes.h"

namespace suanli {

namespace {

// bytes that a constant may have, however small what it is made of
constexpr int64_t kAlwaysKeptBytes = int64_t{64} << 10;
constexpr int64_t kMost = INT64_MAX / 4;

class Hoist {
 public:
  explicit Hoist(Program& p) : p_(p), cell_elements_(p.size(), -1), stored_(p.values(), 0) {
    for (uint32_t i = 0; i < p.size(); ++i) look_at(i);
    choose();
  }

  std::optional<Program> run() {
    if (std::none_of(stored_.begin(), stored_.end(), [](uint8_t s) { return s; })) return {};
    Program constants = p_;
    constants.outputs.clear();
    std::vector<Ref> now(p_.values());
    for (uint32_t i = 0; i < p_.size(); ++i)
      for (uint8_t k = 0; k < p_.record(i).out.size(); ++k) {
        const Ref value{Ref::record, k, i};
        Ref& by = now[p_.value(value)] = value;
        if (!stored_[p_.value(value)]) continue;
        by = {Ref::constant, 0, static_cast<uint32_t>(p_.constants.size())};
        p_.constants.push_back(p_.desc(value));
        constants.outputs.push_back({p_.record(i).node, k, value, -1});
      }
    for (Record& r : p_.records)
      for (Ref& in : r.in)
        if (in.kind == Ref::record) in = now[p_.value(in)];
    p_.drop_dead();
    constants.drop_dead();
    return constants;
  }

 private:
  /// Elements of the cells that record i is made of; -1: of something else too.
  void look_at(uint32_t i) {
    const Record& r = p_.record(i);
    if (op_of(r.op).has(Trait::random) || p_.tape().nodes[r.node]->requires_grad()) return;
    int64_t elements = 0;
    for (const Ref& in : r.in) {
      if (in.kind == Ref::slot) continue;
      const int64_t of_input = in.kind == Ref::record               ? cell_elements_[in.index]
                               : p_.tape().leaves[in.index].of_cell ? p_.desc(in).shape.numel()
                                                                    : -1;
      if (of_input < 0) return;
      elements = std::min(kMost, elements + of_input);
    }
    cell_elements_[i] = elements;
  }

  bool is_worth_keeping(uint32_t i) const {
    if (cell_elements_[i] <= 0 || p_.is_alias(i)) return false;
    const auto& out = p_.record(i).out;
    for (uint8_t k = 0; k < out.size(); ++k)
      if (p_.is_output({Ref::record, k, i})) return false;
    return std::all_of(out.begin(), out.end(), [&](const ValueDesc& d) {
      return d.shape.numel() > 0 &&
             (d.shape.numel() <= cell_elements_[i] || bytes_of(d) <= kAlwaysKeptBytes);
    });
  }

  /// From the last record to the first: what the program still computes asks for its inputs.
  void choose() {
    std::vector<uint8_t> read(p_.values(), 0);
    auto reads = [&](const Ref& r) {
      if (r.kind == Ref::record) read[p_.value(r)] = 1;
    };
    for (const ProgramOutput& l : p_.outputs) reads(l.value);
    for (uint32_t i = static_cast<uint32_t>(p_.size()); i-- > 0;) {
      const size_t first = p_.value({Ref::record, 0, i}), results = p_.record(i).out.size();
      const auto begin = read.begin() + static_cast<ptrdiff_t>(first),
                 end = begin + static_cast<ptrdiff_t>(results);
      if (std::find(begin, end, 1) == end) continue;
      if (is_worth_keeping(i)) {
        std::copy(begin, end, stored_.begin() + static_cast<ptrdiff_t>(first));
        continue;
      }
      const auto inputs = p_.inputs(i);
      for (size_t k = 0; k < (p_.is_alias(i) ? 1 : inputs.size()); ++k) reads(inputs[k]);
    }
  }

  Program& p_;
  std::vector<int64_t> cell_elements_;  // by record
  std::vector<uint8_t> stored_;  // by value: it becomes a constant
};

}  // namespace

std::optional<Program> hoist_constants(Program& p) {
  // constants would not last, or would hold memory that a training step needs
  if (p.trains()) return {};
  return Hoist(p).run();
}

}  // namespace suanli
