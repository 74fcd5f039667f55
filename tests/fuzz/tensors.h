// SPDX-License-Identifier: Apache-2.0
// Tensors as far as readers need them: memory to fill, without nodes, recorder or kernels. One
// target program each may include this.
#pragma once
#include <cstdlib>
#include <memory>
#include <vector>

#include "suanli/tensor.h"

namespace suanli::fuzz {

/// Requests of the readers during one run.
inline std::vector<std::unique_ptr<char[]>> allocated;
inline int64_t allocated_bytes = 0;

/// Forgets it, so that the sanitizer sees a use after the run.
inline void free_tensors() {
  allocated.clear();
  allocated_bytes = 0;
}

}  // namespace suanli::fuzz

namespace suanli::detail {

Tensor allocate_host(const Shape& shape, DType dtype, void** data) {
  const int64_t bytes = shape.numel() * itemsize(dtype);
  fuzz::allocated.push_back(std::make_unique<char[]>(static_cast<size_t>(bytes)));
  fuzz::allocated_bytes += bytes;
  *data = fuzz::allocated.back().get();
  return Tensor();
}
void retain(Node*, int) {}
void release(Node*, int) {}

// Functions that only writers call; the linker needs them all the same.
const void* host_data(const Tensor&, DType) { std::abort(); }

}  // namespace suanli::detail

namespace suanli {

const Shape& Tensor::shape() const { std::abort(); }
DType Tensor::dtype() const { std::abort(); }

}  // namespace suanli
