// SPDX-License-Identifier: Apache-2.0
// A residual network for tables (Gorishniy et al. 2021, "Revisiting deep learning models for
// tabular data"), each column first spread over periodic functions (Gorishniy et al. 2022, "On
// embeddings for numerical features"): a number that works by where it lies, such as a longitude,
// then needs no deep network to be told apart from its neighbors.
#include <cmath>
#include <numbers>
#include <vector>

#include "base/text/text.h"
#include "models/zoo.h"

namespace suanli::models {

namespace {

constexpr int64_t kFrequencies = 16, kEmbedding = 16, kWidth = 256;
// of the first frequencies, in periods per standard deviation of the column
constexpr double kSpread = 1;
constexpr double kDropout = 0.1;
constexpr int kBlocks = 2;

/// x [N, D] → [N, D·kEmbedding]: ReLU of a linear map, one per column, of sin 2πfx and cos 2πfx;
/// the frequencies f learn too.
struct PeriodicEmbedding : nn::Module {
  // [D, kFrequencies], [D, 2·kFrequencies, kEmbedding], [D, 1, kEmbedding]
  Parameter frequencies, weight, bias;
  SUANLI_FIELDS(frequencies, weight, bias)
  explicit PeriodicEmbedding(int64_t columns)
      : frequencies(normal(0, kSpread, {columns, kFrequencies})),
        bias(zeros({columns, 1, kEmbedding})) {
    const double bound = 1 / std::sqrt(2.0 * kFrequencies);
    weight = Parameter(uniform(-bound, bound, {columns, 2 * kFrequencies, kEmbedding}));
  }
  Tensor forward(const Tensor& x) const {
    const int64_t n = x.size(0), d = x.size(1);
    const Tensor angle = reshape(x, {n, d, 1}) * frequencies * (2 * std::numbers::pi);
    const Tensor waves = permute(cat({sin(angle), cos(angle)}, 2), {1, 0, 2});
    return reshape(permute(relu(matmul(waves, weight) + bias), {1, 0, 2}), {n, d * kEmbedding});
  }
  const char* type_name() const override { return "PeriodicEmbedding"; }
};

struct ResidualBlock : nn::Module {
  nn::LayerNorm norm{kWidth};
  nn::Linear linear1{kWidth, kWidth}, linear2{kWidth, kWidth};
  nn::Dropout dropout{kDropout};
  SUANLI_FIELDS(norm, linear1, linear2, dropout)
  Tensor forward(const Tensor& x) const { return x + linear2(dropout(relu(linear1(norm(x))))); }
  const char* type_name() const override { return "ResidualBlock"; }
};

struct Tabular : nn::Module {
  PeriodicEmbedding embedding;
  nn::Linear first;
  std::vector<ResidualBlock> blocks{kBlocks};
  nn::LayerNorm norm{kWidth};
  nn::Linear head;
  SUANLI_FIELDS(embedding, first, blocks, norm, head)
  explicit Tabular(const ModelOptions& o)
      : embedding(columns(o.input_shape)),
        first(o.input_shape[0] * (1 + kEmbedding), kWidth),
        head(kWidth, o.classes) {}
  Tensor forward(const Tensor& x) const {
    Tensor y = first(cat({x, embedding(x)}, 1));
    for (const ResidualBlock& block : blocks) y = block(y);
    return head(relu(norm(y)));
  }
  const char* type_name() const override { return "tabular"; }

 private:
  static int64_t columns(const Shape& input) {
    if (input.rank() != 1)
      refuse_input("tabular", input, "[columns]", "Use the model mlp for data that are no table.");
    return input[0];
  }
};

}  // namespace

nn::AnyModule build_tabular(const ModelOptions& o) { return Tabular(o); }

}  // namespace suanli::models
