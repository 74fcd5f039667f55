// Data sets, the loader that turns them into batches, and pictures from and to files.
//
//   auto splits = data::open("mnist:downloads/mnist", {.seed = 1});
//   data::Loader loader(splits.train, {.batch_size = 64, .shuffle = true, .seed = 1});
//   for (int64_t epoch = 0; epoch < 3; ++epoch)
//     for (auto& [x, y] : loader) { … }
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "suanli/tensor.h"

namespace suanli::data {

enum class Task : uint8_t {
  classification,  ///< y: a class, i64.
  regression,      ///< y: a number, f32, standardised by the training data.
};
/// Of a batch's y.
inline DType target_dtype(Task task) { return task == Task::regression ? DType::f32 : DType::i64; }

/// What a data set is, for messages, run folders and models that must fit it.
struct Info {
  std::string kind;                      ///< "mnist", "glyphs", …
  std::string source;                    ///< The spec that open() opens again, defaults written out.
  Shape input_shape;                     ///< Of one sample, e.g. [1, 28, 28].
  int classes = 0;                       ///< Labels are 0 … classes-1.
  std::vector<std::string> class_names;  ///< One per class.
  /// Of the training files' values, for normalising: one per channel of a picture, one per place of a vector or for all of a sample, none
  /// where samples are standardised already (tables). The same in every split.
  std::vector<double> mean{}, stddev{};
  bool any_range = false;  ///< Values are of any size, not in [0, 1]: they are normalised whatever the model.
  Task task = Task::classification;
  double target_mean = 0, target_stddev = 1;  ///< Of regression: the target in its own unit is y · target_stddev + target_mean.
  std::string encoding{};  ///< Of tables and arrays: how they became numbers, for OpenOptions::encoding.
  uint64_t fingerprint = 0;  ///< A hash of every value and label, in order: a resume sees that data changed.
  std::string packed_kind{};  ///< Of packed data: the kind that was packed.

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
  /// Bytes of memory that it keeps samples in, for the forecast of a run; 0 if it reads them from elsewhere each time.
  virtual int64_t bytes_held() const { return 0; }
  /// Writes sample `index` (0 … size()-1): info().input_shape.numel() floats (pixels in [0, 1]) to `x` and its label to `*y`.
  /// Throws InputError if the sample cannot be read.
  virtual void read(int64_t index, float* x, int64_t* y) const = 0;
  /// As read(), where info().task is regression: such data sets have this instead.
  virtual void read_value(int64_t index, float* x, float* y) const;
  /// The label that read() gives. By default by reading the sample.
  virtual int64_t label(int64_t index) const;
  /// Pictures only: that part of the picture that sample `index` is made from, scaled to input_shape, as planes of bytes (255 is 1). By
  /// default a part of the sample, rounded to bytes.
  virtual void read_view(int64_t index, const Box& box, uint8_t* x, int64_t* y) const;
  /// [height, width] of the picture that sample `index` is made from. By default the sample's own.
  virtual Shape picture_size(int64_t index) const;
};

/// How many samples each class has. Reads labels only. Throws UsageError where targets are numbers, InputError for a
/// label that is no class; it names sample and label.
SUANLI_API std::vector<int64_t> class_counts(const Dataset& dataset);

/// The samples of `dataset` named by `indices`, in that order. Throws ShapeError if one is out of range.
SUANLI_API std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> dataset, std::vector<int64_t> indices);

struct Splits {
  std::shared_ptr<const Dataset> train, val, test;  ///< val is null when no validation split was asked for, test where there is none.
  std::vector<std::string> notes;  ///< What was detected, chosen or left out: lines for the user.
};

struct OpenOptions {
  uint64_t seed = 0;  ///< Chooses which training samples validate: a function of (seed, number of samples of each class) alone.
  double val_fraction = 0.1;  ///< Of the training samples, in [0, 1); 0: no validation split, all samples train. Data that come with a
      ///< validation split of their own keep that.
  bool skip_bad = false;  ///< As the setting skip_bad=1, for the kinds that have it.
  /// What a trained model takes and tells apart. Pictures of a folder, of MNIST and CIFAR are made to fit the shape, and a folder's
  /// sub-folders must be among the classes. Empty: the data decide.
  Shape input_shape{};
  std::vector<std::string> class_names{};
  std::string encoding{};  ///< Info::encoding of the data that a model was trained on: another table becomes the same numbers.
};

/// Opens data by its spec:
///   glyphs[?train=12000&test=2000&seed=0]   drawn digits, 28×28 grey, 10 classes; no files needed
///   mnist:DIR[?size=64], fashion-mnist:DIR  the four IDX files, plain, .gz or .xz
///   cifar10:DIR[?size=64], cifar100:DIR     the binary version: its archive, or its files plain, .gz or .xz
///   random:3x32x32[?classes=10&samples=1280&test=128&seed=0]   noise of any shape, for measuring speed
///   folder:DIR[?size=96&skip_bad=1&splits=no]   JPEG, PNG and WebP pictures, a sub-folder per class, or train/ val/ test/ above or below
///                                           these; splits=no: folders with such names are classes
///   csv:FILE?target=COLUMN[&test=20&…]      a table, plain, .gz or .xz; 20% of the rows test; docs/data.md lists the settings
///   npz:FILE[?x=NAME&y=NAME]                arrays saved by NumPy: x [N, F], [N, H, W], [N, H, W, C] or [N, C, H, W] with y [N], alone
///                                           or as x_train, y_train, x_test, y_test; classes if y is whole numbers, else a regression
///   packed:FILE                             what pack() wrote
///   DIR                                     one of these kinds, as it looks; Splits::notes says which
/// A folder's pictures are decoded when they are read: the shorter side is scaled to `size` (or HEIGHTxWIDTH), the middle kept; grey if
/// all are grey, else RGB. Each is decoded once here, so that a damaged one is named before anything begins (skip_bad=1 leaves such
/// out); of more than 20,000 that many. The other kinds are decoded into memory, one byte per pixel; `size` scales MNIST's and CIFAR's
/// pictures when they are read.
/// Within the value of a setting %XX stands for a byte: %26 is &. Throws InputError if the kind is unknown or the files are bad,
/// UsageError if the spec is wrong otherwise.
SUANLI_API Splits open(const std::string& spec, const OpenOptions& options = {});

/// What open() is doing, for those who wait: reading `total` files, `done` of them so far.
struct OpenProgress {
  const char* what;
  int64_t done, total;
};
using OpenListener = std::function<void(const OpenProgress&)>;
/// Is called now and then, from one thread at a time, while open() works on this thread's behalf; an empty one no longer.
SUANLI_API void set_open_listener(OpenListener listener);

/// Writes all samples of pictures with classes to one file, decoded and scaled, as bytes: open() maps it into memory, so that reading costs
/// neither decoding nor memory. Appears when it is complete. Throws InputError for other samples, and if it cannot be written.
SUANLI_API void pack(const std::string& path, const Splits& splits);

/// 0 … n-1 in the order of `epoch`: a Fisher–Yates shuffle drawn from Philox(seed, epoch), the same on every machine.
SUANLI_API std::vector<int64_t> epoch_order(int64_t n, uint64_t seed, int64_t epoch);

/// Which samples an epoch has, in which order: a pure function of the epoch and of what it was made with.
class SUANLI_API Sampler {
 public:
  Sampler() = default;
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;
  virtual ~Sampler();
  virtual int64_t size() const = 0;  ///< Samples per epoch.
  virtual std::vector<int64_t> order(int64_t epoch) const = 0;
};
/// 0 … n-1 as they are, or as epoch_order() has them.
SUANLI_API std::shared_ptr<const Sampler> sequential_sampler(int64_t n);
SUANLI_API std::shared_ptr<const Sampler> random_sampler(int64_t n, uint64_t seed = 0);
/// `count` samples per epoch drawn with replacement, sample i with a probability of weights[i] / Σ weights. Throws UsageError for weights
/// that are negative, not finite or all 0.
SUANLI_API std::shared_ptr<const Sampler> weighted_sampler(std::vector<double> weights, int64_t count, uint64_t seed = 0);
/// As many samples per epoch as the data set has, drawn with replacement so that each class is as likely as another.
SUANLI_API std::shared_ptr<const Sampler> balanced_sampler(const Dataset& dataset, uint64_t seed = 0);
/// The share of process `rank` of `ranks`: every ranks-th of `all` from the rank-th on. All get as many: the first ones come once more.
SUANLI_API std::shared_ptr<const Sampler> sharded_sampler(std::shared_ptr<const Sampler> all, int64_t rank, int64_t ranks);

/// Some samples: x [N, …input_shape] f32, y [N] i64, or f32 for regression; [N, classes] f32 where samples are mixed. Unpacks as `auto& [x, y] = batch`.
struct Batch {
  Tensor x, y;
  int64_t index = 0;  ///< Its number within the epoch.

  template <size_t I> Tensor& get() & { return I == 0 ? x : y; }
  template <size_t I> const Tensor& get() const& { return I == 0 ? x : y; }
  template <size_t I> Tensor&& get() && { return std::move(I == 0 ? x : y); }
};

/// Other views of pictures while training, done in this order. What becomes of a sample is a function of (seed, epoch, sample) alone, and of
/// how often the epoch had it before where a sampler draws one again; what is mixed of (seed, epoch, batch). 0: not done; else the number
/// that augment_words() explains, with its usual value.
struct Augment {
  double resized_crop = 0, crop = 0, reflect_crop = 0, flip = 0, alternating_flip = 0;
  double randaugment = 0, trivialaugment = 0;
  double rotation = 0, affine = 0;
  double color_jitter = 0, grayscale = 0, blur = 0;
  double erasing = 0, cutout = 0;
  double mixup = 0, cutmix = 0;  ///< These give targets [N, classes] f32, the share of each class; with both, each batch has one of them.

  SUANLI_API bool any() const;
  bool mixes() const { return mixup > 0 || cutmix > 0; }
};
struct AugmentWord {
  const char* name;
  double usual;
  const char* doc;
};
SUANLI_API std::vector<AugmentWord> augment_words();
/// "none", or some of augment_words() with commas between, as flip,rotation=30; without a number the usual one. Throws UsageError.
SUANLI_API Augment augment_from_text(const std::string& text);

struct LoaderOptions {
  int64_t batch_size = 64;
  bool shuffle = false;  ///< A new order each epoch, see epoch_order(); false: the order of the data set.
  uint64_t seed = 0;
  int threads = 1;  ///< Threads that read; 0 reads in the calling thread. Never changes a batch.
  int64_t queue = 0;  ///< Batches that may wait or be in the making: the loader holds no more memory than these. 0: usual_queue().
  bool drop_last = false;  ///< Leaves out a last batch that is not full.
  Augment augment{};  ///< Pictures only.
  std::shared_ptr<const Sampler> sampler{};  ///< Which samples, in which order; null: all, as `shuffle` says.
};

/// As many batches as 128 MiB hold, 2 to 4.
SUANLI_API int64_t usual_queue(const Info& info, int64_t batch_size);

/// Reads batches ahead on threads of its own and hands them out in order. Batches are a pure function of (data set, batch_size,
/// shuffle or sampler, augment, seed, epoch, index): threads, queue and timing never show. A label outside of 0 … Info::classes-1 throws
/// InputError when its batch is due. To be used from one thread at a time.
class SUANLI_API Loader {
 public:
  /// Throws UsageError if an option is out of range.
  explicit Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options = {});
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  int64_t batches() const;  ///< Per epoch.
  int64_t epoch() const;  ///< The one that next() reads from; -1 before the first.
  const Dataset& dataset() const;
  const LoaderOptions& options() const;

  /// Goes to batch `first_batch` of `epoch`, from wherever it stands. Throws UsageError if there is no such place.
  void start(int64_t epoch, int64_t first_batch = 0);
  /// Flushes this thread's pending work, then takes the next batch; false at the end of the epoch. What a data set threw is
  /// thrown here, when its batch is due, and again until start() moves on.
  bool next(Batch& batch);
  /// Seconds that next() waited for data since construction (with threads = 0: read it).
  double wait_seconds() const;

  struct End {};
  class Iterator {
   public:
    Batch& operator*() const;
    Iterator& operator++();
    bool operator!=(End) const { return loader_ != nullptr; }

   private:
    friend class Loader;
    explicit Iterator(Loader* loader) : loader_(loader) {}
    Loader* loader_;
  };
  /// Starts the epoch after the current one (at first: 0), or goes on from a start() that nothing was taken from yet.
  Iterator begin();
  End end() const { return {}; }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct PictureOptions {
  int channels = 1;  ///< 1 grey, 3 RGB.
  int64_t height = 0, width = 0;  ///< In pixels; both 0: as in the file. Else the middle part of that shape, as large as it can be, is
      ///< scaled: area average when shrinking, bilinear when growing.
};

/// Reads a JPEG, PNG or WebP file of any colour type → [channels, height, width] f32 in [0, 1]. Pictures are turned upright as their EXIF
/// says; sample values are taken as they are (no gamma or colour profile), grey is 0.299 R + 0.587 G + 0.114 B, transparency shows white.
/// Throws InputError naming file and position.
SUANLI_API Tensor read_picture(const std::string& path, const PictureOptions& options = {});

/// The rows of a table as the numbers that a model of tables takes: `encoding` is Info::encoding of the data that it was trained on. The
/// target's column may be missing. → [rows, width] f32. Words that training never saw count as missing; a line per column that has any joins
/// `notes`. Throws InputError naming file, line and column.
SUANLI_API Tensor read_table(const std::string& path, const std::string& encoding, std::vector<std::string>* notes = nullptr);

/// Inputs that NumPy saved, as a model that was trained on such takes them: array `name` of an archive, or "": one of the usual names, or the
/// only array. `sample` is the shape of one, `task` the model's, `encoding` the Info::encoding of its data: it says whether training saw
/// bytes or numbers of which size. Where this array is of another size, it is scaled to fit, which `notes` (may be null) tells.
/// → [N, …sample] f32. Throws InputError naming file and array.
SUANLI_API Tensor read_npz(const std::string& path, const Shape& sample, Task task, const std::string& name = "",
                           const std::string& encoding = "", std::vector<std::string>* notes = nullptr);

/// Writes [H, W], [1, H, W] or [3, H, W] f32 in [0, 1] as an 8-bit PNG; values outside are clamped, NaN becomes 0.
/// Throws ShapeError or DTypeError for other tensors, InputError if the file cannot be written.
SUANLI_API void write_png(const std::string& path, const Tensor& picture);

}  // namespace suanli::data

// Batch unpacks into x and y although it has a third member.
template <> struct std::tuple_size<suanli::data::Batch> : std::integral_constant<std::size_t, 2> {};
template <std::size_t I> struct std::tuple_element<I, suanli::data::Batch> {
  using type = suanli::Tensor;
};
