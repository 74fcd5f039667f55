// SPDX-License-Identifier: Apache-2.0
#include "data/formats/idx.h"

#include "input.h"

using namespace suanli;
using namespace suanli::data;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::InputFile file(data, size);
  return fuzz::expect_input_errors(file.path(), [&] {
    const IdxArray array = read_idx(file.path());
    if (static_cast<int64_t>(array.bytes.size()) !=
        Shape(array.sizes).numel() * itemsize(array.dtype))
      std::abort();
  });
}
