// The one pool that computes. The calling thread takes part; workers spin briefly, then sleep (endless spinning makes steps
// several times slower as soon as anything else runs on the machine; see docs/architecture.md, "Measured before building").
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace suanli {

/// Threads that compute, the caller included.
int pool_threads();
void set_pool_threads(int threads);

namespace detail {
void pool_run(int parts, void (*call)(void* context, int part), void* context);
}

/// Calls f(part) for part = 0 … parts-1, part p on thread p mod pool_threads(), and returns when all are done. Runs inline for
/// one part, inside another parallel region, or while another thread uses the pool: what a part does must not depend on where it
/// runs. The first exception by part number is rethrown.
template <class F> void parallel_parts(int parts, F&& f) {
  using G = std::remove_reference_t<F>;
  detail::pool_run(
      parts, [](void* context, int part) { (*static_cast<G*>(context))(part); }, const_cast<void*>(static_cast<const void*>(&f)));
}

/// Splits 0 … n-1 into one contiguous range per thread, none smaller than `grain` (a region costs some microseconds), and calls
/// f(begin, end) on each.
template <class F> void parallel_chunks(int64_t n, int64_t grain, F&& f) {
  if (n <= 0) return;
  int64_t parts = std::min<int64_t>(pool_threads(), std::max<int64_t>(1, n / std::max<int64_t>(1, grain)));
  if (parts <= 1) return f(static_cast<int64_t>(0), n);
  parallel_parts(static_cast<int>(parts), [&](int p) { f(n * p / parts, n * (p + 1) / parts); });
}

}  // namespace suanli
