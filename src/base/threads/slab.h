// SPDX-License-Identifier: Apache-2.0
// Small blocks of a few fixed sizes, for records that are made and dropped millions of times: one
// free list per thread and size, no lock on the owning thread, blocks freed by other threads return
// through an atomic stack.
#pragma once
#include <cstddef>

namespace suanli {

inline constexpr size_t kSlabMax = 1024;  // larger blocks come from malloc

void* slab_allocate(size_t bytes);
void slab_free(void* block, size_t bytes);
/// Blocks that this thread took from the system so far (for tests: constant at steady state).
size_t slab_chunks();

}  // namespace suanli
