// SPDX-License-Identifier: Apache-2.0
// Every op of pointwise.def: public function, shape and dtype rule, gradient. The kernels are the
// backends'.
#include "ops/pointwise/pointwise.h"

#include <array>

namespace suanli {

namespace {

template <class T> struct Literal {
  T operator()(double v) const { return T(v); }
};

void infer_pointwise(Infer& c) {
  auto& attr = c.attr<PointwiseAttr>();
  const PointwiseRow& row = pointwise_rows[attr.row];
  Shape shape = c.shape(0);
  for (int i = 1; i < c.inputs(); ++i) {
    try {
      shape = broadcast(shape, c.shape(i));
    } catch (const ShapeError& e) { c.fail(c.arguments(i + 1), c.shapes(i + 1), e.expected()); }
  }
  DType dtype;
  if (row.cls == PointwiseClass::Select && attr.gradient < 0) {
    if (c.dtype(0) != DType::boolean) c.fail_dtype(0, "bool", "Write x != 0 for a condition.");
    dtype = c.common_dtype(1);
    attr.compute = dtype == DType::f64 || dtype == DType::f32 ? dtype
                   : is_float(dtype)                          ? DType::f32
                                                              : DType::i64;
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
  attr.compute = is_float(dtype) ? dtype : DType::i64;
  const bool to_bool = row.cls == PointwiseClass::Compare || row.cls == PointwiseClass::Logic;
  c.out(0, shape, to_bool ? DType::boolean : dtype);
}

/// The gradient texts once more, over Tensors: recorded like user code, hence differentiable again.
using TensorGradient = Tensor (*)(const Tensor& x, const Tensor& y, const Tensor& z,
                                  const Tensor& out, const Tensor& g);

#define SUANLI_TENSOR_TEXT(text)                                           \
  [](const Tensor& x, const Tensor& y, const Tensor& z, const Tensor& out, \
     const Tensor& g) -> Tensor {                                          \
    (void)x, (void)y, (void)z, (void)out, (void)g;                         \
    SUANLI_POINTWISE_CONSTANTS(Tensor)                                     \
    return Tensor(text);                                                   \
  }

const std::array<TensorGradient, 3> tensor_gradients[] = {
#define UNARY(name, klass, domain, value, gx, onnx, doc) {SUANLI_TENSOR_TEXT(gx), nullptr, nullptr},
#define BINARY(name, klass, domain, value, gx, gy, onnx, doc) \
  {SUANLI_TENSOR_TEXT(gx), SUANLI_TENSOR_TEXT(gy), nullptr},
#define TERNARY(name, klass, domain, value, gx, gy, gz, onnx, doc) \
  {SUANLI_TENSOR_TEXT(gx), SUANLI_TENSOR_TEXT(gy), SUANLI_TENSOR_TEXT(gz)},
#include "ops/pointwise/pointwise.def"
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

extern const Op gradient_op;  // defined below; its samples need the rows

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
      g = Tensor::adopt(record_node(gradient_op, pointers, needed.count, ga), 0);
      Recorder::current().settle();
    }
    v.set_grad(i, g.shape() == v.in_shape(i) ? std::move(g) : sum_to(g, v.in_shape(i)));
  }
}

Cost cost_pointwise(const Step& s) { return element_cost(s, 1); }

Domain domain_of(PointwiseDomain d) {
  return d == PointwiseDomain::Positive  ? Domain::positive
         : d == PointwiseDomain::NonZero ? Domain::nonzero
                                         : Domain::real;
}

/// Shapes that every row is tried on: the same, broadcast, 0-d, empty, one that leaves a tail,
/// integers where they are allowed.
template <int row_index> std::vector<Sample> samples_pointwise() {
  const PointwiseRow& row = pointwise_rows[row_index];
  const PointwiseAttr attr{static_cast<int16_t>(row_index), -1, DType::f64};
  const bool logic = row.cls == PointwiseClass::Logic, compare = row.cls == PointwiseClass::Compare;
  auto make = [&](std::initializer_list<Shape> shapes, DType dtype) {
    Sample s;
    s.attr = attr;
    s.gradient = is_float(dtype) && !compare && !logic;
    int i = 0;
    for (const Shape& shape : shapes) {
      if (i == row.arity) break;
      const bool flag = logic || (row.cls == PointwiseClass::Select && i == 0);
      s.inputs.push_back(
          {shape, flag ? DType::boolean : dtype, flag ? Domain::boolean : domain_of(row.domain)});
      ++i;
    }
    return s;
  };
  std::vector<Sample> out;
  for (DType d : {DType::f64, DType::f32}) {
    out.push_back(make({{4, 7}, {4, 7}, {4, 7}}, d));
    out.push_back(make({{3, 1, 5}, {2, 1}, {1, 5}}, d));
    out.push_back(make({{}, {}, {}}, d));
    out.push_back(make({{0, 3}, {1, 3}, {3}}, d));
  }
  out.push_back(make({{2053}, {2053}, {1}}, DType::f32));
  if (row.cls != PointwiseClass::Floats && !logic)
    out.push_back(make({{4, 5}, {5}, {4, 1}}, DType::i64));
  if (row.arity > 1) {
    Sample bad = make({{4, 3}, {4, 2}, {4, 3}}, DType::f32);
    bad.throws = Refusal{"x, y", "[4, 3] and [4, 2]", "sizes that broadcast, not 3 and 2"};
    out.push_back(bad);
  }
  return out;
}

std::vector<Sample> samples_gradient() {
  std::vector<Sample> out;
  for (int r = 0; r < pointwise_count; ++r)
    for (int i = 0; i < pointwise_rows[r].arity; ++i) {
      if (std::string_view(pointwise_rows[r].gradient[i]) == "none") continue;
      Sample s;
      auto needed = gradient_operands(r, i);
      for (int k = 0; k < needed.count; ++k) {
        const bool flag = pointwise_rows[r].cls == PointwiseClass::Select && needed.which[k] == 0;
        s.inputs.push_back({{3, 5},
                            flag ? DType::boolean : DType::f64,
                            flag ? Domain::boolean : Domain::positive});
      }
      s.attr = PointwiseAttr{static_cast<int16_t>(r), static_cast<int8_t>(i), DType::f64};
      s.gradient = false;
      out.push_back(s);
    }
  return out;
}

const Op gradient_op{
    OpDef{.name = "pointwise_gradient",
          .doc = "The gradient expression for one input of a pointwise op, as one kernel.",
          .infer = infer_pointwise,
          .cost = cost_pointwise,
          .slots = 255,
          .dtypes = kPointwiseDTypes,
          .samples = samples_gradient}};

/// One definition per row.
template <int row> const Op row_op{
    OpDef{.name = pointwise_rows[row].name,
          .doc = pointwise_rows[row].doc,
          .arguments = {pointwise_rows[row].arity == 1 ? "input" : "x", "y", "z"},
          .infer = infer_pointwise,
          .vjp = vjp_pointwise,
          .saves = saves_of(row),
          .cost = cost_pointwise,
          .onnx = {pointwise_rows[row].onnx, 18},
          .slots = 255,
          .dtypes = kPointwiseDTypes,
          .samples = samples_pointwise<row>}};

template <int row> Tensor call(std::initializer_list<const Tensor*> inputs) {
  return record(row_op<row>, inputs, PointwiseAttr{static_cast<int16_t>(row), -1, DType::f32});
}

}  // namespace

bool is_pointwise(const OpDef& def) { return def.infer == infer_pointwise; }

bool is_arithmetic(std::string_view text) {
  for (const char* function :
       {"exp", "log", "erf", "tanh", "sin", "cos", "tan", "pow", "sinh", "gamma", "sigmoid"})
    if (text.find(function) != std::string_view::npos) return false;
  return true;
}

#define SUANLI_ROW(name) static_cast<int>(PointwiseOp::name)
#define UNARY(name, ...) \
  Tensor name(const Tensor& x) { return call<SUANLI_ROW(name)>({&x}); }
#define BINARY(name, ...) \
  Tensor name(const Tensor& x, const Tensor& y) { return call<SUANLI_ROW(name)>({&x, &y}); }
#define TERNARY(name, ...)                                         \
  Tensor name(const Tensor& x, const Tensor& y, const Tensor& z) { \
    return call<SUANLI_ROW(name)>({&x, &y, &z});                   \
  }
#include "ops/pointwise/pointwise.def"

}  // namespace suanli
