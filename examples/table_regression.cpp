// SPDX-License-Identifier: Apache-2.0
// Learns a number from the columns of a table: prices of houses, yields, times. Spells out the work
// of `suanli train 'TABLE?target=COLUMN'` with a Trainer and a network of your own.
//   table_regression TABLE.csv COLUMN [EPOCHS]
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "suanli/dataset.h"
#include "suanli/loader.h"
#include "suanli/nn.h"
#include "suanli/optim.h"

using namespace suanli;

struct Net : nn::Module {
  nn::Linear fc1, fc2{128, 128}, fc3{128, 1};
  nn::LayerNorm norm{128};
  SUANLI_FIELDS(fc1, norm, fc2, fc3)

  explicit Net(int64_t columns) : fc1(columns, 128) {}
  Tensor forward(const Tensor& x) const {  // [N, columns] → [N]
    const Tensor y = gelu(norm(fc1(x)));
    return flatten(fc3(y + gelu(fc2(y))), 0);
  }
};

/// Root of the mean squared error over a data set, in the column's own unit.
double rmse(const Net& net, const std::shared_ptr<const data::Dataset>& of) {
  const InferenceMode inference;
  double squares = 0;
  for (auto& [x, y] : data::Loader(of, {.batch_size = 256}))
    squares += sum(square(net(x) - y)).item<float>();
  return std::sqrt(squares / static_cast<double>(of->size())) * of->info().target_stddev;
}

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: table_regression TABLE.csv COLUMN [EPOCHS]\n");
    return 2;
  }
  manual_seed(1);
  // Numbers come standardized, words as one column each, missing cells as the mean and a column
  // that says so; a fifth of the rows tests.
  const data::Splits splits =
      data::open("csv:" + std::string(argv[1]) + "?target=" + argv[2] + "&task=regression&test=20");
  for (const std::string& note : splits.notes) std::printf("%s\n", note.c_str());
  const data::Info& info = splits.train->info();

  Net net(info.input_shape[0]);
  optim::AdamW opt(net.parameters(), {.lr = 2e-3});
  data::Loader loader(splits.train, {.batch_size = 64, .shuffle = true, .seed = 1});
  const int epochs = argc > 3 ? std::atoi(argv[3]) : 20;
  const optim::Schedule schedule = optim::schedule_from_name("cosine");
  const int64_t steps = epochs * loader.batches();
  int64_t step = 0;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    for (auto& [x, y] : loader) {
      mse_loss(net(x), y).backward();
      opt.options.lr = 2e-3 * schedule.factor(step++, steps);
      opt.step();
    }
    std::printf("epoch %d: off by %.4g in validation\n", epoch, rmse(net, splits.val));
  }
  std::printf("off by %.4g on rows never seen; always saying the mean would be off by %.4g\n",
              rmse(net, splits.test), info.target_stddev);
  return 0;
} catch (const Error& e) {
  std::fprintf(stderr, "table_regression: %s\n", e.what());
  return 1;
}
