// SPDX-License-Identifier: Apache-2.0
// A JSON value. The parser behind it is slow to compile, so it is included in json.cpp alone.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "suanli/base.h"

namespace suanli {

class SUANLI_API Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;  // in the order of the text

  Json() = default;
  Json(bool v) : value_(v) {}
  Json(int v) : value_(int64_t{v}) {}
  Json(int64_t v) : value_(v) {}
  Json(double v) : value_(v) {}
  Json(const char* v) : value_(std::string(v)) {}
  Json(std::string v) : value_(std::move(v)) {}
  Json(std::string_view v) : value_(std::string(v)) {}
  Json(Array v) : value_(std::move(v)) {}
  Json(Object v) : value_(std::move(v)) {}

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_integer() const { return std::holds_alternative<int64_t>(value_); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Reading: a value of another kind, and a key that is missing, throw IoError. Its `argument` is
  // the key, and empty where none is given: the caller knows where the value is from.
  bool boolean() const;
  int64_t integer() const;
  double number() const;  ///< null reads as NaN, which JSON cannot write.
  const std::string& string() const&;
  const Array& array() const&;
  const Object& object() const&;
  const Json* find(std::string_view key) const&;  ///< Null if this is no object or has no such key.
  const Json& at(std::string_view key) const&;
  bool boolean(std::string_view key) const;  // these five read the member of that key
  int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  const std::string& string(std::string_view key) const&;
  const Array& array(std::string_view key) const&;
  // A temporary gives its parts away: references into it would outlive it.
  std::string string() && { return std::as_const(*this).string(); }
  Array array() && { return std::as_const(*this).array(); }
  Object object() && { return std::as_const(*this).object(); }
  const Json* find(std::string_view key) && = delete;
  std::string string(std::string_view key) && { return std::as_const(*this).string(key); }
  Array array(std::string_view key) && { return std::as_const(*this).array(key); }
  Json at(std::string_view key) && { return std::as_const(*this).at(key); }

  /// Sets or appends a member; a null value becomes an object first.
  Json& set(std::string key, Json value);

  /// `text` must be one value. `where` (a file name), with the position, is the argument of
  /// an IoError: "where: byte 17". Duplicate keys are an error.
  static Json parse(std::string_view text, const std::string& where = "text");
  /// One line, or `indent` spaces per level. Doubles read back as the same bits; NaN and infinities
  /// become null.
  std::string dump(int indent = -1) const;

  bool operator==(const Json& o) const { return value_ == o.value_; }

 private:
  friend class JsonBuilder;
  std::variant<std::nullptr_t, bool, int64_t, double, std::string, Array, Object> value_ = nullptr;
};

}  // namespace suanli
