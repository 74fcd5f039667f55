// SPDX-License-Identifier: Apache-2.0
// Numbers that decide how fast the CPU's kernels run and how much memory they take, and never a bit
// of a result: cache sizes, work worth a thread, sizes of blocks that only order memory accesses.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/tuning.h"

namespace suanli::cpu {

/// Each member is explained, with its unit, in tuning.def. A kernel reads them while it is prepared
/// and keeps what it needs: what is in force may change before it runs.
struct CpuTuning {
#define TUNING(name, value, least, most, unit, doc) int64_t name = value;
#define FIXED(name, value, unit, doc) static constexpr int64_t name = value;
#include "backends/cpu/tuning.def"
#undef TUNING
#undef FIXED
  bool operator==(const CpuTuning&) const = default;
};

/// The defaults with the cache sizes of this machine.
CpuTuning cpu_tuning_of_machine();

/// The tuning in force: cpu_tuning_of_machine() until set_cpu_tuning().
const CpuTuning& cpu_tuning();
/// For benchmarks and tests. Plans made from now on use it; throws ArgumentError for a value out of
/// its range.
void set_cpu_tuning(const CpuTuning& tuning);
/// Equal tunings have the same number.
int64_t cpu_tuning_number();

std::vector<TuningValue> values_of(const CpuTuning& tuning);

}  // namespace suanli::cpu
