// SPDX-License-Identifier: Apache-2.0
// Puts weights into a network of the zoo and writes what it answers, for comparison with another
// framework.
//   peer_logits MODEL CLASSES STEM WEIGHTS.pt PICTURES.safetensors OUT.safetensors
// PICTURES holds x [N, C, H, W] f32; OUT gets logits [N, classes], and parameters and flops of one
// forward pass of one picture, [] i64.
#include <cstdio>
#include <cstdlib>

#include "plan/rehearsal.h"
#include "suanli/io.h"
#include "suanli/models.h"

using namespace suanli;

int main(int argc, char** argv) try {
  if (argc != 7) {
    std::fprintf(stderr, "usage: peer_logits MODEL CLASSES STEM WEIGHTS PICTURES OUT\n");
    return 2;
  }
  const Tensor x = load_safetensors(argv[5]).at(0).second;
  const Shape& s = x.shape();
  const models::ModelOptions options{.input_shape = {s[1], s[2], s[3]},
                                     .classes = std::atoi(argv[2]),
                                     .stem = models::stem_from_text(argv[3])};
  nn::AnyModule model = models::make(argv[1], options);
  NamedTensors weights = load_weights(argv[4]);
  if (const models::Entry& entry = models::entry(argv[1]); entry.adapt)
    entry.adapt(weights, options);
  model.load_state_dict(weights);
  model.eval();
  NoGrad no_grad;
  int64_t flops = 0;
  {
    Rehearsal rehearsal;
    const Tensor y = model(rehearsal.leaf({1, s[1], s[2], s[3]}, f32));
    flush();
    for (const ProgramForecast& p : rehearsal.programs()) flops += p.flops;
  }
  save_safetensors(argv[6], {{"logits", model(x)},
                             {"parameters", tensor<int64_t>({model.parameter_count()}, Shape{})},
                             {"flops", tensor<int64_t>({flops}, Shape{})}});
  return 0;
} catch (const Error& e) {
  std::fprintf(stderr, "peer_logits: %s\n", e.what());
  return 1;
}
