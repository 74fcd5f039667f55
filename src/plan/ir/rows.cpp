// SPDX-License-Identifier: Apache-2.0
#include "plan/ir/rows.h"

#include <span>

#include "base/text/text.h"
#include "plan/ir/tuning.h"

namespace suanli {

int64_t row_of(const Shape& space, const Shape& seen) {
  if (seen.rank() > space.rank()) return 0;
  auto size = [&](int axis) {
    return axis < space.rank() - seen.rank() ? 1 : seen[axis - (space.rank() - seen.rank())];
  };
  int64_t row = 1;
  int axis = space.rank() - 1;
  for (; axis >= 0 && size(axis) == 1; --axis) row *= space[axis];
  for (; axis >= 0; --axis)
    if (size(axis) != space[axis]) return 0;
  return row > 1 ? row : 0;
}

int64_t row_of(const Shape& space, uint32_t axes) {
  Shape left = space;
  for (int axis = 0; axis < space.rank(); ++axis)
    if (axes >> axis & 1) left[axis] = 1;
  return row_of(space, left);
}

bool keeps_rows(const Shape& space, int64_t row) {
  const PlanTuning& tuning = plan_tuning();
  const int64_t total = space.numel();
  return row > 1 && row <= tuning.longest_row && total > 0 &&
         (total <= tuning.parallel_elements || total / row >= tuning.few_rows);
}

bool takes_whole_rows(const Shape& space, int64_t row, uint32_t axes) {
  int64_t kept = 1;  // innermost, next to one another
  for (int axis = space.rank() - 1; axis >= 0 && (!(axes >> axis & 1) || space[axis] == 1); --axis)
    kept *= space[axis];
  return kept % row == 0 && kept < plan_tuning().row_columns;
}

bool alike(const Shape& a, const Shape& b) {
  int i = 0, j = 0;
  for (;; ++i, ++j) {
    while (i < a.rank() && a[i] == 1) ++i;
    while (j < b.rank() && b[j] == 1) ++j;
    if (i == a.rank() || j == b.rank()) return i == a.rank() && j == b.rank();
    if (a[i] != b[j]) return false;
  }
}

Shape seen_from(const Shape& space, const Shape& own, const Shape& input) {
  if (own == space) return input;
  if (input.numel() == 1) return input.rank() <= space.rank() ? input : Shape{};
  Shape seen = space;
  for (int64_t& size : std::span(&seen[0], static_cast<size_t>(seen.rank()))) size = 1;
  const int lead = own.rank() - input.rank();
  for (int axis = 0, at = 0; axis < own.rank(); ++axis) {
    if (own[axis] == 1) continue;
    while (at < space.rank() && space[at] != own[axis]) ++at;  // past axes of one element
    if (at == space.rank())
      throw InternalError({.op = "fuse",
                           .given = str("space ", own),
                           .expected = str(space, " or its outer axes")});
    seen[at++] = axis < lead ? 1 : input[axis - lead];
  }
  return seen;
}

}  // namespace suanli
