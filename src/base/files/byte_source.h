// SPDX-License-Identifier: Apache-2.0
// The bytes of a file from front to back, decompressed if it is gzip or xz.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/files/file.h"

namespace suanli::data {

/// One compression format. Errors are texts: ByteSource says where.
class Unpacker {
 public:
  virtual ~Unpacker() = default;
  virtual const char* name() const = 0;
  /// Reads from [*in, in_end) and writes to [*out, out_end), moving both; `ended`: nothing follows
  /// behind in_end. False once the stream has ended.
  virtual bool unpack(const uint8_t** in, const uint8_t* in_end, uint8_t** out, uint8_t* out_end,
                      bool ended) = 0;
  std::string error;  ///< Set when the stream is damaged.
};

/// The format is recognized by the first bytes, whatever the file's name: browsers and unpackers
/// rename files.
class ByteSource {
 public:
  /// Throws IoError if the file cannot be opened.
  explicit ByteSource(const std::string& path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;

  /// Up to `count` bytes; fewer only at the end of the data. Throws IoError on a damaged or
  /// truncated stream; its checksum is verified when the end is read.
  size_t read(void* out, size_t count);

  const std::string& path() const { return file_.path(); }
  bool compressed() const { return unpacker_ != nullptr; }
  /// Bytes handed out so far.
  int64_t position() const { return position_; }
  int64_t file_size() const { return static_cast<int64_t>(file_.size()); }
  /// "path: byte 16" or "path: decompressed byte 16": the argument of an error about the data at
  /// `position`.
  std::string at(int64_t position) const;

 private:
  size_t read_plain(unsigned char* out, size_t count);
  size_t read_packed(unsigned char* out, size_t count);
  void refill();

  FileReader file_;
  int64_t position_ = 0, file_position_ = 0;
  std::vector<uint8_t> input_;
  const uint8_t *next_ = nullptr, *input_end_ = nullptr;
  std::unique_ptr<Unpacker> unpacker_;
  bool finished_ = false;
};

}  // namespace suanli::data
