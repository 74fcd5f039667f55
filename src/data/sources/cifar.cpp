// SPDX-License-Identifier: Apache-2.0
// CIFAR-10 and CIFAR-100 in their binary version: records of one or two label bytes and 3 × 32 × 32
// pixels. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009);
// https://www.cs.toronto.edu/~kriz/cifar.html
#include <algorithm>
#include <filesystem>

#include "base/files/file.h"
#include "base/text/text.h"
#include "data/formats/tar.h"
#include "data/sources/reading_threads.h"
#include "data/sources/sources.h"

namespace suanli::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPixels = 3 * 32 * 32;

/// The differences between the two.
struct Layout {
  const char* kind;
  std::vector<std::string> files;  // training batches in order, then the test batch
  // the last of them is the class; CIFAR-100's first is one of 20 coarse classes
  size_t label_bytes;
  int classes;
  const char* names;  // a file with one class name per line
  std::vector<std::string> fallback_names;  // if that is missing
  const char *folder, *archive;  // as published
};

const Layout kCifar10 = {.kind = "cifar10",
                         .files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                   "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"},
                         .label_bytes = 1,
                         .classes = 10,
                         .names = "batches.meta.txt",
                         .fallback_names = {"airplane", "automobile", "bird", "cat", "deer", "dog",
                                            "frog", "horse", "ship", "truck"},
                         .folder = "cifar-10-batches-bin",
                         .archive = "cifar-10-binary.tar.gz"};
const Layout kCifar100 = {.kind = "cifar100",
                          .files = {"train.bin", "test.bin"},
                          .label_bytes = 2,
                          .classes = 100,
                          .names = "fine_label_names.txt",
                          .fallback_names = {},
                          .folder = "cifar-100-binary",
                          .archive = "cifar-100-binary.tar.gz"};

struct Records {
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
};

/// Reads records to the end. `read` gives up to so many bytes; `at(byte)` names a place for errors.
template <class Read, class At> Records read_records(const Layout& layout, Read&& read, At&& at) {
  const size_t record = layout.label_bytes + kPixels;
  constexpr size_t kRecordsAtOnce = 256;
  constexpr size_t kMaxRecords = 1'000'000;
  Records out;
  std::vector<uint8_t> chunk(kRecordsAtOnce * record);
  for (size_t got = chunk.size(); got == chunk.size();) {
    got = read(chunk.data(), chunk.size());
    for (size_t i = 0; i < got; i += record) {
      const size_t byte = out.labels.size() * record;
      if (got - i < record)
        throw IoError(
            {.argument = at(byte),
             .given = str(got - i, " bytes"),
             .expected = str("a record of ", record),
             .remedy = "The file is truncated or of another kind. Copy or download it again."});
      const uint8_t label = chunk[i + layout.label_bytes - 1];
      if (label >= layout.classes)
        throw IoError({.argument = at(byte),
                       .given = str("label ", int{label}),
                       .expected = str("0 to ", layout.classes - 1),
                       .remedy = str("The file is damaged or not of ", layout.kind, ".")});
      out.labels.push_back(label);
      const auto from = chunk.begin() + static_cast<std::ptrdiff_t>(i + layout.label_bytes);
      out.pixels.insert(out.pixels.end(), from, from + kPixels);
    }
    if (out.labels.size() > kMaxRecords)
      throw IoError({.argument = at(0),
                     .given = "more records",
                     .expected = str("at most ", kMaxRecords),
                     .remedy = "Give the original file."});
  }
  if (out.labels.empty())
    throw IoError(
        {.argument = at(0), .given = "the file is empty", .remedy = "Copy or download it again."});
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(line);
    at = end + 1;
  }
  return lines;
}

struct Cifar {
  std::vector<Records> parts;  // one per file of the layout
  std::string names;  // text of the file with the class names
};

Cifar read_archive(const Layout& layout, const std::string& path) {
  Cifar cifar;
  cifar.parts.resize(layout.files.size());
  read_tar(path, [&](TarMember& member) {
    if (member.name() == layout.names && member.left() < 64 << 10) {
      cifar.names.resize(static_cast<size_t>(member.left()));
      member.read(cifar.names.data(), cifar.names.size());
    }
    const auto file = std::find(layout.files.begin(), layout.files.end(), member.name());
    if (file == layout.files.end()) return;
    cifar.parts[static_cast<size_t>(file - layout.files.begin())] = read_records(
        layout, [&](void* out, size_t count) { return member.read(out, count); },
        [&](size_t byte) { return str(path, ": ", member.name(), ": byte ", byte); });
  });
  for (size_t i = 0; i < layout.files.size(); ++i)
    if (cifar.parts[i].labels.empty())
      throw IoError({.argument = path,
                     .given = "no " + layout.files[i],
                     .expected = str("the binary version, ", layout.archive),
                     .remedy = "Do not give the version for Python or Matlab."});
  return cifar;
}

/// The file's path, plain or compressed; "" if it is not there.
std::string find_file(const std::string& folder, const std::string& name) {
  std::error_code error;
  for (const char* ending : {"", ".gz", ".xz"})
    if (const std::string path = (fs::path(folder) / (name + ending)).string();
        fs::is_regular_file(path, error))
      return path;
  return "";
}

Cifar read_folder(const Layout& layout, const std::string& folder) {
  std::vector<std::string> paths;
  for (const std::string& name : layout.files) {
    paths.push_back(find_file(folder, name));
    if (paths.back().empty())
      throw IoError(
          {.argument = folder,
           .given = "no " + name,
           .expected = str(name, ", ", name, ".gz, ", name, ".xz or ", layout.archive),
           .remedy = str("Give the folder that holds the binary version of ", layout.kind, ".")});
  }
  Cifar cifar;
  cifar.parts.resize(paths.size());
  // Decompressing takes longest, and the files do not wait for each other.
  read_ranges(static_cast<int64_t>(paths.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      ByteSource source(paths[i]);
      cifar.parts[i] = read_records(
          layout, [&](void* out, size_t count) { return source.read(out, count); },
          [&](size_t byte) { return source.at(static_cast<int64_t>(byte)); });
    }
  });
  std::error_code error;
  if (const fs::path names = fs::path(folder) / layout.names; fs::exists(names, error))
    cifar.names = read_file(names.string());
  return cifar;
}

/// The folder or archive that holds the data in `place`, as one is given, published or unpacked.
std::string find_data(const Layout& layout, const std::string& place) {
  std::error_code error;
  if (!fs::exists(place, error))
    throw IoError(
        {.argument = place,
         .given = "no such folder",
         .remedy = str("Give the folder that holds ", layout.archive, " or what was in it.")});
  if (!fs::is_directory(place, error)) return place;
  if (!find_file(place, layout.files[0]).empty()) return place;
  for (const char* name : {layout.folder, layout.archive})
    if (const fs::path path = fs::path(place) / name; fs::exists(path, error)) return path.string();
  return place;
}

bool looks_like(const Layout& layout, const std::string& place) {
  std::error_code error;
  if (!fs::is_directory(place, error)) return fs::path(place).filename() == layout.archive;
  const std::string found = find_data(layout, place);
  return found != place || !find_file(place, layout.files[0]).empty();
}

Source open_cifar(const Layout& layout, const std::string& place) {
  const std::string found = find_data(layout, place);
  const bool archive = !fs::is_directory(found);
  if (archive && !is_tar(found))
    throw IoError({.argument = found + ": byte 0",
                   .given = "no tar archive",
                   .expected = layout.archive,
                   .remedy = "Give it, or the folder with what was in it."});
  Cifar cifar = archive ? read_archive(layout, found) : read_folder(layout, found);
  Info info{.kind = layout.kind,
            .source = str(layout.kind, ":", place),
            .input_shape = {3, 32, 32},
            .classes = layout.classes,
            .class_names = lines_of(cifar.names)};
  const auto classes = static_cast<size_t>(layout.classes);
  if (info.class_names.size() != classes) info.class_names = layout.fallback_names;
  for (size_t c = info.class_names.size(); c < classes; ++c) info.class_names.push_back(str(c));

  Records train = std::move(cifar.parts[0]);
  size_t samples = train.labels.size();
  for (size_t i = 1; i + 1 < cifar.parts.size(); ++i) samples += cifar.parts[i].labels.size();
  train.pixels.reserve(samples * kPixels);
  train.labels.reserve(samples);
  for (size_t i = 1; i + 1 < cifar.parts.size(); ++i) {
    const Records part = std::move(cifar.parts[i]);
    train.pixels.insert(train.pixels.end(), part.pixels.begin(), part.pixels.end());
    train.labels.insert(train.labels.end(), part.labels.begin(), part.labels.end());
  }
  set_statistics(info, train.pixels);
  Source source;
  source.train = std::make_shared<PixelSet>(info, std::move(train.pixels), std::move(train.labels));
  Records& test = cifar.parts.back();
  source.test = std::make_shared<PixelSet>(info, std::move(test.pixels), std::move(test.labels));
  return source;
}

}  // namespace

Source open_cifar10(const std::string& place) { return open_cifar(kCifar10, place); }
Source open_cifar100(const std::string& place) { return open_cifar(kCifar100, place); }
bool looks_like_cifar10(const std::string& place) { return looks_like(kCifar10, place); }
bool looks_like_cifar100(const std::string& place) { return looks_like(kCifar100, place); }

}  // namespace suanli::data
