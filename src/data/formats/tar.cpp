// SPDX-License-Identifier: Apache-2.0
#include "data/formats/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <vector>

#include "base/text/text.h"

namespace suanli::data {
namespace {

constexpr size_t kBlock = 512;
using Block = std::array<char, kBlock>;

// Fields of a header: POSIX.1-1988, ustar.
std::string_view field(const Block& block, size_t at, size_t length) {
  std::string_view text(block.data() + at, length);
  return text.substr(0, text.find('\0'));
}

/// Octal digits after blanks; -1 if there is anything else.
int64_t octal(const Block& block, size_t at, size_t length) {
  std::string_view text = field(block, at, length);
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && value >= 0 ? value
                                                                                           : -1;
}

/// The sum of all bytes, those of the checksum itself counted as blanks.
bool checksum_is_right(const Block& block) {
  int64_t sum = 8 * ' ';
  for (size_t i = 0; i < kBlock; ++i)
    if (i < 148 || i >= 156) sum += static_cast<unsigned char>(block[i]);
  return octal(block, 148, 8) == sum;
}

bool is_empty(const Block& block) {
  return std::all_of(block.begin(), block.end(), [](char c) { return c == 0; });
}

[[noreturn]] void refuse(const ByteSource& source, int64_t position, std::string fault) {
  throw IoError({.argument = source.at(position),
                 .given = std::move(fault),
                 .remedy = "Copy or download the file again."});
}

void skip(ByteSource& source, int64_t count) {
  std::vector<char> waste(256 << 10);
  while (count > 0) {
    const auto piece =
        static_cast<size_t>(std::min<int64_t>(count, static_cast<int64_t>(waste.size())));
    if (source.read(waste.data(), piece) < piece)
      refuse(source, source.position(), "the archive is truncated");
    count -= static_cast<int64_t>(piece);
  }
}

}  // namespace

size_t TarMember::read(void* out, size_t count) {
  count = static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(count), left_));
  if (source_.read(out, count) < count)
    refuse(source_, source_.position(), str("the archive is truncated inside ", name_));
  left_ -= static_cast<int64_t>(count);
  return count;
}

bool is_tar(const std::string& path) {
  ByteSource source(path);
  Block block{};
  return source.read(block.data(), kBlock) == kBlock && field(block, 257, 5) == "ustar" &&
         checksum_is_right(block);
}

void read_tar(const std::string& path, const std::function<void(TarMember&)>& visit) {
  ByteSource source(path);
  Block block{};
  while (size_t got = source.read(block.data(), kBlock)) {
    const int64_t start = source.position() - static_cast<int64_t>(got);
    if (got < kBlock) refuse(source, start, "the archive is truncated");
    if (is_empty(block)) break;  // two of these are the end; one is enough to know it
    const int64_t size = octal(block, 124, 12);
    if (!checksum_is_right(block) || size < 0)
      refuse(source, start, "the archive is damaged: no tar header");
    const std::string name(field(block, 0, 100));
    const char type = block[156];
    TarMember member(source, name.substr(name.rfind('/') + 1), size);
    if (type == '0' || type == '\0') visit(member);
    skip(source,
         member.left() + (static_cast<int64_t>(kBlock) - size % static_cast<int64_t>(kBlock)) %
                             static_cast<int64_t>(kBlock));
  }
  // To the very end: there a compressed file has its checksum.
  while (source.read(block.data(), kBlock) > 0) {}
}

}  // namespace suanli::data
