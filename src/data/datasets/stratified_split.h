// SPDX-License-Identifier: Apache-2.0
// Cutting a share of the samples off, the same share of each class.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

namespace suanli::data {

/// The part that is split off, as the user of the draws: one seed cuts twice with different draws.
enum class Cut : uint8_t { validation = 0, test = 1 };

/// 0 … size-1 in two parts, {rest, share}, both rising: of each stratum round(fraction · its size),
/// at least one, drawn from (seed, cut, sizes) alone; but a stratum never gives its last sample.
/// strata: of each sample its class; empty: all are one.
std::pair<std::vector<int64_t>, std::vector<int64_t>> split_strata(
    const std::vector<int32_t>& strata, int64_t size, double fraction, uint64_t seed, Cut cut);

}  // namespace suanli::data
