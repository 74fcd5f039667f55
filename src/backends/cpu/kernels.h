// The CPU's kernel table: one factory per op name, registered beside its kernels.
#pragma once
#include <cstring>
#include <memory>
#include <string_view>

#include "runtime/backend.h"

namespace suanli::cpu {

/// Makes the kernel of a step; null if it does not support the step's dtypes. The step's attributes live only during the call.
using Factory = std::unique_ptr<Kernel> (*)(const Step& step);

struct RegisterKernel {
  RegisterKernel(const char* op_name, Factory factory);
};

/// The instruction set that oneDNN was found to use ("avx512_core_amx", …), defined beside its kernels.
std::string onednn_isa();

/// A kernel from a function object called with (in, out).
template <class F> std::unique_ptr<Kernel> make_kernel(F f) {
  struct Call : Kernel {
    explicit Call(F f) : f(std::move(f)) {}
    void run(const void* const* in, void* const* out, void*) override { f(in, out); }
    F f;
  };
  return std::make_unique<Call>(std::move(f));
}

/// Calls f with a value of the C++ type of a dtype that kernels compute in memory; false for others.
template <class F> bool with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f64: f(double{}); return true;
    case DType::f32: f(float{}); return true;
    case DType::i64: f(int64_t{}); return true;
    case DType::i32: f(int32_t{}); return true;
    case DType::u8: case DType::boolean: f(uint8_t{}); return true;
    default: return false;
  }
}

/// One scalar operand: a slot (f64 or i64) or a 0-d tensor.
inline double read_real(const void* p, DType d) { return d == DType::f64 ? *static_cast<const double*>(p) : d == DType::f32 ? *static_cast<const float*>(p) : static_cast<double>(*static_cast<const int64_t*>(p)); }
inline int64_t read_integer(const void* p, DType d) {
  switch (d) {
    case DType::i32: return *static_cast<const int32_t*>(p);
    case DType::u8: case DType::boolean: return *static_cast<const uint8_t*>(p);
    case DType::i64: return *static_cast<const int64_t*>(p);
    default: return static_cast<int64_t>(read_real(p, d));
  }
}

}  // namespace suanli::cpu
