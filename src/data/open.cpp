// open(): from a spec to training, validation and test samples.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "base/did_you_mean.h"
#include "base/philox.h"
#include "base/text.h"
#include "data/sources.h"

namespace suanli::data {
namespace {

/// `kind`, `kind:place` or `kind?key=value&key=value`. A place may hold any character, so a kind has either a place or settings.
struct Spec {
  std::string text, kind, place;
  bool has_place = false;
  std::vector<std::pair<std::string, std::string>> settings;
};

Spec parse(const std::string& text) {
  Spec spec{.text = text, .kind = text.substr(0, text.find_first_of(":?")), .place = {}, .settings = {}};
  const size_t rest = spec.kind.size();
  if (rest == text.size()) return spec;
  if (text[rest] == ':') {
    spec.has_place = true;
    spec.place = text.substr(rest + 1);
    return spec;
  }
  for (size_t at = rest + 1; at <= text.size();) {
    const size_t end = std::min(text.find('&', at), text.size());
    const std::string setting = text.substr(at, end - at);
    const size_t equals = setting.find('=');
    if (equals == 0 || equals == std::string::npos) throw UsageError(str(text, ": `", setting, "` is not of the form key=value."));
    spec.settings.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
    at = end + 1;
  }
  return spec;
}

/// Settings with whole numbers: each name at most once, each value in its range.
struct Setting {
  std::string name;
  uint64_t value, least, most;
};

void read_settings(const Spec& spec, std::vector<Setting>& settings) {
  std::vector<std::string> known, seen;
  for (const Setting& s : settings) known.push_back(s.name);
  for (const auto& [key, value] : spec.settings) {
    auto setting = std::find_if(settings.begin(), settings.end(), [&](const Setting& s) { return s.name == key; });
    if (setting == settings.end()) {
      const std::string near = did_you_mean(key, known);
      std::string names;
      for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
      throw UsageError(str(spec.text, ": ", spec.kind, " has no setting `", key, "`.",
                           near.empty() ? "" : str(" Did you mean `", near, "`?"), " It has ", names, "."));
    }
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      throw UsageError(str(spec.text, ": `", key, "` is given twice. Give it once."));
    seen.push_back(key);
    uint64_t number = 0;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size() || number < setting->least || number > setting->most)
      throw UsageError(str(spec.text, ": ", key, "=", value, " is not a whole number from ", setting->least, " to ", setting->most, "."));
    setting->value = number;
  }
}

const std::string& place_of(const Spec& spec) {
  if (!spec.has_place || spec.place.empty()) throw UsageError(str(spec.text, ": which folder? Write ", spec.kind, ":DIR."));
  return spec.place;
}

const std::vector<std::string> kDigits = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
const std::vector<std::string> kClothes = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                           "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

struct Kind {
  const char* name;
  const char* usage;
  Source (*open)(const Spec& spec);
};

const Kind kKinds[] = {
    {"glyphs", "glyphs[?train=N&test=N&seed=N]",
     [](const Spec& spec) {
       if (spec.has_place)
         throw UsageError(str(spec.text, ": glyphs are drawn, not read. Write glyphs, or glyphs?train=12000&test=2000&seed=0."));
       std::vector<Setting> settings = {{"train", 12'000, 1, 2'000'000}, {"test", 2'000, 1, 2'000'000}, {"seed", 0, 0, UINT64_MAX}};
       read_settings(spec, settings);
       return open_glyphs(static_cast<int64_t>(settings[0].value), static_cast<int64_t>(settings[1].value), settings[2].value);
     }},
    {"mnist", "mnist:DIR", [](const Spec& spec) { return open_mnist(spec.kind, place_of(spec), kDigits); }},
    {"fashion-mnist", "fashion-mnist:DIR", [](const Spec& spec) { return open_mnist(spec.kind, place_of(spec), kClothes); }},
};

const Kind& kind_of(const Spec& spec) {
  std::vector<std::string> names;
  std::string usages;
  for (const Kind& kind : kKinds) {
    if (spec.kind == kind.name) return kind;
    names.push_back(kind.name);
    usages += str(usages.empty() ? "" : ", ", kind.usage);
  }
  std::error_code error;
  if (std::filesystem::exists(spec.text, error))
    throw InputError(str(spec.text, ": say what kind of data this is, for example mnist:", spec.text, ". Known: ", usages, "."));
  const std::string near = did_you_mean(spec.kind, names);
  throw InputError(str(spec.text, ": unknown kind of data `", spec.kind, "`.", near.empty() ? "" : str(" Did you mean `", near, "`?"),
                       " Known: ", usages, "."));
}

/// Cuts `count` samples, drawn from (seed, size) alone, off the training set. Both parts keep the order of the whole.
void split_validation(Splits& splits, int64_t count, uint64_t seed) {
  const int64_t size = splits.train->size();
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), int64_t{0});
  PhiloxStream random(seed, philox_stream(PhiloxDomain::validation_split, 0));
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    std::swap(order[i], order[i + static_cast<size_t>(random.below(order.size() - i))]);
  std::sort(order.begin(), order.begin() + count);
  std::sort(order.begin() + count, order.end());
  const std::shared_ptr<const Dataset> all = splits.train;
  splits.val = subset(all, {order.begin(), order.begin() + count});
  splits.train = subset(all, {order.begin() + count, order.end()});
}

}  // namespace

Splits open(const std::string& spec, const OpenOptions& options) {
  if (!(options.val_fraction >= 0 && options.val_fraction < 1))
    throw UsageError(str("val_fraction ", options.val_fraction,
                         " is outside of [0, 1). Give the share of training samples to validate with, 0 for none."));
  const Spec parsed = parse(spec);
  Source source = kind_of(parsed).open(parsed);
  Splits splits{.train = source.train, .val = nullptr, .test = source.test};
  if (options.val_fraction == 0) return splits;

  const int64_t size = splits.train->size();
  const int64_t count = std::max<int64_t>(1, std::llround(options.val_fraction * static_cast<double>(size)));
  if (count >= size)
    throw InputError(str(spec, ": ", size, " training samples are too few to keep ", count,
                         " of them for validation. Use more, or no validation split."));
  split_validation(splits, count, options.seed);
  return splits;
}

}  // namespace suanli::data
