// SPDX-License-Identifier: Apache-2.0
// open(): from a spec to training, validation and test samples.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>

#include "base/text/did_you_mean.h"
#include "base/text/split_list.h"
#include "base/text/text.h"
#include "data/datasets/stratified_split.h"
#include "data/sources/picture_tree.h"
#include "data/sources/sources.h"
#include "data/sources/spec.h"

namespace suanli::data {
namespace {

namespace fs = std::filesystem;

/// `kind`, `kind:place`, `kind?key=value&key=value` or `kind:place?key=value`; the place alone
/// where the kind is to be found out.
struct Spec {
  std::string text, kind, place;
  bool has_place = false;
  std::vector<std::pair<std::string, std::string>> settings;
};

/// An & without key= behind it belongs to the value before it, as in target=R&D.
void read_settings(Spec& spec, const std::string& list) {
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find('&', at), list.size());
    const std::string setting = list.substr(at, end - at);
    const size_t equals = setting.find('=');
    const bool goes_on = equals == std::string::npos && !setting.empty() && !spec.settings.empty();
    if (!goes_on && (equals == 0 || equals == std::string::npos))
      throw ArgumentError({.argument = spec.text,
                           .given = str("`", setting, "`"),
                           .expected = "a setting of the form key=value",
                           .remedy = "Within a value, write & as %26, % as %25, a comma as %2C."});
    if (goes_on) spec.settings.back().second += "&" + setting;
    else spec.settings.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
    at = end + 1;
  }
}

/// Settings by name: each known, each at most once. Throws ArgumentError.
class Settings {
 public:
  Settings(const Spec& spec, const std::vector<std::string>& known) : spec_(spec) {
    std::vector<std::string> seen;
    const std::string names = join_list(known);
    for (const auto& [key, value] : spec.settings) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        throw ArgumentError({.argument = spec.text,
                             .given = str("`", key, "`"),
                             .expected = known.empty()
                                             ? str("no setting of ", spec.kind)
                                             : str("a setting of ", spec.kind, ", ",
                                                   known.size() > 1 ? "one of " : "", names),
                             .remedy = suggestion(key, known, "Did you mean `", "`?")});
      }
      if (std::find(seen.begin(), seen.end(), key) != seen.end())
        throw ArgumentError(
            {.argument = str(spec.text, ": ", key), .given = "two values", .expected = "one"});
      seen.push_back(key);
    }
  }

  /// As it is written; null if it was not given.
  const std::string* find(const std::string& name) const {
    for (const auto& [key, value] : spec_.settings)
      if (key == name) return &value;
    return nullptr;
  }

  /// "" if it was not given.
  std::string text(const std::string& name) const {
    const std::string* value = find(name);
    return value ? unescaped_setting(*value) : "";
  }

  /// Words with commas between; none if it was not given, or is empty.
  std::vector<std::string> words(const std::string& name) const {
    const std::string* value = find(name);
    if (!value || value->empty()) return {};
    std::vector<std::string> out;
    for (const std::string& word : split_list(*value)) out.push_back(unescaped_setting(word));
    if (value->ends_with(',')) out.pop_back();  // a comma may end the list
    return out;
  }

  /// One of `words`; null if it was not given.
  std::optional<std::string> choice(const std::string& name,
                                    const std::vector<std::string>& words) const {
    const std::string* value = find(name);
    if (value == nullptr) return {};
    if (std::find(words.begin(), words.end(), *value) == words.end())
      throw ArgumentError({.argument = str(spec_.text, ": ", name),
                           .given = str("'", *value, "'"),
                           .expected = "one of " + join_list(words)});
    return *value;
  }

  uint64_t number(const std::string& name, uint64_t fallback, uint64_t least, uint64_t most) const {
    const std::string* value = find(name);
    return value ? parse_number(name, *value, *value, least, most) : fallback;
  }

  bool flag(const std::string& name) const { return number(name, 0, 0, 1) == 1; }

  /// "96" or "60x80": height and width; 0, 0 if it was not given.
  std::pair<int64_t, int64_t> size(const std::string& name) const {
    const std::string* value = find(name);
    if (value == nullptr) return {0, 0};
    const size_t x = value->find('x');
    auto side = [&](const std::string& part) {
      return static_cast<int64_t>(parse_number(name, *value, part, 1, 4096));
    };
    const int64_t height = side(value->substr(0, x));
    return {height, x == std::string::npos ? height : side(value->substr(x + 1))};
  }

 private:
  uint64_t parse_number(const std::string& name, const std::string& value, const std::string& part,
                        uint64_t least, uint64_t most) const {
    uint64_t number = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != part.data() + part.size() || number < least ||
        number > most)
      throw ArgumentError({.argument = str(spec_.text, ": ", name),
                           .given = str("'", value, "'"),
                           .expected = str("a whole number from ", least, " to ", most)});
    return number;
  }

  const Spec& spec_;
};

const std::string& place_of(const Spec& spec) {
  if (!spec.has_place || spec.place.empty())
    throw ArgumentError(
        {.argument = spec.text, .given = "no path", .expected = str(spec.kind, ":PATH")});
  return spec.place;
}

const std::vector<std::string> kDigits = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
const std::vector<std::string> kClothes = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                           "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                           "Bag",         "Ankle boot"};

struct Kind {
  const char* name;
  const char* usage;
  Source (*open)(const Spec& spec, const OpenOptions& options);
  bool (*looks_like)(const std::string& place);  // null: never found out
};

/// Opens data whose pictures have one size, at the size that the spec or a trained model asks for.
template <class Open> Source open_at_size(const Spec& spec, const OpenOptions& options,
                                          Open&& open) {
  auto [height, width] = Settings(spec, {"size"}).size("size");
  Source source = open(place_of(spec));
  const Shape own = source.train->info().input_shape, &asked = options.input_shape;
  if (height == 0 && asked.rank() == 3 && asked[0] == own[0] && asked != own) {
    height = asked[1];
    width = asked[2];
  }
  if (height > 0)
    for (auto* part : {&source.train, &source.val, &source.test})
      if (*part) *part = at_size(*part, height, width);
  return source;
}

Source open_idx(const Spec& spec, const OpenOptions& options,
                const std::vector<std::string>& class_names) {
  return open_at_size(spec, options, [&](const std::string& place) {
    return open_mnist(spec.kind, place, class_names);
  });
}

/// "3x32x32" → [3, 32, 32]: one to four sizes.
Shape noise_shape(const Spec& spec) {
  Shape shape;
  const std::string& text = spec.place;
  bool good = spec.has_place && !text.empty();
  for (size_t at = 0; good && at <= text.size();) {
    const size_t end = std::min(text.find('x', at), text.size());
    int64_t size = 0;
    const auto parsed = std::from_chars(text.data() + at, text.data() + end, size);
    good = parsed.ec == std::errc() && parsed.ptr == text.data() + end && size >= 1 &&
           size <= 65'536 && shape.rank() < 4;
    if (good) shape.push_back(size);
    at = end + 1;
  }
  if (!good || shape.numel() > int64_t{1} << 26)
    throw ArgumentError(
        {.argument = spec.text,
         .given = str("'", text, "'"),
         .expected = "the shape of a sample, one to four sizes such as 3x32x32 or 784"});
  return shape;
}

TableSettings table_settings(const Spec& spec) {
  const Settings settings(spec, {"target", "task", "test", "drop", "keep", "missing", "decimal",
                                 "thousands", "header", "skip_missing_target"});
  TableSettings t{.target = settings.text("target"),
                  .test = static_cast<int>(settings.number("test", 20, 0, 90))};
  if (const auto task = settings.choice("task", {"regression", "classification"}))
    t.task = *task == "regression" ? TaskAsked::regression : TaskAsked::classification;
  t.drop = settings.words("drop");
  t.keep = settings.words("keep");
  if (settings.find("missing")) t.missing = settings.words("missing");
  if (const auto header = settings.choice("header", {"yes", "no"})) t.header = *header == "yes";
  const auto decimal = settings.choice("decimal", {"comma", "point"});
  const auto thousands = settings.choice("thousands", {"comma", "point", "space", "apostrophe"});
  if (decimal && thousands == decimal)
    throw ArgumentError({.argument = str(spec.text, ": thousands"),
                         .given = *decimal,
                         .expected = "another sign than that of decimal"});
  if (decimal) t.decimal = *decimal == "comma" ? ',' : '.';
  else if (thousands == "comma" || thousands == "point")
    t.decimal = thousands == "comma" ? '.' : ',';
  t.skip_missing_target = settings.flag("skip_missing_target");
  // Without a header columns are called by their places.
  constexpr std::string_view kColumn = "column ";
  if (t.header == false && t.target.starts_with(kColumn)) t.target.erase(0, kColumn.size());
  return t;
}

/// By the labels; by the names of the folder and the one above (FashionMNIST/raw) where these are
/// of neither published set.
bool is_about_clothes(const std::string& place) {
  if (const IdxSet set = idx_set_in(place); set != IdxSet::unknown)
    return set == IdxSet::fashion_mnist;
  std::error_code error;
  fs::path path = fs::absolute(place, error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  for (const std::string& name : {path.filename().string(), path.parent_path().filename().string()})
    if (name.find("ashion") != std::string::npos || name.find("FASHION") != std::string::npos)
      return true;
  return false;
}

// In the order in which they are tried for a path without a kind.
const Kind kKinds[] = {
    {"glyphs", "glyphs[?train=N&test=N&seed=N]",
     [](const Spec& spec, const OpenOptions&) {
       if (spec.has_place)
         throw ArgumentError({.argument = spec.text,
                              .given = str("a path, '", spec.place, "'"),
                              .expected = "glyphs, or glyphs?train=12000&test=2000&seed=0",
                              .remedy = "Glyphs are drawn, not read."});
       const Settings settings(spec, {"train", "test", "seed"});
       return open_glyphs(static_cast<int64_t>(settings.number("train", 12'000, 1, 2'000'000)),
                          static_cast<int64_t>(settings.number("test", 2'000, 1, 2'000'000)),
                          settings.number("seed", 0, 0, UINT64_MAX));
     },
     nullptr},
    {"fashion-mnist", "fashion-mnist:DIR[?size=N]",
     [](const Spec& spec, const OpenOptions& options) { return open_idx(spec, options, kClothes); },
     [](const std::string& place) { return looks_like_mnist(place) && is_about_clothes(place); }},
    {"mnist", "mnist:DIR[?size=N]",
     [](const Spec& spec, const OpenOptions& options) { return open_idx(spec, options, kDigits); },
     looks_like_mnist},
    {"cifar10", "cifar10:DIR[?size=N]",
     [](const Spec& spec, const OpenOptions& options) {
       return open_at_size(spec, options, open_cifar10);
     },
     looks_like_cifar10},
    {"cifar100", "cifar100:DIR[?size=N]",
     [](const Spec& spec, const OpenOptions& options) {
       return open_at_size(spec, options, open_cifar100);
     },
     looks_like_cifar100},
    {"random", "random:CxHxW[?classes=N&samples=N&test=N&seed=N]",
     [](const Spec& spec, const OpenOptions&) {
       const Settings settings(spec, {"classes", "samples", "test", "seed"});
       const uint64_t samples = settings.number("samples", 1280, 1, 2'000'000);
       return open_noise(noise_shape(spec),
                         static_cast<int64_t>(settings.number("classes", 10, 2, 100'000)),
                         static_cast<int64_t>(samples),
                         static_cast<int64_t>(settings.number("test", samples / 10, 0, 2'000'000)),
                         settings.number("seed", 0, 0, UINT64_MAX));
     },
     nullptr},
    {"csv",
     "csv:FILE?target=COLUMN[&task=regression&test=20&drop=A,B&header=no&decimal=comma&missing=NA&"
     "skip_missing_target=1]",
     [](const Spec& spec, const OpenOptions& options) {
       return open_csv(place_of(spec), table_settings(spec), options);
     },
     looks_like_csv},
    {"npz", "npz:FILE[?x=NAME&y=NAME]",
     [](const Spec& spec, const OpenOptions& options) {
       const Settings settings(spec, {"x", "y"});
       return open_npz(place_of(spec), settings.text("x"), settings.text("y"), options);
     },
     looks_like_npz},
    {"packed", "packed:FILE",
     [](const Spec& spec, const OpenOptions&) {
       Settings(spec, {});
       return open_packed(place_of(spec));
     },
     looks_like_packed},
    {"folder", "folder:DIR[?size=N&skip_bad=1&splits=no]",
     [](const Spec& spec, const OpenOptions& options) {
       const Settings settings(spec, {"size", "skip_bad", "splits"});
       const auto splits = settings.choice("splits", {"yes", "no"});
       const auto [height, width] = settings.size("size");
       return open_folder(place_of(spec),
                          {.height = height,
                           .width = width,
                           .skip_bad = options.skip_bad || settings.flag("skip_bad"),
                           .input_shape = options.input_shape,
                           .class_names = options.class_names,
                           .splits = splits ? std::optional(*splits == "yes") : std::nullopt});
     },
     looks_like_picture_folder},
};

std::string usages() {
  std::string all;
  for (const Kind& kind : kKinds) all += str(all.empty() ? "" : ", ", kind.usage);
  return all;
}

/// The fault of a path that holds no known data. People give some files instead of a folder.
Fault no_known_data(const std::string& path) {
  Fault fault{.argument = path,
              .given = "no data of a known kind",
              .expected = "one of " + usages(),
              .remedy = "Give such a folder or file."};
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return fault;
  for (const char* ending : {".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".7z", ".rar"})
    if (path.ends_with(ending)) {
      fault.given = "an archive";
      fault.remedy = "Unpack it and give the folder.";
    }
  if (has_picture_name(path)) {
    fault.given = "one picture";
    fault.remedy = "Give the folder that holds a folder of pictures per class.";
  }
  return fault;
}

/// Cuts the text into its parts. A kind is known by its name before the first `:` or `?`; without
/// one the text is a path, and what lies there says the kind.
const Kind& parse(const std::string& text, Spec& spec) {
  spec.text = text;
  spec.kind = text.substr(0, text.find_first_of(":?"));
  std::string rest = text.substr(spec.kind.size());
  const Kind* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const Kind& k) { return spec.kind == k.name; });
  const bool named = kind != std::end(kKinds);
  if (!named) rest = ":" + text;
  spec.has_place = !rest.empty() && rest[0] == ':';
  if (spec.has_place) rest.erase(0, 1);
  const size_t path = spec.has_place ? path_length(rest) : 0;
  spec.place = rest.substr(0, path);
  if (path < rest.size()) read_settings(spec, rest.substr(path + 1));
  std::error_code error;
  if (named) return *kind;

  if (spec.place.empty() || !fs::exists(spec.place, error)) {
    std::vector<std::string> names;
    for (const Kind& k : kKinds) names.push_back(k.name);
    throw IoError({.argument = text,
                   .given = "neither a kind of data nor a path that exists",
                   .expected = "one of " + usages(),
                   .remedy = suggestion(spec.kind, names, "Did you mean `", "`?")});
  }
  kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                      [&](const Kind& k) { return k.looks_like && k.looks_like(spec.place); });
  if (kind == std::end(kKinds)) throw IoError(no_known_data(spec.place));
  spec.kind = kind->name;
  return *kind;
}

void split_validation(Splits& splits, const std::vector<int32_t>& strata,
                      const OpenOptions& options, const std::string& spec) {
  const std::shared_ptr<const Dataset> all = splits.train;
  const double share = options.val_fraction * static_cast<double>(all->size());
  auto [train, val] =
      split_strata(strata, all->size(), options.val_fraction, options.seed, Cut::validation);
  if (val.empty() || std::llround(share) >= all->size()) {
    std::vector<int64_t> counts;
    for (int32_t stratum : strata) {
      if (static_cast<size_t>(stratum) >= counts.size())
        counts.resize(static_cast<size_t>(stratum) + 1);
      ++counts[static_cast<size_t>(stratum)];
    }
    const bool single = counts.size() > 1 &&
                        std::all_of(counts.begin(), counts.end(), [](int64_t n) { return n <= 1; });
    throw IoError({.argument = spec,
                   .given = single ? str("one training sample in each of ", all->size(), " classes")
                                   : str(all->size(), " training samples"),
                   .expected = single ? "more, to keep some for validation"
                                      : str("more, to keep ", std::max(1ll, std::llround(share)),
                                            " for validation"),
                   .remedy = "Use more samples, or no validation split.",
                   .settings = {"val"}});
  }
  splits.val = subset(all, std::move(val));
  splits.train = subset(all, std::move(train));
}

}  // namespace

Splits open(const std::string& spec, const OpenOptions& options) {
  if (!(options.val_fraction >= 0 && options.val_fraction < 1))
    throw ArgumentError({.op = "open",
                         .argument = "val_fraction",
                         .given = str(options.val_fraction),
                         .expected = "the share of training samples to validate with, at least 0, "
                                     "below 1"});
  Spec parsed;
  const Kind& kind = parse(spec, parsed);
  Source source = kind.open(parsed, options);
  Splits splits{.train = source.train,
                .val = source.val,
                .test = source.test,
                .notes = std::move(source.notes)};
  if (!spec.starts_with(kind.name))
    splits.notes.insert(splits.notes.begin(),
                        str(parsed.place, " looks like ", splits.train->info().source));
  if (!spec.starts_with(kind.name) && kind.name == std::string_view("mnist") &&
      idx_set_in(parsed.place) == IdxSet::unknown)
    splits.notes.push_back(
        str("the files do not say what their classes are called: 0 to 9 here; write fashion-mnist:",
            parsed.place, " for clothes"));
  if (options.val_fraction > 0 && !splits.val)
    split_validation(splits, source.strata, options, spec);
  return splits;
}

}  // namespace suanli::data
