// SPDX-License-Identifier: Apache-2.0
// The CPU's kernel table: one factory per op, registered beside its kernels.
#pragma once
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>

#include "ops/schema/ops.h"
#include "runtime/backend.h"

namespace suanli::cpu {

/// Makes the kernel of a step; null if it does not support the step's dtypes. The step's attributes
/// live only during the call.
using Factory = std::unique_ptr<Kernel> (*)(const Step& step);

/// The operands of a step that may come in blocks of `block` channels.
using Blocked = BlockedOperands (*)(const Step& step, int64_t block);

struct RegisterBlocked {
  RegisterBlocked(const Op& op, Blocked blocked);
};

/// For kernels that run a step's epilogue (see epilogue.h): whether they do for this step.
struct RegisterEpilogue {
  RegisterEpilogue(const Op& op, bool (*takes)(const Step& step));
};

/// Counts memory that the kernel which this thread prepares will keep (Kernel::bytes_held). Whoever
/// makes something large for a kernel calls it.
void count_held(int64_t bytes);
/// Sum of what was counted, for a caller that gives up what it made: count_held() of the difference
/// takes it back.
int64_t counted_held();

struct RegisterKernel {
  RegisterKernel(const Op& op, Factory factory);
};

/// The instruction set that oneDNN was found to use ("avx512_core_amx", …), defined beside its
/// kernels.
std::string onednn_isa();
/// True if SUANLI_CONV forbids Winograd's algorithm.
bool direct_convolutions();
/// The block of channels that oneDNN's f32 convolutions work in on this machine; 0: none.
int64_t onednn_channel_block();

/// A kernel that takes fewer multiplications than its op's definition.
struct SavesFlops {
  virtual ~SavesFlops() = default;
  virtual int64_t saved_flops() const = 0;
};

/// A kernel from a function object called with (in, out).
template <class F> std::unique_ptr<Kernel> make_kernel(F f) {
  struct Call : Kernel {
    explicit Call(F f) : f(std::move(f)) {}
    void run(const void* const* in, void* const* out, void*) override { f(in, out); }
    F f;
  };
  return std::make_unique<Call>(std::move(f));
}

/// Calls f with a value of the C++ type of a dtype that kernels compute in memory; false for
/// others.
template <class F> bool with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f64: f(double{}); return true;
    case DType::f32: f(float{}); return true;
    case DType::i64: f(int64_t{}); return true;
    case DType::i32: f(int32_t{}); return true;
    case DType::u8:
    case DType::boolean: f(uint8_t{}); return true;
    default: return false;
  }
}

/// The same for every dtype of kNumberDTypes.
template <class F> bool with_number(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f16: f(float16{}); return true;
    case DType::bf16: f(bfloat16{}); return true;
    case DType::i16: f(int16_t{}); return true;
    case DType::i8: f(int8_t{}); return true;
    case DType::u64: f(uint64_t{}); return true;
    case DType::u32: f(uint32_t{}); return true;
    case DType::u16: f(uint16_t{}); return true;
    default: return with_type(dtype, f);
  }
}

/// `v` as a T; of a float that an integer T does not hold the nearest one, of NaN 0, as cast does.
template <class T, class V> T saturated(V v) {
  if constexpr (std::is_floating_point_v<V> && std::is_integral_v<T>) {
    constexpr double low = static_cast<double>(std::numeric_limits<T>::min()),
                     high = static_cast<double>(std::numeric_limits<T>::max());
    const double d = static_cast<double>(v);
    if (std::isnan(d)) return 0;
    if (d <= low) return std::numeric_limits<T>::min();
    if (d >= high) return std::numeric_limits<T>::max();
  }
  return static_cast<T>(v);
}

/// One scalar operand, a slot (f64 or i64) or a 0-d tensor, as a number of type T.
template <class T> T read_scalar(const void* p, DType dtype) {
  T value{};
  with_number(dtype, [&]<class V>(V) {
    const V v = *static_cast<const V*>(p);
    if constexpr (suanli::detail::is_half<V>) value = saturated<T>(static_cast<float>(v));
    else value = saturated<T>(v);
  });
  return value;
}
inline double read_real(const void* p, DType dtype) { return read_scalar<double>(p, dtype); }
inline int64_t read_integer(const void* p, DType dtype) { return read_scalar<int64_t>(p, dtype); }

}  // namespace suanli::cpu
