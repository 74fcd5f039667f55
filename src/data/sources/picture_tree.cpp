// SPDX-License-Identifier: Apache-2.0
#include "data/sources/picture_tree.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "base/files/file.h"
#include "base/text/text.h"
#include "base/text/utf8.h"

namespace suanli::data {
namespace {

namespace fs = std::filesystem;

struct Entry {
  std::string name;
  bool folder = false, linked = false, regular = false;
};

std::vector<Entry> entries_of(const std::string& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    Entry e{.name = at->path().filename().string()};
    // the latter is what macOS adds to archives beside hidden files
    if (e.name[0] == '.' || e.name == "__MACOSX") continue;
    // a link to nowhere has no status; it counts as a file, and reading it says what is wrong
    std::error_code ignored;
    const fs::file_status status = at->status(ignored);
    e.folder = fs::is_directory(status);
    e.linked = at->is_symlink(ignored);
    e.regular = fs::is_regular_file(status) || !fs::exists(status);
    entries.push_back(std::move(e));
  }
  if (error) throw IoError(fault_of_errno(folder, "cannot be listed", error.value()));
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string ending_of(const std::string& name) {
  return lower(fs::path(name).extension().string());
}

/// Names of the folders in `folder` that hold pictures.
std::vector<std::string> class_folders_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const Entry& e : entries_of(folder))
    if (e.folder && holds_pictures(folder + "/" + e.name)) names.push_back(e.name);
  return names;
}

/// The part that a name means, numbered or not: test1, as published sets have it, is called like a
/// test part.
Part part_meant(std::string name) {
  while (!name.empty() && (std::isdigit(static_cast<unsigned char>(name.back())) ||
                           name.back() == '_' || name.back() == '-'))
    name.pop_back();
  return part_named(name);
}

std::string quoted_list(const std::vector<std::string>& names, size_t most) {
  std::string out;
  for (size_t i = 0; i < names.size() && i < most; ++i)
    out += str(i > 0 ? ", '" : "'", names[i], "'");
  return names.size() > most ? out + ", …" : out;
}

/// Pictures below `root`/`name`, as names below `root`; other files are counted.
class Walk {
 public:
  explicit Walk(std::string root) : root_(std::move(root)) {}

  void folder(const std::string& name) {
    for (const Entry& e : entries_of(root_ + "/" + name)) {
      const std::string below = name + "/" + e.name;
      if (e.folder) {
        if (e.linked) require_no_loop(name, below);
        folder(below);
      } else if (e.regular && has_picture_name(e.name)) {
        pictures.push_back(below);
      } else {
        ++others[ending_of(e.name)];
      }
    }
  }

  std::vector<std::string> pictures;
  std::map<std::string, int64_t> others;

 private:
  void require_no_loop(const std::string& folder, const std::string& link) const {
    const fs::path here = fs::canonical(root_ + "/" + folder),
                   target = fs::canonical(root_ + "/" + link);
    if (std::mismatch(target.begin(), target.end(), here.begin(), here.end()).first == target.end())
      throw IoError({.argument = str(root_, "/", link),
                     .given = str("a link back to ", target.string(), ", a folder above it"),
                     .remedy = "Remove the link."});
  }

  std::string root_;
};

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

bool has_picture_name(const std::string& name) {
  const std::string ending = ending_of(name);
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png" || ending == ".webp";
}

bool has_other_picture_name(const std::string& name) {
  const std::string ending = ending_of(name);
  for (const char* other : {".heic", ".heif", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".jxl",
                            ".jp2", ".svg", ".ico", ".dng", ".raw", ".cr2", ".nef"})
    if (ending == other) return true;
  return false;
}

bool holds_pictures(const std::string& folder) {
  std::error_code error;
  for (fs::recursive_directory_iterator
           at(folder, fs::directory_options::skip_permission_denied, error),
       end;
       !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    std::error_code ignored;
    if (name.starts_with('.') || name == "__MACOSX") at.disable_recursion_pending();
    else if (has_picture_name(name) && !at->is_directory(ignored)) return true;
    else if (at->is_symlink(ignored) && at->is_directory(ignored))
      return true;  // listing it says what is there
  }
  return false;
}

Part part_named(const std::string& name) {
  std::string word = lower(name);
  for (const char* ending : {"_set", "-set", " set", "set"})
    if (word.ends_with(ending)) {
      word.resize(word.size() - std::string(ending).size());
      break;
    }
  auto is_one_of = [&](std::initializer_list<const char*> names) {
    return std::find(names.begin(), names.end(), word) != names.end();
  };
  if (is_one_of({"train", "training", "trn"})) return Part::train;
  if (is_one_of({"val", "valid", "validation", "validate", "dev", "eval", "evaluation"}))
    return Part::val;
  if (is_one_of({"test", "testing", "tst"})) return Part::test;
  return Part::none;
}

SplitFolders split_folders(const std::string& folder, std::optional<bool> splits) {
  SplitFolders found;
  if (splits == false) return found;
  std::vector<std::string> parts, part_like;
  std::set<Part> meant;
  for (const Entry& e : entries_of(folder)) {
    const std::string path = (fs::path(folder) / e.name).string();
    if (e.folder && part_meant(e.name) != Part::none && holds_pictures(path) &&
        class_folders_in(path).empty()) {
      meant.insert(part_meant(e.name));
      part_like.push_back(e.name);
    }
    const Part part = e.folder ? part_named(e.name) : Part::none;
    if (part == Part::none || (splits != true && class_folders_in(path).empty())) {
      if (e.folder && holds_pictures(path)) found.unused.push_back(e.name);
      continue;
    }
    std::string& place = part == Part::train ? found.train
                         : part == Part::val ? found.val
                                             : found.test;
    if (!place.empty())
      throw IoError({.argument = folder,
                     .given = str("'", fs::path(place).filename().string(), "' and '", e.name,
                                  "' both look like one part of the data"),
                     .remedy = "Rename one, or say ?splits=no if they are classes."});
    place = path;
    parts.push_back(e.name);
  }
  if (found.train.empty() && splits == true)
    throw IoError({.argument = folder,
                   .given = "no folder called train",
                   .remedy = "Rename the one with the training pictures."});
  if (found.train.empty()) {
    SplitFolders classes;
    if (meant.size() > 1) classes.part_like = std::move(part_like);
    return classes;
  }
  const bool classes_beside =
      std::any_of(found.unused.begin(), found.unused.end(),
                  [](const std::string& name) { return part_named(name) == Part::none; });
  if (splits != true && parts.size() == 1 && classes_beside)
    throw IoError({.argument = folder,
                   .given = str("'", parts.front(), "' looks like a training part, but ",
                                quoted_list(found.unused, 3), " beside it hold pictures too"),
                   .remedy = str("Say ?splits=no if all of them are classes, or ?splits=yes if "
                                 "only '",
                                 parts.front(), "' is to be used.")});
  return found;
}

std::vector<PartTree> by_part(PictureTree tree, std::optional<bool> splits) {
  std::vector<PartTree> whole;
  // names of the folders in class folders, and in which classes they are
  std::map<std::string, std::vector<int32_t>> below;
  // some pictures lie in the class folder itself
  bool loose = false;
  auto folder_of = [](const PictureFile& f) {
    const size_t first = f.name.find('/'), second = f.name.find('/', first + 1);
    return second == std::string::npos ? std::string()
                                       : f.name.substr(first + 1, second - first - 1);
  };
  for (const PictureFile& f : tree.files) {
    const std::string name = folder_of(f);
    loose = loose || name.empty();
    std::vector<int32_t>& classes = below[name];
    if (classes.empty() || classes.back() != f.label) classes.push_back(f.label);
  }
  bool all_parts = true, has_train = false;
  size_t shared = 0;
  std::vector<std::string> names;
  for (const auto& [name, classes] : below) {
    all_parts = all_parts && part_named(name) != Part::none;
    has_train = has_train || part_named(name) == Part::train;
    shared += classes.size() > 1;
    names.push_back(name);
  }
  const bool parts = !loose && all_parts && has_train && below.size() > 1;
  if (splits != false && !loose && !parts && shared > 1)
    throw IoError({.argument = tree.root,
                   .given = str(quoted_list(tree.classes, 4), " all hold folders called ",
                                quoted_list(names, 4)),
                   .remedy = "If these are the classes, call the folders above them train, val "
                             "and test. If not, say ?splits=no."});
  if (splits == false || !parts) {
    whole.push_back({Part::train, std::move(tree)});
    return whole;
  }
  for (Part part : {Part::train, Part::val, Part::test}) {
    PictureTree one{.root = tree.root, .classes = tree.classes, .files = {}, .others = {}};
    for (const PictureFile& f : tree.files)
      if (part_named(folder_of(f)) == part) one.files.push_back(f);
    if (!one.files.empty()) whole.push_back({part, std::move(one)});
  }
  whole.front().tree.others = std::move(tree.others);
  return whole;
}

std::vector<std::string> pictures_below(const std::string& folder) {
  const fs::path path = without_slash(folder);
  Walk walk(path.has_parent_path() ? path.parent_path().string() : ".");
  walk.folder(path.filename().string());
  if (path.has_parent_path())
    for (std::string& name : walk.pictures) name = (path.parent_path() / name).string();
  std::sort(walk.pictures.begin(), walk.pictures.end());
  return std::move(walk.pictures);
}

PictureTree list_pictures(const std::string& root) {
  PictureTree tree{.root = without_slash(root), .classes = {}, .files = {}, .others = {}};
  std::string loose;
  for (const Entry& e : entries_of(tree.root)) {
    if (!e.folder) {
      if (!has_picture_name(e.name)) ++tree.others[ending_of(e.name)];
      if (loose.empty() && has_picture_name(e.name)) loose = e.name;
      continue;
    }
    if (!is_utf8(e.name))
      throw IoError({.argument = str(tree.root, "/", e.name),
                     .given = "a name that is no UTF-8",
                     .remedy = "Rename the folder."});
    Walk walk(tree.root);
    walk.folder(e.name);
    for (std::string& name : walk.pictures)
      tree.files.push_back(
          {.name = std::move(name), .label = static_cast<int32_t>(tree.classes.size())});
    for (const auto& [ending, count] : walk.others) tree.others[ending] += count;
    tree.classes.push_back(e.name);
  }
  if (!loose.empty())
    throw IoError({.argument = str(tree.root, "/", loose),
                   .given = "a picture beside the class folders",
                   .remedy = str("Put each picture into the folder of its class, ", tree.root,
                                 "/CLASS/", loose, ".")});
  return tree;
}

}  // namespace suanli::data
