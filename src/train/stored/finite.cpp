// SPDX-License-Identifier: Apache-2.0
#include "train/stored/finite.h"

#include <algorithm>
#include <cmath>

#include "base/text/text.h"

namespace suanli {

namespace {

/// The first value that is not finite as a To; 0 if there is none. A plain loop is as fast as the
/// disk.
template <class To, class T, class F> double first_unfit(const Tensor& t, F&& number) {
  const T* values = static_cast<const T*>(suanli::detail::host_data(t, t.dtype()));
  for (int64_t i = 0, n = t.numel(); i < n; ++i) {
    const auto v = number(values[i]);
    const To to = static_cast<To>(v);
    if (!std::isfinite(static_cast<double>(to))) return static_cast<double>(v);
  }
  return 0;
}

template <class To> double first_unfit(const Tensor& t) {
  switch (t.dtype()) {
    case DType::f32: return first_unfit<To, float>(t, [](float v) { return v; });
    case DType::f64: return first_unfit<To, double>(t, [](double v) { return v; });
    case DType::f16:
      return first_unfit<To, float16>(t, [](float16 v) { return static_cast<float>(v); });
    case DType::bf16:
      return first_unfit<To, bfloat16>(t, [](bfloat16 v) { return static_cast<float>(v); });
    default: return 0;
  }
}

}  // namespace

std::string not_finite(const Tensor& values, DType as) {
  const double v = as == DType::f32 ? first_unfit<float>(values) : first_unfit<double>(values);
  if (v == 0) return "";
  if (std::isnan(v)) return "nan";
  std::string number = str(v);
  std::erase(number, '+');  // of an exponent
  return number;
}

void require_finite(const Tensor& values, DType as, const std::string& place,
                    const std::string& remedy) {
  if (const std::string bad = not_finite(values, as); !bad.empty())
    throw IoError({.argument = place,
                   .given = bad,
                   .expected = str("numbers that are finite in ", as),
                   .remedy = remedy});
}

}  // namespace suanli
