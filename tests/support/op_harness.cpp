// SPDX-License-Identifier: Apache-2.0
#include "support/op_harness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "base/text/text.h"
#include "ops/schema/pointwise.h"
#include "suanli/autograd.h"
#include "support/errors.h"
#include "support/pending_plan.h"
#include "support/tier.h"
#include "support/tunings.h"

namespace suanli::test {

namespace {

int64_t counted[static_cast<size_t>(Mode::count)];
std::set<std::string> ops_seen;
int64_t samples_seen, samples_run;

// ---- inputs -------------------------------------------------------------------------------------

/// Irregular numbers, the same in every run and on every machine.
class Draw {
 public:
  explicit Draw(std::string_view name, int number) : state_(static_cast<uint64_t>(number) + 1) {
    for (char c : name) state_ = state_ * 1099511628211u + static_cast<unsigned char>(c);
  }
  uint64_t bits() {  // splitmix64
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }

 private:
  uint64_t state_;
};

double one_value(Draw& draw, const Input& in) {
  const bool whole = !is_float(in.dtype);
  switch (in.domain) {
    case Domain::positive:
      return whole ? static_cast<double>(1 + draw.below(4)) : 0.5 + 2 * draw.unit();
    case Domain::nonzero: {
      const double sign = draw.below(2) ? 1 : -1;
      return sign * (whole ? static_cast<double>(1 + draw.below(9)) : 0.5 + 2 * draw.unit());
    }
    case Domain::unit: return 0.05 + 0.9 * draw.unit();
    case Domain::signed_unit: return 1.8 * draw.unit() - 0.9;
    case Domain::around_one: return (draw.below(2) ? 1 : -1) * (0.98 + 0.04 * draw.unit());
    case Domain::above_one: return 1.1 + 3 * draw.unit();
    case Domain::index: return static_cast<double>(draw.below(in.below));
    case Domain::boolean: return static_cast<double>(draw.below(2));
    case Domain::real:
    case Domain::distinct: break;
  }
  return whole ? static_cast<double>(draw.below(7) - 3) : 4 * draw.unit() - 2;
}

/// `coarse`: multiples of 1/4, so that equal values meet.
Array drawn(Draw& draw, const Input& in, bool coarse) {
  Array a{in.shape, in.dtype, {}, {}};
  const size_t n = static_cast<size_t>(in.shape.numel());
  if (in.domain == Domain::distinct) {
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    for (size_t i = n; i > 1; --i)
      std::swap(order[i - 1], order[static_cast<size_t>(draw.below(static_cast<int64_t>(i)))]);
    const double gap = is_float(in.dtype) ? 4.0 / static_cast<double>(n) : 1;
    for (size_t i : order)
      a.v.push_back(gap * (static_cast<double>(i) - static_cast<double>(n / 2)));
  } else {
    for (size_t i = 0; i < n; ++i) {
      const double v = one_value(draw, in);
      a.v.push_back(coarse && in.domain == Domain::real ? std::round(v * 4) / 4 : v);
    }
  }
  if (in.dtype == DType::f32)
    for (Real& v : a.v) v = static_cast<float>(v);
  return a;
}

Tensor slot(double value) {
  return value == std::floor(value) ? Tensor(static_cast<int64_t>(value)) : Tensor(value);
}

}  // namespace

Inputs draw_inputs(const Op& op, const Sample& s, int number) {
  Draw draw(op.name(), number);
  Inputs in;
  if (op.id() == pointwise_gradient_op.id()) {
    // Its operands belong together: `out` is the value at x, y, z. The sample only says which of
    // them the text mentions.
    const auto& attr = s.attr.as<PointwiseAttr>();
    const PointwiseRow& row = pointwise_rows[attr.row];
    const PointwiseReference* value = pointwise_reference(row.name);
    for (int i = 0; i < 5; ++i) {
      const bool flag = row.cls == PointwiseClass::Select && i == 0;
      const Domain domain = flag              ? Domain::boolean
                            : i < row.tensors ? domain_of(row.domain)
                                              : Domain::real;
      in.operands.push_back(
          drawn(draw, {{3, 5}, flag ? DType::boolean : DType::f64, domain}, false));
      if (i >= row.tensors && i < row.arity)
        for (Real& v : in.operands.back().v) v = attribute_of(row, i);
    }
    for (size_t e = 0; value && e < in.operands[3].v.size(); ++e) {
      in.operands[3].v[e] =
          value->value(in.operands[0].v[e], in.operands[1].v[e], in.operands[2].v[e]);
      in.operands[3].v[e] = static_cast<double>(in.operands[3].v[e]);
    }
    const GradientOperands needed = gradient_operands(attr.row, attr.gradient);
    for (int k = 0; k < needed.count; ++k)
      in.arrays.push_back(in.operands[static_cast<size_t>(needed.which[k])]);
  } else {
    for (const Input& i : s.inputs) in.arrays.push_back(drawn(draw, i, !s.gradient));
  }
  for (const Array& a : in.arrays) in.tensors.push_back(to_tensor(a));
  for (double v : s.slots) {
    in.tensors.push_back(slot(v));
    in.arrays.push_back({{}, in.tensors.back().dtype(), {v}, {}});
  }
  in.slots = s.slots.size();
  return in;
}

Domain domain_of(PointwiseDomain domain) {
  switch (domain) {
    case PointwiseDomain::Real: break;
    case PointwiseDomain::Positive: return Domain::positive;
    case PointwiseDomain::NonZero: return Domain::nonzero;
    case PointwiseDomain::Unit: return Domain::signed_unit;
    case PointwiseDomain::Share: return Domain::unit;
    case PointwiseDomain::AboveOne: return Domain::above_one;
  }
  return Domain::real;
}

// ---- calls --------------------------------------------------------------------------------------

std::vector<Tensor> called(const Op& op, const Sample& s, const std::vector<Tensor>& inputs) {
  return record_all(op, std::span<const Tensor>(inputs), s.attr, &s.shape);
}

namespace {

/// Fixed irregular weights that make one number of all outputs.
std::vector<Real> weights(int64_t n) {
  std::vector<Real> w;
  for (int64_t i = 0; i < n; ++i)
    w.push_back(
        static_cast<float>(0.5 + std::fmod(0.7548776662 * static_cast<double>(i + 1), 1.0)));
  return w;
}
Tensor weighted_sum(const Tensor& y) {
  return sum(y * to_tensor({y.shape(), y.dtype(), weights(y.numel()), {}}));
}

std::vector<size_t> differentiable(const Inputs& in) {
  std::vector<size_t> which;
  for (size_t i = 0; i + in.slots < in.tensors.size(); ++i)
    if (is_float(in.tensors[i].dtype())) which.push_back(i);
  return which;
}

/// Gradients of the weighted sum of result 0 by grad(); undefined ones become zeros. Empty if
/// nothing flows.
std::vector<Tensor> gradients(const Op& op, const Sample& s, const Inputs& in, bool create_graph) {
  std::vector<Tensor> xs = in.tensors, wanted;
  for (size_t i : differentiable(in)) {
    xs[i].requires_grad_();
    wanted.push_back(xs[i]);
  }
  Tensor y = called(op, s, xs)[0];
  if (!is_float(y.dtype()) || !y.requires_grad()) return {};
  auto gs = grad({weighted_sum(y)}, wanted, {}, {.create_graph = create_graph}, true);
  for (size_t i = 0; i < gs.size(); ++i)
    if (!gs[i].defined()) gs[i] = zeros(wanted[i].shape(), wanted[i].dtype());
  return gs;
}

/// The same by backward(), into parameters.
std::string gradient_bits(const Op& op, const Sample& s, const Inputs& in, bool read_first) {
  std::vector<Tensor> xs = in.tensors;
  std::vector<Parameter> parameters;
  for (size_t i : differentiable(in)) {
    parameters.emplace_back(xs[i]);
    xs[i] = parameters.back();
  }
  Tensor y = called(op, s, xs)[0];
  Tensor total = weighted_sum(y);
  std::string all;
  if (read_first) {
    bits(total);
    bits(y);
  }
  total.backward();
  for (const Parameter& p : parameters) all += p.grad().defined() ? bits(p.grad()) : "none";
  return all;
}

/// Results, and gradients where there are any.
std::vector<Array> all_values(const Op& op, const Sample& s, const Inputs& in) {
  std::vector<Array> all;
  for (const Tensor& t : called(op, s, in.tensors)) all.push_back(to_array(t));
  if (s.gradient)
    for (const Tensor& g : gradients(op, s, in, false)) all.push_back(to_array(g));
  return all;
}
bool same_bits(const std::vector<Array>& a, const std::vector<Array>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Array& x, const Array& y) {
    return x.shape == y.shape && x.dtype == y.dtype &&
           std::equal(x.v.begin(), x.v.end(), y.v.begin(), y.v.end(), [](Real v, Real w) {
             return v == w ? std::signbit(v) == std::signbit(w) : std::isnan(v) && std::isnan(w);
           });
  });
}
/// Two orders of the same sums: apart by rounding, measured against the largest value.
bool equal_up_to_order(const std::vector<Array>& a, const std::vector<Array>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Array& x, const Array& y) {
    Real largest = 0, apart = 0;
    for (size_t i = 0; i < x.v.size(); ++i) {
      largest = std::max(largest, std::fabs(y.v[i]));

      apart = std::max(apart, std::fabs(x.v[i] - y.v[i]));
    }
    return x.shape == y.shape && x.dtype == y.dtype &&
           apart <= (x.dtype == DType::f32 ? 1e-5L : 1e-13L) * largest;
  });
}

double tolerance(const Reference& r, DType dtype) {
  return dtype == DType::f32 ? r.f32 : dtype == DType::f64 ? r.f64 : 0;
}

/// ∂(weighted sum of result 0)/∂(each element of input i), by central differences of the reference.
Array numeric_gradient(const Reference& r, const Sample& s, const Inputs& in, size_t i) {
  constexpr Real h = 1e-5L;
  std::vector<Array> at = in.arrays;
  Array g = in.arrays[i];
  auto total = [&] {
    const Array y = r.value({at, s.attr, s.shape})[0];
    const auto w = weights(y.shape.numel());
    return std::inner_product(w.begin(), w.end(), y.v.begin(), Real{0});
  };
  for (size_t e = 0; e < g.v.size(); ++e) {
    const Real x = at[i].v[e];
    at[i].v[e] = x + h;
    const Real above = total();
    at[i].v[e] = x - h;
    g.v[e] = (above - total()) / (2 * h);
    at[i].v[e] = x;
  }
  g.scale.clear();
  for (Real v : g.v) g.scale.push_back(std::max<Real>(1, std::fabs(v)));
  return g;
}

/// The reference is evaluated twice per element.
constexpr int64_t kElementsForDifferences = 256;

class SampleCheck {
 public:
  SampleCheck(const Op& op, const Sample& sample, int number)
      : op_(op),
        s_(sample),
        in_(draw_inputs(op, sample, number)),
        reference_(reference(op.name())) {}

  void run() {
    if (s_.throws) return error();
    ++samples_run;
    value();
    modes();
    tunings();
    in_place();
    decomposed();
    if (!s_.gradient) return;
    bool all_f64 = true;
    for (size_t i = 0; i + in_.slots < in_.arrays.size(); ++i)
      all_f64 &= in_.arrays[i].dtype != DType::f32;
    if (differentiable(in_).empty()) return;
    if (all_f64) gradients_f64();
    else gradients_f32();
    saved();
  }

 private:
  void error() {
    count(Mode::error);
    try {
      called(op_, s_, in_.tensors);
      ADD_FAILURE() << "no error was thrown";
    } catch (const Error& e) {
      const Refusal& wanted = *s_.throws;
      const auto part = [](const char* text) {
        return text ? std::optional<std::string>(text) : std::nullopt;
      };
      EXPECT_STREQ(suanli::name(e.code()), suanli::name(wanted.code)) << e.what();
      expect_parts(e.fault(),
                   {.op = op_.name(),
                    .argument = part(wanted.argument),
                    .given = part(wanted.given),
                    .expected = part(wanted.expected)},
                   e.what());
    }
  }

  std::vector<Array> expected() const {
    if (!in_.operands.empty()) {  // pointwise_gradient: g · the derivative of the value
      const auto& attr = s_.attr.as<PointwiseAttr>();
      const PointwiseReference* row = pointwise_reference(pointwise_rows[attr.row].name);
      Array y = in_.operands[4];
      for (size_t e = 0; e < y.v.size(); ++e) {
        const Real d = pointwise_derivative(*row, attr.gradient, in_.operands[0].v[e],
                                            in_.operands[1].v[e], in_.operands[2].v[e]);
        y.scale.push_back(std::fabs(y.v[e]) * std::max<Real>(1, std::fabs(d)));
        y.v[e] *= d;
      }
      return {y};
    }
    return reference_->value({in_.arrays, s_.attr, s_.shape});
  }

  void value() {
    const bool gradient_kernel = !in_.operands.empty();
    if (gradient_kernel &&
        !pointwise_reference(pointwise_rows[s_.attr.as<PointwiseAttr>().row].name)) {
      ADD_FAILURE() << "no reference for row "
                    << pointwise_rows[s_.attr.as<PointwiseAttr>().row].name;
      return;
    }
    std::vector<std::string> before;
    for (const Tensor& t : in_.tensors) before.push_back(bits(t));
    const auto got = called(op_, s_, in_.tensors);
    const auto want = expected();
    count(Mode::shape);
    ASSERT_EQ(got.size(), want.size());
    for (size_t r = 0; r < got.size(); ++r) {
      ASSERT_EQ(to_string(got[r].shape()), to_string(want[r].shape)) << "result " << r;
      ASSERT_EQ(to_string(got[r].dtype()), to_string(want[r].dtype)) << "result " << r;
    }
    count(Mode::value);
    for (size_t r = 0; r < got.size(); ++r) {
      const double allowed = gradient_kernel ? 1e-10 : tolerance(*reference_, want[r].dtype);
      EXPECT_LE(worst_error(to_array(got[r]), want[r]), allowed) << "result " << r;
    }
    count(Mode::immutable);
    for (size_t i = 0; i < before.size(); ++i)
      EXPECT_EQ(bits(in_.tensors[i]) == before[i], true) << "input " << i << " was overwritten";
  }

  void modes() {
    auto values = [&] { return all_values(op_, s_, in_); };
    auto tiers_agree = [&](const std::vector<Array>& a, const std::vector<Array>& b) {
      return reference_ && reference_->relaid ? equal_up_to_order(a, b) : same_bits(a, b);
    };
    const auto once = values();
    {
      count(Mode::eager);
      Eager eager;
      EXPECT_TRUE(tiers_agree(values(), once)) << "flushing after every op gives other values";
    }
    {
      count(Mode::planned);
      std::vector<Array> by_tier[2];
      for (Tier t : {Tier::planned, Tier::cold}) {
        InTier in_tier(t);
        by_tier[static_cast<int>(t)] = values();
      }
      EXPECT_TRUE(tiers_agree(by_tier[0], by_tier[1]))
          << "the planned and the cold tier give different values";
    }
    count(Mode::threads);
    std::vector<Array> by_one_thread;
    for (int n : {1, 2, 3, 5}) {
      Threads threads(n);
      clear_plan_cache();  // an equal program may have been planned for as many threads before
      const PlanStats before = plan_stats();
      const std::vector<Array> got = values();
      EXPECT_EQ(plan_stats().plans > before.plans, plan_stats().programs > before.programs)
          << "the plan for " << n << " threads is another's";
      if (n == 1) by_one_thread = got;
      else
        EXPECT_TRUE(same_bits(by_one_thread, got))
            << "one and " << n << " threads give different bits";
    }
  }

  /// In the sample's dtypes, and with f32 and f64 exchanged where the op takes it so.
  void tunings() {
    for (const bool exchanged : {false, true}) {
      Inputs in = in_;
      for (size_t i : differentiable(in_)) {
        Array& a = in.arrays[i];
        if (!exchanged || (a.dtype != DType::f32 && a.dtype != DType::f64)) continue;
        a.dtype = a.dtype == DType::f32 ? DType::f64 : DType::f32;
        in.tensors[i] = to_tensor(a);
      }
      if (exchanged && !takes(in)) continue;
      count(Mode::tunings);
      const auto once = all_values(op_, s_, in);
      for (const TuningCase& t : far_tunings()) {
        const Threads threads(3);
        const InTuning in_tuning(t);
        EXPECT_TRUE(same_bits(all_values(op_, s_, in), once))
            << "tuned by " << t.name << " it gives other bits"
            << (exchanged ? ", f32 and f64 exchanged" : "");
      }
    }
  }
  /// False where the attributes name a dtype of the operands, as those of pointwise ops do.
  bool takes(const Inputs& in) const {
    if (differentiable(in).empty() || op_.has(Trait::pointwise)) return false;
    try {
      all_values(op_, s_, in);
      return true;
    } catch (const DTypeError&) {
      drop_pending();
      return false;
    }
  }

  void in_place() {
    const int k = op_.schema().in_place;
    if (k < 0 || !is_float(in_.tensors[static_cast<size_t>(k)].dtype()) ||
        in_.tensors[static_cast<size_t>(k)].numel() == 0)
      return;
    count(Mode::in_place);
    const auto once = to_array(called(op_, s_, in_.tensors)[0]);
    std::vector<Tensor> xs = in_.tensors;
    Tensor& x = xs[static_cast<size_t>(k)];
    x = -(-x);  // in working memory, and nobody else reads it
    const Tensor y = -called(op_, s_, xs)[0];
    const auto plan = plan_of_pending();
    const auto step = std::find_if(plan->steps.begin(), plan->steps.end(),
                                   [&](const PlannedStep& s) { return s.step.op == op_.id(); });
    ASSERT_NE(step, plan->steps.end());
    EXPECT_EQ(step->out[0].at, step->in[static_cast<size_t>(k)].at) << "not written over its input";
    EXPECT_TRUE(same_bits({to_array(-y)}, {once})) << "written over its input it gives other bits";
  }

  void decomposed() {
    // a composite was recorded as its parts already
    const auto decompose = rules_of(op_.id()).decompose;
    if (!decompose || op_.has(Trait::composite)) return;
    count(Mode::decompose);
    const Array whole = to_array(called(op_, s_, in_.tensors)[0]);
    const Tensor parts = decompose(in_.tensors, s_.attr);
    Array want = expected()[0];
    EXPECT_LE(worst_error(to_array(parts), want), 4 * tolerance(*reference_, whole.dtype))
        << "the decomposition";
  }

  void gradients_f64() {
    const auto which = differentiable(in_);
    const auto gs = gradients(op_, s_, in_, false), recorded = gradients(op_, s_, in_, true);
    ASSERT_EQ(gs.size(), recorded.size());
    count(Mode::one_kernel);
    for (size_t k = 0; k < gs.size(); ++k) {
      Array want = to_array(recorded[k]);
      // an element may be a sum that cancels
      for (Real v : want.v) want.scale.push_back(std::max<Real>(1, std::fabs(v)));
      EXPECT_LE(worst_error(to_array(gs[k]), want), 1e-12)
          << "input " << which[k] << ": gradients with and without create_graph differ";
    }
    count(Mode::first_order);
    for (size_t k = 0; k < which.size(); ++k) {
      const Array want = numeric_gradient(*reference_, s_, in_, which[k]);
      Array got = want;  // nothing flows: it must be zeros
      std::fill(got.v.begin(), got.v.end(), Real{0});
      if (k < gs.size()) got = to_array(gs[k]);
      EXPECT_LE(worst_error(got, want), 1e-8)
          << "input " << which[k] << ": gradient against differences of the reference";
    }
    count(Mode::second_order);
    const auto slots = in_.tensors.end() - static_cast<ptrdiff_t>(in_.slots);
    auto f = [&](std::vector<Tensor> xs) {
      xs.insert(xs.end(), slots, in_.tensors.end());
      return called(op_, s_, xs)[0];
    };
    EXPECT_LE(gradcheck(f, {in_.tensors.begin(), slots}, true), 1e-6)
        << "gradcheck, first and second order";
  }

  void gradients_f32() {
    count(Mode::single);
    const auto gs = gradients(op_, s_, in_, false);
    const auto which = differentiable(in_);
    Inputs wide = in_;
    int64_t elements = 0;
    for (size_t i : which) {
      wide.arrays[i].dtype = DType::f64;
      wide.tensors[i] = to_tensor(wide.arrays[i]);
      elements += wide.arrays[i].shape.numel();
    }
    const auto exact = gradients(op_, s_, wide, false);
    ASSERT_EQ(gs.size(), exact.size());
    for (size_t k = 0; k < gs.size(); ++k) {
      EXPECT_EQ(gs[k].dtype(), in_.tensors[which[k]].dtype());
      Array want = elements <= kElementsForDifferences
                       ? numeric_gradient(*reference_, s_, wide, which[k])
                       : to_array(exact[k]);
      Real largest = 0;
      for (Real v : want.v) largest = std::max(largest, std::fabs(v));
      want.scale.assign(want.v.size(), largest);
      EXPECT_LE(worst_error(to_array(gs[k]), want), 2e-5)
          << "input " << which[k] << ": gradient in f32";
    }
  }

  void saved() {
    Tensor probe;
    {
      std::vector<Tensor> xs = in_.tensors;
      for (size_t i : differentiable(in_)) xs[i].requires_grad_();
      probe = called(op_, s_, xs)[0];
    }
    if (!is_float(probe.dtype()) || !probe.requires_grad()) return;
    count(Mode::saved);
    EXPECT_EQ(gradient_bits(op_, s_, in_, false) == gradient_bits(op_, s_, in_, true), true)
        << "reading the loss before backward() changes the gradients";
  }

  const Op& op_;
  const Sample& s_;
  Inputs in_;
  const Reference* reference_;
};

}  // namespace

void count(Mode m) { ++counted[static_cast<size_t>(m)]; }

const char* name(Mode mode) {
  constexpr const char* names[] = {
      "shape",       "error",        "value",          "inputs unchanged",
      "first-order", "second-order", "one kernel",     "f32 gradients",
      "saved",       "cold = eager", "planned = cold", "threads",
      "in place",    "decompose",    "special values", "float dtypes",
      "dtypes",      "tunings"};
  static_assert(std::size(names) == static_cast<size_t>(Mode::count));
  return names[static_cast<size_t>(mode)];
}

void check_sample(const Op& op, const Sample& sample, int number) {
  ops_seen.insert(op.name());
  ++samples_seen;
  std::string what;
  for (const Input& i : sample.inputs) what += str(" ", i.dtype, i.shape);
  SCOPED_TRACE(str(op.name(), " sample ", number, ":", what));
  if (!reference(op.name()) && op.id() != pointwise_gradient_op.id()) {
    ADD_FAILURE() << "[" << op.name()
                  << "] has no reference beside its samples or in tests/support/op_reference*.cpp";
    return;
  }
  try {
    SampleCheck(op, sample, number).run();
  } catch (const Error& e) {
    ADD_FAILURE() << "thrown: " << e.what();
    drop_pending();
  }
}

std::vector<Tensor> inputs_of(const Op& op, const Sample& sample, int number) {
  return draw_inputs(op, sample, number).tensors;
}
std::vector<Tensor> call(const Op& op, const Sample& sample, const std::vector<Tensor>& inputs) {
  return called(op, sample, inputs);
}

std::string summary() {
  std::string text = str("op harness: ", ops_seen.size(), " ops, ", samples_seen, " samples:");
  for (size_t m = 0; m < static_cast<size_t>(Mode::count); ++m)
    text += str(m ? ", " : " ", name(static_cast<Mode>(m)), " ", counted[m]);
  // Modes that wait for other parts: the ONNX room, inputs that are not contiguous (they exist in
  // plans only), GPUs.
  for (const char* later : {"; not yet: onnx", ", strided", ", other backends"})
    text += str(later, " ", samples_run);
  return text;
}

}  // namespace suanli::test
