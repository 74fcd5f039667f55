// SPDX-License-Identifier: Apache-2.0
// Attributes of more than 48 bytes, and lists of integers: an op of its own that needs both.
#include <array>

#include "backends/cpu/kernels.h"
#include "gtest/gtest.h"
#include "ops/op.h"
#include "ops/schema/attribute_values.h"
#include "suanli/plan.h"
#include "support/errors.h"

namespace suanli {
namespace {

struct PickAttr {
  IntList<16> positions;
  double scale = 1;
  SUANLI_ATTRIBUTES(positions, scale)
};
static_assert(sizeof(PickAttr) == 144 && !Attr::kInline<PickAttr>);

const Op pick_op{OpSchema{
    .name = "test_pick",
    .doc = "scale · x[positions].",
    .inputs = {"input"},
    .attributes = &attribute_type<PickAttr>(),
    .traits = Trait::internal,
    .infer =
        [](Infer& c) {
          const PickAttr& a = c.attr<PickAttr>();
          for (int64_t i = 0; i < a.positions.size(); ++i)
            if (a.positions[i] < 0 || a.positions[i] >= c.shape(0)[0])
              c.fail_argument("positions", str(a.positions[i]), "a position in input");
          c.out(0, {a.positions.size()}, c.dtype(0));
        },
}};

const cpu::RegisterKernel pick_kernel(pick_op, [](const Step& s) {
  return cpu::make_kernel(
      [a = *static_cast<const PickAttr*>(s.attr)](const void* const* in, void* const* out) {
        for (int64_t i = 0; i < a.positions.size(); ++i)
          static_cast<float*>(out[0])[i] =
              static_cast<float>(a.scale) * static_cast<const float*>(in[0])[a.positions[i]];
      });
});

PickAttr picked(std::initializer_list<int64_t> positions, double scale) {
  PickAttr a;
  for (int64_t p : positions) a.positions.push_back(p);
  a.scale = scale;
  return a;
}

TEST(LongAttributes, ReachTheKernel) {
  const Tensor x = tensor<float>({10, 20, 30, 40});
  const Tensor y = record(pick_op, {&x}, picked({3, 0, 0}, 0.5));
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{20, 5, 5}));
  EXPECT_THROW((void)record(pick_op, {&x}, picked({4}, 1)), ArgumentError);
}

TEST(LongAttributes, TellProgramsApart) {
  const Tensor x = tensor<float>({10, 20, 30, 40});
  flush();
  clear_plan_cache();
  const auto run = [&](const PickAttr& a) { return record(pick_op, {&x}, a).to_vector<float>(); };
  const int64_t before = plan_stats().plans;
  EXPECT_EQ(run(picked({1, 2}, 2)), (std::vector<float>{40, 60}));
  EXPECT_EQ(run(picked({1, 2}, 2)), (std::vector<float>{40, 60}));
  EXPECT_EQ(plan_stats().plans, before + 1) << "equal attributes are one program";
  EXPECT_EQ(run(picked({1, 3}, 2)), (std::vector<float>{40, 80}));
  EXPECT_EQ(run(picked({1, 2}, 3)), (std::vector<float>{60, 90}));
  EXPECT_EQ(plan_stats().plans, before + 3);
  // Within one program, equal records are computed once and others are not.
  const Tensor a = record(pick_op, {&x}, picked({1, 2}, 2)),
               b = record(pick_op, {&x}, picked({1, 2}, 2)),
               c = record(pick_op, {&x}, picked({2, 1}, 2));
  EXPECT_EQ((a - b).to_vector<float>(), (std::vector<float>{0, 0}));
  EXPECT_EQ((a - c).to_vector<float>(), (std::vector<float>{-20, 20}));
}

TEST(LongAttributes, AreInternedOnce) {
  const Attr a = picked({1, 2}, 2), b = picked({1, 2}, 2), c = picked({1, 2, 0}, 2);
  EXPECT_EQ(std::memcmp(a.bytes, b.bytes, sizeof a.bytes), 0);
  EXPECT_NE(std::memcmp(a.bytes, c.bytes, sizeof a.bytes), 0) << "a zero is not the end of a list";
  EXPECT_EQ(&a.as<PickAttr>(), &b.as<PickAttr>());
  EXPECT_EQ(a.as<PickAttr>().positions[1], 2);
}

TEST(LongAttributes, ReadAndPrintAsOthersDo) {
  const OpSchema& schema = pick_op.schema();
  EXPECT_EQ(attributes_text(schema, picked({3, 0}, 0.5), 1), "positions=[3,0], scale=0.5");
  Attr attr = picked({3, 0}, 0.5);
  const auto& fields = schema.attributes->fields;
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_STREQ(type_name(fields[0].kind), "list of int");
  set_attribute(schema, fields[0], attr, Json::parse("[1, 2]"), 1);
  set_attribute(schema, fields[1], attr, 2, 1);
  EXPECT_EQ(&attr.as<PickAttr>(), &Attr(picked({1, 2}, 2)).as<PickAttr>());
  EXPECT_EQ(attribute_value(schema, fields[0], attr, 1).dump(), "[1,2]");
  test::expect_fault<ArgumentError>(
      [&] { set_attribute(schema, fields[0], attr, Json::Array(17, Json(0)), 1); },
      {.op = "test_pick", .argument = "positions", .expected = "at most 16 integers"});
}

// A list of a fixed number of integers, in a short struct.
struct PairAttr {
  std::array<int32_t, 2> stride{1, 1};
  bool ceil_mode = false;
  uint8_t rest[7] = {};
  SUANLI_ATTRIBUTES(stride, ceil_mode)
};

TEST(ListAttributes, OneIntegerStandsForAll) {
  OpSchema schema = pick_op.schema();
  schema.attributes = &attribute_type<PairAttr>();
  const auto& fields = schema.attributes->fields;
  EXPECT_STREQ(type_name(fields[0].kind), "list of int");
  EXPECT_STREQ(type_name(fields[1].kind), "bool");
  Attr attr = PairAttr{};
  EXPECT_EQ(attributes_text(schema, attr, 4), "stride=[1,1], ceil_mode=false");
  set_attribute(schema, fields[0], attr, Json::parse("[2, 3]"), 4);
  EXPECT_EQ(attr.as<PairAttr>().stride, (std::array<int32_t, 2>{2, 3}));
  set_attribute(schema, fields[0], attr, 4, 4);
  EXPECT_EQ(attr.as<PairAttr>().stride, (std::array<int32_t, 2>{4, 4}));
  set_attribute(schema, fields[1], attr, true, 4);
  EXPECT_TRUE(attr.as<PairAttr>().ceil_mode);
  test::expect_fault<ArgumentError>(
      [&] { set_attribute(schema, fields[0], attr, Json::parse("[1, 2, 3]"), 4); },
      {.argument = "stride", .given = "[1,2,3]", .expected = "2 integers, or one for all"});
  test::expect_fault<ArgumentError>(
      [&] { set_attribute(schema, fields[0], attr, Json(int64_t{1} << 32), 4); },
      {.argument = "stride", .given = "4294967296", .expected = "an integer of 32 bits"});
  test::expect_fault<ArgumentError>([&] { set_attribute(schema, fields[1], attr, 1, 4); },
                                    {.argument = "ceil_mode", .given = "1"});
}

}  // namespace
}  // namespace suanli
