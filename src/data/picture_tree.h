// Which pictures lie in a folder with one sub-folder per class. Looks at names only.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "suanli/export.h"

namespace suanli::data {

struct PictureFile {
  std::string name;  ///< Below the root.
  int32_t label = 0;
  int32_t height = 0, width = 0;  ///< From its header, once that was read.
  bool grey = false;
  uint64_t bytes = 0;
};

/// One split: a folder whose sub-folders are the classes.
struct PictureTree {
  std::string root;
  std::vector<std::string> classes;  ///< Sorted by bytes.
  std::vector<PictureFile> files;    ///< By class, then by name; at any depth below the class.
  int64_t others = 0;                ///< Files that are no pictures by their names.
};

/// Whether a file's name ends like a picture that is read here: .jpg, .jpeg, .png, .webp, in either case.
bool has_picture_name(const std::string& name);

/// The folders train, val (or valid, validation) and test in `folder`, "" for one that is missing; all "" if there is no train.
struct SplitFolders {
  std::string train, val, test;
};
SplitFolders split_folders(const std::string& folder);

/// Paths of all pictures at any depth below `folder`, sorted. Throws as list_pictures().
SUANLI_API std::vector<std::string> pictures_below(const std::string& folder);

/// Hidden files and folders are left out. Throws InputError for a folder that cannot be read, for links that lead back to a folder
/// above them, for pictures beside the class folders instead of in them, and for names that are no UTF-8.
PictureTree list_pictures(const std::string& root);

}  // namespace suanli::data
