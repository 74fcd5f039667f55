// SPDX-License-Identifier: Apache-2.0
// Session: settings for programs, and accounts of the memory that they hold.
//
//   Session session;                 // the current settings, and its own accounts
//   session.set_threads(2);
//   session.set_memory_limit(int64_t{1} << 30);
//   Session::Use use(session);       // this thread computes in it while `use` exists
#pragma once
#include <memory>
#include <utility>

#include "suanli/runtime.h"

namespace suanli {

/// The way to run programs. Both tiers give the same bits, except for convolutions. The planned
/// tier changes the layout of their operands and may use Winograd's algorithm, which sums in
/// another order. It also has its own 1×1 kernels for constant weights.
enum class Tier : uint8_t {
  planned,  ///< Programs are optimized as a whole, see docs/design/plan.md.
  cold,  ///< One kernel per op.
};

/// The bytes that a session holds now, and the peak since its start or reset_peak_memory(). Above
/// `limit`, a reservation throws OutOfMemory (0: no limit).
struct MemoryUse {
  int64_t tensors = 0, arena = 0, peak = 0, limit = 0;
};

/// A handle: copies refer to the same session. A session lives as long as a handle, a Session::Use
/// or a loader refers to it. A thread computes in one session at a time, at first in the default
/// session. The SUANLI_ environment variables give the initial settings of the default session.
///
/// Threads: any number of threads may use a session at once, and any thread may change its settings
/// at any time. A program reads tier, checks, working-memory limit and threads once, when it is
/// flushed. Each reservation of memory reads the memory limit. A change never affects a running
/// program.
class SUANLI_API Session {
 public:
  /// A new session with the settings of this thread's session. Its memory accounts are empty.
  Session();
  static Session current();  ///< The session that this thread uses.
  static Session default_session();
  bool operator==(const Session&) const = default;

  /// While it exists, this thread uses a session, then the former one again. Both ends flush
  /// pending work, unless that session is in use already.
  class Use;

  Device device() const;  ///< The device that runs its programs.
  /// Throws DeviceError if it is missing.
  void set_device(Device device);

  /// The number of compute threads, including the calling thread. They belong to the session: they
  /// start with the first kernel that needs them and end with the session. The default is the
  /// number of CPUs that this process may use, or SUANLI_THREADS. Results do not depend on this
  /// number: no op has the trait threads_change_bits.
  int threads() const;
  /// Waits for a kernel that another thread runs in the session. Throws ArgumentError below 1.
  void set_threads(int threads);

  /// Planned, unless SUANLI_TIER=cold.
  Tier tier() const;
  void set_tier(Tier tier);

  /// While on, every float result of a kernel is checked. The first NaN or infinity throws
  /// NumericError with op, module and samples. Programs run in the cold tier meanwhile, so that
  /// every op is checked. SUANLI_CHECK_NAN=1 also turns it on.
  bool check_nan() const;
  void set_check_nan(bool on);
  /// While on, working memory is filled with NaN outside live ranges, for tests of the memory plan.
  /// SUANLI_POISON=1 also turns it on.
  bool poison() const;
  void set_poison(bool on);

  /// A limit in bytes for the working memory (PlanStats::last_arena_bytes) of programs that are
  /// planned from now on. They rematerialize values for gradients until the limit is met or nothing
  /// helps. Best effort: check `last_arena_bytes`. Results do not change. 0, the default:
  /// rematerialize only where it saves much more memory than it costs time. Plans for another limit
  /// remain in the cache. Throws ArgumentError below 0.
  int64_t working_memory_limit() const;
  void set_working_memory_limit(int64_t bytes);

  /// In bytes. Storages are charged to the session that allocated them until they are freed, by any
  /// thread, also after the session's end. Working memory is charged to the session that last
  /// computed in it. Other sessions reuse the working memory of an ended session. Throws
  /// DeviceError for an unknown device.
  MemoryUse memory_use(Device device = {}) const;
  /// 0: no limit. SUANLI_MEMORY_LIMIT=SIZE also sets it. Each session has its own limit, so the
  /// limits of several sessions add up. Throws ArgumentError below 0, and DeviceError for an
  /// unknown device.
  void set_memory_limit(int64_t bytes, Device device = {});
  /// Sets the peak of memory_use() to the present use. Throws DeviceError for an unknown device.
  void reset_peak_memory(Device device = {});

  struct State;  // internal
  explicit Session(std::shared_ptr<State> state) : state_(std::move(state)) {}
  State& state() const { return *state_; }

 private:
  std::shared_ptr<State> state_;
};

class SUANLI_API Session::Use {
 public:
  explicit Use(Session session);
  /// If a program fails in the last flush, it is dropped. Handles into it throw with the reason
  /// when they are used.
  ~Use();
  Use(const Use&) = delete;

 private:
  Session session_;
  Session::State* outer_;
};

}  // namespace suanli
