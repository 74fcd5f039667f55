// SPDX-License-Identifier: Apache-2.0
// Values that are computed again behind the moment at which memory is fullest, rather than held
// over it.
#pragma once
#include "plan/ir/program.h"

namespace suanli {

/// The cost of ops, in bytes read and written: a byte takes the time of some ten FLOPs.
double work(const Cost& cost);

/// Rematerializes some of the values that are held over the fullest unit for later readers, in
/// front of these readers: from values that are held all the same, leaves, and what is computed
/// again on the way. Random draws and what leaves the program are never computed again. The choice:
/// those that bring price · work() + ln(bytes at the fullest moment) down, until that moment needs
/// `enough` bytes. `alive`: bytes that are needed during each unit of the program as it is. Returns
/// whether anything was changed.
bool rematerialize_at_peak(Program& program, const std::vector<Unit>& units,
                           const std::vector<int64_t>& alive, double price, int64_t enough);

}  // namespace suanli
