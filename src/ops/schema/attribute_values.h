// SPDX-License-Identifier: Apache-2.0
// Attributes by name: as JSON and as text, for tools, reports and errors.
#pragma once
#include <string>

#include "base/text/json.h"
#include "ops/schema/schema.h"

namespace suanli {

/// The type of a field as tools name it: "bool", "int", "float", "dtype", "list of int".
SUANLI_API const char* type_name(AttributeKind kind);

/// One field as JSON. `rank` is that of the op's first input. Null for a value that the call finds
/// out: NaN, and all axes of an input.
SUANLI_API Json attribute_value(const OpSchema& schema, const AttributeField& field,
                                const Attr& attr, int rank);

/// Sets one field from JSON. Axes may be negative. Throws ArgumentError for a value of another
/// type or out of range; its argument is the field.
SUANLI_API void set_attribute(const OpSchema& schema, const AttributeField& field, Attr& attr,
                              const Json& value, int rank);

/// The fields that a call gives. Those of pointwise ops say which op it is.
SUANLI_API std::vector<AttributeField> given_fields(const OpSchema& schema);

/// The attributes of a call from those that it gives by name; the others have their defaults. The
/// attribute `shape`, of ops whose caller chooses the result's shape, is stored there. Throws
/// ArgumentError for a name that the op lacks, and for a required attribute that is not given.
SUANLI_API Attr attributes_from(const OpSchema& schema, const Json::Object& given, int rank,
                                Shape& shape);
/// The numbers among the inputs, from input `first` on: attributes that are scalar slots.
SUANLI_API std::vector<Json> numbers_from(const OpSchema& schema, const Json::Object& given,
                                          size_t first);

/// "dim=[0, 2], keepdim=true".
SUANLI_API std::string attributes_text(const OpSchema& schema, const Attr& attr, int rank);

}  // namespace suanli
