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
  return suanli::suggestion(word, candidates, "Did you mean ", "?");
}

/// Shortens a word that was given by mistake, such as the text of a file, to its beginning.
std::string shortened(const std::string& word) {
  constexpr size_t kMax = 80;
  return columns_of(word) <= kMax ? word : cut_to(word, kMax - 1) + "…";
}

std::string see_help(const Verb& verb) { return fmt::format("See suanli {} --help.", verb.name); }

/// A suggestion and the way to the help, as a remedy.
std::string or_see(const std::string& suggestion, const std::string& help) {
  return suggestion.empty() ? help : suggestion + " " + help;
}

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

/// Throws ArgumentError if `text` is no number of the option's kind and range.
void check_number(const Option& option, const std::string& text) {
  const bool whole = option.takes == OptionType::integer;
  const std::optional<int64_t> count = whole ? number_from<int64_t>(text) : std::nullopt;
  const std::optional<double> value = !whole  ? number_from<double>(text)
                                      : count ? std::optional(static_cast<double>(*count))
                                              : std::nullopt;
  if (!value)
    throw ArgumentError({.argument = option.name,
                         .given = fmt::format("'{}'", text),
                         .expected = whole ? "a whole number" : "a number"});
  if (*value < option.least || *value > option.most) {
    // a limit that only keeps the number within its type
    const bool open_ended = option.most >= 1e9;
    const std::string range = !open_ended ? fmt::format("{:g} to {:g}", option.least, option.most)
                              : *value < option.least ? fmt::format("at least {:g}", option.least)
                                                      : fmt::format("at most {:g}", option.most);
    throw ArgumentError({.argument = option.name, .given = text, .expected = range});
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
  throw ArgumentError({.argument = "command",
                       .given = fmt::format("'{}'", shortened(name)),
                       .expected = "a command of suanli",
                       .remedy = or_see(suggestion(name, names), "See suanli help.")});
}

std::string words_of(const Verb& verb) {
  std::string out = fmt::format("suanli {}", verb.name);
  for (const Positional& p : verb.positionals) {
    const std::string word = fmt::format("{}{}", p.name, p.many ? "…" : "");
    out += p.required ? " " + word : " [" + word + "]";
  }
  return out;
}

void refuse_word(const Verb& verb, const std::string& word) {
  throw ArgumentError({.argument = verb.name,
                       .given = fmt::format("'{}'", shortened(word)),
                       .expected = "no further word",
                       .remedy = see_help(verb)});
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
        if (const std::string named = std::string(o.name) + "=";
            o.takes == OptionType::nothing && word.starts_with(named))
          throw ArgumentError({.argument = o.name,
                               .given = fmt::format("'{}'", word.substr(named.size())),
                               .expected = "no value",
                               .remedy = see_help(verb_)});
    }
    // CLI11 takes any word for the value: --out --dry-run would train into a folder of that name.
    for (size_t i = 0; i + 1 < words.size() && words[i] != "--"; ++i)
      if (takes_value(words[i]) && is_option(words[i + 1].substr(0, words[i + 1].find('='))))
        throw ArgumentError({.argument = words[i],
                             .given = fmt::format("the option {}", words[i + 1]),
                             .expected = "a value",
                             .remedy = fmt::format("Write {}={} if it is the value. {}", words[i],
                                                   words[i + 1], see_help(verb_))});
    try {
      // CLI11 takes them from the back
      app_.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    } catch (const CLI::ArgumentMismatch& e) {
      throw ArgumentError(missing_value(words));
    } catch (const CLI::ParseError& e) {
      throw ArgumentError({.given = e.what(), .remedy = see_help(verb_)});
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
          throw ArgumentError({.argument = o.name,
                               .given = "an empty text",
                               .expected = "one that is not empty",
                               .remedy = see_help(verb_)});
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
  bool is_option(const std::string& word) const { return word == "--help" || verb_.has(word); }
  bool takes_value(const std::string& word) const {
    return std::any_of(verb_.options.begin(), verb_.options.end(), [&](const Option& o) {
      return o.takes != OptionType::nothing && word == o.name;
    });
  }
  [[noreturn]] void unknown_option(const std::string& word) {
    std::vector<std::string> names = {"--help"};
    for (const Option& o : verb_.options) names.push_back(o.name);
    std::string name = word.substr(0, word.find('='));
    throw ArgumentError({.argument = "option",
                         .given = shortened(name),
                         .expected = fmt::format("an option of suanli {}", verb_.name),
                         .remedy = or_see(suggestion(name, names), see_help(verb_))});
  }

  Fault missing_value(const std::vector<std::string>& words) {
    Fault fault{.argument = "option", .given = "no value", .remedy = see_help(verb_)};
    // the last word, or else any of them
    for (const bool last : {true, false})
      for (const Option& o : verb_.options)
        for (size_t i = last ? words.size() - 1 : 0; i < words.size(); ++i)
          if (o.takes != OptionType::nothing && words[i] == o.name) {
            fault.argument = o.name;
            fault.expected = fmt::format("{} {}", o.name, o.metavar);
            return fault;
          }
    return fault;
  }

  void check_positionals(const std::vector<std::string>& given) {
    if (std::find(given.begin(), given.end(), "") != given.end())
      throw ArgumentError({.argument = verb_.name,
                           .given = "an empty word (a shell variable that is not set?)",
                           .expected = "none",
                           .remedy = see_help(verb_)});
    for (size_t i = 0; i < verb_.positionals.size(); ++i)
      if (verb_.positionals[i].required && i >= given.size())
        throw ArgumentError({.argument = verb_.positionals[i].name,
                             .given = "missing",
                             .expected = words_of(verb_),
                             .remedy = see_help(verb_)});
    const bool many = !verb_.positionals.empty() && verb_.positionals.back().many;
    if (!many && given.size() > verb_.positionals.size())
      refuse_word(verb_, given[verb_.positionals.size()]);
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
