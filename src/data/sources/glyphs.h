// SPDX-License-Identifier: Apache-2.0
// `glyphs`: ten hand-drawn-like digits, drawn by this program, so that a first run needs no
// download.
#pragma once
#include <cstdint>

namespace suanli::data {

inline constexpr int kGlyphSide = 28;     // pixels
inline constexpr int kGlyphClasses = 10;  // 0…9

/// Draws sample `index` of `split` (0 train, 1 test) into 28×28 bytes, row-major, light ink on
/// dark, and returns its label. A pure function of its arguments, equal on every machine: the
/// geometry is rounded to 1/32 pixel and every later step is either exact or one correctly rounded
/// operation, so that no compiler flag (fused multiply-add) shows.
int draw_glyph(uint64_t seed, int split, int64_t index, uint8_t* pixels);

}  // namespace suanli::data
