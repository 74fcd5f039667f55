// SPDX-License-Identifier: Apache-2.0
// PyTorch's files written by hand: stored ZIP archives and pickle programs, right ones and wrong
// ones.
#pragma once
#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace suanli::test {

template <class T> std::string bytes_of(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
inline std::string bytes_of(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

struct ZipPart {
  std::string name, content;
  uint16_t method = 0, flags = 0;
  int64_t announced = -1;  // another size than the content's, if it is not below 0
};

/// An archive as APPNOTE 4.3 describes it, without extra fields.
inline std::string zip_of(const std::vector<ZipPart>& parts, int entries_too_many = 0) {
  std::string out, directory;
  for (const ZipPart& p : parts) {
    const uint32_t size = static_cast<uint32_t>(
        p.announced < 0 ? static_cast<int64_t>(p.content.size()) : p.announced);
    const uint32_t crc = static_cast<uint32_t>(
        crc32_z(0, reinterpret_cast<const unsigned char*>(p.content.data()), p.content.size()));
    const std::string common = bytes_of(p.flags) + bytes_of(p.method) + bytes_of(uint32_t{0}) +
                               bytes_of(crc) + bytes_of(size) + bytes_of(size) +
                               bytes_of(static_cast<uint16_t>(p.name.size())) +
                               bytes_of(uint16_t{0});
    directory += bytes_of(uint32_t{0x02014b50}) + bytes_of(uint16_t{20}) + bytes_of(uint16_t{20}) +
                 common + std::string(10, '\0') + bytes_of(static_cast<uint32_t>(out.size())) +
                 p.name;
    out += bytes_of(uint32_t{0x04034b50}) + bytes_of(uint16_t{20}) + common + p.name + p.content;
  }
  const uint16_t n = static_cast<uint16_t>(static_cast<int>(parts.size()) + entries_too_many);
  const uint32_t begin = static_cast<uint32_t>(out.size());
  return out + directory + bytes_of(uint32_t{0x06054b50}) + std::string(4, '\0') + bytes_of(n) +
         bytes_of(n) + bytes_of(static_cast<uint32_t>(directory.size())) + bytes_of(begin) +
         bytes_of(uint16_t{0});
}

/// Pickle's opcodes by what they do (Python's pickletools, protocol 2).
inline std::string text(const std::string& s) {
  return "X" + bytes_of(static_cast<uint32_t>(s.size())) + s;
}
inline std::string integer(int32_t n) { return "J" + bytes_of(n); }
inline std::string object(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& i : items) out += i;
  return out + "t";
}
inline std::string sizes(const std::vector<int32_t>& numbers) {
  std::vector<std::string> items;
  for (int32_t n : numbers) items.push_back(integer(n));
  return tuple(items);
}

struct TensorBytes {
  std::string key = "0", storage = "FloatStorage";
  int32_t elements = 4, offset = 0;
  std::vector<int32_t> shape{2, 2}, strides{2, 1};
};
inline std::string tensor_call(const TensorBytes& t) {
  const std::string id = tuple({text("storage"), object("torch", t.storage), text(t.key),
                                text("cpu"), integer(t.elements)}) +
                         "Q";
  return object("torch._utils", "_rebuild_tensor_v2") +
         tuple({id, integer(t.offset), sizes(t.shape), sizes(t.strides), "\x89",
                object("collections", "OrderedDict") + ")R"}) +
         "R";
}
inline std::string program(const std::string& body) { return "\x80\x02" + body + "."; }
inline std::string dict(const std::string& pairs) { return "}(" + pairs + "u"; }

/// A file with the state dict {"w": tensor} and the storage 0 of these floats.
inline std::string torch_file(const std::string& pickle,
                              const std::vector<float>& values = {1, 2, 3, 4}) {
  return zip_of({{"m/data.pkl", pickle},
                 {"m/byteorder", "little"},
                 {"m/data/0", bytes_of(values)},
                 {"m/version", "3\n"}});
}
inline std::string torch_file_of(const TensorBytes& t) {
  return torch_file(program(dict(text("w") + tensor_call(t))));
}

}  // namespace suanli::test
