// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/roofs/roof_loops.h"

#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "backends/cpu/onednn/onednn.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace suanli::cpu {

namespace {

#if defined(__x86_64__)
volatile float sink;

// Intrinsics rather than Highway: its portable dot products hide which instruction they become.
// Every chain begins elsewhere: the compiler makes one of equal ones.
__attribute__((target("avx512f,avx512bf16"))) void bf16_dots(int64_t iterations) {
  const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f));
  __m512 a0 = _mm512_set1_ps(0), a1 = _mm512_set1_ps(1), a2 = _mm512_set1_ps(2),
         a3 = _mm512_set1_ps(3), a4 = _mm512_set1_ps(4), a5 = _mm512_set1_ps(5),
         a6 = _mm512_set1_ps(6), a7 = _mm512_set1_ps(7), a8 = _mm512_set1_ps(8),
         a9 = _mm512_set1_ps(9), a10 = _mm512_set1_ps(10), a11 = _mm512_set1_ps(11);
  for (int64_t i = 0; i < iterations; ++i) {
    a0 = _mm512_dpbf16_ps(a0, x, x);
    a1 = _mm512_dpbf16_ps(a1, x, x);
    a2 = _mm512_dpbf16_ps(a2, x, x);
    a3 = _mm512_dpbf16_ps(a3, x, x);
    a4 = _mm512_dpbf16_ps(a4, x, x);
    a5 = _mm512_dpbf16_ps(a5, x, x);
    a6 = _mm512_dpbf16_ps(a6, x, x);
    a7 = _mm512_dpbf16_ps(a7, x, x);
    a8 = _mm512_dpbf16_ps(a8, x, x);
    a9 = _mm512_dpbf16_ps(a9, x, x);
    a10 = _mm512_dpbf16_ps(a10, x, x);
    a11 = _mm512_dpbf16_ps(a11, x, x);
  }
  const __m512 low = _mm512_add_ps(_mm512_add_ps(_mm512_add_ps(a0, a1), _mm512_add_ps(a2, a3)),
                                   _mm512_add_ps(a4, a5));
  const __m512 high = _mm512_add_ps(_mm512_add_ps(_mm512_add_ps(a6, a7), _mm512_add_ps(a8, a9)),
                                    _mm512_add_ps(a10, a11));
  sink = _mm512_cvtss_f32(_mm512_add_ps(low, high));
}

__attribute__((target("avx512f,avx512vnni"))) void int8_dots(int64_t iterations) {
  const __m512i x = _mm512_set1_epi8(3);
  __m512i a0 = _mm512_set1_epi32(0), a1 = _mm512_set1_epi32(1), a2 = _mm512_set1_epi32(2),
          a3 = _mm512_set1_epi32(3), a4 = _mm512_set1_epi32(4), a5 = _mm512_set1_epi32(5),
          a6 = _mm512_set1_epi32(6), a7 = _mm512_set1_epi32(7), a8 = _mm512_set1_epi32(8),
          a9 = _mm512_set1_epi32(9), a10 = _mm512_set1_epi32(10), a11 = _mm512_set1_epi32(11);
  for (int64_t i = 0; i < iterations; ++i) {
    a0 = _mm512_dpbusd_epi32(a0, x, x);
    a1 = _mm512_dpbusd_epi32(a1, x, x);
    a2 = _mm512_dpbusd_epi32(a2, x, x);
    a3 = _mm512_dpbusd_epi32(a3, x, x);
    a4 = _mm512_dpbusd_epi32(a4, x, x);
    a5 = _mm512_dpbusd_epi32(a5, x, x);
    a6 = _mm512_dpbusd_epi32(a6, x, x);
    a7 = _mm512_dpbusd_epi32(a7, x, x);
    a8 = _mm512_dpbusd_epi32(a8, x, x);
    a9 = _mm512_dpbusd_epi32(a9, x, x);
    a10 = _mm512_dpbusd_epi32(a10, x, x);
    a11 = _mm512_dpbusd_epi32(a11, x, x);
  }
  const __m512i low =
      _mm512_add_epi32(_mm512_add_epi32(_mm512_add_epi32(a0, a1), _mm512_add_epi32(a2, a3)),
                       _mm512_add_epi32(a4, a5));
  const __m512i high =
      _mm512_add_epi32(_mm512_add_epi32(_mm512_add_epi32(a6, a7), _mm512_add_epi32(a8, a9)),
                       _mm512_add_epi32(a10, a11));
  sink = static_cast<float>(_mm512_cvtsi512_si32(_mm512_add_epi32(low, high)));
}

__attribute__((target("avx2,avxvnni"))) void int8_dots_256(int64_t iterations) {
  const __m256i x = _mm256_set1_epi8(3);
  __m256i a0 = _mm256_set1_epi32(0), a1 = _mm256_set1_epi32(1), a2 = _mm256_set1_epi32(2),
          a3 = _mm256_set1_epi32(3), a4 = _mm256_set1_epi32(4), a5 = _mm256_set1_epi32(5),
          a6 = _mm256_set1_epi32(6), a7 = _mm256_set1_epi32(7), a8 = _mm256_set1_epi32(8),
          a9 = _mm256_set1_epi32(9), a10 = _mm256_set1_epi32(10), a11 = _mm256_set1_epi32(11);
  for (int64_t i = 0; i < iterations; ++i) {
    a0 = _mm256_dpbusd_avx_epi32(a0, x, x);
    a1 = _mm256_dpbusd_avx_epi32(a1, x, x);
    a2 = _mm256_dpbusd_avx_epi32(a2, x, x);
    a3 = _mm256_dpbusd_avx_epi32(a3, x, x);
    a4 = _mm256_dpbusd_avx_epi32(a4, x, x);
    a5 = _mm256_dpbusd_avx_epi32(a5, x, x);
    a6 = _mm256_dpbusd_avx_epi32(a6, x, x);
    a7 = _mm256_dpbusd_avx_epi32(a7, x, x);
    a8 = _mm256_dpbusd_avx_epi32(a8, x, x);
    a9 = _mm256_dpbusd_avx_epi32(a9, x, x);
    a10 = _mm256_dpbusd_avx_epi32(a10, x, x);
    a11 = _mm256_dpbusd_avx_epi32(a11, x, x);
  }
  const __m256i low =
      _mm256_add_epi32(_mm256_add_epi32(_mm256_add_epi32(a0, a1), _mm256_add_epi32(a2, a3)),
                       _mm256_add_epi32(a4, a5));
  const __m256i high =
      _mm256_add_epi32(_mm256_add_epi32(_mm256_add_epi32(a6, a7), _mm256_add_epi32(a8, a9)),
                       _mm256_add_epi32(a10, a11));
  sink = static_cast<float>(_mm256_extract_epi32(_mm256_add_epi32(low, high), 0));
}
#endif

constexpr int64_t kSize = 512;

}  // namespace

#if defined(__x86_64__)
RoofLoop bf16_dot_loop() {
  return __builtin_cpu_supports("avx512bf16") ? RoofLoop{bf16_dots, 12 * 64} : RoofLoop{};
}
RoofLoop int8_dot_loop() {
  if (__builtin_cpu_supports("avx512vnni")) return {int8_dots, 12 * 128};
  if (__builtin_cpu_supports("avxvnni")) return {int8_dots_256, 12 * 64};
  return {};
}
#else
RoofLoop bf16_dot_loop() { return {}; }
RoofLoop int8_dot_loop() { return {}; }
#endif

RoofLoop product_loop(Product kind) {
  using dt = dnnl::memory::data_type;
  const bool bf16 = kind == Product::bf16;
  const auto isa = dnnl_get_effective_cpu_isa();
  const auto needed = bf16 ? dnnl_cpu_isa_avx512_core_bf16 : dnnl_cpu_isa_avx512_core_vnni;
  if ((isa & needed) != needed) return {};
  OneOmpThread one;
  auto desc = [](dt type) {
    return dnnl::memory::desc({kSize, kSize}, type, dnnl::memory::format_tag::ab);
  };
  const dnnl::memory::desc a = desc(bf16 ? dt::bf16 : dt::u8), b = desc(bf16 ? dt::bf16 : dt::s8),
                           c = desc(bf16 ? dt::f32 : dt::s32);
  const dnnl::matmul::primitive_desc pd(onednn_engine(), a, b, c, onednn_attr());
  if (is_reference(pd.impl_info_str())) return {};
  // on several threads at once: each makes its own primitive and matrices
  return {[pd](int64_t iterations) {
            OneOmpThread one;
            const Primitive product(pd, {{DNNL_ARG_SRC, pd.src_desc()},
                                         {DNNL_ARG_WEIGHTS, pd.weights_desc()},
                                         {DNNL_ARG_DST, pd.dst_desc()}});
            std::vector<uint8_t> x(pd.src_desc().get_size()), w(pd.weights_desc().get_size()),
                y(pd.dst_desc().get_size());
            std::vector<uint8_t> scratch(static_cast<size_t>(product.scratch_bytes()));
            for (int64_t i = 0; i < iterations; ++i)
              product.run({x.data(), w.data(), y.data()}, scratch.data());
          },
          2.0 * kSize * kSize * kSize};
}

}  // namespace suanli::cpu
