// SPDX-License-Identifier: Apache-2.0
#include "input.h"
#include "suanli/io.h"
#include "tensors.h"

using namespace suanli;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::InputFile file(data, size);
  fuzz::expect_input_errors(file.path(), [&] {
    std::map<std::string, std::string> notes;
    load_safetensors(file.path(), &notes);
  });
  if (fuzz::allocated_bytes > static_cast<int64_t>(size)) std::abort();
  fuzz::free_tensors();
  return 0;
}
