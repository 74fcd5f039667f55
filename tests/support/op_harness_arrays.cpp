// SPDX-License-Identifier: Apache-2.0
// Between tensors and the arrays of the references.
#include <cmath>
#include <limits>

#include "support/op_harness.h"

namespace suanli::test {

namespace {

/// Calls f with a value of the C++ type of a dtype.
template <class F> void with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f64: return f(double{});
    case DType::f32: return f(float{});
    case DType::f16: return f(float16{});
    case DType::bf16: return f(bfloat16{});
    case DType::i64: return f(int64_t{});
    case DType::i32: return f(int32_t{});
    case DType::i16: return f(int16_t{});
    case DType::i8: return f(int8_t{});
    case DType::u64: return f(uint64_t{});
    case DType::u32: return f(uint32_t{});
    case DType::u16: return f(uint16_t{});
    case DType::u8:
    case DType::boolean: return f(uint8_t{});
    default: throw StateError(Fault{.op = "with_type", .given = name(dtype)});
  }
}

}  // namespace

Tensor to_tensor(const Array& a) {
  Tensor t;
  with_type(a.dtype, [&]<class T>(T) {
    std::vector<T> values;
    for (Real v : a.v)
      if constexpr (detail::is_half<T>) values.push_back(static_cast<double>(v));
      else values.push_back(static_cast<T>(v));
    t = tensor_from_bytes(values.data(), static_cast<int64_t>(values.size() * sizeof(T)), a.shape,
                          a.dtype);
  });
  return t;
}

Array to_array(const Tensor& t) {
  Array a{t.shape(), t.dtype(), {}, {}};
  with_type(t.dtype(), [&]<class T>(T) {
    const T* p = static_cast<const T*>(detail::host_data(t, t.dtype()));
    for (int64_t i = 0; i < a.shape.numel(); ++i)
      if constexpr (detail::is_half<T>) a.v.push_back(static_cast<float>(p[i]));
      else a.v.push_back(static_cast<Real>(p[i]));
  });
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
