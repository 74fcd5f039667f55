// SPDX-License-Identifier: Apache-2.0
// NumPy's .npz: a zip archive of .npy members, here stored without compression.
#include <zlib.h>

#include <algorithm>
#include <set>

#include "base/files/file.h"
#include "base/files/zip.h"
#include "base/text/text.h"
#include "base/text/utf8.h"
#include "io/npy.h"
#include "suanli/io.h"

namespace suanli {

namespace {

// Limits of an archive without zip64.
constexpr uint64_t kMostBytes = 0xFFFFFFFFu;
constexpr size_t kMostMembers = 0xFFFE, kLongestName = 0xFFFF - 4;

struct Format {
  DType dtype;
  const char* descr;
};
constexpr Format kFormats[] = {{DType::f64, "<f8"}, {DType::f32, "<f4"}, {DType::f16, "<f2"},
                               {DType::i64, "<i8"}, {DType::i32, "<i4"}, {DType::i16, "<i2"},
                               {DType::i8, "|i1"},  {DType::u64, "<u8"}, {DType::u32, "<u4"},
                               {DType::u16, "<u2"}, {DType::u8, "|u1"},  {DType::boolean, "|b1"}};

/// The head of a .npy member, version 1: padded so that the data begin at a multiple of 64.
std::string npy_head(const std::string& place, const Tensor& t) {
  const auto* format = std::find_if(std::begin(kFormats), std::end(kFormats),
                                    [&](const Format& f) { return f.dtype == t.dtype(); });
  if (format == std::end(kFormats))
    throw DTypeError({.op = "save_npz",
                      .argument = place,
                      .given = name(t.dtype()),
                      .expected = "an integer, a bool, or a float that NumPy has",
                      .remedy = "Convert floats with cast(x, f32)."});
  std::string shape;
  for (int64_t size : t.shape()) shape += str(size, ",");
  std::string text =
      str("{'descr': '", format->descr, "', 'fortran_order': False, 'shape': (", shape, "), }");
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  std::string head("\x93NUMPY\x01\x00", 8);
  head += static_cast<char>(text.size() & 255);
  head += static_cast<char>(text.size() >> 8);
  return head + text;
}

void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i & 255);
}

struct Member {
  std::string name;
  uint64_t size, offset;
  uint32_t crc;
};
/// The fields that the local and the central header share. PKWARE APPNOTE 6.3, 4.4: version 2.0,
/// stored, at midnight of 1980-01-01, so that equal arrays make equal files.
std::string common_fields(const Member& m) {
  std::string out;
  put(out, 20, 2);
  put(out, 0x800, 2);  // the name is UTF-8
  put(out, 0, 2);
  put(out, 0, 2);
  put(out, 0x21, 2);
  put(out, m.crc, 4);
  put(out, m.size, 4);
  put(out, m.size, 4);
  put(out, m.name.size(), 2);
  put(out, 0, 2);
  return out;
}

}  // namespace

void save_npz(const std::string& path, const NamedTensors& tensors) {
  std::set<std::string> names;
  uint64_t total = 0;
  for (const auto& [name, t] : tensors) {
    if (!names.insert(name).second)
      throw ArgumentError(
          {.op = "save_npz", .argument = "tensors", .given = str("'", name, "' twice")});
    if (name.size() > kLongestName || !is_utf8(name))
      throw ArgumentError({.op = "save_npz",
                           .argument = "tensors",
                           .given = str("a name of ", name.size(), " bytes"),
                           .expected = str("UTF-8 of at most ", kLongestName, " bytes")});
    total += static_cast<uint64_t>(t.numel() * itemsize(t.dtype())) + 2 * name.size() + 512;
  }
  if (tensors.size() > kMostMembers)
    throw ArgumentError({.op = "save_npz",
                         .argument = "tensors",
                         .given = str(tensors.size()),
                         .expected = str("at most ", kMostMembers),
                         .remedy = "Use save_safetensors()."});
  if (total > kMostBytes)
    throw ArgumentError({.op = "save_npz",
                         .argument = "tensors",
                         .given = human_bytes(static_cast<int64_t>(total)),
                         .expected = "less than 4 GiB",
                         .remedy = "Use save_safetensors()."});
  write_file_atomically(path, [&](FileWriter& file) {
    std::vector<Member> members;
    uint64_t at = 0;
    for (const auto& [name, t] : tensors) {
      const std::string head = npy_head(str(path, ": ", name), t);
      const size_t bytes = static_cast<size_t>(t.numel() * itemsize(t.dtype()));
      const void* data = bytes ? detail::host_data(t, t.dtype()) : nullptr;
      uint64_t crc = crc32_z(0, reinterpret_cast<const Bytef*>(head.data()), head.size());
      if (bytes) crc = crc32_z(crc, static_cast<const Bytef*>(data), bytes);
      const Member m{name + ".npy", head.size() + bytes, at, static_cast<uint32_t>(crc)};
      std::string local("PK\x03\x04", 4);
      local += common_fields(m) + m.name;
      file.write(local);
      file.write(head);
      if (bytes) file.write(data, bytes);
      at += local.size() + m.size;
      members.push_back(m);
    }
    const uint64_t directory = at;
    for (const Member& m : members) {
      std::string entry("PK\x01\x02", 4);
      put(entry, 20, 2);
      entry += common_fields(m);
      entry.append(10, '\0');  // no comment, disk 0, no attributes
      put(entry, m.offset, 4);
      file.write(entry + m.name);
      at += entry.size() + m.name.size();
    }
    std::string end("PK\x05\x06", 4);
    put(end, 0, 4);
    put(end, members.size(), 2);
    put(end, members.size(), 2);
    put(end, at - directory, 4);
    put(end, directory, 4);
    put(end, 0, 2);
    file.write(end);
  });
}

NamedTensors load_npz(const std::string& path) {
  data::ZipFile zip(path);
  NamedTensors out;
  for (const data::ZipMember& member : zip.members()) {
    if (!member.name.ends_with(".npy")) continue;
    zip.start(member);
    data::NpyArray array = data::read_npy(
        member.size, [&](void* to, size_t count) { zip.read(to, count); },
        [&] { return zip.here(); });
    if (array.dtype == DType::boolean)
      for (uint8_t& byte : array.bytes) byte = byte != 0;
    out.emplace_back(member.name.substr(0, member.name.size() - 4),
                     tensor_from_bytes(array.bytes.data(), static_cast<int64_t>(array.bytes.size()),
                                       array.shape, array.dtype));
  }
  return out;
}

}  // namespace suanli
