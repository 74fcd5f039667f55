// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/text/json.h"
#include "base/text/text.h"

namespace suanli {

static_assert(std::endian::native == std::endian::little,
              "safetensors are little-endian and are copied as they are");

namespace {

constexpr uint64_t kLongestHeader = 100'000'000;  // the format's own library refuses more

/// In the order that files are sorted by, largest alignment last. bf16 follows f16 although they
/// are equally wide.
struct FormatDType {
  const char* name;
  DType dtype;
};
constexpr FormatDType kDTypes[] = {
    {"BOOL", DType::boolean},   {"U8", DType::u8},          {"I8", DType::i8},
    {"F8_E5M2", DType::f8e5m2}, {"F8_E4M3", DType::f8e4m3}, {"I16", DType::i16},
    {"U16", DType::u16},        {"F16", DType::f16},        {"BF16", DType::bf16},
    {"I32", DType::i32},        {"U32", DType::u32},        {"F32", DType::f32},
    {"C64", DType::c64},        {"F64", DType::f64},        {"I64", DType::i64},
    {"U64", DType::u64},
};

[[noreturn]] void damaged(std::string place, std::string given, std::string expected = "") {
  throw IoError({.argument = std::move(place),
                 .given = std::move(given),
                 .expected = std::move(expected),
                 .remedy = "The file is damaged or no safetensors file. Get it again."});
}
std::string tensor_in(const std::string& path, std::string_view name) {
  return str(path, ": tensor ", name);
}

int rank_of(DType dtype, const std::string& path, const std::string& tensor) {
  for (size_t i = 0; i < std::size(kDTypes); ++i)
    if (kDTypes[i].dtype == dtype) return static_cast<int>(i);
  throw DTypeError({.argument = tensor_in(path, tensor),
                    .given = to_string(dtype),
                    .expected = "a dtype that safetensors can hold",
                    .remedy = "Convert it with cast()."});
}

struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  uint64_t begin = 0, end = 0;
};

/// Everything about one entry that can be checked without its neighbors.
Entry parse_entry(const std::string& path, const std::string& name, const Json& json) {
  const std::string place = tensor_in(path, name);
  const Json *dtype = json.find("dtype"), *shape = json.find("shape"),
             *offsets = json.find("data_offsets");
  if (!dtype || !dtype->is_string()) damaged(place, "no \"dtype\"");
  if (!shape || !shape->is_array()) damaged(place, "no \"shape\"");
  if (!offsets || !offsets->is_array() || offsets->array().size() != 2)
    damaged(place, "no \"data_offsets\" of two numbers");
  Entry e{.name = name, .dtype = DType::f32, .shape = {}};
  auto known = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                            [&](auto& d) { return dtype->string() == d.name; });
  if (known == std::end(kDTypes))
    throw IoError({.argument = place,
                   .given = str("dtype ", dtype->string()),
                   .expected = "a dtype that is supported",
                   .remedy = "Convert it to F32."});
  e.dtype = known->dtype;
  if (shape->array().size() > Shape::kMaxRank)
    throw IoError({.argument = place,
                   .given = str(shape->array().size(), " axes"),
                   .expected = str("at most ", int{Shape::kMaxRank}),
                   .remedy = "Reshape it."});
  uint64_t bytes = static_cast<uint64_t>(itemsize(e.dtype));
  for (const Json& d : shape->array()) {
    if (!d.is_integer() || d.integer() < 0)
      damaged(place, str("\"shape\" holds ", d.dump()), "sizes from 0 on");
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(d.integer()), &bytes) ||
        bytes > uint64_t{1} << 62)
      damaged(place, "\"shape\" has more bytes than 2^62");
    e.shape.push_back(d.integer());
  }
  for (const Json& o : offsets->array())
    if (!o.is_integer() || o.integer() < 0)
      damaged(place, str("\"data_offsets\" holds ", o.dump()), "offsets from 0 on");
  e.begin = static_cast<uint64_t>(offsets->array()[0].integer());
  e.end = static_cast<uint64_t>(offsets->array()[1].integer());
  if (e.end < e.begin || e.end - e.begin != bytes)
    damaged(place, str("data_offsets [", e.begin, ", ", e.end, "]"),
            str(bytes, " bytes, as ", dtype->string(), " ", e.shape, " takes"));
  return e;
}

}  // namespace

FileDigest write_safetensors(const std::string& path, const NamedTensors& tensors,
                             const std::map<std::string, std::string>& metadata) {
  NamedTensors sorted = tensors;
  for (auto& [name, t] : sorted) rank_of(t.dtype(), path, name);
  std::stable_sort(sorted.begin(), sorted.end(), [&](auto& a, auto& b) {
    int x = rank_of(a.second.dtype(), path, a.first), y = rank_of(b.second.dtype(), path, b.first);
    return x != y ? x > y : a.first < b.first;
  });
  Json::Object header;
  if (!metadata.empty()) {
    Json::Object entries;
    for (auto& [key, value] : metadata) entries.emplace_back(key, value);
    header.emplace_back("__metadata__", std::move(entries));
  }
  std::vector<std::string_view> names;
  int64_t offset = 0;
  for (auto& [name, t] : sorted) {
    Json::Array shape(t.shape().begin(), t.shape().end());
    int64_t end = offset + t.numel() * itemsize(t.dtype());
    header.emplace_back(name, Json::Object{{"dtype", kDTypes[rank_of(t.dtype(), path, name)].name},
                                           {"shape", std::move(shape)},
                                           {"data_offsets", Json::Array{offset, end}}});
    offset = end;
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  if (auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    throw ArgumentError({.argument = tensor_in(path, *twice),
                         .given = "two tensors of this name",
                         .expected = "one of each name"});
  std::string text = Json(std::move(header)).dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  if (text.size() > kLongestHeader)
    throw ArgumentError({.argument = str(path, ": header"),
                         .given = str(text.size(), " bytes"),
                         .expected = str("at most ", kLongestHeader, ", which the format allows")});

  return write_file_atomically(path, [&](FileWriter& file) {
    uint64_t length = text.size();
    file.write(&length, sizeof length);
    file.write(text);
    for (auto& [name, t] : sorted)
      file.write(detail::host_data(t, t.dtype()),
                 static_cast<size_t>(t.numel() * itemsize(t.dtype())));
  });
}

void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata) {
  write_safetensors(path, tensors, metadata);
}

namespace {

struct Header {
  std::vector<Entry> entries;  // in the order of the file
  uint64_t data = 0;  // where the first tensor's bytes are
};

Header read_header(FileReader& file, const std::string& path,
                   std::map<std::string, std::string>* metadata) {
  const std::string length_at = str(path, ": byte 0"), metadata_at = str(path, ": __metadata__");
  if (file.size() < 8)
    damaged(path, str(file.size(), " bytes"), "at least 8, the length of the header");
  uint64_t length = 0;
  file.read(0, &length, 8);
  if (length > kLongestHeader)
    damaged(length_at, str("a header of ", length, " bytes is announced"),
            str("at most ", kLongestHeader));
  if (length > file.size() - 8)
    damaged(length_at, str("a header of ", length, " bytes is announced"),
            str("at most ", file.size() - 8, ", the rest of the file"));
  std::string text(length, '\0');
  file.read(8, text.data(), length);
  if (text.empty() || text[0] != '{')
    damaged(str(path, ": byte 8"), "the header does not begin with {");
  const Json header = Json::parse(text, path + ": header");

  Header out{.entries = {}, .data = 8 + length};
  std::vector<Entry>& entries = out.entries;
  for (auto& [name, value] : header.object()) {
    if (name != "__metadata__") {
      entries.push_back(parse_entry(path, name, value));
    } else {
      if (!value.is_object()) damaged(metadata_at, "no object");
      for (auto& [key, v] : value.object()) {
        if (!v.is_string()) damaged(metadata_at, str("\"", key, "\" is no string"));
        if (metadata) metadata->insert_or_assign(key, v.string());
      }
    }
  }
  // Offsets must tile the rest of the file: a gap could hide content that other readers see
  // differently.
  std::stable_sort(entries.begin(), entries.end(), [](auto& a, auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  const uint64_t data = out.data;
  uint64_t at = 0;
  for (const Entry& e : entries) {
    if (e.begin != at)
      damaged(
          tensor_in(path, e.name),
          str("begins at byte ", data + e.begin, " (", e.begin > at ? "a gap" : "an overlap", ")"),
          str("byte ", data + at));
    at = e.end;
  }
  if (data + at != file.size())
    damaged(path,
            str("the file ends at byte ", file.size(),
                data + at > file.size() ? " (truncated)" : " (something follows the tensors)"),
            str("byte ", data + at, ", the end of the tensors"));
  return out;
}

}  // namespace

NamedTensors load_safetensors(const std::string& path,
                              std::map<std::string, std::string>* metadata) {
  FileReader file(path);
  const Header header = read_header(file, path, metadata);
  NamedTensors tensors;
  for (const Entry& e : header.entries)
    tensors.emplace_back(e.name, tensor_filled_by(e.shape, e.dtype, [&](void* to) {
                           file.read(header.data + e.begin, to, e.end - e.begin);
                         }));
  return tensors;
}

std::vector<std::string> safetensors_names(const std::string& path,
                                           std::map<std::string, std::string>* metadata) {
  FileReader file(path);
  std::vector<std::string> names;
  for (const Entry& e : read_header(file, path, metadata).entries) names.push_back(e.name);
  return names;
}

}  // namespace suanli
