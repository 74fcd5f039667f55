// Milliseconds per step of a GPT on random tokens: training with AdamW, or inference.
//   build/test/bench_gpt train|infer [batch] [T] [layers] [width] [heads] [vocab] [steps]
// Prints the median and the least of `steps` steps after three that are not counted, and tokens per second. SUANLI_GPT_PROFILE=1 adds where
// the time of a step goes, by op and result.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/text.h"
#include "ops/op.h"
#include "runtime/backend.h"
#include "suanli/models.h"
#include "suanli/optim.h"

using namespace suanli;

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Profile {
  struct Line {
    double seconds = 0;
    long calls = 0;
  };
  std::map<std::string, Line> lines;
  double began = 0;
  ProfilerHooks hooks{[](void* p, const Step&, uint32_t) { static_cast<Profile*>(p)->began = now(); },
                      [](void* p, const Step& s, uint32_t) {
                        auto& self = *static_cast<Profile*>(p);
                        const double seconds = now() - self.began;
                        std::string name = str(op_def(s.op).name, s.expr ? str("(", s.expr->code.size(), ")") : std::string());
                        for (const ValueDesc& v : s.in)
                          if (s.op == op_id("matmul")) name += str(" ", v.shape);
                        Line& line = self.lines[str(name, " -> ", s.out[0].shape)];
                        line.seconds += seconds, ++line.calls;
                      },
                      this};
  void print(int steps) const {
    std::vector<std::pair<double, std::string>> order;
    for (auto& [name, line] : lines) order.push_back({line.seconds, str(line.calls / steps, " x ", name)});
    std::sort(order.rbegin(), order.rend());
    for (auto& [seconds, name] : order)
      if (seconds * 1e3 / steps >= 0.05) std::printf("  %8.2f ms  %s\n", seconds * 1e3 / steps, name.c_str());
  }
};

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode != "train" && mode != "infer")
    return std::fprintf(stderr, "usage: bench_gpt train|infer [batch] [T] [layers] [width] [heads] [vocab] [steps]\n"), 2;
  int64_t v[] = {8, 256, 4, 256, 8, 5000, 20};
  for (int i = 2; i < argc && i < 9; ++i) v[i - 2] = std::atoll(argv[i]);
  const auto [batch, t, layers, width, heads, vocab, steps] = v;
  manual_seed(1);
  models::Gpt gpt({.vocab = vocab, .context = t, .layers = layers, .width = width, .heads = heads});
  optim::AdamW optimizer(gpt.parameters(), {.lr = 3e-4});
  auto random_tokens = [&](const Shape& shape) { return cast(uniform(shape, 0, static_cast<double>(vocab)), i64); };
  Profile profile;
  const bool profiled = std::getenv("SUANLI_GPT_PROFILE") != nullptr;
  std::vector<double> seconds;
  for (int64_t i = -3; i < steps; ++i) {
    Tensor x = random_tokens({batch, t}), y = random_tokens({batch * t});
    flush();
    if (i == 0 && profiled) profiler_hooks = &profile.hooks;
    const double began = now();
    if (mode == "train") {
      cross_entropy(flatten(gpt(x), 0, 1), y).backward();
      optimizer.step();
    } else {
      NoGrad no_grad;
      Tensor logits = gpt(x);
      flush();
    }
    if (i >= 0) seconds.push_back(now() - began);
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  std::printf("suanli %s batch %ld T %ld layers %ld width %ld heads %ld vocab %ld: median %.2f ms, min %.2f ms, %.0f tokens/s\n",
              mode.c_str(), batch, t, layers, width, heads, vocab, median * 1e3, seconds[0] * 1e3, static_cast<double>(batch * t) / median);
  if (profiled) profile.print(static_cast<int>(steps));
}
