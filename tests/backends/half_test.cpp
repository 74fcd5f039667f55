// SPDX-License-Identifier: Apache-2.0
// Tests f16 and bf16. Every value and the rounding to them are compared with a reference that
// computes values from powers of two.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "suanli/autograd.h"
#include "suanli/optim.h"
#include "suanli/session.h"
#include "support/errors.h"
#include "support/op_harness.h"

namespace suanli::test {
namespace {

/// Decodes a 16-bit float by its definition: a sign, `exponent_bits` exponent bits and a fraction.
double value_of(uint16_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1,
            exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
  const double fraction = (bits & ((1 << fraction_bits) - 1)) / std::ldexp(1, fraction_bits),
               sign = bits >> 15 ? -1 : 1;
  if (exponent == 2 * bias + 1)
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias);
  return sign * std::ldexp(1 + fraction, exponent - bias);
}

Tensor of_bits(const std::vector<uint16_t>& bits, DType dtype) {
  return tensor_from_bytes(bits.data(), static_cast<int64_t>(bits.size() * 2),
                           {static_cast<int64_t>(bits.size())}, dtype);
}
std::vector<uint16_t> bits_of(const Tensor& t) {
  const auto* p = static_cast<const uint16_t*>(detail::host_data(t, t.dtype()));
  return {p, p + t.numel()};
}

struct Kind {
  DType dtype;
  int exponent_bits;
};
constexpr Kind kinds[] = {{DType::f16, 5}, {DType::bf16, 8}};

TEST(Half, EveryBitPatternConvertsToItsValue) {
  std::vector<uint16_t> all;
  for (int i = 0; i < 65536; ++i) all.push_back(static_cast<uint16_t>(i));
  for (const Kind& kind : kinds) {
    const auto wide = cast(of_bits(all, kind.dtype), f64).to_vector<double>();
    const auto single = cast(of_bits(all, kind.dtype), f32).to_vector<float>();
    const auto back = bits_of(cast(cast(of_bits(all, kind.dtype), f32), kind.dtype));
    for (size_t i = 0; i < all.size(); ++i) {
      const double want = value_of(all[i], kind.exponent_bits);
      ASSERT_EQ(std::isnan(wide[i]), std::isnan(want)) << i;
      ASSERT_EQ(std::isnan(single[i]), std::isnan(want)) << i;
      if (std::isnan(want)) {
        ASSERT_TRUE(std::isnan(value_of(back[i], kind.exponent_bits))) << i;
        continue;
      }
      ASSERT_EQ(wide[i], want) << i;
      ASSERT_EQ(static_cast<double>(single[i]), want) << i;
      ASSERT_EQ(std::signbit(single[i]), std::signbit(want)) << i;
      ASSERT_EQ(back[i], all[i]) << i;
    }
  }
}

TEST(Half, RoundsToTheNearestAndTiesToEven) {
  for (const Kind& kind : kinds) {
    // Tests the midpoint of every two adjacent values, and the floats just below and above it.
    std::vector<float> x;
    std::vector<uint16_t> want;
    const uint16_t infinity = kind.dtype == DType::f16 ? 0x7c00 : 0x7f80;
    for (uint16_t h = 0; h + 1 < infinity; ++h) {
      const double low = value_of(h, kind.exponent_bits),
                   high = value_of(static_cast<uint16_t>(h + 1), kind.exponent_bits);
      const float middle = static_cast<float>((low + high) / 2);
      for (uint16_t sign : {uint16_t{0}, uint16_t{0x8000}}) {
        const float s = sign ? -1.0f : 1.0f;
        x.push_back(s * middle);
        want.push_back(static_cast<uint16_t>(sign | (h % 2 ? h + 1 : h)));
        x.push_back(s * std::nextafter(middle, 0.0f));

        want.push_back(static_cast<uint16_t>(sign | h));
        x.push_back(s * std::nextafter(middle, std::numeric_limits<float>::infinity()));
        want.push_back(static_cast<uint16_t>(sign | (h + 1)));
      }
    }
    const auto got = bits_of(cast(tensor(x, {static_cast<int64_t>(x.size())}), kind.dtype));
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(got[i], want[i]) << name(kind.dtype) << " of " << x[i];
  }
}

/// Returns the bits of the nearest value, ties to even. It finds the value by binary search. long
/// double makes the comparisons exact.
template <class T> uint16_t nearest_bits(T x, int exponent_bits, uint16_t infinity) {
  using Wide = long double;  // holds every double and int64_t
  static_assert(std::numeric_limits<Wide>::digits >= 64);
  const Wide magnitude = std::fabs(static_cast<Wide>(x));
  uint16_t low = 0, high = infinity;  // value(low) ≤ |x|; ∞ counts as the next power of two
  auto value = [&](uint16_t bits) {
    return bits < infinity ? static_cast<Wide>(value_of(bits, exponent_bits))
                           : std::ldexp(static_cast<Wide>(1), 1 << (exponent_bits - 1));
  };
  const auto sign = static_cast<uint16_t>(std::signbit(static_cast<Wide>(x)) ? 0x8000 : 0);
  if (magnitude >= value(infinity)) return sign | infinity;
  while (high - low > 1) {
    const auto middle = static_cast<uint16_t>((low + high) / 2);
    (value(middle) <= magnitude ? low : high) = middle;
  }
  const Wide middle = (value(low) + value(high)) / 2;  // exact
  return static_cast<uint16_t>(
      sign | (magnitude < middle || (magnitude == middle && low % 2 == 0) ? low : high));
}

template <class T> void expect_nearest(const std::vector<T>& x) {
  for (const Kind& kind : kinds) {
    const auto got = bits_of(cast(tensor(x, {static_cast<int64_t>(x.size())}), kind.dtype));
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(got[i],
                nearest_bits(x[i], kind.exponent_bits, kind.dtype == DType::f16 ? 0x7c00 : 0x7f80))
          << name(kind.dtype) << " of " << x[i];
  }
}

// Rounding to f32 first would move these numbers to or past the midpoint of two 16-bit values.
TEST(Half, WideNumbersAreRoundedOnce) {
  EXPECT_EQ(cast(cast(tensor<double>({1 + 0x1p-11 + 0x1p-40}, {1}), DType::f16), f64).item(),
            1 + 0x1p-10);
  EXPECT_EQ(cast(cast(tensor<int32_t>({16842753}, {1}), DType::bf16), f64).item(), 0x1p24 + 0x1p17);
  EXPECT_EQ(
      cast(cast(tensor<int64_t>({(int64_t{1} << 62) + (int64_t{1} << 54) + 1}, {1}), DType::bf16),
           f64)
          .item(),
      0x1p62 + 0x1p55);
  std::mt19937_64 random(5);
  std::vector<double> reals{0.0,
                            0x1p-1074,
                            0x1p-149,
                            65519.99999999999,
                            65520,
                            3.4e38,
                            0x1.fep127 + 0x1p119,
                            0x1.fefffffffffffp127,
                            1e300};
  std::vector<int64_t> longs{
      0, INT64_MAX, INT64_MIN, INT64_MIN + 1, (int64_t{1} << 53) - 1, (int64_t{1} << 53) + 1};
  std::vector<int32_t> ints{0, INT32_MAX, INT32_MIN, -16842753};
  for (int i = 0; i < 100000; ++i) {
    // A number with few significant bits, often the midpoint of two 16-bit values. In two of three
    // cases ± a power of two is added.
    const int kept = static_cast<int>(random() % 12) + 1;
    const double head =
        1 + std::ldexp(static_cast<double>(random() % (uint64_t{1} << kept)), -kept);
    const double beside =
        random() % 3 == 0 ? 0
                          : std::ldexp(random() % 2 ? 1.0 : -1.0, -static_cast<int>(random() % 52));
    const int exponent =
        i % 2 ? static_cast<int>(random() % 44) - 26 : static_cast<int>(random() % 280) - 150;
    reals.push_back(std::ldexp(head + beside, exponent) * (random() % 2 ? 1 : -1));
    const int shift = static_cast<int>(random() % 62) + 1;
    const auto at = static_cast<int64_t>(head * std::ldexp(1.0, shift));
    longs.push_back((at + static_cast<int64_t>(random() % 3) - 1) * (random() % 2 ? 1 : -1));
    longs.push_back(static_cast<int64_t>(random() >> random() % 64));
    ints.push_back(static_cast<int32_t>(longs[longs.size() - 2] >> (shift > 30 ? shift - 30 : 0)));
    ints.push_back(static_cast<int32_t>(random() >> (32 + random() % 32)));
  }
  expect_nearest(reals);
  expect_nearest(longs);
  expect_nearest(ints);
  EXPECT_TRUE(std::isnan(cast(cast(tensor<double>({std::nan("")}, {1}), DType::f16), f64).item()));
  EXPECT_EQ(
      cast(cast(tensor<double>({-std::numeric_limits<double>::infinity()}, {1}), DType::bf16), f64)
          .item(),
      -std::numeric_limits<double>::infinity());
}

TEST(Half, LargeNumbersBecomeInfinite) {
  EXPECT_EQ(detail::f16_from_float(65519.996f), 0x7bff);  // 65504, the largest
  EXPECT_EQ(detail::f16_from_float(65520.0f), 0x7c00);
  EXPECT_EQ(detail::f16_from_float(-1e30f), 0xfc00);
  EXPECT_EQ(detail::bf16_from_float(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(detail::bf16_from_float(-std::numeric_limits<float>::infinity()), 0xff80);
}

TEST(Half, ConvertsFromAndToEveryOtherDType) {
  for (const Kind& kind : kinds) {
    for (DType other : {f64, f32, i64, i32, i16, i8, u64, u32, u16, u8, boolean, f16, bf16}) {
      const Tensor one = cast(cast(tensor<double>({0, 1, 1}, {3}), other), kind.dtype);
      EXPECT_EQ(one.dtype(), kind.dtype);
      EXPECT_EQ(cast(cast(one, other), f64).to_vector<double>(), (std::vector<double>{0, 1, 1}))
          << name(other);
    }
    EXPECT_EQ(
        cast(cast(tensor<double>({-2.75, 1e30}, {2}), kind.dtype), i64).to_vector<int64_t>()[0],
        -2);
  }
}

TEST(Half, PrintsAndMoves) {
  const Tensor x = cast(tensor<double>({1.5, -2, 0.25, 3}, {2, 2}), f16);
  EXPECT_EQ(to_string(x), "[[1.5, -2],\n [0.25, 3]]\nf16[2, 2]");
  EXPECT_EQ(cast(transpose(x, 0, 1), f64).to_vector<double>(),
            (std::vector<double>{1.5, 0.25, -2, 3}));
  EXPECT_EQ(cast(cat({x, x}, 0), f64).numel(), 8);
}

TEST(Half, IsMadeAndReadInCpp) {
  const Tensor x = tensor<bfloat16>({1.0f, 0.1f, -3.0e38f});
  EXPECT_EQ(x.dtype(), bf16);
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{1, 0x1.9ap-4f, -0x1.c4p127f}));
  EXPECT_EQ(x.to_vector<bfloat16>()[1].bits, 0x3dcd);
  EXPECT_EQ(x.data<bfloat16>()[0].bits, 0x3f80);
  EXPECT_EQ(sum(x * 0.0 + 2.0).item<double>(), 6);
  EXPECT_EQ(tensor<float16>({1.0 + 0x1p-11 + 0x1p-40}).to_vector<float16>()[0].bits, 0x3c01);
  EXPECT_EQ(tensor<float>({0.1f}).to_vector<float16>()[0].bits, 0x2e66);
  EXPECT_EQ(float(float16(int64_t{65519})), 65504.0f);
  EXPECT_EQ(float(bfloat16(true)), 1.0f);
}

// A sum or a mean whose partial sums f16 would not hold.
TEST(Half, SumsAreAccumulatedInF32) {
  for (Tier tier : {Tier::planned, Tier::cold}) {
    const InTier in_tier(tier);
    const Tensor x = full({300, 300}, 2.0, f16);
    EXPECT_EQ(mean(x).item(), 2);
    EXPECT_EQ(mean(x, {1}).to_vector<float>()[7], 2);
    EXPECT_EQ(sum(full({4096}, 1.0, bf16)).item(), 4096);
    EXPECT_EQ(sum(x).item(), std::numeric_limits<float>::infinity());
    EXPECT_EQ(mse_loss(full({8}, 300.0, f16), zeros({8}, f16)).item(),
              std::numeric_limits<float>::infinity());
    EXPECT_EQ(matmul(full({1, 4096}, 1.0, bf16), full({4096, 1}, 1.0, bf16)).item(), 4096);
  }
}

// y = a + b is not what bf16 holds; its copy in memory is. Both must be one value.
TEST(Half, AValueIsEqualToItsCopyInMemory) {
  const Tensor a = tensor<bfloat16>({1.0f, 256.0f, 3.0f}),
               b = tensor<bfloat16>({0.001f, 1.0f, 7.0f});
  const Tensor y = a + b, copy = a + b;
  flush();
  const auto bools = [](const Tensor& t) { return cast(t, i64).to_vector<int64_t>(); };
  EXPECT_EQ(bools((a + b) == y), (std::vector<int64_t>{1, 1, 1}));
  EXPECT_EQ(bools((a + b) == cast(copy, f32)), (std::vector<int64_t>{1, 1, 1}));
  EXPECT_EQ(cast(a + b, f32).to_vector<float>(), y.to_vector<float>());
  EXPECT_EQ(floor(a + b * 0.9990234375).to_vector<float>()[1], floor(y).to_vector<float>()[1]);
  // The gradient of a maximum compares it with what it was taken of.
  Tensor x = tensor<bfloat16>({1.0f, 2.0f, 3.0f});
  x.requires_grad_();
  const Tensor product = x * bfloat16(1.01f), largest = amax(product);
  flush();
  const auto g = grad({largest}, {x})[0].to_vector<float>();
  EXPECT_EQ(g[0], 0);
  EXPECT_EQ(g[2], float(bfloat16(1.01f)));
}

// Fused, an intermediate value keeps the bits of f32.
TEST(Half, IsRoundedWhereItIsStored) {
  const Tensor x = tensor<bfloat16>({256.0f});
  EXPECT_EQ(((x + 1.0) - 256.0).item(), 1);  // 257 is no bf16
  const InTier cold(Tier::cold);
  EXPECT_EQ(((x + 1.0) - 256.0).item(), 0);
}

TEST(Half, OptimizersUpdateParametersOfTheirDType) {
  for (DType d : {f16, bf16}) {
    const auto trained = [&](DType dtype, bool adam) {
      Parameter p(cast(tensor<float>({1, -2, 0.5, 3}), dtype));
      const auto steps = [&](auto&& opt) {
        for (int i = 0; i < 5; ++i) {
          sum(square(p.value() - 0.25)).backward();
          opt.step();
        }
      };
      if (adam) steps(optim::Adam({p}, {.lr = 0.1}));
      else steps(optim::SGD({p}, {.lr = 0.1, .momentum = 0.5}));
      EXPECT_EQ(p.dtype(), dtype);
      return p.value().to_vector<float>();
    };
    for (bool adam : {false, true}) {
      const auto got = trained(d, adam), want = trained(f32, adam);
      for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 0.03) << d;
    }
  }
}

// In one step: product, bias, activation, loss, all gradients and the update.
TEST(Half, ALinearModelLearns) {
  manual_seed(5);
  const Tensor x = randn({64, 8}, bf16), y = cast(sum(x, 1, true) > 0.0, bf16);
  Parameter w(randn({8, 16}, bf16) * 0.3), v(randn({16, 1}, bf16) * 0.3);
  optim::SGD opt({w, v}, {.lr = 0.5});
  float first = 0, last = 0;
  for (int i = 0; i < 60; ++i) {
    const Tensor loss = mse_loss(sigmoid(matmul(relu(matmul(x, w)), v)), y);
    EXPECT_EQ(loss.dtype(), bf16);
    last = loss.item();
    if (i == 0) first = last;
    loss.backward();
    opt.step();
  }
  EXPECT_GT(first, 0.15);
  EXPECT_LT(last, first / 2);
}

TEST(Half, ChecksForNanSeeThem) {
  Session::current().set_check_nan(true);
  for (DType d : {f16, bf16}) {
    const Tensor y = log(cast(tensor<float>({1, -1}), d));
    EXPECT_THROW(flush(), NumericError) << d;
  }
  Session::current().set_check_nan(false);
}

TEST(Half, UniformDrawsStayBelowTheirEnd) {
  manual_seed(3);
  for (DType d : {f16, bf16}) {
    float most = 0;
    double total = 0;
    for (float v : rand({100000}, d).to_vector<float>()) {
      most = std::max(most, v);
      total += v;
    }
    EXPECT_LT(most, 1) << d;
    EXPECT_NEAR(total / 100000, 0.5, 0.005) << d;
    for (float v : uniform(-1, 0, {1000}, d).to_vector<float>()) EXPECT_LT(v, 0) << d;
  }
}

TEST(Half, GradientsPassThroughACast) {
  Tensor x = tensor<float>({1, 2}, {2});
  x.requires_grad_();
  const Tensor y = sum(square(cast(cast(x, DType::bf16), f32)));
  EXPECT_EQ(grad({y}, {x})[0].to_vector<float>(), (std::vector<float>{2, 4}));
}

}  // namespace
}  // namespace suanli::test
