#include "data/picture_tree.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"

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
    if (e.name[0] == '.' || e.name == "__MACOSX") continue;  // the latter is what macOS adds to archives beside hidden files
    std::error_code ignored;  // a link to nowhere has no status; it counts as a file, and reading it says what is wrong
    const fs::file_status status = at->status(ignored);
    e.folder = fs::is_directory(status);
    e.linked = at->is_symlink(ignored);
    e.regular = fs::is_regular_file(status) || !fs::exists(status);
    entries.push_back(std::move(e));
  }
  if (error) throw InputError(str(folder, ": cannot be listed: ", explain_errno(error.value())));
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

bool is_utf8(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    const auto lead = static_cast<unsigned char>(s[i]);
    const size_t more = lead < 0x80 ? 0 : lead < 0xC2 ? 4 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : lead < 0xF5 ? 3 : 4;
    if (more == 4 || i + more >= s.size()) return false;
    for (size_t k = 1; k <= more; ++k)
      if ((static_cast<unsigned char>(s[i + k]) & 0xC0) != 0x80) return false;
    i += more + 1;
  }
  return true;
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
        ++others;
      }
    }
  }

  std::vector<std::string> pictures;
  int64_t others = 0;

 private:
  void require_no_loop(const std::string& folder, const std::string& link) const {
    const fs::path here = fs::canonical(root_ + "/" + folder), target = fs::canonical(root_ + "/" + link);
    if (std::mismatch(target.begin(), target.end(), here.begin(), here.end()).first == target.end())
      throw InputError(str(root_, "/", link, ": a link back to ", target.string(), ", a folder above it. Remove the link."));
  }

  std::string root_;
};

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

bool has_picture_name(const std::string& name) {
  std::string ending = fs::path(name).extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png" || ending == ".webp";
}

SplitFolders split_folders(const std::string& folder) {
  auto first_of = [&](std::initializer_list<const char*> names) -> std::string {
    std::error_code error;
    for (const char* name : names)
      if (fs::is_directory(fs::path(folder) / name, error)) return (fs::path(folder) / name).string();
    return "";
  };
  SplitFolders found{.train = first_of({"train"}), .val = first_of({"val", "valid", "validation"}), .test = first_of({"test"})};
  return found.train.empty() ? SplitFolders{} : found;
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
  PictureTree tree{.root = without_slash(root), .classes = {}, .files = {}};
  std::string loose;
  for (const Entry& e : entries_of(tree.root)) {
    if (!e.folder) {
      ++tree.others;
      if (loose.empty() && has_picture_name(e.name)) loose = e.name;
      continue;
    }
    if (!is_utf8(e.name)) throw InputError(str(tree.root, ": the name of the folder '", e.name, "' is no UTF-8. Rename it."));
    Walk walk(tree.root);
    walk.folder(e.name);
    for (std::string& name : walk.pictures)
      tree.files.push_back({.name = std::move(name), .label = static_cast<int32_t>(tree.classes.size())});
    tree.others += walk.others;
    tree.classes.push_back(e.name);
  }
  if (!loose.empty())
    throw InputError(str(tree.root, "/", loose, ": a picture beside the class folders. Put each picture into the folder of its class, ",
                         tree.root, "/CLASS/", loose, "."));
  return tree;
}

}  // namespace suanli::data
