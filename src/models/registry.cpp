// SPDX-License-Identifier: Apache-2.0
// The table of models. A model is one row here and one builder in a file of its family.
#include "base/text/did_you_mean.h"
#include "base/text/split_list.h"
#include "base/text/text.h"
#include "models/zoo.h"

namespace suanli::models {

const std::vector<Entry>& entries() {
  // Static objects may use it when the process ends.
  static const auto& table = *new std::vector<Entry>{
      // name, what it is, source, output, {optimizer, lr, momentum, batch size, epochs, normalize},
      // builder, what is made from data, what is made of weights for pictures of another size
      {"linear",
       "one fully connected layer: multinomial logistic regression",
       "Cox 1958",
       Output::logits,
       {"sgd", 0.01, 0.9, 64, 5, true},
       build_linear},
      {"mlp",
       "fully connected 256-128 with ReLU",
       "LeCun et al. 1998, section III",
       Output::logits,
       {"adam", 1e-3, 0, 64, 5, true},
       build_mlp},
      {"tabular",
       "residual network for tables: periodic functions of each column, two blocks of width 256",
       "Gorishniy et al. 2021 and 2022",
       Output::logits,
       {"adam", 1e-3, 0, 128, 20, true},
       build_tabular},
      {"cnn_a",
       "one 3x3 convolution (32) with pooling, then 128 fully connected",
       "the articles' network for ImageNet",
       Output::logits,
       {"adam", 1e-3, 0, 64, 3, false},
       build_cnn_a},
      {"cnn_b",
       "two 3x3 convolutions (32, 64), each with pooling, then 128 fully connected",
       "the form of Keras' first MNIST example",
       Output::log_probabilities,
       {"adam", 1e-3, 0, 64, 3, false},
       build_cnn_b},
      {"cnn_c",
       "two 5x5 convolutions (10, 20), each with pooling, then 50 fully connected",
       "the form of PyTorch's first MNIST example",
       Output::logits,
       {"sgd", 0.01, 0.5, 64, 10, false},
       build_cnn_c},
      {"vgg11",
       "eleven layers of 3x3 convolutions and products; one classifying layer for pictures of up "
       "to 64 pixels",
       "Simonyan & Zisserman 2015, configuration A",
       Output::logits,
       {"sgd", 0.01, 0.9, 128, 30, true},
       build_vgg11},
      {"vgg11_bn",
       "vgg11 with batch normalization after each convolution",
       "Simonyan & Zisserman 2015, Ioffe & Szegedy 2015",
       Output::logits,
       {"sgd", 0.05, 0.9, 128, 30, true},
       build_vgg11_bn},
      {"cnn_bn",
       "three 3x3 convolutions (32, 64, 128), each with batch normalization and pooling, then "
       "dropout and one layer",
       "Ioffe & Szegedy 2015",
       Output::logits,
       {.optimizer = "adamw",
        .lr = 3e-3,
        .momentum = 0,
        .batch_size = 128,
        .epochs = 12,
        .normalize = true,
        .schedule = "onecycle",
        .weight_decay = 0.05,
        .label_smoothing = 0.1},
       build_cnn_bn},
      {"resnet18",
       "residual network of 18 layers; a 3x3 stem for pictures of up to 64 pixels",
       "He et al. 2016",
       Output::logits,
       {"sgd", 0.05, 0.9, 128, 30, true},
       build_resnet18},
      {"resnet34",
       "residual network of 34 layers; a 3x3 stem for pictures of up to 64 pixels",
       "He et al. 2016",
       Output::logits,
       {"sgd", 0.05, 0.9, 128, 30, true},
       build_resnet34},
      {"resnet50",
       "residual network of 50 layers with bottlenecks; a 3x3 stem for pictures of up to 64 pixels",
       "He et al. 2016",
       Output::logits,
       {"sgd", 0.05, 0.9, 128, 30, true},
       build_resnet50},
      {"mobilenet_v2",
       "inverted residuals with depthwise convolutions; two strides fewer for pictures of up to 64 "
       "pixels",
       "Sandler et al. 2018",
       Output::logits,
       {"sgd", 0.05, 0.9, 128, 30, true},
       build_mobilenet_v2},
      {"mobilenet_v3_small",
       "inverted residuals with squeeze-and-excitation and hard-swish; two strides fewer for "
       "pictures of up to 64 pixels",
       "Howard et al. 2019",
       Output::logits,
       {"sgd", 0.05, 0.9, 128, 30, true},
       build_mobilenet_v3_small},
      {"convnext_tiny",
       "7x7 depthwise convolutions, layer norm, gelu; patches of 2x2 for pictures of up to 64 "
       "pixels, else 4x4",
       "Liu et al. 2022",
       Output::logits,
       {"adam", 5e-4, 0, 64, 30, true},
       build_convnext_tiny},
      {"vit_tiny",
       "transformer on patches of 4x4 for pictures of up to 64 pixels, else 16x16; width 192, 12 "
       "layers, 3 heads",
       "Dosovitskiy et al. 2021, Touvron et al. 2021",
       Output::logits,
       {"adam", 5e-4, 0, 64, 30, true},
       build_vit_tiny,
       nullptr,
       interpolate_positions},
      {"airbench",
       "three groups of two 3x3 convolutions behind filters that whiten 2x2 patches; the most "
       "accuracy for the time on CIFAR-10",
       "Jordan 2024",
       Output::logits,
       // its code's numbers, for the mean of a batch's losses where that takes their sum
       {.optimizer = "nesterov",
        .lr = 1.5,
        .momentum = 0.85,
        .batch_size = 1024,
        .epochs = 10,
        .normalize = true,
        .schedule = "linear",
        .warmup = 0.23,
        .lr_start = 0.2,
        .lr_end = 0.07,
        .weight_decay = 0.0153 / 11.5,
        .label_smoothing = 0.2,
        .lookahead = 5,
        .decay = "all",
        .lr_factors = "*.norm?.bias=64",
        .freeze_after = "0.bias=3",
        .augment = "reflect_crop=0.0625,alternating_flip",
        .tta = "translate"},
       build_airbench,
       whiten_airbench},
  };
  return table;
}

const Entry& entry(std::string_view name) {
  std::vector<std::string> names;
  for (const Entry& e : entries()) {
    if (name == e.name) return e;
    names.push_back(e.name);
  }
  throw ArgumentError({.op = "models::entry",
                       .argument = "model",
                       .given = str("'", name, "'"),
                       .expected = str("one of ", join_list(names)),
                       .remedy = suggestion(name, names, "Did you mean '", "'?"),
                       .settings = {"model"}});
}

void refuse_input(const char* model, const Shape& input, std::string expected, const char* remedy) {
  throw IoError({.op = model,
                 .argument = "input_shape",
                 .given = to_string(input),
                 .expected = std::move(expected),
                 .remedy = remedy,
                 .settings = {"model"}});
}
void require_sides(const char* model, const Shape& input, int64_t least) {
  if (std::min(input[1], input[2]) < least)
    refuse_input(model, input, str("pictures of at least ", least, "x", least),
                 "Use the model mlp for smaller pictures.");
}
int64_t channels_of_pictures(const char* model, const Shape& input) {
  if (input.rank() != 3)
    refuse_input(model, input, "[channels, height, width]",
                 "Use the model mlp for data that are not images.");
  return input[0];
}

Stem stem_for(const Shape& input) {
  constexpr int64_t kLargestSmall = 64;
  return input.rank() == 3 && std::max(input[1], input[2]) > kLargestSmall ? Stem::large
                                                                           : Stem::small;
}
const char* to_string(Stem stem) {
  return stem == Stem::small ? "small" : stem == Stem::large ? "large" : "automatic";
}
Stem stem_from_text(std::string_view text) {
  for (Stem stem : {Stem::small, Stem::large})
    if (text == to_string(stem)) return stem;
  throw ArgumentError({.op = "stem_from_text",
                       .argument = "stem",
                       .given = str("'", text, "'"),
                       .expected = "small or large",
                       .settings = {"stem"}});
}

nn::AnyModule make(std::string_view name, const ModelOptions& options) {
  const Entry& e = entry(name);
  if (options.classes < 1)
    throw IoError({.op = e.name,
                   .argument = "classes",
                   .given = str(options.classes),
                   .expected = "at least 1"});
  for (int64_t size : options.input_shape)
    if (size < 1)
      throw IoError({.op = e.name,
                     .argument = "input_shape",
                     .given = to_string(options.input_shape),
                     .expected = "axes of at least 1"});
  manual_seed(options.seed);
  ModelOptions o = options;
  if (o.stem == Stem::automatic) o.stem = stem_for(o.input_shape);
  return e.build(o);
}

}  // namespace suanli::models
