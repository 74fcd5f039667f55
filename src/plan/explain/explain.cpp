// SPDX-License-Identifier: Apache-2.0
// Listens to a plan coming about and keeps what people want to know of it. Reasons are found from
// the result, apart from the pass.
#include "suanli/explain.h"

#include <algorithm>
#include <map>
#include <set>

#include "plan/build/arena_use.h"
#include "plan/build/listener.h"
#include "plan/explain/calls.h"
#include "plan/explain/forecast.h"
#include "plan/ir/rows.h"
#include "plan/ir/step_info.h"
#include "plan/passes/fuse.h"

namespace suanli {

namespace {

std::string name_of(const Record& r) {
  return step_name(Step{.op = r.op, .attr = attributes_of(r.op, r.attr), .in = {}, .out = {}});
}
std::string text_of(const ValueDesc& d) { return str(d.dtype, d.shape); }
const std::string& module_of(const Program& p, const Record& r) {
  return scope_path(p.tape().nodes[r.node]->scope);
}

std::string line(const Program& p, uint32_t i) {
  const Record& r = p.record(i);
  std::string in, out;
  for (const Ref& ref : r.in) in += (in.empty() ? "" : ", ") + text_of(ref);
  for (const ValueDesc& d : r.out) out += (out.empty() ? "" : ", ") + text_of(d);
  const std::string& module = module_of(p, r);
  return str("%", i, " = ", name_of(r), "(", in, ") ", out, module.empty() ? "" : "  " + module);
}

/// Why two neighbors are in different units.
class Neighbors {
 public:
  Neighbors(const Program& p, const std::vector<Unit>& units)
      : p_(p), units_(units), unit_of_(p.size(), 0), readers_(units.size()) {
    for (uint32_t u = 0; u < units.size(); ++u)
      for (uint32_t i : units[u]) unit_of_[i] = u;
    for (uint32_t u = 0; u < units.size(); ++u)
      for (uint32_t i : units[u])
        for (const Ref& r : p.inputs(i))
          if (const Ref root = p.root(r); root.kind == Ref::record && unit_of_[root.index] != u)
            readers_[unit_of_[root.index]].insert(u);
  }

  std::vector<Unfused> unfused() {
    std::map<std::string, Unfused> by_reason;
    for (uint32_t i = 0; i < p_.size(); ++i) {
      if (p_.is_alias(i) || !is_fusable(p_, i)) continue;
      for (const Ref& r : p_.inputs(i)) {
        const Ref root = p_.root(r);
        if (root.kind != Ref::record || unit_of_[root.index] == unit_of_[i] ||
            !is_fusable(p_, root.index))
          continue;
        const std::string why = reason(root.index, i, p_.desc(r).shape);
        auto [it, fresh] = by_reason.try_emplace(why, Unfused{why, "", 0});
        if (fresh) it->second.example = str(described(root.index), " → ", described(i));
        ++it->second.count;
      }
    }
    std::vector<Unfused> all;
    for (auto& [why, entry] : by_reason) all.push_back(std::move(entry));
    std::stable_sort(all.begin(), all.end(),
                     [](const Unfused& a, const Unfused& b) { return a.count > b.count; });
    return all;
  }

 private:
  std::string described(uint32_t i) const {
    const std::string& module = module_of(p_, p_.record(i));
    return str(name_of(p_.record(i)), " ", text_of(p_.record(i).out[0]),
               module.empty() ? "" : " of " + module);
  }
  static constexpr const char* kIncomplete =
      "a reduction is complete only when its kernel has ended";

  /// Elements of the rows along which a record reduces, where they are kept; else 0.
  int64_t row(uint32_t i) const {
    const Record& r = p_.record(i);
    if (!is_reduction(r.op)) return 0;
    const Shape space = space_of(p_, i);
    const int64_t row = row_of(space, r.attr.as<ReduceAttr>().dim);
    return keeps_rows(space, row) ? row : 0;
  }
  bool ends_with_kernel(uint32_t i) const { return is_reduction(p_.record(i).op) && row(i) == 0; }

  /// `seen`: the shape in which `to` reads the value.
  std::string reason(uint32_t from, uint32_t to, const Shape& seen) {
    if (ends_with_kernel(from)) return kIncomplete;
    const Shape space = space_of(p_, to), &shape = p_.record(from).out[0].shape;
    const bool per_row = alike(seen, shape) && (keeps_rows(space, row_of(space, seen)) ||
                                                (row(from) != 0 && alike(seen, space)));
    if (!per_row && !(seen == shape && space == shape)) return "they run over different shapes";
    const uint32_t ua = unit_of_[from], ub = unit_of_[to];
    if (reads_what_ends_with(ub, ua)) return kIncomplete;
    if (op_reads(ub, ua)) return "the product or convolution of that kernel reads all of it first";
    if (reaches_around(ua, ub)) return "another kernel lies between them on a second path";
    if (reductions_differ(ua, ub)) return "their reductions are over different axes";
    if (units_[ua].size() + units_[ub].size() > Expr::kMaxInstructions)
      return str("together they have more than ", Expr::kMaxInstructions, " instructions");
    if (pointers(ua, ub) > Expr::kMaxPointers)
      return str("together they have more than ", Expr::kMaxPointers, " inputs and outputs");
    return "an earlier choice of fusion stands in the way";
  }

  bool reads_what_ends_with(uint32_t reader, uint32_t unit) const {
    for (uint32_t i : units_[reader])
      for (const Ref& r : p_.inputs(i))
        if (const Ref root = p_.root(r); root.kind == Ref::record && unit_of_[root.index] == unit &&
                                         ends_with_kernel(root.index))
          return true;
    return false;
  }

  /// True if a unit has an op, with the rest as its epilogue, that takes something of another unit.
  bool op_reads(uint32_t reader, uint32_t unit) const {
    for (uint32_t i : units_[reader])
      if (units_[reader].size() > 1 && !is_fusable(p_, i))
        for (const Ref& r : p_.inputs(i))
          if (const Ref root = p_.root(r); root.kind == Ref::record && unit_of_[root.index] == unit)
            return true;
    return false;
  }

  bool reaches_around(uint32_t from, uint32_t to) const {
    std::vector<uint32_t> open;
    std::vector<uint8_t> seen(units_.size(), 0);
    for (uint32_t r : readers_[from])
      if (r != to) {
        open.push_back(r);
        seen[r] = 1;
      }
    while (!open.empty()) {
      const uint32_t u = open.back();
      open.pop_back();
      if (u == to) return true;
      for (uint32_t r : readers_[u])
        if (!seen[r]) {
          open.push_back(r);
          seen[r] = 1;
        }
    }
    return false;
  }

  bool reductions_differ(uint32_t a, uint32_t b) const {
    std::set<int64_t> rows;
    std::set<uint32_t> axes;
    for (uint32_t u : {a, b})
      for (uint32_t i : units_[u])
        if (row(i) != 0) rows.insert(row(i));
        else if (is_reduction(p_.record(i).op)) axes.insert(p_.record(i).attr.as<ReduceAttr>().dim);
    return rows.size() > 1 || axes.size() > 1;
  }

  int pointers(uint32_t a, uint32_t b) const {
    auto inside = [&](uint32_t record) { return unit_of_[record] == a || unit_of_[record] == b; };
    std::set<std::tuple<int, uint32_t, int>> in;
    int out = 0;
    for (uint32_t u : {a, b})
      for (uint32_t i : units_[u]) {
        for (const Ref& r : p_.inputs(i))
          if (const Ref root = p_.root(r); root.kind != Ref::record || !inside(root.index))
            in.insert({root.kind, root.index, root.result});
        out += p_.is_output({Ref::record, 0, i}) || read_outside(i, inside);
      }
    return static_cast<int>(in.size()) + out;
  }
  template <class F> bool read_outside(uint32_t record, F&& inside) const {
    for (uint32_t reader : readers_[unit_of_[record]])
      for (uint32_t i : units_[reader])
        for (const Ref& r : p_.inputs(i))
          if (const Ref root = p_.root(r);
              root.kind == Ref::record && root.index == record && !inside(i))
            return true;
    return false;
  }

  const Program& p_;
  const std::vector<Unit>& units_;
  std::vector<uint32_t> unit_of_;
  std::vector<std::set<uint32_t>> readers_;  // by unit
};

/// Forward is what comes before the last record that leads from a parameter and needs its graph:
/// gradients are recorded without one.
uint32_t records_forward(const Tape& tape) {
  for (size_t i = tape.nodes.size(); i-- > 0;)
    if (tape.nodes[i]->requires_grad()) return static_cast<uint32_t>(i + 1);
  return static_cast<uint32_t>(tape.nodes.size());
}

std::vector<ExplainedKernel> kernels_of(const Plan& plan, const Tape& tape) {
  const uint32_t forward = records_forward(tape);
  std::vector<ExplainedKernel> all;
  const std::vector<int64_t> alive = alive_bytes(plan);
  bool backward_began = false;
  std::map<std::pair<int, int64_t>, size_t> writer;  // by place
  for (const PlannedStep& s : plan.steps) {
    ExplainedKernel k;
    k.name = step_name(s.step);
    k.module = scope_path(tape.nodes[s.node]->scope);
    k.record = s.node;
    const auto of_optimizer = [&](uint32_t node) {
      return tape.nodes[node]->scope == optimizer_scope();
    };
    const auto updates = std::count_if(s.out_nodes.begin(), s.out_nodes.end(), of_optimizer);
    k.updates = updates > 0;
    // A fused kernel is named after its first node, which may be the last of the gradient (a
    // clip, a sum over batches).
    const bool only_updates = s.step.op == kOpFused && updates == std::ssize(s.out_nodes);
    const uint32_t last =
        std::max(s.node, *std::max_element(s.out_nodes.begin(), s.out_nodes.end()));
    k.phase = of_optimizer(s.node) || only_updates ? ExplainedKernel::update
              : last < forward                     ? ExplainedKernel::forward
                                                   : ExplainedKernel::backward;
    k.ops = s.step.expr ? static_cast<int64_t>(s.expr->code.size()) + s.step.has_epilogue() : 1;
    k.flops = s.flops;
    k.bytes = s.bytes;
    k.workspace_bytes = s.kernel->workspace_bytes;
    k.alive_bytes = alive[all.size()];
    for (const Place& p : s.in)
      if (auto it = writer.find({p.kind, p.at});
          p.kind != Place::leaf && it != writer.end() &&
          std::find(k.reads.begin(), k.reads.end(), it->second) == k.reads.end())
        k.reads.push_back(it->second);
    for (size_t r = 0; r < s.out.size(); ++r) {
      k.results.push_back(text_of(s.step.out[r]));
      k.leaves |= s.out[r].kind == Place::output;
      writer[{s.out[r].kind, s.out[r].at}] = all.size();
    }
    // After the forward pass, records of a forward are rematerialized, unless it is kept (running
    // statistics).
    backward_began |= k.phase == ExplainedKernel::backward;
    if (backward_began && k.phase == ExplainedKernel::forward && !k.leaves)
      k.phase = ExplainedKernel::backward;
    all.push_back(std::move(k));
  }
  return all;
}

/// "-20 expand, +4 reorder": what a pass did to the number of records of each op.
std::string difference(const PassListing& before, const PassListing& after) {
  std::map<std::string, int64_t> count;
  auto add = [&](const PassListing& listing, int64_t by) {
    for (const std::string& record : listing.records) {
      const size_t from = record.find("= ") + 2;
      count[record.substr(from, record.find('(', from) - from)] += by;
    }
  };
  add(before, -1);
  add(after, 1);
  std::string text;
  for (auto& [op, n] : count)
    if (n != 0) text += str(text.empty() ? "" : ", ", n > 0 ? "+" : "", n, " ", op);
  return text.empty() ? "no change in number" : text;
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

constexpr size_t kHolders = 15;

}  // namespace

struct Explainer::State final : PlanListener {
  std::vector<ProgramExplanation> programs;
  bool fresh = false;  // the last one was planned and has not run yet

  void passed(const char* pass, const Program& program) override {
    if (std::string_view(pass) == "recorded") {
      programs.emplace_back();
      programs.back().calls = explained_calls(program);
    }
    PassListing listing{pass, {}};
    for (uint32_t i = 0; i < program.size(); ++i) listing.records.push_back(line(program, i));
    programs.back().passes.push_back(std::move(listing));
  }
  void divided(const Program& program, const std::vector<Unit>& units) override {
    programs.back().unfused = Neighbors(program, units).unfused();
  }
  void planned(const Plan& plan, const Tape& tape) override {
    programs.back().kernels = kernels_of(plan, tape);
    std::vector<uint8_t> overwrites;
    for (int64_t update : plan.output_update) overwrites.push_back(update >= 0);
    programs.back().memory = suanli::forecast(plan, tape, overwrites);
    fresh = true;
  }
  void forecast(const ProgramForecast& forecast) override {
    if (std::exchange(fresh, false)) programs.back().memory = forecast;
  }
};

Explainer::Explainer() {
  if (plan_listener)
    throw StateError(
        {.op = "Explainer", .given = "a second one on this thread", .expected = "one at a time"});
  state_ = std::make_unique<State>();
  plan_listener = state_.get();
}
Explainer::~Explainer() { plan_listener = nullptr; }
const std::vector<ProgramExplanation>& Explainer::programs() const { return state_->programs; }

std::string in_words(const ProgramExplanation& program, bool records) {
  const ProgramForecast& m = program.memory;
  std::string text;
  auto say = [&](const auto&... parts) { text += str(parts...) + "\n"; };

  int64_t bytes = 0, fused = 0, fused_ops = 0;
  std::map<std::string, int64_t> kinds;
  for (const ExplainedKernel& k : program.kernels) {
    bytes += k.bytes;
    ++kinds[k.name.substr(0, k.name.find('('))];
    if (k.ops > 1) {
      ++fused;
      fused_ops += k.ops;
    }
  }
  say("program: ", program.passes.empty() ? 0 : program.passes[0].records.size(), " records, ",
      program.kernels.size(), " kernels, ", human_flops(m.flops), ", ", human_bytes(bytes),
      " read and written");

  say("\npasses");
  for (size_t i = 0; i < program.passes.size(); ++i) {
    const PassListing& pass = program.passes[i];
    say("  ", padded(pass.pass, 10), " ", pass.records.size(), " records",
        i ? ": " + difference(program.passes[i - 1], pass) : "");
    if (records)
      for (const std::string& record : pass.records) say("    ", record);
  }
  say("  ", padded("fusion", 10), " ", program.kernels.size(), " kernels, ", fused,
      " of them fused from ", fused_ops, " ops");

  if (!program.calls.empty()) {
    say("\ncomposite ops, recorded as their parts");
    for (const ExplainedCall& call : program.calls)
      say("  ", std::string(2 * call.depth, ' '), in_words(call));
  }

  say("\nkernels by kind");
  for (auto& [kind, count] : kinds) say("  ", padded(str(count), 5), " ", kind);

  say("\nkernels in the order in which they run: FLOPs, bytes read and written, working memory "
      "that is alive meanwhile");
  static const char* const phases[] = {"forward", "backward", "update"};
  auto phase = [](const ExplainedKernel& k) {
    return str(phases[k.phase], k.updates && k.phase != ExplainedKernel::update ? "+update" : "");
  };
  for (size_t i = 0; i < program.kernels.size(); ++i) {
    const ExplainedKernel& k = program.kernels[i];
    std::string reads;
    for (size_t r : k.reads) reads += str(reads.empty() ? " reads " : ", ", r);
    say("  ", padded(str(i), 4), " ", padded(phase(k), 15), " ", padded(k.results[0], 24), " ",
        padded(k.module, 22), " ", padded(human_flops(k.flops), 11), " ",
        padded(human_bytes(k.bytes), 10), " ", padded(human_bytes(k.alive_bytes), 10), " ", k.name,
        reads, k.leaves ? "; leaves" : "");
  }

  say("\nfusable neighbors in different kernels");
  for (const Unfused& u : program.unfused)
    say("  ", padded(str(u.count), 5), " ", u.why, ", such as ", u.example);
  if (program.unfused.empty()) say("  none");

  std::map<std::string, int64_t> modules;
  int64_t held_bytes = 0;
  for (const MemoryHolder& h : m.holders) {
    modules[h.module] += h.bytes;
    held_bytes += h.bytes;
  }
  say("\nmemory: working memory ", human_bytes(m.arena_bytes), ", fullest in ", m.peak_step,
      " with ", human_bytes(held_bytes),
      "; the rest is gaps between values that live at other times");
  std::vector<std::pair<int64_t, std::string>> largest;
  for (auto& [module, held] : modules)
    largest.emplace_back(held, module.empty() ? "(outside of modules)" : module);
  std::sort(largest.rbegin(), largest.rend());
  for (size_t i = 0; i < std::min(largest.size(), kHolders); ++i)
    say("  ", padded(human_bytes(largest[i].first), 10), " ", largest[i].second);
  static const char* const holds[] = {"activation", "gradient", "workspace"};
  say("  of it:");
  for (size_t i = 0; i < std::min(m.holders.size(), kHolders); ++i) {
    const MemoryHolder& h = m.holders[i];
    say("  ", padded(human_bytes(h.bytes), 10), " ", padded(holds[h.kind], 10), " ", h.op,
        h.kind == MemoryHolder::workspace ? "" : " " + to_string(h.shape),
        h.module.empty() ? "" : "  " + h.module);
  }
  if (m.holders.size() > kHolders) say("  … ", m.holders.size() - kHolders, " more");

  if (m.constant_kernels > 0)
    say("\nconstants: ", m.constant_kernels,
        " more kernels, which run once for as long as the weights stay");

  int64_t fresh = 0;
  for (int64_t b : m.output_bytes) fresh += b;
  say("\nresults: ", human_bytes(m.overwritten_bytes), " written over what they replace, ",
      human_bytes(fresh), " in fresh memory");
  // One line for updates of one kind: a network has as many of them as parameters.
  std::map<std::string, std::pair<int64_t, int64_t>> kept;  // how many, and their bytes
  for (const KeptUpdate& k : m.kept) {
    auto& [count, held] = kept[str(k.op, k.module.empty() ? "" : " of " + k.module, ": ", k.why)];
    ++count;
    held += k.bytes;
  }
  for (const auto& [what, n] : kept)
    say("  ", padded(human_bytes(n.second), 10), " ", n.first, " × ", what);
  return text;
}

}  // namespace suanli
