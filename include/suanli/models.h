// The model zoo: networks by name, each with the recipe it is known to train well with.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "suanli/nn.h"

namespace suanli::models {

struct ModelOptions {
  Shape input_shape{1, 28, 28};  ///< Of one sample: channels, height, width.
  int64_t classes = 10;
  uint64_t seed = 0;             ///< The initial weights are a function of it (and of the sizes) alone.
};

/// What a model is trained with where the user says nothing.
struct Recipe {
  const char* optimizer;  ///< "adam" or "sgd"
  double lr, momentum;    ///< momentum is sgd's
  int64_t batch_size, epochs;
  bool normalize;         ///< Inputs are shifted and scaled to mean 0 and deviation 1 of the training data; else they stay in [0, 1].
};

/// What a model returns, and so which loss takes it.
enum class Output : uint8_t {
  logits,             ///< cross_entropy
  log_probabilities,  ///< nll_loss
};

/// One row of the zoo.
struct Entry {
  const char* name;
  const char* line;    ///< What it is, in one line.
  const char* source;  ///< Where the architecture comes from.
  Output output;
  Recipe recipe;
  nn::AnyModule (*build)(const ModelOptions& options);
};

SUANLI_API const std::vector<Entry>& entries();
/// Throws InputError with the nearest name.
SUANLI_API const Entry& entry(std::string_view name);
/// Seeds this thread's default generator with options.seed and builds the model. Throws InputError for a name that is not known, or
/// if the input is too small for the model or not an image.
SUANLI_API nn::AnyModule make(std::string_view name, const ModelOptions& options = {});

}  // namespace suanli::models
