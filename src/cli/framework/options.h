// SPDX-License-Identifier: Apache-2.0
// The command line as tables: a verb is one entry, an option one row, and help, parsing and
// suggestions follow from them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace suanli::cli {

enum class OptionType { nothing, text, integer, real };

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

struct Option {
  const char* name;     // "--batch-size"
  OptionType takes;
  const char* metavar;  // "N"; "" for flags
  const char* help;
  const char* fallback = "";  // what holds if the option is not given, in words; shown in help
  double least = -kNoLimit, most = kNoLimit;
  std::string choices = "";   // words that completion offers, with blanks between
  // the heading in help that it stands below; "": the verb's own options. Groups are suanli train's
  const char* group = "";
};
std::vector<Option> grouped(const char* group, std::vector<Option> options);

struct Positional {
  const char* name;  // "RUN"
  const char* help;
  bool required = true, many = false;
  std::string choices = "";  // words that completion offers, with blanks between; "": files
  // the same, where the word before it is that
  std::vector<std::pair<const char*, std::string>> choices_after = {};
};

/// The words of the command line. Only options that were given are present.
class Arguments {
 public:
  bool has(const std::string& option) const { return options_.count(option) > 0; }
  std::string text(const std::string& option, const std::string& fallback = "") const;
  /// All values of an option that may be given several times, in order.
  std::vector<std::string> texts(const std::string& option) const;
  int64_t integer(const std::string& option, int64_t fallback) const;
  double real(const std::string& option, double fallback) const;
  const std::vector<std::string>& positionals() const { return positionals_; }
  std::string positional(size_t i, const std::string& fallback = "") const {
    return i < positionals_.size() ? positionals_[i] : fallback;
  }
  /// The options given, as the user spelled them.
  std::vector<std::string> given() const;

 private:
  friend class Parser;
  std::map<std::string, std::vector<std::string>> options_;
  std::vector<std::string> positionals_;
};

struct Verb {
  const char* name;
  const char* line;  // what it does, for the list of verbs
  std::vector<Positional> positionals;
  std::vector<Option> options;
  std::vector<const char*> examples;
  int (*run)(const Arguments& arguments);
  bool has(std::string_view option) const {
    return std::any_of(options.begin(), options.end(),
                       [&](const Option& o) { return option == o.name; });
  }
};

/// All verbs, in the order that help lists them.
const std::vector<Verb>& verbs();
/// Throws ArgumentError with the nearest verb.
const Verb& find_verb(const std::string& name);

/// "suanli predict RUN FILE…": a command without its options.
std::string words_of(const Verb& verb);

/// Throws ArgumentError for a word that the verb has no use for.
[[noreturn]] void refuse_word(const Verb& verb, const std::string& word);

/// Reads the words after the verb. Throws ArgumentError for unknown options, with the nearest one,
/// missing or superfluous words, and values of the wrong kind or out of range. `help` is set if
/// --help was among them (nothing else is checked then).
Arguments parse(const Verb& verb, const std::vector<std::string>& words, bool* help);

/// Groups of options are suanli train's. Other verbs take them too, and refer to its help and its
/// part of the manual.
inline bool shows_training_options(const Verb& verb) {
  return verb.name == std::string_view("train");
}
inline constexpr const char* kSharedOptions =
    "Options for model, recipe and machine are those of suanli train; see suanli train --help.";

/// Help texts in the user's language, without color; cli/framework/help.cpp.
std::string overview();
std::string help_of(const Verb& verb);

}  // namespace suanli::cli
