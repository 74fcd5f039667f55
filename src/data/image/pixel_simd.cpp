// SPDX-License-Identifier: Apache-2.0
#include "data/image/pixel_simd.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "data/image/pixel_simd.cpp"
#include "hwy/foreach_target.h"

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::data::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Bytes = hn::Rebind<uint8_t, Floats>;
using Ints = hn::RebindToSigned<Floats>;

HWY_INLINE auto floats_of(const uint8_t* at) {
  return hn::ConvertTo(Floats(), hn::PromoteTo(Ints(), hn::LoadU(Bytes(), at)));
}

HWY_INLINE auto floats_of(const float* at) { return hn::LoadU(Floats(), at); }

HWY_INLINE void store(hn::Vec<Floats> v, float* out) { hn::StoreU(v, Floats(), out); }
HWY_INLINE void store(hn::Vec<Floats> v, uint8_t* out) {
  hn::StoreU(hn::DemoteTo(Bytes(), hn::NearestInt(v)), Bytes(), out);
}

HWY_INLINE void store(float v, float* out) { *out = v; }
HWY_INLINE void store(float v, uint8_t* out) {
  *out = static_cast<uint8_t>(std::lrint(std::clamp(v, 0.0f, 255.0f)));
}

template <class From, class T>
HWY_INLINE void mix_rows_to(const From* const* rows, const float* weights, int count, int64_t n,
                            T* out) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(Floats()));
  auto mixed = [&](int64_t k) {
    auto sum = hn::Mul(hn::Set(Floats(), weights[0]), floats_of(rows[0] + k));
    for (int i = 1; i < count; ++i)
      sum = hn::MulAdd(hn::Set(Floats(), weights[i]), floats_of(rows[i] + k), sum);
    return sum;
  };
  if (n < lanes) {
    for (int64_t k = 0; k < n; ++k) {
      float sum = 0;
      for (int i = 0; i < count; ++i) sum += weights[i] * static_cast<float>(rows[i][k]);
      store(sum, out + k);
    }
    return;
  }
  for (int64_t k = 0; k + lanes < n; k += lanes) store(mixed(k), out + k);
  store(mixed(n - lanes), out + n - lanes);  // overlaps what is there already
}

void mix_to_floats(const uint8_t* const* rows, const float* weights, int count, int64_t n,
                   float* out) {
  mix_rows_to(rows, weights, count, n, out);
}
void mix_to_bytes(const uint8_t* const* rows, const float* weights, int count, int64_t n,
                  uint8_t* out) {
  mix_rows_to(rows, weights, count, n, out);
}
void mix_floats_to_bytes(const float* const* rows, const float* weights, int count, int64_t n,
                         uint8_t* out) {
  mix_rows_to(rows, weights, count, n, out);
}

/// A vector holds one pixel, its fourth value another pixel's first: that is dropped in the end.
void mix_columns_of_3(const float* row, const int64_t* first, const float* weights, int count,
                      int64_t n, uint8_t* const* planes) {
  const hn::FixedTag<float, 4> d;
  const hn::FixedTag<uint8_t, 4> d8;
  constexpr int64_t kBlock = 64;
  std::array<uint8_t, 4 * kBlock> block;
  for (int64_t at = 0; at < n; at += kBlock) {
    const int64_t pixels = std::min(kBlock, n - at);
    for (int64_t x = 0; x < pixels; ++x) {
      const float *from = row + first[at + x] * 3, *weight = weights + (at + x) * count;
      auto sum = hn::Mul(hn::Set(d, weight[0]), hn::LoadU(d, from));
      for (int i = 1; i < count; ++i)
        sum = hn::MulAdd(hn::Set(d, weight[i]), hn::LoadU(d, from + 3 * i), sum);
      hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(sum)), d8, block.data() + 4 * x);
    }
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t x = 0; x < pixels; ++x)
        planes[c][at + x] = block[static_cast<size_t>(4 * x + c)];
  }
}

void mix_columns_of_1(const float* row, const int64_t* first, const float* weights, int count,
                      int64_t n, uint8_t* plane) {
  for (int64_t x = 0; x < n; ++x) {
    const float *from = row + first[x], *weight = weights + x * count;
    float sum = 0;
    for (int i = 0; i < count; ++i) sum += weight[i] * from[i];
    store(sum, plane + x);
  }
}

void fractions_dispatched(const uint8_t* bytes, int64_t n, float* out) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(Floats()));
  const auto most = hn::Set(Floats(), 255.0f);
  int64_t k = 0;
  for (; k + lanes <= n; k += lanes)
    hn::StoreU(hn::Div(floats_of(bytes + k), most), Floats(), out + k);
  for (; k < n; ++k) out[k] = static_cast<float>(bytes[k]) / 255.0f;
}

}  // namespace
}  // namespace suanli::data::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::data {
HWY_EXPORT(mix_to_floats);
HWY_EXPORT(mix_to_bytes);
HWY_EXPORT(mix_floats_to_bytes);
HWY_EXPORT(mix_columns_of_3);
HWY_EXPORT(mix_columns_of_1);
HWY_EXPORT(fractions_dispatched);

void mix_rows(const uint8_t* const* rows, const float* weights, int count, int64_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(mix_to_floats)(rows, weights, count, n, out);
}
void mix_rows(const uint8_t* const* rows, const float* weights, int count, int64_t n,
              uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(mix_to_bytes)(rows, weights, count, n, out);
}
void mix_rows(const float* const* rows, const float* weights, int count, int64_t n, uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(mix_floats_to_bytes)(rows, weights, count, n, out);
}
void mix_columns(const float* row, const int64_t* first, const float* weights, int count,
                 int64_t channels, int64_t n, uint8_t* const* planes) {
  if (channels == 3) HWY_DYNAMIC_DISPATCH(mix_columns_of_3)(row, first, weights, count, n, planes);
  else HWY_DYNAMIC_DISPATCH(mix_columns_of_1)(row, first, weights, count, n, planes[0]);
}
void fractions(const uint8_t* bytes, int64_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(fractions_dispatched)(bytes, n, out);
}
}  // namespace suanli::data
#endif
