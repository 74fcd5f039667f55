// SPDX-License-Identifier: Apache-2.0
// MNIST, Fashion-MNIST: four IDX files in a folder.
#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "base/files/byte_source.h"
#include "base/text/text.h"
#include "data/formats/idx.h"
#include "data/sources/sources.h"

namespace suanli::data {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string join(const std::vector<std::string>& words, size_t most) {
  std::string out;
  for (size_t i = 0; i < words.size() && i < most; ++i) out += (i > 0 ? ", " : "") + words[i];
  if (words.size() > most) out += str(", … (", words.size(), " in all)");
  return out;
}

/// Returns the usual spellings of the file that the authors call `name`.
std::vector<std::string> spellings_of(const std::string& name) {
  std::string dotted = name;  // train-images-idx3-ubyte → train-images.idx3-ubyte
  dotted[name.find("-idx")] = '.';
  return {name, name + ".gz", name + ".xz", dotted, dotted + ".gz", dotted + ".xz"};
}

std::string give_the_folder(const std::string& kind) {
  return str("Give the folder that holds the four files of ", kind, ".");
}

/// The path of the file that the authors call `name`.
std::string find_file(const std::string& kind, const std::string& folder, const std::string& name) {
  const std::vector<std::string> spellings = spellings_of(name);
  for (const std::string& candidate : spellings) {
    const std::string path = (fs::path(folder) / candidate).string();
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (fs::is_directory(status))
      throw IoError({.argument = path,
                     .given = "a folder",
                     .expected = str("the file ", name),
                     .remedy = "Some unpackers make a folder around the file. Move the file up."});
    if (fs::exists(status)) return path;
  }
  std::string remedy = give_the_folder(kind);
  for (const char* below : {"MNIST/raw", "FashionMNIST/raw", "raw"})  // where torchvision puts them
    if (std::error_code error; fs::exists(fs::path(folder) / below, error))
      remedy =
          str("Perhaps it lies in ", (fs::path(folder) / below).string(), ". Give that folder.");
  const std::vector<std::string> names = names_in(folder);
  throw IoError({.argument = folder,
                 .given = names.empty() ? "an empty folder" : "only " + join(names, 12),
                 .expected = "one of " + join(spellings, spellings.size()),
                 .remedy = remedy});
}

constexpr const char* kSwapped = "Its name or content was swapped. Get the file again.";
constexpr const char* kNotTogether =
    "The two files do not belong together. Get both from one place.";
constexpr const char* kGetOriginal = "Get the original file.";

std::string describe(const IdxArray& array) { return str(Shape(array.sizes), " ", array.dtype); }

IdxArray read_images(const std::string& path) {
  IdxArray images = read_idx(path);
  if (images.sizes.size() == 1)
    throw IoError({.argument = path + ": byte 3",
                   .given = str("labels, ", describe(images)),
                   .expected = "images",
                   .remedy = kSwapped});
  if (images.sizes.size() != 3 || images.dtype != DType::u8)
    throw IoError({.argument = path + ": byte 2",
                   .given = describe(images),
                   .expected = "images, [N, height, width] u8",
                   .remedy = kGetOriginal});
  if (std::find(images.sizes.begin(), images.sizes.end(), 0) != images.sizes.end())
    throw IoError({.argument = path + ": byte 4",
                   .given = str("no pixels, ", Shape(images.sizes)),
                   .expected = "images",
                   .remedy = kGetOriginal});
  return images;
}

std::vector<int32_t> read_labels(const std::string& path, const IdxArray& images,
                                 const std::string& images_path, int classes) {
  IdxArray labels = read_idx(path);
  if (labels.sizes.size() == 3)
    throw IoError({.argument = path + ": byte 3",
                   .given = str("images, ", describe(labels)),
                   .expected = "labels",
                   .remedy = kSwapped});
  if (labels.sizes.size() != 1 || labels.dtype != DType::u8)
    throw IoError({.argument = path + ": byte 2",
                   .given = describe(labels),
                   .expected = "labels, [N] u8",
                   .remedy = kGetOriginal});
  if (labels.sizes[0] != images.sizes[0])
    throw IoError({.argument = path + ": byte 4",
                   .given = str(labels.sizes[0], " labels"),
                   .expected = str(images.sizes[0], ", as ", images_path, " has images"),
                   .remedy = kNotTogether});
  for (size_t i = 0; i < labels.bytes.size(); ++i)
    if (labels.bytes[i] >= classes)
      throw IoError(
          {.argument = str(path, ": byte ", labels.header_bytes() + static_cast<int64_t>(i)),
           .given = str("label ", int{labels.bytes[i]}, " at index ", i),
           .expected = str("0 to ", classes - 1),
           .remedy = str("The file is damaged or of another data set (more than ", classes,
                         " classes?).")});
  return {labels.bytes.begin(), labels.bytes.end()};
}

}  // namespace

bool looks_like_mnist(const std::string& folder) {
  const std::vector<std::string> spellings = spellings_of("train-images-idx3-ubyte");
  std::error_code error;
  return std::any_of(spellings.begin(), spellings.end(), [&](const std::string& name) {
    return fs::exists(fs::path(folder) / name, error);
  });
}

IdxSet idx_set_in(const std::string& folder) {
  constexpr size_t kHeader = 8, kLabels = 10;
  constexpr std::array<uint8_t, kLabels> kMnist = {5, 0, 4, 1, 9, 2, 1, 3, 1, 4},
                                         kFashion = {9, 0, 0, 3, 0, 2, 7, 2, 5, 5};
  std::error_code error;
  for (const std::string& name : spellings_of("train-labels-idx1-ubyte")) {
    const std::string path = (fs::path(folder) / name).string();
    if (!fs::is_regular_file(path, error)) continue;
    std::array<uint8_t, kHeader + kLabels> start{};
    try {
      if (ByteSource(path).read(start.data(), start.size()) < start.size()) return IdxSet::unknown;
    } catch (const IoError&) { return IdxSet::unknown; }  // said when the file is read
    if (std::equal(kMnist.begin(), kMnist.end(), start.begin() + kHeader)) return IdxSet::mnist;
    if (std::equal(kFashion.begin(), kFashion.end(), start.begin() + kHeader))
      return IdxSet::fashion_mnist;
    return IdxSet::unknown;
  }
  return IdxSet::unknown;
}

Source open_mnist(const std::string& kind, const std::string& folder,
                  const std::vector<std::string>& class_names) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status))
    throw IoError({.argument = folder, .given = "no such folder", .remedy = give_the_folder(kind)});
  if (!fs::is_directory(status))
    throw IoError({.argument = folder,
                   .given = "a file",
                   .expected = "a folder",
                   .remedy = give_the_folder(kind)});

  // All four are looked for before any is read: a missing one is said at once.
  const std::string train_images = find_file(kind, folder, "train-images-idx3-ubyte"),
                    train_labels = find_file(kind, folder, "train-labels-idx1-ubyte");
  const std::string test_images = find_file(kind, folder, "t10k-images-idx3-ubyte"),
                    test_labels = find_file(kind, folder, "t10k-labels-idx1-ubyte");

  Info info{.kind = kind,
            .source = str(kind, ":", folder),
            .input_shape = {},
            .classes = static_cast<int>(class_names.size()),
            .class_names = class_names};
  IdxArray train = read_images(train_images);
  info.input_shape = Shape{1, train.sizes[1], train.sizes[2]};
  set_statistics(info, train.bytes);
  std::vector<int32_t> labels = read_labels(train_labels, train, train_images, info.classes);
  Source source;
  source.train = std::make_shared<PixelSet>(info, std::move(train.bytes), std::move(labels));

  IdxArray test = read_images(test_images);
  if (test.sizes[1] != train.sizes[1] || test.sizes[2] != train.sizes[2])
    throw IoError(
        {.argument = test_images + ": byte 8",
         .given = str(test.sizes[1], "×", test.sizes[2], " images"),
         .expected = str(train.sizes[1], "×", train.sizes[2], ", as those of ", train_images),
         .remedy = kNotTogether});
  labels = read_labels(test_labels, test, test_images, info.classes);
  source.test = std::make_shared<PixelSet>(info, std::move(test.bytes), std::move(labels));
  if (kind == "mnist" && idx_set_in(folder) == IdxSet::fashion_mnist)
    source.notes.push_back(str("the labels are those of Fashion-MNIST; write fashion-mnist:",
                               folder, " to have its classes named"));
  return source;
}

}  // namespace suanli::data
