// SPDX-License-Identifier: Apache-2.0
#include "tensor/recorder.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>

#include "base/core/hash.h"
#include "base/system/environment.h"
#include "base/text/text.h"
#include "base/threads/fork.h"
#include "base/threads/slab.h"
#include "runtime/session.h"

namespace suanli {

namespace {

// Enough for one step of a deep network; a loop without any flush point is cut into programs of
// about this many nodes.
constexpr size_t kNodeBudget = 16384;
// Leaves (batches, constants) that pending programs may pin before they are run.
constexpr size_t kByteBudget = size_t{1} << 30;

// Apart from the rest, so that pages of numbers that are not taken stay untouched.
constinit std::atomic<const std::string*> scope_paths[kMaxScopes]{};

struct Scopes {
  Scopes() {
    hold_across_fork(ForkOrder::scopes, &mutex);
    add("");
    add("…");
  }
  void add(const std::string& path) {
    const auto it = ids.try_emplace(path, count).first;
    scope_paths[count++].store(&it->first, std::memory_order_release);
  }
  std::mutex mutex;
  uint32_t count = 0;
  std::unordered_map<std::string, uint32_t> ids;  // its keys do not move
};
Scopes& scopes() {
  static auto* s = new Scopes;
  return *s;
}

// The kernels have thrown the nodes out of the caches; waiting for each of their lines in turn
// would take longer than all the rest of a flush.
constexpr size_t kAhead = 8;
void prefetch(const Node* n) {
  for (size_t line = 0; line < 256; line += 64)
    __builtin_prefetch(reinterpret_cast<const char*>(n) + line, 1);
}

}  // namespace

uint32_t scope_id(const std::string& path) {
  auto& s = scopes();
  std::lock_guard lock(s.mutex);
  if (const auto it = s.ids.find(path); it != s.ids.end()) return it->second;
  if (s.count == kMaxScopes) return kUnnamedScope;
  s.add(path);
  return s.count - 1;
}
const std::string& scope_path(uint32_t id) {
  scopes();  // the first two numbers are taken
  return *scope_paths[id].load(std::memory_order_acquire);
}

uint32_t optimizer_scope() {
  static const uint32_t scope = scope_id("optimizer");
  return scope;
}

namespace {
constinit MakeExecutor make_executor = nullptr;
}
void install_executor(MakeExecutor make) { make_executor = make; }

void Executor::keep(Node* node) { release_node(node); }

Executor& Recorder::executor() {
  if (!executor_) {
    if (!make_executor)
      throw InternalError(
          {.op = "flush", .argument = "executor", .given = "none", .expected = "an installed one"});
    own_executor_ = make_executor();
    executor_ = own_executor_.get();
  }
  return *executor_;
}

Recorder& Recorder::current() { return PerThread<Recorder>::get(); }

namespace {
/// The end of a thread is a flush point, while all that programs use is still there. Records of
/// later destructors end with the recorder.
struct FlushAtEnd {
  ~FlushAtEnd() {
    try {
      Recorder::current().flush();
    } catch (...) {
      // The program was dropped; handles into it say so when they are used.
    }
  }
};
}  // namespace

Recorder::Recorder()
    : node_budget_(kNodeBudget),
      byte_budget_(kByteBudget),
      session_(&Session::default_session().state()) {
  slab_chunks();  // this thread's slab heap is made first, so that it outlives the recorder
  thread_local FlushAtEnd flush_at_end;
  eager_ = environment_flag("SUANLI_EAGER");
}

namespace {
/// Parameters that nobody names, until a step() reports them. None is kept alive by it.
struct Unknowns {
  struct One {
    Cell* cell;
    const Recorder* recorder;
    uint32_t scope;
  };
  Unknowns() { hold_across_fork(ForkOrder::unknown_parameters, &mutex); }
  /// `noted` ends last: release() frees a cell without it and without the lock.
  void forget(const Recorder* recorder) {
    std::erase_if(all, [&](const One& one) {
      if (one.recorder == recorder) one.cell->noted.store(false, std::memory_order_release);
      return one.recorder == recorder;
    });
  }
  std::mutex mutex;
  std::vector<One> all;
};
Unknowns& unknowns() {
  static auto* u = new Unknowns;
  return *u;
}
}  // namespace

Recorder::~Recorder() {
  try {
    flush();  // thread exit is a flush point: what others hold of this thread becomes usable
  } catch (...) {
    // The program was dropped; handles into it say so when they are used.
  }
  forget_saved();
  auto& u = unknowns();
  std::lock_guard lock(u.mutex);
  u.forget(this);
}

void Recorder::touch_first(Cell* cell) {
  const bool touched = cell->writer == this;
  if (!touched && cell->writer)
    throw_pending_elsewhere("Parameter", "parameter", "a write or gradient pending");
  if (module_depth_ > 0 && cell->saved_in != module_call_) {
    saved_.push_back({cell,
                      touched,
                      cell->pending,
                      cell->grad,
                      cell->version,
                      cell->grad_version,
                      {cell->host[0], cell->host[1]},
                      {cell->host_pending[0], cell->host_pending[1]},
                      cell->host_changed});
    detail::retain(cell);
    cell->saved_in = module_call_;
  }
  if (touched) return;
  cell->writer = this;
  detail::retain(cell);
  touched_.push_back(cell);
}

uint32_t Recorder::enter_module(uint32_t scope) {
  if (module_depth_ == 0) {
    if (first_values_pending_) flush();
    module_begins();
  }
  ++module_depth_;
  return std::exchange(scope_, scope);
}

void Recorder::leave_module(uint32_t caller, bool failed) {
  scope_ = caller;
  if (--module_depth_ > 0) return;
  if (failed) return module_failed();
  candidate_ = pending_.size();
  forget_saved();
}

void Recorder::module_begins() {
  forget_saved();
  module_begin_ = pending_.size();
  static std::atomic<uint64_t> calls{0};
  module_call_ = ++calls;
}

void Recorder::module_failed() {
  const size_t kept = std::min(module_begin_, pending_.size());
  fail_pending(kept, "an exception left the module that was computing it");
  candidate_ = std::min(candidate_, kept);
  backward_end_ = std::min(backward_end_, kept);
  first_values_pending_ = false;  // those from before the call were flushed when it began
  for (Saved& s : saved_) {
    Cell* c = s.cell;
    // Values committed within the call stay. All others go back, also those that the call set to an
    // earlier value. A cell that is not this thread's any more was committed whole.
    if (c->writer == this) {
      c->pending = c->version == s.version ? s.pending : Tensor();
      c->grad = c->grad_version == s.grad_version ? s.grad : c->grad_committed;
      if (!std::equal(c->host, c->host + 2, s.host)) {
        std::copy_n(c->host, 2, c->host_pending);
        c->host_changed = false;
      } else if (c->host_changed) {
        std::copy_n(s.host_pending, 2, c->host_pending);
        c->host_changed = s.host_changed;
      }
      if (!s.touched) {
        c->writer = nullptr;
        std::erase(touched_, c);
        detail::release(c);
      }
    }
    detail::release(c);
  }
  saved_.clear();
}

void Recorder::note_unknown(Cell* cell, uint32_t scope) {
  constexpr size_t kMax = 8;  // named at a time
  auto& u = unknowns();
  std::lock_guard lock(u.mutex);
  auto known = Cell::unknown;
  if (u.all.size() >= kMax || !cell->known.compare_exchange_strong(known, Cell::reported)) return;
  cell->noted = true;
  u.all.push_back({cell, this, scope});
}

void forget_unknown(Cell* cell) {
  auto& u = unknowns();
  std::lock_guard lock(u.mutex);
  std::erase_if(u.all, [&](const Unknowns::One& one) { return one.cell == cell; });
}

std::vector<std::string> Recorder::take_unknown() {
  std::vector<std::string> lines;
  auto& u = unknowns();
  std::lock_guard lock(u.mutex);
  for (const Unknowns::One& one : u.all) {
    const Cell* c = one.cell;
    if (one.recorder != this || c->known != Cell::reported || !c->requires_grad ||
        !c->grad.defined())
      continue;
    const std::string path = one.scope ? " read by " + scope_path(one.scope) : "";
    lines.push_back(
        str(c->name ? scope_path(c->name) : "a parameter" + path, " ", c->shape,
            " got a gradient, but no module's SUANLI_FIELDS names it and no optimizer updates it"));
  }
  u.forget(this);
  return lines;
}

void Recorder::commit_cells() {
  size_t kept = 0;
  for (Cell* c : touched_) {
    bool waiting = false;
    if (c->pending.defined()) {
      if (c->pending.node()->pending()) {
        waiting = true;
      } else {
        c->pending.node()->flags |= kOfCell;
        Tensor before = std::move(c->pending);
        std::lock_guard lock(c->mutex());
        c->committed.swap(before);
        ++c->version;
      }
    }
    if (c->grad.defined() && c->grad.node()->pending()) waiting = true;
    else {
      c->grad_committed = c->grad;
      ++c->grad_version;
    }
    if (c->host_changed) {
      if (pending_.empty()) {
        c->host[0] = c->host_pending[0];
        c->host[1] = c->host_pending[1];
        c->host_changed = false;
      } else {
        waiting = true;
      }
    }
    if (waiting) {
      touched_[kept++] = c;
    } else {
      c->writer = nullptr;
      detail::release(c);
    }
  }
  touched_.resize(kept);
}

void Recorder::flush(size_t count) {
  if (flushing_ || (count == 0 && touched_.empty())) return;
  const Running running;
  if (count > 0) {
    flushing_ = true;
    try {
      executor().execute(*this, count);
    } catch (const std::exception& e) {
      flushing_ = false;
      drop(str("its computation failed: ", e.what()));
      throw;
    } catch (...) {
      flushing_ = false;
      drop("its computation failed");
      throw;
    }
    flushing_ = false;
    Executor* const keeper = provisional() ? executor_ : nullptr;
    for (size_t i = 0; i < count; ++i) {
      if (i + kAhead < count) prefetch(pending_[i + kAhead]);
      Node* n = pending_[i];
      n->recorder = nullptr;
      n->flags |= kExecuted;
      // A value whose differentiable inputs are all consumed can never be walked again: it becomes
      // consumed too, so that `running += loss` grows no chain over the steps.
      bool any = false;
      if (n->requires_grad() && !n->is(kConsumed) && !n->cell) {
        bool all = true;
        for (int k = 0; k < n->n_in; ++k) {
          Node* in = n->in()[k].node;
          if (in && in->requires_grad()) {
            any = true;
            all = all && in->is(kConsumed);
          }
        }
        if (any && all) n->flags |= kConsumed;
      }
      // plain values, parameters and requires_grad_() leaves lead nowhere
      if (!any || n->is(kConsumed)) drop_edges(n);
      if (keeper) keeper->keep(n);
      else release_node(n);
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(count));
    calls_.flushed(count);
    for (size_t i = 0; i < pending_.size(); ++i)
      pending_[i]->position = static_cast<uint32_t>(i + 1);
    candidate_ = candidate_ > count ? candidate_ - count : 0;
    backward_end_ = backward_end_ > count ? backward_end_ - count : 0;
    module_begin_ = module_begin_ > count ? module_begin_ - count : 0;
    if (pending_.empty()) {
      leaf_bytes_ = 0;
      first_values_pending_ = false;
    }
  }
  if (!touched_.empty() && !provisional()) commit_cells();
}

void Recorder::fail_pending(size_t first, const std::string& why) {
  if (first == pending_.size()) return;
  Dropped* shared = new_dropped(why);
  const std::vector<Node*> failed(pending_.begin() + static_cast<ptrdiff_t>(first), pending_.end());
  pending_.resize(first);
  calls_.dropped(first);
  for (Node* n : failed) {
    n->recorder = nullptr;
    fail_node(n, shared);
    drop_edges(n);
  }
  for (Node* n : failed) release_node(n);
  suanli::release(shared);
}

void Recorder::drop(const std::string& why) {
  const auto updates = std::count_if(touched_.begin(), touched_.end(),
                                     [](const Cell* c) { return c->pending.defined(); });
  const std::string with = updates ? str(" (", updates, updates == 1 ? " new value" : " new values",
                                         " of parameters went with it)")
                                   : "";
  for (Cell* c : touched_) {
    c->pending = Tensor();
    c->grad = c->grad_committed;
    c->host_pending[0] = c->host[0];
    c->host_pending[1] = c->host[1];
    c->host_changed = false;
    c->writer = nullptr;
    detail::release(c);
  }
  touched_.clear();
  fail_pending(0, why + with);
  candidate_ = backward_end_ = leaf_bytes_ = 0;
  first_values_pending_ = false;
  module_begins();  // if one is under way, it goes on from here
}

void Recorder::backward_begins() {
  // one program per micro-batch when gradients are accumulated
  if (backward_end_ > 0) flush(backward_end_);
}

void Recorder::over_budget() {
  if (flushing_ || calls_.any_open()) return;
  if (eager_) return flush();
  const size_t cut = calls_.boundary(candidate_ ? candidate_ : end_of_last_repetition());
  flush(cut ? cut : pending_.size());
}

uint64_t node_fingerprint(Node* n, uint64_t first_seq) {
  uint64_t h = mix_hash(n->op, n->n_in);
  if (n->op != kOpScalar)
    for (int i = 0; i < 6; ++i) {
      uint64_t word;
      std::memcpy(&word, n->attr.bytes + 8 * i, 8);
      h = mix_hash(h, word);
    }
  for (int i = 0; i < n->n_in; ++i) {
    Node* in = n->in()[i].node;
    uint64_t distance =
        in && in->seq >= first_seq && in->pending() ? n->seq - in->seq : ~uint64_t{0};
    h = mix_hash(h, distance * 8 + static_cast<uint64_t>(n->in()[i].index));
  }
  for (int i = 0; i < n->n_out; ++i) {
    h = mix_hash(h, static_cast<uint64_t>(n->out(i).dtype));
    for (int64_t d : n->out(i).shape) h = mix_hash(h, static_cast<uint64_t>(d));
  }
  return h;
}

size_t Recorder::end_of_last_repetition() const {
  // Newest first, so that repetitions of the tail are repetitions of the start: z[p] is how far the
  // sequence equals itself p nodes older (the Z-function: Gusfield 1997, section 1.4).
  const size_t n = pending_.size();
  std::vector<uint64_t> prints(n);
  for (size_t i = 0; i < n; ++i)
    prints[i] = node_fingerprint(pending_[n - 1 - i], pending_[0]->seq);
  std::vector<size_t> z(n, 0);
  for (size_t i = 1, left = 0, right = 0; i < n; ++i) {
    if (i < right) z[i] = std::min(right - i, z[i - left]);
    while (i + z[i] < n && prints[z[i]] == prints[i + z[i]]) ++z[i];
    if (i + z[i] > right) {
      left = i;
      right = i + z[i];
    }
  }
  // Among the periods that repeat, the one that reaches furthest back: a loop rather than
  // the loop inside its last turn.
  size_t best = 0;
  for (size_t p = 1; p <= n / 2; ++p)
    if (z[p] >= p && (best == 0 || p + z[p] > best + z[best])) best = p;
  // A multiple of the period, counted from the start of this program: the next program then starts
  // and ends in the same phase.
  return best ? n / best * best : 0;
}

}  // namespace suanli
