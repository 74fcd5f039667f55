// SPDX-License-Identifier: Apache-2.0
// Helpers of the targets: bytes as a file that readers can open, and which ends are good ones.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "suanli/base.h"

namespace suanli::fuzz {

/// A file in memory, for readers that take a path.
class InputFile {
 public:
  InputFile(const uint8_t* data, size_t size)
      : fd_(memfd_create("input", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    if (fd_ < 0 || ::write(fd_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~InputFile() { ::close(fd_); }
  InputFile(const InputFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};

/// Runs a reader: it may refuse with an IoError that names the file, and do nothing else wrong.
template <class F> int expect_input_errors(const std::string& path, F&& read) {
  try {
    read();
  } catch (const IoError& error) {
    if (!error.argument().starts_with(path)) std::abort();
  }
  return 0;
}

}  // namespace suanli::fuzz
