#include "plan/plan.h"

#include <algorithm>
#include <map>

namespace suanli {

namespace {

constexpr int64_t kAlign = 64;
int64_t aligned(int64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

/// Offsets in one arena: first fit by address. Taken and freed in execution order, so that lifetimes that do not overlap share bytes.
class OffsetAllocator {
 public:
  int64_t take(int64_t bytes) {
    bytes = aligned(bytes);
    if (bytes == 0) return 0;
    for (auto it = holes_.begin(); it != holes_.end(); ++it) {
      auto [at, size] = *it;
      if (size < bytes) continue;
      holes_.erase(it);
      if (size > bytes) holes_[at + bytes] = size - bytes;
      return at;
    }
    // The last hole may reach the end: grow it rather than leave it.
    if (!holes_.empty()) {
      auto last = std::prev(holes_.end());
      if (last->first + last->second == end_) {
        const int64_t at = last->first;
        holes_.erase(last);
        end_ = at + bytes;
        return at;
      }
    }
    const int64_t at = end_;
    end_ += bytes;
    return at;
  }
  void give(int64_t at, int64_t bytes) {
    bytes = aligned(bytes);
    if (bytes == 0) return;
    auto next = holes_.lower_bound(at);
    if (next != holes_.end() && at + bytes == next->first) {
      bytes += next->second;
      next = holes_.erase(next);
    }
    if (next != holes_.begin()) {
      auto before = std::prev(next);
      if (before->first + before->second == at) {
        before->second += bytes;
        return;
      }
    }
    holes_[at] = bytes;
  }
  int64_t end() const { return end_; }

 private:
  std::map<int64_t, int64_t> holes_;
  int64_t end_ = 0;
};

int64_t bytes_of(const ValueDesc& v) { return v.shape.numel() * itemsize(v.dtype); }

/// One value of the tape: a record's result.
struct Value {
  ValueDesc desc;
  Ref root;              // itself, or what it is another name of
  bool leaves = false;   // its bytes (as root) leave the program
  int last_use = -1;     // index of the last step that reads its bytes
  Place place{Place::arena, -1};
};

}  // namespace

int64_t Plan::bytes_held() const { return static_cast<int64_t>(steps.size() * 1024 + outputs.size() * 64); }

std::unique_ptr<Plan> Plan::cold(const Tape& tape) {
  auto plan = std::make_unique<Plan>();
  const size_t n = tape.records.size();
  plan->device = n ? tape.records[0]->device : Device{};
  Backend& engine = backend(plan->device);

  std::vector<Value> values;
  std::vector<uint32_t> first_value(n), first_ref(n);
  uint32_t refs = 0;
  for (size_t i = 0; i < n; ++i) {
    Node* node = tape.records[i];
    first_value[i] = static_cast<uint32_t>(values.size());
    first_ref[i] = refs;
    refs += node->n_in;
    for (int r = 0; r < node->n_out; ++r)
      values.push_back({{node->out(r).dtype, node->out(r).shape}, {Ref::record, static_cast<uint8_t>(r), static_cast<uint32_t>(i)}});
  }
  auto value = [&](const Ref& r) -> Value& { return values[first_value[r.index] + r.result]; };
  auto root = [&](Ref r) { return r.kind == Ref::record ? value(r).root : r; };
  for (size_t i = 0; i < n; ++i)
    if (op_def(tape.records[i]->op).alias) value({Ref::record, 0, static_cast<uint32_t>(i)}).root = root(tape.refs[first_ref[i]]);

  // Lifetimes, on roots.
  for (size_t i = 0; i < n; ++i) {
    Node* node = tape.records[i];
    for (int r = 0; r < node->n_out; ++r)
      if (tape.outputs[i] >> r & 1) {
        const Ref at = root({Ref::record, static_cast<uint8_t>(r), static_cast<uint32_t>(i)});
        if (at.kind == Ref::record) value(at).leaves = true;
      }
    if (op_def(node->op).alias) continue;
    for (int k = 0; k < node->n_in; ++k) {
      const Ref at = root(tape.refs[first_ref[i] + static_cast<uint32_t>(k)]);
      if (at.kind == Ref::record) value(at).last_use = static_cast<int>(i);
    }
  }

  OffsetAllocator arena;
  auto place_of = [&](const Ref& given) -> Place {
    const Ref r = root(given);
    if (r.kind == Ref::leaf) return {Place::leaf, r.index};
    if (r.kind == Ref::slot) return {Place::slot, r.index};
    return value(r).place;
  };
  for (size_t i = 0; i < n; ++i) {
    Node* node = tape.records[i];
    const OpDef& def = op_def(node->op);
    if (def.alias) continue;
    PlannedStep s;
    s.attr = node->attr;
    s.record = static_cast<uint32_t>(i);
    s.step.op = node->op;
    std::vector<Value*> dying;
    for (int k = 0; k < node->n_in; ++k) {
      const Ref& given = tape.refs[first_ref[i] + static_cast<uint32_t>(k)];
      s.in.push_back(place_of(given));
      if (given.kind == Ref::slot) s.step.in.push_back({is_float(tape.slot_dtypes[given.index]) ? DType::f64 : DType::i64, {}});
      else s.step.in.push_back(given.kind == Ref::leaf ? tape.leaf_descs[given.index] : value(given).desc);
      const Ref at = root(given);
      if (at.kind == Ref::record && value(at).last_use == static_cast<int>(i) &&
          std::find(dying.begin(), dying.end(), &value(at)) == dying.end())
        dying.push_back(&value(at));
    }
    for (int r = 0; r < node->n_out; ++r) {
      Value& v = value({Ref::record, static_cast<uint8_t>(r), static_cast<uint32_t>(i)});
      if (v.leaves) {
        v.place = {Place::output, static_cast<int64_t>(plan->output_bytes.size())};
        plan->output_bytes.push_back(bytes_of(v.desc));
      } else {
        v.place = {Place::arena, arena.take(bytes_of(v.desc))};
      }
      s.out.push_back(v.place);
      s.step.out.push_back(v.desc);
    }
    s.step.attr = &s.attr;
    s.kernel = engine.prepare(s.step);
    if (s.kernel->workspace_bytes > 0) {
      s.workspace_at = arena.take(s.kernel->workspace_bytes);
      arena.give(s.workspace_at, s.kernel->workspace_bytes);
    }
    s.flops = (def.cost ? def.cost(s.step) : element_cost(s.step, 1)).flops;
    plan->flops += s.flops;
    for (Value* v : dying)
      if (v->place.kind == Place::arena) arena.give(v->place.at, bytes_of(v->desc));
    for (int r = 0; r < node->n_out; ++r) {  // results nobody reads (a pooling index in evaluation)
      Value& v = value({Ref::record, static_cast<uint8_t>(r), static_cast<uint32_t>(i)});
      if (v.last_use < 0 && v.place.kind == Place::arena) arena.give(v.place.at, bytes_of(v.desc));
    }
    plan->steps.push_back(std::move(s));
    plan->steps.back().step.attr = &plan->steps.back().attr;
  }
  for (auto& s : plan->steps) s.step.attr = &s.attr;  // the vector may have moved them
  for (size_t i = 0; i < n; ++i)
    for (int r = 0; r < tape.records[i]->n_out; ++r)
      if (tape.outputs[i] >> r & 1) {
        const Ref ref{Ref::record, static_cast<uint8_t>(r), static_cast<uint32_t>(i)};
        plan->outputs.push_back({ref.index, ref.result, place_of(ref)});
      }
  plan->arena_bytes = arena.end();
  return plan;
}

}  // namespace suanli
