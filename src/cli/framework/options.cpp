// SPDX-License-Identifier: Apache-2.0
#include "cli/framework/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "base/text/did_you_mean.h"
#include "cli/framework/columns.h"
#include "suanli/base.h"

namespace suanli::cli {

namespace {

std::string suggestion(const std::string& word, const std::vector<std::string>& candidates) {
  return suanli::suggestion(word, candidates, " Did you mean ", "?");
}

/// Shortens a word that was given by mistake, such as the text of a file, to its beginning.
std::string shortened(const std::string& word) {
  constexpr size_t kMax = 80;
  return columns_of(word) <= kMax ? word : cut_to(word, kMax - 1) + "…";
}

std::string see_help(const Verb& verb) { return fmt::format(" See suanli {} --help.", verb.name); }

/// A whole text as a number: in any locale with a point, with a sign if there is one. Nothing where
/// it is none, infinite or too large.
template <class T> std::optional<T> number_from(std::string_view text) {
  // from_chars knows no plus
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() ||
      !std::isfinite(static_cast<double>(value)))
    return {};
  return value;
}

/// Throws UsageError if `text` is no number of the option's kind and range.
void check_number(const Option& option, const std::string& text) {
  const bool whole = option.takes == OptionType::integer;
  const std::optional<int64_t> count = whole ? number_from<int64_t>(text) : std::nullopt;
  const std::optional<double> value = !whole  ? number_from<double>(text)
                                      : count ? std::optional(static_cast<double>(*count))
                                              : std::nullopt;
  if (!value)
    throw UsageError(fmt::format("{} takes {}, not '{}'", option.name,
                                 whole ? "a whole number" : "a number", text));
  if (*value < option.least || *value > option.most) {
    // a limit that only keeps the number within its type
    const bool open_ended = option.most >= 1e9;
    const std::string range = !open_ended ? fmt::format("{:g} to {:g}", option.least, option.most)
                              : *value < option.least ? fmt::format("at least {:g}", option.least)
                                                      : fmt::format("at most {:g}", option.most);
    throw UsageError(fmt::format("{} is {}, expected {}", option.name, text, range));
  }
}

}  // namespace

std::string Arguments::text(const std::string& option, const std::string& fallback) const {
  auto it = options_.find(option);
  return it == options_.end() ? fallback : it->second.back();
}
std::vector<std::string> Arguments::texts(const std::string& option) const {
  auto it = options_.find(option);
  return it == options_.end() ? std::vector<std::string>() : it->second;
}
int64_t Arguments::integer(const std::string& option, int64_t fallback) const {
  return has(option) ? *number_from<int64_t>(text(option)) : fallback;
}
double Arguments::real(const std::string& option, double fallback) const {
  return has(option) ? *number_from<double>(text(option)) : fallback;
}
std::vector<std::string> Arguments::given() const {
  std::vector<std::string> names;
  for (auto& [name, values] : options_) names.push_back(name);
  return names;
}

std::vector<Option> grouped(const char* group, std::vector<Option> options) {
  for (Option& o : options) o.group = group;
  return options;
}

const Verb& find_verb(const std::string& name) {
  std::vector<std::string> names;
  for (const Verb& v : verbs()) {
    if (name == v.name) return v;
    names.push_back(v.name);
  }
  throw UsageError(fmt::format("'{}' is no command.{} See suanli help.", shortened(name),
                               suggestion(name, names)));
}

/// Lets CLI11 split the words by the verb's table; what it finds is checked and worded here.
class Parser {
 public:
  explicit Parser(const Verb& verb) : verb_(verb) {
    app_.set_help_flag();
    app_.allow_extras();
    for (const Option& o : verb.options) {
      if (o.takes == OptionType::nothing) app_.add_flag(o.name);
      else
        app_.add_option(o.name)
            ->type_size(1)
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
            ->allow_extra_args(false);
    }
  }

  Arguments parse(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      if (word == "--") break;
      for (const Option& o : verb_.options)
        if (o.takes == OptionType::nothing && word.starts_with(std::string(o.name) + "="))
          throw UsageError(fmt::format("{} takes no value.{}", o.name, see_help(verb_)));
    }
    // CLI11 takes any word for the value: --out --dry-run would train into a folder of that name.
    for (size_t i = 0; i + 1 < words.size() && words[i] != "--"; ++i)
      if (takes_value(words[i]) && is_option(words[i + 1].substr(0, words[i + 1].find('='))))
        throw UsageError(
            fmt::format("{} needs a value, and {} is an option. Write {}={} if it is the value.{}",
                        words[i], words[i + 1], words[i], words[i + 1], see_help(verb_)));
    try {
      // CLI11 takes them from the back
      app_.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    } catch (const CLI::ArgumentMismatch& e) {
      throw UsageError(missing_value(words) + see_help(verb_));
    } catch (const CLI::ParseError& e) {
      throw UsageError(fmt::format("{}.{}", e.what(), see_help(verb_)));
    }
    Arguments out;
    for (const Option& o : verb_.options) {
      const CLI::Option* given = app_.get_option(o.name);
      if (given->count() == 0) continue;
      std::vector<std::string> values =
          o.takes == OptionType::nothing ? std::vector<std::string>{""} : given->results();
      for (std::string& value : values) {
        if (o.takes == OptionType::integer || o.takes == OptionType::real) {
          check_number(o, value);
          if (value.starts_with('+')) value.erase(0, 1);
        }
        if (o.takes == OptionType::text && value.empty())
          throw UsageError(fmt::format("{} takes a text, not nothing.{}", o.name, see_help(verb_)));
      }
      out.options_[o.name] = values;
    }
    bool options_ended = false;
    for (const std::string& word : app_.remaining()) {
      if (!options_ended && word == "--") options_ended = true;
      else if (!options_ended && word.size() > 1 && word[0] == '-') unknown_option(word);
      else out.positionals_.push_back(word);
    }
    check_positionals(out.positionals_);
    return out;
  }

 private:
  bool is_option(const std::string& word) const {
    return word == "--help" || std::any_of(verb_.options.begin(), verb_.options.end(),
                                           [&](const Option& o) { return word == o.name; });
  }
  bool takes_value(const std::string& word) const {
    return std::any_of(verb_.options.begin(), verb_.options.end(), [&](const Option& o) {
      return o.takes != OptionType::nothing && word == o.name;
    });
  }
  [[noreturn]] void unknown_option(const std::string& word) {
    std::vector<std::string> names = {"--help"};
    for (const Option& o : verb_.options) names.push_back(o.name);
    std::string name = word.substr(0, word.find('='));
    throw UsageError(fmt::format("{} is no option of {}.{}{}", shortened(name), verb_.name,
                                 suggestion(name, names), see_help(verb_)));
  }

  std::string missing_value(const std::vector<std::string>& words) {
    for (const Option& o : verb_.options)
      if (o.takes != OptionType::nothing && !words.empty() && words.back() == o.name)
        return fmt::format("{} needs a value: {} {}.", o.name, o.name, o.metavar);
    for (const Option& o : verb_.options)
      for (size_t i = 0; i < words.size(); ++i)
        if (o.takes != OptionType::nothing && words[i] == o.name)
          return fmt::format("{} needs a value: {} {}.", o.name, o.name, o.metavar);
    return "an option lacks its value.";
  }

  void check_positionals(const std::vector<std::string>& given) {
    if (std::find(given.begin(), given.end(), "") != given.end())
      throw UsageError(
          fmt::format("a word behind suanli {} is empty (a shell variable that is not set?).{}",
                      verb_.name, see_help(verb_)));
    for (size_t i = 0; i < verb_.positionals.size(); ++i)
      if (verb_.positionals[i].required && i >= given.size())
        throw UsageError(fmt::format("{} is missing: {}.{}", verb_.positionals[i].name,
                                     verb_.positionals[i].help, see_help(verb_)));
    const bool many = !verb_.positionals.empty() && verb_.positionals.back().many;
    if (!many && given.size() > verb_.positionals.size())
      throw UsageError(fmt::format("'{}' is one word too many.{}",
                                   shortened(given[verb_.positionals.size()]), see_help(verb_)));
  }

  const Verb& verb_;
  CLI::App app_;
};

Arguments parse(const Verb& verb, const std::vector<std::string>& words, bool* help) {
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word == "--help" || word == "-h") {
      *help = true;
      return Arguments();
    }
  }
  *help = false;
  return Parser(verb).parse(words);
}

}  // namespace suanli::cli
