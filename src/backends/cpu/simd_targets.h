// The CPU backend's kernels have the instruction sets that all own kernels have.
#pragma once
#include "base/simd_targets.h"  // IWYU pragma: export
