#include "plan/plan.h"

#include <algorithm>
#include <map>

#include "ops/pointwise.h"
#include "plan/fuse.h"
#include "plan/passes.h"

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

/// A record's result.
struct Value {
  ValueDesc desc;
  int last_use = -1;     // the last step that reads its bytes (as root)
  uint8_t escapes = 0;   // read by another unit than its own, or leaves the program
  Place place{Place::arena, -1};
};

class Builder {
 public:
  Builder(const Tape& tape, Tier tier) : program_(tape) {
    plan_->device = tape.records.empty() ? Device{} : tape.records[0]->device;
    if (tier == Tier::planned) {
      simplify(program_);
      choose_layouts(program_, backend(plan_->device));
      units_ = fuse(program_);
    } else {
      units_ = one_by_one(program_);
    }
    lifetimes();
    for (size_t u = 0; u < units_.size(); ++u) add_step(static_cast<int>(u));
    for (auto& s : plan_->steps) s.step.attr = &s.attr;  // the vector may have moved them
    for (const Leaving& l : program_.leaving) plan_->outputs.push_back({l.record, l.result, place_of(l.value)});
    plan_->arena_bytes = arena_.end();
  }
  std::unique_ptr<Plan> take() { return std::move(plan_); }

 private:
  Value& value(const Ref& r) { return values_[program_.value(r)]; }

  void lifetimes() {
    for (uint32_t i = 0; i < program_.size(); ++i)
      for (uint8_t r = 0; r < program_.record(i).out.size(); ++r) {
        const Ref ref{Ref::record, r, i};
        values_.push_back({.desc = program_.desc(ref), .escapes = program_.leaves(program_.root(ref))});
      }
    std::vector<int> unit_of(program_.size(), -1);
    for (size_t u = 0; u < units_.size(); ++u)
      for (uint32_t i : units_[u]) unit_of[i] = static_cast<int>(u);
    for (size_t u = 0; u < units_.size(); ++u)
      for (uint32_t i : units_[u])
        for (const Ref& r : program_.inputs(i)) {
          const Ref root = program_.root(r);
          if (root.kind != Ref::record || unit_of[root.index] == static_cast<int>(u)) continue;
          value(root).last_use = static_cast<int>(u);
          value(root).escapes = 1;
        }
  }

  Place place_of(const Ref& given) {
    const Ref r = program_.root(given);
    if (r.kind == Ref::leaf) return {Place::leaf, r.index};
    if (r.kind == Ref::slot) return {Place::slot, r.index};
    return value(r).place;
  }

  void add_step(int u) {
    const Unit& unit = units_[static_cast<size_t>(u)];
    const Record& record = program_.record(unit[0]);
    PlannedStep s;
    s.record = record.origin;
    std::vector<Ref> in, out;
    if (unit.size() == 1) {
      s.attr = record.attr;
      s.step.op = record.op;
      in = record.in;
      for (uint8_t r = 0; r < record.out.size(); ++r) out.push_back({Ref::record, r, unit[0]});
    } else {
      std::vector<uint8_t> escapes;
      for (uint32_t i : unit) escapes.push_back(value({Ref::record, 0, i}).escapes);
      FusedUnit fused = fused_unit(program_, unit, escapes);
      s.step.op = kOpFused;
      s.expr = std::make_unique<Expr>(std::move(fused.expr));
      s.step.expr = s.expr.get();
      in = std::move(fused.in), out = std::move(fused.out);
    }
    s.step.attr = &s.attr;
    std::vector<Value*> dying;
    for (const Ref& r : in) {
      s.in.push_back(place_of(r));
      s.step.in.push_back(program_.desc(r));
      const Ref root = program_.root(r);
      if (root.kind == Ref::record && value(root).last_use == u && std::find(dying.begin(), dying.end(), &value(root)) == dying.end())
        dying.push_back(&value(root));
    }
    for (const Ref& r : out) {
      Value& v = value(r);
      if (program_.leaves(r)) {
        v.place = {Place::output, static_cast<int64_t>(plan_->output_bytes.size())};
        plan_->output_bytes.push_back(bytes_of(v.desc));
      } else {
        v.place = {Place::arena, arena_.take(bytes_of(v.desc))};
      }
      s.out.push_back(v.place);
      s.step.out.push_back(v.desc);
      if (v.last_use < 0) dying.push_back(&v);  // nobody reads it (a pooling index in evaluation)
    }
    s.kernel = backend(plan_->device).prepare(s.step);
    if (s.kernel->workspace_bytes > 0) {
      s.workspace_at = arena_.take(s.kernel->workspace_bytes);
      arena_.give(s.workspace_at, s.kernel->workspace_bytes);
    }
    s.flops = flops_of(s.step);
    plan_->flops += s.flops;
    for (Value* v : dying)
      if (v->place.kind == Place::arena) arena_.give(v->place.at, bytes_of(v->desc));
    plan_->steps.push_back(std::move(s));
  }

  /// A fused step counts what its ops would alone.
  static int64_t flops_of(const Step& s) {
    if (s.op != kOpFused) return (op_def(s.op).cost ? op_def(s.op).cost(s) : element_cost(s, 1)).flops;
    const auto ops = std::count_if(s.expr->code.begin(), s.expr->code.end(), [](const auto& i) { return i.row != Expr::kCast; });
    return (ops + static_cast<int64_t>(s.expr->sums.size())) * s.expr->space.numel();
  }

  Program program_;
  std::unique_ptr<Plan> plan_ = std::make_unique<Plan>();
  std::vector<Unit> units_;
  std::vector<Value> values_;
  OffsetAllocator arena_;
};

}  // namespace

int64_t Plan::bytes_held() const {
  size_t instructions = 0;
  for (const PlannedStep& s : steps) instructions += s.expr ? s.expr->code.size() : 0;
  return static_cast<int64_t>(steps.size() * 1024 + instructions * 128 + outputs.size() * 64);
}

std::unique_ptr<Plan> Plan::build(const Tape& tape, Tier tier) { return Builder(tape, tier).take(); }

std::string describe(const Plan& plan) {
  std::string text;
  for (const PlannedStep& s : plan.steps) {
    std::string name = op_def(s.step.op).name;
    if (s.expr) {
      std::string ops;
      for (const Expr::Instruction& i : s.expr->code) {
        if (!ops.empty()) ops += ", ";
        ops += i.row == Expr::kCast ? "cast" : pointwise_rows[i.row].name;
        if (i.gradient >= 0) ops += str(".g", "xyz"[i.gradient]);
      }
      for (size_t k = 0; k < s.expr->sums.size(); ++k) ops += ops.empty() ? "sum" : ", sum";
      name += str("(", ops, ")");
    } else if (is_pointwise(op_def(s.step.op))) {
      const auto& attr = s.attr.as<PointwiseAttr>();
      if (attr.gradient >= 0) name = str(pointwise_rows[attr.row].name, ".g", "xyz"[attr.gradient]);
    }
    const ValueDesc& out = s.step.out[0];
    text += str(name, " ", out.dtype, out.shape, " ", s.in.size(), " in ", s.out.size(), " out\n");
  }
  return text;
}

}  // namespace suanli
