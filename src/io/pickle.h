// SPDX-License-Identifier: Apache-2.0
// Pickle programs, read and never executed: a machine for the few opcodes that PyTorch's state
// dicts are written with. It makes values of plain kinds; a call of a Python object stays a note of
// what would be called with what, for the reader to understand or to refuse.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace suanli::pickle {

/// Index of a value. Containers hold indices, so a container that holds itself is no danger to
/// those who do not follow it.
using Ref = uint32_t;

enum class Kind : uint8_t {
  none,
  boolean,
  integer,
  real,
  text,
  sequence,  // list, tuple or set: items
  dict,  // items: key, value, key, value, …
  object,  // a Python object by its name, "module.name"
  call,  // items: object, arguments
  persistent,  // items: the one value that names it
};

struct Value {
  Kind kind = Kind::none;
  int64_t integer = 0;  // booleans are 0 and 1
  double real = 0;
  std::string text;
  std::vector<Ref> items;
};

class Pickle {
 public:
  /// Runs a program of protocol 2. `where` ("file.pt: archive/data.pkl") begins every error's
  /// argument; `refused` says which Python objects it may not name. Throws IoError for these, for
  /// opcodes that are not known and for programs that are wrong; memory is bounded by the program's
  /// length and, for short opcodes, by a limit on the number of values.
  Pickle(std::string_view program, std::string where, bool (*refused)(std::string_view object));
  Ref root() const { return root_; }
  const Value& operator[](Ref r) const { return values_[r]; }

 private:
  friend class Machine;
  std::vector<Value> values_;
  Ref root_ = 0;
};

}  // namespace suanli::pickle
