// SPDX-License-Identifier: Apache-2.0
// Printing like NumPy: nested brackets, long axes abbreviated.
#include <charconv>
#include <ostream>

#include "base/text/text.h"
#include "suanli/tensor.h"

namespace suanli {

namespace {

constexpr int64_t kEdge = 3, kWhole = 8;  // of a longer axis the first and last three

/// As printf's %g, but with a point in every locale.
std::string general(double v, int digits) {
  char buffer[40];
  return {buffer,
          std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::general, digits).ptr};
}

/// The i-th of the elements at `data`.
std::string element(const void* data, DType dtype, int64_t i) {
  const auto at = [&](auto type) { return static_cast<const decltype(type)*>(data)[i]; };
  switch (dtype) {
    case DType::f64: return general(at(double{}), 10);
    case DType::f32: return general(static_cast<double>(at(float{})), 6);
    case DType::f16: return general(static_cast<double>(static_cast<float>(at(float16{}))), 4);
    case DType::bf16: return general(static_cast<double>(static_cast<float>(at(bfloat16{}))), 3);
    case DType::i64: return str(at(int64_t{}));
    case DType::i32: return str(at(int32_t{}));
    case DType::i16: return str(static_cast<int>(at(int16_t{})));
    case DType::i8: return str(static_cast<int>(at(int8_t{})));
    case DType::u64: return str(at(uint64_t{}));
    case DType::u32: return str(at(uint32_t{}));
    case DType::u16: return str(static_cast<int>(at(uint16_t{})));
    case DType::u8: return str(static_cast<int>(at(uint8_t{})));
    case DType::boolean: return at(uint8_t{}) ? "true" : "false";
    default:
      throw DTypeError({.op = "to_string",
                        .argument = "tensor",
                        .given = name(dtype),
                        .expected = "a dtype of 8 bits or more whose numbers are real"});
  }
}

void print(std::string& out, const Tensor& t, const void* data, int axis, int64_t offset) {
  if (axis == t.rank()) {
    out += element(data, t.dtype(), offset);
    return;
  }
  int64_t stride = 1;
  for (int i = axis + 1; i < t.rank(); ++i) stride *= t.shape()[i];
  const int64_t n = t.shape()[axis];
  out += '[';
  for (int64_t i = 0; i < n; ++i) {
    if (n > kWhole && i == kEdge) {
      out += axis + 1 < t.rank() ? ",\n" + std::string(static_cast<size_t>(axis) + 1, ' ') + "…"
                                 : ", …";
      i = n - kEdge;
    }
    if (i)
      out += axis + 1 < t.rank() ? ",\n" + std::string(static_cast<size_t>(axis) + 1, ' ') : ", ";
    print(out, t, data, axis + 1, offset + i * stride);
  }
  out += ']';
}

}  // namespace

std::string to_string(const Tensor& t) {
  if (!t.defined()) return "undefined tensor";
  std::string out;
  print(out, t, detail::host_data(t, t.dtype()), 0, 0);
  return out + (t.rank() > 1 ? "\n" : " ") + str(t.dtype(), t.shape());
}

std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << to_string(t); }

}  // namespace suanli
