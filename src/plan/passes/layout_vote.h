// SPDX-License-Identifier: Apache-2.0
// The first half of choose_layouts(): which values of a program come in blocks of channels.
#pragma once
#include <vector>

#include "plan/passes/passes.h"

namespace suanli {

/// [n, c, h, w] that a shape of at most four axes broadcasts as.
Shape as_four(const Shape& s);

/// The part of a record in the choice.
struct LayoutRole {
  enum class Kind : uint8_t { plain, pointwise, reduction, chain } kind = Kind::plain;
  BlockedOperands blocked;  // of a chain: which operands may be blocked
};

/// The layouts of a program's values, by Program::value().
struct LayoutChoice {
  int64_t block = 0;  // channels of a block; 0: nothing is blocked
  std::vector<LayoutRole> roles;  // by record
  std::vector<ValueDesc> values;
  std::vector<uint8_t> blocked;
};

/// Values that share a layout vote by the bytes of layout changes that blocks save.
LayoutChoice vote_on_layouts(const Program& program, const Backend& backend);

}  // namespace suanli
