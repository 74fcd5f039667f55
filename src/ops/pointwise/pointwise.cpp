// SPDX-License-Identifier: Apache-2.0
// Every op of pointwise.def: public function, shape and dtype rule, gradient. The kernels are the
// backends'.
#include "ops/schema/pointwise.h"

#include "ops/op.h"

#include <array>
#include <memory>

namespace suanli {

namespace {

template <class T> struct Literal {
  T operator()(double v) const { return T(v); }
};

/// In which tiles compute values of a dtype.
DType compute_dtype(DType d) {
  return is_float(d) ? wide_dtype(d) : d == DType::u64 ? d : DType::i64;
}

void infer_pointwise(Infer& c) {
  auto& attr = c.attr<PointwiseAttr>();
  const PointwiseRow& row = pointwise_rows[attr.row];
  Shape shape = c.shape(0);
  if (attr.gradient < 0)
    for (int i = row.tensors; i < row.arity; ++i)
      if (c.shape(i).rank() != 0) c.fail(i, "a number");
  for (int i = 1; i < c.inputs(); ++i) {
    try {
      shape = broadcast(shape, c.shape(i));
    } catch (const ShapeError& e) { c.fail(c.arguments(i + 1), c.shapes(i + 1), e.expected()); }
  }
  DType dtype;
  if (row.cls == PointwiseClass::Select && attr.gradient < 0) {
    dtype = c.common_dtype(1);
    attr.compute = compute_dtype(dtype);
    c.out(0, shape, dtype);
    return;
  }
  dtype = c.common_dtype();
  if (row.cls == PointwiseClass::Signed && dtype == DType::boolean)
    c.fail_dtype(c.arguments(c.inputs()), "bool", "numbers",
                 "Write logical_not(x) or x != y, or convert with cast(x, i64).");
  if (row.cls == PointwiseClass::Numbers && dtype == DType::boolean) dtype = DType::i64;
  if (row.cls == PointwiseClass::Floats && !is_float(dtype)) dtype = DType::f32;
  if (attr.gradient >= 0 && !is_float(dtype))
    c.fail_dtype("gradient", name(dtype), "a float dtype");
  attr.compute = compute_dtype(dtype);
  const bool to_bool = row.cls == PointwiseClass::Compare || row.cls == PointwiseClass::Logic;
  c.out(0, shape, to_bool ? DType::boolean : dtype);
}

/// The gradient texts once more, over Tensors: recorded like user code, hence differentiable again.
using TensorGradient = Tensor (*)(const Tensor& x, const Tensor& y, const Tensor& z,
                                  const Tensor& out, const Tensor& g);

#define SUANLI_TENSOR_TEXT(Y, Z, text)                                     \
  [](const Tensor& x, const Tensor& Y, const Tensor& Z, const Tensor& out, \
     const Tensor& g) -> Tensor {                                          \
    (void)x, (void)Y, (void)Z, (void)out, (void)g;                         \
    SUANLI_POINTWISE_CONSTANTS(Tensor)                                     \
    return Tensor(text);                                                   \
  }

const std::array<TensorGradient, 3> tensor_gradients[] = {
#define UNARY(name, klass, domain, value, gx, onnx, doc) \
  {SUANLI_TENSOR_TEXT(y, z, gx), nullptr, nullptr},
#define UNARY1(name, klass, domain, A, value, gx, onnx, doc) \
  {SUANLI_TENSOR_TEXT(SUANLI_ATTRIBUTE_NAME A, z, gx), nullptr, nullptr},
#define UNARY2(name, klass, domain, A, B, value, gx, onnx, doc) \
  {SUANLI_TENSOR_TEXT(SUANLI_ATTRIBUTE_NAME A, SUANLI_ATTRIBUTE_NAME B, gx), nullptr, nullptr},
#define BINARY(name, klass, domain, value, gx, gy, onnx, doc) \
  {SUANLI_TENSOR_TEXT(y, z, gx), SUANLI_TENSOR_TEXT(y, z, gy), nullptr},
#define TERNARY(name, klass, domain, value, gx, gy, gz, onnx, doc) \
  {SUANLI_TENSOR_TEXT(y, z, gx), SUANLI_TENSOR_TEXT(y, z, gy), SUANLI_TENSOR_TEXT(y, z, gz)},
#include "ops/schema/pointwise.def"
};

constexpr Saves saves_of(int row) {
  Saves s = 0;
  for (int i = 0; i < pointwise_rows[row].arity; ++i) {
    auto o = gradient_operands(row, i);
    for (int k = 0; k < o.count; ++k)
      if (o.which[k] < 3) s |= saves_in(o.which[k]);
      else if (o.which[k] == 3) s |= saves_result(0);
  }
  return s;
}

void vjp_pointwise(Vjp& v) {
  const auto& attr = v.attr<PointwiseAttr>();
  const PointwiseRow& row = pointwise_rows[attr.row];
  for (int i = 0; i < row.arity; ++i) {
    const std::string_view text = row.gradient[i];
    if (!v.needs_grad(i) || text == "none") continue;
    auto operand = [&](int which) { return which == 3 ? v.result() : v.in(which); };
    const GradientOperands& needed = gradient_operands(attr.row, i);
    Tensor g;
    if (text == "g") {
      g = v.grad();
    } else if (v.create_graph()) {
      Tensor all[5];
      for (int k = 0; k < needed.count; ++k)
        all[needed.which[k]] = needed.which[k] == 4 ? v.grad() : operand(needed.which[k]);
      g = tensor_gradients[attr.row][static_cast<size_t>(i)](all[0], all[1], all[2], all[3],
                                                             all[4]);
    } else {
      Tensor operands[5];
      const Tensor* pointers[5];
      for (int k = 0; k < needed.count; ++k) {
        if (needed.which[k] == 4) pointers[k] = &v.grad();
        else pointers[k] = &(operands[k] = operand(needed.which[k]));
      }
      PointwiseAttr ga{attr.row, static_cast<int8_t>(i), attr.compute};
      g = Tensor::adopt(record_node(pointwise_gradient_op, pointers, needed.count, ga), 0);
      Recorder::current().settle();
    }
    v.set_grad(i, g.shape() == v.in_shape(i) ? std::move(g) : sum_to(g, v.in_shape(i)));
  }
}

Cost cost_pointwise(const Step& s) { return element_cost(s, 1); }

/// An operand of a row as an input of its op.
InputSpec input_of(const PointwiseRow& row, int i) {
  if (i >= row.arity) return {};
  if (i >= row.tensors) return {row.operand[i], row.default_value[i]};
  const char* name = row.tensors == 1 ? "input" : row.operand[i];
  if (row.cls == PointwiseClass::Select && i == 0) return {name, dtypes_of({DType::boolean})};
  return name;
}

/// The dtypes that infer_pointwise() gives.
DTypeRule dtype_rule(PointwiseClass cls) {
  switch (cls) {
    case PointwiseClass::Floats: return promoted_dtype().but(kNotFloatDTypes, DType::f32);
    case PointwiseClass::Numbers:
      return promoted_dtype().but(dtypes_of({DType::boolean}), DType::i64);
    case PointwiseClass::Compare:
    case PointwiseClass::Logic: return always(DType::boolean);
    case PointwiseClass::Select: return promoted_dtype(1);
    case PointwiseClass::Signed:
    case PointwiseClass::Bits:
    case PointwiseClass::Integers:
    case PointwiseClass::Any: break;
  }
  return promoted_dtype();
}

DTypes dtypes_of_class(PointwiseClass cls) {
  constexpr DTypes kBits = kNumberDTypes & kNotFloatDTypes;
  if (cls == PointwiseClass::Bits) return kBits;
  return cls == PointwiseClass::Integers ? kBits & ~dtypes_of({DType::boolean}) : kNumberDTypes;
}

/// A row as an op.
struct RowOp {
  explicit RowOp(int row)
      : op(OpSchema{
            .name = pointwise_rows[row].name,
            .doc = pointwise_rows[row].doc,
            .inputs = {input_of(pointwise_rows[row], 0), input_of(pointwise_rows[row], 1),
                       input_of(pointwise_rows[row], 2)},
            .results = {{"output", dtype_rule(pointwise_rows[row].cls)}},
            .attributes = &attribute_type<PointwiseAttr>(),
            .defaults = PointwiseAttr{static_cast<int16_t>(row), -1, DType::f32},
            .traits = Trait::pointwise,
            .dtypes = dtypes_of_class(pointwise_rows[row].cls),
            .infer = infer_pointwise,
            .cost = cost_pointwise,
            .slots = 255,
        }),
        rules(OpRules{.op = &op, .vjp = vjp_pointwise, .saves = saves_of(row)}) {}
  const Op op;
  const RegisterRules rules;
};
using Rows = std::array<std::unique_ptr<RowOp>, pointwise_count>;
const Rows& rows() {
  static const Rows* all = [] {
    auto* made = new Rows;
    for (int row = 0; row < pointwise_count; ++row)
      (*made)[static_cast<size_t>(row)] = std::make_unique<RowOp>(row);
    return made;
  }();
  return *all;
}
[[maybe_unused]] const Rows& all_rows = rows();  // known from the start

Tensor call(PointwiseOp op, std::initializer_list<const Tensor*> inputs) {
  const int row = static_cast<int>(op);
  return record(pointwise_op(row), inputs,
                PointwiseAttr{static_cast<int16_t>(row), -1, DType::f32});
}

}  // namespace

const Op pointwise_gradient_op{OpSchema{
    .name = "pointwise_gradient",
    .doc = "The gradient expression for one input of a pointwise op, as one kernel.",
    .inputs = {{"operands", InputSpec::variadic}},
    .results = {{"output", promoted_dtype()}},
    .attributes = &attribute_type<PointwiseAttr>(),
    .traits = Trait::pointwise | Trait::internal,
    .dtypes = kNumberDTypes,
    .infer = infer_pointwise,
    .cost = cost_pointwise,
    .slots = 255,
}};

const Op& pointwise_op(int row) { return rows()[static_cast<size_t>(row)]->op; }

bool is_arithmetic(std::string_view text) {
  for (const char* function : {"exp", "log", "erf", "sin", "cos", "tan", "pow", "fmod", "sigmoid"})
    if (text.find(function) != std::string_view::npos) return false;
  return true;
}

#define UNARY(name, ...) \
  Tensor name(const Tensor& x) { return call(PointwiseOp::name, {&x}); }
#define UNARY1(name, ...)                          \
  Tensor name(const Tensor& x, double a) {         \
    const Tensor number(a);                        \
    return call(PointwiseOp::name, {&x, &number}); \
  }
#define UNARY2(name, ...)                                  \
  Tensor name(const Tensor& x, double a, double b) {       \
    const Tensor first(a), second(b);                      \
    return call(PointwiseOp::name, {&x, &first, &second}); \
  }
#define BINARY(name, ...) \
  Tensor name(const Tensor& x, const Tensor& y) { return call(PointwiseOp::name, {&x, &y}); }
#define TERNARY(name, ...)                                         \
  Tensor name(const Tensor& x, const Tensor& y, const Tensor& z) { \
    return call(PointwiseOp::name, {&x, &y, &z});                  \
  }
#include "ops/schema/pointwise.def"

}  // namespace suanli
