// SPDX-License-Identifier: Apache-2.0
#include <oneapi/dnnl/dnnl.hpp>

#include "backends/cpu/kernels.h"

namespace suanli::cpu {

std::string onednn_isa() {
  struct Row {
    dnnl_cpu_isa_t isa;
    const char* name;
  };
  constexpr Row rows[] = {{dnnl_cpu_isa_sse41, "sse41"},
                          {dnnl_cpu_isa_avx, "avx"},
                          {dnnl_cpu_isa_avx2, "avx2"},
                          {dnnl_cpu_isa_avx2_vnni, "avx2_vnni"},
                          {dnnl_cpu_isa_avx2_vnni_2, "avx2_vnni_2"},
                          {dnnl_cpu_isa_avx512_core, "avx512_core"},
                          {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
                          {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
                          {dnnl_cpu_isa_avx512_core_fp16, "avx512_core_fp16"},
                          {dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
                          {dnnl_cpu_isa_avx512_core_amx_fp16, "avx512_core_amx_fp16"}};
  const auto effective = dnnl_get_effective_cpu_isa();
  for (const Row& r : rows)
    if (r.isa == effective) return r.name;
  return "unknown";
}

int64_t onednn_channel_block() {
  const auto isa = dnnl_get_effective_cpu_isa();
  if ((isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core) return 16;
  // without AVX2, gradients in blocks are reference code
  return (isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2 ? 8 : 0;
}

}  // namespace suanli::cpu
