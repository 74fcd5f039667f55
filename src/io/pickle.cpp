// SPDX-License-Identifier: Apache-2.0
#include "io/pickle.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <unordered_map>

#include "base/text/text.h"

namespace suanli::pickle {

namespace {

constexpr size_t kMaxValues = 2'000'000;  // a state dict of 20,000 tensors has some 600,000
constexpr size_t kMaxMarks = 1000;

/// As Python's pickletools names them.
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kEmptyList = ']',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kEmptyDict = '}',
  kBinFloat = 'G',
  kShortBinString = 'U',
  kBinString = 'T',
  kPop = '0',
  kPopMark = '1',
  kProto = 0x80,
  kNewObj = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kEmptySet = 0x8f,
};

}  // namespace

class Machine {
 public:
  Machine(Pickle& p, std::string_view program, std::string where, bool (*refused)(std::string_view))
      : p_(p), program_(program), where_(std::move(where)), refused_(refused) {}

  void run() {
    while (step()) {}
    if (stack_.size() != 1 || !marks_.empty())
      fail(str("ends with ", stack_.size(), " values"), "one");
    p_.root_ = stack_[0];
  }

 private:
  [[noreturn]] void fail(std::string given, std::string expected = "") const {
    throw IoError({.argument = str(where_, ": byte ", opcode_at_),
                   .given = std::move(given),
                   .expected = std::move(expected),
                   .remedy = "Save model.state_dict() with torch.save, or use safetensors."});
  }

  std::string_view take(uint64_t bytes) {
    if (bytes > program_.size() - at_)
      fail(str(program_.size() - at_, " bytes left"), str(bytes, ", as announced"));
    const std::string_view taken = program_.substr(at_, bytes);
    at_ += bytes;
    return taken;
  }
  template <class T> T take_number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view take_line() {
    const size_t end = program_.find('\n', at_);
    if (end == std::string_view::npos) fail("cut off within a name");
    const std::string_view line = program_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

  void push(Ref r) {
    if (stack_.size() >= kMaxValues) fail("too many values at once", str("at most ", kMaxValues));
    stack_.push_back(r);
  }
  Value& make(Kind kind) {
    if (p_.values_.size() >= kMaxValues) fail("too many values", str("at most ", kMaxValues));
    p_.values_.push_back({.kind = kind, .text = {}, .items = {}});
    push(static_cast<Ref>(p_.values_.size() - 1));
    return p_.values_.back();
  }
  void make_integer(int64_t value) { make(Kind::integer).integer = value; }

  /// Opcodes that take single values do not reach values above the last mark.
  Ref pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back()))
      fail("takes a value where there is none");
    const Ref r = stack_.back();
    stack_.pop_back();
    return r;
  }
  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) fail("takes the values after a mark where there is none");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Ref> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }
  std::vector<Ref> pop_some(size_t n) {
    std::vector<Ref> items(n);
    for (size_t i = n; i-- > 0;) items[i] = pop();
    return items;
  }
  void add(Kind kind, const char* what, const std::vector<Ref>& items) {
    if (kind == Kind::dict && items.size() % 2 != 0) fail("sets a key without a value");
    const Ref r = pop();
    stack_.push_back(r);
    Value& container = p_.values_[r];
    if (container.kind == Kind::call) return;  // an object that is kept as a note alone
    if (container.kind != kind) fail("adds to another thing", str("a ", what));
    container.items.insert(container.items.end(), items.begin(), items.end());
  }
  void make_sequence(std::vector<Ref> items) { make(Kind::sequence).items = std::move(items); }

  void remember(uint32_t place) {
    const Ref r = pop();
    stack_.push_back(r);
    if (memo_.size() >= kMaxValues) fail("too many remembered values", str("at most ", kMaxValues));
    memo_[place] = r;
  }
  void recall(uint32_t place) {
    const auto it = memo_.find(place);
    if (it == memo_.end()) fail(str("recalls value ", place), "one that was remembered");
    push(it->second);
  }

  void name_object() {
    const std::string_view module = take_line(), name = take_line();
    std::string object = str(module, ".", name);
    if (refused_(object))
      throw IoError({.argument = str(where_, ": byte ", opcode_at_),
                     .given = str("names the Python object ", object),
                     .expected = "objects of weights alone",
                     .remedy = "It is not executed here. Do not trust this file."});
    make(Kind::object).text = std::move(object);
  }
  void call() {
    const std::vector<Ref> both = pop_some(2);
    if (p_.values_[both[0]].kind != Kind::object || p_.values_[both[1]].kind != Kind::sequence)
      fail("calls another thing", "a function");
    const std::string& function = p_.values_[both[0]].text;
    if (function == "collections.OrderedDict") make_ordered(p_.values_[both[1]].items);
    else if (function == "collections.defaultdict")
      make(Kind::dict);  // its argument makes what is missing
    else make(Kind::call).items = both;
  }
  /// Usually without arguments; Python 2 gave the list of pairs.
  void make_ordered(const std::vector<Ref>& arguments) {
    std::vector<Ref> items;
    if (arguments.size() > 1 ||
        (arguments.size() == 1 && p_.values_[arguments[0]].kind != Kind::sequence))
      fail("makes an OrderedDict of other things", "pairs");
    for (Ref list : arguments)
      for (Ref pair : p_.values_[list].items) {
        const Value& v = p_.values_[pair];
        if (v.kind != Kind::sequence || v.items.size() != 2)
          fail("makes an OrderedDict of other things", "pairs");
        items.insert(items.end(), v.items.begin(), v.items.end());
      }
    make(Kind::dict).items = std::move(items);
  }
  /// Little-endian two's complement of any length. Only what fits 64 bits is a size or an offset;
  /// the state of a random generator is longer.
  void make_long(uint64_t length) {
    const std::string_view bytes = take(length);
    if (bytes.size() > 8) {
      make(Kind::none);
      return;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size(); ++i)
      value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
    const size_t unused = 64 - 8 * bytes.size();
    make_integer(bytes.empty() ? 0 : static_cast<int64_t>(value << unused) >> unused);
  }
  void make_text(uint64_t length) {
    const std::string_view bytes = take(length);
    make(Kind::text).text = bytes;
  }

  bool step() {
    opcode_at_ = at_;
    const uint8_t opcode = take_number<uint8_t>();
    switch (opcode) {
      case kProto:
        if (const int protocol = take_number<uint8_t>(); protocol != 2)
          fail(str("protocol ", protocol), "2, which torch.save writes");
        break;
      case kStop: return false;
      case kMark:
        if (marks_.size() >= kMaxMarks) fail("too many nested levels", str("at most ", kMaxMarks));
        marks_.push_back(stack_.size());
        break;
      case kNone: make(Kind::none); break;
      case kNewTrue: make(Kind::boolean).integer = 1; break;
      case kNewFalse: make(Kind::boolean); break;
      case kBinInt: make_integer(take_number<int32_t>()); break;
      case kBinInt1: make_integer(take_number<uint8_t>()); break;
      case kBinInt2: make_integer(take_number<uint16_t>()); break;
      case kLong1: make_long(take_number<uint8_t>()); break;
      case kLong4: make_long(take_number<uint32_t>()); break;
      case kBinFloat:
        make(Kind::real).real = std::bit_cast<double>(__builtin_bswap64(take_number<uint64_t>()));
        break;
      case kBinUnicode:
      case kBinString: make_text(take_number<uint32_t>()); break;
      case kShortBinString: make_text(take_number<uint8_t>()); break;
      case kPop: pop(); break;
      case kPopMark: pop_to_mark(); break;
      case kEmptyList:
      case kEmptyTuple:
      case kEmptySet: make(Kind::sequence); break;
      case kEmptyDict: make(Kind::dict); break;
      case kTuple: make_sequence(pop_to_mark()); break;
      case kTuple1: make_sequence(pop_some(1)); break;
      case kTuple2: make_sequence(pop_some(2)); break;
      case kTuple3: make_sequence(pop_some(3)); break;
      case kAppend: add(Kind::sequence, "list", pop_some(1)); break;
      case kAppends: add(Kind::sequence, "list", pop_to_mark()); break;
      case kSetItem: add(Kind::dict, "dict", pop_some(2)); break;
      case kSetItems: add(Kind::dict, "dict", pop_to_mark()); break;
      case kBinPut: remember(take_number<uint8_t>()); break;
      case kLongBinPut: remember(take_number<uint32_t>()); break;
      case kBinGet: recall(take_number<uint8_t>()); break;
      case kLongBinGet: recall(take_number<uint32_t>()); break;
      case kGlobal: name_object(); break;
      case kReduce:
      case kNewObj: call(); break;
      // attributes, such as a state dict's _metadata or a Namespace's fields: weights need none
      case kBuild: pop(); break;
      case kBinPersId: {
        const Ref id = pop();
        make(Kind::persistent).items = {id};
        break;
      }
      default: {
        char code[8];
        std::snprintf(code, sizeof code, "0x%02x", opcode);
        fail(str("opcode ", code), "one that state dicts need");
      }
    }
    return true;
  }

  Pickle& p_;
  std::string_view program_;
  std::string where_;
  bool (*refused_)(std::string_view);
  size_t at_ = 0, opcode_at_ = 0;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Ref> memo_;
};

Pickle::Pickle(std::string_view program, std::string where, bool (*refused)(std::string_view)) {
  Machine(*this, program, std::move(where), refused).run();
}

}  // namespace suanli::pickle
