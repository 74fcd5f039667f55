// SPDX-License-Identifier: Apache-2.0
// Padding as concatenations of parts, one dimension after the other.
#include <algorithm>

#include "ops/op.h"

namespace suanli {

namespace {

[[noreturn]] void refuse(const Tensor& x, const std::vector<int64_t>& pad, std::string expected) {
  std::string given;
  for (int64_t n : pad) given += str(given.empty() ? "" : ", ", n);
  throw ShapeError({.op = "pad",
                    .argument = "pad",
                    .given = str("[", given, "] of input ", x.shape()),
                    .expected = std::move(expected),
                    .module = module_path()});
}

Tensor cropped(const Tensor& x, int dim, int64_t before, int64_t after) {
  if (before >= 0 && after >= 0) return x;
  const int64_t begin = std::max<int64_t>(0, -before),
                length = x.size(dim) - begin - std::max<int64_t>(0, -after);
  return narrow(x, dim, begin, length);
}

/// The `count` elements in front of x, or behind it.
Tensor part(const Tensor& x, int dim, int64_t count, bool behind, PadMode mode, double value) {
  const int64_t size = x.size(dim);
  Shape shape = x.shape();
  shape[dim] = count;
  switch (mode) {
    case PadMode::constant: return full(shape, value, x.dtype());
    case PadMode::replicate: return expand(narrow(x, dim, behind ? size - 1 : 0, 1), shape);
    case PadMode::reflect: return flip(narrow(x, dim, behind ? size - 1 - count : 1, count), dim);
    case PadMode::circular: break;
  }
  return narrow(x, dim, behind ? 0 : size - count, count);
}

}  // namespace

Tensor pad(const Tensor& x, const std::vector<int64_t>& pad, PadMode mode, double value) {
  if (pad.size() % 2 != 0 || pad.size() / 2 > static_cast<size_t>(x.rank()))
    refuse(x, pad, "two numbers for each of the last dimensions");
  for (size_t k = 0; k < pad.size() / 2; ++k) {
    const int64_t before = pad[2 * k], after = pad[2 * k + 1],
                  size = x.size(x.rank() - 1 - static_cast<int>(k)), most = std::max(before, after),
                  left = size + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0);
    if (before < -size || after < -size || left < 0)
      refuse(x, pad, str("to crop at most ", size, " elements"));
    if (most > kMaxTensorBytes) refuse(x, pad, str("at most ", kMaxTensorBytes, " elements"));
    if (mode == PadMode::reflect && most >= std::max<int64_t>(size, 1))
      refuse(x, pad, str("fewer than ", size, " elements to reflect"));
    if (mode == PadMode::circular && most > left)
      refuse(x, pad, str("at most ", left, " elements to repeat"));
    if (mode == PadMode::replicate && most > 0 && size == 0)
      refuse(x, pad, "an element to replicate");
  }
  Tensor y = x;
  for (size_t k = 0; k < pad.size() / 2; ++k) {
    const int dim = x.rank() - 1 - static_cast<int>(k);
    const int64_t before = pad[2 * k], after = pad[2 * k + 1];
    if (mode == PadMode::circular) y = cropped(y, dim, before, after);
    if (before > 0 || after > 0) {
      std::vector<Tensor> parts;
      if (before > 0) parts.push_back(part(y, dim, before, false, mode, value));
      parts.push_back(y);
      if (after > 0) parts.push_back(part(y, dim, after, true, mode, value));
      y = cat(parts, dim);
    }
    if (mode != PadMode::circular) y = cropped(y, dim, before, after);
  }
  return y;
}

}  // namespace suanli
