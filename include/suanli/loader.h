// SPDX-License-Identifier: Apache-2.0
// The loader turns a data set into batches: order, augmentation and collation, on its own threads.
//
//   data::Loader loader(splits.train, {.batch_size = 64, .shuffle = true, .seed = 1});
//   for (int64_t epoch = 0; epoch < 3; ++epoch)
//     for (auto& [x, y] : loader) { … }
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "suanli/dataset.h"
#include "suanli/tensor.h"

namespace suanli::data {

/// 0 … n-1 in the order of `epoch`: a Fisher–Yates shuffle drawn from Philox(seed, epoch). The
/// order is the same on every machine.
SUANLI_API std::vector<int64_t> epoch_order(int64_t n, uint64_t seed, int64_t epoch);

/// The samples of an epoch and their order: a pure function of the epoch and of the constructor's
/// arguments.
class SUANLI_API Sampler {
 public:
  Sampler() = default;
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;
  virtual ~Sampler();
  virtual int64_t size() const = 0;  ///< Samples per epoch.
  virtual std::vector<int64_t> order(int64_t epoch) const = 0;
};
/// 0 … n-1 in order, or in the order of epoch_order().
SUANLI_API std::shared_ptr<const Sampler> sequential_sampler(int64_t n);
SUANLI_API std::shared_ptr<const Sampler> random_sampler(int64_t n, uint64_t seed = 0);
/// `count` samples per epoch, drawn with replacement. The probability of sample i is weights[i] / Σ
/// weights. Throws ArgumentError for weights that are negative, not finite or all 0.
SUANLI_API std::shared_ptr<const Sampler> weighted_sampler(std::vector<double> weights,
                                                           int64_t count, uint64_t seed = 0);
/// As many samples per epoch as the data set has, drawn with replacement, with equal probability
/// for each class. Throws ArgumentError for a regression, and IoError for a label that is not a
/// class.
SUANLI_API std::shared_ptr<const Sampler> balanced_sampler(const Dataset& dataset,
                                                           uint64_t seed = 0);
/// The samples for process `rank` of `ranks`: every ranks-th of `all`, starting at the rank-th. All
/// processes get equally many, so the first samples may occur twice. Throws ArgumentError unless 0
/// ≤ rank < ranks.
SUANLI_API std::shared_ptr<const Sampler> sharded_sampler(std::shared_ptr<const Sampler> all,
                                                          int64_t rank, int64_t ranks);

/// A batch of samples: x [N, …input_shape] f32; y [N] i64, or f32 for a regression. If samples are
/// mixed, y is [N, classes] f32. Unpacks as `auto& [x, y] = batch`.
struct Batch {
  Tensor x, y;
  int64_t index = 0;  ///< Its index within the epoch.

  template <size_t I> Tensor& get() & { return I == 0 ? x : y; }
  template <size_t I> const Tensor& get() const& { return I == 0 ? x : y; }
  template <size_t I> Tensor&& get() && { return std::move(I == 0 ? x : y); }
};

/// Augmentation of training pictures, applied in this order. The view of a sample depends only on
/// (seed, epoch, sample). If a sampler draws a sample several times in an epoch, the view also
/// depends on the number of earlier draws. A mix depends only on (seed, epoch, batch). 0 turns an
/// augmentation off. Other values are the numbers that augment_words() describes, with their usual
/// values.
struct Augment {
  double resized_crop = 0, crop = 0, reflect_crop = 0, flip = 0, alternating_flip = 0;
  double randaugment = 0, trivialaugment = 0;
  double rotation = 0, affine = 0;
  double color_jitter = 0, grayscale = 0, blur = 0;
  double erasing = 0, cutout = 0;
  /// These give targets [N, classes] f32, the share of each class. If both are on, each batch uses
  /// one of them.
  double mixup = 0, cutmix = 0;

  SUANLI_API bool any() const;
  bool mixes() const { return mixup > 0 || cutmix > 0; }
};
struct AugmentWord {
  const char* name;
  double usual;
  const char* doc;
};
SUANLI_API std::vector<AugmentWord> augment_words();
/// Parses "none", or a comma-separated list of augment_words(), such as flip,rotation=30. A word
/// without a number gets its usual value. Throws ArgumentError.
SUANLI_API Augment augment_from_text(const std::string& text);

struct LoaderOptions {
  int64_t batch_size = 64;
  /// true: a new order each epoch, see epoch_order(). false: the order of the data set.
  bool shuffle = false;
  uint64_t seed = 0;
  int threads = 1;  ///< Reading threads; 0 reads in the calling thread. Never changes a batch.
  /// The maximum number of batches that wait or are being made, which bounds the loader's memory.
  /// 0: usual_queue().
  int64_t queue = 0;
  bool drop_last = false;  ///< Leaves out the last batch if it is not full.
  Augment augment{};  ///< For pictures only.
  /// The samples and their order. If null, all samples, in the order that `shuffle` selects.
  std::shared_ptr<const Sampler> sampler{};
};

/// As many batches as fit in 128 MiB, from 2 to 4.
SUANLI_API int64_t usual_queue(const Info& info, int64_t batch_size);

/// Reads batches ahead on its own threads and returns them in order. Batches are a pure function of
/// (data set, batch_size, shuffle or sampler, augment, seed, epoch, index). Threads, queue and
/// timing never change them. A label outside 0 … Info::classes-1 throws IoError when its batch is
/// due. Batches are charged to the session that the constructor's thread used. Use a loader from
/// one thread at a time.
class SUANLI_API Loader {
 public:
  /// Throws ArgumentError if an option is out of range.
  explicit Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options = {});
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  int64_t batches() const;  ///< Per epoch.
  int64_t epoch() const;  ///< The epoch that next() reads from; -1 before the first.
  const Dataset& dataset() const;
  const LoaderOptions& options() const;

  /// Moves to batch `first_batch` of `epoch`, from any position. Throws ArgumentError if that
  /// position does not exist.
  void start(int64_t epoch, int64_t first_batch = 0);
  /// Flushes this thread's pending work, then takes the next batch. Returns false at the end of the
  /// epoch. Rethrows the data set's exception when its batch is due, and again until start() moves
  /// on.
  bool next(Batch& batch);
  /// Seconds that next() waited for data since construction. With threads = 0, the seconds that it
  /// read.
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
  /// Starts the next epoch (at first, epoch 0). After a start() from which no batch was taken, it
  /// continues there.
  Iterator begin();
  End end() const { return {}; }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace suanli::data

// Batch unpacks into x and y although it has a third member.
template <> struct std::tuple_size<suanli::data::Batch> : std::integral_constant<std::size_t, 2> {};
template <std::size_t I> struct std::tuple_element<I, suanli::data::Batch> {
  using type = suanli::Tensor;
};
