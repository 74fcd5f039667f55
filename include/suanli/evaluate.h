// SPDX-License-Identifier: Apache-2.0
// Measures of a trained model over a data set.
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

/// Output of the model and targets → mean loss over the batch, [].
using Loss = std::function<Tensor(const Tensor& output, const Tensor& target)>;

struct Evaluation {
  /// accuracy is NaN for regression; its loss is that of the standardized target.
  double loss = 0, accuracy = 0;
  int64_t samples = 0;
  /// Errors of a regression in the target's own unit, summed in f64 from standardized answers: √ of
  /// the mean squared error, the mean absolute error, and R², the share of the targets' variance
  /// that the answers explain. NaN for classes.
  double rmse = 0, mean_absolute_error = 0, r2 = 0;
  // Set where EvaluateOptions::classes > 0:
  double top5 = 0;  ///< Share of samples whose class is among the five largest outputs.
  /// [classes, classes]: how often class (row) was taken for class (column).
  std::vector<int64_t> confusion;
  /// Mean over the classes that occur of the share of their samples that is right.
  double balanced_accuracy = 0;
};

/// Test-time augmentation: answers to several views of a picture, averaged (logits, or
/// log-probabilities).
enum class TestTimeAugmentation : uint8_t {
  none,
  mirror,  ///< As it is and mirrored, left to right.
  /// Both, with half the weight; with the other half also moved by a pixel up and left, and down
  /// and right: 6 views. Moved pictures are mirrored at the border (Jordan 2024, section 3.5).
  translate,
};
SUANLI_API const char* to_string(TestTimeAugmentation tta);
/// "none", "mirror" or "translate"; ArgumentError for another.
SUANLI_API TestTimeAugmentation tta_from_text(std::string_view text);

struct EvaluateOptions {
  int64_t batch_size = 64, loader_threads = 1;
  std::vector<double> mean{}, stddev{};  ///< As TrainConfig's; empty: inputs as they are.
  Loss loss = {};  ///< cross_entropy if empty.
  int64_t classes = 0;  ///< The number of classes, if Evaluation's details are wanted.
  TestTimeAugmentation tta = TestTimeAugmentation::none;  ///< For pictures with classes.
  std::function<bool()> should_stop = {};  ///< Asked between batches; true ends with fewer samples.
  Session session = Session::current();  ///< In which it computes.
};
/// Loss and share of right answers (largest output = target) over a data set, in an InferenceMode.
/// The model takes x [N, …input_shape] f32. It gives [N, classes], or one number per sample for a
/// regression. Throws IoError for a label that is no class, ArgumentError where `tta` does not suit
/// the samples.
SUANLI_API Evaluation evaluate(const nn::AnyModule& model,
                               std::shared_ptr<const data::Dataset> dataset,
                               const EvaluateOptions& options = {});

}  // namespace suanli
