// SPDX-License-Identifier: Apache-2.0
// suanli ops: the schemas of all ops, and calls of ops on arrays from a file.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "autograd/no_gradient.h"
#include "base/text/did_you_mean.h"
#include "base/text/json.h"
#include "cli/framework/console.h"
#include "cli/framework/hints.h"
#include "cli/framework/verbs.h"
#include "onnx/op_names.h"
#include "ops/op.h"
#include "ops/schema/attribute_values.h"
#include "suanli/autograd.h"
#include "suanli/io.h"

namespace suanli::cli {

namespace {

// ---- schemas ------------------------------------------------------------------------------------

Json::Array names_of(DTypes set) {
  Json::Array names;
  for (int k = 0; k <= static_cast<int>(DType::i4); ++k)
    if (const DType d = static_cast<DType>(k); contains(set, d)) names.emplace_back(name(d));
  return names;
}

Json::Array inputs_of(const OpSchema& s) {
  static constexpr const char* kinds[] = {"required", "optional", "variadic"};
  Json::Array inputs;
  for (int i = 0; i < OpSchema::kMaxNamed && s.inputs[i].name; ++i)
    if (s.inputs[i].kind != InputSpec::number)
      inputs.emplace_back(Json::Object{{"name", s.inputs[i].name},
                                       {"kind", kinds[s.inputs[i].kind]},
                                       {"dtypes", names_of(s.input_dtypes(i))}});
  return inputs;
}

Json rule_json(const DTypeRule& rule, const OpSchema& s) {
  static constexpr const char* kinds[] = {"input", "promoted", "attribute", "fixed"};
  Json::Object made;
  made.emplace_back("rule", kinds[rule.kind]);
  if (rule.kind == DTypeRule::of_input) made.emplace_back("input", s.input(rule.input));
  if (rule.kind == DTypeRule::promoted) made.emplace_back("from", int64_t{rule.input});
  if (rule.kind == DTypeRule::chosen) made.emplace_back("attribute", "dtype");
  if (rule.kind == DTypeRule::fixed) made.emplace_back("dtype", name(rule.dtype));
  if (rule.replaced) {
    made.emplace_back("except", names_of(rule.replaced));
    made.emplace_back("then", name(rule.by));
  }
  made.emplace_back("text", in_words(rule, s));
  return made;
}

Json::Array attributes_of(const OpSchema& s) {
  Json::Array attributes;
  if (s.takes_shape)
    attributes.emplace_back(
        Json::Object{{"name", "shape"}, {"type", "list of int"}, {"required", true}});
  for (const InputSpec& input : s.inputs)
    if (input.kind == InputSpec::number) {
      Json::Object one{{"name", input.name}, {"type", "float"}, {"required", !input.has_default()}};
      if (input.has_default()) one.emplace_back("default", input.default_value);
      attributes.emplace_back(std::move(one));
    }
  for (const AttributeField& f : given_fields(s)) {
    const bool required = s.requires_attribute(f.name);
    Json::Object one{{"name", f.name}, {"type", type_name(f.kind)}, {"required", required}};
    // null: the call finds it out from its inputs
    if (!required) one.emplace_back("default", attribute_value(s, f, s.default_attributes(), 0));
    attributes.emplace_back(std::move(one));
  }
  return attributes;
}

Json schema_of(const Op& op) {
  const OpSchema& s = op.schema();
  Json::Array results, traits;
  for (int r = 0; r < s.n_results(); ++r)
    results.emplace_back(
        Json::Object{{"name", s.results[r].name}, {"dtype", rule_json(s.results[r].dtype, s)}});
  for (int bit = 0; bit < 16; ++bit)
    if (const auto trait = static_cast<Trait>(1 << bit); op.has(trait))
      traits.emplace_back(suanli::name(trait));
  const onnx::OpName onnx = onnx::op_name(op);
  const GradientFact gradient = gradient_fact(op);
  Json::Object made{{"name", s.name},
                    {"doc", s.doc},
                    {"inputs", inputs_of(s)},
                    {"results", std::move(results)},
                    {"attributes", attributes_of(s)},
                    {"dtypes", names_of(s.dtypes)},
                    {"traits", std::move(traits)},
                    {"gradient", gradient.exists},
                    {"onnx", onnx.name ? Json(onnx.name) : Json()}};
  if (!gradient.exists) made.emplace_back("no_gradient", gradient.reason);
  if (!onnx.name) made.emplace_back("instead_of_onnx", onnx.reason);
  return made;
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

Tensor number(const Json& value) {
  return value.is_integer() ? Tensor(value.integer()) : Tensor(value.number());
}

/// Makes one call: {"op": …, "inputs": […], "attributes": {…}}. The attribute "shape" is the shape
/// of the result of ops whose caller chooses it.
std::vector<Tensor> results_of(const Json& call, const Values& values) {
  const Op& op = op_named(call.string("op"));
  std::vector<Tensor> inputs;
  for (const Json& input : call.array("inputs"))
    inputs.push_back(input.is_number() ? number(input) : values.at("input", input.string()));
  static const Json::Object none;
  const Json* attributes = call.find("attributes");
  const Json::Object& given = attributes ? attributes->object() : none;
  for (const Json& one : numbers_from(op.schema(), given, inputs.size()))
    inputs.push_back(number(one));
  Shape shape;
  const Attr attr =
      attributes_from(op.schema(), given, inputs.empty() ? 0 : inputs[0].rank(), shape);
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
