// schema/case_conversion.h
//
// Names: the checks an identifier must pass and the conversion of source names to canonical names.
// Pure functions on valid UTF-8; any thread. Errors: kInvalidArgument with the texts of [S 01/6.2].
// Sources: [S 01/6.2-6.3].
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace worldline::schema {

enum class NameCase : uint8_t { kSnake, kCamel, kPascal };

// snake_case for tables, columns and functions; camelCase for variants; PascalCase for types.
// May give an empty or otherwise invalid identifier: check afterwards.
std::string convert_name(std::string_view name, NameCase target);

// Not empty, in normalisation form C, XID_Start or `_` first, XID_Continue after. No word is
// reserved.
Status validate_identifier(std::string_view name);

}  // namespace worldline::schema
