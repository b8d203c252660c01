#include "query/sql_token_stream.h"

#include <algorithm>

#include "query/sql_render.h"

namespace worldline::query {

bool TokenStream::at_any_keyword(std::initializer_list<std::string_view> keywords) const {
  return std::any_of(keywords.begin(), keywords.end(),
                     [this](std::string_view keyword) { return at_keyword(keyword); });
}

const Token& TokenStream::take() {
  const Token& token = tokens_[position_];
  if (token.kind != TokenKind::kEof) ++position_;
  return token;
}

bool TokenStream::take_keyword(std::string_view keyword) {
  if (!at_keyword(keyword)) return false;
  take();
  return true;
}

bool TokenStream::take_symbol(std::string_view symbol) {
  if (!at_symbol(symbol)) return false;
  take();
  return true;
}

bool TokenStream::take_keywords(std::string_view first, std::string_view second) {
  if (!at_keyword(first) || !peek(1).is_keyword(second)) return false;
  take();
  take();
  return true;
}

Status TokenStream::expect_keyword(std::string_view keyword) {
  return take_keyword(keyword) ? Status() : expected(keyword);
}

Status TokenStream::expect_symbol(std::string_view symbol) {
  return take_symbol(symbol) ? Status() : expected(symbol);
}

Result<std::string> TokenStream::expect_identifier() {
  const Token& token = peek();
  if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuotedWord)
    return expected("identifier");
  return take().value;
}

Result<std::string> TokenStream::expect_dotted_name() {
  WL_ASSIGN_OR_RETURN(std::string name, expect_identifier());
  while (take_symbol(".")) {
    WL_ASSIGN_OR_RETURN(const std::string part, expect_identifier());
    name += '.';
    name += part;
  }
  return name;
}

Status TokenStream::expected(std::string_view what) const {
  const Token& token = peek();
  if (token.kind == TokenKind::kEof)
    return Status::invalid_argument("sql parser error: Expected {}, found: EOF", what);
  return Status::invalid_argument("sql parser error: Expected {}, found: {} at Line: {}, Column {}",
                                  what, token.source, token.line, token.column);
}

Status TokenStream::skip_brackets() {
  std::vector<char> open;
  do {
    if (at_statement_end()) return expected(open.back() == '(' ? ")" : "]");
    const Token& token = take();
    if (token.is_symbol("(") || token.is_symbol("[")) {
      open.push_back(token.value[0]);
    } else if (token.is_symbol(")") || token.is_symbol("]")) {
      open.pop_back();
    }
  } while (!open.empty());
  return {};
}

Status TokenStream::skip_until(std::initializer_list<std::string_view> keywords) {
  while (!at_statement_end() && !at_symbol(")") && !at_symbol("]") && !at_any_keyword(keywords)) {
    if (at_symbol("(") || at_symbol("[")) {
      WL_RETURN_IF_ERROR(skip_brackets());
    } else {
      take();
    }
  }
  return {};
}

std::string TokenStream::render(size_t first, size_t last) const {
  return render_tokens(range(first, last));
}

}  // namespace worldline::query
