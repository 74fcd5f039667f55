// SPDX-License-Identifier: Apache-2.0
// A schema says of an op what the recorder does: inputs with their dtypes, results with their
// dtypes, attributes with their defaults. Every sample is compared.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ops/more_samples.h"
#include "ops/op.h"
#include "ops/schema/attribute_values.h"
#include "ops/schema/reductions.h"
#include "support/op_harness.h"

namespace suanli::test {
namespace {

std::vector<Sample> valid_samples(const Op& op) {
  std::vector<Sample> samples = samples_of(op);
  for (const Sample& s : more_samples(op.name())) samples.push_back(s);
  std::erase_if(samples, [](const Sample& s) { return s.throws.has_value(); });
  return samples;
}

// ---- the rule of PyTorch's result_type(), written anew ------------------------------------------

int category(DType d) { return d == DType::boolean ? 0 : is_float(d) ? 2 : 1; }

DType promoted(const std::vector<Tensor>& inputs, size_t first) {
  // the highest category of tensors with axes, 0-d tensors and numbers, in this order
  std::optional<DType> decided;
  for (int kind = 0; kind < 3; ++kind) {
    std::optional<DType> of_kind;
    for (size_t i = first; i < inputs.size(); ++i) {
      const Tensor& t = inputs[i];
      const int its_kind = t.node()->is(kWeak) ? 2 : t.rank() == 0 ? 1 : 0;
      if (its_kind == kind) of_kind = of_kind ? promote(*of_kind, t.dtype()) : t.dtype();
    }
    if (!of_kind) continue;
    if (!decided) decided = of_kind;
    else if (category(*of_kind) > category(*decided)) decided = promote(*decided, *of_kind);
  }
  return *decided;
}

DType chosen(const OpSchema& schema, const Attr& attr) {
  for (const AttributeField& f : schema.attributes->fields)
    if (f.name == "dtype") return dtype_from_name(attribute_value(schema, f, attr, 0).string());
  ADD_FAILURE() << schema.name << " has no attribute dtype";
  return DType::f64;
}

DType ruled(const OpSchema& schema, int result, const std::vector<Tensor>& inputs,
            const Attr& attr) {
  const DTypeRule& rule = schema.results[result].dtype;
  DType made = rule.dtype;
  if (rule.kind == DTypeRule::of_input) made = inputs.at(rule.input).dtype();
  if (rule.kind == DTypeRule::promoted) made = promoted(inputs, rule.input);
  if (rule.kind == DTypeRule::chosen) made = chosen(schema, attr);
  return contains(rule.replaced, made) ? rule.by : made;
}

// ---- one sample ---------------------------------------------------------------------------------

/// The attributes as the recorder has them: of the record, or of the note of a composite.
Attr recorded_attributes(const Op& op, const Tensor& result) {
  if (!op.has(Trait::composite)) return result.node()->attr;
  const auto& noted = Recorder::current().calls().noted();
  const auto call = std::find_if(noted.rbegin(), noted.rend(),
                                 [&](const CompositeCall& c) { return c.op == op.id(); });
  EXPECT_NE(call, noted.rend());
  return call == noted.rend() ? Attr() : call->attr;
}
bool equal(const Attr& a, const Attr& b) { return std::memcmp(a.bytes, b.bytes, sizeof a) == 0; }

int rank_of(const std::vector<Tensor>& inputs) { return inputs.empty() ? 0 : inputs[0].rank(); }

/// All attributes of a call by name.
Json::Object by_name(const OpSchema& schema, const Attr& attr, const Shape& shape, int rank) {
  Json::Object all;
  for (const AttributeField& f : given_fields(schema))
    all.emplace_back(std::string(f.name), attribute_value(schema, f, attr, rank));
  if (schema.takes_shape) all.emplace_back("shape", Json::Array(shape.begin(), shape.end()));
  return all;
}

void expect_results(const OpSchema& schema, const std::vector<Tensor>& results,
                    const std::vector<Tensor>& inputs, const Attr& attr) {
  ASSERT_EQ(static_cast<int>(results.size()), schema.n_results());
  for (int r = 0; r < schema.n_results(); ++r) {
    const DType made = results[static_cast<size_t>(r)].dtype();
    EXPECT_STREQ(name(made), name(ruled(schema, r, inputs, attr))) << "result " << r;
    EXPECT_TRUE(contains(schema.dtypes, made)) << "result " << r << " of " << name(made);
  }
}

/// With every dtype in place of one input's: those outside its set are refused there.
void expect_dtypes(const Op& op, const Sample& s, const std::vector<Tensor>& inputs) {
  const OpSchema& schema = op.schema();
  for (size_t k = 0; k < s.inputs.size(); ++k)
    for (int d = 0; d <= static_cast<int>(DType::i4); ++d) {
      const DType dtype = static_cast<DType>(d);
      SCOPED_TRACE(std::string("input ") + std::to_string(k) + " of " + name(dtype));
      const std::string zeros(static_cast<size_t>(inputs[k].numel() * itemsize(dtype)), '\0');
      std::vector<Tensor> other = inputs;
      other[k] = tensor_from_bytes(zeros.data(), static_cast<int64_t>(zeros.size()),
                                   inputs[k].shape(), dtype);
      const bool taken = contains(schema.input_dtypes(static_cast<int>(k)), dtype);
      try {
        expect_results(schema, call(op, s, other), other, s.attr);
        EXPECT_TRUE(taken) << "computed, though the schema does not list it";
      } catch (const DTypeError& e) {
        if (taken) continue;  // the inputs together may not fit
        EXPECT_EQ(e.op(), schema.name);
        EXPECT_EQ(e.argument(), schema.input(static_cast<int>(k)));
        EXPECT_EQ(e.given(), name(dtype));
      } catch (const Error& e) { EXPECT_TRUE(taken) << e.what(); }
      drop_pending();
    }
}

std::vector<std::string> op_names() {
  std::vector<std::string> names;
  for (const Op* op : all_ops()) names.emplace_back(op->name());
  return names;
}

class Schema : public testing::TestWithParam<std::string> {
 protected:
  const Op& op() const { return *find_op(GetParam()); }
};

TEST_P(Schema, NamesEverything) {
  const OpSchema& schema = op().schema();
  std::set<std::string_view> names;
  bool ended = false;
  for (const InputSpec& input : schema.inputs) {
    if (!input.name) {
      ended = true;
      continue;
    }
    EXPECT_FALSE(ended) << "an input behind a gap";
    EXPECT_TRUE(names.insert(input.name).second) << input.name;
  }
  for (const AttributeField& f : given_fields(schema)) {
    EXPECT_FALSE(f.name.empty());
    EXPECT_LE(f.offset + f.bytes, schema.attributes->bytes);
    EXPECT_TRUE(names.insert(f.name).second) << f.name << " is an input too";
  }
  std::string_view required = schema.required;
  while (!required.empty()) {
    const std::string_view one = detail::next_name(required);
    EXPECT_TRUE(names.contains(one)) << "'" << one << "' is required and no attribute";
  }
  names.clear();
  ASSERT_GT(schema.n_results(), 0);
  for (int r = 0; r < schema.n_results(); ++r)
    EXPECT_TRUE(names.insert(schema.results[r].name).second) << schema.results[r].name;
}

TEST_P(Schema, SaysWhatTheRecorderDoes) {
  const Op& op = this->op();
  const OpSchema& schema = op.schema();
  const std::vector<Sample> samples = valid_samples(op);
  ASSERT_FALSE(samples.empty());
  for (size_t i = 0; i < samples.size(); ++i) {
    const Sample& s = samples[i];
    SCOPED_TRACE("sample " + std::to_string(i));
    const std::vector<Tensor> inputs = inputs_of(op, s, static_cast<int>(i));
    flush();
    EXPECT_NO_THROW(schema.require_inputs(static_cast<int>(inputs.size())));
    for (size_t k = 0; k < inputs.size(); ++k)
      EXPECT_TRUE(contains(schema.input_dtypes(static_cast<int>(k)), inputs[k].dtype())) << k;
    const std::vector<Tensor> results = call(op, s, inputs);
    expect_results(schema, results, inputs, s.attr);
    const Attr recorded = recorded_attributes(op, results[0]);

    // By name, the attributes are complete; read again they are the same. Those of
    // pointwise_gradient say which formula it is, and have no names for tools.
    if (&op == &pointwise_gradient_op) {
      drop_pending();
      continue;
    }
    const int rank = rank_of(inputs);
    Shape shape;
    const Attr again = attributes_from(schema, by_name(schema, s.attr, s.shape, rank), rank, shape);
    EXPECT_EQ(to_string(shape), to_string(schema.takes_shape ? s.shape : Shape()));
    const std::vector<Tensor> same = record_all(op, inputs, again, &shape);
    EXPECT_TRUE(equal(recorded_attributes(op, same[0]), recorded));
    EXPECT_EQ(to_string(same[0].shape()), to_string(results[0].shape()));

    // The caller chooses the result's shape, or another one changes nothing.
    const Shape other{7, 7, 7};
    if (!schema.takes_shape)
      EXPECT_EQ(to_string(record_all(op, inputs, s.attr, &other)[0].shape()),
                to_string(results[0].shape()));
    else if (results[0].shape() != other) try {
        EXPECT_EQ(to_string(record_all(op, inputs, s.attr, &other)[0].shape()), to_string(other));
      } catch (const Error&) {}
    drop_pending();
    expect_dtypes(op, s, inputs);
  }
}

// An attribute that is not given has its default; one without a default is missed by name.
TEST_P(Schema, FillsInDefaults) {
  const Op& op = this->op();
  const OpSchema& schema = op.schema();
  const std::vector<Sample> samples = valid_samples(op);
  const Attr defaults = schema.default_attributes();
  for (size_t i = 0; i < samples.size(); ++i) {
    const Sample& s = samples[i];
    const std::vector<Tensor> inputs = inputs_of(op, s, static_cast<int>(i));
    const int rank = rank_of(inputs);
    const Json::Object all = by_name(schema, s.attr, s.shape, rank);
    for (size_t left = 0; left < all.size(); ++left) {
      SCOPED_TRACE(all[left].first);
      Json::Object others = all;
      others.erase(others.begin() + static_cast<ptrdiff_t>(left));
      Shape shape;
      if (all[left].first == "shape" || schema.requires_attribute(all[left].first)) {
        try {
          (void)attributes_from(schema, others, rank, shape);
          ADD_FAILURE() << "not missed";
        } catch (const ArgumentError& e) {
          EXPECT_EQ(e.op(), schema.name);
          EXPECT_EQ(e.argument(), "attributes");
          EXPECT_EQ(e.given(), "no '" + all[left].first + "'");
        }
        continue;
      }
      const auto& fields = schema.attributes->fields;
      const auto field = std::find_if(fields.begin(), fields.end(),
                                      [&](const auto& f) { return f.name == all[left].first; });
      Attr expected = s.attr;
      set_attribute(schema, *field, expected, attribute_value(schema, *field, defaults, rank),
                    rank);
      EXPECT_TRUE(equal(attributes_from(schema, others, rank, shape), expected));
    }
    Json::Object more = all;
    more.emplace_back("no_such_attribute", 1);
    Shape shape;
    EXPECT_THROW((void)attributes_from(schema, more, rank, shape), ArgumentError);
  }
}

INSTANTIATE_TEST_SUITE_P(Op, Schema, testing::ValuesIn(op_names()),
                         [](const auto& info) { return info.param; });

// ---- defaults of the public functions -----------------------------------------------------------

/// A call of a public function that leaves out all it can, and the attributes that it gives.
struct Short {
  const Op* op;
  std::function<Tensor()> call;
  std::vector<Tensor> inputs;
  Json::Object given = {};
};

TEST(Schemas, HaveTheDefaultsOfTheFunctions) {
  const Tensor x = rand({2, 3, 4}), matrix = rand({4, 5}), image = rand({1, 2, 6, 6}),
               kernel = rand({3, 2, 3, 3}), w = rand({4}), qkv = rand({1, 2, 12}), b = rand({4}),
               channel = rand({3}), shift = rand({3}), index = tensor<int64_t>({0, 2}),
               logits = rand({2, 3}), number = Tensor(1.5), start = Tensor(0);
  flush();
  const Tensor line = flatten(image, 2), line_kernel = flatten(kernel, 2);
  const std::vector<Short> all{
#define REDUCTION(name, ...) \
  {&reduction_op(ReductionOp::name), [&] { return suanli::name(x); }, {x}},
#include "ops/schema/reductions.def"
      {&logsumexp_op, [&] { return logsumexp(x, {1}); }, {x}, {{"dim", Json::Array{1}}}},
      {&mean_op, [&] { return mean(x); }, {x}},
      {&softmax_op, [&] { return softmax(x); }, {x}},
      {&sort_op, [&] { return sort(x).values; }, {x}},
      {&log_softmax_op, [&] { return log_softmax(x); }, {x}},
      {&cat_op, [&] { return cat({x, x}); }, {x, x}},
      {&matmul_op, [&] { return matmul(x, matrix); }, {x, matrix}},
      {&conv2d_op, [&] { return conv2d(image, kernel); }, {image, kernel}},
      {&max_pool2d_op,
       [&] { return max_pool2d(image, {.kernel_size = 3}); },
       {image},
       {{"kernel_size", 3}}},
      {&avg_pool2d_op,
       [&] { return avg_pool2d(image, {.kernel_size = 3}); },
       {image},
       {{"kernel_size", 3}}},
      {&layer_norm_op, [&] { return layer_norm(x, w, b); }, {x, w, b}},
      {&batch_norm_op, [&] { return batch_norm(x, channel, shift); }, {x, channel, shift}},
      {&batch_norm_inference_op,
       [&] { return batch_norm(x, channel, shift, BatchStatistics{channel, shift}); },
       {x, channel, shift, channel, shift}},
      {&one_hot_op, [&] { return one_hot(index, 4); }, {index}, {{"num_classes", 4}}},
      {&cross_entropy_op, [&] { return cross_entropy(logits, index); }, {logits, index}},
      {&nll_loss_op, [&] { return nll_loss(logits, index); }, {logits, index}},
      {&mse_loss_op, [&] { return mse_loss(x, x); }, {x, x}},
      {&conv1d_op, [&] { return conv1d(line, line_kernel); }, {line, line_kernel}},
      {&conv_transpose1d_op,
       [&] { return conv_transpose1d(line, transpose(line_kernel, 0, 1)); },
       {line, transpose(line_kernel, 0, 1)}},
      {&conv_transpose2d_op,
       [&] { return conv_transpose2d(image, transpose(kernel, 0, 1)); },
       {image, transpose(kernel, 0, 1)}},
      {&scaled_dot_product_attention_op,
       [&] { return scaled_dot_product_attention(x, x, x); },
       {x, x, x}},
      {&self_attention_op, [&] { return self_attention(qkv, 2); }, {qkv}, {{"num_heads", 2}}},
      {&narrow_op, [&] { return narrow(x, 1, start, 2); }, {x, start}, {{"dim", 1}, {"length", 2}}},
      {&full_op, [&] { return full({2, 3}, number); }, {number}, {{"shape", Json::Array{2, 3}}}},
      {&arange_op, [&] { return arange(5); }, {start}, {{"shape", Json::Array{5}}}},
      {&uniform_op, [&] { return rand({2, 3}); }, {start, start}, {{"shape", Json::Array{2, 3}}}},
      {&normal_op, [&] { return randn({2, 3}); }, {start, start}, {{"shape", Json::Array{2, 3}}}},
  };
  std::set<std::string> compared;
  for (const Short& one : all) {
    SCOPED_TRACE(one.op->name());
    compared.insert(one.op->name());
    flush();
    const Tensor called = one.call();
    const Attr of_function = recorded_attributes(*one.op, called);
    std::vector<Tensor> taken;  // of a composite, those of its last part
    for (int i = 0; i < called.node()->n_in; ++i)
      taken.push_back(handle(called.node()->in()[i].node, called.node()->in()[i].index));
    flush();
    Shape shape;
    const Attr attr = attributes_from(one.op->schema(), one.given, rank_of(one.inputs), shape);
    std::vector<Tensor> inputs = one.inputs;
    for (const Json& n : numbers_from(one.op->schema(), one.given, inputs.size()))
      inputs.emplace_back(n.number());
    const Tensor by_name = record_all(*one.op, inputs, attr, &shape)[0];
    EXPECT_TRUE(equal(recorded_attributes(*one.op, by_name), of_function));
    for (size_t i = one.inputs.size(); i < inputs.size(); ++i)
      EXPECT_EQ(inputs[i].item<double>(), taken.at(i).item<double>()) << "number " << i;
    EXPECT_EQ(to_string(by_name.shape()), to_string(called.shape()));
    EXPECT_STREQ(name(by_name.dtype()), name(called.dtype()));
  }
  flush();
  for (const Op* op : all_ops()) {
    const auto fields = given_fields(op->schema());
    const bool has_default = std::any_of(fields.begin(), fields.end(), [&](const auto& f) {
      return !op->schema().requires_attribute(f.name);
    });
    EXPECT_TRUE(!has_default || op->has(Trait::internal) || compared.contains(op->name()) ||
                op == &slice_update_op || op == &randperm_op)
        << op->name() << " has a default that no call of a function is compared with";
  }
}

}  // namespace
}  // namespace suanli::test
