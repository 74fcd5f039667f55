// SPDX-License-Identifier: Apache-2.0
#include "ops/schema/ops.h"

#include <cstdlib>

#include "base/text/text.h"

namespace suanli {

namespace {

struct Registry {
  std::vector<const Op*> by_id = std::vector<const Op*>(kFirstRegisteredOp);
  std::vector<const Op*> ops;  // without what is built in
};
Registry& registry() {
  static auto* r = new Registry;
  return *r;
}

/// "a", "a and b", "a, b and c", …
template <class Name> std::string listed(int count, const char* last, Name&& name) {
  std::string out;
  for (int i = 0; i < count; ++i) out += str(i == 0 ? "" : i + 1 == count ? last : ", ", name(i));
  return out;
}
}  // namespace

const Op leaf_op(OpSchema{.name = "leaf", .doc = "A value given from outside."}, kOpLeaf);
const Op scalar_op(OpSchema{.name = "scalar", .doc = "A scalar slot."}, kOpScalar);
const Op alias_op(
    OpSchema{.name = "alias", .doc = "Another name for a value.", .traits = Trait::view}, kOpAlias);
const Op fused_op(OpSchema{.name = "fused",
                           .doc = "Several pointwise ops and reductions as one step of a plan."},
                  kOpFused);
const Op reorder_op(
    OpSchema{.name = "reorder",
             .doc = "A value between [N, C, H, W] and blocks of channels [N, C/b, H, W, b].",
             .cost = [](const Step& s) { return element_cost(s, 0); }},
    kOpReorder);

Op::Op(const OpSchema& schema) : Op(schema, static_cast<uint16_t>(registry().by_id.size())) {
  if (!schema.infer || !schema.doc)
    std::abort();  // a mistake in this library's own tables, found at the first start
  registry().ops.push_back(this);
}

Op::Op(const OpSchema& schema, uint16_t id)
    : schema_(schema), n_results_(schema.n_results()), id_(id) {
  for (int i = 0; i < OpSchema::kMaxNamed; ++i) input_dtypes_[i] = schema.input_dtypes(i);
  std::vector<const Op*>& ops = registry().by_id;
  if (ops.size() <= id) ops.resize(size_t{id} + 1);
  ops[id] = this;
}

const char* name(Trait trait) {
  switch (trait) {
    case Trait::none: break;
    case Trait::pointwise: return "pointwise";
    case Trait::reduction: return "reduction";
    case Trait::contraction: return "contraction";
    case Trait::move: return "move";
    case Trait::view: return "view";
    case Trait::random: return "random";
    case Trait::composite: return "composite";
    case Trait::host_sync: return "host_sync";
    case Trait::collective: return "collective";
    case Trait::threads_change_bits: return "threads_change_bits";
    case Trait::internal: return "internal";
  }
  return "none";
}

std::string OpSchema::input(int i) const {
  const bool named = i < kMaxNamed && inputs[i].name && inputs[i].kind != InputSpec::variadic;
  return named ? inputs[i].name : str("input ", i);
}

int OpSchema::n_results() const {
  int n = 0;
  while (n < kMaxResults && results[n].name) ++n;
  return n;
}

DTypes OpSchema::input_dtypes(int i) const {
  int named = 0;
  while (named < kMaxNamed && inputs[named].name) ++named;
  const DTypes own = named == 0 ? 0 : inputs[std::min(i, named - 1)].dtypes;
  return own ? own : dtypes;
}

bool OpSchema::requires_attribute(std::string_view attribute) const {
  std::string_view names = required;
  while (!names.empty())
    if (detail::next_name(names) == attribute) return true;
  return false;
}

Attr OpSchema::default_attributes() const {
  static const Attr none;
  const bool own = std::memcmp(defaults.bytes, none.bytes, sizeof none.bytes) != 0;
  return own || !attributes ? defaults : attributes->defaults;
}

std::string in_words(const DTypeRule& rule, const OpSchema& schema) {
  std::string text;
  switch (rule.kind) {
    case DTypeRule::of_input: text = "that of " + schema.input(rule.input); break;
    case DTypeRule::promoted:
      text = rule.input == 0 ? "promoted" : str("promoted from ", schema.input(rule.input), " on");
      break;
    case DTypeRule::chosen: text = "`dtype`"; break;
    case DTypeRule::fixed: text = suanli::name(rule.dtype); break;
  }
  if (rule.replaced == 0) return text;
  return str(text, ", but ", rule.by, " for ",
             rule.replaced == dtypes_of({DType::boolean}) ? "bool" : "integers and bool");
}

namespace {
[[noreturn]] void refuse_attribute(const char* op, const AttributeField& field, std::string given,
                                   int rank) {
  throw ArgumentError({.op = op,
                       .argument = std::string(field.name),
                       .given = std::move(given),
                       .expected = str("axes of an input of rank ", rank)});
}
}  // namespace

void OpSchema::require_attributes(const Attr& attr, int rank) const {
  if (!attributes) return;
  for (const AttributeField& field : attributes->fields) {
    const unsigned char* at = attr.bytes + field.offset;
    if (field.kind == AttributeKind::axes) {
      AxisSet axes;
      std::memcpy(&axes, at, sizeof axes);
      if (axes.bits >> rank != 0) refuse_attribute(name, field, str("bits ", axes.bits), rank);
    } else if (field.kind == AttributeKind::order) {
      AxisOrder order;
      std::memcpy(&order, at, sizeof order);
      uint32_t seen = 0;
      for (int i = 0; i < rank; ++i)
        if (order[i] >= 0 && order[i] < rank) seen |= 1u << order[i];
      if (seen != (1u << rank) - 1) refuse_attribute(name, field, "another order", rank);
    } else if (field.name == "dim") {
      int64_t axis = 0;
      std::memcpy(&axis, at, field.bytes);  // little-endian
      if (axis < 0 || axis >= rank) refuse_attribute(name, field, str(axis), rank);
    }
  }
}

void OpSchema::require_inputs(int count) const {
  int least = 0, most = 0;
  bool any = false;
  std::string names;
  for (const InputSpec& spec : inputs) {
    if (!spec.name) break;
    ++most;
    least += spec.kind != InputSpec::optional;
    any |= spec.kind == InputSpec::variadic;
    names += str(names.empty() ? "" : ", ", spec.name);
  }
  if (count < least || (count > most && !any) || count > UINT16_MAX)
    throw ArgumentError({.op = name,
                         .argument = "inputs",
                         .given = str(count),
                         .expected = str(least,
                                         any            ? str(" to ", UINT16_MAX)
                                         : most > least ? str(" to ", most)
                                                        : std::string(),
                                         most > 0 ? str(": ", names) : std::string())});
}

const Op& op_of(uint16_t id) { return *registry().by_id[id]; }

const Op* find_op(std::string_view name) {
  for (const Op* op : registry().ops)
    if (name == op->name()) return op;
  return nullptr;
}

const void* attributes_of(uint16_t op, const Attr& attr) {
  const AttributeType* type = op_of(op).schema().attributes;
  return type ? attr.of(type->bytes) : attr.bytes;
}

const std::vector<const Op*>& all_ops() { return registry().ops; }

DType Infer::common_dtype(int first) const {
  struct Kind {
    bool any = false;
    DType dtype{};
    void join(DType d) {
      dtype = any ? promote(dtype, d) : d;
      any = true;
    }
    static int category(DType d) { return d == DType::boolean ? 0 : is_float(d) ? 2 : 1; }
    void join_lower(const Kind& lower) {
      if (lower.any && (!any || category(lower.dtype) > category(dtype))) join(lower.dtype);
    }
  } with_axes, scalar, number;
  for (int i = first; i < inputs(); ++i)
    (weak(i) ? number : shape(i).rank() == 0 ? scalar : with_axes).join(dtype(i));
  scalar.join_lower(number);
  with_axes.join_lower(scalar);
  return with_axes.dtype;
}
void Infer::require_size(const Shape& shape, DType dtype) const {
  try {
    tensor_bytes(schema_.name, shape, dtype);
  } catch (const ShapeError& e) {
    Fault f = e.fault();
    if (!wanted_ || shape != *wanted_) f.argument = "result";
    f.module = module_();
    throw ShapeError(std::move(f));
  }
}
void Infer::require_float(int i) const {
  if (!is_float(dtype(i))) fail_dtype(i, "a float dtype", "Convert it with cast(x, f32).");
}
void Infer::require_same_dtype(int count) const {
  for (int i = 1; i < (count < 0 ? inputs() : count); ++i)
    if (dtype(i) != dtype(0)) fail_dtype(i, str(dtype(0), ", the dtype of ", argument(0)));
}
void Infer::require_rank(int i, int rank, const char* axes) const {
  if (shape(i).rank() != rank) fail(i, str("rank ", rank, ", ", axes));
}
std::string Infer::argument(int i) const { return schema_.input(i); }
std::string Infer::arguments(int count) const {
  return listed(count, ", ", [&](int i) { return argument(i); });
}
std::string Infer::shapes(int count) const {
  return listed(count, " and ", [&](int i) { return to_string(shape(i)); });
}
Fault Infer::fault(std::string argument, std::string given, std::string expected,
                   std::string remedy) const {
  return {.op = schema_.name,
          .argument = std::move(argument),
          .given = std::move(given),
          .expected = std::move(expected),
          .module = module_(),
          .remedy = std::move(remedy)};
}
void Infer::fail(int i, std::string expected) const {
  fail(argument(i), to_string(shape(i)), std::move(expected));
}
void Infer::fail(std::string argument, std::string given, std::string expected) const {
  throw ShapeError(fault(std::move(argument), std::move(given), std::move(expected)));
}
void Infer::fail_dtype(int i, std::string expected, std::string remedy) const {
  fail_dtype(argument(i), suanli::name(dtype(i)), std::move(expected), std::move(remedy));
}
void Infer::fail_dtype(std::string argument, std::string given, std::string expected,
                       std::string remedy) const {
  throw DTypeError(
      fault(std::move(argument), std::move(given), std::move(expected), std::move(remedy)));
}
void Infer::fail_argument(std::string argument, std::string given, std::string expected) const {
  throw ArgumentError(fault(std::move(argument), std::move(given), std::move(expected)));
}

namespace {
std::string remedy_for(DType dtype, DTypes expected) {
  if (expected == dtypes_of({DType::boolean})) return "Write x != 0 for a condition.";
  if (!contains(kNumberDTypes, dtype)) return str("No op computes ", dtype, " yet.");
  const bool floats = expected == kFloatDTypes || is_float(dtype);
  const DType to = floats && contains(expected, DType::f32) ? DType::f32 : DType::i64;
  return contains(expected, to) ? str("Convert it with cast(x, ", to, ").") : std::string();
}
}  // namespace

void Infer::require_input_dtypes() const {
  for (int i = 0; i < inputs_; ++i)
    if (const DTypes taken = schema_.input_dtypes(i); !contains(taken, dtype(i)))
      refuse(argument(i), dtype(i), taken);
}

void Infer::require_result_dtypes() const {
  for (int i = 0; i < schema_.n_results(); ++i)
    if (!contains(schema_.dtypes, *out_[i].dtype)) refuse("result", *out_[i].dtype, schema_.dtypes);
}

void Infer::refuse(std::string argument, DType dtype, DTypes expected) const {
  std::string listed;
  int count = 0;
  for (int k = 0; k <= static_cast<int>(DType::i4); ++k)
    if (const DType other = static_cast<DType>(k); contains(expected, other)) {
      listed += str(count == 0 ? "" : ", ", other);
      ++count;
    }
  std::string wanted = count > 1 ? "one of " + listed : listed;
  if (expected == kFloatDTypes && !is_float(dtype)) wanted = "a float dtype";
  if (expected == kIntegralDTypes ||
      (count > 1 && !(expected & ~kNotFloatDTypes) && is_float(dtype)))
    wanted = "an integer dtype";
  fail_dtype(std::move(argument), suanli::name(dtype), wanted, remedy_for(dtype, expected));
}

}  // namespace suanli
