// SPDX-License-Identifier: Apache-2.0
// Conversions between dtypes and strided copies: the kernels that move elements and compute
// nothing.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "backends/cpu/fused/fused_kernel.h"
#include "backends/cpu/fused/narrow_floats.h"
#include "backends/cpu/simd/iteration.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

struct Bool {
  uint8_t v;
};  // told apart from u8

template <class To, class From> To convert_one(From x) {
  if constexpr (suanli::detail::is_half<From>) return convert_one<To>(static_cast<float>(x));
  else if constexpr (std::is_same_v<From, Bool>)
    return convert_one<To>(static_cast<uint8_t>(x.v != 0));
  else if constexpr (std::is_same_v<To, Bool>) return {static_cast<uint8_t>(x != From{})};
  else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // The limits as From: the upper one, 2ⁿ, is exact, and C++ leaves open what a cast beyond it
    // gives.
    constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From high = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * 2;
    if (!(x >= low)) return std::isnan(x) ? To{} : std::numeric_limits<To>::min();
    return x < high ? static_cast<To>(x) : std::numeric_limits<To>::max();
  } else return static_cast<To>(x);
}

template <class From, class To> void convert(const void* in, void* out, size_t n) {
  const From* from = static_cast<const From*>(in);
  To* to = static_cast<To*>(out);
  if constexpr (std::is_same_v<From, To> && !std::is_same_v<From, Bool>) std::copy_n(from, n, to);
  else if constexpr (suanli::detail::is_half<From> && std::is_same_v<To, float>) widen(from, to, n);
  else if constexpr (std::is_same_v<From, float> && suanli::detail::is_half<To>)
    narrow(from, to, n);
  else
    for (size_t i = 0; i < n; ++i) to[i] = convert_one<To>(from[i]);
}

/// Calls f with a value of the C++ type that stands for `dtype`.
template <class F> ConvertFn with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::f64: return f(double{});
    case DType::f32: return f(float{});
    case DType::f16: return f(float16{});
    case DType::bf16: return f(bfloat16{});
    case DType::i64: return f(int64_t{});
    case DType::i32: return f(int32_t{});
    case DType::i16: return f(int16_t{});
    case DType::i8: return f(int8_t{});
    case DType::u64: return f(uint64_t{});
    case DType::u32: return f(uint32_t{});
    case DType::u16: return f(uint16_t{});
    case DType::u8: return f(uint8_t{});
    case DType::boolean: return f(Bool{});
    default: return nullptr;
  }
}

class Cast final : public Kernel {
 public:
  Cast(const ValueDesc& in, const ValueDesc& out)
      : convert_(checked_converter("cast", in.dtype, out.dtype)),
        n_(out.shape.numel()),
        in_size_(itemsize(in.dtype)),
        out_size_(itemsize(out.dtype)) {
    if (in.shape.numel() != n_)
      throw ShapeError({.op = "cast",
                        .argument = "result",
                        .given = to_string(out.shape),
                        .expected = to_string(in.shape)});
  }
  void run(const void* const* in, void* const* out, void*) override {
    parallel_chunks(n_, grain_, [&](int64_t begin, int64_t end) {
      convert_(static_cast<const std::byte*>(in[0]) + begin * in_size_,
               static_cast<std::byte*>(out[0]) + begin * out_size_,
               static_cast<size_t>(end - begin));
    });
  }

 private:
  ConvertFn convert_;
  int64_t n_, in_size_, out_size_, grain_ = cpu_tuning().thread_copy_elements;
};

/// Copies elements of one size. Two axes are walked in blocks: the output's last, and the one along
/// which the input is contiguous; so a transposition touches every cache line of both sides while
/// it is in L1. `outer` are the other axes.
template <class T> class StridedCopyOf final : public StridedCopy {
 public:
  StridedCopyOf(const Shape& shape, const std::array<int64_t, 8>& in_strides)
      : total_(shape.numel()) {
    Shape copy = shape;
    std::array<int64_t, 8> out_strides{};
    int64_t stride = 1;
    for (int axis = copy.rank() - 1; axis >= 0; stride *= copy[axis--]) out_strides[axis] = stride;
    std::vector<std::array<int64_t, 8>> strides{in_strides, out_strides};
    std::vector<int64_t> sizes = collapse(copy, strides);
    int columns = static_cast<int>(sizes.size()) - 1, rows = columns - 1;
    if (strides[0][columns] != 1)
      for (int axis = 0; axis < columns; ++axis)
        if (strides[0][axis] == 1) rows = axis;
    columns_ = {sizes[columns], strides[0][columns], 1};
    if (rows >= 0) rows_ = {sizes[rows], strides[0][rows], strides[1][rows]};
    for (int axis = 0; axis < columns; ++axis) {
      if (axis == rows) continue;
      in_strides_[outer_.size()] = strides[0][axis];
      out_strides_[outer_.size()] = strides[1][axis];
      outer_.push_back(sizes[axis]);
      outer_total_ *= sizes[axis];
    }
  }

  void run_at(const void* in_base, void* out) override {
    if (total_ == 0) return;
    const T* from = static_cast<const T*>(in_base);
    T* to = static_cast<T*>(out);
    const int64_t bands = (rows_.size + kBlock - 1) / kBlock, work = bands * outer_total_;
    parallel_chunks(work, std::max<int64_t>(1, grain_ * work / total_),
                    [&](int64_t begin, int64_t end) {
                      Odometer<2> at(outer_, static_cast<int>(outer_.size()),
                                     {in_strides_.data(), out_strides_.data()}, begin / bands);
                      for (int64_t i = begin, band = begin % bands; i < end; ++i) {
                        copy_band(from + at.offset[0], to + at.offset[1], band * kBlock,
                                  std::min(rows_.size, (band + 1) * kBlock));
                        if (++band == bands) {
                          band = 0;
                          at.next();
                        }
                      }
                    });
  }

 private:
  struct Axis {
    int64_t size, in, out;
  };
  static constexpr int64_t kBlock = 64 / sizeof(T) < 16 ? 16 : 64 / sizeof(T);

  void copy_band(const T* from, T* to, int64_t row0, int64_t row1) const {
    const int64_t n = columns_.size;
    if (columns_.in == 1) {
      for (int64_t r = row0; r < row1; ++r)
        std::memcpy(to + r * rows_.out, from + r * rows_.in, static_cast<size_t>(n) * sizeof(T));
    } else if (columns_.in == 0) {
      for (int64_t r = row0; r < row1; ++r) std::fill_n(to + r * rows_.out, n, from[r * rows_.in]);
    } else {
      for (int64_t c0 = 0; c0 < n; c0 += kBlock)
        for (int64_t r = row0; r < row1; ++r) {
          const T* source = from + r * rows_.in;
          T* row = to + r * rows_.out;
          for (int64_t c = c0, end = std::min(n, c0 + kBlock); c < end; ++c)
            row[c] = source[c * columns_.in];
        }
    }
  }

  int64_t total_, outer_total_ = 1, grain_ = cpu_tuning().thread_copy_elements;
  Axis columns_{1, 1, 1}, rows_{1, 0, 0};
  std::vector<int64_t> outer_;
  std::array<int64_t, 8> in_strides_{}, out_strides_{};
};

}  // namespace

ConvertFn converter(DType from, DType to) {
  return with_type(from, [to]<class From>(From) {
    return with_type(to, []<class To>(To) -> ConvertFn { return &convert<From, To>; });
  });
}

ConvertFn checked_converter(const char* op, DType from, DType to) {
  ConvertFn f = converter(from, to);
  if (!f)
    throw DTypeError({.op = op,
                      .argument = "input",
                      .given = to_string(from),
                      .expected = "a dtype that the CPU converts to " + to_string(to)});
  return f;
}

std::unique_ptr<Kernel> make_cast(const ValueDesc& in, const ValueDesc& out) {
  return std::make_unique<Cast>(in, out);
}

std::unique_ptr<StridedCopy> make_strided_copy(DType dtype, const Shape& out_shape,
                                               const std::array<int64_t, 8>& in_strides_elements) {
  switch (itemsize(dtype)) {
    case 1: return std::make_unique<StridedCopyOf<uint8_t>>(out_shape, in_strides_elements);
    case 2: return std::make_unique<StridedCopyOf<uint16_t>>(out_shape, in_strides_elements);
    case 4: return std::make_unique<StridedCopyOf<uint32_t>>(out_shape, in_strides_elements);
    case 8: return std::make_unique<StridedCopyOf<uint64_t>>(out_shape, in_strides_elements);
    default:
      throw DTypeError({.op = "copy",
                        .argument = "dtype",
                        .given = to_string(dtype),
                        .expected = "a dtype of 1, 2, 4 or 8 bytes"});
  }
}

}  // namespace suanli::cpu
