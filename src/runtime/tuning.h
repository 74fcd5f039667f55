// SPDX-License-Identifier: Apache-2.0
// Tunings: numbers that decide speed and memory, and never a bit of a result.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace suanli {

/// One value of a tuning, for printing and recording. Compile-time values have least = most.
struct TuningValue {
  const char* name;
  double value, least, most;
  const char* unit;
  const char* doc;
};

/// The values of a tuning T in force. Values that were ever set stay in memory: kernels and passes
/// on other threads may still read them.
template <class T> class TuningInForce {
 public:
  explicit TuningInForce(const T& values) { set(values); }
  const T& values() const { return now_.load(std::memory_order_acquire)->values; }
  /// Equal values have the same number, so that plans prepared for them are found again.
  int64_t number() const { return now_.load(std::memory_order_acquire)->number; }
  void set(const T& values) {
    const std::lock_guard lock(mutex_);
    for (const Entry& known : known_)
      if (known.values == values) return now_.store(&known, std::memory_order_release);
    known_.push_back({values, static_cast<int64_t>(known_.size())});
    now_.store(&known_.back(), std::memory_order_release);
  }

 private:
  struct Entry {
    T values;
    int64_t number;
  };
  std::mutex mutex_;
  std::deque<Entry> known_;
  std::atomic<const Entry*> now_ = nullptr;
};

}  // namespace suanli
