#include <algorithm>
#include <vector>

#include "backends/cpu/conv.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/onednn.h"
#include "base/thread_pool.h"

namespace suanli::cpu {
namespace {

/// The three convolutions in f64, sample by sample and group by group, as products with the matrix of all windows ("columns").
class ConvF64 final : public Kernel {
 public:
  ConvF64(Direction direction, const Geometry& g, bool bias)
      : direction_(direction),
        g_(g),
        bias_(bias),
        product_(product(direction, g), {.add = direction == Direction::forward && bias, .threads = 1}),
        adding_product_(product(direction, g), {.add = true, .threads = 1}) {
    const bool gradient = direction == Direction::grad_weight;
    const int64_t lanes = gradient ? gradient_lanes(g) : conv_lanes(g, g.n), pixels = g.p * g.q;
    pointwise_ = g.r == 1 && g.s == 1 && g.attr.stride == 1 && g.attr.padding == 0;
    Places places;
    for (int64_t i = 0; i < lanes; ++i) {
      Lane lane;
      lane.product = places.add(std::max(product_.scratch_bytes(), adding_product_.scratch_bytes()));
      if (!pointwise_) lane.columns = places.add(8 * g.depth() * pixels);
      if (gradient && i > 0) lane.dw = places.add(8 * g.w_size());
      lanes_.push_back(lane);
    }
    workspace_bytes = places.total();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const int64_t lanes = static_cast<int64_t>(lanes_.size());
    double* result = static_cast<double*>(out[0]);
    parallel_parts(static_cast<int>(lanes), [&](int i) {
      const Lane& lane = lanes_[static_cast<size_t>(i)];
      double* dw = lane.dw < 0 ? result : static_cast<double*>(at(workspace, lane.dw));
      const double* a = static_cast<const double*>(in[0]);
      const double* b = static_cast<const double*>(in[1]);
      const int64_t first = g_.n * i / lanes;
      for (int64_t n = first; n < g_.n * (i + 1) / lanes; ++n) {
        switch (direction_) {
          case Direction::forward:
            forward(a + n * g_.x_size(), b, bias_ ? static_cast<const double*>(in[2]) : nullptr, result + n * g_.y_size(), lane, workspace);
            break;
          case Direction::grad_input: grad_input(a + n * g_.y_size(), b, result + n * g_.x_size(), lane, workspace); break;
          case Direction::grad_weight: grad_weight(a + n * g_.x_size(), b + n * g_.y_size(), dw, n > first, lane, workspace); break;
        }
      }
    });
    if (direction_ != Direction::grad_weight) return;
    for (int64_t k = 1; k < lanes; ++k) {
      const double* more = static_cast<const double*>(at(workspace, lanes_[static_cast<size_t>(k)].dw));
      for (int64_t i = 0; i < g_.w_size(); ++i) result[i] += more[i];
    }
  }

 private:
  /// Of one group: w · columns, wᵀ · g or g · columnsᵀ.
  static GemmShape product(Direction direction, const Geometry& g) {
    const int64_t o = g.o / g.attr.groups, pixels = g.p * g.q, depth = g.depth();
    switch (direction) {
      case Direction::forward: return {o, pixels, depth};
      case Direction::grad_input: return {depth, pixels, o, true};
      case Direction::grad_weight: break;
    }
    return {o, depth, pixels, false, true};
  }

  struct Lane {
    int64_t product = 0, columns = 0, dw = -1;
  };

  /// Calls f(column, x, count, x_step): `count` neighbouring elements of a row of columns against those of x that they stand for.
  /// Elements that stand for padding are passed with x = nullptr.
  template <class X, class F> void for_windows(X* x, F f) const {
    const int64_t stride = g_.attr.stride;
    int64_t column = 0;
    for (int64_t c = 0; c < g_.c / g_.attr.groups; ++c)
      for (int64_t r = 0; r < g_.r; ++r)
        for (int64_t s = 0; s < g_.s; ++s) {
          const int64_t left = s * g_.attr.dilation - g_.attr.padding;  // of q = 0
          const int64_t q0 = std::clamp<int64_t>((-left + stride - 1) / stride, 0, g_.q);
          const int64_t q1 = left >= g_.w ? q0 : std::clamp<int64_t>((g_.w - 1 - left) / stride + 1, q0, g_.q);
          for (int64_t p = 0; p < g_.p; ++p, column += g_.q) {
            const int64_t row = p * stride + r * g_.attr.dilation - g_.attr.padding;
            if (row < 0 || row >= g_.h) {
              f(column, static_cast<X*>(nullptr), g_.q, stride);
              continue;
            }
            f(column, static_cast<X*>(nullptr), q0, stride);
            f(column + q0, x + (c * g_.h + row) * g_.w + q0 * stride + left, q1 - q0, stride);
            f(column + q1, static_cast<X*>(nullptr), g_.q - q1, stride);
          }
        }
  }

  const double* columns_of(const double* x, const Lane& lane, void* workspace) const {
    if (pointwise_) return x;
    double* columns = static_cast<double*>(at(workspace, lane.columns));
    for_windows(x, [&](int64_t column, const double* from, int64_t count, int64_t step) {
      if (from == nullptr) std::fill_n(columns + column, count, 0.0);
      else
        for (int64_t i = 0; i < count; ++i) columns[column + i] = from[i * step];
    });
    return columns;
  }

  /// Calls f(x's, w's, y's offset) of every group.
  template <class F> void for_groups(F f) const {
    const int64_t groups = g_.attr.groups;
    for (int64_t k = 0; k < groups; ++k) f(g_.x_size() / groups * k, g_.w_size() / groups * k, g_.y_size() / groups * k);
  }

  void forward(const double* x, const double* w, const double* b, double* y, const Lane& lane, void* workspace) const {
    const int64_t pixels = g_.p * g_.q;
    if (b != nullptr)
      for (int64_t k = 0; k < g_.o; ++k) std::fill_n(y + k * pixels, pixels, b[k]);
    for_groups([&](int64_t dx, int64_t dw, int64_t dy) {
      const double* columns = columns_of(x + dx, lane, workspace);
      product_.run(w + dw, columns, y + dy, at(workspace, lane.product));
    });
  }

  void grad_input(const double* g, const double* w, double* x, const Lane& lane, void* workspace) const {
    if (!pointwise_) std::fill_n(x, g_.x_size(), 0.0);
    for_groups([&](int64_t dx, int64_t dw, int64_t dy) {
      double* columns = pointwise_ ? x + dx : static_cast<double*>(at(workspace, lane.columns));
      product_.run(w + dw, g + dy, columns, at(workspace, lane.product));
      if (pointwise_) return;
      for_windows(x + dx, [&](int64_t column, double* to, int64_t count, int64_t step) {
        if (to == nullptr) return;
        for (int64_t i = 0; i < count; ++i) to[i * step] += columns[column + i];
      });
    });
  }

  void grad_weight(const double* x, const double* g, double* dw_all, bool add, const Lane& lane, void* workspace) const {
    for_groups([&](int64_t dx, int64_t dw, int64_t dy) {
      const double* columns = columns_of(x + dx, lane, workspace);
      (add ? adding_product_ : product_).run(g + dy, columns, dw_all + dw, at(workspace, lane.product));
    });
  }

  Direction direction_;
  Geometry g_;
  bool bias_, pointwise_ = false;
  Gemm<double> product_, adding_product_;
  std::vector<Lane> lanes_;
};

}  // namespace

std::unique_ptr<Kernel> make_conv_f64(Direction direction, const Geometry& g, bool bias) {
  return std::make_unique<ConvF64>(direction, g, bias);
}

}  // namespace suanli::cpu
