// Sums of floats over axes, of a value alone or of what an expression gives.
#pragma once
#include <memory>
#include <vector>

#include "backends/cpu/tile_program.h"

namespace suanli::cpu {

/// Runs `code` over `space`, stores `results` (of the dtypes `stored`) and, behind them, the sums of the values `summed` over `axes`; these
/// have the dtype `dtype` and the shape `space`. nullptr unless that is f32 or f64.
std::unique_ptr<Kernel> make_sums(const std::vector<TileInstruction>& code, const std::vector<ValueDesc>& in,
                                  const std::vector<DType>& stored, const std::vector<uint8_t>& results, const std::vector<uint8_t>& summed,
                                  const Shape& space, uint32_t axes, DType dtype);
/// The op sum alone; nullptr for integers.
std::unique_ptr<Kernel> make_sum(const Step& step);

}  // namespace suanli::cpu
