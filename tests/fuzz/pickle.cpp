// SPDX-License-Identifier: Apache-2.0
// The program within a PyTorch file, put into an archive with right checksums, which chance would
// never find.
#include "input.h"
#include "io/torch_bytes.h"
#include "suanli/io.h"
#include "tensors.h"

using namespace suanli;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string archive =
      test::torch_file(std::string(reinterpret_cast<const char*>(data), size));
  const fuzz::InputFile file(reinterpret_cast<const uint8_t*>(archive.data()), archive.size());
  fuzz::expect_input_errors(file.path(), [&] { load_torch(file.path()); });
  if (fuzz::allocated_bytes > 4 * static_cast<int64_t>(archive.size())) std::abort();
  fuzz::free_tensors();
  return 0;
}
