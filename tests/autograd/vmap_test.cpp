// SPDX-License-Identifier: Apache-2.0
// vmap() gives what a loop over the examples gives: for every op on its samples, for gradients of
// each example, and where vmap() calls nest.
#include "suanli/vmap.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/batching.h"
#include "base/text/text.h"
#include "suanli/autograd.h"
#include "suanli/nn.h"
#include "suanli/plan.h"
#include "support/errors.h"
#include "support/op_harness.h"

namespace suanli::test {
namespace {

constexpr int64_t kExamples = 3;
constexpr int64_t kMaxElements = 2000;  // examples are recorded one by one for the comparison

Tensor stacked(const std::vector<Tensor>& all) {
  std::vector<Tensor> parts;
  for (const Tensor& t : all) parts.push_back(reshape(t, with_first(1, t.shape())));
  return cat(parts, 0);
}
Tensor example(const Tensor& all, int64_t b) {
  return reshape(narrow(all, 0, b, 1), Shape(all.shape().begin() + 1, all.rank() - 1));
}

/// Equal up to the rounding of another order of sums.
void expect_equal(const Tensor& got, const Tensor& want, const std::string& what) {
  ASSERT_EQ(to_string(got.shape()), to_string(want.shape())) << what;
  ASSERT_STREQ(name(got.dtype()), name(want.dtype())) << what;
  const Array a = to_array(got), b = to_array(want);
  Real largest = 0, apart = 0;
  for (size_t i = 0; i < a.v.size(); ++i) {
    if (std::isfinite(b.v[i])) largest = std::max(largest, std::fabs(b.v[i]));
    if (a.v[i] != b.v[i] && !(std::isnan(a.v[i]) && std::isnan(b.v[i])))
      apart = std::max(apart, std::fabs(a.v[i] - b.v[i]));
  }
  EXPECT_LE(apart, (got.dtype() == f64 ? 1e-12L : 1e-5L) * std::max<Real>(1, largest)) << what;
}

class VmapOfOps : public testing::TestWithParam<std::string> {};

/// vmap of one call, with only the inputs batched that `which` has as bits.
void check_call(const Op& op, const Sample& s, uint32_t which) {
  std::vector<std::vector<Tensor>> draws;
  for (int k = 0; k < kExamples; ++k) draws.push_back(inputs_of(op, s, k));
  std::vector<Tensor> inputs = draws[0];
  std::vector<std::optional<int>> in_dims(inputs.size());
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    if (!(which >> i & 1)) continue;
    inputs[i] = stacked({draws[0][i], draws[1][i], draws[2][i]});
    in_dims[i] = 0;
  }
  flush();
  const auto f = [&](const std::vector<Tensor>& in) { return call(op, s, in); };
  const std::vector<Tensor> got = vmap(f, in_dims)(inputs);
  std::vector<std::vector<Tensor>> of_result(got.size());
  for (int64_t b = 0; b < kExamples; ++b) {
    std::vector<Tensor> one = inputs;
    for (size_t i = 0; i < one.size(); ++i)
      if (in_dims[i]) one[i] = example(inputs[i], b);
    const std::vector<Tensor> made = call(op, s, one);
    for (size_t r = 0; r < got.size(); ++r) of_result[r].push_back(made[r]);
  }
  for (size_t r = 0; r < got.size(); ++r)
    expect_equal(got[r], stacked(of_result[r]), str("result ", r, ", batched ", which));
}

/// The number of records for so many examples of the inputs that `which` has as bits.
size_t records_of(const Op& op, const Sample& s, uint32_t which, int examples) {
  std::vector<std::vector<Tensor>> draws;
  for (int k = 0; k < examples; ++k) draws.push_back(inputs_of(op, s, k));
  std::vector<Tensor> inputs = draws[0];
  std::vector<std::optional<int>> in_dims(inputs.size());
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    if (!(which >> i & 1)) continue;
    std::vector<Tensor> all;
    for (const auto& draw : draws) all.push_back(draw[i]);
    inputs[i] = stacked(all);
    in_dims[i] = 0;
  }
  flush();
  (void)vmap([&](const std::vector<Tensor>& in) { return call(op, s, in); }, in_dims)(inputs);
  const size_t records = Recorder::current().pending().size();
  flush();
  return records;
}

TEST_P(VmapOfOps, IsALoop) {
  const Op& op = *find_op(GetParam());
  const std::vector<Sample> samples = samples_of(op);
  bool at_once = false, any = false;
  for (size_t i = 0; i < samples.size(); ++i) {
    const Sample& s = samples[i];
    int64_t elements = 0;
    int rank = 0;
    for (const Input& in : s.inputs) {
      elements += in.shape.numel();
      rank = std::max(rank, in.shape.rank());
    }
    if (s.throws || s.inputs.empty() || elements > kMaxElements || rank >= Shape::kMaxRank)
      continue;
    SCOPED_TRACE(str("sample ", i));
    const uint32_t all = (1u << s.inputs.size()) - 1;
    check_call(op, s, all);
    for (size_t k = 0; k < s.inputs.size() && all > 1; ++k) check_call(op, s, 1u << k);
    for (uint32_t which : {all, 1u})  // a rule may ask for weights that all examples share
      at_once |= records_of(op, s, which, 2) == records_of(op, s, which, 4);
    any = true;
  }
  if (any && !op.has(Trait::composite)) {
    EXPECT_EQ(at_once, batching_rule(op) != nullptr) << "the number of records for more examples";
  }
}

std::vector<std::string> op_names() {
  std::vector<std::string> names;
  for (const Op* op : all_ops())
    if (!op->has(Trait::random)) names.emplace_back(op->name());
  return names;
}
INSTANTIATE_TEST_SUITE_P(Op, VmapOfOps, testing::ValuesIn(op_names()),
                         [](const auto& info) { return info.param; });

// ---- gradients ----------------------------------------------------------------------------------

struct Net : nn::Module {
  nn::Conv2d conv{2, 3, 3, {.padding = 1}};
  nn::Linear fc{3 * 2 * 2, 4};
  SUANLI_FIELDS(conv, fc)
  Tensor forward(const Tensor& x) const {
    return fc(flatten(max_pool2d(relu(conv(x)), {.kernel_size = 2}), 1));
  }
};

TEST(Vmap, GivesTheGradientOfEachExample) {
  manual_seed(3);
  const Net net;
  const Tensor x = rand({kExamples, 2, 4, 4}), target = tensor<int64_t>({2, 0, 3});
  (void)net(x);
  flush();
  const auto gradients = [&](const std::vector<Tensor>& in) {
    const Tensor one = reshape(in[0], with_first(1, in[0].shape())), label = reshape(in[1], {1});
    const Tensor w = net.conv.weight, b = net.conv.bias, v = net.fc.weight;
    struct Replaced {
      const Tensor &w, &b, &v;
      const Net& net;
      Tensor operator()(const Tensor& x) const {
        const Tensor y = max_pool2d(relu(conv2d(x, w, b, {.padding = 1})), {.kernel_size = 2});
        return matmul(flatten(y, 1), v, {.transpose_b = true}) + net.fc.bias;
      }
    } model{w, b, v, net};
    return grad({cross_entropy(model(one), label)}, {w, b, v});
  };
  const auto got = vmap(gradients)({x, target});
  ASSERT_EQ(got.size(), 3u);
  std::vector<std::vector<Tensor>> want(3);
  for (int64_t b = 0; b < kExamples; ++b) {
    const auto one = gradients({example(x, b), example(target, b)});
    for (size_t k = 0; k < 3; ++k) want[k].push_back(one[k]);
  }
  for (size_t k = 0; k < 3; ++k) expect_equal(got[k], stacked(want[k]), str("parameter ", k));
}

TEST(Vmap, GivesAJacobian) {
  const Tensor x = tensor<double>({0.5, -1, 2});
  const auto derivative = [](const Tensor& at) {
    Tensor leaf = at;
    leaf.requires_grad_();
    return grad({sum(leaf * leaf * leaf)}, {leaf})[0];
  };
  EXPECT_EQ(vmap(derivative)(x).to_vector<double>(), (std::vector<double>{0.75, 3, 12}));
}

TEST(Vmap, IsDifferentiableItself) {
  Tensor x = tensor(std::vector<double>{1, 2, 3, 4, 5, 6}, {3, 2});
  const Parameter w(tensor<double>({0.5, -1}));
  x.requires_grad_();
  const auto f = vmap([&](const Tensor& row) { return exp(sum(row * w)); });
  const auto got = grad({sum(f(x))}, {x});
  const auto want = grad({sum(exp(sum(x * w, {1})))}, {x});
  expect_equal(got[0], want[0], "x");
  sum(f(x)).backward();
  const Tensor by_vmap = w.grad();
  w.set_grad({});
  sum(exp(sum(x * w, {1}))).backward();
  expect_equal(by_vmap, w.grad(), "w");
}

// ---- the interface ------------------------------------------------------------------------------

TEST(Vmap, TakesAnyDimension) {
  const Tensor x = rand({4, 2, 3}, f64), scale = rand({2}, f64);
  const auto right = vmap(
      [&](const std::vector<Tensor>& in) {
        return std::vector<Tensor>{matmul(in[0], in[1]), in[2]};
      },
      {-1, 1, std::nullopt});
  const Tensor z = rand({2, 3, 5}, f64);
  const auto both = right({x, z, scale});
  EXPECT_EQ(to_string(both[0].shape()), "[3, 4, 5]");
  EXPECT_EQ(to_string(both[1].shape()), "[3, 2]") << "the same for all";
  expect_equal(both[0], matmul(permute(x, {2, 0, 1}), permute(z, {1, 0, 2})), "products");
}

TEST(Vmap, Nests) {
  const Tensor x = rand({2, 3}, f64), y = rand({4, 3}, f64);
  const auto dots = vmap([&](const std::vector<Tensor>& row) {
    return vmap([&](const std::vector<Tensor>& other) {
      return std::vector<Tensor>{sum(row[0] * other[0])};
    })({y});
  });
  expect_equal(dots({x})[0], matmul(x, y, {.transpose_b = true}), "all pairs");
}

TEST(Vmap, KeepsWhatIsDetached) {
  Tensor x = tensor<double>({1, 2, 3});
  x.requires_grad_();
  const auto f = vmap([](const Tensor& v) { return v * v.detach(); });
  EXPECT_EQ(grad({sum(f(x))}, {x})[0].to_vector<double>(), (std::vector<double>{1, 2, 3}));
}

TEST(Vmap, RecordsOnceForAllExamples) {
  const Tensor x = rand({64, 8}), w = rand({8, 8});
  flush();
  const Tensor y =
      vmap([&](const Tensor& row) { return sum(relu(matmul(reshape(row, {1, 8}), w))); })(x);
  const PlanStats before = plan_stats();
  flush();
  EXPECT_LE(plan_stats().kernels - before.kernels, 3) << "one product, and what follows it";
  expect_equal(y, sum(relu(matmul(x, w)), {1}), "sums");
}

TEST(Vmap, RefusesWhatItCannotDo) {
  const auto identity = vmap([](const std::vector<Tensor>& in) { return in; });
  EXPECT_FAULT(ShapeError, identity({rand({2, 3}), rand({3, 2})}), .op = "vmap",
               .argument = "input 1", .given = "[3, 2]", .expected = "2 along dimension 0");
  EXPECT_FAULT(ShapeError, identity({rand({0, 3})}), .op = "vmap", .argument = "inputs",
               .given = "0 examples");
  EXPECT_FAULT(ShapeError, identity({rand({})}), .op = "vmap", .argument = "in_dims");
  const auto none = vmap([](const std::vector<Tensor>& in) { return in; }, {std::nullopt});
  EXPECT_FAULT(ShapeError, none({rand({2})}), .op = "vmap", .given = "no input with a dimension");
  const auto two = vmap([](const std::vector<Tensor>& in) { return in; }, {0, 0});
  EXPECT_FAULT(ArgumentError, two({rand({2})}), .op = "vmap", .argument = "in_dims", .given = "2");
  const auto reads = vmap([](const Tensor& v) { return v * (v + 1.0).item<float>(); });
  EXPECT_FAULT(StateError, reads(rand({2})), .op = "vmap", .argument = "f");
  EXPECT_EQ(vmap([](const Tensor& v) { return v + 1.0; })(tensor<float>({1, 2})).to_vector<float>(),
            (std::vector<float>{2, 3}))
      << "it works after a failure";
}

}  // namespace
}  // namespace suanli::test
