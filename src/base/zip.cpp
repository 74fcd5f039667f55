#include "base/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace suanli {

namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20;
constexpr uint64_t kLongestComment = 65535, kLargestDirectory = 64 << 20;

/// Little-endian numbers at given places of a buffer.
template <class T> T number(const std::string& bytes, uint64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

bool leads_out(std::string_view name) {
  if (name.empty() || name[0] == '/' || name.find('\\') != std::string_view::npos || name.find('\0') != std::string_view::npos) return true;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

ZipFile::ZipFile(const std::string& path) : file_(path) { parse(locate()); }

void ZipFile::damaged(const std::string& what) const {
  throw InputError(str(path(), ": ", what, ". The archive is damaged or truncated; get it again."));
}

/// The end record lies last, behind it only a comment.
ZipFile::Directory ZipFile::locate() const {
  if (size() < kEndBytes) damaged(str("has ", size(), " bytes, the end of an archive alone takes ", kEndBytes));
  const uint64_t tail = std::min(size(), kEndBytes + kLongestComment), first = size() - tail;
  std::string bytes(tail, '\0');
  file_.read(first, bytes.data(), tail);
  uint64_t at = tail - kEndBytes + 1;
  do {
    if (at == 0) damaged("has no directory at its end");
    --at;
  } while (number<uint32_t>(bytes, at) != kEnd || at + kEndBytes + number<uint16_t>(bytes, at + 20) != tail);
  Directory d{number<uint32_t>(bytes, at + 16), number<uint32_t>(bytes, at + 12), number<uint16_t>(bytes, at + 10)};
  if (at < kLocator64Bytes || number<uint32_t>(bytes, at - kLocator64Bytes) != kLocator64) return d;
  const uint64_t end64 = number<uint64_t>(bytes, at - kLocator64Bytes + 8);
  if (end64 > size() || size() - end64 < kEnd64Bytes) damaged(str("byte ", first + at, ": its ZIP64 end lies behind the end of the file"));
  std::string record(kEnd64Bytes, '\0');
  file_.read(end64, record.data(), kEnd64Bytes);
  if (number<uint32_t>(record, 0) != kEnd64) damaged(str("byte ", end64, ": is no ZIP64 end record"));
  return {number<uint64_t>(record, 48), number<uint64_t>(record, 40), number<uint64_t>(record, 32)};
}

void ZipFile::parse(const Directory& d) {
  if (d.bytes > kLargestDirectory) damaged(str("announces a directory of ", d.bytes, " bytes, at most ", kLargestDirectory, " are read"));
  if (d.offset > size() || size() - d.offset < d.bytes)
    damaged(str("its directory, ", d.bytes, " bytes at ", d.offset, ", reaches behind the end of the file"));
  std::string bytes(d.bytes, '\0');
  file_.read(d.offset, bytes.data(), d.bytes);
  for (uint64_t at = 0; at < d.bytes;) {
    const std::string where = str("byte ", d.offset + at);
    if (d.bytes - at < kCentralBytes || number<uint32_t>(bytes, at) != kCentral) damaged(str(where, ": is no entry of its directory"));
    const uint64_t name_bytes = number<uint16_t>(bytes, at + 28), extra_bytes = number<uint16_t>(bytes, at + 30);
    const uint64_t next = at + kCentralBytes + name_bytes + extra_bytes + number<uint16_t>(bytes, at + 32);
    if (next > d.bytes) damaged(str(where, ": an entry of its directory is cut off"));
    ZipEntry e;
    e.name = bytes.substr(at + kCentralBytes, name_bytes);
    if (leads_out(e.name)) throw InputError(str(path(), ": the entry '", e.name, "' leads out of the archive. Do not trust this file."));
    e.packed = number<uint16_t>(bytes, at + 10) != 0 || (number<uint16_t>(bytes, at + 8) & 1) != 0;
    e.crc32 = number<uint32_t>(bytes, at + 16);
    uint64_t packed_bytes = number<uint32_t>(bytes, at + 20);
    e.bytes = number<uint32_t>(bytes, at + 24);
    e.header = number<uint32_t>(bytes, at + 42);
    // Numbers that do not fit lie in the extra field 1, in this order.
    uint64_t extra = at + kCentralBytes + name_bytes;
    const uint64_t extra_end = extra + extra_bytes;
    while (extra_end - extra >= 4) {
      const uint64_t field = extra + 4, length = number<uint16_t>(bytes, extra + 2);
      if (length > extra_end - field) damaged(str(where, ": the extra field of '", e.name, "' is cut off"));
      uint64_t place = field;
      if (number<uint16_t>(bytes, extra) == 1)
        for (uint64_t* value : {&e.bytes, &packed_bytes, &e.header})
          if (*value == UINT32_MAX && field + length - place >= 8) *value = number<uint64_t>(bytes, place), place += 8;
      extra = field + length;
    }
    if (!e.packed && packed_bytes != e.bytes) damaged(str(where, ": '", e.name, "' has two sizes, ", packed_bytes, " and ", e.bytes));
    entries_.push_back(std::move(e));
    at = next;
  }
  if (entries_.size() != d.entries) damaged(str("announces ", d.entries, " entries, its directory holds ", entries_.size()));
}

const ZipEntry* ZipFile::find(std::string_view name) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const ZipEntry& e) { return e.name == name; });
  return it == entries_.end() ? nullptr : &*it;
}

void ZipFile::read(const ZipEntry& e, void* to) const {
  if (e.packed) throw InputError(str(path(), ": the entry '", e.name, "' is compressed or encrypted, only stored ones are read here."));
  std::string local(kLocalBytes, '\0');
  if (e.header > size() || size() - e.header < kLocalBytes) damaged(str("'", e.name, "' begins behind the end of the file"));
  file_.read(e.header, local.data(), kLocalBytes);
  if (number<uint32_t>(local, 0) != kLocal) damaged(str("byte ", e.header, ": '", e.name, "' does not begin here"));
  const uint64_t begin = e.header + kLocalBytes + number<uint16_t>(local, 26) + number<uint16_t>(local, 28);
  if (begin > size() || size() - begin < e.bytes)
    damaged(str("'", e.name, "', ", e.bytes, " bytes at ", begin, ", reaches behind the end of the file"));
  file_.read(begin, to, e.bytes);
  if (static_cast<uint32_t>(crc32_z(0, static_cast<const Bytef*>(to), e.bytes)) != e.crc32)
    damaged(str("byte ", begin, ": the checksum of '", e.name, "' does not fit its content"));
}

}  // namespace suanli
