// SPDX-License-Identifier: Apache-2.0
// Members of a tar archive, read from front to back without unpacking anything to the disk.
#pragma once
#include <functional>
#include <string>

#include "base/files/byte_source.h"

namespace suanli::data {

/// One file of the archive while it is being read.
class TarMember {
 public:
  TarMember(ByteSource& source, std::string name, int64_t size)
      : source_(source), name_(std::move(name)), left_(size) {}
  /// The last part of its path, as data/a.bin → a.bin.
  const std::string& name() const { return name_; }
  /// Up to `count` bytes; fewer only at its end.
  size_t read(void* out, size_t count);
  int64_t left() const { return left_; }

 private:
  ByteSource& source_;
  std::string name_;
  int64_t left_;
};

/// True if the data begin with a tar header (POSIX ustar or GNU).
bool is_tar(const std::string& path);

/// Calls `visit` for every plain file; links, folders and devices are passed over. Bytes that
/// `visit` does not read are skipped. Throws IoError for a damaged or truncated archive.
void read_tar(const std::string& path, const std::function<void(TarMember&)>& visit);

}  // namespace suanli::data
