// SPDX-License-Identifier: Apache-2.0
// The network that reaches 94% on CIFAR-10 in the fewest operations known (Jordan 2024, "94% on
// CIFAR-10 in 3.29 seconds on a single GPU", arXiv 2404.00498), with the state names of its code.
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/text/text.h"
#include "models/zoo.h"

namespace suanli::models {

namespace {

constexpr int kPatch = 2;  // of the whitening convolution
constexpr int64_t kWidths[] = {64, 256, 256};

/// A convolution whose first outputs are its inputs: the identity where there are as many, and 0
/// beside it (section 3.1).
nn::Conv2d identity_conv(int64_t in, int64_t out) {
  nn::Conv2d conv(in, out, 3, {.padding = 1, .bias = false});
  std::vector<float> w = conv.weight.value().to_vector<float>();
  for (int64_t o = 0; o < std::min(in, out); ++o)
    for (int64_t k = 0; k < in * 9; ++k)
      w[static_cast<size_t>(o * in * 9 + k)] = k == o * 9 + 4 ? 1.0f : 0.0f;
  conv.weight.set(tensor<float>(w, conv.weight.shape()));
  return conv;
}
/// Learns a shift and no scale.
nn::BatchNorm2d shift_norm(int64_t channels) {
  nn::BatchNorm2d norm(channels, {.eps = 1e-12, .momentum = 0.4});
  norm.weight.set_requires_grad(false);
  return norm;
}

struct ConvGroup : nn::Module {
  nn::Conv2d conv1;
  nn::BatchNorm2d norm1;
  nn::Conv2d conv2;
  nn::BatchNorm2d norm2;
  SUANLI_FIELDS(conv1, norm1, conv2, norm2)
  ConvGroup(int64_t in, int64_t out)
      : conv1(identity_conv(in, out)),
        norm1(shift_norm(out)),
        conv2(identity_conv(out, out)),
        norm2(shift_norm(out)) {}
  Tensor forward(const Tensor& x) const {
    return gelu(norm2(conv2(gelu(norm1(max_pool2d(conv1(x)))))));
  }
  const char* type_name() const override { return "ConvGroup"; }
};

/// Twelve filters that whiten 2×2 patches and their negatives, which never learn; three groups; the
/// largest value of each channel; logits scaled by 1/9.
struct Airbench : nn::Module {
  nn::Conv2d whitening;
  std::vector<ConvGroup> groups;
  nn::Linear linear;
  // numbered as in its code, where activations and pooling are modules too
  void fields(nn::FieldVisitor& v) override {
    v.module("0", whitening);
    for (size_t i = 0; i < groups.size(); ++i) v.module(std::to_string(2 + i), groups[i]);
    v.module("7", linear);
  }
  SUANLI_CALL
  explicit Airbench(const ModelOptions& o)
      : whitening(channels_of_pictures("airbench", o.input_shape),
                  2 * o.input_shape[0] * kPatch * kPatch, kPatch),
        linear(kWidths[2], o.classes, {.bias = false}) {
    constexpr int64_t kMin = kPatch - 1 + 8;  // three poolings by 2
    require_sides("airbench", o.input_shape, kMin);
    whitening.weight.set_requires_grad(false);
    int64_t in = whitening.weight.shape()[0];
    for (int64_t out : kWidths) {
      groups.emplace_back(in, out);
      in = out;
    }
  }
  Tensor forward(const Tensor& x) const {
    Tensor y = gelu(whitening(x));
    for (const ConvGroup& group : groups) y = group(y);
    return linear(amax(y, {2, 3})) * (1.0 / 9);
  }
  const char* type_name() const override { return "airbench"; }
};

struct Eigen {
  std::vector<double> values;  // one per column
  std::vector<std::vector<double>> vectors;  // [i][k]: element i of vector k
};
/// Eigenvectors of a symmetric matrix, by Jacobi's rotations (1846): each makes one pair of
/// elements 0, until all are.
Eigen eigen_of(std::vector<std::vector<double>> a) {
  const size_t n = a.size();
  Eigen e{std::vector<double>(n), std::vector<std::vector<double>>(n, std::vector<double>(n))};
  for (size_t i = 0; i < n; ++i) e.vectors[i][i] = 1;
  constexpr int kMaxSweeps = 50;
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    double off = 0, total = 0;
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) (i == j ? total : off) += a[i][j] * a[i][j];
    if (off <= 1e-30 * total) break;
    for (size_t p = 0; p + 1 < n; ++p)
      for (size_t q = p + 1; q < n; ++q) {
        if (a[p][q] == 0) continue;
        const double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const double t = (theta < 0 ? -1 : 1) / (std::fabs(theta) + std::sqrt(theta * theta + 1)),
                     c = 1 / std::sqrt(t * t + 1), s = t * c;
        auto rotate = [&](double& x, double& y) {
          const double old = x;
          x = c * old - s * y;
          y = s * old + c * y;
        };
        for (size_t k = 0; k < n; ++k) rotate(a[k][p], a[k][q]);
        for (size_t k = 0; k < n; ++k) rotate(a[p][k], a[q][k]);
        for (size_t k = 0; k < n; ++k) rotate(e.vectors[k][p], e.vectors[k][q]);
      }
  }
  for (size_t i = 0; i < n; ++i) e.values[i] = a[i][i];
  return e;
}

/// Σ patch patchᵀ over all kPatch × kPatch patches of x [N, C, H, W]: products of x with itself,
/// shifted.
std::vector<float> patch_products(const Tensor& x) {
  const int64_t rows = x.size(2) - kPatch + 1, columns = x.size(3) - kPatch + 1;
  std::vector<Tensor> elements;  // of a patch, in the order of a filter's: channel, row, column
  for (int64_t c = 0; c < x.size(1); ++c)
    for (int64_t r = 0; r < kPatch; ++r)
      for (int64_t s = 0; s < kPatch; ++s)
        elements.push_back(narrow(narrow(narrow(x, 1, c, 1), 2, r, rows), 3, s, columns));
  const Tensor patches =
      reshape(cat(elements, 1), {x.size(0), static_cast<int64_t>(elements.size()), rows * columns});
  return sum(matmul(patches, patches, {.transpose_b = true}), {0}).to_vector<float>();
}

/// Σ patch patchᵀ / patches, some pictures at a time.
std::vector<std::vector<double>> patch_covariance(const Tensor& x) {
  constexpr int64_t kAtOnce = 4 << 20;  // elements of patches
  const auto n = static_cast<size_t>(x.size(1) * kPatch * kPatch);
  const int64_t patches = (x.size(2) - kPatch + 1) * (x.size(3) - kPatch + 1);
  const int64_t step = std::max<int64_t>(1, kAtOnce / (patches * static_cast<int64_t>(n)));
  std::vector<std::vector<double>> out(n, std::vector<double>(n));
  const double all = static_cast<double>(x.size(0)) * static_cast<double>(patches);
  for (int64_t at = 0; at < x.size(0); at += step) {
    const std::vector<float> products =
        patch_products(narrow(x, 0, at, std::min(step, x.size(0) - at)));
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j)
        out[i][j] +=
            (static_cast<double>(products[i * n + j]) + static_cast<double>(products[j * n + i])) /
            (2 * all);
  }
  return out;
}

}  // namespace

nn::AnyModule build_airbench(const ModelOptions& o) { return Airbench(o); }

void whiten_airbench(nn::Module& model, const Tensor& pictures) {
  NoGrad no_grad;
  auto& whitening = static_cast<Airbench&>(model.self()).whitening;
  const Eigen e = eigen_of(patch_covariance(pictures));
  const size_t n = e.values.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t i, size_t j) { return e.values[i] > e.values[j]; });
  std::vector<float> filters(2 * n * n);
  constexpr double kEps = 5e-4;  // directions that hardly vary are not blown up
  for (size_t k = 0; k < n; ++k)
    for (size_t i = 0; i < n; ++i) {
      const double w = e.vectors[i][order[k]] / std::sqrt(e.values[order[k]] + kEps);
      filters[k * n + i] = static_cast<float>(w);
      filters[(n + k) * n + i] = static_cast<float>(-w);
    }
  whitening.weight.set(tensor<float>(filters, whitening.weight.shape()));
  flush();
}

}  // namespace suanli::models
