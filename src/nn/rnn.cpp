// SPDX-License-Identifier: Apache-2.0
#include "suanli/nn/rnn.h"

#include <cmath>

#include "nn/checks.h"

namespace suanli::nn {

namespace {

/// Part i of `parts` along the last axis of x [N, parts·hidden].
Tensor gate(const Tensor& x, int i, int parts) {
  const int64_t size = x.size(1) / parts;
  return narrow(x, 1, i * size, size);
}

}  // namespace

RecurrentCell::RecurrentCell(const char* name, Kind kind, int64_t in, int64_t hidden, bool bias)
    : name_(name), kind_(kind) {
  require_positive(name, "input_size", in);
  require_positive(name, "hidden_size", hidden);
  const int64_t gates = kind == Kind::lstm ? 4 : kind == Kind::gru ? 3 : 1;
  weight_ih = uniform_init({gates * hidden, in}, hidden);
  weight_hh = uniform_init({gates * hidden, hidden}, hidden);
  if (!bias) return;
  bias_ih = uniform_init({gates * hidden}, hidden);
  bias_hh = uniform_init({gates * hidden}, hidden);
}

RecurrentState RecurrentCell::forward(const Tensor& x, const RecurrentState& state) const {
  const int64_t in = weight_ih.shape()[1], hidden = weight_hh.shape()[1];
  if ((x.rank() != 1 && x.rank() != 2) || x.size(-1) != in)
    fail_input(name_, x, str("[N, ", in, "] or [", in, "]"));
  const Tensor rows = x.rank() == 1 ? reshape(x, {1, in}) : x;
  const Shape of_state{rows.size(0), hidden};
  const auto given = [&](const Tensor& t, const char* argument) {
    if (!t.defined()) return zeros(of_state, x.dtype());
    const Shape expected = x.rank() == 1 ? Shape{hidden} : of_state;
    if (t.shape() != expected)
      throw ShapeError({.op = name_,
                        .argument = argument,
                        .given = to_string(t.shape()),
                        .expected = to_string(expected),
                        .module = module_path()});
    return reshape(t, of_state);
  };
  const RecurrentState before{given(state.h, "h"),
                              kind_ == Kind::lstm ? given(state.c, "c") : Tensor()};
  RecurrentState after = step(affine(name_, rows, weight_ih, tensor_of(bias_ih)), before);
  if (x.rank() == 1) {
    after.h = reshape(after.h, {hidden});
    if (after.c.defined()) after.c = reshape(after.c, {hidden});
  }
  return after;
}

RecurrentState RecurrentCell::step(const Tensor& x, const RecurrentState& s) const {
  const Tensor h = affine(name_, s.h, weight_hh, tensor_of(bias_hh));
  switch (kind_) {
    case Kind::tanh: return {tanh(x + h), {}};
    case Kind::relu: return {relu(x + h), {}};
    case Kind::gru: {
      const Tensor r = sigmoid(gate(x, 0, 3) + gate(h, 0, 3)),
                   z = sigmoid(gate(x, 1, 3) + gate(h, 1, 3)),
                   n = tanh(gate(x, 2, 3) + r * gate(h, 2, 3));
      return {n + z * (s.h - n), {}};
    }
    case Kind::lstm: break;
  }
  const Tensor all = x + h;
  const Tensor c =
      sigmoid(gate(all, 1, 4)) * s.c + sigmoid(gate(all, 0, 4)) * tanh(gate(all, 2, 4));
  return {sigmoid(gate(all, 3, 4)) * tanh(c), c};
}

Recurrent::Recurrent(const char* name, Kind kind, int64_t in, int64_t hidden,
                     const RecurrentOptions& o)
    : name_(name), in_(in), hidden_(hidden), options_(o) {
  require_positive(name, "num_layers", o.num_layers);
  const int64_t directions = o.bidirectional ? 2 : 1;
  for (int64_t layer = 0; layer < o.num_layers; ++layer)
    for (int64_t d = 0; d < directions; ++d)
      cells_.push_back(
          RecurrentCell(name, kind, layer == 0 ? in : hidden * directions, hidden, o.bias));
}

void Recurrent::fields(FieldVisitor& v) {
  const size_t directions = options_.bidirectional ? 2 : 1;
  for (size_t i = 0; i < cells_.size(); ++i) {
    const std::string end = str("_l", i / directions, i % directions == 1 ? "_reverse" : "");
    RecurrentCell& cell = cells_[i];
    for (auto [name, p] : {std::pair("weight_ih", &cell.weight_ih),
                           {"weight_hh", &cell.weight_hh},
                           {"bias_ih", &cell.bias_ih},
                           {"bias_hh", &cell.bias_hh}})
      if (p->defined()) v.parameter(name + end, *p);
  }
}

RecurrentOutput Recurrent::forward(const Tensor& given, const RecurrentState& state) const {
  const bool single = given.rank() == 2;
  if ((given.rank() != 3 && !single) || given.size(-1) != in_)
    fail_input(name_, given,
               str(options_.batch_first ? "[N, T, " : "[T, N, ", in_, "] or [T, ", in_, "]"));
  const int batch_axis = options_.batch_first ? 0 : 1;
  Tensor x = single                 ? reshape(given, {given.size(0), 1, in_})
             : options_.batch_first ? transpose(given, 0, 1)
                                    : given;
  const int64_t steps = x.size(0), batch = x.size(1), cells = std::ssize(cells_),
                directions = options_.bidirectional ? 2 : 1;
  if (steps < 1) fail_input(name_, given, "at least one step");
  const auto initial = [&](const Tensor& t, const char* argument) {
    const Shape expected{cells, batch, hidden_}, alone{cells, hidden_};
    if (t.defined() && t.shape() != (single ? alone : expected))
      throw ShapeError({.op = name_,
                        .argument = argument,
                        .given = to_string(t.shape()),
                        .expected = to_string(single ? alone : expected),
                        .module = module_path()});
    return t.defined() ? reshape(t, expected) : zeros(expected, x.dtype());
  };
  const bool is_lstm = cells_[0].kind_ == Kind::lstm;
  const Tensor h0 = initial(state.h, "h"), c0 = is_lstm ? initial(state.c, "c") : Tensor();
  const auto part = [&](const Tensor& t, int64_t i) {
    return t.defined() ? reshape(narrow(t, 0, i, 1), {batch, hidden_}) : Tensor();
  };
  std::vector<Tensor> last_h, last_c;
  for (int64_t layer = 0; layer < options_.num_layers; ++layer) {
    std::vector<Tensor> sides;
    for (int64_t d = 0; d < directions; ++d) {
      const int64_t index = layer * directions + d;
      const RecurrentCell& cell = cells_[static_cast<size_t>(index)];
      const Tensor projected = affine(name_, x, cell.weight_ih, tensor_of(cell.bias_ih));
      RecurrentState s{part(h0, index), part(c0, index)};
      std::vector<Tensor> outputs(static_cast<size_t>(steps));
      for (int64_t k = 0; k < steps; ++k) {
        const int64_t t = d == 0 ? k : steps - 1 - k;
        s = cell.step(reshape(narrow(projected, 0, t, 1), {batch, projected.size(2)}), s);
        outputs[static_cast<size_t>(t)] = reshape(s.h, {1, batch, hidden_});
      }
      sides.push_back(cat(outputs, 0));
      last_h.push_back(reshape(s.h, {1, batch, hidden_}));
      if (is_lstm) last_c.push_back(reshape(s.c, {1, batch, hidden_}));
    }
    x = sides.size() == 1 ? sides[0] : cat(sides, 2);
    if (options_.dropout > 0 && layer + 1 < options_.num_layers)
      x = dropout(x, options_.dropout, training());
  }
  RecurrentOutput y{x, cat(last_h, 0), is_lstm ? cat(last_c, 0) : Tensor()};
  if (single) {
    y.output = reshape(y.output, {steps, y.output.size(2)});
    y.h_n = reshape(y.h_n, {cells, hidden_});
    if (is_lstm) y.c_n = reshape(y.c_n, {cells, hidden_});
  } else if (batch_axis == 0) {
    y.output = transpose(y.output, 0, 1);
  }
  return y;
}

}  // namespace suanli::nn
