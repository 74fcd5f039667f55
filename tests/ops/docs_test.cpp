// SPDX-License-Identifier: Apache-2.0
// docs/ops.md is what the schemas of the ops say, and the tables of the rooms that know more of
// them. SUANLI_UPDATE=1 writes it anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "autograd/batching.h"
#include "autograd/no_gradient.h"
#include "base/text/text.h"
#include "onnx/op_names.h"
#include "ops/op.h"
#include "ops/schema/attribute_values.h"
#include "runtime/backend.h"
#include "suanli/autograd.h"
#include "support/generated_page.h"
#include "support/op_harness.h"

namespace suanli::test {
namespace {

std::string cell(const std::string& text) {  // a bar would end a cell of a table
  std::string out;
  for (char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

// ---- dtypes -------------------------------------------------------------------------------------

struct NamedSet {
  const char* name;
  DTypes set;
};
constexpr NamedSet kSets[] = {
    {"float", kFloatDTypes},   {"integral", kIntegralDTypes}, {"computed", kComputedDTypes},
    {"number", kNumberDTypes}, {"any", kEveryDType},          {"up to 8 bytes", kUpTo8Bytes},
};

std::string listed(DTypes set) {
  std::string text;
  for (int d = 0; d <= static_cast<int>(DType::i4); ++d)
    if (contains(set, static_cast<DType>(d)))
      text += str(text.empty() ? "" : ", ", static_cast<DType>(d));
  return text;
}
std::string in_words(DTypes set) {
  for (const NamedSet& s : kSets)
    if (s.set == set) return s.name;
  return listed(set);
}

/// "float; index: i64 → that of input".
std::string dtypes_of(const OpSchema& schema) {
  std::string text;
  bool usual = schema.inputs[0].name == nullptr;
  for (int i = 0; i < OpSchema::kMaxNamed && schema.inputs[i].name; ++i)
    if (schema.input_dtypes(i) == schema.dtypes) usual = true;
  if (usual) text = in_words(schema.dtypes);
  for (int i = 0; i < OpSchema::kMaxNamed && schema.inputs[i].name; ++i)
    if (schema.input_dtypes(i) != schema.dtypes)
      text += str(text.empty() ? "" : "; ", schema.inputs[i].name, ": ",
                  in_words(schema.input_dtypes(i)));
  text += " → ";
  for (int r = 0; r < schema.n_results(); ++r)
    text += str(r ? "; " : "", schema.n_results() > 1 ? str(schema.results[r].name, ": ") : "",
                suanli::in_words(schema.results[r].dtype, schema));
  return text;
}

// ---- signatures ---------------------------------------------------------------------------------

std::string default_of(const OpSchema& schema, const AttributeField& field) {
  const Json value = attribute_value(schema, field, schema.default_attributes(), 0);
  if (!value.is_null()) return value.is_string() ? value.string() : value.dump();
  return field.kind == AttributeKind::axes ? "all" : "auto";
}

/// "narrow(input, start, *, dim, length, step=1)".
std::string signature(const OpSchema& schema) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  for (const InputSpec& input : schema.inputs)
    if (input.name && input.kind != InputSpec::number)
      add(str(input.name, input.kind == InputSpec::optional   ? "=none"
                          : input.kind == InputSpec::variadic ? "…"
                                                              : ""));
  const auto fields = given_fields(schema);
  const bool numbers = std::any_of(std::begin(schema.inputs), std::end(schema.inputs),
                                   [](const auto& i) { return i.kind == InputSpec::number; });
  if (schema.takes_shape || numbers || !fields.empty()) add("*");
  if (schema.takes_shape) add("shape");
  for (const InputSpec& input : schema.inputs)
    if (input.kind == InputSpec::number)
      add(input.has_default() ? str(input.name, "=", input.default_value)
                              : std::string(input.name));
  for (const AttributeField& field : fields)
    add(schema.requires_attribute(field.name) ? std::string(field.name)
                                              : str(field.name, "=", default_of(schema, field)));
  std::string results;
  for (int r = 0; r < schema.n_results(); ++r)
    results += str(r ? ", " : "", schema.results[r].name);
  return str(schema.name, "(", text, ") → ", results);
}

// ---- roles --------------------------------------------------------------------------------------

std::string gradient_of(const Op& op) {
  const GradientFact fact = gradient_fact(op);
  return fact.exists ? "yes" : fact.reason.empty() ? "" : "no: " + fact.reason;
}

std::string onnx_of(const Op& op) {
  const onnx::OpName onnx = onnx::op_name(op);
  if (onnx.name) return str(onnx.name, " ", onnx.opset);
  return onnx.reason ? str("none: ", onnx.reason) : "";
}

/// The way in which a backend computes the op, found from its first sample; empty if it cannot.
std::string on(Device device, const Op& op) {
  if (op.has(Trait::composite)) return "as its parts";
  if (op.has(Trait::view)) return "as another name for its input";
  std::vector<Sample> samples = samples_of(op);
  std::erase_if(samples, [](const Sample& s) { return s.throws.has_value(); });
  if (samples.empty()) return "";
  const std::vector<Tensor> inputs = inputs_of(op, samples[0], 0);
  const std::vector<Tensor> results = call(op, samples[0], inputs);
  Step step{.op = op.id(), .attr = attributes_of(op.id(), results[0].node()->attr)};
  for (const Tensor& t : inputs) step.in.push_back({t.dtype(), t.shape()});
  for (const Tensor& t : results) step.out.push_back({t.dtype(), t.shape()});
  const bool supported = backend(device).supports(step);
  drop_pending();
  return supported ? "yes" : "";
}

std::string vmap_of(const Op& op) {
  if (op.has(Trait::composite)) return "as its parts";
  return batching_rule(op) ? "yes" : "example by example";
}

struct Split {
  std::vector<const Op*> pointwise, others;
};
Split ops_by_name() {
  Split all;
  for (const Op* op : all_ops())
    (op->has(Trait::pointwise) && !op->has(Trait::internal) ? all.pointwise : all.others)
        .push_back(op);
  for (auto* ops : {&all.pointwise, &all.others})
    std::sort(ops->begin(), ops->end(),
              [](const Op* a, const Op* b) { return std::string_view(a->name()) < b->name(); });
  return all;
}

std::string page() {
  std::ostringstream out;
  out << "# Ops\n\n"
         "Every op that a program can hold, as its schema describes it. The functions, with their "
         "C++ types, are in\n"
         "`include/suanli/ops.h` and the generated `suanli/pointwise.h` and "
         "`suanli/reductions.h`; a few more there "
         "(`flatten`, `sum_to`, `dropout`) are written with these.\n"
         "[calls.md](calls.md) shows how to call ops from the command line. This page is "
         "generated by\n"
         "`SUANLI_UPDATE=1 ctest --test-dir build/test -R Docs`; a test compares the two.\n\n"
         "In a signature, the names before `*` are inputs, those behind it are attributes. "
         "`shape` is the shape of the result.\n"
         "`auto` and `all` are found out from the inputs.\n\n"
         "Sets of dtypes:\n\n| name | dtypes |\n|---|---|\n";
  for (const NamedSet& s : kSets)
    out << "| " << s.name << " | " << (s.set == kEveryDType ? "all" : listed(s.set)) << " |\n";
  const Split all = ops_by_name();
  const auto table = [&](const char* title, const std::vector<const Op*>& ops) {
    out << "\n## " << title
        << "\n\n| signature | formula and shapes | dtypes → result |\n|---|---|---|\n";
    for (const Op* op : ops)
      out << "| `" << signature(op->schema()) << "` | " << cell(op->schema().doc) << " | "
          << dtypes_of(op->schema()) << " |\n";
  };
  table("Pointwise", all.pointwise);
  table("Others", all.others);
  out << "\n## Roles\n\nEvery op has a CPU column, and no other: there is no CUDA backend yet. "
         "The number behind an ONNX operator is the\n"
         "opset that has it as described; where there is none, the column names what stands for "
         "it.\n`vmap` records most ops once for all examples.\n\n"
         "| op | gradient | vmap | ONNX | CPU |\n|---|---|---|---|---|\n";
  for (const auto* ops : {&all.pointwise, &all.others})
    for (const Op* op : *ops)
      out << "| `" << op->name() << "` | " << gradient_of(*op) << " | " << vmap_of(*op) << " | "
          << onnx_of(*op) << " | " << on({}, *op) << " |\n";
  return out.str();
}

TEST(Docs, ListEveryOp) { expect_page("ops.md", page(), "test_ops --gtest_filter=Docs.*"); }

TEST(Docs, GiveAReasonForEveryHole) {
  for (const Op* op : all_ops()) {
    SCOPED_TRACE(op->name());
    EXPECT_NE(gradient_of(*op), "")
        << "neither a gradient nor a reason in autograd/no_gradient.cpp";
    EXPECT_NE(onnx_of(*op), "") << "neither an operator nor a reason in onnx/op_names.cpp";
    EXPECT_NE(on({}, *op), "") << "no kernel on the CPU";
  }
}

// The table of gradients says what backward() finds.
TEST(Docs, KnowWhichGradientsThereAre) {
  for (const Op* op : all_ops()) {
    SCOPED_TRACE(op->name());
    bool any = false;
    for (const Sample& s : samples_of(*op)) {
      if (s.throws) continue;
      std::vector<Tensor> inputs = inputs_of(*op, s, 0), leaves;
      for (Tensor& t : inputs)
        if (is_float(t.dtype()) && !t.node()->is(kWeak)) leaves.push_back(t.requires_grad_());
      const Tensor y = call(*op, s, inputs)[0];
      if (!y.requires_grad()) continue;
      for (const Tensor& g : grad({sum(y)}, leaves, {}, {}, true)) any |= g.defined();
    }
    EXPECT_EQ(gradient_fact(*op).exists, any);
    drop_pending();
  }
}

}  // namespace
}  // namespace suanli::test
