// query/sql_parser.h
//
// Recursive descent over the tokens of one text. It reads more than the dialect has, in order to
// name what is refused in the words of [S 06/1.15]; only what is supported becomes a tree.
//
// Invariants: syntax errors win over "Unsupported" ones, as they do in the reference. Recursion is
// bounded by kParserDepthMax; everything nested that is refused anyway is skipped by counting
// brackets. Thread: pure functions.
// Errors: kInvalidArgument, kTooLarge (text too long). Sources: [S 06/1.1-1.7, 1.15].
#pragma once

#include <cstddef>
#include <string_view>

#include "base/status.h"
#include "query/sql_ast.h"

namespace worldline::query {

inline constexpr size_t kSqlBytesMax = 50'000;  // [S 06/1.1].
// Nested statements, queries and sub-expressions: 47 parentheses around a comparison [S 06/1.1].
inline constexpr int kParserDepthMax = 51;

enum class Dialect : uint8_t {
  kQuery,         // HTTP: all statements.
  kSubscription,  // WebSocket: SELECT without LIMIT.
};

Result<ast::Statement> parse_sql(std::string_view text, Dialect dialect);

// Is it `SELECT * FROM *` [S 06/2.4]?
bool is_select_everything(std::string_view text);

}  // namespace worldline::query
