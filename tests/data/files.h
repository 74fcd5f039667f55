// SPDX-License-Identifier: Apache-2.0
// Files for the tests of the data room: a folder of its own per test, IDX and gzip bytes, errors of
// files.
#pragma once
#include <lzma.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "suanli/base.h"
#include "support/errors.h"

namespace suanli::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "suanli-data-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string big_endian(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
          static_cast<char>(v)};
}

inline std::string idx(uint8_t type, const std::vector<uint32_t>& sizes,
                       const std::string& values) {
  std::string out = {0, 0, static_cast<char>(type), static_cast<char>(sizes.size())};
  for (uint32_t size : sizes) out += big_endian(size);
  return out + values;
}

inline std::string gzip(const std::string& bytes) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, bytes.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

inline std::string xz(const std::string& bytes) {
  std::string out(lzma_stream_buffer_bound(bytes.size()), '\0');
  size_t size = 0;
  lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, nullptr,
                          reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                          reinterpret_cast<uint8_t*>(out.data()), &size, out.size());
  out.resize(size);
  return out;
}

/// A ustar archive, as POSIX.1-1988 lays it out. `type`: 0 a file, 2 a link, 5 a folder.
struct Member {
  std::string name, content;
  char type = '0';
};
inline std::string tar(const std::vector<Member>& members) {
  std::string out;
  for (const Member& m : members) {
    std::string header(512, '\0');
    auto put = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
    char number[16];
    put(0, m.name);
    put(100, "0000644");
    std::snprintf(number, sizeof number, "%011zo", m.content.size());
    put(124, number);
    put(148, "        ");
    header[156] = m.type;
    put(257, std::string("ustar\0"
                         "00",
                         8));
    unsigned sum = 0;
    for (char c : header) sum += static_cast<unsigned char>(c);
    std::snprintf(number, sizeof number, "%06o", sum);
    put(148, number + std::string("\0 ", 2));
    out += header + m.content + std::string((512 - m.content.size() % 512) % 512, '\0');
  }
  return out + std::string(1024, '\0');
}

/// Place and fault of a file in one, for errors of the rooms below and of libraries.
inline std::string told(const Fault& fault) { return fault.argument + ": " + fault.given; }

/// All that an error of another room says.
inline std::string whole(const Fault& fault) { return IoError(fault).what(); }

/// The folder of real data sets, or "": then the test is to skip.
inline std::string real_data() {
  const char* folder = std::getenv("SUANLI_DATA");
  return folder ? folder : "";
}

}  // namespace suanli::test
