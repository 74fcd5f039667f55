// PyTorch's .pt and .pth files: a ZIP archive of a pickle, which says what the tensors are, and their bytes.
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "base/text.h"
#include "data/zip.h"
#include "suanli/train.h"
#include "train/pickle.h"

namespace suanli {

namespace {

using pickle::Kind;
using pickle::Value;

constexpr uint64_t kLongestPickle = 64 << 20;
constexpr uint64_t kMostShares = 4;  // tensors may show one storage from several sides, but not grow without bound

struct StorageClass {
  const char* name;
  DType dtype;
};
constexpr StorageClass kStorages[] = {
    {"torch.FloatStorage", DType::f32},     {"torch.DoubleStorage", DType::f64}, {"torch.HalfStorage", DType::f16},
    {"torch.BFloat16Storage", DType::bf16}, {"torch.LongStorage", DType::i64},   {"torch.IntStorage", DType::i32},
    {"torch.ShortStorage", DType::i16},     {"torch.CharStorage", DType::i8},    {"torch.ByteStorage", DType::u8},
    {"torch.BoolStorage", DType::boolean},
};
constexpr const char* kTensor = "torch._utils._rebuild_tensor_v2";
constexpr const char* kParameter = "torch._utils._rebuild_parameter";

/// What a state dict's pickle may name. Beside the tensors' parts: sizes and dtypes, which checkpoints hold next to the weights.
bool allowed(std::string_view object) {
  for (const char* name : {"collections.OrderedDict", "torch.Size", kTensor, kParameter, "torch.float32", "torch.float64", "torch.float16",
                           "torch.bfloat16", "torch.int64", "torch.int32", "torch.uint8", "torch.bool"})
    if (object == name) return true;
  return std::any_of(std::begin(kStorages), std::end(kStorages), [&](const StorageClass& s) { return object == s.name; });
}

/// What _rebuild_tensor_v2 is called with.
struct View {
  std::string key;  // of the storage
  DType dtype;
  int64_t storage_elements, offset;
  Shape shape;
  std::vector<int64_t> strides;
  auto identity() const { return std::tuple(key, dtype, offset, std::vector<int64_t>(shape.begin(), shape.end()), strides); }
};

class TorchFile {
 public:
  explicit TorchFile(const std::string& path)
      : zip_(path),
        file_bytes_(FileReader(path).size()),
        root_(find_root()),
        program_(read_program()),
        pickle_(program_, where(), allowed) {}

  NamedTensors tensors() {
    const Value& dict = state_dict();
    NamedTensors out;
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value& name = pickle_[dict.items[i]];
      if (name.kind != Kind::text) refuse("has a key that is no text");
      out.emplace_back(name.text, tensor(name.text, pickle_[dict.items[i + 1]]));
    }
    return out;
  }

 private:
  std::string where() const { return str(zip_.path(), ": ", root_, "data.pkl"); }
  [[noreturn]] void refuse(const std::string& what) const {
    throw InputError(str(where(), " ", what, ". Save model.state_dict() with torch.save, or use safetensors."));
  }

  /// All members lie in one folder, named as the file was when it was saved.
  std::string find_root() const {
    for (const data::ZipMember& m : zip_.members()) {
      const size_t slash = m.name.find('/');
      if (slash == std::string::npos || m.name.substr(slash) != "/data.pkl") continue;
      const std::string root = m.name.substr(0, slash + 1);
      if (zip_.find(root + "constants.pkl"))
        throw InputError(str(zip_.path(), ": is a TorchScript program. Save its state_dict() with torch.save, or use safetensors."));
      for (const data::ZipMember& other : zip_.members())
        if (!other.name.starts_with(root) || other.name.find("..") != std::string::npos)
          throw InputError(str(zip_.path(), ": member '", other.name, "' lies outside of ", root, ". Do not trust this file."));
      return root;
    }
    throw InputError(str(zip_.path(), ": is a ZIP archive without data.pkl, no PyTorch file. Save model.state_dict() with torch.save."));
  }

  /// torch.save compresses nothing, so what a member claims is bounded by the file.
  const data::ZipMember& member(const std::string& name) const {
    const data::ZipMember* m = zip_.find(root_ + name);
    if (!m) refuse(str("needs '", root_, name, "', which is not in the archive"));
    if (m->deflated)
      throw InputError(str(zip_.path(), ": member '", m->name, "' is compressed, which torch.save never does. Save it again."));
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
        throw InputError(str(zip_.path(), ": its byte order is '", text, "', little is expected. Save it again on another machine."));
    }
    const data::ZipMember& m = member("data.pkl");
    if (m.size > kLongestPickle) refuse(str("announces ", m.size, " bytes, at most ", kLongestPickle, " are read"));
    std::string program(m.size, '\0');
    read_member(m, program.data());
    return program;
  }

  /// The value itself, or, in a checkpoint with more than weights, what lies under one of the usual names.
  const Value& state_dict() const {
    const Value& root = pickle_[pickle_.root()];
    if (root.kind != Kind::dict) refuse("is no dict of tensors");
    auto holds_tensors = [&](const Value& dict) {
      for (size_t i = 1; i < dict.items.size(); i += 2)
        if (is_call(pickle_[dict.items[i]], kTensor) || is_call(pickle_[dict.items[i]], kParameter)) return true;
      return false;
    };
    if (holds_tensors(root)) return root;
    std::string keys;
    for (const char* key : {"state_dict", "model_state_dict", "model"})
      if (const Value* inner = pickle_.find(root, key); inner && inner->kind == Kind::dict && holds_tensors(*inner)) return *inner;
    for (size_t i = 0; i + 1 < root.items.size() && i < 16; i += 2)
      if (const Value& key = pickle_[root.items[i]]; key.kind == Kind::text) keys += (keys.empty() ? "" : ", ") + key.text;
    refuse(str("is a dict without tensors", keys.empty() ? "" : str("; its keys are ", keys)));
  }

  bool is_call(const Value& v, const char* function) const { return v.kind == Kind::call && pickle_[v.items[0]].text == function; }

  Tensor tensor(const std::string& name, const Value& value) {
    const Value* call = &value;
    if (is_call(*call, kParameter)) {
      const Value& arguments = pickle_[call->items[1]];
      if (arguments.items.empty()) refuse(str("has a parameter '", name, "' of nothing"));
      call = &pickle_[arguments.items[0]];
    }
    if (!is_call(*call, kTensor)) refuse(str("holds '", name, "', which is no tensor"));
    const View view = view_of(name, pickle_[call->items[1]]);
    const auto [it, fresh] = made_.try_emplace(view.identity());
    if (fresh) it->second = read(name, view);
    return it->second;
  }

  View view_of(const std::string& name, const Value& arguments) const {
    auto wrong = [&](const std::string& what) { refuse(str("describes '", name, "' wrongly: ", what)); };
    auto integers = [&](const Value& v) {
      std::vector<int64_t> out;
      if (v.kind != Kind::sequence || v.items.size() > Shape::kMaxRank)
        wrong(str("a size of up to ", int{Shape::kMaxRank}, " numbers is expected"));
      for (pickle::Ref r : v.items) {
        if (pickle_[r].kind != Kind::integer || pickle_[r].integer < 0) wrong("a size or stride is no whole number from 0 on");
        out.push_back(pickle_[r].integer);
      }
      return out;
    };
    if (arguments.items.size() < 4) wrong("storage, offset, size and stride are expected");
    const Value &storage = pickle_[arguments.items[0]], &offset = pickle_[arguments.items[1]];
    if (storage.kind != Kind::persistent || offset.kind != Kind::integer) wrong("a storage and an offset are expected");
    const Value& id = pickle_[storage.items[0]];
    if (id.kind != Kind::sequence || id.items.size() != 5) wrong("a storage has five parts");
    const Value &tag = pickle_[id.items[0]], &type = pickle_[id.items[1]], &key = pickle_[id.items[2]], &elements = pickle_[id.items[4]];
    if (tag.text != "storage" || key.kind != Kind::text || elements.kind != Kind::integer)
      wrong("a storage has a class, a key and a length");
    const auto known = std::find_if(std::begin(kStorages), std::end(kStorages), [&](auto& s) { return type.text == s.name; });
    if (known == std::end(kStorages)) wrong(str("the storage class '", type.text, "' is not known"));
    return {key.text,
            known->dtype,
            elements.integer,
            offset.integer,
            Shape(integers(pickle_[arguments.items[2]])),
            integers(pickle_[arguments.items[3]])};
  }

  /// Number of elements, checked against the storage: every element that the strides reach lies in it.
  int64_t checked_elements(const std::string& name, const View& v) const {
    auto wrong = [&](const std::string& what) { refuse(str("describes '", name, "' wrongly: ", what)); };
    if (v.strides.size() != static_cast<size_t>(v.shape.rank())) wrong("size and stride differ in length");
    int64_t elements = 1, last = v.offset;
    bool overflow = v.offset < 0;
    for (int i = 0; i < v.shape.rank(); ++i) {
      int64_t reach = 0;
      overflow |= __builtin_mul_overflow(elements, v.shape[i], &elements);
      overflow |= __builtin_mul_overflow(std::max<int64_t>(0, v.shape[i] - 1), v.strides[static_cast<size_t>(i)], &reach);
      overflow |= __builtin_add_overflow(last, reach, &last);
    }
    if (overflow || (elements > 0 && last >= v.storage_elements) || elements > v.storage_elements)
      wrong(str("shape ", v.shape, " does not fit its storage of ", v.storage_elements, " elements"));
    return elements;
  }

  Tensor read(const std::string& name, const View& v) {
    const int64_t elements = checked_elements(name, v), size = itemsize(v.dtype);
    const data::ZipMember& storage = member("data/" + v.key);
    if (storage.size != static_cast<uint64_t>(v.storage_elements) * static_cast<uint64_t>(size))
      refuse(str("says that '", name, "' lies in ", v.storage_elements, " elements of ", v.dtype, "; '", storage.name, "' has ",
                 storage.size, " bytes"));
    made_bytes_ += static_cast<uint64_t>(elements * size);
    if (made_bytes_ > kMostShares * file_bytes_) refuse(str("makes tensors of more than ", kMostShares, " times the file's size"));
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

  /// Copies what lies at `from` along axes `axis` and after, row-major; returns the end of what was written.
  static char* gather(const View& v, int axis, const char* from, char* to) {
    const int64_t size = itemsize(v.dtype);
    if (axis == v.shape.rank()) {
      std::memcpy(to, from, static_cast<size_t>(size));
      return to + size;
    }
    for (int64_t i = 0; i < v.shape[axis]; ++i) to = gather(v, axis + 1, from + i * v.strides[static_cast<size_t>(axis)] * size, to);
    return to;
  }

  data::ZipFile zip_;
  uint64_t file_bytes_;
  std::string root_, program_;
  pickle::Pickle pickle_;
  std::map<decltype(std::declval<View>().identity()), Tensor> made_;  // tied weights are one tensor
  uint64_t made_bytes_ = 0;
  std::unique_ptr<char[]> storage_;  // the last one that was read whole: a storage's views mostly follow one another
  std::string storage_key_;
};

bool begins_with(const std::string& path, uint64_t at, std::string_view bytes) {
  FileReader file(path);
  if (file.size() < at + bytes.size()) return false;
  std::string head(bytes.size(), '\0');
  file.read(at, head.data(), head.size());
  return head == bytes;
}

}  // namespace

NamedTensors load_torch(const std::string& path) {
  using namespace std::string_view_literals;
  constexpr std::string_view kMagic = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."sv;  // what files of before PyTorch 1.6 begin with
  if (begins_with(path, 0, kMagic) || begins_with(path, 257, "ustar"))
    throw InputError(
        str(path, ": is written as before PyTorch 1.6. Load it with torch.load and save it again with torch.save, or use safetensors."));
  return TorchFile(path).tensors();
}

NamedTensors load_weights(const std::string& path) {
  const bool torch = begins_with(path, 0, "PK") || begins_with(path, 0, "\x80\x02") || begins_with(path, 257, "ustar");
  return torch ? load_torch(path) : load_safetensors(path);
}

}  // namespace suanli
