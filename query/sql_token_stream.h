// query/sql_token_stream.h
//
// The parser's cursor over the tokens of one text: look ahead, consume, complain.
//
// Invariants: position() never passes the final kEof token. skip_*() functions stop at the end of
// the statement (`;` or EOF) and count brackets instead of recursing.
// Ownership: owns the tokens, which borrow from the text. Thread: one at a time.
// Errors: kInvalidArgument `sql parser error: Expected ..., found: ...` [S 06/1.15].
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "query/sql_lexer.h"

namespace worldline::query {

class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(position_ + ahead, tokens_.size() - 1)];
  }
  size_t position() const { return position_; }
  bool at_end() const { return peek().kind == TokenKind::kEof; }
  bool at_statement_end() const { return at_end() || peek().is_symbol(";"); }
  bool at_keyword(std::string_view keyword) const { return peek().is_keyword(keyword); }
  bool at_symbol(std::string_view symbol) const { return peek().is_symbol(symbol); }
  bool at_any_keyword(std::initializer_list<std::string_view> keywords) const;

  const Token& take();  // The token passed; EOF is never passed.
  bool take_keyword(std::string_view keyword);
  bool take_symbol(std::string_view symbol);
  // The two-word form, or nothing is taken.
  bool take_keywords(std::string_view first, std::string_view second);
  void mark_implicit_alias() { tokens_[position_].implicit_alias = true; }

  Status expect_keyword(std::string_view keyword);
  Status expect_symbol(std::string_view symbol);
  Result<std::string> expect_identifier();
  Result<std::string> expect_dotted_name();  // Parts joined with `.`.

  // `sql parser error: Expected <what>, found: <token> at Line: n, Column m`.
  Status expected(std::string_view what) const;

  // From an opening bracket past its partner.
  Status skip_brackets();
  // Up to, not past, the end of the statement, an unmatched closing bracket, or one of `keywords`
  // outside brackets.
  Status skip_until(std::initializer_list<std::string_view> keywords);

  std::span<const Token> range(size_t first, size_t last) const {
    return std::span<const Token>(tokens_).subspan(first, last - first);
  }
  std::string render(size_t first, size_t last) const;  // Canonical text of [first, last).

 private:
  std::vector<Token> tokens_;  // Never empty; the last one is kEof.
  size_t position_ = 0;
};

}  // namespace worldline::query
