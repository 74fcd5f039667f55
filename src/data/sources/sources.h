// SPDX-License-Identifier: Apache-2.0
// The kinds of data that open() knows. A new kind needs a function here and a row in the table of
// open.cpp.
#pragma once
#include <string>

#include "data/datasets/encoding.h"
#include "data/datasets/image_dataset.h"

namespace suanli::data {

/// The result of opening a source. If it has no validation split, open() takes one from `train`.
struct Source {
  std::shared_ptr<const Dataset> train, val, test;
  /// The class of each training sample. The validation split takes the same fraction of each
  /// class. If empty, the split ignores classes.
  std::vector<int32_t> strata;
  std::vector<std::string> notes;  ///< Messages for the user.
};

/// Draws `train` training samples and `test` test samples, 1 … 2,000,000 each. `seed` does not
/// depend on the run's seed, so runs with different seeds train on the same pictures.
Source open_glyphs(int64_t train, int64_t test, uint64_t seed);

/// Opens the four IDX files of MNIST or Fashion-MNIST in `folder`: train-images-idx3-ubyte,
/// train-labels-idx1-ubyte and the t10k- files. They may end in .gz or .xz. The spelling
/// train-images.idx3-ubyte is also accepted. There are ten classes.
Source open_mnist(const std::string& kind, const std::string& folder,
                  const std::vector<std::string>& class_names);
bool looks_like_mnist(const std::string& folder);
/// The data sets that idx_set_in() can tell apart.
enum class IdxSet : uint8_t { unknown, mnist, fashion_mnist };
/// Identifies the data set by its first ten training labels, because the file names of the sets are
/// the same.
IdxSet idx_set_in(const std::string& folder);

/// Opens the binary version of CIFAR-10 or CIFAR-100. `place` is the published archive, a folder
/// that contains it, or the folder of its extracted files. Extracted files may end in .gz or .xz.
Source open_cifar10(const std::string& place);
Source open_cifar100(const std::string& place);
bool looks_like_cifar10(const std::string& place);
bool looks_like_cifar100(const std::string& place);

/// Makes samples of uniform noise in [0, 1) with uniform random labels. They depend only on the
/// arguments. If `test` is 0, there is no test split.
Source open_noise(const Shape& shape, int64_t classes, int64_t train, int64_t test, uint64_t seed);

/// Opens a table. If settings.target is empty, the target comes from options.encoding; without an
/// encoding, the error lists the columns. With an encoding, all rows are converted as in training
/// and form one split.
Source open_csv(const std::string& path, const TableSettings& settings, const OpenOptions& options);
bool looks_like_csv(const std::string& path);

/// Opens a .npz archive of NumPy. `x` and `y` name the arrays; "" stands for the usual names.
/// Integer and bool targets are classes; float targets make a regression.
Source open_npz(const std::string& path, const std::string& x, const std::string& y,
                const OpenOptions& options);
bool looks_like_npz(const std::string& path);

/// Opens a file that pack() wrote.
Source open_packed(const std::string& path);
bool looks_like_packed(const std::string& path);

struct FolderOptions {
  int64_t height = 0, width = 0;  ///< Size of a sample; 0: open_folder() chooses it.
  bool skip_bad = false;  ///< Skips unreadable pictures instead of throwing.
  Shape input_shape{};  ///< The same as in OpenOptions.
  std::vector<std::string> class_names{};
  /// True if folders named train, val or test are splits, false if they are classes. If null, their
  /// contents decide.
  std::optional<bool> splits{};
};
/// Opens a folder of pictures with one sub-folder per class.
Source open_folder(const std::string& folder, const FolderOptions& options);
bool looks_like_picture_folder(const std::string& folder);

}  // namespace suanli::data
