// The bytes of a file from front to back, decompressed if it is gzip.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"

struct z_stream_s;

namespace suanli::data {

/// Gzip is recognised by its first two bytes, whatever the file's name: browsers and unpackers rename files.
class ByteSource {
 public:
  /// Throws InputError if the file cannot be opened.
  explicit ByteSource(const std::string& path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;

  /// Up to `count` bytes; fewer only at the end of the data. Throws InputError on a damaged or truncated gzip stream; its checksum
  /// is verified when the end is read.
  size_t read(void* out, size_t count);

  const std::string& path() const { return file_.path(); }
  bool compressed() const { return zlib_ != nullptr; }
  /// Bytes handed out so far.
  int64_t position() const { return position_; }
  int64_t file_size() const { return static_cast<int64_t>(file_.size()); }
  /// "path: byte 16" or "path: decompressed byte 16": how an error text about the data at `position` begins.
  std::string at(int64_t position) const;

 private:
  size_t read_plain(unsigned char* out, size_t count);
  size_t inflate_some(unsigned char* out, size_t count);
  bool refill();

  FileReader file_;
  int64_t position_ = 0, file_position_ = 0;
  std::vector<unsigned char> input_;
  z_stream_s* zlib_ = nullptr;
  bool finished_ = false;
};

}  // namespace suanli::data
