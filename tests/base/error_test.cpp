// SPDX-License-Identifier: Apache-2.0
// The text of an error, made from its parts, and copies of errors.
#include "suanli/error.h"

#include <exception>
#include <type_traits>

#include "gtest/gtest.h"
#include "support/errors.h"

namespace suanli {
namespace {

std::string text_of(Fault fault) { return ArgumentError(std::move(fault)).what(); }

TEST(Error, TextHasEveryPart) {
  EXPECT_EQ(text_of({.op = "conv2d",
                     .argument = "input",
                     .given = "3 channels",
                     .expected = "4 channels, as weight [64, 4, 3, 3] has",
                     .module = "stem.conv",
                     .remedy = "Use another weight."}),
            "[conv2d] input: 3 channels, expected 4 channels, as weight [64, 4, 3, 3] has "
            "(in stem.conv). Use another weight.");
}

TEST(Error, PartsThatAreEmptyAreLeftOut) {
  struct Case {
    Fault fault;
    const char* text;
  };
  const Case cases[] = {
      {{.op = "op", .argument = "x", .given = "1"}, "[op] x: 1"},
      {{.op = "op", .argument = "x", .given = "", .expected = "2"}, "[op] x, expected 2"},
      {{.op = "op", .argument = "", .given = "1", .expected = "2"}, "[op] 1, expected 2"},
      {{.op = "op", .argument = "", .given = "1", .expected = "", .module = "m"}, "[op] 1 (in m)"},
      {{.op = "op", .argument = "x", .given = "1", .expected = "", .module = "", .remedy = "Go."},
       "[op] x: 1. Go."},
      {{.op = "op", .argument = "x", .given = "1", .expected = "2", .module = "", .remedy = "Go."},
       "[op] x: 1, expected 2. Go."},
      {{.op = "", .argument = "t.csv: line 3", .given = "the file ends"},
       "t.csv: line 3: the file ends"},
      {{.op = "", .argument = "", .given = "1", .expected = "2"}, "1, expected 2"},
      {{.op = "", .argument = "x", .given = "1", .expected = "2"}, "x: 1, expected 2"},
  };
  for (const Case& c : cases) EXPECT_EQ(text_of(c.fault), c.text);
}

TEST(Error, SettingsAreNotInTheText) {
  const ArgumentError e({.op = "op",
                         .argument = "x",
                         .given = "1",
                         .expected = "2",
                         .module = "",
                         .remedy = "Use smaller batches.",
                         .settings = {"batch_size", "accumulate"}});
  EXPECT_STREQ(e.what(), "[op] x: 1, expected 2. Use smaller batches.");
  EXPECT_EQ(e.fault().settings, (std::vector<std::string>{"batch_size", "accumulate"}));
}

TEST(Error, EveryClassHasItsCode) {
  const auto code_of = [](auto&& e) { return e.code(); };
  const Fault f{.op = "op", .argument = "x", .given = "1"};
  EXPECT_EQ(code_of(ArgumentError(f)), ErrorCode::argument);
  EXPECT_EQ(code_of(ShapeError(f)), ErrorCode::shape);
  EXPECT_EQ(code_of(DTypeError(f)), ErrorCode::dtype);
  EXPECT_EQ(code_of(DeviceError(f)), ErrorCode::device);
  EXPECT_EQ(code_of(StateError(f)), ErrorCode::state);
  EXPECT_EQ(code_of(RehearsalError(f)), ErrorCode::state);
  EXPECT_EQ(code_of(IoError(f)), ErrorCode::io);
  EXPECT_EQ(code_of(OutOfMemory(f)), ErrorCode::memory);
  EXPECT_EQ(code_of(NumericError(f)), ErrorCode::numeric);
  EXPECT_EQ(code_of(InternalError(f)), ErrorCode::internal);
  for (const auto& [code, text] : {std::pair{ErrorCode::argument, "argument"},
                                   {ErrorCode::shape, "shape"},
                                   {ErrorCode::dtype, "dtype"},
                                   {ErrorCode::device, "device"},
                                   {ErrorCode::state, "state"},
                                   {ErrorCode::io, "io"},
                                   {ErrorCode::memory, "memory"},
                                   {ErrorCode::numeric, "numeric"},
                                   {ErrorCode::internal, "internal"}})
    EXPECT_STREQ(name(code), text);
}

TEST(Error, CopiesShareThePartsAndNeverThrow) {
  static_assert(std::is_nothrow_copy_constructible_v<ShapeError>);
  static_assert(std::is_nothrow_copy_assignable_v<ShapeError>);
  std::exception_ptr kept;
  try {
    throw ShapeError({.op = "add", .argument = "x, y", .given = "[2] and [3]"});
  } catch (const Error&) { kept = std::current_exception(); }
  const auto again = [&] { std::rethrow_exception(kept); };
  EXPECT_FAULT(ShapeError, again(), .op = "add", .argument = "x, y", .given = "[2] and [3]");

  const ShapeError first({.op = "add", .argument = "x", .given = "[2]"});
  ShapeError copy = first;
  EXPECT_EQ(&copy.fault(), &first.fault());
  EXPECT_STREQ(copy.what(), first.what());
  copy = ShapeError({.op = "sub", .argument = "y", .given = "[3]"});
  EXPECT_EQ(copy.op(), "sub");
  EXPECT_EQ(first.op(), "add");
}

TEST(Error, APartCanBeAddedOnTheWay) {
  const auto inner = [] { throw DTypeError({.op = "add", .argument = "x", .given = "c64"}); };
  const auto outer = [&] {
    try {
      inner();
    } catch (const DTypeError& e) {
      Fault f = e.fault();
      f.module = "fc1";
      throw DTypeError(std::move(f));
    }
  };
  EXPECT_FAULT(DTypeError, outer(), .op = "add", .argument = "x", .given = "c64", .module = "fc1");
}

}  // namespace
}  // namespace suanli
