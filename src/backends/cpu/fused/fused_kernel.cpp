// SPDX-License-Identifier: Apache-2.0
// The blocked executor: a list of instructions runs on one tile after the other, so that everything
// between the loads and the stores stays in L1. An op alone is a list of one.
#include "backends/cpu/fused/fused_kernel.h"

#include <algorithm>

#include "backends/cpu/fused/reduction_kernel.h"
#include "backends/cpu/fused/tile_executor.h"
#include "backends/cpu/simd/streaming_store.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/pointwise.h"

namespace suanli::cpu {
namespace {

class Pointwise final : public Kernel {
 public:
  Pointwise(const std::vector<Expr::Instruction>& code, const std::vector<ValueDesc>& in,
            const std::vector<ValueDesc>& out, const std::vector<uint8_t>& results,
            const Shape& space)
      : runner_(code, in, dtypes(out), results, {}, space, {},
                std::vector<uint8_t>(out.size(), past_caches(in, out))),
        grain_(std::max(cpu_tuning().thread_least_elements,
                        cpu_tuning().thread_elements / std::max<int64_t>(1, runner_.work()))) {}

  void run(const void* const* in, void* const* out, void*) override {
    parallel_chunks(runner_.total(), grain_,
                    [&](int64_t begin, int64_t end) { runner_.run(in, out, begin, end); });
  }

 private:
  static std::vector<DType> dtypes(const std::vector<ValueDesc>& values) {
    std::vector<DType> all;
    for (const ValueDesc& v : values) all.push_back(v.dtype);
    return all;
  }
  TileExecutor runner_;
  int64_t grain_;
};

}  // namespace

std::unique_ptr<Kernel> make_pointwise(const PointwiseAttr& attr, const std::vector<ValueDesc>& in,
                                       const ValueDesc& out) {
  Expr::Instruction only{.op_index = attr.row,
                         .gradient = attr.gradient,
                         .operands = static_cast<uint8_t>(in.size()),
                         .compute = attr.compute,
                         .type = out.dtype,
                         .operand = {0, 1, 2, 3, 4}};
  if (!tiles_of(attr.row, attr.gradient, attr.compute)) return nullptr;
  return std::make_unique<Pointwise>(std::vector{only}, in, std::vector{out},
                                     std::vector{static_cast<uint8_t>(in.size())}, out.shape);
}

std::array<int8_t, 5> tile_places(int row, int gradient) {
  std::array<int8_t, 5> places{0, 1, 2, 3, 4};
  if (gradient < 0) return places;
  const GradientOperands needed = gradient_operands(row, gradient);
  for (int k = 0; k < needed.count; ++k)
    places[static_cast<size_t>(k)] = static_cast<int8_t>(
        needed.which[k] < 3 ? needed.which[k] : pointwise_rows[row].arity + needed.which[k] - 3);
  return places;
}

std::unique_ptr<Kernel> make_fused(const Step& step) {
  const Expr& e = *step.expr;
  if (e.row_length > 0 || e.has_reductions()) return make_reductions(e, step.in, step.out);
  return std::make_unique<Pointwise>(e.code, step.in, step.out, e.results, e.space);
}

}  // namespace suanli::cpu
