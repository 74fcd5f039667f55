// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/tuning.h"

#include <unistd.h>

#include <bit>

#include "base/text/text.h"

namespace suanli::cpu {
namespace {

TuningInForce<CpuTuning>& in_force() {
  static auto* tuning = new TuningInForce<CpuTuning>(cpu_tuning_of_machine());
  return *tuning;
}

}  // namespace

CpuTuning cpu_tuning_of_machine() {
  CpuTuning tuning;
  for (int level : {_SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL4_CACHE_SIZE})
    if (const int64_t size = sysconf(level); size > 0) tuning.last_cache_bytes = size;
  if (const int64_t size = sysconf(_SC_LEVEL2_CACHE_SIZE); size > 0) tuning.core_cache_bytes = size;
  return tuning;
}

const CpuTuning& cpu_tuning() { return in_force().values(); }
int64_t cpu_tuning_number() { return in_force().number(); }

void set_cpu_tuning(const CpuTuning& tuning) {
  for (const TuningValue& v : values_of(tuning))
    if (v.value < v.least || v.value > v.most)
      throw ArgumentError(
          {.op = "set_cpu_tuning",
           .argument = v.name,
           .given = str(static_cast<int64_t>(v.value), " ", v.unit),
           .expected = str(static_cast<int64_t>(v.least), " to ", static_cast<int64_t>(v.most))});
  if (!std::has_single_bit(static_cast<uint64_t>(tuning.tile_bytes)))
    throw ArgumentError({.op = "set_cpu_tuning",
                         .argument = "tile_bytes",
                         .given = str(tuning.tile_bytes, " bytes"),
                         .expected = "a power of two"});
  in_force().set(tuning);
}

std::vector<TuningValue> values_of(const CpuTuning& tuning) {
  std::vector<TuningValue> all;
  auto add = [&](const char* name, int64_t value, int64_t least, int64_t most, const char* unit,
                 const char* doc) {
    all.push_back({name, static_cast<double>(value), static_cast<double>(least),
                   static_cast<double>(most), unit, doc});
  };
#define TUNING(name, value, least, most, unit, doc) add(#name, tuning.name, least, most, unit, doc);
#define FIXED(name, value, unit, doc) add(#name, value, value, value, unit, doc);
#include "backends/cpu/tuning.def"
#undef TUNING
#undef FIXED
  return all;
}

}  // namespace suanli::cpu
