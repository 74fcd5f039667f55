// SPDX-License-Identifier: Apache-2.0
// Data sets: samples by index. A specification opens them from files.
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
  classification,  ///< y is a class, i64.
  regression,      ///< y is a number, f32, standardized by the training data.
};
/// The dtype of a batch's y.
inline DType target_dtype(Task task) { return task == Task::regression ? DType::f32 : DType::i64; }

/// Describes a data set for messages, run folders and models that must fit it.
struct Info {
  std::string kind;                      ///< "mnist", "glyphs", …
  /// The spec for open(), with the defaults written out.
  std::string source;
  Shape input_shape;                     ///< Shape of one sample, e.g. [1, 28, 28].
  int classes = 0;                       ///< Labels are 0 … classes-1.
  std::vector<std::string> class_names;  ///< One per class.
  /// Mean and standard deviation of the training files, for normalization. There is one number per
  /// channel of a picture, and one per element of a vector or one for the whole sample. Samples
  /// that are standardized already (tables) have none. The numbers are the same in every split.
  std::vector<double> mean{}, stddev{};
  /// Values may be outside [0, 1]. They are normalized for every model.
  bool any_range = false;
  Task task = Task::classification;
  /// For regression, the target in its own unit is y · target_stddev + target_mean.
  double target_mean = 0, target_stddev = 1;
  /// For tables and arrays, the conversion to numbers, for OpenOptions::encoding.
  std::string encoding{};
  /// A hash of every value and label, in order. A resume compares it to detect changed data.
  uint64_t fingerprint = 0;
  std::string packed_kind{};  ///< For packed data, the kind that was packed.

  /// The kind of the samples, independent of their storage.
  const std::string& content() const { return packed_kind.empty() ? kind : packed_kind; }
};

/// A part of a picture, in its pixels. Edges may lie between pixels.
struct Box {
  double top = 0, left = 0, height = 0, width = 0;
};

/// Samples by index. Immutable: several threads may call every const function at once.
class SUANLI_API Dataset {
 public:
  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  virtual ~Dataset();
  virtual int64_t size() const = 0;
  virtual const Info& info() const = 0;
  /// The bytes of samples that it keeps in memory, for the forecast of a run. 0 if it reads samples
  /// from elsewhere each time.
  virtual int64_t bytes_held() const { return 0; }
  /// Writes sample `index` (0 … size()-1): info().input_shape.numel() floats (pixels in [0, 1]) to
  /// `x`, and its label to `*y`. Throws IoError if the sample cannot be read.
  virtual void read(int64_t index, float* x, int64_t* y) const = 0;
  /// Replaces read() in data sets whose info().task is regression.
  virtual void read_value(int64_t index, float* x, float* y) const;
  /// The label that read() gives. The default reads the sample.
  virtual int64_t label(int64_t index) const;
  /// For pictures only. Writes the given part of the picture behind sample `index`, scaled to
  /// input_shape, as planes of bytes (255 is 1). The default takes a part of the sample, rounded to
  /// bytes.
  virtual void read_view(int64_t index, const Box& box, uint8_t* x, int64_t* y) const;
  /// [height, width] of the picture behind sample `index`. The default is the size of the sample.
  virtual Shape picture_size(int64_t index) const;
};

/// Returns the number of samples per class: [classes]. Reads labels only. Throws ArgumentError if
/// targets are numbers. Throws IoError for a label that is not a class, with sample and label.
SUANLI_API std::vector<int64_t> class_counts(const Dataset& dataset);

/// The samples of `dataset` at `indices`, in that order. Throws ArgumentError for an index out of
/// range.
SUANLI_API std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> dataset,
                                                 std::vector<int64_t> indices);

struct Splits {
  /// val is null if no validation split was requested. test is null if there is none.
  std::shared_ptr<const Dataset> train, val, test;
  std::vector<std::string> notes;  ///< Lines for the user about detected, chosen and left-out data.
};

struct OpenOptions {
  /// Selects the training samples for validation. The selection depends only on the seed and the
  /// number of samples of each class.
  uint64_t seed = 0;
  /// The fraction of training samples for validation, in [0, 1). With 0 there is no validation
  /// split, and all samples train. Data with their own validation split keep it.
  double val_fraction = 0.1;
  bool skip_bad = false;  ///< The same as the setting skip_bad=1, for the kinds that have it.
  /// Input shape and classes of a trained model. Pictures of a folder, of MNIST and of CIFAR are
  /// fitted to the shape. A folder's sub-folders must be among the classes. If empty, the data
  /// decide.
  Shape input_shape{};
  std::vector<std::string> class_names{};
  /// Info::encoding of the data that a model was trained on. Another table is converted to the same
  /// numbers.
  std::string encoding{};
};

/// Opens data by its spec:
///   glyphs[?train=12000&test=2000&seed=0]
///       generated digits, 28×28 gray, 10 classes; no files needed
///   mnist:DIR[?size=64], fashion-mnist:DIR
///       the four IDX files, plain, .gz or .xz
///   cifar10:DIR[?size=64], cifar100:DIR
///       the binary version: its archive, or its files plain, .gz or .xz
///   random:3x32x32[?classes=10&samples=1280&test=128&seed=0]
///       noise of any shape, for measuring speed
///   folder:DIR[?size=96&skip_bad=1&splits=no]
///       JPEG, PNG and WebP pictures with one sub-folder per class, or with train/ val/ test/ above
///       or below the classes; splits=no: folders with such names are classes
///   csv:FILE?target=COLUMN[&test=20&…]
///       a table, plain, .gz or .xz; 20% of the rows are the test set; docs/data.md lists the
///       settings
///   npz:FILE[?x=NAME&y=NAME]
///       arrays saved by NumPy: x [N, F], [N, H, W], [N, H, W, C] or [N, C, H, W] with y [N], alone
///       or as x_train, y_train, x_test, y_test; whole numbers in y are classes, others a
///       regression
///   packed:FILE
///       a file that pack() wrote
///   DIR
///       one of these kinds, detected; Splits::notes names it
/// A folder's pictures are decoded when they are read. The shorter side is scaled to `size` (or
/// HEIGHTxWIDTH) and the middle part is kept. The result is gray if all pictures are gray,
/// otherwise RGB. open() decodes each picture once, at most 20,000, to find damaged files at the
/// start. skip_bad=1 leaves these out. The other kinds are decoded into memory, one byte per pixel.
/// `size` scales the pictures of MNIST and CIFAR when they are read. In the value of a setting, %XX
/// stands for a byte: %26 is &. Throws IoError if the kind is unknown or the files are invalid, and
/// ArgumentError for any other error in the spec.
SUANLI_API Splits open(const std::string& spec, const OpenOptions& options = {});

/// The progress of open(): `done` of `total` files are read.
struct OpenProgress {
  const char* what;
  int64_t done, total;
};
using OpenListener = std::function<void(const OpenProgress&)>;
/// Sets a function that open() calls from time to time while it works for this thread. The calls
/// come from one thread at a time. An empty function ends the calls.
SUANLI_API void set_open_listener(OpenListener listener);

/// Writes all samples of pictures with classes to one file, decoded and scaled, as bytes. open()
/// maps the file into memory, so reading needs no decoding and no extra memory. The file appears
/// when it is complete. Throws IoError for other samples, and if the file cannot be written.
SUANLI_API void pack(const std::string& path, const Splits& splits);

/// Reads the rows of a table as numbers for a model of tables → [rows, width] f32. `encoding` is
/// Info::encoding of the data that the model was trained on. The target column may be missing.
/// Words that training did not see count as missing. Each column with such words adds a line to
/// `notes`. Throws IoError with file, line and column.
SUANLI_API Tensor read_table(const std::string& path, const std::string& encoding,
                             std::vector<std::string>* notes = nullptr);

/// Reads inputs saved by NumPy for a model that was trained on such arrays → [N, …sample] f32.
/// `name` is the array in the archive; "" takes one of the usual names, or the only array. `sample`
/// is the shape of one sample, and `task` is the model's. `encoding` is the Info::encoding of its
/// data: it records whether training saw bytes, and the range of the numbers. An array with another
/// range is scaled to fit, and `notes` (may be null) says so. Throws IoError with file and array.
SUANLI_API Tensor read_npz(const std::string& path, const Shape& sample, Task task,
                           const std::string& name = "", const std::string& encoding = "",
                           std::vector<std::string>* notes = nullptr);

}  // namespace suanli::data
