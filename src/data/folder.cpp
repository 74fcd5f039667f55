// Folders of pictures: list, look at every header, choose a shape, decode once to find what is damaged and how bright it is.
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <mutex>

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/philox.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "data/picture_tree.h"
#include "data/progress.h"
#include "data/resize.h"
#include "data/sources.h"

namespace suanli::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostChecked = 20'000;  // pictures that are decoded before anything begins
constexpr int64_t kUsualSide = 96;  // of samples from photographs: large enough for a small network, decoded in about a millisecond
constexpr int64_t kMostOwnSide = 128;  // pictures that are all of one size, this or smaller, are taken as they are

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
    } catch (const InputError& e) { throw InputError(str(e.what(), " Or leave such files out: --skip-bad.")); }
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

/// What goes on while a folder is opened.
class Opening {
 public:
  Opening(std::string folder, const FolderOptions& options) : folder_(std::move(folder)), options_(options) {}
  Source open();

 private:
  struct Split {
    const char* name;
    PictureTree tree;
    std::vector<uint32_t> checksums;  // of the files' content, 0 where it was not read
  };
  void list();
  void match_classes();
  void require_pictures();
  void read_headers(Split& split);
  Shape choose_shape();
  void decode_once(Split& split);
  void drop_bad(Split& split, std::vector<std::string>& why);
  uint64_t fingerprint_of(const Split& split) const;

  std::string folder_;
  const FolderOptions& options_;
  std::vector<Split> splits_;  // train first
  Info info_;
  Source source_;
  std::vector<std::string> bad_;  // names of what skip_bad left out
};

void Opening::list() {
  std::error_code error;
  const fs::file_status status = fs::status(folder_, error);
  if (!fs::exists(status)) throw InputError(str(folder_, ": no such folder. Give a folder with one sub-folder of pictures per class."));
  if (!fs::is_directory(status)) throw InputError(str(folder_, ": a file, where a folder with one sub-folder per class is expected."));
  auto add = [&](const char* name, const std::string& root) {
    splits_.push_back({.name = name, .tree = list_pictures(root), .checksums = {}});
  };
  const SplitFolders found = split_folders(folder_);
  if (found.train.empty()) return add("train", folder_);
  add("train", found.train);
  if (!found.val.empty()) add("val", found.val);
  if (!found.test.empty()) add("test", found.test);
}

/// Labels are places among the training classes, or among those of the model that the data are for.
void Opening::match_classes() {
  info_.class_names = options_.class_names.empty() ? splits_.front().tree.classes : options_.class_names;
  info_.classes = static_cast<int>(info_.class_names.size());
  for (Split& split : splits_) {
    std::vector<int32_t> label;
    for (const std::string& name : split.tree.classes) {
      const auto at = std::find(info_.class_names.begin(), info_.class_names.end(), name);
      if (at == info_.class_names.end()) {
        const std::string near = did_you_mean(name, info_.class_names);
        throw InputError(str(split.tree.root, "/", name, ": the class '", name, "' was not among those trained (", info_.class_names.size(),
                             " classes).", near.empty() ? "" : str(" Did you mean '", near, "'?"), " Rename the folder, or take it away."));
      }
      label.push_back(static_cast<int32_t>(at - info_.class_names.begin()));
    }
    for (PictureFile& f : split.tree.files) f.label = label[static_cast<size_t>(f.label)];
  }
}

void Opening::require_pictures() {
  const PictureTree& train = splits_.front().tree;
  const char* wanted = "(.jpg, .jpeg, .png, .webp)";
  if (train.classes.empty())
    throw InputError(str(train.root, ": no class folders in it. Make one sub-folder of pictures ", wanted, " per class."));
  if (!options_.class_names.empty()) {
    if (train.files.empty()) throw InputError(str(train.root, ": no pictures ", wanted, " in it."));
    return;
  }
  std::vector<int64_t> count(train.classes.size());
  for (const PictureFile& f : train.files) ++count[static_cast<size_t>(f.label)];
  for (size_t c = 0; c < count.size(); ++c)
    if (count[c] == 0)
      throw InputError(str(train.root, "/", train.classes[c], ": no pictures ", wanted,
                           bad_.empty() ? " in this class folder." : " that can be read are left in this class folder.",
                           " Put some there, or remove the folder."));
  if (train.classes.size() == 1)
    throw InputError(
        str(train.root, ": one class only, '", train.classes[0], "'; at least two are needed to tell apart. Add a sub-folder."));
}

/// Throws for the first of `why` that is not empty, or takes these files out.
void Opening::drop_bad(Split& split, std::vector<std::string>& why) {
  std::vector<PictureFile>& files = split.tree.files;
  int64_t count = 0;
  for (const std::string& w : why) count += !w.empty();
  if (count == 0) return;
  if (!options_.skip_bad) {
    const std::string& first = *std::find_if(why.begin(), why.end(), [](const std::string& w) { return !w.empty(); });
    throw InputError(str(first, count > 1 ? str(" At least ", count, " of ", files.size(), " pictures are bad.") : "",
                         " Or leave such files out: --skip-bad."));
  }
  size_t kept = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    if (!why[i].empty()) {
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

void Opening::read_headers(Split& split) {
  std::vector<PictureFile>& files = split.tree.files;
  std::vector<std::string> why(files.size());
  Counted counted("looking at pictures", static_cast<int64_t>(files.size()));
  parallel_chunks(static_cast<int64_t>(files.size()), 8, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const std::string path = split.tree.root + "/" + files[i].name;
      try {
        const PictureHeader header = read_picture_header(path);
        files[i].height = static_cast<int32_t>(header.height), files[i].width = static_cast<int32_t>(header.width);
        files[i].grey = header.grey;
        files[i].bytes = fs::file_size(path);
      } catch (const InputError& e) { why[i] = e.what(); }
      counted.one_more();
    }
  });
  drop_bad(split, why);
}

/// What was asked for; else small pictures of one size as they are; else 96 × 96, or less where most are smaller.
Shape Opening::choose_shape() {
  if (options_.input_shape.rank() == 3) return options_.input_shape;
  const std::vector<PictureFile>& files = splits_.front().tree.files;
  const bool grey = std::all_of(files.begin(), files.end(), [](const PictureFile& f) { return f.grey; });
  const int64_t channels = grey ? 1 : 3;
  if (options_.height > 0) return {channels, options_.height, options_.width};
  const PictureFile& first = files.front();
  const bool one_size =
      std::all_of(files.begin(), files.end(), [&](const PictureFile& f) { return f.height == first.height && f.width == first.width; });
  if (one_size && std::max(first.height, first.width) <= kMostOwnSide) return {channels, first.height, first.width};
  std::vector<int32_t> sides;
  for (const PictureFile& f : files) sides.push_back(std::min(f.height, f.width));
  std::nth_element(sides.begin(), sides.begin() + static_cast<std::ptrdiff_t>(sides.size() / 2), sides.end());
  const int64_t median = sides[sides.size() / 2], side = std::max<int64_t>(1, std::min(kUsualSide, median));
  source_.notes.push_back(str("pictures are scaled to ", side, "×", side, "; say ?size=N for another size"));
  return {channels, side, side};
}

/// Reads the samples as training will. Of more than kMostChecked an even part, unless skip_bad must find every bad one.
void Opening::decode_once(Split& split) {
  std::vector<PictureFile>& files = split.tree.files;
  const auto count = static_cast<int64_t>(files.size());
  const int64_t checked = options_.skip_bad ? count : std::min(count, kMostChecked);
  std::vector<std::string> why(files.size());
  split.checksums.assign(files.size(), 0);
  ByteStatistics all(info_.input_shape);
  std::mutex mutex;
  Counted counted("decoding pictures once", checked);
  parallel_chunks(checked, 1, [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> x(static_cast<size_t>(info_.input_shape.numel()));
    ByteStatistics statistics(info_.input_shape);
    for (int64_t k = begin; k < end; ++k) {
      const auto i = static_cast<size_t>(k * count / checked);
      const PictureFile& f = files[i];
      const std::string path = split.tree.root + "/" + f.name;
      try {
        const std::string bytes = read_picture_file(path);
        split.checksums[i] = static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
        decode_box(path, bytes, f.height, f.width, centre_box(f.height, f.width, info_.input_shape[1], info_.input_shape[2]),
                   info_.input_shape, x.data());
        statistics.add(x.data());
      } catch (const InputError& e) { why[i] = e.what(); }
      counted.one_more();
    }
    std::lock_guard lock(mutex);
    all.add(statistics);
  });
  if (&split == &splits_.front()) all.write_to(info_);
  if (&split == &splits_.front() && checked < count)
    source_.notes.push_back(str("mean and deviation are those of ", checked, " of ", count,
                                " pictures, evenly spread; only these were decoded before training"));
  drop_bad(split, why);
}

uint64_t Opening::fingerprint_of(const Split& split) const {
  uint64_t hash = fingerprint(0, info_.input_shape.begin(), sizeof(int64_t) * static_cast<size_t>(info_.input_shape.rank()));
  for (const std::string& name : info_.class_names) hash = fingerprint(hash, name.data(), name.size());
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
  require_pictures();
  info_.kind = "folder";
  info_.input_shape = choose_shape();
  const int64_t height = info_.input_shape[1], width = info_.input_shape[2];
  info_.source = str("folder:", folder_, "?size=", height, height == width ? "" : str("x", width), options_.skip_bad ? "&skip_bad=1" : "");
  for (Split& split : splits_) decode_once(split);
  require_pictures();

  int64_t others = 0;
  for (Split& split : splits_) {
    others += split.tree.others;
    info_.fingerprint = fingerprint_of(split);
    for (const PictureFile& f : split.tree.files)
      if (&split == &splits_.front()) source_.strata.push_back(f.label);
    if (split.tree.files.empty()) continue;
    auto set = std::make_shared<FolderSet>(info_, split.tree.root, std::move(split.tree.files));
    (split.name == std::string("train") ? source_.train : split.name == std::string("val") ? source_.val : source_.test) = set;
  }
  if (others > 0) source_.notes.push_back(str(others, " file(s) that are no .jpg, .jpeg, .png or .webp were left out"));
  if (!bad_.empty()) {
    std::string names;
    for (size_t i = 0; i < bad_.size() && i < 3; ++i) names += (i > 0 ? ", " : "") + bad_[i];
    source_.notes.push_back(str(bad_.size(), " bad picture(s) left out: ", names, bad_.size() > 3 ? ", …" : ""));
  }
  return std::move(source_);
}

}  // namespace

Source open_folder(const std::string& folder, const FolderOptions& options) { return Opening(folder, options).open(); }

bool looks_like_picture_folder(const std::string& folder) {
  const SplitFolders found = split_folders(folder);
  const fs::path root = found.train.empty() ? folder : found.train;
  std::error_code error;
  for (fs::recursive_directory_iterator at(root, fs::directory_options::skip_permission_denied, error), end; !error && at != end;
       at.increment(error))
    if (has_picture_name(at->path().filename().string())) return true;
  return false;
}

}  // namespace suanli::data
