// SPDX-License-Identifier: Apache-2.0
// Threads that read and decode while data are opened.
#pragma once
#include <cstdint>
#include <functional>

namespace suanli::data {

/// Splits 0 … n-1 into contiguous ranges of at least `grain` and calls f(begin, end) on each, on as
/// many threads as compute, this one included. The others live for this call alone, so that the
/// pool that computes stays free for other users of the process. After an exception no further
/// range begins; of several exceptions the one of the first range is thrown.
void read_ranges(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& f);

}  // namespace suanli::data
