// SPDX-License-Identifier: Apache-2.0
// The instruction sets that own kernels are compiled for: include before hwy/foreach_target.h. On
// x86: SSE4, AVX2 and AVX3, which is AVX-512 F, BW, DQ and VL as every AVX-512 server has it. Do
// not pass -march: Highway chooses at run time.
#pragma once
#include "hwy/detect_compiler_arch.h"

#if HWY_ARCH_X86
#define HWY_BASELINE_TARGETS \
  HWY_SSE4  // Highway's own baseline would add a scalar copy of everything
#endif
