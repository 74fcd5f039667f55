// SPDX-License-Identifier: Apache-2.0
// Metrics of a trained model over a data set.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "suanli/dataset.h"
#include "suanli/nn.h"
#include "suanli/session.h"

namespace suanli {

/// Maps the model's output and the targets to the mean loss over the batch, [].
using Loss = std::function<Tensor(const Tensor& output, const Tensor& target)>;

struct Evaluation {
  /// For regression, accuracy is NaN, and loss is that of the standardized target.
  double loss = 0, accuracy = 0;
  int64_t samples = 0;
  /// Errors of a regression in the target's own unit, summed in f64 from standardized outputs: the
  /// root of the mean squared error, the mean absolute error, and R², the fraction of the targets'
  /// variance that the outputs explain. NaN for classes.
  double rmse = 0, mean_absolute_error = 0, r2 = 0;
  // Set if EvaluateOptions::classes > 0:
  double top5 = 0;  ///< Fraction of samples whose class is among the five largest outputs.
  /// [classes, classes]: the number of samples of class (row) that were predicted as class
  /// (column).
  std::vector<int64_t> confusion;
  /// The mean accuracy over the classes that occur.
  double balanced_accuracy = 0;
};

/// Test-time augmentation: the mean output over several views of a picture (logits or
/// log-probabilities).
enum class TestTimeAugmentation : uint8_t {
  none,
  mirror,  ///< The picture and its mirror image, left to right.
  /// Six views. The two of `mirror` have half the weight. The other half goes to both, moved by one
  /// pixel up and left, and down and right. Moved pictures are mirrored at the border (Jordan 2024,
  /// section 3.5).
  translate,
};
SUANLI_API const char* to_string(TestTimeAugmentation tta);
/// "none", "mirror" or "translate". Throws ArgumentError for another text.
SUANLI_API TestTimeAugmentation tta_from_text(std::string_view text);

struct EvaluateOptions {
  int64_t batch_size = 64, loader_threads = 1;
  std::vector<double> mean{}, stddev{};  ///< As in TrainConfig. Empty: inputs are not normalized.
  Loss loss = {};  ///< If empty, cross_entropy.
  int64_t classes = 0;  ///< The number of classes; 0 leaves out the details of Evaluation.
  TestTimeAugmentation tta = TestTimeAugmentation::none;  ///< For pictures with classes.
  /// Called between batches; true ends early, with fewer samples.
  std::function<bool()> should_stop = {};
  Session session = Session::current();  ///< The session for the computation.
};
/// Returns loss and accuracy (largest output = target) over a data set, computed in an
/// InferenceMode. The model maps x [N, …input_shape] f32 to [N, classes], or to one number per
/// sample for a regression. Throws IoError for a label that is not a class, and ArgumentError if
/// `tta` does not suit the samples.
SUANLI_API Evaluation evaluate(const nn::AnyModule& model,
                               std::shared_ptr<const data::Dataset> dataset,
                               const EvaluateOptions& options = {});

}  // namespace suanli
