// SPDX-License-Identifier: Apache-2.0
#include "base/system/environment.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/text/did_you_mean.h"
#include "base/text/split_list.h"
#include "base/text/text.h"

namespace suanli {

namespace {

using Type = EnvironmentVariable::Type;

std::optional<int64_t> number_of(const EnvironmentVariable& v, std::string_view text) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size() || n < v.least || n > v.most)
    return {};
  return n;
}

/// The given value, which is a good one.
std::optional<std::string> checked_value(const EnvironmentVariable& v) {
  std::optional<std::string> text = given_value(v);
  if (text)
    if (const std::optional<Fault> fault = fault_of_value(v, *text)) throw ArgumentError(*fault);
  return text;
}

}  // namespace

std::optional<std::string> given_value(const EnvironmentVariable& v) {
  const char* text = std::getenv(v.name);
  if (!text || !*text) return {};
  return text;
}

std::string expected_value(const EnvironmentVariable& v) {
  if (v.type != Type::choice) return v.expected;
  std::vector<std::string> words = split_list(v.expected, ' ');
  const std::string last = words.back();
  words.pop_back();
  return str(join_list(words), " or ", last);
}

std::optional<Fault> fault_of_value(const EnvironmentVariable& v, std::string_view value) {
  std::string near;
  switch (v.type) {
    case Type::text: return {};
    case Type::flag:
      if (value == "0" || value == "1") return {};
      break;
    case Type::number:
      if (number_of(v, value)) return {};
      break;
    case Type::size:
      if (bytes_from(value)) return {};
      break;
    case Type::choice: {
      const std::vector<std::string> words = split_list(v.expected, ' ');
      if (std::find(words.begin(), words.end(), value) != words.end()) return {};
      near = suggestion(value, words, "Did you mean ", "?");
      break;
    }
  }
  return Fault{.op = "environment",
               .argument = v.name,
               .given = str("'", value, "'"),
               .expected = expected_value(v),
               .remedy = near};
}

bool environment_flag(VariableOf<Type::flag> variable) {
  return checked_value(*variable.row).value_or(variable.row->usual) == "1";
}
std::optional<int64_t> environment_number(VariableOf<Type::number> variable) {
  const auto text = checked_value(*variable.row);
  return text ? number_of(*variable.row, *text) : std::nullopt;
}
std::optional<int64_t> environment_size(VariableOf<Type::size> variable) {
  const auto text = checked_value(*variable.row);
  return text ? bytes_from(*text) : std::nullopt;
}
std::string environment_choice(VariableOf<Type::choice> variable) {
  return checked_value(*variable.row).value_or(variable.row->usual);
}
std::optional<std::string> environment_text(VariableOf<Type::text> variable) {
  return checked_value(*variable.row);
}

void check_environment() {
  for (const EnvironmentVariable& v : kEnvironment) checked_value(v);
}

}  // namespace suanli
