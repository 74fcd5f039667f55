// SPDX-License-Identifier: Apache-2.0
#include "nn/state_values.h"

#include <cmath>
#include <utility>

#include "base/text/text.h"

namespace suanli::nn {

namespace {

template <class T> T number(T value) { return value; }
float number(float16 value) { return value; }
float number(bfloat16 value) { return value; }

/// Writes one value as To; false where To cannot hold it. Floats are rounded, whole numbers have to
/// be exact.
template <class To, class From> bool store(From from, To& to) {
  if constexpr (std::is_floating_point_v<To> || suanli::detail::is_half<To>) {
    to = static_cast<To>(from);
    return true;
  } else if constexpr (std::is_floating_point_v<From>) {
    // far more batches than anybody counts
    constexpr From kExact = static_cast<From>(1 << 24) * static_cast<From>(1 << 24);
    if (!(std::abs(from) < kExact) || from != std::floor(from) ||
        !std::in_range<To>(static_cast<int64_t>(from)))
      return false;
    to = static_cast<To>(from);
    return true;
  } else {
    if (!std::in_range<To>(from)) return false;
    to = static_cast<To>(from);
    return true;
  }
}

template <class To, class From> bool convert(const void* from, void* to, int64_t n) {
  const From* in = static_cast<const From*>(from);
  To* out = static_cast<To*>(to);
  for (int64_t i = 0; i < n; ++i)
    if (!store(number(in[i]), out[i])) return false;
  return true;
}

using Convert = bool (*)(const void*, void*, int64_t);

template <class To> Convert converter_to(DType from) {
  switch (from) {
    case DType::f64: return convert<To, double>;
    case DType::f32: return convert<To, float>;
    case DType::f16: return convert<To, float16>;
    case DType::bf16: return convert<To, bfloat16>;
    case DType::i64: return convert<To, int64_t>;
    case DType::i32: return convert<To, int32_t>;
    case DType::i16: return convert<To, int16_t>;
    case DType::i8: return convert<To, int8_t>;
    case DType::u64: return convert<To, uint64_t>;
    case DType::u32: return convert<To, uint32_t>;
    case DType::u16: return convert<To, uint16_t>;
    case DType::u8: return convert<To, uint8_t>;
    default: return nullptr;
  }
}

/// Null where the two dtypes are not of one kind.
Convert converter(bool counter, DType from, DType to) {
  if (is_float(from) && to == DType::f32) return converter_to<float>(from);
  if (is_float(from) && to == DType::f64) return converter_to<double>(from);
  if (is_float(from) && to == DType::f16) return converter_to<float16>(from);
  if (is_float(from) && to == DType::bf16) return converter_to<bfloat16>(from);
  if (counter && to == DType::i64) return converter_to<int64_t>(from);
  return nullptr;
}

}  // namespace

Tensor state_value(const std::string& name, const Parameter& own, const Tensor& given,
                   std::string& why) {
  const bool same_shape = given.shape() == own.shape(), counter = is_batch_counter(name);
  if (same_shape && given.dtype() == own.dtype()) return given;
  const Convert convert = converter(counter, given.dtype(), own.dtype());
  // [] and [1] say the same
  const bool one_number = counter && given.numel() == 1 && own.shape().numel() == 1;
  if (!convert || !(same_shape || one_number)) {
    why = str(name, " is ", given.dtype(), " ", given.shape(), ", not ", own.dtype(), " ",
              own.shape());
    return {};
  }
  bool exact = true;
  Tensor value = tensor_filled_by(own.shape(), own.dtype(), [&](void* to) {
    exact = convert(suanli::detail::host_data(given, given.dtype()), to, own.shape().numel());
  });
  if (exact) return value;
  why = str(name, " is ", given.dtype(), " without a whole number, not ", own.dtype());
  return {};
}

}  // namespace suanli::nn
