// SPDX-License-Identifier: Apache-2.0
// Every registered op, every sample (its own and those of more_samples_test.cpp), every mode: see
// support/op_harness.h. One test per op.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "ops/more_samples.h"
#include "support/extreme_arguments.h"
#include "support/float_dtypes.h"
#include "support/op_harness.h"
#include "support/special_values.h"

namespace suanli::test {
namespace {

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Op* op : all_ops()) all.push_back(op->name());
  std::sort(all.begin(), all.end());
  return all;
}

class OpSamples : public testing::TestWithParam<std::string> {};

TEST_P(OpSamples, Hold) {
  for (const Op* op : all_ops()) {
    if (op->name() != GetParam()) continue;
    auto samples = samples_of(*op);
    EXPECT_FALSE(samples.empty()) << "an op needs samples";
    for (const Sample& s : more_samples(GetParam())) samples.push_back(s);
    for (size_t i = 0; i < samples.size(); ++i) check_sample(*op, samples[i], static_cast<int>(i));
  }
}

TEST_P(OpSamples, SpecialValues) {
  for (const Op* op : all_ops()) {
    if (op->name() != GetParam()) continue;
    const auto samples = samples_of(*op);
    for (size_t i = 0; i < samples.size(); ++i) {
      SCOPED_TRACE("sample " + std::to_string(i));
      check_special_values(*op, samples[i], static_cast<int>(i));
    }
  }
}

TEST_P(OpSamples, EveryFloatDType) {
  for (const Op* op : all_ops()) {
    if (op->name() != GetParam()) continue;
    const auto samples = samples_of(*op);
    for (size_t i = 0; i < samples.size(); ++i) {
      SCOPED_TRACE("sample " + std::to_string(i));
      check_float_dtypes(*op, samples[i], static_cast<int>(i));
    }
  }
}

TEST_P(OpSamples, EveryDType) {
  for (const Op* op : all_ops()) {
    if (op->name() != GetParam()) continue;
    const auto samples = samples_of(*op);
    for (size_t i = 0; i < samples.size(); ++i) {
      SCOPED_TRACE("sample " + std::to_string(i));
      check_dtypes(*op, samples[i], static_cast<int>(i));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Op, OpSamples, testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

class PointwiseRows : public testing::TestWithParam<int> {};

TEST_P(PointwiseRows, ExtremeArguments) {
  const PointwiseRow& row = pointwise_rows[GetParam()];
  for (DType d : {DType::f32, DType::f64}) {
    const int compared = check_extreme_arguments(row, d);
    if (row.arity == 1 && std::string_view(row.gradient[0]) != "none" && !has_teeth(row)) {
      const bool everywhere =
          row.domain == PointwiseDomain::Real || row.domain == PointwiseDomain::NonZero;
      EXPECT_GE(compared, everywhere ? 40 : 10) << "derivatives were compared";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Row, PointwiseRows, testing::Range(0, pointwise_count),
                         [](const auto& info) { return pointwise_rows[info.param].name; });

TEST(OpRegistry, NamesAreUnique) {
  const auto all = names();
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST(OpReference, PhiloxOfThePaper) {  // Random123's kat_vectors
  using W = std::array<uint32_t, 4>;
  EXPECT_EQ(reference_philox({0, 0, 0, 0}, {0, 0}),
            (W{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(reference_philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (W{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(
      reference_philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      (W{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(OpReference, DerivativesAreThoseOfTheTables) {
  EXPECT_NEAR(static_cast<double>(pointwise_derivative(*pointwise_reference("sin"), 0, 0.5L, 0, 0)),
              0.87758256189037271612, 1e-12);
  EXPECT_NEAR(static_cast<double>(pointwise_derivative(*pointwise_reference("div"), 1, 3, 2, 0)),
              -0.75, 1e-12);
  EXPECT_NEAR(static_cast<double>(pointwise_derivative(*pointwise_reference("where"), 2, 0, 2, 5)),
              1, 1e-12);
}

class Summary : public testing::Environment {
 public:
  void TearDown() override { std::cout << summary() << std::endl; }
};
[[maybe_unused]] const auto* const environment = testing::AddGlobalTestEnvironment(new Summary);

}  // namespace
}  // namespace suanli::test
