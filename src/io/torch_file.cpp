// SPDX-License-Identifier: Apache-2.0
// PyTorch's .pt and .pth files: a ZIP archive of a pickle, which says what the tensors are, and
// their bytes.
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <tuple>

#include "base/files/zip.h"
#include "base/text/text.h"
#include "io/pickle.h"
#include "io/weight_file.h"
#include "suanli/io.h"

namespace suanli {

namespace {

using pickle::Kind;
using pickle::Value;

constexpr uint64_t kLongestPickle = 64 << 20;
// tensors may show one storage from several sides, but not grow without bound
constexpr uint64_t kMaxShares = 4;
constexpr const char* kSaveStateDict =
    "Save model.state_dict() with torch.save, or use safetensors.";

struct StorageClass {
  const char* name;
  DType dtype;
};
constexpr StorageClass kStorages[] = {
    {"torch.FloatStorage", DType::f32}, {"torch.DoubleStorage", DType::f64},
    {"torch.HalfStorage", DType::f16},  {"torch.BFloat16Storage", DType::bf16},
    {"torch.LongStorage", DType::i64},  {"torch.IntStorage", DType::i32},
    {"torch.ShortStorage", DType::i16}, {"torch.CharStorage", DType::i8},
    {"torch.ByteStorage", DType::u8},   {"torch.BoolStorage", DType::boolean},
};
constexpr std::string_view kTensors[] = {"torch._utils._rebuild_tensor_v2",
                                         "torch._utils._rebuild_tensor"};
/// Functions whose first argument is a tensor.
constexpr std::string_view kParameters[] = {"torch._utils._rebuild_parameter",
                                            "torch._utils._rebuild_parameter_with_state"};

/// Nothing is executed, so an object that stands beside the weights does no harm: it stays a name.
/// Weights have no reason to name these, which attacks on readers that do execute consist of.
bool suspicious(std::string_view object) {
  for (std::string_view module :
       {"os.", "posix.", "nt.", "subprocess.", "sys.", "shutil.", "socket.", "runpy.", "importlib.",
        "ctypes.", "pty.", "webbrowser.", "commands.", "code."})
    if (object.starts_with(module)) return true;
  for (std::string_view module : {"builtins.", "__builtin__."})
    for (std::string_view name :
         {"eval", "exec", "execfile", "compile", "open", "getattr", "__import__", "input", "apply"})
      if (object.starts_with(module) && object.substr(module.size()) == name) return true;
  return false;
}

/// The arguments of _rebuild_tensor and its second version.
struct View {
  std::string key;  // of the storage
  DType dtype;
  int64_t storage_elements, offset;
  Shape shape;
  std::vector<int64_t> strides;
  auto identity() const {
    return std::tuple(key, dtype, offset, std::vector<int64_t>(shape.begin(), shape.end()),
                      strides);
  }
};

class TorchFile {
 public:
  explicit TorchFile(const std::string& path)
      : zip_(path),
        file_bytes_(FileReader(path).size()),
        root_(find_root()),
        program_(read_program()),
        pickle_(program_, where(), suspicious) {}

  /// A mapping of names to tensors, the root or what lies below it.
  struct Dict {
    std::string key;
    pickle::Ref value;
  };

  /// Dicts that name tensors: the root and dicts up to five levels below it, also in lists and
  /// tuples; each once, under its shortest key.
  std::vector<Dict> dicts() const {
    const Value& root = pickle_[pickle_.root()];
    if (!is_container(root)) refuse(described(root), "a dict of tensors");
    constexpr int kDeepest = 5;
    std::vector<Dict> found, level{{"", pickle_.root()}};
    std::set<pickle::Ref> seen{pickle_.root()};
    for (int depth = 0; depth <= kDeepest; ++depth) {
      std::vector<Dict> below;
      for (const Dict& d : level) {
        if (!tensors_in(pickle_[d.value]).empty()) found.push_back(d);
        for (auto& [key, value] : entries_of(pickle_[d.value]))
          if (is_container(pickle_[value]) && seen.insert(value).second)
            below.push_back({d.key.empty() ? key : str(d.key, ".", key), value});
      }
      level = std::move(below);
    }
    if (!found.empty()) return found;
    if (root.kind == Kind::sequence) refuse("a list", "a dict of tensors");
    std::string keys, objects;
    for (size_t i = 0; i + 1 < root.items.size() && i < 32; i += 2) {
      const Value &key = pickle_[root.items[i]], &value = pickle_[root.items[i + 1]];
      if (key.kind != Kind::text) continue;
      keys += (keys.empty() ? "" : ", ") + key.text;
      if (value.kind == Kind::call && objects.empty())
        objects = str("; '", key.text, "' is ", described(value));
    }
    refuse(
        str("a dict without tensors", keys.empty() ? "" : str("; its keys are ", keys), objects));
  }

  std::vector<std::string> names_in(const Dict& dict) const {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_in(pickle_[dict.value])) names.push_back(*name);
    return names;
  }

  NamedTensors read(const Dict& dict) {
    NamedTensors out;
    for (const auto& [name, value] : tensors_in(pickle_[dict.value]))
      out.emplace_back(*name, tensor(*name, *value));
    return out;
  }

 private:
  std::string where() const { return str(zip_.path(), ": ", root_, "data.pkl"); }
  [[noreturn]] void refuse(std::string given, std::string expected = "") const {
    throw IoError({.argument = where(),
                   .given = std::move(given),
                   .expected = std::move(expected),
                   .remedy = kSaveStateDict});
  }
  /// The same, for a tensor of the pickle.
  [[noreturn]] void refuse_tensor(const std::string& name, std::string given,
                                  std::string expected) const {
    throw IoError({.argument = str(where(), ": '", name, "'"),
                   .given = std::move(given),
                   .expected = std::move(expected),
                   .remedy = kSaveStateDict});
  }

  /// All members lie in one folder, named as the file was when it was saved.
  std::string find_root() const {
    for (const data::ZipMember& m : zip_.members()) {
      const size_t slash = m.name.find('/');
      if (slash == std::string::npos || m.name.substr(slash) != "/data.pkl") continue;
      const std::string root = m.name.substr(0, slash + 1);
      if (zip_.find(root + "constants.pkl"))
        throw IoError({.argument = zip_.path(),
                       .given = "a TorchScript program",
                       .expected = "a state dict",
                       .remedy = "Save its state_dict() with torch.save, or use safetensors."});
      for (const data::ZipMember& other : zip_.members())
        if (!other.name.starts_with(root) || other.name.find("..") != std::string::npos)
          throw IoError({.argument = str(zip_.path(), ": member '", other.name, "'"),
                         .given = str("lies outside of ", root),
                         .remedy = "Do not trust this file."});
      return root;
    }
    throw IoError({.argument = zip_.path(),
                   .given = "a ZIP archive without data.pkl",
                   .expected = "a PyTorch file",
                   .remedy = "Save model.state_dict() with torch.save."});
  }

  /// torch.save compresses nothing, so what a member claims is bounded by the file.
  const data::ZipMember& member(const std::string& name) const {
    const data::ZipMember* m = zip_.find(root_ + name);
    if (!m) refuse(str("needs '", root_, name, "', which is not in the archive"));
    if (m->deflated)
      throw IoError({.argument = str(zip_.path(), ": member '", m->name, "'"),
                     .given = "compressed",
                     .expected = "stored, as torch.save does",
                     .remedy = "Save it again."});
    return *m;
  }
  void read_member(const data::ZipMember& m, void* to) {
    zip_.start(m);
    zip_.read(to, m.size);
  }

  std::string read_program() {
    if (zip_.find(root_ + "byteorder")) {
      const data::ZipMember& order = member("byteorder");
      std::string text(std::min<uint64_t>(order.size, 16), '\0');
      if (order.size == text.size()) read_member(order, text.data());
      if (text != "little")
        throw IoError({.argument = str(zip_.path(), ": byteorder"),
                       .given = str("'", text, "'"),
                       .expected = "little",
                       .remedy = "Save it again on another machine."});
    }
    const data::ZipMember& m = member("data.pkl");
    if (m.size > kLongestPickle) refuse(str(m.size, " bytes"), str("at most ", kLongestPickle));
    std::string program(m.size, '\0');
    read_member(m, program.data());
    return program;
  }

  bool is_call(const Value& v, std::span<const std::string_view> functions) const {
    return v.kind == Kind::call && std::find(functions.begin(), functions.end(),
                                             pickle_[v.items[0]].text) != functions.end();
  }

  /// Any of the functions that PyTorch makes tensors with, the ones that are refused when they are
  /// read included.
  bool is_tensor(const Value& v) const {
    if (v.kind != Kind::call) return false;
    const std::string& function = pickle_[v.items[0]].text;
    return function.starts_with("torch._utils._rebuild") ||
           function.starts_with("torch._tensor._rebuild");
  }

  static bool is_container(const Value& v) {
    return v.kind == Kind::dict || v.kind == Kind::sequence;
  }

  /// Entries of a dict under their names, those of a list or tuple under 0, 1, …
  std::vector<std::pair<std::string, pickle::Ref>> entries_of(const Value& container) const {
    const std::vector<pickle::Ref>& items = container.items;
    std::vector<std::pair<std::string, pickle::Ref>> out;
    if (container.kind == Kind::sequence) {
      for (size_t i = 0; i < items.size(); ++i)
        if (is_container(pickle_[items[i]])) out.emplace_back(std::to_string(i), items[i]);
      return out;
    }
    for (size_t i = 0; i + 1 < items.size(); i += 2)
      if (pickle_[items[i]].kind == Kind::text)
        out.emplace_back(pickle_[items[i]].text, items[i + 1]);
    return out;
  }

  /// The entries of a dict that are tensors; epochs, rates and other things stand beside them.
  std::vector<std::pair<const std::string*, const Value*>> tensors_in(const Value& dict) const {
    std::vector<std::pair<const std::string*, const Value*>> out;
    if (dict.kind != Kind::dict) return out;
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2)
      if (pickle_[dict.items[i]].kind == Kind::text && is_tensor(pickle_[dict.items[i + 1]]))
        out.emplace_back(&pickle_[dict.items[i]].text, &pickle_[dict.items[i + 1]]);
    return out;
  }

  std::string described(const Value& v) const {
    switch (v.kind) {
      case Kind::call: return str("an object of ", pickle_[v.items[0]].text);
      case Kind::object: return "the object " + v.text;
      case Kind::sequence: return "a list";
      case Kind::dict: return "a dict";
      default: return "a single value";
    }
  }

  Tensor tensor(const std::string& name, const Value& value) {
    const Value* call = &value;
    if (is_call(*call, kParameters)) {
      const Value& arguments = pickle_[call->items[1]];
      if (arguments.items.empty()) refuse_tensor(name, "a parameter of nothing", "a tensor");
      call = &pickle_[arguments.items[0]];
    }
    if (!is_call(*call, kTensors))
      refuse_tensor(name, described(*call), "a plain tensor of a float, integer or bool dtype");
    const View view = view_of(name, pickle_[call->items[1]]);
    const auto [it, fresh] = made_.try_emplace(view.identity());
    if (fresh) it->second = read(name, view);
    return it->second;
  }

  View view_of(const std::string& name, const Value& arguments) const {
    auto require = [&](bool ok, const char* given, const char* expected) {
      if (!ok) refuse_tensor(name, given, expected);
    };
    auto integers = [&](const Value& v) {
      std::vector<int64_t> out;
      require(v.kind == Kind::sequence && v.items.size() <= Shape::kMaxRank,
              "a size or stride of another kind or length", "up to 8 numbers");
      for (pickle::Ref r : v.items) {
        require(pickle_[r].kind == Kind::integer && pickle_[r].integer >= 0,
                "a size or stride of another kind", "whole numbers from 0 on");
        out.push_back(pickle_[r].integer);
      }
      return out;
    };
    require(arguments.items.size() >= 4, "too few arguments", "storage, offset, size and stride");
    const Value &storage = pickle_[arguments.items[0]], &offset = pickle_[arguments.items[1]];
    require(storage.kind == Kind::persistent && offset.kind == Kind::integer,
            "arguments of other kinds", "a storage and an offset");
    const Value& id = pickle_[storage.items[0]];
    require(id.kind == Kind::sequence && id.items.size() == 5,
            "a storage of another number of parts", "five");
    const Value &tag = pickle_[id.items[0]], &type = pickle_[id.items[1]],
                &key = pickle_[id.items[2]], &elements = pickle_[id.items[4]];
    require(tag.text == "storage" && key.kind == Kind::text && elements.kind == Kind::integer,
            "a storage of other parts", "a class, a key and a length");
    const auto known = std::find_if(std::begin(kStorages), std::end(kStorages),
                                    [&](auto& s) { return type.text == s.name; });
    if (known == std::end(kStorages))
      refuse_tensor(name, str("a storage of ", type.text), "a float, integer or bool storage");
    return {key.text,
            known->dtype,
            elements.integer,
            offset.integer,
            Shape(integers(pickle_[arguments.items[2]])),
            integers(pickle_[arguments.items[3]])};
  }

  /// Number of elements, checked against the storage: every element that the strides reach lies in
  /// it.
  int64_t checked_elements(const std::string& name, const View& v) const {
    if (v.strides.size() != static_cast<size_t>(v.shape.rank()))
      refuse_tensor(name, str(v.strides.size(), " strides"),
                    str(v.shape.rank(), ", one for each axis of ", v.shape));
    int64_t elements = 1, last = v.offset;
    bool overflow = v.offset < 0;
    for (int i = 0; i < v.shape.rank(); ++i) {
      int64_t reach = 0;
      overflow |= __builtin_mul_overflow(elements, v.shape[i], &elements);
      overflow |= __builtin_mul_overflow(std::max<int64_t>(0, v.shape[i] - 1),
                                         v.strides[static_cast<size_t>(i)], &reach);
      overflow |= __builtin_add_overflow(last, reach, &last);
    }
    if (overflow || (elements > 0 && last >= v.storage_elements) || elements > v.storage_elements)
      refuse_tensor(name, str("shape ", v.shape),
                    str("one that fits its storage of ", v.storage_elements, " elements"));
    return elements;
  }

  Tensor read(const std::string& name, const View& v) {
    const int64_t elements = checked_elements(name, v), size = itemsize(v.dtype);
    const data::ZipMember& storage = member("data/" + v.key);
    if (storage.size != static_cast<uint64_t>(v.storage_elements) * static_cast<uint64_t>(size))
      refuse_tensor(name, str(storage.size, " bytes in '", storage.name, "'"),
                    str(v.storage_elements, " elements of ", v.dtype));
    made_bytes_ += static_cast<uint64_t>(elements * size);
    if (made_bytes_ > kMaxShares * file_bytes_)
      refuse("tensors that share storages",
             str("at most ", kMaxShares, " times the file's size of them"));
    return tensor_filled_by(v.shape, v.dtype, [&](void* to) {
      if (elements == v.storage_elements && contiguous(v)) return read_member(storage, to);
      if (!storage_ || storage_key_ != v.key) {
        storage_ = std::make_unique<char[]>(storage.size);
        storage_key_ = v.key;
        read_member(storage, storage_.get());
      }
      if (elements > 0) gather(v, 0, storage_.get() + v.offset * size, static_cast<char*>(to));
    });
  }

  static bool contiguous(const View& v) {
    int64_t stride = 1;
    for (int i = v.shape.rank(); i-- > 0; stride *= v.shape[i])
      if (v.shape[i] != 1 && v.strides[static_cast<size_t>(i)] != stride) return false;
    return v.offset == 0;
  }

  /// Copies what lies at `from` along axes `axis` and after, row-major; returns the end of what was
  /// written.
  static char* gather(const View& v, int axis, const char* from, char* to) {
    const int64_t size = itemsize(v.dtype);
    if (axis == v.shape.rank()) {
      std::memcpy(to, from, static_cast<size_t>(size));
      return to + size;
    }
    for (int64_t i = 0; i < v.shape[axis]; ++i)
      to = gather(v, axis + 1, from + i * v.strides[static_cast<size_t>(axis)] * size, to);
    return to;
  }

  data::ZipFile zip_;
  uint64_t file_bytes_;
  std::string root_, program_;
  pickle::Pickle pickle_;
  std::map<decltype(std::declval<View>().identity()), Tensor> made_;  // tied weights are one tensor
  uint64_t made_bytes_ = 0;
  // the last one that was read whole: a storage's views mostly follow one another
  std::unique_ptr<char[]> storage_;
  std::string storage_key_;
};

bool written_before_zip_files(const std::string& path) {
  using namespace std::string_view_literals;
  constexpr std::string_view kMagic = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."sv,
                             kTar = "ustar";
  constexpr uint64_t kTarAt = 257;
  FileReader file(path);
  auto has = [&](uint64_t at, std::string_view bytes) {
    if (file.size() < at + bytes.size()) return false;
    std::string found(bytes.size(), '\0');
    file.read(at, found.data(), found.size());
    return found == bytes;
  };
  return has(0, kMagic) || has(kTarAt, kTar);
}

}  // namespace

std::vector<StateDict> torch_state_dicts(const std::string& path) {
  if (written_before_zip_files(path))
    throw IoError({.argument = path,
                   .given = "written as before PyTorch 1.6",
                   .expected = "a ZIP archive",
                   .remedy = "Load it with torch.load and save it again with torch.save, or use "
                             "safetensors."});
  const auto file = std::make_shared<TorchFile>(path);
  std::vector<StateDict> out;
  for (const TorchFile::Dict& d : file->dicts())
    out.push_back(
        {.key = d.key, .names = file->names_in(d), .read = [file, d] { return file->read(d); }});
  return out;
}

NamedTensors load_torch(const std::string& path) {
  const std::vector<StateDict> dicts = torch_state_dicts(path);
  return usual_state_dict(dicts, path).read();
}

}  // namespace suanli
