// SPDX-License-Identifier: Apache-2.0
#include "data/formats/tar.h"
#include "input.h"

using namespace suanli;
using namespace suanli::data;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::InputFile file(data, size);
  return fuzz::expect_input_errors(file.path(), [&] {
    is_tar(file.path());
    read_tar(file.path(), [](TarMember& member) {
      char some[100];
      if (member.name().find('/') != std::string::npos) std::abort();  // a name may lead nowhere
      if (member.left() % 2) member.read(some, sizeof some);
    });
  });
}
