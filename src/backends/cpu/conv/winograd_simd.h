// SPDX-License-Identifier: Apache-2.0
// The arithmetic of Winograd's convolution F(4×4, 3×3) on blocks of channels: transforms of tiles
// and weights, and the products between them. Points 0, ±1, ±2, ∞ (Lavin & Gray, "Fast algorithms
// for convolutional neural networks", 2016, section 4.3):
//   y = Aᵀ[(G w Gᵀ) ⊙ (Bᵀ x B)]A,   dw = Gᵀ[(A g Aᵀ) ⊙ (Bᵀ x B)]G,   x, ⊙: 6×6, y, g: 4×4, w: 3×3.
// A transformed operand is 36 matrices, "planes", one for each position in the 6×6 tile.
#pragma once
#include <cstdint>
#include "backends/cpu/numerics.h"

namespace suanli::cpu {

constexpr int64_t kWinogradPlanes = 36, kWinogradTile = 4;

/// Pictures [N, C/b, H, W, b] cut into tiles of 4×4 results, sample by sample, row by row.
struct WinogradTiles {
  int64_t blocks, height, width;  // C/b, H, W
  int64_t rows, columns;          // of tiles
  int64_t padding;                // in front of the first row and column of what is cut
};

/// The block of channels that the functions below work with: the lanes of a vector.
int64_t winograd_block();

/// planes[p][t][c] ← Bᵀ x B of tiles first … first+count−1, 6×6 each, overlapping by two.
void winograd_input(const float* x, const WinogradTiles& tiles, int64_t first, int64_t count,
                    float* planes, int64_t plane);
/// planes[p][t][o] ← A g Aᵀ of 4×4 tiles; what lies outside of the picture is 0.
void winograd_gradient(const float* g, const WinogradTiles& tiles, int64_t first, int64_t count,
                       float* planes, int64_t plane);
/// The 4×4 tiles of y ← Aᵀ m A, those parts that lie inside the picture. `bias`: one number per
/// channel that is added, or null. False if any of them is NaN or infinite.
bool winograd_output(const float* planes, int64_t plane, const WinogradTiles& tiles, int64_t first,
                     int64_t count, const float* bias, float* y);

/// u[p] ← G w Gᵀ for results begin … end−1 (begin a multiple of 2b), in panels: [out/2b][in][2b]
/// (the last panel may be b wide). The weight of result o and input i lies at w + o·out_stride +
/// i·in_stride, 3×3; `rotated` reads it from the other end.
void winograd_weights(const float* w, int64_t out_stride, int64_t in_stride, bool rotated,
                      int64_t in, int64_t out, int64_t begin, int64_t end, float* u, int64_t plane);
/// dw ← Gᵀ (Σ du) G for inputs begin … end−1: du[k·part + p·plane + c·out + o] summed over k <
/// parts; dw [out, in, 3, 3]. False if any of them is NaN or infinite.
bool winograd_weights_back(const float* du, int64_t parts, int64_t part, int64_t plane, int64_t in,
                           int64_t out, int64_t begin, int64_t end, float* dw);

// A number that is not finite, or so large that a transform overflows, makes all results of its
// tile NaN. Those that are not finite are therefore computed once more by the definition, which
// meets a number only inside of its receptive field.

/// The weights of results begin … begin+b−1 in panels [in][9][b], read as winograd_weights() reads
/// them.
void winograd_direct_weights(const float* w, int64_t out_stride, int64_t in_stride, bool rotated,
                             int64_t in, int64_t begin, float* panel);
/// Computes those results anew that are not finite, of channel block `block` of tiles to_first …
/// to_first+count−1, which are made from tiles from_first … of x. `panel`: the block's weights.
void winograd_direct(const float* x, const WinogradTiles& from, int64_t from_first,
                     const float* panel, const WinogradTiles& to, int64_t to_first, int64_t count,
                     int64_t block, const float* bias, float* y);
/// Computes those elements of dw [out, in, 3, 3] anew that are not finite, for inputs begin …
/// end−1. `samples`: how many.
void winograd_direct_gradient(const float* x, const WinogradTiles& from, const float* g,
                              const WinogradTiles& to, int64_t samples, int64_t begin, int64_t end,
                              float* dw);

/// The number of rows per call of a product.
constexpr int64_t kWinogradRows = Numerics::winograd_rows;
/// m[t][o] ← Σ_c v[t][c] · u[c][o], u in panels as winograd_weights makes them; `rows` a multiple
/// of kWinogradRows.
void winograd_multiply(const float* v, const float* u, float* m, int64_t rows, int64_t in,
                       int64_t out);
/// du[c][o] (+)= Σ_t v[t][c] · z[t][o] for c from begin to end−1, multiples of kWinogradRows.
void winograd_accumulate(const float* v, const float* z, float* du, int64_t rows, int64_t in,
                         int64_t out, int64_t begin, int64_t end, bool add);

}  // namespace suanli::cpu
