// SPDX-License-Identifier: Apache-2.0
#include "ops/schema/attribute_values.h"

#include <cmath>

#include "base/text/text.h"

namespace suanli {

namespace {

constexpr uint32_t bits_of(int rank) { return rank == 0 ? 0 : ~uint32_t{0} >> (32 - rank); }

/// A little-endian integer of 1 to 8 bytes.
int64_t integer_at(const unsigned char* at, int bytes) {
  int64_t value = 0;
  std::memcpy(&value, at, static_cast<size_t>(bytes));
  const int unused = 64 - 8 * bytes;
  return value << unused >> unused;
}

Json::Array integers(const unsigned char* at, int64_t count, int bytes) {
  Json::Array all;
  for (int64_t i = 0; i < count; ++i) all.emplace_back(integer_at(at + i * bytes, bytes));
  return all;
}

/// Writes JSON into one field of an attribute struct.
class Setter {
 public:
  Setter(const OpSchema& schema, const AttributeField& field, unsigned char* at, int rank)
      : schema_(schema), field_(field), at_(at), rank_(rank) {}

  void set(const Json& value) {
    switch (field_.kind) {
      case AttributeKind::boolean: return store(value.boolean());
      case AttributeKind::real: return store(value.number());
      case AttributeKind::dtype: return store(dtype_from_name(value.string()));
      case AttributeKind::axes: return store(axes(value));
      case AttributeKind::order: return order(value);
      case AttributeKind::integer: return write_integer(at_, value, field_.bytes);
      case AttributeKind::array: return array(value, field_.bytes / field_.element);
      case AttributeKind::list: return list(value);
    }
  }

 private:
  template <class T> void store(const T& value) { std::memcpy(at_, &value, sizeof value); }
  [[noreturn]] void refuse(std::string given, std::string expected) const {
    throw ArgumentError({.op = schema_.name,
                         .argument = std::string(field_.name),
                         .given = std::move(given),
                         .expected = std::move(expected)});
  }

  int axis(const Json& value) const {
    const int64_t axis = value.integer();
    if (axis < -rank_ || axis >= rank_)
      refuse(str(axis), rank_ ? str(-rank_, " to ", rank_ - 1) : "none, as the input has rank 0");
    return static_cast<int>(axis < 0 ? axis + rank_ : axis);
  }
  AxisSet axes(const Json& value) const {
    if (value.is_null()) return {bits_of(rank_)};
    AxisSet set{0};
    const auto add = [&](const Json& one) {
      const uint32_t bit = 1u << axis(one);
      if (set.bits & bit) refuse(value.dump(), "each axis at most once");
      set.bits |= bit;
    };
    if (value.is_array())
      for (const Json& one : value.array()) add(one);
    else add(value);
    return set;
  }
  void order(const Json& value) {
    const Json::Array& all = value.array();
    AxisOrder order{};
    uint32_t seen = 0;
    for (size_t i = 0; i < all.size() && i < static_cast<size_t>(rank_); ++i) {
      order[static_cast<int>(i)] = static_cast<int8_t>(axis(all[i]));
      seen |= 1u << axis(all[i]);
    }
    if (std::ssize(all) != rank_ || seen != bits_of(rank_))
      refuse(value.dump(), str("each of ", rank_, " axes once"));
    store(order);
  }
  void write_integer(unsigned char* at, const Json& value, int bytes) const {
    const bool is_axis = field_.name == "dim";
    const int64_t number = is_axis ? axis(value) : value.integer();
    const int unused = 64 - 8 * bytes;
    if (number << unused >> unused != number)
      refuse(str(number), str("an integer of ", 8 * bytes, " bits"));
    std::memcpy(at, &number, static_cast<size_t>(bytes));
  }
  /// One integer stands for all.
  void array(const Json& value, int64_t count) {
    if (value.is_array() && std::ssize(value.array()) != count)
      refuse(value.dump(), str(count, " integers, or one for all"));
    for (int64_t i = 0; i < count; ++i)
      write_integer(at_ + i * field_.element,
                    value.is_array() ? value.array()[static_cast<size_t>(i)] : value,
                    field_.element);
  }
  void list(const Json& value) {
    const int64_t most = field_.bytes / field_.element - 1, count = std::ssize(value.array());
    if (count > most) refuse(value.dump(), str("at most ", most, " integers"));
    std::memset(at_, 0, field_.bytes);
    std::memcpy(at_, &count, sizeof count);
    for (int64_t i = 0; i < count; ++i)
      write_integer(at_ + (i + 1) * field_.element, value.array()[static_cast<size_t>(i)],
                    field_.element);
  }

  const OpSchema& schema_;
  const AttributeField& field_;
  unsigned char* at_;
  int rank_;
};

}  // namespace

const char* type_name(AttributeKind kind) {
  switch (kind) {
    case AttributeKind::boolean: return "bool";
    case AttributeKind::integer: return "int";
    case AttributeKind::real: return "float";
    case AttributeKind::dtype: return "dtype";
    case AttributeKind::axes:
    case AttributeKind::order:
    case AttributeKind::array:
    case AttributeKind::list: break;
  }
  return "list of int";
}

Json attribute_value(const OpSchema& schema, const AttributeField& field, const Attr& attr,
                     int rank) {
  const auto* at =
      static_cast<const unsigned char*>(attr.of(schema.attributes->bytes)) + field.offset;
  switch (field.kind) {
    case AttributeKind::boolean: return *at != 0;
    case AttributeKind::integer: return integer_at(at, field.bytes);
    case AttributeKind::dtype: return name(static_cast<DType>(*at));
    case AttributeKind::order: return integers(at, rank, 1);
    case AttributeKind::array: return integers(at, field.bytes / field.element, field.element);
    case AttributeKind::list: return integers(at + field.element, integer_at(at, 8), field.element);
    case AttributeKind::real: {
      double value;
      std::memcpy(&value, at, sizeof value);
      return std::isnan(value) ? Json() : Json(value);
    }
    case AttributeKind::axes: break;
  }
  uint32_t bits;
  std::memcpy(&bits, at, sizeof bits);
  if (bits == AxisSet::all().bits) return {};
  Json::Array axes;
  for (int i = 0; i < 32; ++i)
    if (bits >> i & 1) axes.emplace_back(i);
  return axes;
}

void set_attribute(const OpSchema& schema, const AttributeField& field, Attr& attr,
                   const Json& value, int rank) {
  const size_t bytes = schema.attributes->bytes;
  const auto* now = static_cast<const unsigned char*>(attr.of(bytes));
  std::vector<unsigned char> changed(now, now + bytes);
  try {
    Setter(schema, field, changed.data() + field.offset, rank).set(value);
  } catch (const IoError& e) {  // another kind of JSON
    throw ArgumentError({.op = schema.name,
                         .argument = std::string(field.name),
                         .given = value.dump(),
                         .expected = e.expected()});
  }
  attr = Attr::from(changed.data(), bytes);
}

std::vector<AttributeField> given_fields(const OpSchema& schema) {
  return schema.attributes && !schema.has(Trait::pointwise) ? schema.attributes->fields
                                                            : std::vector<AttributeField>();
}

namespace {
const Json* find(const Json::Object& object, std::string_view name) {
  for (const auto& [key, value] : object)
    if (key == name) return &value;
  return nullptr;
}

Shape shape_from(const OpSchema& schema, const Json& value) {
  const auto refuse = [&](std::string expected) {
    throw ArgumentError({.op = schema.name,
                         .argument = "shape",
                         .given = value.dump(),
                         .expected = std::move(expected)});
  };
  Shape shape;
  if (!value.is_array()) refuse("a list of int");
  if (std::ssize(value.array()) > Shape::kMaxRank)
    refuse(str("at most ", Shape::kMaxRank, " sizes"));
  for (const Json& size : value.array()) {
    if (!size.is_integer()) refuse("a list of int");
    shape.push_back(size.integer());
  }
  return shape;
}

[[noreturn]] void refuse_name(const OpSchema& schema, std::string name,
                              const std::vector<AttributeField>& fields) {
  std::string known = schema.takes_shape ? "shape" : "";
  for (const InputSpec& input : schema.inputs)
    if (input.kind == InputSpec::number) known += str(known.empty() ? "" : ", ", input.name);
  for (const AttributeField& field : fields) known += str(known.empty() ? "" : ", ", field.name);
  throw ArgumentError({.op = schema.name,
                       .argument = "attributes",
                       .given = "'" + std::move(name) + "'",
                       .expected = known.empty() ? "none" : "one of " + known});
}

[[noreturn]] void miss(const OpSchema& schema, std::string_view name, const char* type) {
  throw ArgumentError({.op = schema.name,
                       .argument = "attributes",
                       .given = str("no '", name, "'"),
                       .expected = str("'", name, "' (", type, ")")});
}
}  // namespace

Attr attributes_from(const OpSchema& schema, const Json::Object& given, int rank, Shape& shape) {
  const std::vector<AttributeField> fields = given_fields(schema);
  for (const auto& [key, value] : given) {
    const std::string& name = key;
    if (name == "shape" && schema.takes_shape) continue;
    if (std::any_of(std::begin(schema.inputs), std::end(schema.inputs), [&](const InputSpec& i) {
          return i.kind == InputSpec::number && i.name == name;
        }))
      continue;
    if (std::none_of(fields.begin(), fields.end(), [&](const auto& f) { return f.name == name; }))
      refuse_name(schema, key, fields);
  }
  if (schema.takes_shape) {
    const Json* sizes = find(given, "shape");
    if (!sizes) miss(schema, "shape", "list of int");
    shape = shape_from(schema, *sizes);
  }
  const Attr defaults = schema.default_attributes();
  Attr attr = defaults;
  for (const AttributeField& field : fields) {
    const Json* value = find(given, field.name);
    if (!value && schema.requires_attribute(field.name))
      miss(schema, field.name, type_name(field.kind));
    set_attribute(schema, field, attr,
                  value ? *value : attribute_value(schema, field, defaults, rank), rank);
  }
  return attr;
}

std::vector<Json> numbers_from(const OpSchema& schema, const Json::Object& given, size_t first) {
  std::vector<Json> numbers;
  for (size_t i = first; i < OpSchema::kMaxNamed && schema.inputs[i].name; ++i) {
    const InputSpec& input = schema.inputs[i];
    if (input.kind != InputSpec::number) break;
    const Json* value = find(given, input.name);
    if (!value && !input.has_default()) miss(schema, input.name, "float");
    if (value && !value->is_number())
      throw ArgumentError({.op = schema.name,
                           .argument = input.name,
                           .given = value->dump(),
                           .expected = "a number"});
    numbers.push_back(value ? *value : Json(input.default_value));
  }
  return numbers;
}

std::string attributes_text(const OpSchema& schema, const Attr& attr, int rank) {
  std::string text;
  for (const AttributeField& field : given_fields(schema))
    text += str(text.empty() ? "" : ", ", field.name, "=",
                attribute_value(schema, field, attr, rank).dump());
  return text;
}

}  // namespace suanli
