// SPDX-License-Identifier: Apache-2.0
// Dtypes and shapes. Every other header of Suanli uses them.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "suanli/error.h"
#include "suanli/export.h"
#include "suanli/half.h"

namespace suanli {

/// Element types. No op supports complex, 8-bit float and 4-bit types yet.
enum class DType : uint8_t {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean,
  c64,
  c128,
  f8e4m3,
  f8e5m2,
  i4
};
inline constexpr DType f64 = DType::f64, f32 = DType::f32, f16 = DType::f16, bf16 = DType::bf16,
                       i64 = DType::i64, i32 = DType::i32, i16 = DType::i16, i8 = DType::i8,
                       u64 = DType::u64, u32 = DType::u32, u16 = DType::u16, u8 = DType::u8,
                       boolean = DType::boolean;

SUANLI_API const char* name(DType dtype);                 ///< "f32", "i64", "bool", …
SUANLI_API DType dtype_from_name(std::string_view name);  ///< Throws ArgumentError if unknown.
/// Bytes per element. 4-bit types take 1, stored unpacked.
SUANLI_API int64_t itemsize(DType dtype);
constexpr bool is_float(DType d) {
  return d == DType::f64 || d == DType::f32 || d == DType::f16 || d == DType::bf16;
}
constexpr bool is_integer(DType d) { return d >= DType::i64 && d <= DType::u8; }
/// The dtype that holds both, as in PyTorch: float beats integer beats bool, then the wider one; u8
/// with i8 → i16.
SUANLI_API DType promote(DType a, DType b);

/// The dtype of a C++ type.
template <class T> struct DTypeOf;
template <> struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <> struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <> struct DTypeOf<float16> {
  static constexpr DType value = DType::f16;
};
template <> struct DTypeOf<bfloat16> {
  static constexpr DType value = DType::bf16;
};
template <> struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <> struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};
template <> struct DTypeOf<int16_t> {
  static constexpr DType value = DType::i16;
};
template <> struct DTypeOf<int8_t> {
  static constexpr DType value = DType::i8;
};
template <> struct DTypeOf<uint64_t> {
  static constexpr DType value = DType::u64;
};
template <> struct DTypeOf<uint32_t> {
  static constexpr DType value = DType::u32;
};
template <> struct DTypeOf<uint16_t> {
  static constexpr DType value = DType::u16;
};
template <> struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <> struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};
template <class T> inline constexpr DType dtype_of = DTypeOf<T>::value;

/// The sizes of a tensor's axes, row-major, at most 8. They are stored inline, without heap.
class Shape {
 public:
  static constexpr int kMaxRank = 8;
  Shape() = default;
  /// One axis: zeros(3), reshape(x, -1).
  template <class I> requires(std::is_integral_v<I> && !std::is_same_v<I, bool>)
  Shape(I size) {
    push_back(static_cast<int64_t>(size));
  }
  Shape(std::initializer_list<int64_t> dims) : Shape(dims.begin(), static_cast<int>(dims.size())) {}
  Shape(const std::vector<int64_t>& dims) : Shape(dims.data(), static_cast<int>(dims.size())) {}
  Shape(const int64_t* dims, int rank) : rank_(static_cast<int8_t>(rank)) {
    if (rank > kMaxRank) throw_rank(rank);
    for (int i = 0; i < rank; ++i) dims_[i] = dims[i];
  }
  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[axis]; }
  int64_t& operator[](int axis) { return dims_[axis]; }
  /// The size of `axis`. Negative axes count from the end. Throws ShapeError if out of range.
  int64_t at(int axis) const { return dims_[this->axis(axis)]; }
  /// `axis` in 0…rank-1. Negative axes count from the end. Throws ShapeError if out of range.
  int axis(int axis) const {
    int a = axis < 0 ? axis + rank_ : axis;
    if (a < 0 || a >= rank_) throw_axis(axis, rank_);
    return a;
  }
  /// The product of the sizes. Throws ShapeError if it does not fit in 64 bits.
  int64_t numel() const {
    int64_t n = 1;
    bool overflow = false;
    for (int i = 0; i < rank_; ++i) overflow |= __builtin_mul_overflow(n, dims_[i], &n);
    return overflow ? numel_of_large() : n;
  }
  void push_back(int64_t dim) {
    if (rank_ == kMaxRank) throw_rank(rank_ + 1);
    dims_[rank_++] = dim;
  }
  const int64_t* begin() const { return dims_; }
  const int64_t* end() const { return dims_ + rank_; }
  bool operator==(const Shape& o) const {
    if (rank_ != o.rank_) return false;
    for (int i = 0; i < rank_; ++i)
      if (dims_[i] != o.dims_[i]) return false;
    return true;
  }

 private:
  [[noreturn]] SUANLI_API static void throw_rank(int rank);
  [[noreturn]] SUANLI_API static void throw_axis(int axis, int rank);
  SUANLI_API int64_t numel_of_large() const;  // 0 if an axis is empty, else throws
  int64_t dims_[kMaxRank] = {};
  int8_t rank_ = 0;
};

/// Dimensions by number; negative ones count from the end: `1`, `{0, -1}`. At most Shape::kMaxRank.
class Dims {
 public:
  Dims() = default;
  template <class I> requires(std::is_integral_v<I> && !std::is_same_v<I, bool>)
  Dims(I dim) {
    push_back(dim);
  }
  Dims(std::initializer_list<int64_t> dims) {
    for (int64_t dim : dims) push_back(dim);
  }
  template <class I> requires(std::is_integral_v<I> && !std::is_same_v<I, bool>)
  Dims(const std::vector<I>& dims) {
    for (I dim : dims) push_back(dim);
  }
  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int operator[](int i) const { return dims_[i]; }
  int& operator[](int i) { return dims_[i]; }
  const int* begin() const { return dims_; }
  const int* end() const { return dims_ + size_; }
  /// Throws ShapeError beyond Shape::kMaxRank, or for a number that is no int.
  void push_back(int64_t dim) {
    if (size_ == Shape::kMaxRank || dim != static_cast<int>(dim)) refuse(dim);
    dims_[size_++] = static_cast<int>(dim);
  }

 private:
  [[noreturn]] SUANLI_API void refuse(int64_t dim) const;
  int dims_[Shape::kMaxRank] = {};
  int size_ = 0;
};
SUANLI_API std::string to_string(const Dims& dims);  ///< "[0, 2]"

/// Two integers, of height and width; one stands for both: `3`, `{3, 5}`.
class IntPair {
 public:
  constexpr IntPair() = default;
  template <class I> requires(std::is_integral_v<I> && !std::is_same_v<I, bool>)
  constexpr IntPair(I both) : IntPair(both, both) {}
  template <class I, class J> requires(std::is_integral_v<I> && std::is_integral_v<J>)
  constexpr IntPair(I first, J second) : of_{checked(first), checked(second)} {}
  constexpr int operator[](int i) const { return of_[i]; }
  constexpr bool operator==(const IntPair&) const = default;
  constexpr bool equal() const { return of_[0] == of_[1]; }

 private:
  static constexpr int checked(int64_t value) {
    if (value != static_cast<int>(value)) refuse(value);
    return static_cast<int>(value);
  }
  [[noreturn]] SUANLI_API static void refuse(int64_t value);  // throws ArgumentError
  int of_[2] = {};
};
SUANLI_API std::string to_string(IntPair pair);  ///< "[3, 5]", or "3" if both are equal

/// The bytes of a tensor of this shape and dtype. Throws ShapeError `[op] …` if a size is negative,
/// or if the nonzero sizes give more than kMaxTensorBytes. So sums over the values of a program
/// never overflow.
SUANLI_API int64_t tensor_bytes(const char* op, const Shape& shape, DType dtype);
inline constexpr int64_t kMaxTensorBytes = int64_t{1} << 48;

/// NumPy broadcasting of two shapes: aligned at the last axis, sizes equal or 1. Throws ShapeError.
SUANLI_API Shape broadcast(const Shape& a, const Shape& b);

SUANLI_API std::string to_string(const Shape& shape);  ///< "[64, 3, 28, 28]"
inline std::string to_string(DType dtype) { return name(dtype); }
SUANLI_API std::ostream& operator<<(std::ostream& out, const Shape& shape);
SUANLI_API std::ostream& operator<<(std::ostream& out, DType dtype);

SUANLI_API const char* version();  ///< "0.1.0"

}  // namespace suanli
