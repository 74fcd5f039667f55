// ZIP archives whose entries lie uncompressed, read where they are: what PyTorch's files are.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace suanli {

struct ZipEntry {
  std::string name;
  uint64_t header = 0;  // place of its local header
  uint64_t bytes = 0;
  uint32_t crc32 = 0;
  bool packed = false;  // compressed or encrypted: read() refuses it
};

/// The directory of an archive, ZIP64 included (PKWARE's APPNOTE 6.3, sections 4.3.6 to 4.3.16), and the bytes of its entries. Memory is
/// bounded by the directory's size in the file. Throws InputError naming path and position, for names that lead out of the archive too.
class ZipFile {
 public:
  explicit ZipFile(const std::string& path);
  const std::vector<ZipEntry>& entries() const { return entries_; }
  const std::string& path() const { return file_.path(); }
  uint64_t size() const { return file_.size(); }
  /// Null if there is none.
  const ZipEntry* find(std::string_view name) const;
  /// All bytes of an entry, its checksum verified.
  void read(const ZipEntry& entry, void* to) const;

 private:
  struct Directory {
    uint64_t offset, bytes, entries;
  };
  Directory locate() const;
  void parse(const Directory& directory);
  [[noreturn]] void damaged(const std::string& what) const;
  FileReader file_;
  std::vector<ZipEntry> entries_;
};

}  // namespace suanli
