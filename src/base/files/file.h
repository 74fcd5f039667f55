// SPDX-License-Identifier: Apache-2.0
// Files of the user: read whole, or replaced in one step so that a reader never sees half of one.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "suanli/base.h"

namespace suanli {

/// A digest that recognizes a file's content later: its length and CRC-32 (the one of zlib and
/// PNG).
struct FileDigest {
  uint64_t bytes = 0;
  uint32_t crc32 = 0;
  bool operator==(const FileDigest&) const = default;
};
SUANLI_API std::string to_string(const FileDigest& digest);  ///< "6124 bytes, crc32 1a2b3c4d"

/// The writer that write_file_atomically hands to its callback: appends bytes, buffered; every
/// failed write throws IoError.
class SUANLI_API FileWriter {
 public:
  FileWriter(int fd, std::string path);
  FileWriter(const FileWriter&) = delete;
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void flush();
  FileDigest digest() const { return digest_; }

 private:
  void write_through(const char* data, size_t bytes);
  int fd_;
  std::string path_;
  std::vector<char> buffer_;
  FileDigest digest_;
};

/// Replaces `path` by what `writer` writes, or leaves it as it was. A temporary file in the same
/// folder (path + ".tmp") is written, fsynced and renamed, and the folder is fsynced, so that after
/// a power cut there is the old content or the new one. On any failure the temporary file is
/// removed and IoError says path, reason and what to do. A link stays, what it names is
/// replaced; a device, a pipe and /dev/stdout are written to.
SUANLI_API FileDigest write_file_atomically(const std::string& path,
                                            const std::function<void(FileWriter&)>& writer);
inline FileDigest write_file_atomically(const std::string& path, std::string_view text) {
  return write_file_atomically(path, [&](FileWriter& file) { file.write(text); });
}
/// The suffix that write_file_atomically appends to a path while it writes. Such a file found later
/// was left by a killed process.
inline constexpr std::string_view kTemporarySuffix = ".tmp";

/// The whole file. Throws IoError naming path and reason.
SUANLI_API std::string read_file(const std::string& path);
SUANLI_API FileDigest digest_file(const std::string& path);

inline constexpr std::string_view kStandardInput = "/dev/stdin";

/// A file opened for reading at given places; a pipe is read to its end first. Throws IoError
/// naming path, offset and reason.
class SUANLI_API FileReader {
 public:
  explicit FileReader(std::string path);
  ~FileReader();
  FileReader(const FileReader&) = delete;
  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  /// Exactly `bytes` bytes from `offset` on; a shorter file throws.
  void read(uint64_t offset, void* to, uint64_t bytes) const;

 private:
  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

/// Makes the folder and those above it. Throws IoError naming the one that could not be made,
/// and why.
SUANLI_API void make_folders(const std::string& path);
SUANLI_API bool path_exists(const std::string& path);
/// The parts of an IoError after a failed system call, such as "cannot be written: No space left
/// on device" and a remedy. `place` is a path or "path: position"; `what` says what failed there,
/// such as "cannot be opened".
SUANLI_API Fault fault_of_errno(const std::string& place, std::string_view what, int error);

}  // namespace suanli
