// SPDX-License-Identifier: Apache-2.0
// The loader's cost to a training step: steps on fresh batches against steps on one batch that
// stays, in turns.
//   build/test/bench_loader_step [MODEL [SPEC [AUGMENT [BATCH [ROUNDS]]]]]
// Prints the medians of both and their ratio.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "suanli/dataset.h"
#include "suanli/loader.h"
#include "suanli/models.h"
#include "suanli/optim.h"

int main(int argc, char** argv) {
  using namespace suanli;
  using Clock = std::chrono::steady_clock;
  auto argument = [&](int i, const char* usual) { return std::string(i < argc ? argv[i] : usual); };
  const auto train =
      data::open(argument(2, "random:3x32x32?samples=20000"), {.val_fraction = 0}).train;
  data::Loader loader(train, {.batch_size = std::stoll(argument(4, "128")),
                              .shuffle = true,
                              .threads = 1,
                              .drop_last = true,
                              .augment = data::augment_from_text(argument(3, "crop,flip"))});
  auto model =
      models::make(argument(1, "cnn_b"), {train->info().input_shape, train->info().classes, 0});
  optim::SGD optimizer(model.parameters(), {.lr = 1e-3, .momentum = 0.9});
  int64_t epoch = 0;
  loader.start(epoch);
  data::Batch batch, kept;
  loader.next(kept);

  auto step = [&](bool fresh) {
    const Clock::time_point begin = Clock::now();
    if (fresh && !loader.next(batch)) {
      loader.start(++epoch);
      loader.next(batch);
    }
    const data::Batch& b = fresh ? batch : kept;
    Tensor loss = cross_entropy(model(b.x), b.y);
    loss.backward();
    optimizer.step();
    loss.item();
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  };
  std::vector<double> times[2];
  const int rounds = std::stoi(argument(5, "10"));
  for (int round = 0; round < rounds; ++round)
    for (bool fresh : {false, true})
      for (int i = 0; i < 12; ++i) {
        const double ms = step(fresh);
        // what was read ahead during the other turn is used up, or fills up again
        if (i >= 4) times[fresh].push_back(ms);
      }
  auto median = [](std::vector<double>& v) {
    std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
    return v[v.size() / 2];
  };
  const double kept_ms = median(times[0]), fresh_ms = median(times[1]);
  std::printf("one batch %.2f ms, with the loader %.2f ms, ratio %.3f\n", kept_ms, fresh_ms,
              fresh_ms / kept_ms);
}
