// SPDX-License-Identifier: Apache-2.0
#include "base/files/zip.h"
#include "input.h"
#include "io/npy.h"

using namespace suanli;
using namespace suanli::data;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::InputFile file(data, size);
  return fuzz::expect_input_errors(file.path(), [&] {
    ZipFile zip(file.path());
    for (const ZipMember& member : zip.members()) {
      zip.start(member);
      const NpyArray array = read_npy(
          member.size, [&](void* out, size_t count) { zip.read(out, count); },
          [&] { return zip.here(); });
      if (static_cast<int64_t>(array.bytes.size()) != array.shape.numel() * itemsize(array.dtype))
        std::abort();
      for (int64_t i = 0; i < array.shape.numel() && i < 100; ++i) array.at(i);
    }
  });
}
