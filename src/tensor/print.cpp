// Printing like NumPy: nested brackets, long axes abbreviated.
#include <cmath>
#include <cstdio>
#include <ostream>

#include "base/text.h"
#include "suanli/tensor.h"

namespace suanli {

namespace {

constexpr int64_t kEdge = 3, kWhole = 8;  // of a longer axis the first and last three

std::string element(const Tensor& t, int64_t i) {
  char buffer[40];
  switch (t.dtype()) {
    case DType::f32:
      std::snprintf(buffer, sizeof buffer, "%.6g", static_cast<double>(t.data<float>()[static_cast<size_t>(i)]));
      return buffer;
    case DType::f64: std::snprintf(buffer, sizeof buffer, "%.10g", t.data<double>()[static_cast<size_t>(i)]); return buffer;
    case DType::i64: return str(t.data<int64_t>()[static_cast<size_t>(i)]);
    case DType::i32: return str(t.data<int32_t>()[static_cast<size_t>(i)]);
    case DType::u8: return str(static_cast<int>(t.data<uint8_t>()[static_cast<size_t>(i)]));
    case DType::boolean: return t.data<bool>()[static_cast<size_t>(i)] ? "true" : "false";
    default: return "?";
  }
}

void print(std::string& out, const Tensor& t, int axis, int64_t offset) {
  if (axis == t.rank()) {
    out += element(t, offset);
    return;
  }
  int64_t stride = 1;
  for (int i = axis + 1; i < t.rank(); ++i) stride *= t.shape()[i];
  const int64_t n = t.shape()[axis];
  out += '[';
  for (int64_t i = 0; i < n; ++i) {
    if (n > kWhole && i == kEdge) {
      out += axis + 1 < t.rank() ? ",\n" + std::string(static_cast<size_t>(axis) + 1, ' ') + "…" : ", …";
      i = n - kEdge;
    }
    if (i) out += axis + 1 < t.rank() ? ",\n" + std::string(static_cast<size_t>(axis) + 1, ' ') : ", ";
    print(out, t, axis + 1, offset + i * stride);
  }
  out += ']';
}

}  // namespace

std::string to_string(const Tensor& t) {
  if (!t.defined()) return "undefined tensor";
  std::string out;
  print(out, t, 0, 0);
  return out + (t.rank() > 1 ? "\n" : " ") + str(t.dtype(), t.shape());
}

std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << to_string(t); }

}  // namespace suanli
