#include "query/sql_render.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace worldline::query {
namespace {

// Words printed in upper case. Sorted, for binary search.
constexpr std::string_view kKeywords[] = {
    "ALL",     "ALTER",     "ANALYZE",  "AND",     "ANY",       "AS",          "ASC",
    "BEGIN",   "BETWEEN",   "BIGINT",   "BOOLEAN", "BY",        "CASE",        "CAST",
    "CLUSTER", "COLLATE",   "COMMIT",   "COPY",    "CREATE",    "CROSS",       "DEFAULT",
    "DELETE",  "DESC",      "DISTINCT", "DO",      "DROP",      "ELSE",        "END",
    "ESCAPE",  "EXCEPT",    "EXISTS",   "EXPLAIN", "FETCH",     "FILTER",      "FIRST",
    "FROM",    "FULL",      "GRANT",    "GROUP",   "HAVING",    "ILIKE",       "IN",
    "INNER",   "INSERT",    "INT",      "INTEGER", "INTERSECT", "INTERVAL",    "INTO",
    "IS",      "JOIN",      "LATERAL",  "LEFT",    "LIKE",      "LIMIT",       "LOCAL",
    "NATURAL", "NEXT",      "NOT",      "NOTHING", "NULL",      "OFFSET",      "ON",
    "ONLY",    "OR",        "ORDER",    "OUTER",   "OVER",      "OVERWRITE",   "PREPARE",
    "QUALIFY", "RETURNING", "REVOKE",   "RIGHT",   "ROLLBACK",  "ROW",         "ROWS",
    "SELECT",  "SESSION",   "SET",      "SHOW",    "SIMILAR",   "SOME",        "START",
    "TABLE",   "TABLES",    "THEN",     "TO",      "TOP",       "TRANSACTION", "TRUNCATE",
    "UNION",   "UNIQUE",    "UPDATE",   "USE",     "USING",     "VALUES",      "VARCHAR",
    "WHEN",    "WHERE",     "WINDOW",   "WITH",    "XOR"};

bool is_keyword(std::string_view upper) {
  return std::binary_search(std::begin(kKeywords), std::end(kKeywords), upper);
}

std::string token_text(const Token& token) {
  if (token.kind == TokenKind::kHex) return "X'" + token.value + "'";
  if (token.is_symbol("!=")) return "<>";
  if (token.kind != TokenKind::kWord) return std::string(token.source);
  const std::string upper = ascii_upper(token.value);
  if (upper == "TRUE") return "true";
  if (upper == "FALSE") return "false";
  return is_keyword(upper) ? upper : token.value;
}

bool ends_an_operand(const Token& token) {
  if (token.kind == TokenKind::kSymbol) return token.value == ")" || token.value == "]";
  return token.kind != TokenKind::kWord || !is_keyword(ascii_upper(token.value));
}

// `before` is the token before `left`, null at the start: it tells a sign from an operator.
bool blank_between(const Token* before, const Token& left, const Token& right) {
  const bool adjacent = left.end() == right.begin;
  if (left.is_symbol("(") || left.is_symbol("[") || left.is_symbol(".") || left.is_symbol("::"))
    return false;
  if (right.is_symbol(")") || right.is_symbol("]") || right.is_symbol(",") ||
      right.is_symbol(".") || right.is_symbol("::"))
    return false;
  if (right.is_symbol("(") || right.is_symbol("[")) return !adjacent;
  if (left.is_symbol(":")) return false;
  if (left.is_symbol("-") || left.is_symbol("+"))
    return before != nullptr && ends_an_operand(*before);
  return true;
}

}  // namespace

std::string render_tokens(std::span<const Token> tokens) {
  std::string out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && blank_between(i > 1 ? &tokens[i - 2] : nullptr, tokens[i - 1], tokens[i]))
      out.push_back(' ');
    if (tokens[i].implicit_alias) out += "AS ";
    out += token_text(tokens[i]);
  }
  return out;
}

}  // namespace worldline::query
