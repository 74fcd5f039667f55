// SPDX-License-Identifier: Apache-2.0
// Casts between all dtypes, and the integers that are not computed natively, against rules in long
// double, which holds every integer of 64 bits.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "suanli/suanli.h"
#include "support/errors.h"
#include "support/op_harness.h"

namespace suanli::test {
namespace {

constexpr DType kAll[] = {f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean};

struct Range {
  Real least, most;
  int bits;
};
Range range_of(DType d) {
  switch (d) {
    case DType::i64: return {-0x1p63L, 0x1p63L - 1, 64};
    case DType::i32: return {-0x1p31L, 0x1p31L - 1, 32};
    case DType::i16: return {-32768, 32767, 16};
    case DType::i8: return {-128, 127, 8};
    case DType::u64: return {0, 0x1p64L - 1, 64};
    case DType::u32: return {0, 0x1p32L - 1, 32};
    case DType::u16: return {0, 65535, 16};
    default: return {0, 255, 8};
  }
}

/// A float: truncated, at the nearest number that there is, 0 for NaN. An integer: its low bits.
Real as_integer(Real v, DType from, DType to) {
  const Range r = range_of(to);
  if (is_float(from)) return std::isnan(v) ? 0 : std::clamp(std::trunc(v), r.least, r.most);
  const Real modulus = std::ldexp(Real{1}, r.bits);
  Real low = std::fmod(v, modulus);  // exact
  if (low < 0) low += modulus;
  return is_integer(to) && r.least < 0 && low >= modulus / 2 ? low - modulus : low;
}

std::vector<Real> numbers_of(DType d) {
  std::vector<Real> v{0, 1, 2, 3, 100, 127};
  if (d == DType::boolean) return {0, 1, 1, 0};
  if (is_float(d)) {
    for (Real x :
         {0.5L, 1.5L, 2.5L, -0.75L, -1.0L, 127.9L, 128.0L, -129.0L, 255.5L, 256.0L, 40000.0L})
      v.push_back(x);
    if (d != f16)
      for (Real x : {-40000.0L, 65536.0L, 2147483648.0L, -2147483904.0L, 4294967296.0L, 0x1p63L,
                     -0x1p63L, 0x1p64L, 1e30L, -1e30L})
        v.push_back(x);
    for (Real& x : v) {
      const double number = static_cast<double>(x);
      if (d == f16) x = static_cast<float>(float16(number));
      else if (d == bf16) x = static_cast<float>(bfloat16(number));
      else x = d == f32 ? static_cast<float>(number) : number;
    }
    v.push_back(std::numeric_limits<Real>::infinity());
    v.push_back(-std::numeric_limits<Real>::infinity());
    v.push_back(std::numeric_limits<Real>::quiet_NaN());
    return v;
  }
  const Range r = range_of(d);
  for (Real x : {r.least, r.least + 1, r.most, r.most - 1, r.most / 2}) v.push_back(std::trunc(x));
  return v;
}

TEST(Cast, BetweenAllDTypes) {
  for (DType from : kAll)
    for (DType to : kAll) {
      Array x{{}, from, numbers_of(from), {}};
      x.shape = {static_cast<int64_t>(x.v.size())};
      const Array y = to_array(cast(to_tensor(x), to));
      ASSERT_EQ(y.dtype, to);
      for (size_t i = 0; i < x.v.size(); ++i) {
        const Real v = x.v[i];
        Real want = v;
        if (to == DType::boolean) want = v != 0;
        else if (to == DType::f32) want = static_cast<float>(v);
        else if (to == DType::f64) want = static_cast<double>(v);
        else if (is_integer(to)) want = as_integer(v, from, to);
        else if (std::isfinite(v)) {  // 16-bit floats of wide numbers: half_test.cpp
          const Real back = to == f16 ? float(float16(static_cast<float>(v)))
                                      : float(bfloat16(static_cast<float>(v)));
          if (static_cast<Real>(static_cast<float>(v)) == v) want = back;
          else continue;
        }
        EXPECT_TRUE(y.v[i] == want || (std::isnan(y.v[i]) && std::isnan(want)))
            << from << " " << static_cast<double>(v) << " to " << to << " is "
            << static_cast<double>(y.v[i]) << ", expected " << static_cast<double>(want);
      }
    }
}

TEST(Cast, NarrowIntegersComputeAsPyTorchsDo) {
  for (DType d : {i32, i16, i8, u32, u16, u8}) {
    const Tensor a = cast(tensor<int64_t>({100, 7, 3, 120}), d),
                 b = cast(tensor<int64_t>({50, 3, 7, 2}), d);
    const auto values = [](const Tensor& t) { return cast(t, i64).to_vector<int64_t>(); };
    const auto wrapped = [&](std::vector<int64_t> v) {
      for (int64_t& x : v) x = static_cast<int64_t>(as_integer(static_cast<Real>(x), i64, d));
      return v;
    };
    for (const Tensor& t : {a + b, a - b, a * b}) EXPECT_EQ(t.dtype(), d);
    EXPECT_EQ(values(a + b), wrapped({150, 10, 10, 122}));
    EXPECT_EQ(values(a - b), wrapped({50, 4, -4, 118}));
    EXPECT_EQ(values(a * b), wrapped({5000, 21, 21, 240}));
    EXPECT_EQ(values(a > b), (std::vector<int64_t>{1, 1, 0, 1}));
    EXPECT_EQ(values(maximum(a, b)), (std::vector<int64_t>{100, 7, 7, 120}));
    EXPECT_EQ(sum(a * b).dtype(), i64);
    EXPECT_EQ(sum(a).item<int64_t>(), 230);
    EXPECT_EQ(max(a).dtype(), d);
    EXPECT_EQ(max(a).item<int64_t>(), 120);
    EXPECT_EQ(argmax(a, 0).item<int64_t>(), 3);
    EXPECT_EQ(values(gather(a, 0, tensor<int64_t>({2, 0}))), (std::vector<int64_t>{3, 100}));
    EXPECT_EQ(values(scatter_add(a, 0, tensor<int64_t>({1, 1}), narrow(b, 0, 0, 2))),
              wrapped({100, 60, 3, 120}));
    EXPECT_EQ(values(arange(5, 8, 1, d)), (std::vector<int64_t>{5, 6, 7}));
    EXPECT_EQ((a / b).dtype(), f32);
    EXPECT_EQ((a * 0.5).to_vector<float>()[0], 50);
  }
}

TEST(Cast, UnsignedNumbersOf64Bits) {
  const uint64_t large = (uint64_t{1} << 63) + 5;
  const Tensor a = tensor<uint64_t>({large, 7}), b = tensor<uint64_t>({3, 9});
  EXPECT_EQ((a + b).to_vector<uint64_t>(), (std::vector<uint64_t>{large + 3, 16}));
  EXPECT_EQ((b - a).to_vector<uint64_t>(), (std::vector<uint64_t>{3 - large, 2}));
  EXPECT_EQ((a * b).to_vector<uint64_t>(), (std::vector<uint64_t>{large * 3, 63}));
  EXPECT_EQ(cast(a > b, u8).to_vector<uint8_t>(), (std::vector<uint8_t>{1, 0}));
  EXPECT_EQ(maximum(a, b).to_vector<uint64_t>(), (std::vector<uint64_t>{large, 9}));
  EXPECT_EQ(div_floor(a, b).to_vector<uint64_t>(), (std::vector<uint64_t>{large / 3, 0}));
  EXPECT_EQ(cast(a, f64).to_vector<double>()[0], 0x1p63);
  EXPECT_EQ(to_string(a), "[9223372036854775813, 7] u64[2]");
  EXPECT_EQ(sum(b).item<int64_t>(), 12);
  EXPECT_EQ(full({1}, 7, u64).to_vector<uint64_t>()[0], 7u);
  EXPECT_FAULT(DTypeError, max(a), .op = "amax", .argument = "input", .given = "u64",
               .expected = "one of f64, f32, f16, bf16, i64, i32, i16, i8, u32, u16, u8, bool",
               .remedy = "Convert it with cast(x, i64).");
}

}  // namespace
}  // namespace suanli::test
