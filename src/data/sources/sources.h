// SPDX-License-Identifier: Apache-2.0
// The kinds of data that open() knows. A new one: a function here, a row in the table of open.cpp.
#pragma once
#include <string>

#include "data/datasets/encoding.h"
#include "data/datasets/image_dataset.h"

namespace suanli::data {

/// The result of opening a source. open() cuts the validation split from `train` where the source
/// has none.
struct Source {
  std::shared_ptr<const Dataset> train, val, test;
  /// The class of each training sample: the split takes its share of each. Empty: of the whole.
  std::vector<int32_t> strata;
  std::vector<std::string> notes;  ///< Lines for the user.
};

/// train: training samples, test: test samples, each 1 … 2,000,000; the seed of the pictures is not
/// that of the run, so that runs with different seeds compare on the same data.
Source open_glyphs(int64_t train, int64_t test, uint64_t seed);

/// The four files of MNIST and its relatives in `folder`: train-images-idx3-ubyte,
/// train-labels-idx1-ubyte, t10k-…; plain or .gz, also spelled train-images.idx3-ubyte. Ten
/// classes.
Source open_mnist(const std::string& kind, const std::string& folder,
                  const std::vector<std::string>& class_names);
bool looks_like_mnist(const std::string& folder);
/// The published set that the first training labels belong to: the files look alike.
enum class IdxSet : uint8_t { unknown, mnist, fashion_mnist };
IdxSet idx_set_in(const std::string& folder);

/// The binary versions of CIFAR-10 and CIFAR-100: the folder with the published archive, the
/// archive, or the folder with what was in it, each file plain, .gz or .xz.
Source open_cifar10(const std::string& place);
Source open_cifar100(const std::string& place);
bool looks_like_cifar10(const std::string& place);
bool looks_like_cifar100(const std::string& place);

/// Uniform noise in [0, 1), uniform labels; a pure function of the seed. test = 0: no test samples.
Source open_noise(const Shape& shape, int64_t classes, int64_t train, int64_t test, uint64_t seed);

/// A table. settings.target "": the run's, or an error that lists the columns. With
/// options.encoding all rows are as that says, in one part.
Source open_csv(const std::string& path, const TableSettings& settings, const OpenOptions& options);
bool looks_like_csv(const std::string& path);

/// Arrays that NumPy saved as one .npz. x, y: their names, "" for the usual ones. Integers and
/// bools as targets are classes, floats are numbers to learn.
Source open_npz(const std::string& path, const std::string& x, const std::string& y,
                const OpenOptions& options);
bool looks_like_npz(const std::string& path);

/// A file that pack() wrote.
Source open_packed(const std::string& path);
bool looks_like_packed(const std::string& path);

struct FolderOptions {
  int64_t height = 0, width = 0;  ///< Size of a sample; 0: chosen, see folder.cpp.
  bool skip_bad = false;  ///< Leaves out what cannot be read, instead of throwing.
  Shape input_shape{};  ///< As in OpenOptions.
  std::vector<std::string> class_names{};
  /// True if folders that are called train, val or test are parts; null: as they look.
  std::optional<bool> splits{};
};
/// Pictures, one sub-folder per class.
Source open_folder(const std::string& folder, const FolderOptions& options);
bool looks_like_picture_folder(const std::string& folder);

}  // namespace suanli::data
