// SPDX-License-Identifier: Apache-2.0
// Convolutions as matrix products: in f64, and in f32 where oneDNN has reference code only, or
// would lay a plain picture out anew for 1×1.
#include <algorithm>
#include <vector>

#include "backends/cpu/conv/conv.h"
#include "backends/cpu/conv/depthwise_simd.h"
#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/onednn/onednn.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

/// Between the layouts of a sample: [C, pixels] and blocks of channels [C/b, pixels, b].
template <class T> void relay(const T* from, T* to, int64_t channels, int64_t pixels, int64_t block,
                              bool into) {
  if (block == depthwise_lanes<T>()) {
    for (int64_t at = 0; at < channels * pixels; at += block * pixels)
      if (into)
        depthwise_gather<T>({from + at, block, 1, pixels}, {1, pixels, 0, 1, 0, pixels}, to + at);
      else depthwise_scatter<T>(from + at, pixels, {to + at, block, 1, pixels});
    return;
  }
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < pixels; ++i) {
      const int64_t plain = c * pixels + i, blocked = (c / block * pixels + i) * block + c % block;
      to[into ? blocked : plain] = from[into ? plain : blocked];
    }
}

/// The three convolutions, sample by sample and group by group, as products with the matrix of all
/// windows ("columns"). Samples that come in blocks of channels are laid out plain first.
template <class T> class ConvProducts final : public Kernel {
 public:
  ConvProducts(Direction direction, const Geometry& g, bool bias, Epilogue epilogue)
      : direction_(direction),
        g_(g),
        bias_(bias),
        epilogue_(std::move(epilogue)),
        product_(product(direction, g),
                 {.add = direction == Direction::forward && bias, .threads = threads(g)}),
        adding_product_(product(direction, g), {.add = true, .threads = threads(g)}) {
    const bool gradient = direction == Direction::grad_weight;
    const int64_t lanes = gradient ? gradient_lanes(g) : conv_lanes(g, g.n), pixels = g.p * g.q;
    pointwise_ = g.in_place();
    Places places;
    for (int64_t i = 0; i < lanes; ++i) {
      Lane lane;
      lane.product =
          places.add(std::max(product_.scratch_bytes(), adding_product_.scratch_bytes()));
      if (!pointwise_) lane.columns = places.add(kSize * g.depth() * pixels);
      if (g.x_block) lane.x = places.add(kSize * g.x_size());
      if (g.y_block) lane.y = places.add(kSize * g.y_size());
      if (!epilogue_.has_place()) lane.result = places.add(kSize * result_size());
      if (gradient && i > 0) lane.dw = places.add(kSize * g.w_size());
      lanes_.push_back(lane);
    }
    workspace_bytes = places.total();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const int64_t lanes = static_cast<int64_t>(lanes_.size());
    T* const result =
        static_cast<T*>(direction_ == Direction::grad_weight ? out[0] : epilogue_.place(out));
    parallel_invoke(static_cast<int>(lanes), [&](int i) {
      const Lane& lane = lanes_[static_cast<size_t>(i)];
      T* dw = lane.dw < 0 ? result : static_cast<T*>(at(workspace, lane.dw));
      const T* a = static_cast<const T*>(in[0]);
      const T* b = static_cast<const T*>(in[1]);
      const int64_t first = g_.n * i / lanes;
      for (int64_t n = first; n < g_.n * (i + 1) / lanes; ++n) {
        if (direction_ == Direction::grad_weight) {
          grad_weight(plain_x(a, n, lane, workspace), plain_y(b, n, lane, workspace), dw, n > first,
                      lane, workspace);
          continue;
        }
        T* to = result ? result + n * result_size() : static_cast<T*>(at(workspace, lane.result));
        if (direction_ == Direction::grad_input) {
          T* plain = g_.x_block ? static_cast<T*>(at(workspace, lane.x)) : to;
          grad_input(plain_y(a, n, lane, workspace), b, plain, lane, workspace);
          if (g_.x_block) relay(plain, to, g_.c, g_.h * g_.w, g_.x_block, true);
        } else {
          T* plain = g_.y_block ? static_cast<T*>(at(workspace, lane.y)) : to;
          forward(plain_x(a, n, lane, workspace), b, bias_ ? static_cast<const T*>(in[2]) : nullptr,
                  plain, lane, workspace);
          if (g_.y_block) relay(plain, to, g_.o, g_.p * g_.q, g_.y_block, true);
        }
        if constexpr (std::is_same_v<T, float>)
          if (epilogue_) epilogue_.apply(in, out, {n * result_size(), result_size(), to});
      }
    });
    if (direction_ != Direction::grad_weight) return;
    for (int64_t k = 1; k < lanes; ++k) {
      const T* more = static_cast<const T*>(at(workspace, lanes_[static_cast<size_t>(k)].dw));
      for (int64_t i = 0; i < g_.w_size(); ++i) result[i] += more[i];
    }
  }

 private:
  static constexpr int64_t kSize = sizeof(T);
  int64_t result_size() const {
    return direction_ == Direction::grad_input ? g_.x_size() : g_.y_size();
  }

  /// A thread takes a sample; the only one takes all threads.
  static int threads(const Geometry& g) { return g.n == 1 ? 0 : 1; }

  /// The product of one group: w · columns, wᵀ · g or g · columnsᵀ.
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
    int64_t x = 0, y = 0, result = 0;  // of a sample: plain copies; what the epilogue consumes
  };

  const T* plain_x(const T* x, int64_t sample, const Lane& lane, void* workspace) const {
    return plain(x + sample * g_.x_size(), g_.c, g_.h * g_.w, g_.x_block, at(workspace, lane.x));
  }
  const T* plain_y(const T* y, int64_t sample, const Lane& lane, void* workspace) const {
    return plain(y + sample * g_.y_size(), g_.o, g_.p * g_.q, g_.y_block, at(workspace, lane.y));
  }
  static const T* plain(const T* from, int64_t channels, int64_t pixels, int64_t block,
                        void* copy) {
    if (block == 0) return from;
    relay(from, static_cast<T*>(copy), channels, pixels, block, false);
    return static_cast<const T*>(copy);
  }

  /// Calls f(column, x, count, x_step): `count` neighboring elements of a row of columns against
  /// those of x that they stand for. Elements that stand for padding are passed with x = nullptr.
  template <class X, class F> void for_windows(X* x, F f) const {
    const int64_t stride = g_.attr.stride[1];
    int64_t column = 0;
    for (int64_t c = 0; c < g_.c / g_.attr.groups; ++c)
      for (int64_t r = 0; r < g_.r; ++r)
        for (int64_t s = 0; s < g_.s; ++s) {
          const int64_t left = s * g_.attr.dilation[1] - g_.attr.padding[1];  // of q = 0
          const int64_t q0 = std::clamp<int64_t>((-left + stride - 1) / stride, 0, g_.q);
          const int64_t q1 =
              left >= g_.w ? q0 : std::clamp<int64_t>((g_.w - 1 - left) / stride + 1, q0, g_.q);
          for (int64_t p = 0; p < g_.p; ++p, column += g_.q) {
            const int64_t row =
                p * g_.attr.stride[0] + r * g_.attr.dilation[0] - g_.attr.padding[0];
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

  const T* columns_of(const T* x, const Lane& lane, void* workspace) const {
    if (pointwise_) return x;
    T* columns = static_cast<T*>(at(workspace, lane.columns));
    for_windows(x, [&](int64_t column, const T* from, int64_t count, int64_t step) {
      if (from == nullptr) std::fill_n(columns + column, count, T(0));
      else
        for (int64_t i = 0; i < count; ++i) columns[column + i] = from[i * step];
    });
    return columns;
  }

  /// Calls f(x's, w's, y's offset) of every group.
  template <class F> void for_groups(F f) const {
    const int64_t groups = g_.attr.groups;
    for (int64_t k = 0; k < groups; ++k)
      f(g_.x_size() / groups * k, g_.w_size() / groups * k, g_.y_size() / groups * k);
  }

  void forward(const T* x, const T* w, const T* b, T* y, const Lane& lane, void* workspace) const {
    const int64_t pixels = g_.p * g_.q;
    if (b != nullptr)
      for (int64_t k = 0; k < g_.o; ++k) std::fill_n(y + k * pixels, pixels, b[k]);
    for_groups([&](int64_t dx, int64_t dw, int64_t dy) {
      const T* columns = columns_of(x + dx, lane, workspace);
      product_.run(w + dw, columns, y + dy, at(workspace, lane.product));
    });
  }

  void grad_input(const T* g, const T* w, T* x, const Lane& lane, void* workspace) const {
    if (!pointwise_) std::fill_n(x, g_.x_size(), T(0));
    for_groups([&](int64_t dx, int64_t dw, int64_t dy) {
      T* columns = pointwise_ ? x + dx : static_cast<T*>(at(workspace, lane.columns));
      product_.run(w + dw, g + dy, columns, at(workspace, lane.product));
      if (pointwise_) return;
      for_windows(x + dx, [&](int64_t column, T* to, int64_t count, int64_t step) {
        if (to == nullptr) return;
        for (int64_t i = 0; i < count; ++i) to[i * step] += columns[column + i];
      });
    });
  }

  void grad_weight(const T* x, const T* g, T* dw_all, bool add, const Lane& lane,
                   void* workspace) const {
    for_groups([&](int64_t dx, int64_t dw, int64_t dy) {
      const T* columns = columns_of(x + dx, lane, workspace);
      (add ? adding_product_ : product_)
          .run(g + dy, columns, dw_all + dw, at(workspace, lane.product));
    });
  }

  Direction direction_;
  Geometry g_;
  bool bias_, pointwise_ = false;
  Epilogue epilogue_;
  Gemm<T> product_, adding_product_;
  std::vector<Lane> lanes_;
};

}  // namespace

std::unique_ptr<Kernel> make_conv_products(Direction direction, DType dtype, const Geometry& g,
                                           bool bias, Epilogue epilogue) {
  if (dtype == DType::f64)
    return std::make_unique<ConvProducts<double>>(direction, g, bias, std::move(epilogue));
  return std::make_unique<ConvProducts<float>>(direction, g, bias, std::move(epilogue));
}

}  // namespace suanli::cpu
