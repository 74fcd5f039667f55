// SPDX-License-Identifier: Apache-2.0
// EXPECT_FAULT: the class and the parts of an error, which do not depend on wording.
#pragma once
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "suanli/error.h"

namespace suanli::test {

/// Parts of a Fault that a test asserts. Parts that are left out are not compared; "" asserts an
/// empty part.
struct Parts {
  std::optional<std::string> op{}, argument{}, given{}, expected{}, module{}, remedy{};
};

inline void expect_parts(const Fault& fault, const Parts& parts, const char* text) {
  const auto compare = [&](const char* part, const std::string& is,
                           const std::optional<std::string>& wanted) {
    if (wanted) { EXPECT_EQ(is, *wanted) << part << " of: " << text; }
  };
  compare("op", fault.op, parts.op);
  compare("argument", fault.argument, parts.argument);
  compare("given", fault.given, parts.given);
  compare("expected", fault.expected, parts.expected);
  compare("module", fault.module, parts.module);
  compare("remedy", fault.remedy, parts.remedy);
}

/// Expects that `call` throws an E whose parts are `parts`.
template <class E, class F> void expect_fault(F&& call, const Parts& parts) {
  try {
    call();
  } catch (const E& e) {
    expect_parts(e.fault(), parts, e.what());
    return;
  } catch (const std::exception& e) {
    ADD_FAILURE() << "another exception: " << e.what();
    return;
  }
  ADD_FAILURE() << "nothing was thrown";
}

}  // namespace suanli::test

/// EXPECT_FAULT(ShapeError, conv2d(x, w), .op = "conv2d", .argument = "input", .given = "[3, 4]");
#define EXPECT_FAULT(Class, statement, ...)                                       \
  do {                                                                            \
    SCOPED_TRACE(#statement);                                                     \
    suanli::test::expect_fault<Class>([&] { (void)(statement); }, {__VA_ARGS__}); \
  } while (false)
