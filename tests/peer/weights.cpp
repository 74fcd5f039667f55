// SPDX-License-Identifier: Apache-2.0
// Reads weights of any kind that a training may begin with and writes them as safetensors, for
// comparison with who wrote them.
//   peer_weights IN OUT.safetensors
#include <cstdio>

#include "suanli/io.h"

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: peer_weights IN OUT.safetensors\n");
    return 2;
  }
  suanli::save_safetensors(argv[2], suanli::load_weights(argv[1]));
  return 0;
} catch (const suanli::Error& e) {
  std::fprintf(stderr, "peer_weights: %s\n", e.what());
  return 3;
}
