// cli/value_text.h
//
// How `sql` shows an answer: the text of one value by its type, and a psql-like table [S 07/7.2].
//
// Invariants: types and rows come from the server and are not trusted: a value that does not fit
// its type is shown as its JSON. Type references do not occur in answers and are shown likewise.
#pragma once

#include <string>
#include <vector>

#include "cli/json_tree.h"

namespace worldline::cli {

// `type` is an algebraic type in SATS-JSON, `value` untyped SATS-JSON [S 02/4].
std::string value_text(const JsonTree& type, const JsonTree& value);

// Header, rule and rows; every line ends with a newline. Empty if there are no columns, as for
// statements that only change rows.
std::string table_text(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows);

// One element of the answer to POST .../sql as a table.
std::string statement_text(const JsonTree& statement);

// Columns a terminal needs for `text`: its code points, of those common in tables.
size_t display_width(const std::string& text);

}  // namespace worldline::cli
