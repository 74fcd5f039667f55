// SPDX-License-Identifier: Apache-2.0
// Rows of a table [V, D] at index [K] i64.
#pragma once
#include "suanli/tensor.h"

namespace suanli {

/// The table with rows [K, D] added in order.
Tensor add_rows(const Tensor& table, const Tensor& index, const Tensor& rows);
/// The table with rows [K, D] written in order: the last one remains.
Tensor copy_rows(const Tensor& table, const Tensor& index, const Tensor& rows);

}  // namespace suanli
