// SPDX-License-Identifier: Apache-2.0
// Reductions of floats over axes, of a value alone or of what an expression gives, and row
// programs.
#pragma once
#include <memory>
#include <vector>

#include "ops/schema/reductions.h"
#include "runtime/step.h"

namespace suanli::cpu {

/// Runs an expression that reduces something, or computes something per row.
std::unique_ptr<Kernel> make_reductions(const Expr& expr, const std::vector<ValueDesc>& in,
                                        const std::vector<ValueDesc>& out);
/// A reduction of floats alone, so that it has the same bits as within an expression.
std::unique_ptr<Kernel> make_reduction(ReductionOp op, const Step& step);

}  // namespace suanli::cpu
