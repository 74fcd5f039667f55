// SPDX-License-Identifier: Apache-2.0
// npz:FILE: NumPy arrays. Inputs are pictures or vectors, targets are classes or numbers.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/files/zip.h"
#include "base/text/text.h"
#include "data/datasets/float_dataset.h"
#include "data/formats/number_format.h"
#include "data/sources/sources.h"
#include "io/npy.h"

namespace suanli::data {
namespace {

/// Usual names of inputs and targets, for files without ?x= and ?y=. The name of a split may stand
/// before or behind them.
constexpr std::pair<const char*, const char*> kNames[] = {
    {"x", "y"},         {"X", "y"},         {"images", "labels"},
    {"data", "labels"}, {"data", "target"}, {"features", "labels"},
    {"arr_0", "arr_1"}};

struct Names {
  std::string x, y;
};

class Archive {
 public:
  explicit Archive(const std::string& path) : zip_(path) {}

  bool has(const std::string& name) const { return zip_.find(name + ".npy") != nullptr; }
  /// The array of each of `names` for a split, or "" if it is missing. split "": names without a
  /// split.
  Names find(const Names& names, const std::string& split) const {
    auto spelled = [&](const std::string& name, bool before) {
      return split.empty() ? name : before ? split + "_" + name : name + "_" + split;
    };
    for (bool before : {false, true})
      if (has(spelled(names.x, before)) && has(spelled(names.y, before)))
        return {spelled(names.x, before), spelled(names.y, before)};
    return {};
  }
  NpyArray read(const std::string& name) {
    const ZipMember& member = *zip_.find(name + ".npy");
    zip_.start(member);
    NpyArray array = read_npy(
        member.size, [&](void* out, size_t count) { zip_.read(out, count); },
        [&] { return zip_.here(); });
    widen(array, zip_.here());
    return array;
  }
  /// The names of all arrays.
  std::vector<std::string> arrays() const {
    std::vector<std::string> names;
    for (const ZipMember& m : zip_.members())
      if (m.name.ends_with(".npy")) names.push_back(m.name.substr(0, m.name.size() - 4));
    return names;
  }
  /// "arrays x, y".
  std::string list() const {
    std::string names;
    for (const ZipMember& m : zip_.members())
      names += (names.empty() ? "" : ", ") +
               (m.name.ends_with(".npy") ? m.name.substr(0, m.name.size() - 4) : m.name);
    return names.empty() ? "no arrays" : "arrays " + names;
  }

 private:
  ZipFile zip_;
};

/// One split's arrays.
struct Part {
  Names names;
  NpyArray x, y;
};

/// The layout of samples in x [N, …]. Suanli has channels first; NumPy's pictures often have them
/// last.
struct Layout {
  Shape sample;
  bool channels_last = false;
};

bool may_be_channels(int64_t n) { return n == 1 || n == 3; }

Layout layout_of(const NpyArray& x, const std::string& where, std::vector<std::string>& notes) {
  const Shape& s = x.shape;
  if (s.rank() == 2) return {{s[1]}};
  if (s.rank() == 3) return {{1, s[1], s[2]}};
  if (s.rank() != 4)
    throw IoError({.argument = where,
                   .given = str(s),
                   .expected = "[N, F], [N, H, W], [N, H, W, C] or [N, C, H, W]"});
  if (may_be_channels(s[3]) || !may_be_channels(s[1])) {
    notes.push_back(str(where, " ", s, " is taken as pictures with their channels last"));
    return {{s[3], s[1], s[2]}, true};
  }
  return {{s[1], s[2], s[3]}};
}

/// With classes as targets, samples of such a shape are pictures.
bool may_be_pictures(const Layout& layout, Task task) {
  return layout.sample.rank() == 3 && task == Task::classification;
}
/// Converts bytes to fractions: 255 becomes 1.
bool is_pictures(const NpyArray& x, const Layout& layout, Task task) {
  return x.dtype == DType::u8 && may_be_pictures(layout, task);
}

constexpr float kByte = 1.0f / 255;

/// The range of an array's values in training. Later data must have the same scale.
struct Inputs {
  enum class Kind : uint8_t { bytes, range, unknown } kind = Kind::bytes;
  double low = 0, high = 255;
  bool of_u8 = false;  // the array has bytes, such as flattened pictures
};

Inputs range_of(const NpyArray& x) {
  Inputs in{
      .kind = Inputs::Kind::range, .low = x.at(0), .high = x.at(0), .of_u8 = x.dtype == DType::u8};
  if (in.of_u8) {
    const auto [low, high] = std::minmax_element(x.bytes.begin(), x.bytes.end());
    in.low = *low;
    in.high = *high;
    return in;
  }
  for (int64_t i = 1; i < x.shape.numel(); ++i) {
    in.low = std::min(in.low, x.at(i));
    in.high = std::max(in.high, x.at(i));
  }
  return in;
}

/// If no training byte exceeds this, bytes are bits, counts or classes, not brightness. As
/// fractions of 255 they would be too small to learn from.
constexpr double kMaxCount = 25;

/// Values whose reach is below this fraction of the training values' reach have another unit.
constexpr double kMinReach = 1.0 / 50;
/// The reach: the width of the range that includes 0. The values of one sample may all be large and
/// close together.
double reach(double low, double high) { return std::max(high, 0.0) - std::min(low, 0.0); }
/// Zeros fit every unit.
bool reaches_less(double low, double high, const Inputs& seen) {
  const double own = reach(low, high);
  return own > 0 && own < kMinReach * reach(seen.low, seen.high);
}

/// Info::encoding begins with "MEAN STDDEV " of the target for a regression. Then follows "inputs
/// bytes LOW HIGH", "inputs LOW HIGH" or, for an array of bytes, "inputs LOW HIGH u8". Older runs
/// have "inputs bytes" alone.
struct ArrayEncoding {
  double mean = 0, stddev = 1;
  Inputs inputs{.kind = Inputs::Kind::unknown};
};

/// Parses the encoding. Throws IoError if it is not an encoding of arrays such as those of `path`.
ArrayEncoding array_encoding_from(const std::string& text, Task task, const std::string& path) {
  auto fail = [&] {
    throw IoError({.argument = path,
                   .given = "NumPy arrays of this kind",
                   .expected = "data of the kind that the model was trained on"});
  };
  std::vector<std::string_view> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
  size_t next = 0;
  auto number = [&] {
    double v = 0;
    if (next >= words.size() || !is_plain_number(words[next++], &v)) fail();
    return v;
  };
  ArrayEncoding e;
  if (task == Task::regression) {
    e.mean = number();
    e.stddev = number();
  }
  if (next == words.size()) return e;  // written by version 0.1.0
  if (words[next++] != "inputs" || next == words.size()) fail();
  if (words[next] == "bytes") {
    e.inputs.kind = Inputs::Kind::bytes;
    if (++next < words.size()) {
      e.inputs.low = number();
      e.inputs.high = number();
    }
  } else if (words[next] != "unknown")
    e.inputs = {.kind = Inputs::Kind::range, .low = number(), .high = number()};
  e.inputs.of_u8 = next < words.size() && words[next] == "u8";
  return e;
}

/// The factor from the values of `x` to the scale of training. Adds a note if their size
/// contradicts it.
float scale_for(const NpyArray& x, const Layout& layout, Task task, const Inputs& seen,
                const std::string& where, std::vector<std::string>* notes) {
  if (seen.kind == Inputs::Kind::unknown || x.shape.numel() == 0)
    return is_pictures(x, layout, task) ? kByte : 1;
  const Inputs own = range_of(x);
  const double low = own.low, high = own.high;
  const std::string range = str("numbers from ", low, " to ", high);
  auto say = [&](const std::string& text) {
    if (notes) notes->push_back(str(where, " holds ", range, ", training saw ", text));
  };
  const bool bytes = low >= 0 && high <= 255, fractions = low >= 0 && high <= 1;
  if (seen.kind == Inputs::Kind::bytes) {
    const bool of_one = fractions && (is_float(x.dtype) || x.dtype == DType::boolean);
    const double unit = of_one ? 255 : 1;
    if (bytes && reaches_less(unit * low, unit * high, seen)) {
      say(str("bytes from ", seen.low, " to ", seen.high, ": are they in the same unit?"));
      return of_one ? 1 : kByte;
    }
    if (of_one) return 1;
    if (x.dtype == DType::u8) return kByte;
    if (!bytes)
      throw IoError({.argument = where,
                     .given = range,
                     .expected = "bytes from 0 to 255, as training saw",
                     .remedy = "Give bytes, numbers from 0 to 255, or fractions of them."});
    if (is_float(x.dtype)) say("bytes: 255 is taken for 1");
    return kByte;
  }
  const bool pictures = layout.sample.rank() == 3;  // for any target
  constexpr double kHalfOfBytes = 128;
  if (pictures && seen.low >= 0 && seen.high <= 1 && bytes && !fractions) {
    say("fractions from 0 to 1: 255 is taken for 1");
    return kByte;
  }
  bool smaller = seen.low >= 0 && seen.high > kHalfOfBytes && seen.high <= 255 && fractions;
  if (smaller) {
    bool whole = true;
    for (int64_t i = 0; i < x.shape.numel() && whole; ++i) whole = x.at(i) == std::floor(x.at(i));
    smaller = !whole;
  }
  if (smaller && (pictures || seen.of_u8)) {
    say("numbers up to 255: 1 is taken for 255");
    return 255;
  }
  const double width = seen.high - seen.low;
  const bool below = low < 0 && seen.low >= 0;
  if (smaller || below || reaches_less(low, high, seen) || low < seen.low - width ||
      high > seen.high + width)
    say(str("numbers from ", seen.low, " to ", seen.high, ": are they in the same unit?"));
  return 1;
}

/// Models that were trained on picture files expect fractions of bytes.
Inputs seen_by_default(const Layout& layout, Task task) {
  return {.kind = may_be_pictures(layout, task) ? Inputs::Kind::bytes : Inputs::Kind::unknown};
}

/// The index of value k of a sample in the file's sample.
class Places {
 public:
  explicit Places(const Layout& layout)
      : layout_(layout),
        area_(layout.sample.rank() == 3 ? layout.sample[1] * layout.sample[2] : 0) {}
  int64_t operator()(int64_t k) const {
    return layout_.channels_last ? k % area_ * layout_.sample[0] + k / area_ : k;
  }

 private:
  const Layout& layout_;
  int64_t area_;
};

std::vector<uint8_t> bytes_of(const NpyArray& x, const Layout& layout) {
  if (!layout.channels_last) return x.bytes;
  std::vector<uint8_t> out(x.bytes.size());
  const int64_t sample = layout.sample.numel();
  const Places place(layout);
  for (int64_t i = 0; i < x.shape[0]; ++i)
    for (int64_t k = 0; k < sample; ++k)
      out[static_cast<size_t>(i * sample + k)] =
          x.bytes[static_cast<size_t>(i * sample + place(k))];
  return out;
}

[[noreturn]] void refuse_number(const std::string& where, int64_t i, double value,
                                std::string expected) {
  throw IoError({.argument = str(where, "[", i, "]"),
                 .given = str(value),
                 .expected = std::move(expected),
                 .remedy = "Correct the array."});
}

std::vector<float> floats_of(const NpyArray& x, const Layout& layout, float scale,
                             const std::string& where) {
  std::vector<float> out(static_cast<size_t>(x.shape.numel()));
  const int64_t sample = layout.sample.numel();
  const Places place(layout);
  for (int64_t i = 0; i < x.shape[0]; ++i)
    for (int64_t k = 0; k < sample; ++k) {
      const auto own = static_cast<float>(x.at(i * sample + place(k)));
      // the same bits as for bytes of pictures
      const float v = scale == kByte ? own / 255 : own * scale;
      if (!std::isfinite(v))
        refuse_number(where, i, x.at(i * sample + place(k)), "finite numbers that f32 holds");
      out[static_cast<size_t>(i * sample + k)] = v;
    }
  return out;
}

/// Mean and deviation of the inputs: per channel for pictures, per component for short vectors,
/// otherwise over all values.
void set_statistics_of(Info& info, const std::vector<float>& inputs) {
  const Shape& s = info.input_shape;
  constexpr int64_t kMaxPlaces = 64;
  const auto groups = static_cast<size_t>(s.rank() == 3 || s[0] <= kMaxPlaces ? s[0] : 1),
             sample = static_cast<size_t>(s.numel()), run = sample / groups;
  std::vector<double> sum(groups), squares(groups);
  // from the mean, so that large values with a small spread keep their digits
  for (int pass = 0; pass < 2; ++pass)
    for (size_t i = 0; i < inputs.size(); ++i) {
      const size_t g = i % sample / run;
      const double v = static_cast<double>(inputs[i]);
      if (pass == 0) sum[g] += v;
      else squares[g] += (v - info.mean[g]) * (v - info.mean[g]);
      if (pass == 0 && i + 1 == inputs.size())
        for (double total : sum)
          info.mean.push_back(total / static_cast<double>(inputs.size() / sample * run));
    }
  for (double total : squares) {
    const double deviation = std::sqrt(total / static_cast<double>(inputs.size() / sample * run));
    info.stddev.push_back(deviation > 0 ? deviation : 1);
  }
}

std::vector<int32_t> labels_of(const NpyArray& y, const std::string& where, int64_t classes) {
  constexpr double kMaxClasses = 100'000;
  std::vector<int32_t> out;
  for (int64_t i = 0; i < y.shape.numel(); ++i) {
    const double v = y.at(i);
    if (v < 0 || v >= (classes > 0 ? static_cast<double>(classes) : kMaxClasses))
      refuse_number(where, i, v, str("a class from 0 to ", classes > 0 ? classes - 1 : 99'999));
    out.push_back(static_cast<int32_t>(v));
  }
  return out;
}

std::vector<float> values_of(const NpyArray& y, const Info& info, const std::string& where) {
  std::vector<float> out;
  for (int64_t i = 0; i < y.shape.numel(); ++i) {
    if (!std::isfinite(y.at(i))) refuse_number(where, i, y.at(i), "a finite number");
    out.push_back(static_cast<float>((y.at(i) - info.target_mean) / info.target_stddev));
  }
  return out;
}

/// Mean and deviation of a regression's target.
void measure_target(Info& info, const NpyArray& y) {
  double sum = 0, squares = 0;
  const auto n = static_cast<double>(y.shape.numel());
  for (int64_t i = 0; i < y.shape.numel(); ++i) sum += y.at(i);
  info.target_mean = sum / n;
  for (int64_t i = 0; i < y.shape.numel(); ++i)
    squares += (y.at(i) - info.target_mean) * (y.at(i) - info.target_mean);
  info.target_stddev = squares > 0 ? std::sqrt(squares / n) : 1;
}

/// Reads both arrays of a split. Checks that they fit each other and the training split.
Part read_part(Archive& archive, const Names& names, const std::string& path, const Part* train) {
  Part p{names, archive.read(names.x), archive.read(names.y)};
  const Shape &x = p.x.shape, &y = p.y.shape;
  const std::string where = str(path, ": ", names.y);
  if (y.rank() < 1 || y.numel() != y[0] || x.rank() < 1 || x[0] != y[0] || x[0] == 0)
    throw IoError({.argument = where,
                   .given = str(y, " beside ", names.x, " ", x),
                   .expected = "[N] beside [N, …], one target for each sample"});
  if (!train) return p;
  for (int axis = 1; axis < std::max(x.rank(), train->x.shape.rank()); ++axis)
    if (x.rank() != train->x.shape.rank() || x[axis] != train->x.shape[axis])
      throw IoError(
          {.argument = str(path, ": ", names.x),
           .given = str(x),
           .expected = str("samples like those of ", train->names.x, " ", train->x.shape)});
  if (is_float(p.y.dtype) != is_float(train->y.dtype))
    throw IoError({.argument = where,
                   .given = str(p.y.dtype),
                   .expected = str(is_float(train->y.dtype) ? "numbers" : "classes", ", as ",
                                   train->names.y, " ", train->y.dtype, " has")});
  return p;
}

}  // namespace

Tensor read_npz(const std::string& path, const Shape& sample, Task task, const std::string& name,
                const std::string& encoding, std::vector<std::string>* notes) {
  Archive archive(path);
  std::string found = name;
  for (auto [inputs, targets] : kNames)
    for (const std::string& spelled :
         {std::string(inputs), str(inputs, "_test"), str("test_", inputs)})
      if (found.empty() && archive.has(spelled)) found = spelled;
  if (const std::vector<std::string> all = archive.arrays(); found.empty() && all.size() == 1)
    found = all.front();
  if (found.empty() || !archive.has(found))
    throw IoError({.argument = path,
                   .given = archive.list(),
                   .expected = name.empty() ? "the inputs under a usual name" : name,
                   .remedy = str("Write npz:", path, "?x=NAME to name the inputs.")});
  const NpyArray x = archive.read(found);
  const std::string where = str(path, ": ", found);
  std::vector<std::string> taken_as;
  const Layout layout = layout_of(x, where, taken_as);
  if (layout.sample != sample)
    throw IoError({.argument = where,
                   .given = str(x.shape, ", samples ", layout.sample),
                   .expected = str("samples ", sample, ", which the model takes")});
  if (x.shape[0] == 0)
    throw IoError({.argument = where, .given = str(x.shape), .expected = "at least one sample"});
  const Inputs seen = encoding.empty() ? seen_by_default(layout, task)
                                       : array_encoding_from(encoding, task, path).inputs;
  const std::vector<float> values =
      floats_of(x, layout, scale_for(x, layout, task, seen, where, notes), where);
  Shape shape{x.shape[0]};
  for (int64_t d : sample) shape.push_back(d);
  return tensor<float>(values, shape);
}

bool looks_like_npz(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) &&
         std::filesystem::path(path).extension() == ".npz";
}

Source open_npz(const std::string& path, const std::string& x, const std::string& y,
                const OpenOptions& options) {
  Archive archive(path);
  Names wanted;
  auto matches = [&](const Names& names) {
    return !archive.find(names, "").x.empty() || !archive.find(names, "train").x.empty();
  };
  if (!x.empty() || !y.empty()) {
    wanted = {x.empty() ? "x" : x, y.empty() ? "y" : y};
  } else {
    for (auto [images, labels] : kNames)
      if (wanted.x.empty() && matches({images, labels})) wanted = {images, labels};
  }
  if (wanted.x.empty() || !matches(wanted))
    throw IoError({.argument = path,
                   .given = archive.list(),
                   .expected = wanted.x.empty() ? "inputs and targets under usual names"
                                                : str(wanted.x, " and ", wanted.y),
                   .remedy = str("Write npz:", path,
                                 "?x=NAME&y=NAME to name the inputs and the targets. NAME also "
                                 "finds NAME_train and NAME_test.")});
  Source source;
  Names train_names = archive.find(wanted, "train");
  if (train_names.x.empty()) train_names = archive.find(wanted, "");
  const Part train = read_part(archive, train_names, path, nullptr);
  const Layout layout = layout_of(train.x, str(path, ": ", train_names.x), source.notes);
  if (layout.sample.numel() == 0)
    throw IoError({.argument = str(path, ": ", train_names.x),
                   .given = str(train.x.shape),
                   .expected = "at least one value per sample"});

  Info info{.kind = "npz",
            .source = str("npz:", path, "?x=", wanted.x, "&y=", wanted.y),
            .input_shape = layout.sample,
            .task = is_float(train.y.dtype) ? Task::regression : Task::classification};
  const bool regression = info.task == Task::regression,
             trained = !options.encoding.empty() || options.input_shape.rank() > 0;
  const std::string x_name = str(path, ": ", train_names.x);
  ArrayEncoding encoding;
  if (!options.encoding.empty()) encoding = array_encoding_from(options.encoding, info.task, path);
  else if (trained) encoding.inputs = seen_by_default(layout, info.task);
  else encoding.inputs = range_of(train.x);
  if (!trained && is_pictures(train.x, layout, info.task) && encoding.inputs.high > kMaxCount)
    encoding.inputs = {
        .kind = Inputs::Kind::bytes, .low = encoding.inputs.low, .high = encoding.inputs.high};
  if (regression) {
    if (trained) {
      info.target_mean = encoding.mean;
      info.target_stddev = encoding.stddev;
    } else measure_target(info, train.y);
    info.encoding = str(info.target_mean, " ", info.target_stddev, " ");
  } else {
    info.class_names = options.class_names;
    const std::vector<int32_t> labels = labels_of(train.y, str(path, ": ", train_names.y),
                                                  static_cast<int64_t>(info.class_names.size()));
    if (info.class_names.empty())
      for (int c = 0; c <= *std::max_element(labels.begin(), labels.end()); ++c)
        info.class_names.push_back(str(c));
    info.classes = static_cast<int>(info.class_names.size());
    source.strata = labels;
  }
  const Inputs& seen = encoding.inputs;
  const bool bytes = seen.kind == Inputs::Kind::bytes || (seen.kind == Inputs::Kind::unknown &&
                                                          is_pictures(train.x, layout, info.task));
  if (bytes) info.encoding += str("inputs bytes ", seen.low, " ", seen.high);
  else if (seen.kind == Inputs::Kind::unknown) info.encoding += "inputs unknown";
  else info.encoding += str("inputs ", seen.low, " ", seen.high, seen.of_u8 ? " u8" : "");
  info.any_range = !bytes;
  const float scale = scale_for(train.x, layout, info.task, seen, x_name, &source.notes);
  const bool pictures = bytes && is_pictures(train.x, layout, info.task);
  if (pictures) set_statistics(info, bytes_of(train.x, layout));
  else set_statistics_of(info, floats_of(train.x, layout, scale, x_name));

  auto part = [&](const Part& p) -> std::shared_ptr<const Dataset> {
    const std::string where = str(path, ": ", p.names.y), inputs = str(path, ": ", p.names.x);
    std::vector<int32_t> labels =
        regression ? std::vector<int32_t>() : labels_of(p.y, where, info.classes);
    if (bytes && is_pictures(p.x, layout, info.task))
      return std::make_shared<PixelSet>(info, bytes_of(p.x, layout), std::move(labels));
    std::vector<float> values = regression ? values_of(p.y, info, where) : std::vector<float>();
    const float own =
        &p == &train ? scale : scale_for(p.x, layout, info.task, seen, inputs, &source.notes);
    return std::make_shared<NumberSet>(info, floats_of(p.x, layout, own, inputs), std::move(labels),
                                       std::move(values));
  };
  source.train = part(train);
  for (const char* name : {"val", "test"})
    if (const Names names = archive.find(wanted, name); !names.x.empty())
      (name == std::string("val") ? source.val : source.test) =
          part(read_part(archive, names, path, &train));
  return source;
}

}  // namespace suanli::data
