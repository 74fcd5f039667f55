// SPDX-License-Identifier: Apache-2.0
// The class and the parts of an error: EXPECT_FAULT compares them, fault_of() returns them.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

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

/// The parts of the E that `call` throws; nothing if it throws none. Other exceptions fail the
/// test.
template <class E, class F> std::optional<Fault> fault_if_any(F&& call) {
  try {
    call();
  } catch (const E& e) { return e.fault(); } catch (const std::exception& e) {
    ADD_FAILURE() << "another exception: " << e.what();
  }
  return std::nullopt;
}

/// The parts of the E that `call` throws. Fails the test if it throws none.
template <class E, class F> Fault fault_of(F&& call) {
  std::optional<Fault> fault = fault_if_any<E>(call);
  if (!fault) ADD_FAILURE() << "no error of this class";
  return fault.value_or(Fault{});
}

/// Expects that `call` throws an E whose parts are `parts`.
template <class E, class F> void expect_fault(F&& call, const Parts& parts) {
  const std::optional<Fault> fault = fault_if_any<E>(call);
  if (fault) expect_parts(*fault, parts, IoError(*fault).what());
  else ADD_FAILURE() << "no error of this class";
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
/// True if the setting is one that helps, also if it has a value that does.
inline bool names_setting(const Fault& fault, const std::string& setting) {
  return std::any_of(fault.settings.begin(), fault.settings.end(), [&](const std::string& s) {
    return s == setting || s.starts_with(setting + "=");
  });
}

}  // namespace suanli::test

/// EXPECT_FAULT(ShapeError, conv2d(x, w), .op = "conv2d", .argument = "input", .given = "[3, 4]");
#define EXPECT_FAULT(Class, statement, ...)                                       \
  do {                                                                            \
    SCOPED_TRACE(#statement);                                                     \
    suanli::test::expect_fault<Class>([&] { (void)(statement); }, {__VA_ARGS__}); \
  } while (false)
