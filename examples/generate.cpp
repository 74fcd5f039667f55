// SPDX-License-Identifier: Apache-2.0
// A GPT that learns a text letter by letter and goes on with it; then how fast it writes with its
// keys and values kept. Seconds on two cores.
#include <chrono>
#include <cstdio>
#include <string>

#include "suanli/suanli.h"

using namespace suanli;

int main() try {
  const std::string text =
      "the fox runs over the hill, the hare runs over the field, the bird flies over the sea, and "
      "all of them come home at night. ";
  constexpr int64_t kContext = 224, kBatch = 4;
  manual_seed(1);
  models::Gpt gpt({.vocab = 128, .context = 256, .layers = 2, .width = 64, .heads = 4});
  optim::AdamW optimizer(gpt.parameters(), {.lr = 3e-3});
  for (int step = 0; step < 150; ++step) {
    std::vector<int64_t> x, y;
    for (int64_t b = 0; b < kBatch; ++b)
      for (int64_t t = 0; t < kContext; ++t) {
        const auto at = static_cast<size_t>(b * 31 + step * 7 + t);
        x.push_back(text[at % text.size()]);
        y.push_back(text[(at + 1) % text.size()]);
      }
    Tensor loss = cross_entropy(flatten(gpt(tensor(x, {kBatch, kContext})), 0, 1),
                                tensor(y, {kBatch * kContext}));
    loss.backward();
    optimizer.step();
    if (step % 50 == 49) std::printf("step %3d  loss %.3f\n", step + 1, loss.item());
  }

  const std::string prompt = "the hare";
  const std::vector<int64_t> start(prompt.begin(), prompt.end());
  const auto begin = std::chrono::steady_clock::now();
  const int64_t plans = plan_stats().plans;
  const auto letters = gpt.generate(tensor(start, {1, static_cast<int64_t>(start.size())}), 200)
                           .to_vector<int64_t>();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%s\n200 letters in %.0f ms, %d plans\n",
              std::string(letters.begin(), letters.end()).c_str(), seconds * 1000,
              static_cast<int>(plan_stats().plans - plans));
} catch (const Error& e) {
  std::fprintf(stderr, "generate: %s\n", e.what());
  return 1;
}
