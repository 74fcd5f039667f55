// SPDX-License-Identifier: Apache-2.0
// Folders of pictures. Opening lists the files, reads every header and chooses a shape. Then it
// decodes the pictures once to find damaged ones and to measure mean and deviation.
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <mutex>
#include <optional>

#include "base/core/faults.h"
#include "base/core/philox.h"
#include "base/files/file.h"
#include "base/text/did_you_mean.h"
#include "base/text/text.h"
#include "data/image/resize.h"
#include "data/sources/picture_tree.h"
#include "data/sources/progress.h"
#include "data/sources/reading_threads.h"
#include "data/sources/sources.h"

namespace suanli::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxChecked = 20'000;  // pictures that are decoded while the folder is opened
// for photographs: enough for a small network, decoded in about a millisecond
constexpr int64_t kUsualSide = 96;
// up to this size, pictures of one common size keep it
constexpr int64_t kMaxOwnSide = 128;

/// The fault of a picture that cannot be read, with the way around it.
class FolderSet final : public PictureSet {
 public:
  FolderSet(Info info, std::string root, std::vector<PictureFile> files)
      : info_(std::move(info)), root_(std::move(root)), files_(std::move(files)) {}
  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  const Info& info() const override { return info_; }
  int64_t label(int64_t index) const override { return files_[static_cast<size_t>(index)].label; }
  void read_view(int64_t index, const Box& box, uint8_t* x, int64_t* y) const override {
    const PictureFile& f = files_[static_cast<size_t>(index)];
    const std::string path = root_ + "/" + f.name;
    try {
      decode_box(path, read_picture_file(path), f.height, f.width, box, info_.input_shape, x);
    } catch (const IoError& e) { throw IoError(may_be_skipped(e.fault())); }
    *y = f.label;
  }
  Shape picture_size(int64_t index) const override {
    const PictureFile& f = files_[static_cast<size_t>(index)];
    return {f.height, f.width};
  }

 private:
  Info info_;
  std::string root_;
  std::vector<PictureFile> files_;
};

/// The fault of each file; empty for a good one.
using Faults = std::vector<std::optional<Fault>>;

/// The state while a folder is opened.
class Opening {
 public:
  Opening(std::string folder, const FolderOptions& options)
      : folder_(std::move(folder)), options_(options) {}
  Source open();

 private:
  struct Split {
    Part part;
    PictureTree tree;
    std::vector<uint32_t> checksums;  // of the content of each file; 0 if it was not read
  };
  void list();
  void match_classes();
  void require_pictures();
  void read_headers(Split& split);
  Shape choose_shape();
  void decode_once(Split& split);
  void drop_bad(Split& split, const Faults& why);
  void refuse_bad() const;
  void note_layout(const SplitFolders& found);
  void note_others();
  uint64_t fingerprint_of(const Split& split) const;

  std::string folder_;
  const FolderOptions& options_;
  std::vector<Split> splits_;  // train first
  Info info_;
  Source source_;
  std::vector<std::string> bad_;  // files that cannot be read
  Fault first_bad_{};             // the fault of the first of them
  int64_t pictures_ = 0;          // in all splits, including bad ones
};

void Opening::list() {
  std::error_code error;
  const fs::file_status status = fs::status(folder_, error);
  if (!fs::exists(status))
    throw IoError({.argument = folder_,
                   .given = "no such folder",
                   .remedy = "Give a folder with one sub-folder of pictures per class."});
  if (!fs::is_directory(status))
    throw IoError({.argument = folder_,
                   .given = "a file",
                   .expected = "a folder with one sub-folder of pictures per class"});
  const SplitFolders found = split_folders(folder_, options_.splits);
  if (found.train.empty()) {
    for (PartTree& p : by_part(list_pictures(folder_), options_.splits))
      splits_.push_back({p.part, std::move(p.tree), {}});
  } else {
    auto add = [&](Part part, const std::string& root) {
      if (!root.empty()) splits_.push_back({part, list_pictures(root), {}});
    };
    add(Part::train, found.train);
    add(Part::val, found.val);
    add(Part::test, found.test);
  }
  for (const Split& split : splits_) pictures_ += static_cast<int64_t>(split.tree.files.size());
  note_layout(found);
}

void Opening::note_layout(const SplitFolders& found) {
  std::string names;
  for (const std::string& name : found.unused) names += (names.empty() ? "" : ", ") + name;
  if (!names.empty())
    source_.notes.push_back(str("not used: ", names, ", which hold pictures beside ",
                                fs::path(found.train).filename().string(),
                                " but no class folders of a part"));
  names.clear();
  for (size_t i = 0; i < found.part_like.size(); ++i)
    names += str(i == 0                           ? ""
                 : i + 1 < found.part_like.size() ? ", "
                                                  : " and ",
                 "'", found.part_like[i], "'");
  if (!names.empty())
    source_.notes.push_back(str(names,
                                " hold pictures and no class folders: they are taken for classes. "
                                "Parts need a folder per class; "
                                "?splits=no says that these are classes"));
  // relative to the folder of the class or of the split
  const size_t depth = found.train.empty() && splits_.size() > 1 ? 2 : 1;
  for (const Split& split : splits_)
    for (const PictureFile& f : split.tree.files)
      if (static_cast<size_t>(std::count(f.name.begin(), f.name.end(), '/')) > depth) {
        source_.notes.push_back(
            str("pictures in folders below a class belong to the class, such as ", split.tree.root,
                "/", f.name));
        return;
      }
}

/// "3 .heic, 1 .txt".
std::string counted(const std::map<std::string, int64_t>& others) {
  std::string out;
  for (const auto& [ending, count] : others)
    out += str(out.empty() ? "" : ", ", count, " ", ending.empty() ? "without ending" : ending);
  return out;
}
bool any_picture_in(const std::map<std::string, int64_t>& others) {
  return std::any_of(others.begin(), others.end(),
                     [](const auto& o) { return has_other_picture_name("x" + o.first); });
}

/// A label is an index into the training classes, or into the classes of a given model.
void Opening::match_classes() {
  info_.class_names =
      options_.class_names.empty() ? splits_.front().tree.classes : options_.class_names;
  info_.classes = static_cast<int>(info_.class_names.size());
  for (Split& split : splits_) {
    std::vector<int32_t> label;
    for (const std::string& name : split.tree.classes) {
      const auto at = std::find(info_.class_names.begin(), info_.class_names.end(), name);
      if (at == info_.class_names.end()) {
        throw IoError(
            {.argument = str(split.tree.root, "/", name),
             .given = str("the class '", name, "'"),
             .expected = str("one of the ", info_.class_names.size(), " classes of training"),
             .remedy = str(suggestion(name, info_.class_names, "Did you mean '", "'? "),
                           "Rename the folder, or take it away.")});
      }
      label.push_back(static_cast<int32_t>(at - info_.class_names.begin()));
    }
    for (PictureFile& f : split.tree.files) f.label = label[static_cast<size_t>(f.label)];
  }
}

void Opening::require_pictures() {
  const PictureTree& train = splits_.front().tree;
  const std::string wanted = "pictures (.jpg, .jpeg, .png, .webp)";
  const std::string others =
      any_picture_in(train.others)
          ? str("Others are not read (", counted(train.others), "): convert them.")
          : "";
  if (train.classes.empty())
    throw IoError({.argument = train.root,
                   .given = "no class folders",
                   .remedy = str("Make one sub-folder of ", wanted, " per class.")});
  if (!options_.class_names.empty()) {
    if (train.files.empty())
      throw IoError({.argument = train.root, .given = "no " + wanted, .remedy = others});
    return;
  }
  std::vector<int64_t> count(train.classes.size());
  for (const PictureFile& f : train.files) ++count[static_cast<size_t>(f.label)];
  for (size_t c = 0; c < count.size(); ++c)
    if (count[c] == 0)
      throw IoError({.argument = str(train.root, "/", train.classes[c]),
                     .given = str("no ", wanted, bad_.empty() ? "" : " that can be read",
                                  " in this class folder"),
                     .remedy = str("Put some there, or remove the folder.",
                                   others.empty() ? "" : " ", others)});
  if (train.classes.size() > 1) return;
  const std::string only = train.root + "/" + train.classes[0];
  const bool wraps = std::any_of(train.files.begin(), train.files.end(), [](const PictureFile& f) {
    return std::count(f.name.begin(), f.name.end(), '/') > 1;
  });
  throw IoError({.argument = train.root,
                 .given = str("one class only, '", train.classes[0], "'"),
                 .expected = "at least two to tell apart",
                 .remedy = wraps ? str("Perhaps ", only, " is meant. Give that folder.")
                                 : "Add a sub-folder."});
}

/// Drops files that cannot be read. Without skip_bad, refuse_bad() throws later and names all of
/// them at once.
void Opening::drop_bad(Split& split, const Faults& why) {
  std::vector<PictureFile>& files = split.tree.files;
  const auto first =
      std::find_if(why.begin(), why.end(), [](const auto& w) { return w.has_value(); });
  if (first == why.end()) return;
  if (bad_.empty()) first_bad_ = **first;
  size_t kept = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    if (why[i]) {
      bad_.push_back(split.tree.root + "/" + files[i].name);
      continue;
    }
    if (!split.checksums.empty()) split.checksums[kept] = split.checksums[i];
    if (kept != i) files[kept] = std::move(files[i]);
    ++kept;
  }
  files.resize(kept);
  if (!split.checksums.empty()) split.checksums.resize(kept);
}

void Opening::refuse_bad() const {
  if (options_.skip_bad || bad_.empty()) return;
  constexpr size_t kMaxNamed = 10;
  std::string others;
  for (size_t i = 1; i < bad_.size() && i < kMaxNamed; ++i) others += (i > 1 ? ", " : "") + bad_[i];
  if (bad_.size() > kMaxNamed) others += ", …";
  Fault fault = first_bad_;
  if (bad_.size() > 1)
    fault = with_advice(std::move(fault), str(bad_.size(), " of ", pictures_,
                                              " pictures are bad, also ", others, "."));
  throw IoError(may_be_skipped(std::move(fault)));
}

void Opening::note_others() {
  std::map<std::string, int64_t> others;
  int64_t count = 0;
  for (const Split& split : splits_)
    for (const auto& [ending, n] : split.tree.others) {
      others[ending] += n;
      count += n;
    }
  if (count == 0) return;
  source_.notes.push_back(
      str(count, " file(s) that are no .jpg, .jpeg, .png or .webp were left out: ", counted(others),
          any_picture_in(others) ? "; convert such pictures to JPEG or PNG to use them" : ""));
}

void Opening::read_headers(Split& split) {
  std::vector<PictureFile>& files = split.tree.files;
  Faults why(files.size());
  Counted counted("looking at pictures", static_cast<int64_t>(files.size()));
  read_ranges(static_cast<int64_t>(files.size()), 8, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const std::string path = split.tree.root + "/" + files[i].name;
      try {
        const PictureHeader header = read_picture_header(path);
        files[i].height = static_cast<int32_t>(header.height);

        files[i].width = static_cast<int32_t>(header.width);
        files[i].gray = header.gray;
        files[i].bytes = fs::file_size(path);
      } catch (const IoError& e) { why[i] = e.fault(); }
      counted.one_more();
    }
  });
  drop_bad(split, why);
}

/// The given size. By default, small pictures of one common size keep it. Others become 96 × 96, or
/// less if most are smaller.
Shape Opening::choose_shape() {
  if (options_.input_shape.rank() == 3) return options_.input_shape;
  const std::vector<PictureFile>& files = splits_.front().tree.files;
  const bool gray =
      std::all_of(files.begin(), files.end(), [](const PictureFile& f) { return f.gray; });
  const int64_t channels = gray ? 1 : 3;
  if (options_.height > 0) return {channels, options_.height, options_.width};
  const PictureFile& first = files.front();
  const bool one_size = std::all_of(files.begin(), files.end(), [&](const PictureFile& f) {
    return f.height == first.height && f.width == first.width;
  });
  if (one_size && std::max(first.height, first.width) <= kMaxOwnSide)
    return {channels, first.height, first.width};
  std::vector<int32_t> sides;
  for (const PictureFile& f : files) sides.push_back(std::min(f.height, f.width));
  std::nth_element(sides.begin(), sides.begin() + static_cast<std::ptrdiff_t>(sides.size() / 2),
                   sides.end());
  const int64_t median = sides[sides.size() / 2],
                side = std::max<int64_t>(1, std::min(kUsualSide, median));
  source_.notes.push_back(
      str("pictures are scaled to ", side, "×", side, "; say ?size=N for another size"));
  return {channels, side, side};
}

/// Decodes the samples as training does: all with skip_bad, otherwise at most kMaxChecked of them,
/// evenly spread.
void Opening::decode_once(Split& split) {
  std::vector<PictureFile>& files = split.tree.files;
  const auto count = static_cast<int64_t>(files.size());
  const int64_t checked = options_.skip_bad ? count : std::min(count, kMaxChecked);
  Faults why(files.size());
  split.checksums.assign(files.size(), 0);
  ByteStatistics all(info_.input_shape);
  std::mutex mutex;
  Counted counted("decoding pictures once", checked);
  read_ranges(checked, 1, [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> x(static_cast<size_t>(info_.input_shape.numel()));
    ByteStatistics statistics(info_.input_shape);
    for (int64_t k = begin; k < end; ++k) {
      const auto i = static_cast<size_t>(k * count / checked);
      const PictureFile& f = files[i];
      const std::string path = split.tree.root + "/" + f.name;
      try {
        const std::string bytes = read_picture_file(path);
        split.checksums[i] = static_cast<uint32_t>(
            crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
        decode_box(path, bytes, f.height, f.width,
                   center_box(f.height, f.width, info_.input_shape[1], info_.input_shape[2]),
                   info_.input_shape, x.data());
        statistics.add(x.data());
      } catch (const IoError& e) { why[i] = e.fault(); }
      counted.one_more();
    }
    std::lock_guard lock(mutex);
    all.add(statistics);
  });
  if (&split == &splits_.front()) all.write_to(info_);
  if (&split == &splits_.front() && checked < count)
    source_.notes.push_back(
        str("mean and deviation are those of ", checked, " of ", count,
            " pictures, evenly spread; only these were decoded before training"));
  drop_bad(split, why);
}

uint64_t Opening::fingerprint_of(const Split& split) const {
  uint64_t hash = fingerprint(0, info_.input_shape.begin(),
                              sizeof(int64_t) * static_cast<size_t>(info_.input_shape.rank()));
  for (const std::string& name : info_.class_names)
    hash = fingerprint(hash, name.data(), name.size());
  for (size_t i = 0; i < split.tree.files.size(); ++i) {
    const PictureFile& f = split.tree.files[i];
    const uint64_t numbers[] = {f.bytes, static_cast<uint64_t>(f.label), split.checksums[i]};
    hash = fingerprint(fingerprint(hash, f.name.data(), f.name.size()), numbers, sizeof numbers);
  }
  return hash;
}

Source Opening::open() {
  list();
  require_pictures();
  match_classes();
  for (Split& split : splits_) read_headers(split);
  if (splits_.front().tree.files.empty()) refuse_bad();
  if (options_.skip_bad) require_pictures();
  info_.kind = "folder";
  info_.input_shape = choose_shape();
  const int64_t height = info_.input_shape[1], width = info_.input_shape[2];
  info_.source = str("folder:", folder_, "?size=", height, height == width ? "" : str("x", width),
                     options_.skip_bad ? "&skip_bad=1" : "",
                     !options_.splits   ? ""
                     : *options_.splits ? "&splits=yes"
                                        : "&splits=no");
  for (Split& split : splits_) decode_once(split);
  refuse_bad();
  require_pictures();

  note_others();
  for (Split& split : splits_) {
    info_.fingerprint = fingerprint_of(split);
    for (const PictureFile& f : split.tree.files)
      if (&split == &splits_.front()) source_.strata.push_back(f.label);
    if (split.tree.files.empty()) continue;
    auto set = std::make_shared<FolderSet>(info_, split.tree.root, std::move(split.tree.files));
    (split.part == Part::train ? source_.train
     : split.part == Part::val ? source_.val
                               : source_.test) = set;
  }
  if (!bad_.empty()) {
    std::string names;
    for (size_t i = 0; i < bad_.size() && i < 3; ++i) names += (i > 0 ? ", " : "") + bad_[i];
    source_.notes.push_back(
        str(bad_.size(), " bad picture(s) left out: ", names, bad_.size() > 3 ? ", …" : ""));
  }
  return std::move(source_);
}

}  // namespace

Source open_folder(const std::string& folder, const FolderOptions& options) {
  return Opening(folder, options).open();
}

bool looks_like_picture_folder(const std::string& folder) {
  std::error_code error;
  return fs::is_directory(folder, error) && holds_pictures(folder);
}

}  // namespace suanli::data
