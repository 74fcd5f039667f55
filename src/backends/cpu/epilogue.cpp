#include "backends/cpu/epilogue.h"

#include <algorithm>

#include "backends/cpu/tile_program.h"

namespace suanli::cpu {

Epilogue::Epilogue(const Step& step) {
  if (!step.has_epilogue()) return;
  const Expr& e = *step.expr;
  own_inputs_ = e.own_inputs, keeps_ = e.keeps;
  std::vector<ValueDesc> in{{e.own_result.dtype, e.space}};
  in.insert(in.end(), step.in.begin() + own_inputs_, step.in.end());
  std::vector<DType> out;
  for (size_t k = keeps_; k < step.out.size(); ++k) out.push_back(step.out[k].dtype);
  runner_.emplace(tile_code(e), in, out, e.results, std::vector<uint8_t>{}, e.space);
}

void Epilogue::apply(const void* const* in, void* const* out, int64_t begin, int64_t end, const float* values) const {
  const void* inputs[Expr::kMaxPointers];
  inputs[0] = values - begin;  // where element 0 would be
  std::copy_n(in + own_inputs_, runner_->inputs() - 1, inputs + 1);
  runner_->run(inputs, out + keeps_, begin, end);
}

}  // namespace suanli::cpu
