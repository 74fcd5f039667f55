// SPDX-License-Identifier: Apache-2.0
// Indexing as in PyTorch: errors, gradients, empty tensors, and handles that do not change.
// tests/peer/idioms_pytorch.py compares values with PyTorch.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "suanli/autograd.h"
#include "suanli/ops.h"
#include "support/errors.h"

namespace suanli::test {
namespace {

using F64s = std::vector<double>;
using I64s = std::vector<int64_t>;
using Fs = const std::vector<Tensor>&;

F64s read(const Tensor& t) { return cast(t, f64).to_vector<double>(); }
Tensor waves(const Shape& shape, double phase = 0) {
  F64s v;
  for (int64_t i = 0; i < shape.numel(); ++i)
    v.push_back(std::sin(phase + 1.7 * static_cast<double>(i)));
  return tensor(v, shape);
}
Tensor counted(const Shape& shape) { return reshape(arange(shape.numel(), f64), shape); }
const Tensor kTwo = tensor<int64_t>({1, 0, 1});

TEST(Indexing, ErrorsNameTheIndex) {
  Tensor x = counted({2, 3});
  EXPECT_FAULT(ShapeError, x[2], .op = "index", .argument = "indices[0]", .given = "2",
               .expected = "an index within dimension 0, whose size is 2, of input [2, 3]");
  EXPECT_FAULT(ShapeError, x.index({Slice(), -4}), .op = "index", .argument = "indices[1]",
               .given = "-4",
               .expected = "an index within dimension 1, whose size is 3, of input [2, 3]");
  EXPECT_FAULT(ShapeError, x.index({0, 0, 0}), .op = "index", .argument = "indices",
               .given = "indices for 3 dimensions", .expected = "at most 2 for input [2, 3]");
  EXPECT_FAULT(ShapeError, x.index({Ellipsis, Ellipsis}), .op = "index", .argument = "indices",
               .given = "2 ellipses", .expected = "at most one ellipsis");
  EXPECT_FAULT(ShapeError, (x[tensor<bool>({true, false, true})]), .op = "index",
               .argument = "indices[0]", .given = "a mask [3]",
               .expected = "the sizes of dimensions 0 to 0 of input [2, 3]");
  EXPECT_FAULT(ArgumentError, x[Slice(None, None, -1)], .op = "index", .argument = "indices[0]",
               .given = "a slice of step -1", .expected = "a step of at least 1");
  EXPECT_FAULT(DTypeError, (x[tensor<float>({1})]), .op = "index", .argument = "indices[0]",
               .given = "f32", .expected = "integers or bool");
  EXPECT_FAULT(ShapeError, x.index({kTwo, tensor<int64_t>({0, 1})}), .op = "index",
               .argument = "indices", .given = "index tensors [3] and [2]",
               .expected = "shapes that broadcast");
  EXPECT_FAULT(ShapeError, x[0] = ones({2}), .op = "index_put", .argument = "values",
               .given = "[2]", .expected = "a shape that broadcasts to [3]");
  EXPECT_FAULT(ArgumentError, x.index({"…"}), .op = "index", .argument = "indices",
               .expected = "\"...\"");
  EXPECT_EQ(read(x), (F64s{0, 1, 2, 3, 4, 5})) << "a refused write changes nothing";
}

TEST(Indexing, IndexTensorsAreCheckedWhenTheOpRuns) {
  const Tensor x = counted({2, 3});
  EXPECT_EQ(read(x[tensor<int64_t>({-2, 1})]), (F64s{0, 1, 2, 3, 4, 5}));
  for (int64_t bad : {2, -3}) {
    EXPECT_THROW(read(x[tensor<int64_t>({0, bad})]), IoError) << bad;
    // a row number that the first index alone would make valid
    EXPECT_THROW(read(x.index({tensor<int64_t>({0}), tensor<int64_t>({bad + (bad > 0 ? 1 : -1)})})),
                 IoError)
        << bad;
    EXPECT_THROW(read(x.index_put({tensor<int64_t>({bad})}, 1)), IoError) << bad;
    EXPECT_THROW(read(x.index_put({tensor<int64_t>({bad})}, 1, true)), IoError) << bad;
  }
  EXPECT_THROW(read(scatter(x, 0, tensor<int64_t>({2}, {1, 1}), 1.0)), IoError);
}

TEST(Indexing, WritesRebindOneHandle) {
  Tensor x = counted({2, 3});
  const Tensor before = x;
  Tensor row = x[1];
  row = row + 100;
  row += 1;
  EXPECT_EQ(read(x), read(before)) << "a row with a name is a value of its own";
  auto element = x[1];
  element = 7.0;
  element.zero_();
  EXPECT_EQ(read(x), read(before));
  x[1] = row;
  EXPECT_EQ(read(x), (F64s{0, 1, 2, 104, 105, 106}));
  x[0][-1] = 9;
  x[0][0] += x[1][2];
  EXPECT_EQ(read(x), (F64s{106, 1, 9, 104, 105, 106}));
  x[1] = x[0];
  EXPECT_EQ(read(x), (F64s{106, 1, 9, 106, 1, 9}));
  EXPECT_EQ(x[0][1].item<double>(), 1);
  EXPECT_EQ(read(before), (F64s{0, 1, 2, 3, 4, 5}));
  Tensor n = tensor<int64_t>({1, 2});
  n[0] = 2.9;  // written in the dtype of n
  EXPECT_EQ(n.to_vector<int64_t>(), (I64s{2, 2}));
}

TEST(Indexing, TheLastOfSeveralWritesRemains) {
  const Tensor x = zeros({3}, f64), at = tensor<int64_t>({1, 1, 0, 1});
  const Tensor v = tensor<double>({1, 2, 3, 4});
  EXPECT_EQ(read(x.index_put({at}, v)), (F64s{3, 4, 0}));
  EXPECT_EQ(read(x.index_put({at}, v, true)), (F64s{3, 7, 0}));
  EXPECT_EQ(read(index_copy(x, 0, at, v)), (F64s{3, 4, 0}));
  EXPECT_EQ(read(scatter(x, 0, at, v)), (F64s{3, 4, 0}));
}

TEST(Indexing, EmptyTensors) {
  const Tensor none = zeros({0, 3}, f64), nowhere = zeros({0}, i64);
  EXPECT_EQ(none[Slice(0, 5)].shape(), (Shape{0, 3}));
  EXPECT_EQ(none[nowhere].shape(), (Shape{0, 3}));
  EXPECT_EQ(none.index({Slice(), 1}).shape(), Shape{0});
  EXPECT_EQ(none[none > 0].shape(), Shape{0});
  EXPECT_EQ(nonzero(none).shape(), (Shape{0, 2}));
  const Tensor x = counted({2, 3});
  EXPECT_EQ(x[x > 100].shape(), Shape{0});
  EXPECT_EQ(x[nowhere].shape(), (Shape{0, 3}));
  EXPECT_EQ(x.index({false}).shape(), (Shape{0, 2, 3}));
  EXPECT_EQ(x.index({true, 1}).shape(), (Shape{1, 3}));
  EXPECT_EQ(read(x.index_put({nowhere}, 1)), read(x));
  EXPECT_EQ(read(x.index_put({x > 100}, 1)), read(x));
  EXPECT_EQ(x.index({Slice(2, 1)}).shape(), (Shape{0, 3}));
  EXPECT_EQ(nonzero(tensor(3.0)).shape(), (Shape{1, 0}));
  EXPECT_EQ(read(cumsum(zeros({2, 0}, f64), 1)), F64s());
  EXPECT_EQ(sort(zeros({0}, f64)).indices.shape(), Shape{0});
}

TEST(Indexing, DtypesOfIndicesAndMasks) {
  const Tensor x = counted({2, 3});
  EXPECT_EQ(read(x[tensor<int32_t>({1})]), (F64s{3, 4, 5}));
  EXPECT_EQ(read(x[tensor<uint8_t>({0, 1})]), (F64s{3, 4, 5})) << "u8 is a mask, as in PyTorch";
  EXPECT_EQ(read(x[tensor<int64_t>(1)]), (F64s{3, 4, 5}));
  EXPECT_EQ(x.index({tensor<int64_t>(1), None, kTwo}).shape(), (Shape{1, 3}));
  EXPECT_EQ((x > 2)[1].dtype(), boolean);
  EXPECT_EQ(read(counted({2, 3, 4}).index({tensor<int64_t>(0), Slice(), kTwo})),
            (F64s{1, 0, 1, 5, 4, 5, 9, 8, 9}));
}

TEST(Indexing, GradientsOfReading) {
  const Tensor x = waves({3, 2, 4});
  const std::function<Tensor(const Tensor&)> cases[] = {
      [](const Tensor& t) { return t[1]; },
      [](const Tensor& t) { return t.index({Slice(None, None, 2), None, -1, Slice(1, 3)}); },
      [](const Tensor& t) { return t.index({Slice(), kTwo, Slice(1, None)}); },
      [](const Tensor& t) { return t.index({kTwo, Slice(), kTwo}); },
      [](const Tensor& t) { return t[t > 0.1]; },
      [](const Tensor& t) { return index_select(t, 2, kTwo); },
      [](const Tensor& t) { return sort(t, 1, true).values; },
      [](const Tensor& t) { return topk(t, 2).values; },
      [](const Tensor& t) { return cumprod(t, 2); },
      [](const Tensor& t) { return einsum("abc,abd->cd", {t, t}); },
      [](const Tensor& t) { return norm(t, 3, {0, 2}); },
      [](const Tensor& t) { return suanli::std(t, {1, 2}); },
      [](const Tensor& t) { return diagonal(t, 1, 1, 2); },
      [](const Tensor& t) { return roll(tril(t), {1, 2}, {0, 2}); },
  };
  for (const auto& f : cases)
    EXPECT_LE(gradcheck([&](Fs v) { return sum(square(f(v[0]))); }, {x}, true), 1e-6) << &f - cases;
}

TEST(Indexing, GradientsOfWriting) {
  const Tensor x = waves({3, 2, 4}), one = tensor<int64_t>({2, 0});
  struct Case {
    Shape values;
    std::vector<TensorIndex> indices;
    bool accumulate = false;
  };
  const Case cases[] = {{{2, 4}, {1}},
                        {{4}, {Slice(1, None)}},
                        {{3, 1, 2}, {Slice(), Slice(), Slice(0, 3, 2)}, true},
                        {{2, 2, 4}, {one}},
                        {{3, 2}, {Slice(), 1, one}},
                        {{3, 1, 4}, {kTwo}, true},
                        {{1}, {x > 0.1}},
                        {{1}, {x > 0.1}, true}};
  for (const Case& c : cases)
    EXPECT_LE(gradcheck(
                  [&](Fs v) {
                    Tensor y = v[0];
                    y.index_put_(c.indices, v[1], c.accumulate);
                    return sum(square(y));
                  },
                  {x, waves(c.values, 2)}, true),
              1e-6)
        << &c - cases;
}

// The product of the others at the first zero, and 0 behind it.
TEST(Scans, TheGradientOfCumprodIsExactAtZeros) {
  Tensor x = tensor<double>({2, 0, 3, 0, 5});
  x.requires_grad_();
  sum(cumprod(x, 0)).backward();
  EXPECT_EQ(read(x.grad()), (F64s{1, 2 + 2 * 3, 0, 0, 0}));
}

TEST(Norms, TheGradientIsZeroAtZero) {
  for (double p : {0.5, 1.0, 1.5, 2.0, 3.0}) {
    Tensor x = zeros({3}, f64);
    x.requires_grad_();
    norm(x, p).backward();
    EXPECT_EQ(read(x.grad()), (F64s{0, 0, 0})) << p;
  }
}

TEST(Sorting, NanIsTheLargest) {
  const double nan = std::nan("");
  const Tensor x = tensor<double>({nan, 1, -INFINITY, nan, INFINITY, 1});
  EXPECT_EQ(sort(x).indices.to_vector<int64_t>(), (I64s{2, 1, 5, 4, 0, 3}));
  EXPECT_EQ(sort(x, 0, true).indices.to_vector<int64_t>(), (I64s{0, 3, 4, 1, 5, 2}));
  EXPECT_TRUE(std::isnan(median(x).item<double>()));
  EXPECT_EQ(median(x, 0).indices.item<int64_t>(), 0);
}

TEST(Rebinding, KeepsShapeAndDtype) {
  Tensor n = tensor<int64_t>({1, 2});
  n.add_(1).mul_(2);
  EXPECT_EQ(n.to_vector<int64_t>(), (I64s{4, 6}));
  EXPECT_THROW(n.add_(0.5), DTypeError);
  EXPECT_THROW(n.add_(ones({2, 2}, i64)), ShapeError);
  Tensor x = ones({2});
  x.add_(tensor<double>({1, 2}));
  EXPECT_EQ(x.dtype(), f32);
  EXPECT_EQ(read(x), (F64s{2, 3}));
}

TEST(Creation, RangesAreChecked) {
  EXPECT_EQ(arange(7, 0, -3).to_vector<int64_t>(), (I64s{7, 4, 1}));
  EXPECT_EQ(arange(1, 1).numel(), 0);
  EXPECT_THROW(arange(0, 3, 0), ArgumentError);
  EXPECT_THROW(arange(0, 3, -1), ArgumentError);
  EXPECT_THROW(linspace(0, 1, -1), ArgumentError);
  EXPECT_THROW(eye(-1), ArgumentError);
  EXPECT_EQ(arange(2, 5, i64).dtype(), i64);
  EXPECT_EQ(full({2}, true).dtype(), boolean);
  EXPECT_THROW(tensor({{1, 2}, {3}}), ShapeError);
}

TEST(Random, DrawsLieInTheirRanges) {
  const Tensor dice = randint(1, 7, 6000);
  EXPECT_EQ(amax(dice).item<int64_t>(), 6);
  EXPECT_EQ(-amax(-dice).item<int64_t>(), 1);
  EXPECT_NEAR(mean(cast(dice, f64)).item<double>(), 3.5, 0.15);
  EXPECT_NEAR(mean(bernoulli(full(10000, 0.3))).item<double>(), 0.3, 0.03);
  const Tensor weights = tensor<double>({0, 1, 3, 0});
  const Tensor drawn = multinomial(weights, 4000, true);
  EXPECT_NEAR(sum(drawn == 2).item<double>() / 4000, 0.75, 0.05);
  EXPECT_EQ(sum(drawn == 0).item<int64_t>() + sum(drawn == 3).item<int64_t>(), 0);
  EXPECT_EQ(sum(multinomial(weights, 2)).item<int64_t>(), 3) << "each class once";
}

}  // namespace
}  // namespace suanli::test
