// SPDX-License-Identifier: Apache-2.0
// Pictures per second that a loader gives, and the most memory it takes: what bench/peers/loader.py
// compares with PyTorch's.
//   build/test/bench_loader DATA AUGMENT [BATCH [THREADS [SAMPLES]]]
//   build/test/bench_loader folder:photos?size=224 resized_crop,flip,randaugment 64 2
// One pass warms up; then about SAMPLES samples are timed. Prints one JSON object; memory without
// what the process had at its start.
#include <chrono>
#include <cstdio>
#include <string>

#include "base/system/proc.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"

int main(int argc, char** argv) {
  using namespace suanli;
  using Clock = std::chrono::steady_clock;
  auto argument = [&](int i, const char* usual) { return std::string(i < argc ? argv[i] : usual); };
  const int64_t baseline = proc_bytes("/proc/self/status", "VmRSS");
  const auto train = data::open(argument(1, "glyphs"), {.val_fraction = 0}).train;
  data::Loader loader(train, {.batch_size = std::stoll(argument(3, "64")),
                              .shuffle = true,
                              .threads = std::stoi(argument(4, "2")),
                              .augment = data::augment_from_text(argument(2, "none"))});
  const int64_t wanted = std::stoll(argument(5, "2000"));
  for (auto& [x, y] : loader) (void)x, (void)y;
  int64_t samples = 0;
  const Clock::time_point begin = Clock::now();
  while (samples < wanted)
    for (auto& [x, y] : loader) samples += x.size(0);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf("{\"samples_per_s\": %.1f, \"peak_mb\": %.1f}\n",
              static_cast<double>(samples) / seconds,
              static_cast<double>(proc_bytes("/proc/self/status", "VmHWM") - baseline) / 1e6);
}
