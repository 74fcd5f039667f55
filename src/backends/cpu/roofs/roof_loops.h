// SPDX-License-Identifier: Apache-2.0
// Loops that do nothing but what a CPU can do best, for measuring its roofs: multiply-adds, and the
// dot-product instructions that some have.
#pragma once
#include <cstdint>
#include <functional>

namespace suanli::cpu {

/// run(iterations) does `operations` multiplications and additions per iteration; empty where the
/// CPU has no such instructions.
struct RoofLoop {
  std::function<void(int64_t)> run;
  double operations = 0;
};

/// Multiply-adds in f32 on registers alone, on the calling thread; the widest vectors that own
/// kernels use.
RoofLoop f32_loop();

/// AVX512_BF16's vdpbf16ps, or AVX_VNNI's and AVX512_VNNI's vpdpbusd, on registers alone.
RoofLoop bf16_dot_loop();
RoofLoop int8_dot_loop();

enum class Product { bf16, int8 };
/// oneDNN's product of two 512×512 matrices on the calling thread, for CPUs whose tile units (AMX)
/// only such a product reaches. Empty where oneDNN would have to compute it with other
/// instructions.
RoofLoop product_loop(Product kind);

}  // namespace suanli::cpu
