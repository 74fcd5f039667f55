// SPDX-License-Identifier: Apache-2.0
// Elapsed time, by the clock that nobody sets.
#pragma once
#include <chrono>

namespace suanli {

/// Runs from its construction, or from the last restart().
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  void restart() { start_ = std::chrono::steady_clock::now(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Seconds since a fixed moment, for times that are compared with each other.
inline double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace suanli
