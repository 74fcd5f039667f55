// SPDX-License-Identifier: Apache-2.0
// Members of a zip archive, read one after the other from front to back; nothing is unpacked to the
// disk, so names lead nowhere. PKWARE APPNOTE 6.3: stored and deflated members, with zip64.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/files/file.h"

namespace suanli::data {

struct ZipMember {
  std::string name;
  /// Bytes of its content, as the archive says; never more than what its packed bytes can hold.
  uint64_t size = 0;
  uint64_t packed = 0, header = 0;
  uint32_t crc32 = 0;
  bool deflated = false;
};

class ZipFile {
 public:
  /// Reads the list of members. Throws IoError: no zip archive, damaged, encrypted or packed by
  /// another method.
  explicit ZipFile(const std::string& path);
  ~ZipFile();
  ZipFile(const ZipFile&) = delete;
  const std::string& path() const { return file_.path(); }
  /// Each name once; of several members of one name the last.
  const std::vector<ZipMember>& members() const { return members_; }
  /// Null if there is none of that name.
  const ZipMember* find(const std::string& name) const;

  /// Goes to the beginning of a member.
  void start(const ZipMember& member);
  /// The next `count` bytes of it, exactly. Throws IoError where it is damaged or shorter; its
  /// checksum is verified when its last byte is read.
  void read(void* out, size_t count);
  /// "path: member x.npy, byte 17": the argument of an error about the place reached.
  std::string here() const;

 private:
  struct Inflater;
  void inflate(uint8_t* out, size_t count);
  [[noreturn]] void fail(const std::string& fault) const;

  FileReader file_;
  std::vector<ZipMember> members_;
  const ZipMember* member_ = nullptr;
  // in the content; in the file; packed bytes behind next_
  uint64_t position_ = 0, next_ = 0, left_ = 0;
  uint32_t crc_ = 0;
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace suanli::data
