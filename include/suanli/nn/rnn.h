// SPDX-License-Identifier: Apache-2.0
// Recurrent layers, with PyTorch's gates, state names and shapes. A sequence is unrolled: a program
// has one part for each of its steps.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "suanli/nn/module.h"

namespace suanli::nn {

/// Hidden values; c, the cell's, is of LSTMs alone. Undefined ones are zeros.
struct RecurrentState {
  Tensor h = {}, c = {};
};

/// The parameters of one step: weight_ih [gates·hidden, in], weight_hh [gates·hidden, hidden],
/// bias_ih, bias_hh [gates·hidden], uniform in ±1/√hidden.
class SUANLI_API RecurrentCell : public Module {
 public:
  Parameter weight_ih, weight_hh, bias_ih, bias_hh;
  SUANLI_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh)
  /// One step of any kind. The cells below give it their own arguments.
  RecurrentState forward(const Tensor& x, const RecurrentState& state) const;

 protected:
  enum class Kind : uint8_t { tanh, relu, lstm, gru };
  RecurrentCell(const char* name, Kind kind, int64_t in, int64_t hidden, bool bias);

 private:
  friend class Recurrent;
  /// The step of x that weight_ih was applied to.
  RecurrentState step(const Tensor& x, const RecurrentState& state) const;
  const char* name_;
  Kind kind_;
};
enum class RecurrentNonlinearity : uint8_t { tanh, relu };
/// h' = tanh(W_ih x + b_ih + W_hh h + b_hh) of x [N, in] or [in].
class SUANLI_API RNNCell : public RecurrentCell {
 public:
  RNNCell(int64_t input_size, int64_t hidden_size, bool bias = true,
          RecurrentNonlinearity nonlinearity = RecurrentNonlinearity::tanh)
      : RecurrentCell("RNNCell",
                      nonlinearity == RecurrentNonlinearity::tanh ? Kind::tanh : Kind::relu,
                      input_size, hidden_size, bias) {}
  Tensor forward(const Tensor& x, const Tensor& h = {}) const {
    return RecurrentCell::forward(x, {h, {}}).h;
  }
  const char* type_name() const override { return "RNNCell"; }
  SUANLI_CALL
};
/// Gates r, z, n (Cho et al. 2014): h' = (1 − z) n + z h.
class SUANLI_API GRUCell : public RecurrentCell {
 public:
  GRUCell(int64_t input_size, int64_t hidden_size, bool bias = true)
      : RecurrentCell("GRUCell", Kind::gru, input_size, hidden_size, bias) {}
  Tensor forward(const Tensor& x, const Tensor& h = {}) const {
    return RecurrentCell::forward(x, {h, {}}).h;
  }
  const char* type_name() const override { return "GRUCell"; }
  SUANLI_CALL
};
/// Gates i, f, g, o (Hochreiter & Schmidhuber 1997): c' = f c + i g, h' = o tanh(c').
class SUANLI_API LSTMCell : public RecurrentCell {
 public:
  LSTMCell(int64_t input_size, int64_t hidden_size, bool bias = true)
      : RecurrentCell("LSTMCell", Kind::lstm, input_size, hidden_size, bias) {}
  RecurrentState forward(const Tensor& x, const RecurrentState& state = {}) const {
    return RecurrentCell::forward(x, state);
  }
  const char* type_name() const override { return "LSTMCell"; }
  SUANLI_CALL
};

struct RecurrentOptions {
  int64_t num_layers = 1;
  bool bias = true, batch_first = false;
  double dropout = 0;  ///< Behind each layer but the last, in training.
  bool bidirectional = false;
  RecurrentNonlinearity nonlinearity = RecurrentNonlinearity::tanh;  ///< For RNN alone.
};
/// output [T, N, D·hidden] of the last layer, D directions; h_n (and c_n) [D·num_layers, N,
/// hidden].
struct RecurrentOutput {
  Tensor output, h_n, c_n;
};
/// The base of RNN, GRU and LSTM. x [T, N, in] or [T, in], with batch_first [N, T, in]. Parameters
/// are weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, ….
class SUANLI_API Recurrent : public Module {
 public:
  RecurrentOutput forward(const Tensor& x, const RecurrentState& state = {}) const;
  using Module::fields;
  void fields(FieldVisitor& v) override;
  SUANLI_CALL

 protected:
  using Kind = RecurrentCell::Kind;
  Recurrent(const char* name, Kind kind, int64_t in, int64_t hidden,
            const RecurrentOptions& options);

 private:
  const char* name_;
  int64_t in_, hidden_;
  RecurrentOptions options_;
  std::vector<RecurrentCell> cells_;  // by layer, then direction
};
class SUANLI_API RNN : public Recurrent {
 public:
  RNN(int64_t input_size, int64_t hidden_size, const RecurrentOptions& o = {})
      : Recurrent("RNN", o.nonlinearity == RecurrentNonlinearity::tanh ? Kind::tanh : Kind::relu,
                  input_size, hidden_size, o) {}
  const char* type_name() const override { return "RNN"; }
};
class SUANLI_API GRU : public Recurrent {
 public:
  GRU(int64_t input_size, int64_t hidden_size, const RecurrentOptions& o = {})
      : Recurrent("GRU", Kind::gru, input_size, hidden_size, o) {}
  const char* type_name() const override { return "GRU"; }
};
class SUANLI_API LSTM : public Recurrent {
 public:
  LSTM(int64_t input_size, int64_t hidden_size, const RecurrentOptions& o = {})
      : Recurrent("LSTM", Kind::lstm, input_size, hidden_size, o) {}
  const char* type_name() const override { return "LSTM"; }
};

}  // namespace suanli::nn
