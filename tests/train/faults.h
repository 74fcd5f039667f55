// SPDX-License-Identifier: Apache-2.0
// The parts of an error for tests that look into them.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "suanli/error.h"

namespace suanli {

/// The parts of the E that `f` throws; all empty, and a failure, if it throws none.
template <class E, class F> Fault fault_of(F&& f) {
  try {
    f();
  } catch (const E& e) { return e.fault(); }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
inline bool names_setting(const Fault& fault, const char* setting) {
  return std::find(fault.settings.begin(), fault.settings.end(), setting) != fault.settings.end();
}

}  // namespace suanli
