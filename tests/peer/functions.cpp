// SPDX-License-Identifier: Apache-2.0
// Calls losses, convolutions, pooling and modules on given inputs, for comparison with another
// framework.
//   peer_functions IN.safetensors OUT.safetensors
// IN holds CASE/x0, CASE/x1, … and, for modules, CASE/state/NAME. The word in front of a "#" in
// CASE names the call below. OUT gets CASE/y, and the gradients of Σ y²: CASE/g0, … of the float
// inputs and CASE/state/NAME of the parameters.
#include <cstdio>
#include <functional>
#include <map>
#include <memory>

#include "suanli/io.h"
#include "suanli/nn.h"

using namespace suanli;

namespace {

using Inputs = const std::vector<Tensor>&;
struct Call {
  std::function<Tensor(Inputs)> run;
  std::shared_ptr<nn::Module> module = {};
};

template <class M> Call of(M made) {
  auto m = std::make_shared<M>(std::move(made));
  return {[m](Inputs x) { return (*m)(x[0]); }, m};
}
template <class M, class F> Call of(M made, F run) {
  auto m = std::make_shared<M>(std::move(made));
  return {[m, run](Inputs x) { return run(*m, x); }, m};
}
template <class M> Call loss_of(M made) {
  return of(std::move(made), [](const M& m, Inputs x) { return m(x[0], x[1]); });
}
template <class M> Call loss3_of(M made) {
  return of(std::move(made), [](const M& m, Inputs x) { return m(x[0], x[1], x[2]); });
}
/// All that a recurrent layer gives, as one row of numbers.
Tensor joined(const nn::RecurrentOutput& y) {
  std::vector<Tensor> all{flatten(y.output), flatten(y.h_n)};
  if (y.c_n.defined()) all.push_back(flatten(y.c_n));
  return cat(all);
}

Call call_of(const std::string& name) {
  const std::map<std::string, std::function<Call()>> calls = {
      {"pad",
       [] {
         return Call{[](Inputs x) { return pad(x[0], {1, 2, -1, 3}, PadMode::constant, 1.5); }};
       }},
      {"pad_reflect",
       [] { return Call{[](Inputs x) { return pad(x[0], {2, 1, 1, 3}, PadMode::reflect); }}; }},
      {"pad_replicate",
       [] { return Call{[](Inputs x) { return pad(x[0], {2, 1, 0, 7}, PadMode::replicate); }}; }},
      {"pad_circular",
       [] { return Call{[](Inputs x) { return pad(x[0], {2, 1, 3, 0}, PadMode::circular); }}; }},
      {"conv2d_same",
       [] {
         return Call{[](Inputs x) {
           return conv2d(x[0], x[1], x[2], {.padding = "same", .dilation = {1, 2}});
         }};
       }},
      {"conv1d_valid",
       [] {
         return Call{
             [](Inputs x) { return conv1d(x[0], x[1], {}, {.stride = 2, .padding = "valid"}); }};
       }},
      {"conv2d_one", [] { return Call{[](Inputs x) { return conv2d(x[0], x[1]); }}; }},
      {"max_pool2d",
       [] {
         return Call{[](Inputs x) {
           return max_pool2d(x[0], {.kernel_size = {3, 2},
                                    .stride = {2, 1},
                                    .padding = {1, 0},
                                    .dilation = {1, 2},
                                    .ceil_mode = true});
         }};
       }},
      {"avg_pool2d",
       [] {
         return Call{[](Inputs x) {
           return avg_pool2d(x[0], {.kernel_size = {3, 2},
                                    .stride = {2, 3},
                                    .padding = {1, 1},
                                    .ceil_mode = true,
                                    .count_include_pad = false});
         }};
       }},
      {"avg_pool2d_divisor",
       [] {
         return Call{
             [](Inputs x) { return avg_pool2d(x[0], {.kernel_size = 2, .divisor_override = 3}); }};
       }},
      {"max_pool1d",
       [] {
         return Call{[](Inputs x) {
           return max_pool1d(x[0], {.kernel_size = 3, .stride = 2, .padding = 1});
         }};
       }},
      {"avg_pool1d",
       [] {
         return Call{[](Inputs x) {
           return avg_pool1d(x[0],
                             {.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true});
         }};
       }},
      {"adaptive_max_pool2d",
       [] { return Call{[](Inputs x) { return adaptive_max_pool2d(x[0], {3, 4}); }}; }},
      {"adaptive_avg_pool1d",
       [] { return Call{[](Inputs x) { return adaptive_avg_pool1d(x[0], 4); }}; }},
      {"nearest",
       [] { return Call{[](Inputs x) { return interpolate(x[0], {.size = IntPair(5, 21)}); }}; }},
      {"nearest_factor", [] { return of(nn::Upsample({.scale_factor = 2.6})); }},
      {"bilinear",
       [] {
         return Call{[](Inputs x) {
           return interpolate(x[0], {.size = IntPair(5, 21), .mode = Interpolation::bilinear});
         }};
       }},
      {"bilinear_factor",
       [] {
         return Call{[](Inputs x) {
           return interpolate(x[0], {.scale_factor = 2.6, .mode = Interpolation::bilinear});
         }};
       }},
      {"bilinear_corners",
       [] {
         return Call{[](Inputs x) {
           return interpolate(
               x[0],
               {.size = IntPair(17, 1), .mode = Interpolation::bilinear, .align_corners = true});
         }};
       }},
      {"pixel_shuffle", [] { return Call{[](Inputs x) { return pixel_shuffle(x[0], 2); }}; }},
      {"pixel_unshuffle", [] { return Call{[](Inputs x) { return pixel_unshuffle(x[0], 2); }}; }},
      {"cross_entropy",
       [] {
         return Call{[](Inputs x) {
           return cross_entropy(x[0], x[1],
                                {.weight = x[2], .ignore_index = 1, .label_smoothing = 0.1});
         }};
       }},
      {"cross_entropy_plain",
       [] { return Call{[](Inputs x) { return cross_entropy(x[0], x[1]); }}; }},
      {"cross_entropy_none",
       [] {
         return Call{[](Inputs x) {
           return cross_entropy(x[0], x[1],
                                {.weight = x[2], .ignore_index = 1, .reduction = Reduction::none});
         }};
       }},
      {"cross_entropy_soft",
       [] {
         return Call{[](Inputs x) {
           return cross_entropy(
               x[0], x[1], {.weight = x[2], .reduction = Reduction::sum, .label_smoothing = 0.2});
         }};
       }},
      {"nll_loss",
       [] {
         return Call{
             [](Inputs x) { return nll_loss(x[0], x[1], {.weight = x[2], .ignore_index = 0}); }};
       }},
      {"multi_margin",
       [] {
         return Call{[](Inputs x) {
           return multi_margin_loss(x[0], x[1], {.p = 2, .margin = 0.7, .weight = x[2]});
         }};
       }},
      {"bce",
       [] {
         return Call{[](Inputs x) { return binary_cross_entropy(x[0], x[1], {.weight = x[2]}); }};
       }},
      {"bce_logits",
       [] {
         return Call{[](Inputs x) {
           return binary_cross_entropy_with_logits(
               x[0], x[1], {.weight = x[2], .reduction = Reduction::none, .pos_weight = x[3]});
         }};
       }},
      {"kl_div",
       [] { return Call{[](Inputs x) { return kl_div(x[0], x[1], Reduction::batchmean); }}; }},
      {"kl_div_log",
       [] { return Call{[](Inputs x) { return kl_div(x[0], x[1], Reduction::mean, true); }}; }},
      {"poisson",
       [] { return Call{[](Inputs x) { return poisson_nll_loss(x[0], x[1], {.full = true}); }}; }},
      {"poisson_plain",
       [] {
         return Call{[](Inputs x) {
           return poisson_nll_loss(x[0], x[1], {.log_input = false, .reduction = Reduction::sum});
         }};
       }},
      {"gaussian",
       [] {
         return Call{[](Inputs x) { return gaussian_nll_loss(x[0], x[1], x[2], {.full = true}); }};
       }},
      {"mse_none",
       [] { return Call{[](Inputs x) { return mse_loss(x[0], x[1], Reduction::none); }}; }},
      {"l1", [] { return loss_of(nn::L1Loss()); }},
      {"smooth_l1",
       [] { return loss_of(nn::SmoothL1Loss({.reduction = Reduction::sum, .beta = 0.5})); }},
      {"huber", [] { return loss_of(nn::HuberLoss({.delta = 0.7})); }},
      {"cosine_similarity",
       [] { return Call{[](Inputs x) { return cosine_similarity(x[0], x[1], -1); }}; }},
      {"pairwise", [] { return Call{[](Inputs x) { return pairwise_distance(x[0], x[1], 3); }}; }},
      {"cosine_embedding", [] { return loss3_of(nn::CosineEmbeddingLoss({.margin = 0.1})); }},
      {"hinge", [] { return loss_of(nn::HingeEmbeddingLoss()); }},
      {"ranking", [] { return loss3_of(nn::MarginRankingLoss({.margin = 0.3})); }},
      {"soft_margin", [] { return loss_of(nn::SoftMarginLoss({.reduction = Reduction::none})); }},
      {"triplet", [] { return loss3_of(nn::TripletMarginLoss({.p = 1.5, .swap = true})); }},
      {"selu", [] { return of(nn::SELU()); }},
      {"mish", [] { return of(nn::Mish()); }},
      {"logsigmoid", [] { return of(nn::LogSigmoid()); }},
      {"softsign", [] { return of(nn::Softsign()); }},
      {"tanhshrink", [] { return of(nn::Tanhshrink()); }},
      {"leaky_relu", [] { return of(nn::LeakyReLU(0.2)); }},
      {"elu", [] { return of(nn::ELU(0.7)); }},
      {"celu", [] { return of(nn::CELU(0.5)); }},
      {"hardshrink", [] { return of(nn::Hardshrink(0.4)); }},
      {"softshrink", [] { return of(nn::Softshrink(0.4)); }},
      {"group_norm", [] { return of(nn::GroupNorm(2, 4)); }},
      {"instance_norm", [] { return of(nn::InstanceNorm2d(4, {.affine = true})); }},
      {"rms_norm", [] { return of(nn::RMSNorm(5)); }},
      {"conv2d",
       [] {
         return of(nn::Conv2d(
             4, 6, {3, 2}, {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2}));
       }},
      {"conv2d_reflect",
       [] { return of(nn::Conv2d(4, 6, 3, {.padding = 2, .padding_mode = PadMode::reflect})); }},
      {"conv2d_circular_same",
       [] {
         return of(
             nn::Conv2d(4, 6, {4, 3}, {.padding = "same", .padding_mode = PadMode::circular}));
       }},
      {"conv1d",
       [] { return of(nn::Conv1d(4, 6, 3, {.stride = 2, .padding = 1, .bias = false})); }},
      {"conv_transpose2d",
       [] {
         return of(nn::ConvTranspose2d(
             4, 6, {3, 4},
             {.stride = {2, 3}, .padding = 1, .output_padding = {1, 0}, .groups = 2}));
       }},
      {"conv_transpose2d_wide",
       [] {
         return of(nn::ConvTranspose2d(
             4, 6, 3, {.stride = 1, .padding = 1, .output_padding = 1, .dilation = 2}));
       }},
      {"conv_transpose1d", [] { return of(nn::ConvTranspose1d(4, 6, 3, {.stride = 2})); }},
      {"embedding", [] { return of(nn::Embedding(6, 3, {.padding_idx = 2})); }},
      {"attention",
       [] {
         return Call{[](Inputs x) {
           return scaled_dot_product_attention(x[0], x[1], x[2], {.attn_mask = x[3]});
         }};
       }},
      {"mha",
       [] {
         return of(nn::MultiheadAttention(8, 2), [](const auto& m, Inputs x) {
           return m(x[0], x[1], x[2],
                    nn::MultiheadAttention::Masks{.key_padding_mask = x[3], .attn_mask = x[4]});
         });
       }},
      {"lstm",
       [] {
         return of(nn::LSTM(3, 4, {.num_layers = 2, .batch_first = true, .bidirectional = true}),
                   [](const auto& m, Inputs x) { return joined(m(x[0])); });
       }},
      {"gru",
       [] {
         return of(nn::GRU(3, 4, {.num_layers = 2}), [](const auto& m, Inputs x) {
           return joined(m(x[0], nn::RecurrentState{x[1], {}}));
         });
       }},
      {"rnn",
       [] {
         return of(nn::RNN(3, 4, {.bias = false, .nonlinearity = nn::RecurrentNonlinearity::relu}),
                   [](const auto& m, Inputs x) { return joined(m(x[0])); });
       }},
      {"lstm_cell",
       [] {
         return of(nn::LSTMCell(3, 4), [](const auto& m, Inputs x) {
           const auto s = m(x[0], nn::RecurrentState{x[1], x[2]});
           return cat({s.h, s.c});
         });
       }},
      {"gru_cell",
       [] { return of(nn::GRUCell(3, 4), [](const auto& m, Inputs x) { return m(x[0], x[1]); }); }},
  };
  const auto at = calls.find(name);
  if (at == calls.end()) throw ArgumentError({.argument = "case", .given = name});
  return at->second();
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: peer_functions IN OUT\n");
    return 2;
  }
  std::map<std::string, std::map<std::string, Tensor>> cases;
  for (auto& [name, t] : load_safetensors(argv[1])) {
    const size_t slash = name.find('/');
    cases[name.substr(0, slash)][name.substr(slash + 1)] = t;
  }
  std::vector<std::pair<std::string, Tensor>> out;
  for (auto& [id, given] : cases) {
    const std::string prefix = id + "/";
    std::vector<Tensor> inputs;
    for (size_t i = 0; given.contains("x" + std::to_string(i)); ++i) {
      inputs.push_back(given["x" + std::to_string(i)]);
      if (is_float(inputs.back().dtype())) inputs.back().requires_grad_();
    }
    Call call = call_of(id.substr(0, id.find('#')));
    if (call.module) {
      std::vector<std::pair<std::string, Tensor>> state;
      for (auto& [name, t] : given)
        if (name.starts_with("state/")) state.emplace_back(name.substr(6), t);
      if (!state.empty() && state[0].second.dtype() == f64) call.module->to(f64);
      call.module->load_state_dict(state);
    }
    const Tensor y = call.run(inputs);
    sum(square(y)).backward();
    out.emplace_back(prefix + "y", y.detach());
    for (size_t i = 0; i < inputs.size(); ++i)
      if (is_float(inputs[i].dtype())) {
        const Tensor g = inputs[i].grad();
        out.emplace_back(prefix + "g" + std::to_string(i),
                         g.defined() ? g : zeros(inputs[i].shape(), inputs[i].dtype()));
      }
    if (call.module)
      for (auto& [name, p] : call.module->named_parameters())
        out.emplace_back(prefix + "state/" + name, p.grad());
  }
  save_safetensors(argv[2], out);
  return 0;
} catch (const Error& e) {
  std::fprintf(stderr, "peer_functions: %s\n", e.what());
  return 1;
}
