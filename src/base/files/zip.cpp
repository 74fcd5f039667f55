// SPDX-License-Identifier: Apache-2.0
#include "base/files/zip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "base/text/text.h"

namespace suanli::data {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50,
                   kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kMaxMembers = 1 << 16, kMaxDirectory = 64 << 20;
constexpr uint64_t kMaxInflation = 1032;  // what deflate can reach
constexpr const char* kGetAgain = "Copy or download the file again.";

/// Little-endian numbers out of bytes; reading behind the end gives zeros and is noticed.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}
  uint64_t number(size_t size) {
    uint64_t v = 0;
    for (size_t i = 0; i < size; ++i)
      if (at_ + i < bytes_.size()) v |= uint64_t{static_cast<uint8_t>(bytes_[at_ + i])} << (8 * i);
    at_ += size;
    return v;
  }
  uint16_t u16() { return static_cast<uint16_t>(number(2)); }
  uint32_t u32() { return static_cast<uint32_t>(number(4)); }
  uint64_t u64() { return number(8); }
  std::string_view text(size_t size) {
    const std::string_view out =
        at_ < bytes_.size() ? bytes_.substr(at_, size) : std::string_view();
    at_ += size;
    return out;
  }
  void skip(size_t size) { at_ += size; }
  size_t at() const { return at_; }
  bool good() const { return at_ <= bytes_.size(); }
  bool left() const { return at_ < bytes_.size(); }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

[[noreturn]] void damaged(std::string place, std::string fault) {
  throw IoError({.argument = std::move(place), .given = std::move(fault), .remedy = kGetAgain});
}

std::string bytes_of(const FileReader& file, uint64_t offset, uint64_t count) {
  std::string out(count, '\0');
  file.read(offset, out.data(), count);
  return out;
}

/// Where the list of members lies, and how many there are.
struct Directory {
  uint64_t offset = 0, bytes = 0, members = 0;
};

Directory find_directory(const FileReader& file) {
  constexpr uint64_t kEndBytes = 22, kMaxComment = 65535, kLocatorBytes = 20;
  if (file.size() < kEndBytes)
    damaged(str(file.path(), ": byte ", file.size()), "too short for a zip archive");
  const uint64_t tail_bytes = std::min(file.size(), kEndBytes + kMaxComment),
                 tail_at = file.size() - tail_bytes;
  const std::string tail = bytes_of(file, tail_at, tail_bytes);
  const size_t end = tail.rfind(std::string("PK\x05\x06", 4));
  if (end == std::string::npos || end + kEndBytes > tail.size())
    damaged(file.path(), "no zip archive, or a truncated one: its list of members is missing");
  Fields f(std::string_view(tail).substr(end));
  f.skip(10);
  Directory d;
  d.members = f.u16();
  d.bytes = f.u32();
  d.offset = f.u32();
  const uint64_t locator = tail_at + end;
  if ((d.members == 0xFFFF || d.bytes == 0xFFFFFFFF || d.offset == 0xFFFFFFFF) &&
      locator >= kLocatorBytes) {
    const std::string locator_bytes = bytes_of(file, locator - kLocatorBytes, kLocatorBytes);
    Fields l(locator_bytes);
    if (l.u32() == kLocator64) {
      l.skip(4);
      const uint64_t at = l.u64();
      if (at <= file.size() && file.size() - at >= 56) {
        const std::string end_bytes = bytes_of(file, at, 56);
        Fields e(end_bytes);
        if (e.u32() == kEnd64) {
          e.skip(28);
          d.members = e.u64();
          d.bytes = e.u64();
          d.offset = e.u64();
        }
      }
    }
  }
  if (d.offset > file.size() || d.bytes > file.size() - d.offset || d.bytes > kMaxDirectory ||
      d.members > kMaxMembers)
    damaged(str(file.path(), ": byte ", tail_at + end),
            "the archive's list of members lies outside of the file");
  return d;
}

/// Sizes that do not fit into 32 bits stand in an extra field.
void read_zip64(std::string_view extra, ZipMember& m) {
  Fields f(extra);
  while (f.left()) {
    const uint16_t id = f.u16(), size = f.u16();
    if (id != 1) {
      f.skip(size);
      continue;
    }
    if (m.size == 0xFFFFFFFF) m.size = f.u64();
    if (m.packed == 0xFFFFFFFF) m.packed = f.u64();
    if (m.header == 0xFFFFFFFF) m.header = f.u64();
    return;
  }
}

}  // namespace

struct ZipFile::Inflater {
  z_stream stream{};
  std::array<uint8_t, 64 << 10> input;
  Inflater() {
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      throw OutOfMemory(
          {.op = "decompress", .argument = "zip", .given = "no memory for its working state"});
  }
  ~Inflater() { inflateEnd(&stream); }
};

ZipFile::ZipFile(const std::string& path) : file_(path) {
  const Directory directory = find_directory(file_);
  const std::string list = bytes_of(file_, directory.offset, directory.bytes);
  Fields f(list);
  std::unordered_map<std::string, size_t> places;
  for (uint64_t i = 0; i < directory.members; ++i) {
    const uint64_t at = directory.offset + f.at();
    if (f.u32() != kCentral)
      damaged(str(path, ": byte ", at), "the archive's list of members is damaged");
    f.skip(4);
    const uint16_t flags = f.u16(), method = f.u16();
    f.skip(4);
    ZipMember m;
    m.crc32 = f.u32();
    m.packed = f.u32();
    m.size = f.u32();
    const uint16_t name = f.u16(), extra = f.u16(), comment = f.u16();
    f.skip(8);
    m.header = f.u32();
    m.name = f.text(name);
    read_zip64(f.text(extra), m);
    f.skip(comment);
    if (!f.good()) damaged(str(path, ": byte ", at), "the archive's list of members is truncated");
    const std::string place = str(path, ": member ", m.name);
    if (flags & 1)
      throw IoError(
          {.argument = place, .given = "encrypted", .remedy = "Save it without a password."});
    if (method != 0 && method != 8)
      throw IoError({.argument = place,
                     .given = str("packed by method ", method),
                     .expected = "stored or deflated",
                     .remedy = "Save it again."});
    m.deflated = method == 8;
    if (m.packed > file_.size() || m.header > file_.size() ||
        m.size > m.packed * (m.deflated ? kMaxInflation : 1))
      damaged(place, str("claims ", m.size, " bytes, more than its part of the file can hold"));
    // An archive that was added to may list a name twice: as in unzip and NumPy the last one
    // counts.
    const auto [known, fresh] = places.try_emplace(m.name, members_.size());
    if (fresh) members_.push_back(std::move(m));
    else members_[known->second] = std::move(m);
  }
}

ZipFile::~ZipFile() = default;

const ZipMember* ZipFile::find(const std::string& name) const {
  const auto at = std::find_if(members_.begin(), members_.end(),
                               [&](const ZipMember& m) { return m.name == name; });
  return at == members_.end() ? nullptr : &*at;
}

std::string ZipFile::here() const {
  return str(path(), ": member ", member_->name, ", byte ", position_);
}
void ZipFile::fail(const std::string& fault) const { damaged(here(), fault); }

void ZipFile::start(const ZipMember& member) {
  constexpr uint64_t kHeaderBytes = 30;
  member_ = &member;
  position_ = 0;
  crc_ = 0;
  left_ = member.packed;
  if (file_.size() - member.header < kHeaderBytes) fail("its header is cut off");
  const std::string header = bytes_of(file_, member.header, kHeaderBytes);
  Fields f(header);
  if (f.u32() != kLocal) fail("its header is damaged");
  f.skip(22);
  const uint64_t name = f.u16(), extra = f.u16();
  next_ = member.header + kHeaderBytes + name + extra;
  if (next_ > file_.size() || left_ > file_.size() - next_) fail("the file is truncated");
  inflater_ = member.deflated ? std::make_unique<Inflater>() : nullptr;
}

void ZipFile::inflate(uint8_t* out, size_t count) {
  z_stream& z = inflater_->stream;
  z.next_out = out;
  z.avail_out = static_cast<uInt>(count);
  while (z.avail_out > 0) {
    if (z.avail_in == 0) {
      const auto piece = static_cast<size_t>(std::min<uint64_t>(left_, inflater_->input.size()));
      file_.read(next_, inflater_->input.data(), piece);
      next_ += piece;
      left_ -= piece;
      z.next_in = inflater_->input.data();
      z.avail_in = static_cast<uInt>(piece);
    }
    const uInt in_before = z.avail_in, out_before = z.avail_out;
    const int status = ::inflate(&z, Z_NO_FLUSH);
    const bool stuck = z.avail_in == in_before && z.avail_out == out_before;
    if ((status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) ||
        (z.avail_out > 0 && (status == Z_STREAM_END || stuck)))
      fail("the packed data are damaged or end early");
  }
}

void ZipFile::read(void* out, size_t count) {
  if (count > member_->size - position_)
    fail(str("ends after ", member_->size, " bytes, where more have to follow"));
  auto* to = static_cast<uint8_t*>(out);
  constexpr size_t kMaxAtOnce = 1 << 24;
  while (count > 0) {
    const size_t piece = std::min(count, kMaxAtOnce);
    if (inflater_) {
      inflate(to, piece);
    } else {
      file_.read(next_, to, piece);
      next_ += piece;
    }
    crc_ = static_cast<uint32_t>(crc32_z(crc_, to, piece));
    position_ += piece;
    to += piece;
    count -= piece;
  }
  if (position_ == member_->size && crc_ != member_->crc32) fail("its checksum is wrong");
}

}  // namespace suanli::data
