// SPDX-License-Identifier: Apache-2.0
// Devices, and the machine that computes.
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

/// The instruction set that own kernels were dispatched to ("avx3", "avx2", "sse4", …), with what
/// oneDNN uses ("avx512_core_amx").
SUANLI_API std::string isa();

/// Gives memory that no session uses back to the system, which is kept otherwise for later tensors
/// of the same size: worth it after a phase with other sizes.
SUANLI_API void release_freed_memory(Device device = {});

}  // namespace suanli
