// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/fused/epilogue.h"

#include <algorithm>

#include "backends/cpu/fused/tile_program.h"

namespace suanli::cpu {

namespace {

/// The result of an epilogue that may lie over the op's own, or -1: element for element of its
/// size, value 0 not read any more when it is written, and no other input there that the op would
/// destroy.
int result_over(const Step& step) {
  const Expr& e = *step.expr;
  const auto own = static_cast<size_t>(e.own_inputs), values = step.in.size() - own + 1;
  for (size_t i = own; i < step.in.size(); ++i)
    if (step.in[i].shape.numel() == e.space.numel()) return -1;
  size_t last = 0;  // the instruction that reads value 0 last
  for (size_t c = 0; c < e.code.size(); ++c)
    if (std::find(e.code[c].operand, e.code[c].operand + e.code[c].operands, 0) !=
        e.code[c].operand + e.code[c].operands)
      last = c;
  for (size_t k = 0; k < e.results.size(); ++k)
    if (e.results[k] >= values + last && step.out[k].dtype == e.own_result.dtype)
      return static_cast<int>(k);
  return -1;
}

}  // namespace

Epilogue::Epilogue(const Step& step) {
  if (!step.has_epilogue()) return;
  const Expr& e = *step.expr;
  own_inputs_ = e.own_inputs;
  keeps_ = e.keeps;
  outputs_ = step.out.size();
  if (!keeps_) place_ = result_over(step);
  std::vector<ValueDesc> in{{e.own_result.dtype, e.space}};
  in.insert(in.end(), step.in.begin() + own_inputs_, step.in.end());
  std::vector<DType> out;
  for (size_t k = keeps_; k < step.out.size(); ++k) out.push_back(step.out[k].dtype);
  runner_.emplace(e.code, in, out, e.results, std::vector<uint8_t>{}, e.space);
  for (size_t k = 1; k < in.size(); ++k)
    if (in[k].shape.numel() == e.space.numel())
      beside_.emplace_back(own_inputs_ + k - 1, itemsize(in[k].dtype));
}

size_t Epilogue::beside(const void* const* in,
                        std::array<EpilogueOperand, Expr::kMaxPointers>& to) const {
  for (size_t k = 0; k < beside_.size(); ++k) to[k] = {in[beside_[k].first], beside_[k].second};
  return beside_.size();
}

int64_t Epilogue::beside_bytes() const {
  int64_t bytes = 0;
  for (const auto& [k, size] : beside_) bytes += size;
  return bytes;
}

void Epilogue::apply(const void* const* in, void* const* out, const Ranges& ranges) const {
  const void* inputs[Expr::kMaxPointers];
  inputs[0] = nullptr;  // the op's result, range by range
  std::copy_n(in + own_inputs_, runner_->inputs() - 1, inputs + 1);
  alignas(64) std::byte scratch[TileExecutor::kScratchBytes];
  TileExecutor::Run run(*runner_, inputs, out + keeps_, ranges.length, scratch,
                        scratch + runner_->input_bytes());
  for (int64_t i = 0; i < ranges.count; ++i) {
    const int64_t begin = ranges.begin + i * ranges.step, end = begin + ranges.length;
    inputs[0] = ranges.values + i * ranges.values_step - begin;  // where element 0 would be
    Prefetcher nothing;  // the product has fetched it
    for (int64_t at = begin; at < end; at += runner_->tile())
      run.compute(at, std::min(runner_->tile(), end - at), nothing);
  }
}

void Epilogue::apply_nearby(const void* const* in, int64_t begin, int64_t length,
                            float* values) const {
  void* const out[] = {values - begin};  // where element 0 would be
  apply(in, out, {begin, length, values});
}

}  // namespace suanli::cpu
