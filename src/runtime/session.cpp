// SPDX-License-Identifier: Apache-2.0
#include "runtime/session.h"

#include "base/system/environment.h"
#include "base/text/text.h"
#include "runtime/backend.h"
#include "runtime/profiler.h"

namespace suanli {

namespace {

uint64_t new_id() {
  static std::atomic<uint64_t> next{0};
  return next++;
}

void require_bytes(int64_t bytes, const char* who) {
  if (bytes < 0)
    throw ArgumentError(
        {.op = who, .argument = "bytes", .given = str(bytes), .expected = "at least 0"});
}

Tier tier_from_environment() {
  return environment_choice("SUANLI_TIER") == "cold" ? Tier::cold : Tier::planned;
}

}  // namespace

Session::State::State()
    : id(new_id()),
      tier(tier_from_environment()),
      check_nan(environment_flag("SUANLI_CHECK_NAN")),
      poison(environment_flag("SUANLI_POISON")),
      pool(ThreadPool::default_pool()) {
  account->set_limit(environment_size("SUANLI_MEMORY_LIMIT").value_or(0), {});
}

Session::State::State(const State& like)
    : enable_shared_from_this(like),
      id(new_id()),
      tier(like.tier.load()),
      check_nan(like.check_nan.load()),
      poison(like.poison.load()),
      working_memory_limit(like.working_memory_limit.load()),
      device(like.device.load()),
      own_pool_(std::make_unique<ThreadPool>(like.pool.threads())),
      pool(*own_pool_) {
  account->copy_limits(*like.account);
}

std::shared_ptr<ProfilerHooks> Session::State::profiler() const {
  if (!profiled_.load(std::memory_order_relaxed)) return nullptr;
  const std::lock_guard lock(profiler_mutex_);
  return profiler_;
}

bool Session::State::start_profiler(std::shared_ptr<ProfilerHooks> hooks) {
  const std::lock_guard lock(profiler_mutex_);
  if (profiler_) return false;
  profiler_ = std::move(hooks);
  profiled_ = true;
  return true;
}

void Session::State::stop_profiler() {
  std::shared_ptr<ProfilerHooks> former;  // ends without the lock
  const std::lock_guard lock(profiler_mutex_);
  profiled_ = false;
  former = std::move(profiler_);
}

Session Session::default_session() {
  static auto* session = new Session(std::make_shared<State>());  // never ends
  return *session;
}

Device Session::device() const { return state_->device; }
void Session::set_device(Device device) {
  backend(device);  // throws if it is missing
  state_->device = device;
}
int Session::threads() const { return state_->pool.threads(); }
void Session::set_threads(int threads) { state_->pool.set_threads(threads); }
Tier Session::tier() const { return state_->tier; }
void Session::set_tier(Tier tier) { state_->tier = tier; }
bool Session::check_nan() const { return state_->check_nan; }
void Session::set_check_nan(bool on) { state_->check_nan = on; }
bool Session::poison() const { return state_->poison; }
void Session::set_poison(bool on) { state_->poison = on; }
int64_t Session::working_memory_limit() const { return state_->working_memory_limit; }
void Session::set_working_memory_limit(int64_t bytes) {
  require_bytes(bytes, "set_working_memory_limit");
  state_->working_memory_limit = bytes;
}
MemoryUse Session::memory_use(Device device) const { return state_->account->use(device); }
void Session::set_memory_limit(int64_t bytes, Device device) {
  require_bytes(bytes, "set_memory_limit");
  state_->account->set_limit(bytes, device);
}
void Session::reset_peak_memory(Device device) { state_->account->reset_peak(device); }

}  // namespace suanli
