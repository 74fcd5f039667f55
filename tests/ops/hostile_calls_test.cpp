// SPDX-License-Identifier: Apache-2.0
// Calls that no public function makes: the samples of an op with other inputs, attributes and
// shapes for the result. They compute or throw an Error. Under AddressSanitizer no kernel reads or
// writes outside of its operands.
#include <gtest/gtest.h>

#include <random>

#include "ops/op.h"
#include "support/op_harness.h"
#include "support/op_samples.h"

namespace suanli::test {
namespace {

class Calls {
 public:
  explicit Calls(unsigned seed) : random_(seed) {}

  /// One call of `op`, a sample of it with none to all of its parts changed. Fails the test if a
  /// sample as it is does not compute.
  void call(const Op& op) {
    std::vector<Sample> samples = samples_of(op);
    std::erase_if(samples, [](const Sample& s) { return s.throws.has_value(); });
    const Sample& sample = samples[random_() % samples.size()];
    std::vector<Tensor> inputs = test::inputs_of(op, sample, 0);
    bool changed = false;
    const auto changes = [&](int of) {
      const bool now = chance(of);
      changed |= now;
      return now;
    };
    for (Tensor& t : inputs)
      if (changes(6)) t = operand(t.dtype(), chance(2) ? t.shape() : any_shape());
    if (changes(12)) inputs.resize(inputs.size() / 2);
    if (changes(12)) inputs.push_back(operand(f32, any_shape()));
    Attr attr = sample.attr;
    if (changes(3)) change(op, attr, inputs.empty() ? 0 : inputs[0].rank());
    Shape wanted = sample.shape;
    if (changes(6)) wanted = any_shape();
    if (changes(20)) wanted = {int64_t{1} << 40, int64_t{1} << 40};
    if (changes(20) && wanted.rank() > 0) wanted[0] = -1;
    unchanged_ += !changed;
    try {
      for (const Tensor& t : record_all(op, inputs, attr, &wanted)) {
        if (t.numel() > 1 << 20) continue;  // nothing to be learned from so many
        (void)t.to_vector<double>();
      }
      flush();
    } catch (const InternalError& e) {
      ADD_FAILURE() << e.what();
      drop_all();
    } catch (const Error& e) {
      if (!changed) ADD_FAILURE() << "an unchanged sample: " << e.what();
      drop_all();
    }
  }
  /// The number of calls that were samples as they are.
  int unchanged() const { return unchanged_; }

 private:
  bool chance(int of) { return static_cast<int>(random_() % static_cast<unsigned>(of)) == 0; }
  template <class T> T one_of(std::initializer_list<T> list) {
    return list.begin()[random_() % list.size()];
  }
  Shape any_shape() {
    Shape s;
    for (int left = one_of({0, 1, 1, 2, 2, 3, 4, 4, 5}); left > 0; --left)
      s.push_back(one_of<int64_t>({0, 1, 2, 2, 3, 3, 4, 5}));
    return s;
  }
  Tensor operand(DType usual, const Shape& shape) {
    if (chance(8)) return Tensor(one_of<double>({0, -1, 2, 1e300, NAN}));
    if (chance(8)) return Tensor(one_of<int64_t>({0, -1, 2, INT64_MAX, INT64_MIN}));
    const DType dtype = chance(3) ? one_of({f32, f64, i64, DType::i32, u8, boolean}) : usual;
    const Shape own = chance(3) ? any_shape() : shape;
    std::vector<double> values(static_cast<size_t>(own.numel()));
    for (double& v : values) v = one_of<double>({0, 1, 1, 2, 3, -1, 7, 1e9});
    return cast(tensor(values, own), dtype);
  }
  void set_integer(unsigned char* at, int bytes) {
    const int64_t v = chance(2) ? one_of<int64_t>({0, 1, 2, 3})
                      : bytes == 8
                          ? one_of<int64_t>({-1, 7, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN})
                          : one_of<int64_t>({-1, 7, INT32_MAX, INT32_MIN});
    std::memcpy(at, &v, static_cast<size_t>(bytes));
  }
  /// Changes some attributes. Those of pointwise ops say which op it is.
  void change(const Op& op, Attr& attr, int rank) {
    const AttributeType* type = op.schema().attributes;
    if (!type || op.has(Trait::pointwise)) return;
    const auto* now = static_cast<const unsigned char*>(attr.of(type->bytes));
    std::vector<unsigned char> changed(now, now + type->bytes);
    for (const AttributeField& field : type->fields) {
      if (chance(2)) continue;
      unsigned char* at = changed.data() + field.offset;
      switch (field.kind) {
        case AttributeKind::boolean: *at = random_() % 2; break;
        case AttributeKind::dtype: *at = static_cast<unsigned char>(random_() % 18); break;
        case AttributeKind::real: {
          const double v = one_of<double>({0, 1, -1, 0.1, 1e300, NAN});
          std::memcpy(at, &v, sizeof v);
          break;
        }
        case AttributeKind::axes: {
          const uint32_t bits = chance(3) ? static_cast<uint32_t>(random_())
                                          : static_cast<uint32_t>(random_()) & ((1u << rank) - 1);
          std::memcpy(at, &bits, sizeof bits);
          break;
        }
        case AttributeKind::order:
          for (int i = 0; i < Shape::kMaxRank; ++i)
            at[i] = static_cast<unsigned char>(chance(9) ? random_() : static_cast<unsigned>(i));
          break;
        case AttributeKind::integer: set_integer(at, field.bytes); break;
        case AttributeKind::array:
          for (int i = 0; i < field.bytes / field.element; ++i)
            set_integer(at + i * field.element, field.element);
          break;
        case AttributeKind::list: {
          const int64_t most = field.bytes / field.element - 1,
                        count = one_of<int64_t>({0, 2, most});
          std::memset(at, 0, field.bytes);
          std::memcpy(at, &count, sizeof count);
          for (int64_t i = 0; i < count; ++i)
            set_integer(at + (i + 1) * field.element, field.element);
        }
      }
    }
    attr = Attr::from(changed.data(), type->bytes);
  }
  static void drop_all() {
    try {
      flush();
    } catch (const Error&) {}
  }

  std::mt19937_64 random_;
  int unchanged_ = 0;
};

TEST(HostileCalls, ComputeOrThrow) {
  Calls calls(7);
  for (const Op* op : all_ops()) {
    if (op->has(Trait::internal)) continue;
    SCOPED_TRACE(op->name());
    const int unchanged = calls.unchanged();
    for (int i = 0; i < 400; ++i) calls.call(*op);
    EXPECT_GT(calls.unchanged(), unchanged) << "no sample was called as it is";
  }
}

TEST(HostileCalls, TooManyInputsAreRefused) {
  const std::vector<Tensor> many(70000, tensor<float>({1}));
  const Shape none;
  EXPECT_THROW((void)record_all(*find_op("cat"), many, DimAttr{0}, &none), ArgumentError);
  EXPECT_THROW((void)cat(many, 0), ArgumentError);
  EXPECT_EQ(cat(std::vector<Tensor>(65535, tensor<float>({1})), 0).numel(), 65535);
}

// Public functions check a number before they store it in fewer bits.
TEST(HostileCalls, NumbersBeyond32BitsAreRefused) {
  const int64_t wrap = int64_t{1} << 32;
  const Tensor qkv = full({1, 2, 12}, 1.0);
  for (int64_t heads : {wrap + 2, wrap, int64_t{0}, int64_t{-2}, INT64_MAX, INT64_MIN})
    EXPECT_THROW((void)self_attention(qkv, heads), ArgumentError) << heads;
  const Tensor x = arange(6);
  for (int64_t length : {wrap, INT64_MAX, INT64_MIN, int64_t{-1}})
    for (int64_t step : {int64_t{1}, int64_t{2}, wrap, INT64_MAX, INT64_MIN, int64_t{0}})
      EXPECT_THROW((void)narrow(x, 0, 0, length, step), Error) << length << " " << step;
  EXPECT_THROW((void)narrow(x, 0, 1, 2, INT64_MAX), ShapeError);
  EXPECT_EQ(narrow(x, 0, 5, 1, INT64_MAX).numel(), 1);
  EXPECT_EQ(narrow(x, 0, 6, 0, INT64_MAX).numel(), 0);
  const Tensor wide = full({0, 1, 1, INT32_MAX + int64_t{1}}, 1.0);
  EXPECT_THROW((void)avg_pool2d(wide, {.kernel_size = 1, .stride = 1}), ShapeError);
  EXPECT_THROW((void)max_pool2d(wide, {.kernel_size = 1, .stride = 1}), ShapeError);
}

// As cast does: the nearest number that the dtype holds.
TEST(HostileCalls, FloatsThatADTypeDoesNotHoldSaturate) {
  const Tensor big = tensor(std::vector<double>{1e10}, {}), small = -big;
  for (const DType dtype : {DType::i32, u8, i64}) {
    SCOPED_TRACE(name(dtype));
    EXPECT_EQ(full({1}, big, dtype).to_vector<double>(), cast(big, dtype).to_vector<double>());
    EXPECT_EQ(full({1}, small, dtype).to_vector<double>(), cast(small, dtype).to_vector<double>());
  }
}

}  // namespace
}  // namespace suanli::test
