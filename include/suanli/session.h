// SPDX-License-Identifier: Apache-2.0
// Session: settings that programs run with, and accounts of the memory that they hold.
//
//   Session session;                 // settings as here, accounts of its own
//   session.set_threads(2);
//   session.set_memory_limit(int64_t{1} << 30);
//   Session::Use use(session);       // this thread computes in it while `use` lives
#pragma once
#include <memory>
#include <utility>

#include "suanli/runtime.h"

namespace suanli {

/// The way to run programs. Both tiers give the same bits, but for convolutions: the planned tier
/// lays their operands out anew, may use Winograd's algorithm, which sums in another order, and has
/// 1×1 kernels of its own for weights that stay.
enum class Tier : uint8_t {
  planned,  ///< Optimized as a whole: see docs/design/plan.md.
  cold,  ///< One kernel per op.
};

/// Bytes that a session holds now, the most it held since its start or reset_peak_memory(), and the
/// limit above which a reservation throws OutOfMemory (0: none).
struct MemoryUse {
  int64_t tensors = 0, arena = 0, peak = 0, limit = 0;
};

/// A handle: copies are the same session, which lives as long as a handle, a Session::Use or a
/// loader has it. A thread computes in one session at a time, at first in the default one, whose
/// settings begin as the SUANLI_ environment variables say.
///
/// Threads: any number of threads may use a session at once, and any thread may change its
/// settings at any time. A program reads tier, checks, working-memory limit and threads once, where
/// it is flushed, and each reservation of memory reads the memory limit. A change never affects a
/// program that is running.
class SUANLI_API Session {
 public:
  /// A new session with the settings of the one that this thread uses. Nothing is charged to it.
  Session();
  static Session current();  ///< The one that this thread uses.
  static Session default_session();
  bool operator==(const Session&) const = default;

  /// This thread uses a session while it lives; then again the one before. Both ends flush what is
  /// pending, unless that session is in use already.
  class Use;

  Device device() const;  ///< Where its programs run.
  /// Throws DeviceError if it is missing.
  void set_device(Device device);

  /// Threads that compute, the calling one included. They belong to the session: they start with
  /// the first kernel that is worth them and end with it. Default: the CPUs that this process may
  /// use, or SUANLI_THREADS. Results may depend on this number (it is recorded in every run), never
  /// on load or timing.
  int threads() const;
  /// Waits for the kernel that another thread runs in the session. Throws ArgumentError below 1.
  void set_threads(int threads);

  /// Planned, unless SUANLI_TIER=cold.
  Tier tier() const;
  void set_tier(Tier tier);

  /// While on, every kernel's float results are checked, and the first NaN or infinity throws
  /// NumericError naming op, module and samples. Programs run in the cold tier meanwhile, so that
  /// every op is seen. Also: SUANLI_CHECK_NAN=1.
  bool check_nan() const;
  void set_check_nan(bool on);
  /// While on, working memory is filled with NaNs before and after the time that it holds a value:
  /// for tests of the memory plan. Also: SUANLI_POISON=1.
  bool poison() const;
  void set_poison(bool on);

  /// Programs that are planned from now on compute values again, rather than keep them for their
  /// gradients, until their working memory (PlanStats::last_arena_bytes) takes at most so many
  /// bytes or nothing helps any more: whoever asks for a limit looks whether it is kept. Results do
  /// not change. 0, the default: only where that saves much more memory than it takes time. Plans
  /// of another limit stay in the cache. Throws ArgumentError below 0.
  int64_t working_memory_limit() const;
  void set_working_memory_limit(int64_t bytes);

  /// Storages are charged to the session that allocated them until they are freed, by whatever
  /// thread, also after the session's end. Working memory is charged to the session that computed
  /// in it last; what an ended session leaves serves the others. In bytes. Throws DeviceError for
  /// an unknown device.
  MemoryUse memory_use(Device device = {}) const;
  /// 0: none. Also: SUANLI_MEMORY_LIMIT=SIZE. Each session keeps its limit by itself: limits of
  /// several add up. Throws ArgumentError below 0, DeviceError for an unknown device.
  void set_memory_limit(int64_t bytes, Device device = {});
  /// Sets the peak of memory_use() to the present use. Throws DeviceError for an unknown device.
  void reset_peak_memory(Device device = {});

  struct State;  // of the library
  explicit Session(std::shared_ptr<State> state) : state_(std::move(state)) {}
  State& state() const { return *state_; }

 private:
  std::shared_ptr<State> state_;
};

class SUANLI_API Session::Use {
 public:
  explicit Use(Session session);
  /// A program that fails in the last flush is dropped; handles into it say so when they are used.
  ~Use();
  Use(const Use&) = delete;

 private:
  Session session_;
  Session::State* outer_;
};

}  // namespace suanli
