// SPDX-License-Identifier: Apache-2.0
// suanli ops: the schemas of all ops, and calls of ops on arrays from a file.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text/did_you_mean.h"
#include "base/text/json.h"
#include "cli/framework/console.h"
#include "cli/framework/hints.h"
#include "cli/framework/verbs.h"
#include "onnx/op_names.h"
#include "ops/op.h"
#include "ops/schema/attribute_values.h"
#include "ops/schema/pointwise.h"
#include "suanli/autograd.h"
#include "suanli/io.h"

namespace suanli::cli {

namespace {

// ---- schemas ------------------------------------------------------------------------------------

/// Fields that callers give. Those of pointwise ops say which op it is.
std::vector<AttributeField> given_fields(const Op& op) {
  const AttributeType* type = op.schema().attributes;
  return type && !op.has(Trait::pointwise) ? type->fields : std::vector<AttributeField>();
}

Json schema_of(const Op& op) {
  const OpSchema& s = op.schema();
  Json::Array inputs, attributes, traits, dtypes;
  for (const InputSpec& input : s.inputs)
    if (input.name)
      inputs.push_back(Json::Object{{"name", input.name},
                                    {"optional", input.kind == InputSpec::optional},
                                    {"variadic", input.kind == InputSpec::variadic}});
  for (const AttributeField& f : given_fields(op))
    attributes.push_back(Json::Object{{"name", f.name}, {"type", type_name(f.kind)}});
  for (int bit = 0; bit < 16; ++bit)
    if (const auto trait = static_cast<Trait>(1 << bit); op.has(trait))
      traits.push_back(suanli::name(trait));
  for (int k = 0; k <= static_cast<int>(DType::i4); ++k)
    if (const DType d = static_cast<DType>(k); contains(s.dtypes, d))
      dtypes.push_back(suanli::name(d));
  const onnx::OpName onnx = onnx::op_name(op);
  return Json::Object{{"name", s.name},
                      {"doc", s.doc},
                      {"inputs", std::move(inputs)},
                      {"results", s.n_results},
                      {"attributes", std::move(attributes)},
                      {"dtypes", std::move(dtypes)},
                      {"traits", std::move(traits)},
                      {"onnx", onnx.name ? Json(onnx.name) : Json()}};
}

std::vector<const Op*> by_name() {
  std::vector<const Op*> ops = all_ops();
  std::sort(ops.begin(), ops.end(),
            [](const Op* a, const Op* b) { return std::string_view(a->name()) < b->name(); });
  return ops;
}

// ---- calls --------------------------------------------------------------------------------------

using Arrays = std::map<std::string, Tensor>;

/// The tensors that a case can name: its results, then arrays of the file.
class Values {
 public:
  Values(const Arrays& arrays, std::string id) : arrays_(arrays), id_(std::move(id)) {}
  void set(const std::string& name, Tensor value) { own_[name] = std::move(value); }
  const Tensor& at(const char* where, const std::string& name) const {
    if (const auto it = own_.find(name); it != own_.end()) return it->second;
    if (!name.starts_with('%'))
      for (const std::string& known : {id_ + "/" + name, name})
        if (const auto it = arrays_.find(known); it != arrays_.end()) return it->second;
    throw ArgumentError({.op = "ops run",
                         .argument = where,
                         .given = "'" + name + "'",
                         .expected = "an array of the file, or a result such as %0 or %0.1"});
  }

 private:
  const Arrays& arrays_;
  std::string id_;
  Arrays own_;
};

[[noreturn]] void refuse(std::string argument, std::string given, std::string expected) {
  throw ArgumentError({.op = "ops run",
                       .argument = std::move(argument),
                       .given = std::move(given),
                       .expected = std::move(expected)});
}

const Op& op_named(const std::string& wanted) {
  std::vector<std::string> names;
  for (const Op* op : all_ops()) {
    if (op->has(Trait::internal)) continue;
    if (wanted == op->name()) return *op;
    names.push_back(op->name());
  }
  throw ArgumentError({.op = "ops run",
                       .argument = "op",
                       .given = "'" + wanted + "'",
                       .expected = "an op that `suanli ops` lists, not internal",
                       .remedy = suggestion(wanted, names, "Did you mean ", "?")});
}

/// Sets the attributes of a call; those that are not given keep their defaults.
void set_attributes(const Op& op, Attr& attr, const Json& call, int rank, Shape& shape) {
  static const Json none = Json::Object{};
  const Json* given = call.find("attributes");
  const std::vector<AttributeField> fields = given_fields(op);
  std::vector<std::string> names;
  for (const AttributeField& f : fields) names.emplace_back(f.name);
  for (const auto& [key, value] : (given ? *given : none).object()) {
    if (key == "shape") {
      for (const Json& size : value.array()) shape.push_back(size.integer());
      continue;
    }
    const auto field =
        std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.name == key; });
    if (field == fields.end())
      refuse("attribute of " + std::string(op.name()), "'" + key + "'",
             names.empty() ? "none" : fmt::format("one of {}", fmt::join(names, ", ")));
    set_attribute(op.schema(), *field, attr, value, rank);
  }
  for (const AttributeField& field : fields) {
    if (given && given->find(field.name)) continue;
    if (field.kind == AttributeKind::axes) set_attribute(op.schema(), field, attr, {}, rank);
    else if (field.kind == AttributeKind::dtype || field.kind == AttributeKind::order ||
             field.name == "dim")
      refuse("attribute of " + std::string(op.name()), "no '" + std::string(field.name) + "'",
             type_name(field.kind));
  }
}

int row_of(const Op& op) {
  for (int row = 0; row < pointwise_count; ++row)
    if (&pointwise_op(row) == &op) return row;
  return -1;
}

/// Makes one call: {"op": …, "inputs": […], "attributes": {…}}. The attribute "shape" is the shape
/// of the result of ops whose caller chooses it.
std::vector<Tensor> results_of(const Json& call, const Values& values) {
  const Op& op = op_named(call.string("op"));
  std::vector<Tensor> inputs;
  for (const Json& input : call.array("inputs")) {
    if (input.is_integer()) inputs.emplace_back(input.integer());
    else if (input.is_number()) inputs.emplace_back(input.number());
    else inputs.push_back(values.at("input", input.string()));
  }
  Attr attr;
  if (op.schema().attributes) attr = op.schema().attributes->defaults;
  if (const int row = row_of(op); row >= 0)
    attr = PointwiseAttr{static_cast<int16_t>(row), -1, DType::f32};
  Shape shape;
  set_attributes(op, attr, call, inputs.empty() ? 0 : inputs[0].rank(), shape);
  return record_all(op, inputs, attr, &shape);
}

/// NumPy has no bf16.
Tensor for_numpy(const Tensor& t) { return t.dtype() == DType::bf16 ? cast(t, f32) : t; }

/// Runs one case; adds its outputs and gradients to `out`.
void run_case(const Json& one, const std::string& id, const Arrays& arrays, NamedTensors& out) {
  Values values(arrays, id);
  std::vector<Tensor> leaves;
  if (one.find("grad"))
    for (const Json& key : one.array("grad")) {
      Tensor leaf = values.at("grad", key.string()).detach();
      leaf.requires_grad_();
      values.set(key.string(), leaf);
      leaves.push_back(leaf);
    }
  int64_t number = 0;
  for (const Json& call : one.array("calls")) {
    const std::vector<Tensor> results = results_of(call, values);
    values.set(fmt::format("%{}", number), results[0]);
    for (size_t r = 0; r < results.size(); ++r)
      values.set(fmt::format("%{}.{}", number, r), results[r]);
    ++number;
  }
  std::vector<Tensor> outputs;
  for (const Json& key : one.array("outputs"))
    outputs.push_back(values.at("outputs", key.string()));
  NamedTensors made;
  for (size_t i = 0; i < outputs.size(); ++i)
    made.emplace_back(fmt::format("{}/out/{}", id, i), for_numpy(outputs[i].detach()));
  if (!leaves.empty()) {
    Tensor total;
    for (const Tensor& y : outputs)
      if (is_float(y.dtype())) {
        const Tensor part = sum(cast(y, f64));
        total = total.defined() ? total + part : part;
      }
    if (!total.defined()) refuse("grad", "outputs without a float", "a float output");
    const std::vector<Tensor> gradients = grad({total}, leaves, {}, {}, true);
    for (size_t i = 0; i < leaves.size(); ++i)
      made.emplace_back(
          fmt::format("{}/grad/{}", id, i),
          for_numpy(gradients[i].defined() ? gradients[i]
                                           : full(leaves[i].shape(), 0.0, leaves[i].dtype())));
  }
  flush();  // errors of values belong to this case
  for (auto& entry : made) out.push_back(std::move(entry));
}

Tensor text_tensor(const std::string& text) {
  return tensor_from_bytes(text.data(), static_cast<int64_t>(text.size()),
                           {static_cast<int64_t>(text.size())}, u8);
}

/// The ids of all cases, each once.
std::vector<std::string> ids_of(const Json& cases, const std::string& place) {
  std::vector<std::string> ids;
  std::set<std::string> seen;
  for (const Json& one : cases.array()) {
    const Json* id = one.find("id");
    if (!id || !id->is_string() || id->string().empty() || !seen.insert(id->string()).second)
      throw IoError({.argument = fmt::format("{}: case {}", place, ids.size()),
                     .given = id ? "id " + id->dump() : "no id",
                     .expected = "a text that no other case has"});
    ids.push_back(id->string());
  }
  return ids;
}

Json described(const std::exception& fault) {
  const auto* error = dynamic_cast<const Error*>(&fault);
  Json parts =
      error ? as_json(*error) : Json(Json::Object{{"code", suanli::name(ErrorCode::internal)}});
  return parts.set("error", fault.what());
}

int run_calls(const std::string& from, const std::string& to, bool json) {
  Arrays arrays;
  std::string text;
  for (auto& [name, t] : load_npz(from)) {
    if (name != "cases") {
      arrays.emplace(name, t);
      continue;
    }
    if (t.dtype() != u8)
      throw IoError(
          {.argument = from + ": cases", .given = suanli::name(t.dtype()), .expected = "u8"});
    const std::vector<uint8_t> bytes = t.to_vector<uint8_t>();
    text.assign(bytes.begin(), bytes.end());
  }
  if (text.empty())
    throw IoError({.argument = from,
                   .given = "no array `cases`",
                   .expected = "a u8 array that holds a JSON text"});
  const std::string place = from + ": cases";
  const Json cases = Json::parse(text, place);
  if (!cases.is_array())
    throw IoError({.argument = place, .given = "another kind of JSON", .expected = "an array"});
  const std::vector<std::string> ids = ids_of(cases, place);
  NamedTensors out;
  Json::Object errors;
  for (size_t i = 0; i < ids.size(); ++i) try {
      run_case(cases.array()[i], ids[i], arrays, out);
    } catch (const std::exception& e) { errors.emplace_back(ids[i], described(e)); }
  const size_t failed = errors.size();
  out.emplace_back("errors", text_tensor(Json(std::move(errors)).dump()));
  save_npz(to, out);
  if (json)
    print_result(
        Json(Json::Object{{"cases", std::ssize(ids)}, {"errors", static_cast<int64_t>(failed)}})
            .dump() +
        "\n");
  else print_note(fmt::format("{} cases, {} errors → {}", ids.size(), failed, to));
  return 0;
}

int run(const Arguments& args) {
  const std::vector<std::string>& words = args.positionals();
  if (!words.empty()) {
    if (words[0] != "run" || words.size() != 3)
      throw ArgumentError({.argument = "ops",
                           .given = fmt::format("'{}'", fmt::join(words, " ")),
                           .expected = "no word, or run IN.npz OUT.npz"});
    return run_calls(words[1], words[2], args.has("--json"));
  }
  if (args.has("--json")) {
    Json::Array all;
    for (const Op* op : by_name()) all.push_back(schema_of(*op));
    print_result(Json(Json::Object{{"ops", std::move(all)}}).dump() + "\n");
    return 0;
  }
  std::string out;
  for (const Op* op : by_name()) out += fmt::format("{:<28} {}\n", op->name(), op->schema().doc);
  print_result(out);
  return 0;
}

}  // namespace

Verb ops_verb() {
  return {"ops",
          "list the ops, or call ops on arrays of a file",
          {{"run", "call ops on the arrays of IN.npz", false, false, "run"},
           {"IN.npz", "arrays; `cases` holds the calls as JSON, see docs/calls.md", false},
           {"OUT.npz", "results, gradients and errors", false}},
          {{"--json", OptionType::nothing, "", "print one JSON object on stdout"}},
          {"suanli ops --json", "suanli ops run calls.npz results.npz"},
          run};
}

}  // namespace suanli::cli
