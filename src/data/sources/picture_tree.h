// SPDX-License-Identifier: Apache-2.0
// The pictures in a folder with one sub-folder per class. Looks at names only.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "suanli/export.h"

namespace suanli::data {

struct PictureFile {
  std::string name;  ///< Below the root.
  int32_t label = 0;
  int32_t height = 0, width = 0;  ///< From its header, once that was read.
  bool gray = false;
  uint64_t bytes = 0;
};

/// One split: a folder whose sub-folders are the classes.
struct PictureTree {
  std::string root;
  std::vector<std::string> classes;  ///< Sorted by bytes.
  std::vector<PictureFile> files;    ///< By class, then by name; at any depth below the class.
  /// Files that are no pictures by their names: how many have which ending.
  std::map<std::string, int64_t> others;
};

/// True if a file's name ends like a picture that is read here: .jpg, .jpeg, .png, .webp, in either
/// case.
bool has_picture_name(const std::string& name);

/// True for the name of a picture in a format that is not read, such as .heic.
bool has_other_picture_name(const std::string& name);
/// True if pictures lie in `folder`, at any depth.
bool holds_pictures(const std::string& folder);

/// The parts of a data set that have a folder each.
enum class Part : uint8_t { none, train, val, test };
/// The part that a folder's name stands for: train, training, Train, training_set, …; val, valid,
/// validation, dev, eval, …; test, testing, …
Part part_named(const std::string& name);

/// The folders of the parts, "" for one that is missing; all "" if the sub-folders of `folder` are
/// classes.
struct SplitFolders {
  std::string train, val, test;
  std::vector<std::string> unused;  ///< Other folders with pictures.
  /// Where the sub-folders are classes: those that are called like different parts and hold
  /// pictures but no class folders.
  std::vector<std::string> part_like;
};
/// A folder is a part if it has such a name and pictures in sub-folders. `splits`: what the user
/// says. Throws IoError for two folders of one part, and where classes and parts cannot be told
/// apart.
SplitFolders split_folders(const std::string& folder, std::optional<bool> splits);

/// Paths of all pictures at any depth below `folder`, sorted. Throws as list_pictures().
SUANLI_API std::vector<std::string> pictures_below(const std::string& folder);

/// Hidden files and folders are left out. Throws IoError for a folder that cannot be read, for
/// links that lead back to a folder above them, for pictures beside the class folders instead of in
/// them, and for names that are no UTF-8.
PictureTree list_pictures(const std::string& root);

/// The trees of a folder whose class folders have a folder for each part: CLASS/train, CLASS/test;
/// just `tree` if it is none. Throws IoError where all class folders hold folders of equal names
/// that are no parts: these may be the classes. `splits`: what the user says.
struct PartTree {
  Part part;
  PictureTree tree;
};
std::vector<PartTree> by_part(PictureTree tree, std::optional<bool> splits);

}  // namespace suanli::data
