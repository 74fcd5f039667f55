// SPDX-License-Identifier: Apache-2.0
// Devices and process-wide settings of the machine that computes.
#pragma once
#include "suanli/base.h"

namespace suanli {

enum class DeviceKind : uint8_t { cpu, cuda };

/// Where a tensor lives and where ops on it run.
struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int8_t index = 0;
  bool operator==(const Device&) const = default;
};
SUANLI_API std::string to_string(Device device);  ///< "cpu" or "cuda:0"
SUANLI_API std::ostream& operator<<(std::ostream& out, Device device);
/// "cpu", "cuda", "cuda:1", or "auto" (the best that answers). An asked-for GPU that is missing
/// throws DeviceError and says what is missing; it never falls back.
SUANLI_API Device device_from_name(std::string_view name);

/// Threads that compute, the calling one included. Default: the CPUs this process may use, or
/// SUANLI_THREADS. Results may depend on this number (it is recorded in every run), never on load
/// or timing.
SUANLI_API int compute_threads();
SUANLI_API void set_compute_threads(int threads);

/// The instruction set that own kernels were dispatched to ("avx3", "avx2", "sse4", …), with what
/// oneDNN uses ("avx512_core_amx").
SUANLI_API std::string isa();

/// Bytes held now, the highest since start or reset, and the limit above which a reservation throws
/// OutOfMemory (0: none; SUANLI_MEMORY_LIMIT=SIZE sets it).
struct MemoryUse {
  int64_t tensors = 0, arena = 0, peak = 0, limit = 0;
  /// Host memory of plans in the plan cache, an estimate. Outside of the peak and the limit.
  int64_t plans = 0;
};
SUANLI_API MemoryUse memory_use(Device device = {});
SUANLI_API void set_memory_limit(int64_t bytes, Device device = {});
SUANLI_API void reset_peak_memory(Device device = {});
/// Gives back what was freed and is kept for later tensors of the same size: worth it after a phase
/// with other sizes.
SUANLI_API void release_freed_memory(Device device = {});

}  // namespace suanli
