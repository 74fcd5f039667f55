// What a backend is asked to run: plain structs, no op semantics.
#pragma once
#include <memory>
#include <vector>

#include "suanli/runtime.h"

namespace suanli {

/// A row-major contiguous buffer.
struct ValueDesc {
  DType dtype;
  Shape shape;
};

/// One op on known shapes. `attr` points to the op's attribute struct (48 bytes, see ops/op.h); a kernel copies what it needs of it.
struct Step {
  uint16_t op;
  const void* attr;
  std::vector<ValueDesc> in, out;
};

/// A prepared step. `in` and `out` follow Step::in/out; an input that is a scalar slot points to one element of its dtype.
struct Kernel {
  virtual ~Kernel() = default;
  /// `workspace` has workspace_bytes bytes, 64-byte aligned, contents undefined. Allocates nothing.
  virtual void run(const void* const* in, void* const* out, void* workspace) = 0;
  int64_t workspace_bytes = 0;
};

}  // namespace suanli
