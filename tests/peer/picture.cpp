// SPDX-License-Identifier: Apache-2.0
// Reads pictures for the peer test of pictures: what read_picture() gives, as raw f32 files.
#include <cstdio>
#include <cstdlib>

#include "base/files/file.h"
#include "suanli/image.h"

int main(int argc, char** argv) {  // picture FILE CHANNELS HEIGHT WIDTH OUT, again and again
  using namespace suanli;
  for (int i = 1; i + 4 < argc; i += 5) {
    try {
      const Tensor t = data::read_picture(argv[i], {.channels = std::atoi(argv[i + 1]),
                                                    .height = std::atoi(argv[i + 2]),
                                                    .width = std::atoi(argv[i + 3])});
      const auto values = t.data<float>();
      write_file_atomically(argv[i + 4],
                            {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
    } catch (const Error& e) {
      std::fprintf(stderr, "%s\n", e.what());
      return 1;
    }
  }
}
