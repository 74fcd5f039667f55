// SPDX-License-Identifier: Apache-2.0
// Ops without a kernel for 16-bit floats or narrow integers become casts around the same op in a
// wide dtype.
#include <algorithm>

#include "plan/passes/passes.h"

namespace suanli {

namespace {

bool is_narrow(const ValueDesc& v) { return wide_dtype(v.dtype) != v.dtype; }

class Widen {
 public:
  Widen(Program& p, const Backend& backend) : p_(p) {
    for (uint32_t i = 0; i < p.size(); ++i) needed_.push_back(is_needed(i, backend));
  }

  bool run() {
    if (std::find(needed_.begin(), needed_.end(), 1) == needed_.end()) return false;
    now_.resize(p_.values());
    for (uint32_t i = 0; i < p_.size(); ++i) {
      Record r = p_.records[i];
      for (Ref& in : r.in)
        if (in.kind == Ref::record) in = now_[p_.value(in)];
      const bool wide = needed_[i];
      if (wide)
        for (size_t k = 0; k < r.in.size(); ++k)
          if (const ValueDesc in = p_.desc(p_.record(i).in[k]); is_narrow(in))
            r.in[k] = cast(r.in[k], {wide_dtype(in.dtype), in.shape}, r);
      const std::vector<ValueDesc> results = r.out;
      if (wide)
        for (ValueDesc& out : r.out) out.dtype = wide_dtype(out.dtype);
      const uint32_t at = add(r);
      for (uint8_t k = 0; k < results.size(); ++k) {
        const Ref value{Ref::record, k, at};
        now_[p_.value({Ref::record, k, i})] =
            results[k] == r.out[k] ? value : cast(value, results[k], r);
      }
    }
    for (ProgramOutput& l : p_.outputs)
      if (l.value.kind == Ref::record) l.value = now_[p_.value(l.value)];
    p_.records = std::move(records_);
    p_.index();
    p_.drop_dead();  // casts of results that nobody reads
    return true;
  }

 private:
  bool is_needed(uint32_t i, const Backend& backend) const {
    if (p_.is_alias(i)) return false;
    const std::span<const Ref> in = p_.inputs(i);
    const std::vector<ValueDesc>& out = p_.record(i).out;
    return (std::any_of(out.begin(), out.end(), is_narrow) ||
            std::any_of(in.begin(), in.end(),
                        [&](const Ref& r) { return is_narrow(p_.desc(r)); })) &&
           !backend.supports(p_.step(i));
  }
  uint32_t add(Record r) {
    records_.push_back(std::move(r));
    return static_cast<uint32_t>(records_.size() - 1);
  }
  Ref cast(const Ref& value, const ValueDesc& to, const Record& of) {
    return {Ref::record, 0,
            add({cast_op.id(), DTypeAttr{to.dtype}, of.node, {value}, {to}, of.again})};
  }

  Program& p_;
  std::vector<uint8_t> needed_;  // by record
  std::vector<Ref> now_;  // by former value
  std::vector<Record> records_;
};

}  // namespace

bool widen(Program& p, const Backend& backend) { return Widen(p, backend).run(); }

}  // namespace suanli
