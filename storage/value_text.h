// storage/value_text.h
//
// Values as error texts show them (SATN), and the texts built from them.
//
// Thread: any. Errors: none; values must be valid BSATN of their type. Sources: [S 05/1.9].
#pragma once

#include <string>

#include "base/bytes.h"
#include "schema/algebraic_type.h"
#include "storage/table_schema.h"

namespace worldline::storage {

// `7`, `"text"`, `(a = 1, b = true)`, `(some = 7)`, `[1, 2]`, `()`. Long values are cut.
std::string print_value(const schema::AlgebraicType& type, Bytes bsatn);

// What an index of the table says of `row`: the value of its column, or a product of several.
std::string key_text(const TableSchema& table, const IndexSchema& index, Bytes row);

// The whole text of a unique violation by `row` in an index of the table.
std::string unique_violation_text(const TableSchema& table, const IndexSchema& index, Bytes row);

}  // namespace worldline::storage
