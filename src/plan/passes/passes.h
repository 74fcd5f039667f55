// SPDX-License-Identifier: Apache-2.0
// The passes that rewrite a program before it is fused. Each leaves a program that computes the
// same values.
#pragma once
#include <optional>

#include "plan/ir/program.h"
#include "runtime/backend.h"

namespace suanli {

/// Puts casts around ops that the backend has no kernel for in f16, bf16 or a narrow integer dtype,
/// but has one in wide_dtype(): inputs are widened, results rounded. Part of both tiers. False if
/// there is nothing to do.
bool widen(Program& program, const Backend& backend);

/// Drops names that add nothing: aliases that keep the shape, broadcasts that pointwise readers do
/// by themselves; merges records that compute the same value; drops what nobody reads. Random draws
/// are never merged.
void simplify(Program& program);

/// Lets the values between convolutions lie as the backend's convolutions want them, [N, C/b, H, W,
/// b] for [N, C, H, W], where that saves more bytes of layout changes than it costs. Work between
/// them happens there: a pointwise op needs only the same layout everywhere, a sum over pixels
/// gives each channel's number in order, one number per channel is [C/b, 1, 1, b].
void choose_layouts(Program& program, const Backend& backend);

/// Moves the records that depend on unchanging cells and numbers alone to a program of their own,
/// which is returned: its outputs are the constants that `program` then reads. Only where nothing
/// is trained: a program that writes cells or computes gradients keeps all its records, and so do
/// records that a backward() may come by. Values that are larger than what they are made of, random
/// ones, and those that leave the program are computed in every run. Empty if there is nothing to
/// move.
std::optional<Program> hoist_constants(Program& program);

/// Computes cheap values again rather than keep or carry them: what is read once more much later,
/// if what it is made of is still there then; and what would be written only for ops that read what
/// it is made of anyway. Not, where nothing is trained, what a product or convolution can write in
/// its own result's place as its epilogue.
void rematerialize_cheap(Program& program, const Backend& backend);

}  // namespace suanli
