// SPDX-License-Identifier: Apache-2.0
// Losses over classes: nll_loss and cross_entropy. Means over rows without weights are ops of
// their own; everything else is written with log_softmax and gather.
#include "ops/loss/loss.h"
#include "ops/reduce/classes.h"
#include "ops/schema/attributes.h"

namespace suanli {

namespace {

void require_reduction(const Infer& c, int reduction) {
  if (reduction < 0 || reduction > static_cast<int>(Reduction::sum))
    c.fail_argument("reduction", str(reduction), "0 (none), 1 (mean) or 2 (sum)");
}

/// Scores [C], [N, C] or [N, C, d…] without the axis of the classes.
Shape without_classes(const Shape& x) {
  Shape rest;
  for (int i = 0; i < x.rank(); ++i)
    if (i != (x.rank() == 1 ? 0 : 1)) rest.push_back(x[i]);
  return rest;
}
int64_t classes_of(const Shape& x) { return x[x.rank() == 1 ? 0 : 1]; }

/// Throws unless input 0 has classes, and input 2, if given, one weight for each.
void require_scores(const Infer& c) {
  c.require_float(0);
  const Shape& x = c.shape(0);
  if (x.rank() < 1) c.fail(0, "[C], [N, C] or [N, C, d…]");
  if (c.inputs() == 3 && c.shape(2) != Shape{classes_of(x)})
    c.fail(2, str(Shape{classes_of(x)}, ", one per class of ", c.argument(0), " ", x));
}
void require_class_numbers(const Infer& c) {
  const Shape rest = without_classes(c.shape(0));
  if (!is_integer(c.dtype(1))) c.fail_dtype(1, "class numbers, i64");
  if (c.shape(1) != rest) c.fail(1, str(rest, ", one per row of ", c.argument(0), " ", c.shape(0)));
}
void give_loss(Infer& c, int reduction, const Shape& rest) {
  require_reduction(c, reduction);
  c.out(0, reduction == 0 ? rest : Shape{}, c.dtype(0));
}

/// Scores as rows [M, C].
Tensor rows_of(const Tensor& x) {
  if (x.rank() == 2) return x;
  if (x.rank() == 1) return reshape(x, {1, x.size(0)});
  Dims order{0};
  for (int i = 2; i < x.rank(); ++i) order.push_back(i);
  order.push_back(1);
  const Tensor last = permute(x, order);
  return reshape(last, {without_classes(x.shape()).numel(), classes_of(x.shape())});
}

/// Rows of targets: class numbers i64 [M], those that count, and the factor of each row.
struct Targets {
  Targets(const Tensor& target, int64_t ignore_index, const Tensor& weight, DType dtype)
      : number(flatten(cast(target, i64))) {
    counts = number != Tensor(ignore_index);
    number = where(counts, number, zeros(number.shape(), i64));
    factor = weight.defined() ? where(counts, gather(cast(weight, dtype), 0, number), 0.0)
                              : cast(counts, dtype);
  }
  Tensor number, counts, factor;
};

/// Σ of the rows' losses as the reduction has it. Terms whose factor is 0 are left out: the
/// logarithm of an impossible class, -∞, would make NaN of it.
Tensor finished(const Tensor& losses, const Tensor& factor, Reduction reduction,
                const Shape& shape) {
  if (reduction == Reduction::none) return reshape(losses, shape);
  const Tensor total = sum(losses);
  return reduction == Reduction::sum ? total : total / sum(factor);
}

/// The rows' losses for class numbers.
Tensor picked(const Tensor& log_p, const Targets& t) {
  const Tensor column = reshape(t.number, {t.number.size(0), 1});
  return -multiply_no_nan(flatten(gather(log_p, 1, column)), t.factor);
}

Tensor hard_loss(std::span<const Tensor> in, const CrossEntropyAttr& a) {
  const Tensor rows = rows_of(in[0]);
  const bool weighted = in.size() == 3;
  const auto reduction = static_cast<Reduction>(a.reduction);
  const double smoothing = a.label_smoothing;
  if (!weighted && smoothing == 0 && reduction == Reduction::mean) {
    const Tensor number = flatten(in[1].dtype() == i64 ? in[1] : cast(in[1], i64));
    return record(cross_entropy_rows_op, {&rows, &number}, IgnoreAttr{a.ignore_index});
  }
  const Targets t(in[1], a.ignore_index, weighted ? in[2] : Tensor(), rows.dtype());
  const Tensor log_p = log_softmax(rows, 1);
  // The spread part has each class's own weight; the divisor has those of the targets.
  const auto spread = [&] {
    const Tensor all = weighted ? multiply_no_nan(log_p, cast(in[2], rows.dtype())) : log_p;
    return -multiply_no_nan(sum(all, {1}), cast(t.counts, rows.dtype())) *
           (1 / static_cast<double>(rows.size(1)));
  };
  const Tensor losses = smoothing == 0 ? picked(log_p, t)
                        : smoothing == 1
                            ? spread()
                            : (1 - smoothing) * picked(log_p, t) + smoothing * spread();
  return finished(losses, t.factor, reduction, without_classes(in[0].shape()));
}

Tensor soft_loss(std::span<const Tensor> in, const CrossEntropyAttr& a) {
  const Tensor rows = rows_of(in[0]);
  Tensor share = rows_of(cast(in[1], rows.dtype()));
  if (a.label_smoothing > 0)
    share = share * (1 - a.label_smoothing) +
            a.label_smoothing / static_cast<double>(classes_of(in[0].shape()));
  if (in.size() == 3) share = share * cast(in[2], rows.dtype());
  // A share of 0 of an impossible class is nothing: 0 · ln 0 = 0.
  const Tensor losses = -sum(multiply_no_nan(log_softmax(rows, 1), share), {1});
  const auto reduction = static_cast<Reduction>(a.reduction);
  if (reduction == Reduction::none) return reshape(losses, without_classes(in[0].shape()));
  return reduction == Reduction::sum ? sum(losses) : mean(losses);
}

}  // namespace

const Op nll_rows_op{OpSchema{
    .name = "nll_rows",
    .doc = "Mean of −x[n, target[n]] over x [N, C] and class numbers target [N] i64 other than "
           "ignore_index → []. nll_loss uses it.",
    .inputs = {"log_probabilities", {"target", kIndexDTypes}},
    .attributes = &attribute_type<IgnoreAttr>(),
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          require_classes(c);
          c.out(0, {}, c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 1); },
}};
const RegisterRules nll_rows_rules{OpRules{
    .op = &nll_rows_op,
    .vjp =
        [](Vjp& v) {
          const Tensor g = v.grad(), target = v.in(1);
          v.set_grad(0,
                     record(nll_rows_grad_op, {&g, &target}, v.attr<IgnoreAttr>(), &v.in_shape(0)));
        },
    .saves = saves_in(1),
}};

const Op nll_rows_grad_op{OpSchema{
    .name = "nll_rows_grad",
    .doc = "Zeros in the requested shape [N, C], with −g/n at the target of each of the n rows "
           "whose target [N] i64 is not ignore_index.",
    .inputs = {"gradient", {"target", kIndexDTypes}},
    .attributes = &attribute_type<IgnoreAttr>(),
    .takes_shape = true,
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_float(0);
          const Shape& x = c.requested_shape();
          if (x.rank() != 2 || c.shape(0).rank() != 0 || c.shape(1) != Shape{x[0]})
            c.fail(c.arguments(2), c.shapes(2), str("[] and [N] for a result [N, C], not ", x));
          c.out(0, x, c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 0); },
}};
const RegisterRules nll_rows_grad_rules{OpRules{
    .op = &nll_rows_grad_op,
    .vjp =
        [](Vjp& v) {  // what is scattered is read back, and summed, at the same places
          const Tensor g = v.grad(), target = v.in(1);
          v.set_grad(0, record(nll_rows_op, {&g, &target}, v.attr<IgnoreAttr>()));
        },
    .saves = saves_in(1),
}};

const Op nll_loss_op{OpSchema{
    .name = "nll_loss",
    .doc =
        "−w[t]·x[n, t] over log-probabilities x [N, C] (or [C], [N, C, d…]), class numbers t [N] "
        "and class weights w [C]; the mean is divided by Σ w[t]. Targets of ignore_index do not "
        "count. reduction: 0 none, 1 mean, 2 sum.",
    .inputs = {"log_probabilities",
               {"target", kIntegralDTypes},
               {"weight", InputSpec::optional, kComputedDTypes}},
    .attributes = &attribute_type<NllLossAttr>(),
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          require_scores(c);
          require_class_numbers(c);
          give_loss(c, c.attr<NllLossAttr>().reduction, without_classes(c.shape(0)));
        },
}};
const RegisterRules nll_loss_rules{OpRules{
    .op = &nll_loss_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<NllLossAttr>();
          const Tensor rows = rows_of(in[0]);
          if (in.size() == 2 && a.reduction == static_cast<int64_t>(Reduction::mean)) {
            const Tensor number = flatten(in[1].dtype() == i64 ? in[1] : cast(in[1], i64));
            return record(nll_rows_op, {&rows, &number}, IgnoreAttr{a.ignore_index});
          }
          const Targets t(in[1], a.ignore_index, in.size() == 3 ? in[2] : Tensor(), rows.dtype());
          return finished(picked(rows, t), t.factor, static_cast<Reduction>(a.reduction),
                          without_classes(in[0].shape()));
        },
}};

const Op cross_entropy_op{OpSchema{
    .name = "cross_entropy",
    .doc =
        "nll_loss(log_softmax(x)) of logits x [N, C] (or [C], [N, C, d…]), with ε of each target "
        "spread over all classes (Szegedy et al. 2016, section 7). Or targets of x's shape and a "
        "float dtype, the share of each class: −Σ w·t·log_softmax(x). reduction: 0 none, 1 mean, "
        "2 sum.",
    .inputs = {"logits",
               {"target", kComputedDTypes},
               {"weight", InputSpec::optional, kComputedDTypes}},
    .attributes = &attribute_type<CrossEntropyAttr>(),
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<CrossEntropyAttr>();
          require_scores(c);
          const bool soft = is_float(c.dtype(1));
          if (soft && c.shape(1) != c.shape(0)) c.fail(1, str(c.shape(0), ", the shape of logits"));
          if (!soft) require_class_numbers(c);
          if (!(a.label_smoothing >= 0 && a.label_smoothing <= 1))
            c.fail_argument("label_smoothing", str(a.label_smoothing), "0 to 1");
          give_loss(c, a.reduction, without_classes(c.shape(0)));
        },
}};
const RegisterRules cross_entropy_rules{OpRules{
    .op = &cross_entropy_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<CrossEntropyAttr>();
          return is_float(in[1].dtype()) ? soft_loss(in, a) : hard_loss(in, a);
        },
}};

namespace {
Tensor with_weight(const Op& op, const Tensor& x, const Tensor& target, const Tensor& weight,
                   const Attr& attr) {
  return weight.defined() ? record(op, {&x, &target, &weight}, attr)
                          : record(op, {&x, &target}, attr);
}
}  // namespace

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target, const NllLossOptions& o) {
  return with_weight(nll_loss_op, log_probabilities, target, o.weight,
                     NllLossAttr{o.ignore_index, static_cast<int64_t>(o.reduction)});
}
Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& o) {
  return with_weight(
      cross_entropy_op, logits, target, o.weight,
      CrossEntropyAttr{o.ignore_index, static_cast<int64_t>(o.reduction), o.label_smoothing});
}

Tensor multi_margin_loss(const Tensor& x, const Tensor& target, const MultiMarginOptions& o) {
  check(nll_loss_op, {&x, &target}, NllLossAttr{-100, 0});
  if (x.rank() > 2)
    throw ShapeError({.op = "multi_margin_loss",
                      .argument = "x",
                      .given = to_string(x.shape()),
                      .expected = "[C] or [N, C]",
                      .module = module_path()});
  const Tensor rows = rows_of(x), number = flatten(cast(target, i64)),
               own = gather(rows, 1, reshape(number, {number.size(0), 1}));
  Tensor room = maximum(o.margin - own + rows, 0.0);
  if (o.p != 1) room = pow(room, o.p);
  if (o.weight.defined())
    room = room * reshape(gather(cast(o.weight, x.dtype()), 0, number), {-1, 1});
  const Tensor others = room * (1 - one_hot(number, rows.size(1), x.dtype()));
  const Tensor losses = sum(others, {1}) * (1 / static_cast<double>(rows.size(1)));
  return reduced("multi_margin_loss",
                 x.rank() == 1 && o.reduction == Reduction::none ? reshape(losses, {}) : losses,
                 o.reduction);
}

}  // namespace suanli
