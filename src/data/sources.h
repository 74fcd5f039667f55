// The kinds of data that open() knows. A new one: a function here, a row in the table of open.cpp.
#pragma once
#include <string>

#include "data/pixel_set.h"

namespace suanli::data {

/// train: training samples, test: test samples, each 1 … 2,000,000; the seed of the pictures is not that of the run, so that runs
/// with different seeds compare on the same data.
Source open_glyphs(int64_t train, int64_t test, uint64_t seed);

/// The four files of MNIST and its relatives in `folder`: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…; plain or .gz, also
/// spelt train-images.idx3-ubyte. Ten classes.
Source open_mnist(const std::string& kind, const std::string& folder, const std::vector<std::string>& class_names);

}  // namespace suanli::data
