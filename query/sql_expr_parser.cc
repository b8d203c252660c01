#include "query/sql_expr_parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "query/sql_parser.h"

namespace worldline::query {
namespace {

using ast::CompareOp;
using ast::ExprKind;

// Binding strengths; only their order matters.
constexpr int kOrPrecedence = 5;
constexpr int kAndPrecedence = 10;
constexpr int kNotPrecedence = 15;
constexpr int kIsPrecedence = 17;
constexpr int kLikePrecedence = 19;
constexpr int kComparePrecedence = 20;
constexpr int kPipePrecedence = 21;
constexpr int kShiftPrecedence = 22;
constexpr int kAmpersandPrecedence = 23;
constexpr int kXorPrecedence = 24;
constexpr int kPlusPrecedence = 30;
constexpr int kTimesPrecedence = 40;
constexpr int kPostfixPrecedence = 50;

struct SymbolPrecedence {
  std::string_view symbol;
  int precedence;
};
constexpr SymbolPrecedence kSymbolPrecedences[] = {
    {"=", kComparePrecedence},   {"==", kComparePrecedence},  {"!=", kComparePrecedence},
    {"<>", kComparePrecedence},  {"<", kComparePrecedence},   {"<=", kComparePrecedence},
    {">", kComparePrecedence},   {">=", kComparePrecedence},  {"<=>", kComparePrecedence},
    {"~", kComparePrecedence},   {"~*", kComparePrecedence},  {"!~", kComparePrecedence},
    {"!~*", kComparePrecedence}, {"~~", kComparePrecedence},  {"|", kPipePrecedence},
    {"^", kShiftPrecedence},     {"#", kShiftPrecedence},     {"<<", kShiftPrecedence},
    {">>", kShiftPrecedence},    {"&", kAmpersandPrecedence}, {"+", kPlusPrecedence},
    {"-", kPlusPrecedence},      {"*", kTimesPrecedence},     {"/", kTimesPrecedence},
    {"%", kTimesPrecedence},     {"||", kTimesPrecedence},    {"::", kPostfixPrecedence},
    {"[", kPostfixPrecedence},   {"!", kPostfixPrecedence},   {"->", kPostfixPrecedence},
    {"->>", kPostfixPrecedence}, {"#>", kPostfixPrecedence},  {"#>>", kPostfixPrecedence},
    {"@>", kPostfixPrecedence},  {"<@", kPostfixPrecedence},
};

std::optional<CompareOp> find_compare_op(std::string_view symbol) {
  if (symbol == "=" || symbol == "==") return CompareOp::kEq;
  if (symbol == "!=" || symbol == "<>") return CompareOp::kNe;
  if (symbol == "<") return CompareOp::kLt;
  if (symbol == "<=") return CompareOp::kLe;
  if (symbol == ">") return CompareOp::kGt;
  if (symbol == ">=") return CompareOp::kGe;
  return std::nullopt;
}

bool is_type_word(const Token& token) {
  static constexpr std::string_view kTypes[] = {
      "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "DATETIME", "UUID",  "JSON", "INT",  "INTEGER",
      "TEXT", "REAL", "BIGINT",    "BOOLEAN",     "DECIMAL",  "BYTEA", "BLOB", "FLOAT"};
  return std::any_of(std::begin(kTypes), std::end(kTypes),
                     [&](std::string_view type) { return token.is_keyword(type); });
}

}  // namespace

Status SqlExprParser::enter() {
  if (depth_ >= kParserDepthMax)
    return Status::invalid_argument("sql parser error: recursion limit exceeded");
  ++depth_;
  return {};
}

Result<uint32_t> SqlExprParser::parse() {
  return parse_above(0);
}

Result<uint32_t> SqlExprParser::parse_above(int precedence) {
  WL_RETURN_IF_ERROR(enter());
  auto result = parse_nested(precedence);
  leave();
  return result;
}

Result<uint32_t> SqlExprParser::parse_nested(int precedence) {
  WL_ASSIGN_OR_RETURN(uint32_t left, parse_prefix());
  for (int next = next_precedence(); next > precedence; next = next_precedence()) {
    WL_ASSIGN_OR_RETURN(left, parse_infix(left, next));
  }
  return left;
}

int SqlExprParser::next_precedence() const {
  const Token& token = tokens_.peek();
  if (token.kind == TokenKind::kSymbol) {
    for (const auto& entry : kSymbolPrecedences)
      if (token.value == entry.symbol) return entry.precedence;
    return 0;
  }
  if (token.kind != TokenKind::kWord) return 0;
  if (token.is_keyword("OR")) return kOrPrecedence;
  if (token.is_keyword("AND")) return kAndPrecedence;
  if (token.is_keyword("XOR")) return kXorPrecedence;
  if (token.is_keyword("IS")) return kIsPrecedence;
  const Token& word = token.is_keyword("NOT") ? tokens_.peek(1) : token;
  if (word.is_keyword("IN") || word.is_keyword("BETWEEN")) return kComparePrecedence;
  if (word.is_keyword("LIKE") || word.is_keyword("ILIKE") || word.is_keyword("SIMILAR"))
    return kLikePrecedence;
  if (token.is_keyword("COLLATE")) return kPostfixPrecedence;
  if (token.is_keyword("AT") && tokens_.peek(1).is_keyword("TIME")) return kPostfixPrecedence;
  return 0;
}

RawExpr SqlExprParser::start_here() const {
  RawExpr expr;
  expr.first_token = tokens_.position();
  expr.first_node = next_node();
  return expr;
}

uint32_t SqlExprParser::push(RawExpr expr) {
  expr.last_token = tokens_.position();
  raw_.push_back(std::move(expr));
  return next_node() - 1;
}

uint32_t SqlExprParser::push_bad(RawExpr::Kind kind, size_t first_token, uint32_t first_node) {
  raw_.resize(first_node);
  RawExpr expr;
  expr.kind = kind;
  expr.first_token = first_token;
  expr.first_node = first_node;
  return push(std::move(expr));
}

uint32_t SqlExprParser::push_literal(ast::Literal::Kind kind) {
  RawExpr expr = start_here();
  const Token& token = tokens_.take();
  expr.kind = RawExpr::Kind::kLiteral;
  expr.node.kind = ExprKind::kLiteral;
  expr.node.literal.kind = kind;
  expr.node.literal.text = token.value;
  expr.node.literal.bool_value = token.is_keyword("TRUE");
  return push(std::move(expr));
}

Result<uint32_t> SqlExprParser::parse_prefix() {
  const Token& token = tokens_.peek();
  switch (token.kind) {
    case TokenKind::kNumber:
      return push_literal(ast::Literal::Kind::kNumber);
    case TokenKind::kString:
      return push_literal(ast::Literal::Kind::kString);
    case TokenKind::kHex:
      return push_literal(ast::Literal::Kind::kHex);
    case TokenKind::kForeignString:
    case TokenKind::kPlaceholder: {
      const size_t first = tokens_.position();
      tokens_.take();
      return push_bad(RawExpr::Kind::kBadLiteral, first, next_node());
    }
    case TokenKind::kQuotedWord:
      return parse_word();
    case TokenKind::kWord: {
      bool handled = true;
      auto result = parse_keyword_prefix(handled);
      return handled ? std::move(result) : parse_word();
    }
    case TokenKind::kSymbol:
      if (token.value == "(") return parse_parenthesised();
      if (token.value == "-" || token.value == "+") return parse_sign();
      if (token.value == ":") return parse_sender();
      return tokens_.expected("an expression:");
    case TokenKind::kEof:
      break;
  }
  return tokens_.expected("an expression:");
}

// Words that cannot start a column reference [S 06/1.2]. `handled` is cleared for all others.
Result<uint32_t> SqlExprParser::parse_keyword_prefix(bool& handled) {
  const size_t first = tokens_.position();
  const uint32_t node = next_node();
  const auto bad = [&] { return push_bad(RawExpr::Kind::kBadExpression, first, node); };
  if (tokens_.at_any_keyword({"TRUE", "FALSE"})) return push_literal(ast::Literal::Kind::kBool);
  if (tokens_.take_keyword("NULL")) return push_bad(RawExpr::Kind::kBadLiteral, first, node);
  if (tokens_.take_keyword("NOT")) {
    WL_RETURN_IF_ERROR(parse_above(kNotPrecedence).status());
    return bad();
  }
  if (tokens_.take_keyword("CASE")) {
    WL_RETURN_IF_ERROR(tokens_.skip_until({"END"}));
    WL_RETURN_IF_ERROR(tokens_.expect_keyword("END"));
    return bad();
  }
  if (tokens_.at_any_keyword({"CURRENT_CATALOG", "CURRENT_USER", "SESSION_USER", "USER"})) {
    tokens_.take();
    return bad();
  }
  if (tokens_.at_any_keyword(
          {"CURRENT_TIMESTAMP", "CURRENT_TIME", "CURRENT_DATE", "LOCALTIME", "LOCALTIMESTAMP"})) {
    tokens_.take();
    if (tokens_.at_symbol("(")) WL_RETURN_IF_ERROR(tokens_.skip_brackets());
    return bad();
  }
  if (tokens_.at_any_keyword({"CAST", "TRY_CAST", "SAFE_CAST", "EXISTS", "EXTRACT", "CEIL", "FLOOR",
                              "POSITION", "SUBSTRING", "OVERLAY", "TRIM", "LISTAGG",
                              "ARRAY_AGG"})) {
    tokens_.take();
    if (!tokens_.at_symbol("(")) return tokens_.expected("(");
    WL_RETURN_IF_ERROR(tokens_.skip_brackets());
    return bad();
  }
  if (tokens_.take_keyword("ARRAY")) {
    if (!tokens_.at_symbol("[") && !tokens_.at_symbol("(")) return tokens_.expected("[");
    WL_RETURN_IF_ERROR(tokens_.skip_brackets());
    return bad();
  }
  if (tokens_.take_keyword("INTERVAL")) {
    WL_RETURN_IF_ERROR(parse_above(kPostfixPrecedence).status());
    return bad();
  }
  if (is_type_word(tokens_.peek()) && tokens_.peek(1).kind == TokenKind::kString) {
    tokens_.take();
    tokens_.take();
    return bad();
  }
  handled = false;
  return uint32_t{0};
}

// A column reference or a call.
Result<uint32_t> SqlExprParser::parse_word() {
  RawExpr expr = start_here();
  WL_ASSIGN_OR_RETURN(std::string last, tokens_.expect_identifier());
  std::string relation;
  while (tokens_.at_symbol(".") && !tokens_.peek(1).is_symbol("*")) {
    tokens_.take();
    if (!relation.empty()) relation += '.';
    relation += last;
    WL_ASSIGN_OR_RETURN(last, tokens_.expect_identifier());
  }
  if (tokens_.at_symbol("(")) return parse_call(expr.first_token);
  expr.kind = RawExpr::Kind::kColumn;
  expr.node.kind = ExprKind::kColumn;
  expr.node.column = {std::move(relation), std::move(last)};
  return push(std::move(expr));
}

Result<uint32_t> SqlExprParser::parse_call(size_t first_token) {
  RawExpr expr = start_here();
  expr.kind = RawExpr::Kind::kCall;
  expr.first_token = first_token;
  const size_t open = tokens_.position();
  const auto name = tokens_.range(first_token, open);
  const bool is_count = name.size() == 1 && ascii_upper(name[0].value) == "COUNT";
  WL_RETURN_IF_ERROR(tokens_.skip_brackets());
  const auto arguments = tokens_.range(open + 1, tokens_.position() - 1);
  const bool star =
      (arguments.size() == 1 && arguments[0].is_symbol("*")) ||
      (arguments.size() == 2 && arguments[0].is_keyword("ALL") && arguments[1].is_symbol("*"));
  if (tokens_.at_keyword("FILTER") && tokens_.peek(1).is_symbol("(")) {
    expr.filtered = true;
    tokens_.take();
    WL_RETURN_IF_ERROR(tokens_.skip_brackets());
  }
  if (tokens_.take_keyword("OVER")) {
    expr.windowed = true;
    if (tokens_.at_symbol("(")) {
      WL_RETURN_IF_ERROR(tokens_.skip_brackets());
    } else {
      WL_RETURN_IF_ERROR(tokens_.expect_identifier().status());
    }
  }
  expr.count_star = is_count && star && !expr.filtered && !expr.windowed;
  return push(std::move(expr));
}

// One sign directly before a number is part of the literal [S 06/1.3].
Result<uint32_t> SqlExprParser::parse_sign() {
  const size_t first = tokens_.position();
  const uint32_t node = next_node();
  const std::string sign = tokens_.take().value;
  if (tokens_.peek().kind == TokenKind::kNumber) {
    const uint32_t number = push_literal(ast::Literal::Kind::kNumber);
    raw_[number].first_token = first;
    raw_[number].node.literal.text.insert(0, sign);
    return number;
  }
  WL_RETURN_IF_ERROR(parse_above(kPlusPrecedence).status());
  return push_bad(RawExpr::Kind::kBadExpression, first, node);
}

Result<uint32_t> SqlExprParser::parse_parenthesised() {
  RawExpr expr = start_here();
  const Token& next = tokens_.peek(1);
  if (next.is_keyword("SELECT") || next.is_keyword("WITH") || next.is_keyword("VALUES")) {
    WL_RETURN_IF_ERROR(tokens_.skip_brackets());
    return push_bad(RawExpr::Kind::kBadExpression, expr.first_token, expr.first_node);
  }
  tokens_.take();
  WL_ASSIGN_OR_RETURN(const uint32_t child, parse());
  bool tuple = false;
  while (tokens_.take_symbol(",")) {
    tuple = true;
    WL_RETURN_IF_ERROR(parse().status());
  }
  WL_RETURN_IF_ERROR(tokens_.expect_symbol(")"));
  if (tuple) return push_bad(RawExpr::Kind::kBadExpression, expr.first_token, expr.first_node);
  expr.kind = RawExpr::Kind::kNested;
  expr.node.children = {child};
  expr.height = raw_[child].height;
  return push(std::move(expr));
}

// `:name`; exactly `:sender` is the parameter [S 06/1.3].
Result<uint32_t> SqlExprParser::parse_sender() {
  RawExpr expr = start_here();
  tokens_.take();
  const Token& name = tokens_.peek();
  const bool is_name = name.kind == TokenKind::kWord || name.kind == TokenKind::kNumber;
  if (!is_name) return tokens_.expected("placeholder");
  const bool is_sender = name.kind == TokenKind::kWord && name.value == "sender";
  tokens_.take();
  if (!is_sender) return push_bad(RawExpr::Kind::kBadLiteral, expr.first_token, expr.first_node);
  expr.kind = RawExpr::Kind::kSender;
  expr.node.kind = ExprKind::kSender;
  return push(std::move(expr));
}

Result<uint32_t> SqlExprParser::parse_infix(uint32_t left, int precedence) {
  const size_t first_token = raw_[left].first_token;
  const uint32_t first_node = first_node_of(left);
  const Token& token = tokens_.peek();
  if (token.kind == TokenKind::kSymbol && precedence != kPostfixPrecedence)
    return parse_binary(left, precedence);
  if (tokens_.at_any_keyword({"AND", "OR", "XOR"})) return parse_binary(left, precedence);
  if (tokens_.at_symbol("[")) {
    WL_RETURN_IF_ERROR(tokens_.skip_brackets());
  } else if (tokens_.take_symbol("::")) {
    WL_RETURN_IF_ERROR(parse_type_name());
  } else if (tokens_.take_symbol("!")) {
    // Factorial: nothing follows.
  } else if (token.kind == TokenKind::kSymbol) {
    return parse_binary(left, precedence);
  } else if (tokens_.take_keyword("IS")) {
    WL_RETURN_IF_ERROR(parse_is_suffix());
  } else if (tokens_.take_keyword("COLLATE")) {
    WL_RETURN_IF_ERROR(tokens_.expect_dotted_name().status());
  } else if (tokens_.take_keyword("AT")) {
    tokens_.take();
    WL_RETURN_IF_ERROR(tokens_.expect_keyword("ZONE"));
    WL_RETURN_IF_ERROR(parse_above(kPostfixPrecedence).status());
  } else {
    WL_RETURN_IF_ERROR(parse_range_suffix());
  }
  return push_bad(RawExpr::Kind::kBadExpression, first_token, first_node);
}

Result<uint32_t> SqlExprParser::parse_binary(uint32_t left, int precedence) {
  const size_t first_token = raw_[left].first_token;
  const uint32_t first_node = first_node_of(left);
  const Token& op = tokens_.take();
  const std::string text = op.kind == TokenKind::kWord ? ascii_upper(op.value) : op.value;
  WL_ASSIGN_OR_RETURN(const uint32_t right, parse_above(precedence));
  if (text == "AND") return join(ExprKind::kAnd, CompareOp::kEq, left, right);
  if (text == "OR") return join(ExprKind::kOr, CompareOp::kEq, left, right);
  if (const auto compare = find_compare_op(text))
    return join(ExprKind::kCompare, *compare, left, right);
  const uint32_t bad = push_bad(RawExpr::Kind::kBadOperator, first_token, first_node);
  raw_[bad].operator_text = text;
  return bad;
}

uint32_t SqlExprParser::join(ExprKind kind, CompareOp op, uint32_t left, uint32_t right) {
  RawExpr expr;
  expr.kind = kind == ExprKind::kAnd  ? RawExpr::Kind::kAnd
              : kind == ExprKind::kOr ? RawExpr::Kind::kOr
                                      : RawExpr::Kind::kCompare;
  expr.node.kind = kind;
  expr.node.op = op;
  expr.first_token = raw_[left].first_token;
  expr.first_node = first_node_of(left);
  expr.height = 1 + std::max(raw_[left].height, raw_[right].height);
  if (kind != ExprKind::kCompare && raw_[left].kind == expr.kind) {
    // a AND b AND c: the chain becomes one node; the old one stays behind, childless.
    expr.node.children = std::exchange(raw_[left].node.children, {});
  } else {
    expr.node.children = {left};
  }
  expr.node.children.push_back(right);
  return push(std::move(expr));
}

// Behind IS.
Status SqlExprParser::parse_is_suffix() {
  tokens_.take_keyword("NOT");
  if (tokens_.take_keywords("DISTINCT", "FROM")) return parse_above(kIsPrecedence).status();
  if (!tokens_.at_any_keyword({"NULL", "TRUE", "FALSE", "UNKNOWN"}))
    return tokens_.expected("[NOT] NULL or TRUE|FALSE or [NOT] DISTINCT FROM after IS");
  tokens_.take();
  return {};
}

// [NOT] IN, BETWEEN, LIKE, ILIKE, SIMILAR TO.
Status SqlExprParser::parse_range_suffix() {
  tokens_.take_keyword("NOT");
  if (tokens_.take_keyword("IN")) {
    if (!tokens_.at_symbol("(")) return tokens_.expected("(");
    return tokens_.skip_brackets();
  }
  if (tokens_.take_keyword("BETWEEN")) {
    WL_RETURN_IF_ERROR(parse_above(kComparePrecedence).status());
    WL_RETURN_IF_ERROR(tokens_.expect_keyword("AND"));
    return parse_above(kComparePrecedence).status();
  }
  if (tokens_.take_keyword("SIMILAR")) {
    WL_RETURN_IF_ERROR(tokens_.expect_keyword("TO"));
  } else {
    tokens_.take();  // LIKE or ILIKE.
  }
  WL_RETURN_IF_ERROR(parse_above(kLikePrecedence).status());
  if (!tokens_.take_keyword("ESCAPE")) return {};
  tokens_.take();
  return {};
}

Status SqlExprParser::parse_type_name() {
  WL_RETURN_IF_ERROR(tokens_.expect_dotted_name().status());
  while (tokens_.at_symbol("(") || tokens_.at_symbol("["))
    WL_RETURN_IF_ERROR(tokens_.skip_brackets());
  return {};
}

Status SqlExprParser::refusal(uint32_t node) const {
  const RawExpr& raw = raw_[node];
  if (raw.kind == RawExpr::Kind::kBadLiteral)
    return Status::invalid_argument("Unsupported literal expression: {}", text(node));
  if (raw.kind == RawExpr::Kind::kBadOperator)
    return Status::invalid_argument("Unsupported binary operator: {}", raw.operator_text);
  return Status::invalid_argument("Unsupported expression: {}", text(node));
}

Result<ast::ExprId> SqlExprParser::convert(uint32_t node, ast::ExprPool& pool) const {
  if (raw_[node].height > ast::kExprHeightMax)
    return Status::invalid_argument("Recursion limit exceeded, `sql-parser::parse_expr`");
  const uint32_t first = raw_[node].first_node;
  std::vector<ast::ExprId> converted(node - first + 1);
  for (uint32_t i = first; i <= node; ++i) {
    const RawExpr& raw = raw_[i];
    switch (raw.kind) {
      case RawExpr::Kind::kCall:
      case RawExpr::Kind::kBadLiteral:
      case RawExpr::Kind::kBadOperator:
      case RawExpr::Kind::kBadExpression:
        return refusal(i);
      case RawExpr::Kind::kNested:
        converted[i - first] = converted[raw.node.children[0] - first];
        continue;
      case RawExpr::Kind::kAnd:
      case RawExpr::Kind::kOr:
        if (raw.node.children.empty()) continue;  // Absorbed by join().
        break;
      case RawExpr::Kind::kLiteral:
      case RawExpr::Kind::kSender:
      case RawExpr::Kind::kColumn:
      case RawExpr::Kind::kCompare:
        break;
    }
    ast::Expr expr = raw.node;
    for (ast::ExprId& child : expr.children) child = converted[child - first];
    converted[i - first] = static_cast<ast::ExprId>(pool.nodes.size());
    pool.nodes.push_back(std::move(expr));
  }
  return converted[node - first];
}

}  // namespace worldline::query
