// SPDX-License-Identifier: Apache-2.0
// Numbers as people and spreadsheets write them.
#include "data/formats/number_format.h"

#include <cmath>
#include <locale>

#include "base/text/text.h"
#include "gtest/gtest.h"

namespace suanli::data {
namespace {

struct Written {
  const char* cell;
  double value;
};

TEST(NumberFormat, PointNumbers) {
  const Written cases[] = {{"0", 0},
                           {"+3", 3},
                           {"-.5", -0.5},
                           {".5", 0.5},
                           {"5.", 5},
                           {"1e5", 1e5},
                           {"1E-5", 1e-5},
                           {"1.0D+02", 100},
                           {"1d+02", 100},
                           {"-2.5d-1", -0.25},
                           {"1e-400", 0},
                           {"-1e-400", 0},
                           {"0.000001e-320", 0},
                           {"4.9e-324", 4.9e-324},
                           {"1,234", 1234},
                           {"1,234,567.5", 1234567.5},
                           {"12,34,567", 1234567},  // as in India
                           {"1 234.5", 1234.5},
                           {"1\xC2\xA0"
                            "234",
                            1234},
                           {"12\xE2\x80\xAF"
                            "345\xE2\x80\xAF"
                            "678",
                            12345678},
                           {"1'234.5", 1234.5},
                           {"1\xE2\x80\x99"
                            "234",
                            1234},
                           {"\xE2\x88\x92"
                            "12.5",
                            -12.5},
                           {"\xE2\x80\x93"
                            "7",
                            -7},
                           {"(12)", -12},
                           {"(1,234.5)", -1234.5},
                           {"12-", -12},
                           {"- 5", -5},
                           {"0e999999999999999999999", 0}};
  for (const Written& c : cases) {
    double value = 7;
    EXPECT_TRUE(read_number(c.cell, {}, &value)) << c.cell;
    EXPECT_EQ(value, c.value) << c.cell;
  }
}

TEST(NumberFormat, CommaNumbers) {
  const Written cases[] = {{"0,5", 0.5},        {",5", 0.5},       {"1.234,56", 1234.56},
                           {"1 234,5", 1234.5}, {"1.234", 1234},   {"1.234.567", 1234567},
                           {"-3,", -3},         {"1,5E+03", 1500}, {"12", 12},
                           {"1'234,5", 1234.5}};
  for (const Written& c : cases) {
    double value = 7;
    EXPECT_TRUE(read_number(c.cell, {.decimal = ','}, &value)) << c.cell;
    EXPECT_EQ(value, c.value) << c.cell;
  }
}

TEST(NumberFormat, Units) {
  struct Unit {
    const char *cell, *unit;
    double value;
  };
  const Unit cases[] = {{"12.5%", "%", 12.5},
                        {"12.5 %", "%", 12.5},
                        {"%12", "%", 12},
                        {"0", "%", 0},
                        {"$12", "$", 12},
                        {"-$1,234.50", "$", -1234.5},
                        {"$-12", "$", -12},
                        {"($12)", "$", -12},
                        {"12", "$", 12},
                        {"US$ 12", "US$", 12},
                        {"12 \xE2\x82\xAC", "\xE2\x82\xAC", 12},
                        {"\xC2\xA3"
                         "3",
                         "\xC2\xA3", 3},
                        {"\xC2\xA5"
                         "3",
                         "\xC2\xA5", 3},
                        {"1E3 EUR", "EUR", 1000},
                        {"12EUR", "EUR", 12},
                        {"DKK 5", "DKK", 5}};
  for (const Unit& c : cases) {
    double value = 7;
    EXPECT_TRUE(read_number(c.cell, {.unit = c.unit}, &value)) << c.cell;
    EXPECT_EQ(value, c.value) << c.cell;
  }
}

TEST(NumberFormat, SaysWhichNumberIsExpected) {
  struct Refused {
    const char* cell;
    NumberFormat format;
    const char* expected;
  };
  const NumberFormat plain, comma{.decimal = ','}, share{.unit = "%"}, dollars{.unit = "$"};
  const Refused cases[] = {
      {"on request", plain, "a number"},
      {"", plain, "a number"},
      {"-", plain, "a number"},
      {".", plain, "a number"},
      {"1_000", plain, "a number"},
      {"0x10", plain, "a number"},
      {"1D2", plain, "a number"},
      {"12e", plain, "a number"},
      {"+-3", plain, "a number"},
      {"--3", plain, "a number"},
      {"(-3)", plain, "a number"},
      {"(3", plain, "a number"},
      {"20-29", plain, "a number"},
      {"2020-01-31", plain, "a number"},
      {"31.01.2020", plain, "a number"},
      {"12:30", plain, "a number"},
      {"1,23,4", plain, "a number"},
      {"0,123,456", plain, "a number"},
      {"1 23", plain, "a number"},
      {"$12%", plain, "a number"},
      {"inf", plain, "a finite number"},
      {"-Infinity", plain, "a finite number"},
      {"+inf", plain, "a finite number"},
      {"1e400", plain, "a number that is not too large for f64"},
      {"-1e999999999999999999999", plain, "a number that is not too large for f64"},
      {"1,5", plain, "a number with a decimal point"},
      {"1.5", comma, "a number with a decimal comma"},
      {"12%", plain, "a number without a unit"},
      {"12", share, "a number with the unit %"},
      {"\xE2\x82\xAC"
       "12",
       dollars, "a number with the unit $"}};
  for (const Refused& c : cases) {
    double value = 0;
    EXPECT_FALSE(read_number(c.cell, c.format, &value)) << c.cell;
    EXPECT_EQ(expected_number(c.cell, c.format), c.expected) << c.cell;
  }
}

TEST(NumberFormat, AColumnShowsItsFormat) {
  struct Column {
    std::vector<std::string_view> cells;
    bool comma_usual, points_group;
    NumberFormat format;
  };
  const Column cases[] = {
      {{"1", "2.5", "3"}, true, true, {}},
      {{"0,5", "1,25"}, false, false, {.decimal = ','}},
      {{"1,234", "0,5"}, false, false, {.decimal = ','}},       // one cell decides for all
      {{"1,234", "1,234.5"}, true, false, {}},
      {{"1,234", "2,345"}, false, false, {}},                   // open: as usual
      {{"1,234", "2,345"}, true, false, {.decimal = ','}},
      // points group only beside decimal commas
      {{"1.234", "2.345"}, true, false, {}},
      {{"1.234", "2.345"}, true, true, {.decimal = ','}},
      {{"1.234,5", "2.345"}, false, false, {.decimal = ','}},
      {{"12%", "5.5%", "0"}, false, false, {.unit = "%"}},
      {{"12%", "5", "6"}, false, false, {}},
      {{"$12", "5", "6"}, false, false, {.unit = "$"}},
      {{"red", "", "blue"}, true, true, {}},
  };
  for (const Column& c : cases)
    EXPECT_EQ(format_from(format_evidence(c.cells), c.comma_usual, c.points_group), c.format)
        << c.cells[0];
}

TEST(NumberFormat, AnotherTableMayBeWrittenOtherwise) {
  const NumberFormat comma{.decimal = ','}, share{.unit = "%"}, dollars{.unit = "$"};
  EXPECT_EQ(format_like(format_evidence({"1,234"}), {}, '.'), NumberFormat{});
  EXPECT_EQ(format_like(format_evidence({"1,234"}), comma, '.'), comma);
  EXPECT_EQ(format_like(format_evidence({"0.5"}), comma, '.'), NumberFormat{});
  EXPECT_EQ(format_like(format_evidence({"0,5"}), {}, '.'), comma);
  EXPECT_EQ(format_like(format_evidence({"$5"}), {}, '.'), dollars);
  EXPECT_EQ(format_like(format_evidence({"5"}), dollars, '.'), dollars);
  // a share is another number: its cells are refused
  EXPECT_EQ(format_like(format_evidence({"5%"}), {}, '.'), NumberFormat{});
  EXPECT_EQ(format_like(format_evidence({"5"}), share, '.'), share);
  // Where training's cells showed no separator, the new table decides.
  EXPECT_EQ(format_like(format_evidence({"12,125"}), {.any_decimal = true}, ',').decimal, ',');
  EXPECT_EQ(format_like(format_evidence({"12,125"}), {.any_decimal = true}, '.').decimal, '.');
  EXPECT_EQ(format_like(format_evidence({"0.5"}), {.any_decimal = true}, ',').decimal, '.');
}

TEST(NumberFormat, TextKeepsIt) {
  for (const NumberFormat& f :
       {NumberFormat{}, NumberFormat{.decimal = ','}, NumberFormat{.unit = "US$"},
        NumberFormat{',', "%"}, NumberFormat{.any_decimal = true}})
    EXPECT_EQ(number_format_from_text(to_text(f)), f) << to_text(f);
}

TEST(NumberFormat, EqualNumbersHaveOneName) {
  for (const char* cell : {"1", "1.0", "01", "+1", "1e0", "1.000"})
    EXPECT_EQ(canonical_name(cell, {}), "1") << cell;
  EXPECT_EQ(canonical_name("-0", {}), "0");
  EXPECT_EQ(canonical_name("100000", {}), "100000");
  EXPECT_EQ(canonical_name("0,50", {.decimal = ','}), "0.5");
  EXPECT_EQ(canonical_name("one", {}), "one");
  EXPECT_EQ(canonical_name("9007199254740993", {}), "9007199254740993");  // a double would round it
}

struct DecimalComma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(NumberFormat, TheLocaleDoesNotShow) {
  const std::locale before = std::locale::global(std::locale(std::locale(), new DecimalComma));
  double value = 0;
  EXPECT_TRUE(read_number("1234.5", {}, &value));
  EXPECT_EQ(value, 1234.5);
  EXPECT_EQ(canonical_name("1234.50", {}), "1234.5");
  EXPECT_EQ(str(1234.5), "1234.5");
  std::locale::global(before);
}

}  // namespace
}  // namespace suanli::data
