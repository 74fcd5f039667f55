// SPDX-License-Identifier: Apache-2.0
// Gives peer tests the training samples of a data set: inputs as raw f32 to OUT.x, targets as raw
// f64 to OUT.y.
#include <cstdio>
#include <string>

#include "base/files/file.h"
#include "suanli/dataset.h"

int main(int argc, char** argv) try {  // dataset SPEC OUT
  using namespace suanli;
  if (argc != 3) return 2;
  const auto set = data::open(argv[1], {.val_fraction = 0}).train;
  const auto values = static_cast<size_t>(set->info().input_shape.numel());
  std::vector<float> x(values * static_cast<size_t>(set->size()));
  std::vector<double> y(static_cast<size_t>(set->size()));
  for (size_t i = 0; i < y.size(); ++i) {
    if (set->info().task == data::Task::regression) {
      float value = 0;
      set->read_value(static_cast<int64_t>(i), x.data() + i * values, &value);
      y[i] = static_cast<double>(value) * set->info().target_stddev + set->info().target_mean;
    } else {
      int64_t label = 0;
      set->read(static_cast<int64_t>(i), x.data() + i * values, &label);
      y[i] = static_cast<double>(label);
    }
  }
  auto write = [&](const char* ending, const void* data, size_t bytes) {
    write_file_atomically(std::string(argv[2]) + ending, {static_cast<const char*>(data), bytes});
  };
  write(".x", x.data(), x.size() * sizeof(float));
  write(".y", y.data(), y.size() * sizeof(double));
  return 0;
} catch (const suanli::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
