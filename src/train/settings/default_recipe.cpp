// SPDX-License-Identifier: Apache-2.0
// Defaults of a run that follow from the data.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text/text.h"
#include "train/settings/config.h"

namespace suanli {
namespace {

struct Choice {
  const char* model;
  const char* reason;
};

bool cifar(const data::Info& info) {
  return info.content() == "cifar10" || info.content() == "cifar100";
}
bool small_photographs(const data::Info& info) {
  return cifar(info) && std::max(info.input_shape[1], info.input_shape[2]) <= 32;
}
bool photographs(const data::Info& info) {
  return cifar(info) || (info.content() == "folder" && info.input_shape[0] == 3);
}

/// The first fully connected layer of cnn_b has 512 weights per pixel: 26 million at 224×224, and
/// two billion at 2000×2000.
bool large_pictures(const Shape& sample) {
  return sample.rank() == 3 && sample[1] * sample[2] > 256 * 256;
}

Choice model_for(const data::Info& info, int64_t samples) {
  const Shape& sample = info.input_shape;
  if (sample.rank() == 1) return {"tabular", "the samples are rows of numbers"};
  if (sample.rank() != 3) return {"mlp", "the samples are no pictures"};
  constexpr int64_t kMinSide = 10;  // of cnn_b: two 3×3 convolutions, each with pooling
  if (std::min(sample[1], sample[2]) < kMinSide)
    return {"mlp", "the pictures are too small for convolutions"};
  if (large_pictures(sample))
    return {"mobilenet_v3_small",
            "for large pictures a network whose memory does not grow with a layer over all pixels"};
  if (info.content() == "fashion-mnist")
    return {"cnn_bn", "clothes need more than digits do: 3 convolutions with batch normalization"};
  if (small_photographs(info))
    return {"airbench",
            "made for these pictures, the most accuracy for the time; model cnn_b takes seconds "
            "and gets less far"};
  if (photographs(info)) {
    // in an epoch: as many as CIFAR-10's, a minute or two on two cores
    constexpr int64_t kMaxPixels = 50'000 * 32 * 32;
    if (samples * sample[1] * sample[2] <= kMaxPixels)
      return {"airbench",
              "photographs, the most accuracy for the time; model cnn_b is ten times as quick "
              "and gets less far"};
    return {"cnn_b",
            "a small convolutional network, quick on so many photographs; model airbench gets "
            "further in ten times the time"};
  }
  return {"cnn_b", "a small convolutional network, quick on a CPU"};
}

/// A recipe's, which is made for tens of thousands of samples; photographs, which are seen
/// differently each time, have something to give for longer than digits.
int64_t least_epochs(const data::Info& info, const models::Recipe& recipe) {
  return photographs(info) ? std::max<int64_t>(10, recipe.epochs) : recipe.epochs;
}

/// Epochs so that few samples are seen often enough; 0: the recipe's.
int64_t epochs_for(const data::Info& info, int64_t samples, int64_t batch_size,
                   const models::Recipe& recipe) {
  auto rounded_up = [](int64_t all, int64_t each) { return (all + each - 1) / each; };
  constexpr int64_t kMax = 60, kSteps = 6000, kViews = 40'000;
  if (info.kind == "csv")
    return std::max(recipe.epochs,
                    std::min(kMax, rounded_up(kSteps, rounded_up(samples, batch_size))));
  if (info.content() != "folder" && (!photographs(info) || small_photographs(info))) return 0;
  // A learning rate that falls to its end gets there in half as many.
  const int64_t most = std::string_view(recipe.schedule) == "constant" ? kMax : kMax / 2;
  return std::max(least_epochs(info, recipe), std::min(most, rounded_up(kViews, samples)));
}

/// Smaller than the recipe's, which is made for tens of thousands of samples, where one would be
/// most of an epoch.
int64_t batch_for(int64_t samples, int64_t recipe) {
  constexpr int64_t kMinSteps = 4, kMinBatch = 16;
  int64_t batch = recipe;
  while (batch > kMinBatch && samples < kMinSteps * batch) batch /= 2;
  return batch;
}

/// Smaller where pictures are so large that a batch of them would take the memory of several usual
/// ones.
int64_t batch_for_pixels(const Shape& sample, int64_t batch) {
  constexpr int64_t kMaxPixels = 128 * 224 * 224, kMinBatch = 4;
  while (large_pictures(sample) && batch > kMinBatch && batch * sample[1] * sample[2] > kMaxPixels)
    batch /= 2;
  return batch;
}

/// Augmentations that keep a picture's meaning: photographs keep their meaning mirrored and cut,
/// digits do not.
const char* augment_for(const data::Info& info, const char* of_small_photographs) {
  if (small_photographs(info)) return of_small_photographs ? of_small_photographs : "crop,flip";
  // a shirt is one from either side; moved pictures cost more than they gave here
  if (info.content() == "fashion-mnist") return "flip";
  return photographs(info) ? "resized_crop,flip" : "none";
}

}  // namespace

std::string scale_lr(TrainConfig& config, int64_t recipe_batch) {
  const double ratio = static_cast<double>(config.batch_size) / static_cast<double>(recipe_batch);
  const bool adaptive = config.optimizer.starts_with("adam");
  config.lr *= adaptive ? std::sqrt(ratio) : ratio;
  char shown[32];  // what is computed has many digits; config.toml holds them all
  const auto end =
      std::to_chars(shown, shown + sizeof shown, config.lr, std::chars_format::general, 4).ptr;
  return str("lr ", std::string_view(shown, end), ": the recipe's for batches of ", recipe_batch,
             ", scaled with ", adaptive ? "the root of the batch" : "the batch");
}

bool normalizes(const data::Info& info, const models::Recipe* recipe) {
  return info.any_range || (recipe && (recipe->normalize || photographs(info)));
}

void apply_data_defaults(TrainConfig& config, bool custom_model, bool batch_size_unresolved,
                         const data::Dataset& train, std::vector<std::string>& notes) {
  const data::Info& info = train.info();
  if (config.model.empty()) {
    const Choice choice = model_for(info, train.size());
    config.model = choice.model;
    notes.push_back(str("model ", choice.model, ": ", choice.reason));
  }
  const models::Recipe* of_model = custom_model ? nullptr : &models::entry(config.model).recipe;
  if (config.augment.empty())
    config.augment = augment_for(info, of_model ? of_model->augment : nullptr);
  if (config.tta.empty())
    config.tta = of_model && photographs(info) && info.task == data::Task::classification
                     ? of_model->tta
                     : "none";
  // a recipe's is meant for classes
  if (info.task == data::Task::regression && config.label_smoothing == -1)
    config.label_smoothing = 0;
  if (!of_model) return;
  const models::Recipe& recipe = *of_model;
  const bool folder = info.content() == "folder";
  if ((folder || large_pictures(info.input_shape)) && config.batch_size == 0 &&
      !batch_size_unresolved) {
    const int64_t for_samples =
        folder ? batch_for(train.size(), recipe.batch_size) : recipe.batch_size;
    config.batch_size = batch_for_pixels(info.input_shape, for_samples);
    if (config.batch_size < for_samples)
      notes.push_back(str("batches of ", config.batch_size, ", since the pictures are large"));
    else if (config.batch_size < recipe.batch_size)
      notes.push_back(
          str("batches of ", config.batch_size, ", since ", train.size(), " samples are few"));
  }
  if (config.epochs > 0) return;
  config.epochs = epochs_for(info, train.size(),
                             config.batch_size > 0 ? config.batch_size : recipe.batch_size, recipe);
  if (config.epochs > least_epochs(info, recipe) && config.time == 0)
    notes.push_back(str(config.epochs, " epochs, since ", train.size(), " samples are few"));
}

}  // namespace suanli
