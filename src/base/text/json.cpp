// SPDX-License-Identifier: Apache-2.0
#include "base/text/json.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/text/text.h"
#include "base/text/visible.h"

namespace suanli {

namespace {
const char* kind_of(const Json& v) {
  if (v.is_null()) return "null";
  if (v.is_bool()) return "a boolean";
  if (v.is_number()) return "a number";
  if (v.is_string()) return "a string";
  return v.is_array() ? "an array" : "an object";
}
[[noreturn]] void wrong_kind(const Json& v, const char* expected) {
  throw IoError(Fault{.given = kind_of(v), .expected = expected});
}

/// Reads the member `key` of an object; an error of its kind names the key.
template <class Read> decltype(auto) member(const Json& object, std::string_view key, Read read) {
  const Json& value = object.at(key);
  try {
    return read(value);
  } catch (const IoError& e) {
    Fault fault = e.fault();
    fault.argument = key;
    throw IoError(std::move(fault));
  }
}
}  // namespace

bool Json::boolean() const {
  if (auto* v = std::get_if<bool>(&value_)) return *v;
  wrong_kind(*this, "true or false");
}
int64_t Json::integer() const {
  if (auto* v = std::get_if<int64_t>(&value_)) return *v;
  wrong_kind(*this, "an integer");
}
double Json::number() const {
  if (auto* v = std::get_if<double>(&value_)) return *v;
  if (auto* v = std::get_if<int64_t>(&value_)) return static_cast<double>(*v);
  if (is_null()) return std::numeric_limits<double>::quiet_NaN();
  wrong_kind(*this, "a number");
}
const std::string& Json::string() const& {
  if (auto* v = std::get_if<std::string>(&value_)) return *v;
  wrong_kind(*this, "a string");
}
const Json::Array& Json::array() const& {
  if (auto* v = std::get_if<Array>(&value_)) return *v;
  wrong_kind(*this, "an array");
}
const Json::Object& Json::object() const& {
  if (auto* v = std::get_if<Object>(&value_)) return *v;
  wrong_kind(*this, "an object");
}

const Json* Json::find(std::string_view key) const& {
  if (auto* members = std::get_if<Object>(&value_))
    for (auto& [name, value] : *members)
      if (name == key) return &value;
  return nullptr;
}

const Json& Json::at(std::string_view key) const& {
  if (const Json* v = find(key)) return *v;
  throw IoError(Fault{.argument = std::string(key), .given = "missing"});
}

bool Json::boolean(std::string_view key) const {
  return member(*this, key, [](const Json& v) { return v.boolean(); });
}
int64_t Json::integer(std::string_view key) const {
  return member(*this, key, [](const Json& v) { return v.integer(); });
}
double Json::number(std::string_view key) const {
  return member(*this, key, [](const Json& v) { return v.number(); });
}
const std::string& Json::string(std::string_view key) const& {
  return member(*this, key, [](const Json& v) -> const std::string& { return v.string(); });
}
const Json::Array& Json::array(std::string_view key) const& {
  return member(*this, key, [](const Json& v) -> const Array& { return v.array(); });
}

Json& Json::set(std::string key, Json value) {
  if (is_null()) value_ = Object();
  for (auto& [name, old] : std::get<Object>(value_))
    if (name == key) {
      old = std::move(value);
      return *this;
    }
  std::get<Object>(value_).emplace_back(std::move(key), std::move(value));
  return *this;
}

/// Receives the parser's events. Written out because the parser's own tree silently keeps the last
/// of two equal keys.
class JsonBuilder {
 public:
  JsonBuilder(std::string_view text, const std::string& where) : text_(text), where_(where) {}
  Json root;

  bool null() { return add(Json()); }
  bool boolean(bool v) { return add(Json(v)); }
  bool number_integer(int64_t v) { return add(Json(v)); }
  bool number_unsigned(uint64_t v) {
    return v <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())
               ? add(Json(static_cast<int64_t>(v)))
               : add(Json(static_cast<double>(v)));
  }
  bool number_float(double v, const std::string&) { return add(Json(v)); }
  bool string(std::string& v) { return add(Json(std::move(v))); }
  bool binary(std::vector<uint8_t>&) { return false; }
  bool start_object(size_t) {
    keys_.emplace_back();
    return open(Json(Json::Object()));
  }
  bool end_object() {
    keys_.pop_back();
    open_.pop_back();
    return true;
  }
  bool start_array(size_t) { return open(Json(Json::Array())); }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool key(std::string& v) {
    if (!keys_.back().insert(v).second)
      throw IoError(Fault{.argument = where_, .given = str("JSON has the key \"", v, "\" twice")});
    key_ = std::move(v);
    return true;
  }
  /// `position` counts from 1; it is behind the text where that is incomplete.
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) {
    std::string given = "JSON that is cut off";
    if (position > 0 && position <= text_.size()) {
      const char c = text_[position - 1];
      given = str("no valid JSON from here on: '", c < ' ' || c > '~' ? byte_code(c) : str(c), "'");
    }
    throw IoError(Fault{.argument = str(where_, ": byte ", position), .given = given});
  }

 private:
  // no file of ours nests deeper; a hostile one must not exhaust the stack later
  static constexpr size_t kDeepest = 64;
  Json* add(Json&& value, bool) {
    if (open_.empty()) return &(root = std::move(value));
    Json& parent = *open_.back();
    if (auto* array = std::get_if<Json::Array>(&parent.value_))
      return &array->emplace_back(std::move(value));
    return &std::get<Json::Object>(parent.value_)
                .emplace_back(std::move(key_), std::move(value))
                .second;
  }
  bool add(Json&& value) { return add(std::move(value), true) != nullptr; }
  bool open(Json&& value) {
    if (open_.size() == kDeepest)
      throw IoError(Fault{.argument = where_,
                          .given = str("JSON is nested deeper than ", kDeepest, " levels")});
    open_.push_back(add(std::move(value), true));
    return true;
  }

  const std::string_view text_;
  const std::string& where_;
  std::vector<Json*> open_;  // a parent does not grow while a child is open, so these stay valid
  // of the open objects: headers of large models have 10⁵ keys
  std::vector<std::unordered_set<std::string>> keys_;
  std::string key_;
};

Json Json::parse(std::string_view text, const std::string& where) {
  JsonBuilder builder(text, where);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder.root);
}

namespace {
nlohmann::ordered_json foreign(const Json& v) {
  if (v.is_bool()) return v.boolean();
  if (v.is_integer()) return v.integer();
  if (v.is_string()) return v.string();
  if (v.is_null()) return nullptr;
  if (v.is_number()) return v.number();
  if (v.is_array()) {
    nlohmann::ordered_json out = nlohmann::ordered_json::array();
    for (const Json& e : v.array()) out.push_back(foreign(e));
    return out;
  }
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  // through the vector below the map: its own insertion looks every key up first
  for (auto& [key, value] : v.object())
    out.get_ref<nlohmann::ordered_json::object_t&>().push_back({key, foreign(value)});
  return out;
}
}  // namespace

std::string Json::dump(int indent) const {
  return foreign(*this).dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace suanli
