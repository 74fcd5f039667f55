// SPDX-License-Identifier: Apache-2.0
#include "base/text/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/errors.h"

namespace suanli {
namespace {

TEST(Json, ReadsBackWhatItWrites) {
  Json value = Json::Object{{"z", 1},
                            {"a", Json::Array{Json(), true, -1.5, "t\"\n\x01ü"}},
                            {"o", Json::Object{}},
                            {"big", std::numeric_limits<int64_t>::min()}};
  EXPECT_EQ(value.dump(),
            "{\"z\":1,\"a\":[null,true,-1.5,\"t\\\"\\n\\u0001ü\"],\"o\":{},\"big\":-"
            "9223372036854775808}");
  EXPECT_EQ(Json::parse(value.dump(), "x"), value);
  EXPECT_EQ(Json::parse(value.dump(2), "x"), value);
}

TEST(Json, DoublesKeepTheirBits) {
  for (double v : {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e22, 123456789.125,
                   std::nextafter(1.0, 2.0)}) {
    double back = Json::parse(Json(v).dump(), "x").number();
    EXPECT_EQ(std::signbit(back), std::signbit(v));
    EXPECT_EQ(back, v) << Json(v).dump();
  }
  EXPECT_EQ(Json(std::nan("")).dump(), "null");
  EXPECT_TRUE(std::isnan(Json().number()));
}

TEST(Json, WrongTextsAndKindsAreErrors) {
  EXPECT_FAULT(IoError, Json::parse("{\"a\":1,\"a\":2}", "f.json"), .argument = "f.json",
               .given = "JSON has the key \"a\" twice");
  EXPECT_FAULT(IoError, Json::parse("[1,", "f.json"), .argument = "f.json: byte 4",
               .given = "JSON that is cut off");
  EXPECT_FAULT(IoError, Json::parse("[1,\x01]", "f.json"), .argument = "f.json: byte 4",
               .given = "no valid JSON from here on: '\\x01'");
  EXPECT_FAULT(IoError, Json::parse("", "f.json"), .argument = "f.json: byte 1",
               .given = "JSON that is cut off");
  EXPECT_FAULT(IoError, Json::parse("{}").at("a"), .argument = "a", .given = "missing");
  EXPECT_FAULT(IoError, Json::parse("{}").number("a"), .argument = "a", .given = "missing");
  EXPECT_FAULT(IoError, Json::parse("1").string(), .argument = "", .given = "a number",
               .expected = "a string");
  EXPECT_FAULT(IoError, Json::parse("\"1\"").integer(), .given = "a string",
               .expected = "an integer");
  EXPECT_FAULT(IoError, Json::parse("18446744073709551615").integer(), .given = "a number",
               .expected = "an integer");
  const Json object = Json::parse("{\"a\": {}, \"b\": 1}");
  EXPECT_FAULT(IoError, object.boolean("a"), .argument = "a", .given = "an object",
               .expected = "true or false");
  EXPECT_FAULT(IoError, object.integer("a"), .argument = "a", .expected = "an integer");
  EXPECT_FAULT(IoError, object.number("a"), .argument = "a", .expected = "a number");
  EXPECT_FAULT(IoError, object.string("b"), .argument = "b", .expected = "a string");
  EXPECT_FAULT(IoError, object.array("b"), .argument = "b", .expected = "an array");
  EXPECT_EQ(object.integer("b"), 1);
}

}  // namespace
}  // namespace suanli
