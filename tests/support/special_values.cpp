// SPDX-License-Identifier: Apache-2.0
#include "support/special_values.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "backends/instruction_set.h"
#include "base/text/text.h"

namespace suanli::test {

namespace {

constexpr int64_t kMaxElements = 3000;  // the references are slow
constexpr Real kInfinity = std::numeric_limits<Real>::infinity();

struct Special {
  uint32_t f32;
  uint64_t f64;
};
/// Quiet and signaling NaN, positive and negative, with the smallest and the largest payloads;
/// infinities.
constexpr Special specials[] = {{0x7fc00000, 0x7ff8000000000000}, {0xffc00000, 0xfff8000000000000},
                                {0x7fffffff, 0x7fffffffffffffff}, {0xffffffff, 0xffffffffffffffff},
                                {0x7f800001, 0x7ff0000000000001}, {0x7f800000, 0x7ff0000000000000},
                                {0xff800000, 0xfff0000000000000}};

Real value_of(const Special& s) { return static_cast<Real>(std::bit_cast<double>(s.f64)); }

/// `a` with the bits of `s` at one place.
Tensor with_special(const Array& a, size_t place, const Special& s) {
  std::string bytes = bits(to_tensor(a));
  if (a.dtype == DType::f32) std::memcpy(bytes.data() + place * sizeof s.f32, &s.f32, sizeof s.f32);
  else std::memcpy(bytes.data() + place * sizeof s.f64, &s.f64, sizeof s.f64);
  return tensor_from_bytes(bytes.data(), static_cast<int64_t>(bytes.size()), a.shape, a.dtype);
}

/// Describes the first error of the result `got`; empty if there is none.
std::string difference(const Array& got, const Array& want, double tolerance,
                       Reference::Wild wild) {
  for (size_t i = 0; i < want.v.size(); ++i) {
    const Real g = got.v[i], w = want.v[i];
    const std::string found = str("element ", static_cast<int64_t>(i), " is ",
                                  static_cast<double>(g), ", expected ", static_cast<double>(w));
    if (std::isfinite(g) != std::isfinite(w) &&
        !(wild == Reference::Wild::mixed && std::isfinite(w)))
      return found;
    if (wild == Reference::Wild::mixed || (wild == Reference::Wild::places && !std::isfinite(w)))
      continue;
    if (std::isnan(w) != std::isnan(g) || std::isinf(w) != std::isinf(g)) return found;
    if (std::isinf(w) && w != g) return found;
    if (!std::isfinite(w)) continue;
    const Real scale = want.scale.empty() ? std::fabs(w) : want.scale[i];
    if (std::isfinite(scale) &&
        std::fabs(g - w) > static_cast<Real>(tolerance) * std::max<Real>(scale, 1e-300L))
      return found;
  }
  return {};
}

/// The attribute that chooses the dtype of the result, or null.
const AttributeField* dtype_attribute(const Op& op) {
  if (const AttributeType* type = op.schema().attributes)
    for (const AttributeField& field : type->fields)
      if (field.name == "dtype") return &field;
  return nullptr;
}

}  // namespace

void check_special_values(const Op& op, const Sample& sample, int number) {
  const Reference* reference = test::reference(op.name());
  if (sample.throws || !reference) return;
  const Inputs in = draw_inputs(op, sample, number);
  int64_t elements = 0;
  for (const Array& a : in.arrays) elements += a.shape.numel();
  if (elements > kMaxElements) return;
  for (size_t k = 0; k + in.slots < in.arrays.size(); ++k) {
    if (!is_float(in.arrays[k].dtype) || in.arrays[k].v.empty()) continue;
    const size_t n = in.arrays[k].v.size();
    for (size_t place : {size_t{0}, n / 2, n - 1}) {
      std::vector<Array> want;
      Real wanted_for = 0;  // a number that is none of the special ones
      for (const Special& s : specials) {
        const Real value = value_of(s);
        // the reference sees no payloads
        if (!(value == wanted_for || (std::isnan(value) && std::isnan(wanted_for)))) {
          std::vector<Array> arrays = in.arrays;
          arrays[k].v[place] = std::isnan(value) ? std::numeric_limits<Real>::quiet_NaN() : value;
          want = reference->value({arrays, sample.attr, sample.shape});
          wanted_for = value;
        }
        std::vector<Tensor> inputs = in.tensors;
        inputs[k] = with_special(in.arrays[k], place, s);
        for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
          const InstructionSet only(target);
          count(Mode::special);
          const auto got = call(op, sample, inputs);
          for (size_t r = 0; r < got.size() && r < static_cast<size_t>(reference->results); ++r) {
            const double tolerance = want[r].dtype == DType::f32   ? reference->f32
                                     : want[r].dtype == DType::f64 ? reference->f64
                                                                   : 0;
            const std::string wrong =
                difference(to_array(got[r]), want[r], tolerance, reference->wild);
            EXPECT_EQ(wrong, "") << "result " << r << ", " << hwy::TargetName(target) << ", input "
                                 << k << " has bits " << std::hex
                                 << (in.arrays[k].dtype == DType::f32 ? s.f32 : s.f64) << std::dec
                                 << " at place " << place;
            if (!wrong.empty()) return;  // the others say the same
          }
        }
      }
    }
  }
}

void check_dtypes(const Op& op, const Sample& sample, int number) {
  if (sample.throws) return;
  const Inputs in = draw_inputs(op, sample, number);
  const auto run = [&](const std::string& what, const Sample& s,
                       const std::vector<Tensor>& inputs) {
    count(Mode::dtypes);
    std::vector<Tensor> results;
    try {
      results = call(op, s, inputs);
    } catch (const Error& e) {
      EXPECT_NE(e.op(), "") << what << ": " << e.what();
      EXPECT_TRUE(e.code() == ErrorCode::shape || e.code() == ErrorCode::dtype)
          << what << ": " << e.what();
      drop_pending();
      return;
    }
    try {
      for (const Tensor& t : results) bits(t);
    } catch (const Error& e) {
      ADD_FAILURE() << what
                    << " was accepted by the call and failed when its program ran: " << e.what();
      drop_pending();
    }
  };
  for (int d = 0; d <= static_cast<int>(DType::i4); ++d) {
    const DType dtype = static_cast<DType>(d);
    std::vector<Tensor> all = in.tensors;
    for (size_t k = 0; k + in.slots < in.arrays.size(); ++k) {
      // Zeros: every dtype has them, and as an index they are in range.
      const std::string zeros(static_cast<size_t>(in.arrays[k].shape.numel() * itemsize(dtype)),
                              '\0');
      std::vector<Tensor> one = in.tensors;
      all[k] = one[k] = tensor_from_bytes(zeros.data(), static_cast<int64_t>(zeros.size()),
                                          in.arrays[k].shape, dtype);
      run(str("input ", static_cast<int64_t>(k), " of ", dtype), sample, one);
    }
    run(str("all inputs of ", dtype), sample, all);
    if (const AttributeField* field = dtype_attribute(op)) {
      Sample other = sample;
      std::memcpy(other.attr.bytes + field->offset, &dtype, sizeof dtype);
      run(str("a result of ", dtype), other, in.tensors);
    }
  }
}

}  // namespace suanli::test
