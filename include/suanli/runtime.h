// SPDX-License-Identifier: Apache-2.0
// Devices, and the machine that computes.
#pragma once
#include "suanli/base.h"

namespace suanli {

enum class DeviceKind : uint8_t { cpu, cuda };

/// The device that holds a tensor and runs the ops on it.
struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int8_t index = 0;
  bool operator==(const Device&) const = default;
};
SUANLI_API std::string to_string(Device device);  ///< "cpu" or "cuda:0"
SUANLI_API std::ostream& operator<<(std::ostream& out, Device device);
/// Parses "cpu", "cuda", "cuda:1" or "auto" (the best available device). If a requested GPU is
/// missing, throws DeviceError with the missing part. It never falls back to another device.
SUANLI_API Device device_from_name(std::string_view name);

/// The instruction set of Suanli's own kernels ("avx3", "avx2", "sse4", …), and that of oneDNN
/// ("avx512_core_amx").
SUANLI_API std::string isa();

/// Returns memory that no session uses to the system. Otherwise it is kept for later tensors of the
/// same size. Call it after a phase with other sizes.
SUANLI_API void release_freed_memory(Device device = {});

}  // namespace suanli
