#include "query/sql_lexer.h"

#include <algorithm>
#include <array>
#include <optional>

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "query/ascii.h"

namespace worldline::query {
namespace {

// Longest first, so that a prefix never wins.
constexpr std::array<std::string_view, 27> kLongSymbols = {
    "<=>", "!~*", "->>", "#>>", "==", "!=", "<>", "<=", ">=", "<<", ">>", "||", "::", ":=",
    "~*",  "!~",  "->",  "#>",  "@>", "<@", "=>", "^@", "~~", "!!", "@@", "#-", "@?"};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    while (true) {
      WL_RETURN_IF_ERROR(skip_blanks());
      start_ = pos_;
      token_ = Token{};
      token_.begin = static_cast<uint32_t>(pos_);
      token_.line = line_;
      token_.column = column_;
      if (pos_ >= text_.size()) break;
      WL_RETURN_IF_ERROR(read_token());
      token_.source = text_.substr(start_, pos_ - start_);
      tokens_.push_back(std::move(token_));
    }
    tokens_.push_back(std::move(token_));
    return std::move(tokens_);
  }

 private:
  char at(size_t ahead) const { return pos_ + ahead < text_.size() ? text_[pos_ + ahead] : '\0'; }

  // The code point at the current place and its length; invalid bytes give U+FFFD of length 1.
  std::pair<UChar32, size_t> code_point() const {
    if (pos_ >= text_.size()) return {0xFFFD, 1};
    const auto* bytes = reinterpret_cast<const uint8_t*>(text_.data());
    auto i = static_cast<int32_t>(pos_);
    UChar32 c = 0;
    U8_NEXT(bytes, i, static_cast<int32_t>(text_.size()), c);
    if (c < 0) return {0xFFFD, 1};
    return {c, static_cast<size_t>(i) - pos_};
  }

  void advance(size_t bytes) {
    for (size_t end = std::min(pos_ + bytes, text_.size()); pos_ < end; ++pos_) {
      const auto c = static_cast<unsigned char>(text_[pos_]);
      if (c == '\n') {
        ++line_;
        column_ = 1;
      } else if ((c & 0xC0) != 0x80) {
        ++column_;  // Continuation bytes belong to a character already counted.
      }
    }
  }

  Status error_here(std::string_view what) const {
    return Status::invalid_argument("sql parser error: {} at Line: {}, Column {}", what, line_,
                                    column_);
  }

  Status skip_blanks() {
    while (pos_ < text_.size()) {
      if (at(0) == '-' && at(1) == '-') {
        while (pos_ < text_.size() && at(0) != '\n') advance(1);
      } else if (at(0) == '/' && at(1) == '*') {
        WL_RETURN_IF_ERROR(skip_block_comment());
      } else {
        const auto [c, length] = code_point();
        if (!u_isUWhiteSpace(c)) break;
        advance(length);
      }
    }
    return {};
  }

  Status skip_block_comment() {
    size_t depth = 0;
    do {
      if (pos_ >= text_.size()) return error_here("Unexpected EOF while in a multi-line comment");
      if (at(0) == '/' && at(1) == '*') {
        ++depth;
        advance(2);
      } else if (at(0) == '*' && at(1) == '/') {
        --depth;
        advance(2);
      } else {
        advance(1);
      }
    } while (depth > 0);
    return {};
  }

  Status read_token() {
    const char c = at(0);
    if (c == '\'') return read_string(TokenKind::kString);
    if (c == '"') return read_quoted_word();
    if (at(1) == '\'' && (c == 'x' || c == 'X')) return read_prefixed(TokenKind::kHex);
    if (at(1) == '\'' && (c == 'e' || c == 'E')) return read_escaped_string();
    if (at(1) == '\'' && (c == 'n' || c == 'N')) return read_prefixed(TokenKind::kForeignString);
    if (c == '0' && at(1) == 'x') return read_hex_number();
    if (is_digit(c) || (c == '.' && is_digit(at(1)))) return read_number();
    if (c == '$') return read_dollar();
    if (is_word_start()) return read_word();
    return read_symbol();
  }

  bool is_word_start() const {
    if (at(0) == '_') return true;
    const UChar32 c = code_point().first;
    return c != 0xFFFD && u_isUAlphabetic(c);
  }

  Status read_word() {
    token_.kind = TokenKind::kWord;
    while (pos_ < text_.size()) {
      const bool plain = is_digit(at(0)) || at(0) == '$';
      if (!plain && !is_word_start()) break;
      advance(code_point().second);
    }
    token_.value = std::string(text_.substr(start_, pos_ - start_));
    return {};
  }

  // Reads '...' with doubled quotes; the opening quote is at the current place.
  Status read_string(TokenKind kind) {
    token_.kind = kind;
    const Status unterminated = error_here("Unterminated string literal");
    advance(1);
    while (pos_ < text_.size()) {
      if (at(0) == '\'' && at(1) != '\'') {
        advance(1);
        return {};
      }
      token_.value.push_back(at(0));
      advance(at(0) == '\'' ? 2 : 1);
    }
    return unterminated;
  }

  Status read_prefixed(TokenKind kind) {
    advance(1);
    return read_string(kind);
  }

  Status read_escaped_string() {
    token_.kind = TokenKind::kForeignString;
    const Status unterminated = error_here("Unterminated encoded string literal");
    advance(2);
    while (pos_ < text_.size()) {
      if (at(0) == '\'' && at(1) != '\'') {
        advance(1);
        return {};
      }
      advance(at(0) == '\'' || at(0) == '\\' ? 2 : 1);
    }
    return unterminated;
  }

  Status read_quoted_word() {
    token_.kind = TokenKind::kQuotedWord;
    const Status unterminated = error_here("Expected close delimiter '\"' before EOF.");
    advance(1);
    while (pos_ < text_.size()) {
      if (at(0) == '"' && at(1) != '"') {
        advance(1);
        return {};
      }
      token_.value.push_back(at(0));
      advance(at(0) == '"' ? 2 : 1);
    }
    return unterminated;
  }

  Status read_hex_number() {
    token_.kind = TokenKind::kHex;
    advance(2);
    while (is_hex_digit(at(0))) advance(1);
    token_.value = std::string(text_.substr(start_ + 2, pos_ - start_ - 2));
    return {};
  }

  Status read_number() {
    token_.kind = TokenKind::kNumber;
    while (is_digit(at(0))) advance(1);
    if (at(0) == '.') {
      advance(1);
      while (is_digit(at(0))) advance(1);
    }
    if (at(0) == 'e' || at(0) == 'E') {
      const size_t sign = at(1) == '+' || at(1) == '-' ? 1 : 0;
      if (is_digit(at(1 + sign))) {
        advance(1 + sign);
        while (is_digit(at(0))) advance(1);
      }
    }
    token_.value = std::string(text_.substr(start_, pos_ - start_));
    if (at(0) == 'L') advance(1);
    return {};
  }

  // $1, $name, $$text$$ or $tag$text$tag$.
  Status read_dollar() {
    advance(1);
    while (is_digit(at(0)) || at(0) == '_' || is_word_start()) advance(code_point().second);
    if (at(0) != '$') {
      token_.kind = TokenKind::kPlaceholder;
      token_.value = std::string(text_.substr(start_, pos_ - start_));
      return {};
    }
    advance(1);
    const std::string_view tag = text_.substr(start_, pos_ - start_);
    const size_t close = text_.find(tag, pos_);
    if (close == std::string_view::npos) return error_here("Unterminated dollar-quoted string");
    token_.kind = TokenKind::kForeignString;
    advance(close + tag.size() - pos_);
    return {};
  }

  Status read_symbol() {
    token_.kind = TokenKind::kSymbol;
    if (at(0) == '?') token_.kind = TokenKind::kPlaceholder;
    size_t length = code_point().second;
    const std::string_view rest = text_.substr(pos_);
    for (const std::string_view symbol : kLongSymbols) {
      if (rest.substr(0, symbol.size()) == symbol) {
        length = symbol.size();
        break;
      }
    }
    advance(length);
    token_.value = std::string(text_.substr(start_, pos_ - start_));
    return {};
  }

  const std::string_view text_;
  size_t pos_ = 0;
  size_t start_ = 0;  // Where the current token begins.
  uint32_t line_ = 1;
  uint32_t column_ = 1;
  Token token_;
  std::vector<Token> tokens_;
};

}  // namespace

std::string ascii_upper(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return upper;
}

bool Token::is_keyword(std::string_view keyword) const {
  if (kind != TokenKind::kWord || value.size() != keyword.size()) return false;
  for (size_t i = 0; i < keyword.size(); ++i) {
    const char c = value[i];
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    if (upper != keyword[i]) return false;
  }
  return true;
}

Result<std::vector<Token>> lex_sql(std::string_view text) {
  return Lexer(text).run();
}

}  // namespace worldline::query
