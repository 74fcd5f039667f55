// SPDX-License-Identifier: Apache-2.0
// The constants that order additions, one table for each instruction set. Runs record its hash:
// under another one they do not go on bit for bit.
#pragma once
#include <cstdint>

namespace suanli::cpu {

/// Each member is explained, with its unit, in numerics.def.
struct Numerics {
#define NUMERIC(name, value, unit, doc) static constexpr int64_t name = value;
#define NUMERIC_OF_ISA(name, lanes4, lanes8, lanes16, unit, doc) int64_t name;
#include "backends/cpu/numerics.def"
#undef NUMERIC
#undef NUMERIC_OF_ISA
};

/// The table of the instruction sets whose vectors have so many f32 lanes.
constexpr Numerics numerics_of(int64_t f32_lanes) {
  Numerics n{};
#define NUMERIC(...)
#define NUMERIC_OF_ISA(name, lanes4, lanes8, lanes16, unit, doc) \
  n.name = f32_lanes >= 16 ? lanes16 : f32_lanes == 8 ? lanes8 : lanes4;
#include "backends/cpu/numerics.def"
#undef NUMERIC
#undef NUMERIC_OF_ISA
  return n;
}

/// Hash of the lanes and all values, in the order of the table.
constexpr uint64_t numerics_hash(int64_t f32_lanes) {
  uint64_t hash = 0xCBF29CE484222325u;
  auto add = [&](int64_t value) {
    for (int i = 0; i < 8; ++i)
      hash = (hash ^ (static_cast<uint64_t>(value) >> 8 * i & 255)) * 0x100000001B3u;
  };
  const Numerics n = numerics_of(f32_lanes);
  add(f32_lanes);
#define NUMERIC(name, value, unit, doc) add(Numerics::name);
#define NUMERIC_OF_ISA(name, lanes4, lanes8, lanes16, unit, doc) add(n.name);
#include "backends/cpu/numerics.def"
#undef NUMERIC
#undef NUMERIC_OF_ISA
  return hash;
}

/// The table of the instruction set that kernels run with.
uint64_t numerics_hash();

}  // namespace suanli::cpu
