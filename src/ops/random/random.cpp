// SPDX-License-Identifier: Apache-2.0
// Random draws. Each record carries (seed, counter) as scalar slots; element i is a pure function
// of them, equal on every device.
#include "ops/op.h"
#include "tensor/cell.h"

namespace suanli {

namespace {

void infer_drawn(Infer& c, DTypes drawn, const char* which) {
  const DType dtype = c.attr<DTypeAttr>().dtype;
  for (int i = 0; i < c.inputs(); ++i)
    if (c.shape(i).rank() != 0) c.fail(i, "a number");
  if (!contains(drawn, dtype)) c.fail_dtype("dtype", name(dtype), which);
  c.out(0, c.requested_shape(), dtype);
}

void infer_draw(Infer& c) {
  infer_drawn(c, dtypes_of({DType::f64, DType::f32, DType::f16, DType::bf16}), "a float dtype");
}

void infer_randperm(Infer& c) {
  infer_drawn(c, dtypes_of({DType::i64}), "i64");
  if (c.requested_shape().rank() != 1)
    c.fail("shape", to_string(c.requested_shape()), "one size, [n]");
}

/// Takes the blocks of 128 bits that `n` draws need: 2 of 64 bits or 4 others per block.
uint64_t advance(Generator* generator, const Shape& shape, DType dtype, uint64_t* seed) {
  Generator& g = generator ? *generator : default_generator();
  Cell* c = g.cell();
  Recorder::current().touch(c);
  const uint64_t counter = c->host_pending[1];
  const int64_t n = shape.numel(), per_block = itemsize(dtype) == 8 ? 2 : 4;
  c->host_pending[1] += static_cast<uint64_t>((n + per_block - 1) / per_block);
  c->host_changed = true;
  *seed = c->host_pending[0];
  return counter;
}

Tensor draw(const Op& op, const Shape& shape, DType dtype, Generator* generator, const double* a,
            const double* b) {
  check(op, {}, DTypeAttr{dtype}, &shape);  // a draw that cannot be recorded takes no numbers
  uint64_t seed;
  const uint64_t counter = advance(generator, shape, dtype, &seed);
  Tensor s(static_cast<int64_t>(seed)), c(static_cast<int64_t>(counter));
  if (!a) return record(op, {&s, &c}, DTypeAttr{dtype}, &shape);
  Tensor ta(*a), tb(*b);
  return record(op, {&s, &c, &ta, &tb}, DTypeAttr{dtype}, &shape);
}

}  // namespace

// Inputs of the draws: seed, counter, then two numbers (low and high, or mean and standard
// deviation).
const Op uniform_op{OpSchema{
    .name = "uniform",
    .doc = "Uniform in [low, high) from 24 (f32) or 53 (f64) bits of "
           "Philox-4x32-10 (Salmon et al. 2011). f16 and bf16 are f32 rounded, but below high.",
    .inputs = {{"seed", kIndexDTypes}, {"counter", kIndexDTypes}, {"low", 0.0}, {"high", 1.0}},
    .results = {{"output", chosen_dtype()}},
    .attributes = &attribute_type<DTypeAttr>(),
    .defaults = DTypeAttr{DType::f32},
    .takes_shape = true,
    .traits = Trait::random,
    .infer = infer_draw,
    .cost = [](const Step& s) { return element_cost(s, 12); },
    .slots = 15,
}};

const Op normal_op{OpSchema{
    .name = "normal",
    .doc = "Normal, by the Box–Muller transform of Philox-4x32-10 uniforms.",
    .inputs = {{"seed", kIndexDTypes}, {"counter", kIndexDTypes}, {"mean", 0.0}, {"std", 1.0}},
    .results = {{"output", chosen_dtype()}},
    .attributes = &attribute_type<DTypeAttr>(),
    .defaults = DTypeAttr{DType::f32},
    .takes_shape = true,
    .traits = Trait::random,
    .infer = infer_draw,
    .cost = [](const Step& s) { return element_cost(s, 30); },
    .slots = 15,
}};

const Op randperm_op{OpSchema{
    .name = "randperm",
    .doc = "0 … n−1 in the order of n random 64-bit keys. [n] i64.",
    .inputs = {{"seed", kIndexDTypes}, {"counter", kIndexDTypes}},
    .results = {{"output", chosen_dtype()}},
    .attributes = &attribute_type<DTypeAttr>(),
    .defaults = DTypeAttr{DType::i64},
    .takes_shape = true,
    .traits = Trait::random,
    .infer = infer_randperm,
    .cost = [](const Step& s) { return element_cost(s, 30); },
    .slots = 3,
}};

Tensor uniform(double low, double high, const Shape& shape, DType dtype, Generator* generator) {
  return draw(uniform_op, shape, dtype, generator, &low, &high);
}
Tensor normal(double mean, double std, const Shape& shape, DType dtype, Generator* generator) {
  return draw(normal_op, shape, dtype, generator, &mean, &std);
}
Tensor rand_like(const Tensor& x) { return rand(x.shape(), x.dtype()); }
Tensor randn_like(const Tensor& x) { return randn(x.shape(), x.dtype()); }
Tensor randint(int64_t low, int64_t high, const Shape& shape, DType dtype, Generator* generator) {
  if (high <= low)
    throw ArgumentError({.op = "randint",
                         .argument = "high",
                         .given = str(high),
                         .expected = str("above low, ", low),
                         .module = module_path()});
  const double width = static_cast<double>(high) - static_cast<double>(low);
  const Tensor steps = cast(floor(rand(shape, DType::f64, generator) * width), DType::i64);
  return cast(minimum(steps, high - low - 1) + low, dtype);
}
Tensor bernoulli(const Tensor& x, Generator* generator) {
  return cast(rand(x.shape(), x.dtype(), generator) < x, x.dtype());
}
Tensor multinomial(const Tensor& x, int64_t n, bool replacement, Generator* generator) {
  const Tensor weights = cast(x, DType::f64);
  const int64_t classes = x.shape().at(-1);
  if (n < 1 || (!replacement && n > classes))
    throw ArgumentError({.op = "multinomial",
                         .argument = "n",
                         .given = str(n),
                         .expected = replacement ? "at least 1" : str("from 1 to ", classes),
                         .module = module_path()});
  if (!replacement)  // the first arrivals of Poisson processes with these rates
    return topk(weights / -log1p(-rand(x.shape(), DType::f64, generator)), n).indices;
  Shape draws = x.shape();
  draws[draws.rank() - 1] = n;
  const Tensor up_to = cumsum(weights, -1), total = narrow(up_to, -1, classes - 1, 1);
  return searchsorted(up_to, rand(draws, DType::f64, generator) * total, true);
}
Tensor randperm(int64_t n, Generator* generator) {
  return draw(randperm_op, Shape{n}, DType::i64, generator, nullptr, nullptr);
}

namespace {
/// Zeroes what lies under draws below p and scales the rest by 1/(1−p).
Tensor drop(const char* op, const Tensor& x, const Shape& draws, double p, Generator* generator) {
  if (!(p >= 0 && p <= 1))
    throw ArgumentError({.op = op,
                         .argument = "p",
                         .given = str(p),
                         .expected = "a probability from 0 to 1",
                         .module = module_path()});
  if (!is_float(x.dtype()))
    throw DTypeError({.op = op,
                      .argument = "input",
                      .given = name(x.dtype()),
                      .expected = "a float dtype",
                      .module = module_path(),
                      .remedy = "Convert it with cast(x, f32)."});
  // first: it throws for dtypes that are not computed in
  const Tensor scaled = x * (p < 1 ? 1 / (1 - p) : 0.0);
  return where(rand(draws, f32, generator) >= p, scaled, 0.0);
}
}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator* generator) {
  return training ? drop("dropout", x, x.shape(), p, generator) : x;
}

Tensor stochastic_depth(const Tensor& x, double p, bool training, Generator* generator) {
  if (!training || p == 0) return x;
  Shape draws = x.shape();
  for (int i = 1; i < draws.rank(); ++i) draws[i] = 1;
  return drop("stochastic_depth", x, draws, p, generator);
}

}  // namespace suanli
