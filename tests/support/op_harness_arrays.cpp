// SPDX-License-Identifier: Apache-2.0
// Between tensors and the arrays of the references.
#include <cmath>
#include <limits>

#include "support/op_harness.h"

namespace suanli::test {

namespace {

template <class T> void append_values(Array& a, const void* data) {
  const T* p = static_cast<const T*>(data);
  a.v.assign(p, p + a.shape.numel());
}
template <class T> Tensor stored(const Array& a) {
  std::vector<T> values;
  for (Real v : a.v) values.push_back(static_cast<T>(v));
  return tensor_from_bytes(values.data(), static_cast<int64_t>(values.size() * sizeof(T)), a.shape,
                           a.dtype);
}

}  // namespace

Tensor to_tensor(const Array& a) {
  switch (a.dtype) {
    case DType::f64: return stored<double>(a);
    case DType::f32: return stored<float>(a);
    case DType::i64: return stored<int64_t>(a);
    case DType::i32: return stored<int32_t>(a);
    case DType::u8:
    case DType::boolean: return stored<uint8_t>(a);
    default: throw StateError(Fault{.op = "to_tensor", .given = name(a.dtype)});
  }
}

Array to_array(const Tensor& t) {
  Array a{t.shape(), t.dtype(), {}, {}};
  const void* data = detail::host_data(t, t.dtype());
  switch (t.dtype()) {
    case DType::f64: append_values<double>(a, data); break;
    case DType::f32: append_values<float>(a, data); break;
    case DType::i64: append_values<int64_t>(a, data); break;
    case DType::i32: append_values<int32_t>(a, data); break;
    case DType::u8:
    case DType::boolean: append_values<uint8_t>(a, data); break;
    default: throw StateError(Fault{.op = "to_array", .given = name(t.dtype())});
  }
  return a;
}

std::string bits(const Tensor& t) {
  const char* data = static_cast<const char*>(detail::host_data(t, t.dtype()));
  return std::string(data, static_cast<size_t>(t.numel() * itemsize(t.dtype())));
}

double worst_error(const Array& got, const Array& want) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (got.v.size() != want.v.size()) return kInfinity;
  Real worst = 0;
  for (size_t i = 0; i < got.v.size(); ++i) {
    const Real g = got.v[i], w = want.v[i];
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    const Real scale = std::max<Real>(want.scale.empty() ? std::fabs(w) : want.scale[i], 1e-300L),
               error = std::fabs(g - w) / scale;
    if (!std::isfinite(g) || !std::isfinite(w) || !std::isfinite(error)) return kInfinity;
    worst = std::max(worst, error);
  }
  return static_cast<double>(worst);
}

}  // namespace suanli::test
