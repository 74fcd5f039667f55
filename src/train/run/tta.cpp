// SPDX-License-Identifier: Apache-2.0
// Answers to several views of a picture, averaged.
#include "train/run/tta.h"

#include "base/text/text.h"
#include "train/stored/dataset_summary.h"

namespace suanli {

namespace {

constexpr TestTimeAugmentation kAll[] = {TestTimeAugmentation::none, TestTimeAugmentation::mirror,
                                         TestTimeAugmentation::translate};

struct View {
  int64_t move;  // pixel (r, c) comes from (r + move, c + move); -1, 0 or 1
  bool mirrored;
  double weight;
};
const std::vector<View>& views_of(TestTimeAugmentation tta) {
  // Static objects may use them when the process ends.
  static const auto &plain = *new std::vector<View>{{0, false, 1}},
                    &both = *new std::vector<View>{{0, false, 0.5}, {0, true, 0.5}},
                    &six = *new std::vector<View>{{0, false, 0.25},   {0, true, 0.25},
                                                  {-1, false, 0.125}, {-1, true, 0.125},
                                                  {1, false, 0.125},  {1, true, 0.125}};
  return tta == TestTimeAugmentation::none     ? plain
         : tta == TestTimeAugmentation::mirror ? both
                                               : six;
}

/// One step along an axis; what comes in is the row behind the border's, mirrored.
Tensor moved(const Tensor& x, int axis, int64_t by) {
  const int64_t n = x.size(axis);
  if (by == 0 || n < 2) return x;
  return by < 0 ? cat({narrow(x, axis, 1, 1), narrow(x, axis, 0, n - 1)}, axis)
                : cat({narrow(x, axis, 1, n - 1), narrow(x, axis, n - 2, 1)}, axis);
}

}  // namespace

const char* to_string(TestTimeAugmentation tta) {
  return tta == TestTimeAugmentation::none     ? "none"
         : tta == TestTimeAugmentation::mirror ? "mirror"
                                               : "translate";
}

TestTimeAugmentation tta_from_text(std::string_view text) {
  for (TestTimeAugmentation tta : kAll)
    if (text == to_string(tta)) return tta;
  throw ArgumentError(
      {.argument = "tta", .given = str("'", text, "'"), .expected = "none, mirror or translate"});
}

int64_t view_count(TestTimeAugmentation tta) { return static_cast<int64_t>(views_of(tta).size()); }

void require_views(TestTimeAugmentation tta, data::Task task, const Shape& sample) {
  if (tta == TestTimeAugmentation::none ||
      (sample.rank() == 3 && task == data::Task::classification))
    return;
  throw ArgumentError(
      {.argument = "tta",
       .given = to_string(tta),
       .expected = task == data::Task::regression
                       ? "none, for these data ask for a number"
                       : str("none for samples of shape ", sample, ", which are no pictures"),
       .remedy = "Views are of pictures with classes. Leave it out, or give none."});
}

Tensor answers(const nn::AnyModule& model, const Tensor& x, const std::vector<double>& mean,
               const std::vector<double>& stddev, TestTimeAugmentation tta) {
  if (tta == TestTimeAugmentation::none) return model(normalized(x, mean, stddev));
  Tensor total;
  for (const View& view : views_of(tta)) {
    Tensor picture = moved(moved(x, 2, view.move), 3, view.move);
    if (view.mirrored) picture = flip(picture, 3);
    // each view is a program of its own, so that all share one plan and the memory is that of one
    flush();
    const Tensor answer = model(normalized(picture, mean, stddev)) * view.weight;
    total = total.defined() ? total + answer : answer;
    flush();
  }
  return log_softmax(total);  // a mean of log-probabilities is none; of logits, nothing changes
}

}  // namespace suanli
