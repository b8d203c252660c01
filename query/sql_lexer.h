// query/sql_lexer.h
//
// Cuts SQL text into tokens as [S 06/1.2, 1.3] describes: PostgreSQL's rules for identifiers,
// strings and comments. Keywords are plain words here; the parser decides.
//
// Invariants: the list ends with exactly one kEof token; spans lie inside the text and ascend.
// Ownership: tokens borrow from the text. Thread: any, pure.
// Units: line and column count characters from 1; offsets count bytes.
// Errors: kInvalidArgument `sql parser error: ...` for an unterminated comment or string.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace worldline::query {

enum class TokenKind : uint8_t {
  kEof,
  kWord,           // Unquoted; `value` is the word as written.
  kQuotedWord,     // "..."; `value` has the doubled quotes undone.
  kNumber,         // `value` without the suffix L.
  kString,         // '...'; `value` has the doubled quotes undone.
  kHex,            // 0x... or X'...'; `value` is the digits.
  kForeignString,  // E'...', N'...', $$...$$: literals the dialect refuses.
  kPlaceholder,    // $1 or ?.
  kSymbol,         // Operators and punctuation; `value` is the text.
};

struct Token {
  TokenKind kind = TokenKind::kEof;
  std::string value;
  std::string_view source;  // As written.
  uint32_t begin = 0;       // Byte offset of `source`.
  uint32_t line = 1;
  uint32_t column = 1;
  bool implicit_alias = false;  // Set by the parser: printed with AS before it.

  uint32_t end() const { return begin + static_cast<uint32_t>(source.size()); }
  bool is_symbol(std::string_view text) const {
    return kind == TokenKind::kSymbol && value == text;
  }
  // An unquoted word equal to `keyword`, which is in upper case, in any case.
  bool is_keyword(std::string_view keyword) const;
};

// ASCII upper case; other characters unchanged.
std::string ascii_upper(std::string_view text);

Result<std::vector<Token>> lex_sql(std::string_view text);

}  // namespace worldline::query
