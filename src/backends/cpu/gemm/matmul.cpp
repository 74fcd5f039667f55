// SPDX-License-Identifier: Apache-2.0
// Matrix products of plain row-major buffers.
#include <algorithm>
#include <cstring>

#include "backends/cpu/fused/epilogue.h"
#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/gemm/matmul.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

/// Our own product (gemm.h), for every step of the outer loops. Many products are shared out among
/// the threads, each by one thread; few take all threads, one after the other.
template <class T> class Matmul final : public Kernel {
 public:
  Matmul(const Product& product, Epilogue epilogue, bool constant_b)
      : product_(product),
        epilogue_(std::move(epilogue)),
        lanes_(lanes(product)),
        gemm_(shape(product), {.parts_done = static_cast<bool>(epilogue_),
                               .no_c = epilogue_.consumes(),
                               .b_packed = constant_b && packed_each_time(product),
                               .threads = lanes_ > 1 ? 1 : 0,
                               .beside = epilogue_.beside_bytes()}) {
    lane_bytes_ = round_up(gemm_.scratch_bytes(), 64);
    workspace_bytes = lanes_ * lane_bytes_;
    if (constant_b && packed_each_time(product))
      packing = {1, gemm_.packed_bytes(), gemm_.packed_format()};
  }

  void pack(const void* b, void* packed) override {
    gemm_.pack(static_cast<const T*>(b), static_cast<T*>(packed));
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const Product& p = product_;
    const int64_t products = p.products();
    std::array<EpilogueOperand, Expr::kMaxPointers> beside;
    const size_t besides = epilogue_.beside(in, beside);
    parallel_for_stealing(products, static_cast<int>(lanes_), [&](int lane, WorkQueue& left) {
      for (int64_t i; (i = left.next()) >= 0;) {
        const auto [a, b] = p.at(i);
        const auto parts_done = [&, i](const GemmPart<T>& part) {
          if constexpr (std::is_same_v<T, float>) {
            const int64_t rows = part.row_end - part.row_begin,
                          columns = part.column_end - part.column_begin;
            const int64_t first = (i * p.m + part.row_begin) * p.n + part.column_begin;
            // rows lie one behind the other
            if (columns == p.n) epilogue_.apply(in, out, {first, rows * p.n, part.values});
            else epilogue_.apply(in, out, {first, columns, part.values, rows, p.n, part.row});
          }
        };
        std::array<EpilogueOperand, Expr::kMaxPointers> own;  // of this product
        for (size_t k = 0; k < besides; ++k)
          own[k] = {
              static_cast<const std::byte*>(beside[k].data) + i * p.m * p.n * beside[k].itemsize,
              beside[k].itemsize};
        gemm_.run(static_cast<const T*>(in[0]) + a, static_cast<const T*>(in[1]) + b,
                  epilogue_.consumes() ? nullptr : static_cast<T*>(out[0]) + i * p.m * p.n,
                  static_cast<std::byte*>(workspace) + lane * lane_bytes_,
                  epilogue_ ? PartsDone<T>(parts_done) : PartsDone<T>(), {own.data(), besides});
      }
    });
  }

 private:
  /// Less work takes some ten microseconds, about what waking a thread costs.
  static int64_t lanes(const Product& p) {
    const int64_t products = p.products();
    if (products < 2 * pool_threads()) return 1;
    return std::clamp<int64_t>(
        static_cast<int64_t>(p.flops() / static_cast<double>(cpu_tuning().thread_product_flops)), 1,
        pool_threads());
  }
  static GemmShape shape(const Product& p) {
    return {p.m, p.n, p.k, p.a_transposed, p.b_transposed};
  }
  /// True if b would be packed at every run, which pays for keeping it so.
  static bool packed_each_time(const Product& p) {
    return p.products() == 1 && Gemm<T>(shape(p)).packs_b();
  }

  Product product_;
  Epilogue epilogue_;
  int64_t lanes_;
  Gemm<T> gemm_;
  int64_t lane_bytes_ = 0;
};

/// Sums over nothing.
class Zeros final : public Kernel {
 public:
  explicit Zeros(int64_t bytes) : bytes_(static_cast<size_t>(bytes)) {}
  void run(const void* const*, void* const* out, void*) override {
    if (bytes_ != 0) std::memset(out[0], 0, bytes_);
  }

 private:
  size_t bytes_;
};

std::unique_ptr<Kernel> make(const Step& whole) {
  const Step step = whole.alone();
  const DType dtype = step.out[0].dtype;
  if (dtype == DType::bf16) return make_bf16_matmul(step);
  if ((dtype != DType::f32 && dtype != DType::f64) || step.in[0].dtype != dtype ||
      step.in[1].dtype != dtype)
    return nullptr;
  const Shape& out = step.out[0].shape;
  if (out.numel() == 0 || step.in[0].shape.numel() == 0)
    return std::make_unique<Zeros>(out.numel() * itemsize(dtype));
  const Product product(step.in[0].shape, step.in[1].shape, out,
                        *static_cast<const MatmulAttr*>(step.attr));
  const bool constant_b = step.constant >> 1 & 1;
  if (dtype == DType::f64) return std::make_unique<Matmul<double>>(product, Epilogue(), constant_b);
  return std::make_unique<Matmul<float>>(product, Epilogue(whole), constant_b);
}

const RegisterEpilogue epilogue(matmul_op, [](const Step& s) {
  return s.out[0].dtype == DType::f32 && s.in[0].dtype == DType::f32 &&
         s.in[1].dtype == DType::f32 && s.out[0].shape.numel() > 0 && s.in[0].shape.numel() > 0;
});
const RegisterKernel kernel(matmul_op, make);

}  // namespace
}  // namespace suanli::cpu
