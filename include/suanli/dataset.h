// SPDX-License-Identifier: Apache-2.0
// Data sets: samples by index, opened from files by a specification.
//
//   auto splits = data::open("mnist:downloads/mnist", {.seed = 1});
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "suanli/tensor.h"

namespace suanli::data {

enum class Task : uint8_t {
  classification,  ///< y: a class, i64.
  regression,      ///< y: a number, f32, standardized by the training data.
};
/// The dtype of a batch's y.
inline DType target_dtype(Task task) { return task == Task::regression ? DType::f32 : DType::i64; }

/// Describes a data set, for messages, run folders and models that must fit it.
struct Info {
  std::string kind;                      ///< "mnist", "glyphs", …
  /// The spec that open() opens again, defaults written out.
  std::string source;
  Shape input_shape;                     ///< Shape of one sample, e.g. [1, 28, 28].
  int classes = 0;                       ///< Labels are 0 … classes-1.
  std::vector<std::string> class_names;  ///< One per class.
  /// Mean and deviation of the training files, for normalizing: one per channel of a picture, one
  /// per place of a vector or for all of a sample, none where samples are standardized already
  /// (tables). The same in every split.
  std::vector<double> mean{}, stddev{};
  /// Values are of any size, not in [0, 1]: they are normalized whatever the model.
  bool any_range = false;
  Task task = Task::classification;
  /// For regression: the target in its own unit is y · target_stddev + target_mean.
  double target_mean = 0, target_stddev = 1;
  /// For tables and arrays: how they became numbers, for OpenOptions::encoding.
  std::string encoding{};
  /// A hash of every value and label, in order: a resume sees that data changed.
  uint64_t fingerprint = 0;
  std::string packed_kind{};  ///< For packed data: the kind that was packed.

  /// The kind that says what the samples are, however they are stored.
  const std::string& content() const { return packed_kind.empty() ? kind : packed_kind; }
};

/// A part of a picture, in pixels of it; edges may lie between pixels.
struct Box {
  double top = 0, left = 0, height = 0, width = 0;
};

/// Samples by index. Immutable: every const function may be called from several threads at once.
class SUANLI_API Dataset {
 public:
  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  virtual ~Dataset();
  virtual int64_t size() const = 0;
  virtual const Info& info() const = 0;
  /// Bytes of memory that it keeps samples in, for the forecast of a run; 0 if it reads them from
  /// elsewhere each time.
  virtual int64_t bytes_held() const { return 0; }
  /// Writes sample `index` (0 … size()-1): info().input_shape.numel() floats (pixels in [0, 1]) to
  /// `x` and its label to `*y`. Throws IoError if the sample cannot be read.
  virtual void read(int64_t index, float* x, int64_t* y) const = 0;
  /// As read(), where info().task is regression: such data sets have this instead.
  virtual void read_value(int64_t index, float* x, float* y) const;
  /// The label that read() gives. By default by reading the sample.
  virtual int64_t label(int64_t index) const;
  /// Pictures only: that part of the picture that sample `index` is made from, scaled to
  /// input_shape, as planes of bytes (255 is 1). By default a part of the sample, rounded to bytes.
  virtual void read_view(int64_t index, const Box& box, uint8_t* x, int64_t* y) const;
  /// [height, width] of the picture that sample `index` is made from. By default the sample's own.
  virtual Shape picture_size(int64_t index) const;
};

/// Returns the number of samples per class: [classes]. Reads labels only. Throws ArgumentError
/// where targets are numbers, IoError for a label that is no class; it names sample and label.
SUANLI_API std::vector<int64_t> class_counts(const Dataset& dataset);

/// The samples of `dataset` named by `indices`, in that order. Throws ArgumentError if one is out
/// of range.
SUANLI_API std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> dataset,
                                                 std::vector<int64_t> indices);

struct Splits {
  /// val is null when no validation split was asked for, test where there is none.
  std::shared_ptr<const Dataset> train, val, test;
  std::vector<std::string> notes;  ///< Lines for the user: what was detected, chosen or left out.
};

struct OpenOptions {
  /// Chooses which training samples validate: a function of (seed, number of samples of each class)
  /// alone.
  uint64_t seed = 0;
  /// Share of the training samples, in [0, 1); 0: no validation split, all samples train. Data that
  /// come with a validation split of their own keep that.
  double val_fraction = 0.1;
  bool skip_bad = false;  ///< As the setting skip_bad=1, for the kinds that have it.
  /// Input shape and classes of a trained model. Pictures of a folder, of MNIST and CIFAR are made
  /// to fit the shape, and a folder's sub-folders must be among the classes. Empty: the data
  /// decide.
  Shape input_shape{};
  std::vector<std::string> class_names{};
  /// Info::encoding of the data that a model was trained on: another table becomes the same
  /// numbers.
  std::string encoding{};
};

/// Opens data by its spec:
///   glyphs[?train=12000&test=2000&seed=0]
///       drawn digits, 28×28 gray, 10 classes; no files needed
///   mnist:DIR[?size=64], fashion-mnist:DIR
///       the four IDX files, plain, .gz or .xz
///   cifar10:DIR[?size=64], cifar100:DIR
///       the binary version: its archive, or its files plain, .gz or .xz
///   random:3x32x32[?classes=10&samples=1280&test=128&seed=0]
///       noise of any shape, for measuring speed
///   folder:DIR[?size=96&skip_bad=1&splits=no]
///       JPEG, PNG and WebP pictures, a sub-folder per class, or train/ val/ test/ above or below
///       these; splits=no: folders with such names are classes
///   csv:FILE?target=COLUMN[&test=20&…]
///       a table, plain, .gz or .xz; 20% of the rows test; docs/data.md lists the settings
///   npz:FILE[?x=NAME&y=NAME]
///       arrays saved by NumPy: x [N, F], [N, H, W], [N, H, W, C] or [N, C, H, W] with y [N], alone
///       or as x_train, y_train, x_test, y_test; classes if y is whole numbers, else a regression
///   packed:FILE
///       a file that pack() wrote
///   DIR
///       one of these kinds, as it looks; Splits::notes says which
/// A folder's pictures are decoded when they are read: the shorter side is scaled to `size` (or
/// HEIGHTxWIDTH), the middle kept; gray if all are gray, else RGB. Each is decoded once here, so
/// that a damaged one is named before anything begins (skip_bad=1 leaves such out); of more than
/// 20,000 that many. The other kinds are decoded into memory, one byte per pixel; `size` scales
/// MNIST's and CIFAR's pictures when they are read. Within the value of a setting %XX stands for a
/// byte: %26 is &. Throws IoError if the kind is unknown or the files are bad, ArgumentError if the
/// spec is wrong otherwise.
SUANLI_API Splits open(const std::string& spec, const OpenOptions& options = {});

/// Progress of open(): it reads `total` files and has read `done`.
struct OpenProgress {
  const char* what;
  int64_t done, total;
};
using OpenListener = std::function<void(const OpenProgress&)>;
/// Is called now and then, from one thread at a time, while open() works on this thread's behalf;
/// an empty one no longer.
SUANLI_API void set_open_listener(OpenListener listener);

/// Writes all samples of pictures with classes to one file, decoded and scaled, as bytes: open()
/// maps it into memory, so that reading costs neither decoding nor memory. Appears when it is
/// complete. Throws IoError for other samples, and if it cannot be written.
SUANLI_API void pack(const std::string& path, const Splits& splits);

/// The rows of a table as the numbers that a model of tables takes: `encoding` is Info::encoding of
/// the data that it was trained on. The target's column may be missing. → [rows, width] f32. Words
/// that training never saw count as missing; a line per column that has any joins `notes`. Throws
/// IoError naming file, line and column.
SUANLI_API Tensor read_table(const std::string& path, const std::string& encoding,
                             std::vector<std::string>* notes = nullptr);

/// Inputs that NumPy saved, as a model that was trained on such takes them: array `name` of an
/// archive, or "": one of the usual names, or the only array. `sample` is the shape of one, `task`
/// the model's, `encoding` the Info::encoding of its data: it says whether training saw bytes or
/// numbers of which size. Where this array is of another size, it is scaled to fit, which `notes`
/// (may be null) tells. → [N, …sample] f32. Throws IoError naming file and array.
SUANLI_API Tensor read_npz(const std::string& path, const Shape& sample, Task task,
                           const std::string& name = "", const std::string& encoding = "",
                           std::vector<std::string>* notes = nullptr);

}  // namespace suanli::data
