// Loops of the dot-product instructions that some CPUs have, for measuring what these can do.
#pragma once
#include <cstdint>
#include <functional>

namespace suanli::cpu {

/// run(iterations) does `operations` multiplications and additions per iteration; empty where the CPU has no such instructions.
struct DotLoop {
  std::function<void(int64_t)> run;
  double operations = 0;
};

/// AVX512_BF16's vdpbf16ps, or AVX_VNNI's and AVX512_VNNI's vpdpbusd, on registers alone.
DotLoop bf16_dot_loop();
DotLoop int8_dot_loop();

enum class Product { bf16, int8 };
/// oneDNN's product of two 512×512 matrices on the calling thread, for CPUs whose tile units (AMX) only such a product reaches. Empty
/// where oneDNN would have to compute it with other instructions.
DotLoop product_loop(Product kind);

}  // namespace suanli::cpu
