// SPDX-License-Identifier: Apache-2.0
// f16 and bf16 to f32 and back, in SIMD: the bits of float16 and bfloat16 (suanli/half.h).
#pragma once
#include <cstddef>

#include "suanli/half.h"

namespace suanli::cpu {

void widen(const float16* in, float* out, size_t n);
void widen(const bfloat16* in, float* out, size_t n);
void narrow(const float* in, float16* out, size_t n);
void narrow(const float* in, bfloat16* out, size_t n);

}  // namespace suanli::cpu
