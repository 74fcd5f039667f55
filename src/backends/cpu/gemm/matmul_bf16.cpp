// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/cpu/gemm/matmul.h"
#include "backends/cpu/onednn/onednn.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

/// Rows of a product that one call of oneDNN computes. A constant, so that no bit depends on the
/// number of threads; large enough that laying b anew for each call costs little.
constexpr int64_t kRows = 256;

class Bf16Matmul final : public Kernel {
 public:
  /// Throws ReferenceOnly.
  explicit Bf16Matmul(const Product& product)
      : product_(product), chunks_((product.m + kRows - 1) / kRows) {
    const int64_t items = product.products() * chunks_;
    const double each = product.flops() / static_cast<double>(items);
    const auto least = static_cast<double>(cpu_tuning().thread_product_flops);
    lanes_ = std::clamp<int64_t>(static_cast<int64_t>(product.flops() / std::max(each, least)), 1,
                                 pool_threads());
    const OneOmpThread one;
    for (int64_t lane = 0; lane < lanes_; ++lane) {
      if (product.m >= kRows) whole_.push_back(rows(kRows));
      if (product.m % kRows != 0) rest_.push_back(rows(product.m % kRows));
    }
    for (const auto* all : {&whole_, &rest_})
      for (const Primitive& p : *all) lane_bytes_ = std::max(lane_bytes_, p.scratch_bytes());
    lane_bytes_ = round_up(lane_bytes_, 64);
    workspace_bytes = lanes_ * lane_bytes_;
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    constexpr int64_t kBytes = 2;
    const Product& p = product_;
    parallel_for_stealing(
        p.products() * chunks_, static_cast<int>(lanes_), [&](int lane, WorkQueue& left) {
          const OneOmpThread one;
          for (int64_t i; (i = left.next()) >= 0;) {
            const auto [a, b] = p.at(i / chunks_);
            const int64_t row = i % chunks_ * kRows;
            const Primitive& product =
                (p.m - row >= kRows ? whole_ : rest_)[static_cast<size_t>(lane)];
            product.run(
                {at(in[0], (a + row * (p.a_transposed ? 1 : p.k)) * kBytes), at(in[1], b * kBytes),
                 at(out[0], (i / chunks_ * p.m + row) * p.n * kBytes)},
                at(workspace, lane * lane_bytes_));
          }
        });
  }

 private:
  Primitive rows(int64_t m) const {
    const Product& p = product_;
    const auto desc = [](int64_t rows, int64_t columns, int64_t row, int64_t column) {
      return dnnl::memory::desc({rows, columns}, dnnl::memory::data_type::bf16,
                                dnnl::memory::dims{row, column});
    };
    const dnnl::matmul::primitive_desc pd(
        onednn_engine(), p.a_transposed ? desc(m, p.k, 1, p.m) : desc(m, p.k, p.k, 1),
        p.b_transposed ? desc(p.k, p.n, 1, p.k) : desc(p.k, p.n, p.n, 1), desc(m, p.n, p.n, 1),
        onednn_attr());
    return {pd,
            {{DNNL_ARG_SRC, pd.src_desc()},
             {DNNL_ARG_WEIGHTS, pd.weights_desc()},
             {DNNL_ARG_DST, pd.dst_desc()}}};
  }

  Product product_;
  int64_t chunks_, lanes_, lane_bytes_ = 0;
  std::vector<Primitive> whole_, rest_;  // by lane
};

}  // namespace

std::unique_ptr<Kernel> make_bf16_matmul(const Step& step) {
  const auto needed = dnnl_cpu_isa_avx512_core_bf16;
  if ((dnnl_get_effective_cpu_isa() & needed) != needed) return nullptr;
  for (const ValueDesc& v : step.in)
    if (v.dtype != DType::bf16 || v.shape.numel() == 0) return nullptr;
  if (step.out[0].shape.numel() == 0) return nullptr;
  try {
    return std::make_unique<Bf16Matmul>(Product(step.in[0].shape, step.in[1].shape,
                                                step.out[0].shape,
                                                *static_cast<const MatmulAttr*>(step.attr)));
  } catch (const ReferenceOnly&) { return nullptr; } catch (const dnnl::error&) {
    return nullptr;
  }
}

}  // namespace suanli::cpu
