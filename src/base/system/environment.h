// SPDX-License-Identifier: Apache-2.0
// The environment variables of libsuanli and suanli: one table, one parser. Each is read when it is
// first needed. An empty variable counts as unset. Tests and scripts have their own variables.
#pragma once
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "suanli/error.h"
#include "suanli/export.h"

namespace suanli {

struct EnvironmentVariable {
  enum class Type : uint8_t { flag, number, size, choice, text };
  const char* name;
  Type type;
  const char* expected;  // the text in errors and docs; for a choice, the words with spaces between
  const char* usual;  // the default, in words; for a flag or choice, one of the values
  const char* doc;
  int64_t least = 0, most = 0;  // for a number
};

inline constexpr EnvironmentVariable kEnvironment[] = {
    {"SUANLI_CHECK_NAN", EnvironmentVariable::Type::flag, "0 or 1", "0",
     "Checks the result of every op for NaN and infinity, and names the first op that has one. "
     "Programs then run one kernel per op"},
    {"SUANLI_CONV", EnvironmentVariable::Type::choice, "auto direct", "auto",
     "The algorithm for convolutions: auto uses Winograd's algorithm where it is faster, direct "
     "never uses it"},
    {"SUANLI_EAGER", EnvironmentVariable::Type::flag, "0 or 1", "0",
     "Runs every op as soon as it is recorded"},
    {"SUANLI_EXPLAIN", EnvironmentVariable::Type::choice, "0 1 tape", "0",
     "Prints every program on stderr when it is planned; tape also prints its records after each "
     "pass"},
    {"SUANLI_ISA", EnvironmentVariable::Type::choice, "avx3 avx2 sse4", "avx3",
     "The highest instruction set that kernels use, if the machine has it"},
    {"SUANLI_MEMORY_LIMIT", EnvironmentVariable::Type::size,
     "a size such as 400MiB, 2GB or 1000000", "none",
     "The limit in bytes for the tensors and working memory of each session on the CPU; a "
     "reservation beyond it is an error"},
    {"SUANLI_MIRROR", EnvironmentVariable::Type::text, "a URL", "the published addresses",
     "The URL from which data sets are downloaded, as URL/SET/FILE"},
    {"SUANLI_POISON", EnvironmentVariable::Type::flag, "0 or 1", "0",
     "Fills working memory with NaN outside live ranges, for tests of the memory plan"},
    {"SUANLI_THREADS", EnvironmentVariable::Type::number, "a number from 1 to 1024",
     "the CPUs that the process may use",
     "The number of compute threads, including the calling thread; a number that a program sets "
     "takes precedence",
     1, 1024},
    {"SUANLI_TIER", EnvironmentVariable::Type::choice, "planned cold", "planned",
     "The way to run programs: planned, or cold, which is one kernel per op in recorded order"},
};

/// A row of the table by its name, checked when the caller is compiled.
template <EnvironmentVariable::Type type> struct VariableOf {
  consteval VariableOf(const char* name) : row(nullptr) {
    for (const EnvironmentVariable& v : kEnvironment)
      if (std::string_view(v.name) == name && v.type == type) row = &v;
    if (!row) throw "kEnvironment has no variable of this name and type";
  }
  const EnvironmentVariable* row;
};

/// The value in force. Each function throws ArgumentError with the variable, the value and the
/// expected values.
SUANLI_API bool environment_flag(VariableOf<EnvironmentVariable::Type::flag> variable);
SUANLI_API std::optional<int64_t> environment_number(
    VariableOf<EnvironmentVariable::Type::number> variable);
SUANLI_API std::optional<int64_t> environment_size(
    VariableOf<EnvironmentVariable::Type::size> variable);
SUANLI_API std::string environment_choice(VariableOf<EnvironmentVariable::Type::choice> variable);
SUANLI_API std::optional<std::string> environment_text(
    VariableOf<EnvironmentVariable::Type::text> variable);

/// The given text; empty if the variable is unset or empty.
SUANLI_API std::optional<std::string> given_value(const EnvironmentVariable& variable);
/// The fault of a given value, if there is one.
SUANLI_API std::optional<Fault> fault_of_value(const EnvironmentVariable& variable,
                                               std::string_view value);
/// Throws ArgumentError for the first variable that has an invalid value.
SUANLI_API void check_environment();
/// "planned or cold", "a number from 1 to 1024".
SUANLI_API std::string expected_value(const EnvironmentVariable& variable);

}  // namespace suanli
