// SPDX-License-Identifier: Apache-2.0
// The environment variables of libsuanli and suanli: one table, one parser. Each is read when it is
// first needed. Unset and empty are the same. Tests and scripts have variables of their own.
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
  const char* expected;  // as errors and docs say it; of a choice the words, with spaces between
  const char* usual;  // the default, in words; of a flag or choice one of the values
  const char* doc;
  int64_t least = 0, most = 0;  // of a number
};

inline constexpr EnvironmentVariable kEnvironment[] = {
    {"SUANLI_CHECK_NAN", EnvironmentVariable::Type::flag, "0 or 1", "0",
     "Looks for NaN and infinity in the result of every op, and names the first op that has one. "
     "Programs then run one kernel per op"},
    {"SUANLI_CONV", EnvironmentVariable::Type::choice, "auto direct", "auto",
     "The algorithm of convolutions: auto takes Winograd's where it is faster, direct never does"},
    {"SUANLI_EAGER", EnvironmentVariable::Type::flag, "0 or 1", "0",
     "Runs every op as soon as it is recorded"},
    {"SUANLI_EXPLAIN", EnvironmentVariable::Type::choice, "0 1 tape", "0",
     "Prints every program on stderr when it is planned; tape prints its records after each pass "
     "too"},
    {"SUANLI_ISA", EnvironmentVariable::Type::choice, "avx3 avx2 sse4", "avx3",
     "The highest instruction set that kernels use, where the machine has it"},
    {"SUANLI_MEMORY_LIMIT", EnvironmentVariable::Type::size,
     "a size such as 400MiB, 2GB or 1000000", "none",
     "The bytes that tensors and working memory of each session may take on the CPU; more is an "
     "error"},
    {"SUANLI_MIRROR", EnvironmentVariable::Type::text, "a URL", "the published addresses",
     "The place from which data sets are downloaded, as SET/FILE"},
    {"SUANLI_POISON", EnvironmentVariable::Type::flag, "0 or 1", "0",
     "Fills working memory with NaN outside of live ranges, for tests of the memory plan"},
    {"SUANLI_THREADS", EnvironmentVariable::Type::number, "a number from 1 to 1024",
     "the CPUs that the process may use",
     "The number of compute threads, the calling one included; a number that a program sets takes "
     "precedence",
     1, 1024},
    {"SUANLI_TIER", EnvironmentVariable::Type::choice, "planned cold", "planned",
     "How programs run: planned, or cold, which is one kernel per op in recorded order"},
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

/// The value in force. Each throws ArgumentError that names variable, value and what is expected.
SUANLI_API bool environment_flag(VariableOf<EnvironmentVariable::Type::flag> variable);
SUANLI_API std::optional<int64_t> environment_number(
    VariableOf<EnvironmentVariable::Type::number> variable);
SUANLI_API std::optional<int64_t> environment_size(
    VariableOf<EnvironmentVariable::Type::size> variable);
SUANLI_API std::string environment_choice(VariableOf<EnvironmentVariable::Type::choice> variable);
SUANLI_API std::optional<std::string> environment_text(
    VariableOf<EnvironmentVariable::Type::text> variable);

/// The given text; nothing if the variable is unset or empty.
SUANLI_API std::optional<std::string> given_value(const EnvironmentVariable& variable);
/// The fault of a given value, if it has one.
SUANLI_API std::optional<Fault> fault_of_value(const EnvironmentVariable& variable,
                                               std::string_view value);
/// Throws ArgumentError for the first variable that has a bad value.
SUANLI_API void check_environment();
/// "planned or cold", "a number from 1 to 1024".
SUANLI_API std::string expected_value(const EnvironmentVariable& variable);

}  // namespace suanli
