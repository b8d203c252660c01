// query/sql_expr_parser.h
//
// Reads expressions by operator precedence, PostgreSQL's operators included, into raw nodes; what
// the dialect refuses becomes a node that remembers its tokens for the refusal [S 06/1.5].
//
// Invariants: raw nodes are in left-to-right post-order, so the nodes of one expression are the
// contiguous range [RawExpr::first_node, its own position]. A refused node has no children.
// Ownership: borrows the token stream. Thread: one at a time.
// Errors: syntax errors of [S 06/1.15]; beyond the depth `sql parser error: recursion limit
// exceeded`. Refusals come from convert(). Sources: [S 06/1.1-1.5].
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "query/sql_ast.h"
#include "query/sql_token_stream.h"

namespace worldline::query {

struct RawExpr {
  enum class Kind : uint8_t {
    kLiteral,
    kSender,
    kColumn,
    kCompare,
    kAnd,
    kOr,
    kNested,         // In parentheses; one child.
    kCall,           // A function call; `count_star`, `filtered`, `windowed` describe it.
    kBadLiteral,     // Unsupported literal expression.
    kBadOperator,    // Unsupported binary operator.
    kBadExpression,  // Unsupported expression.
  };
  Kind kind = Kind::kLiteral;
  ast::Expr node;             // Valid for the first six kinds.
  std::string operator_text;  // kBadOperator.
  bool count_star = false;
  bool filtered = false;
  bool windowed = false;
  uint32_t height = 0;
  uint32_t first_node = 0;  // The first raw node of this expression.
  size_t first_token = 0;   // Its tokens are [first_token, last_token).
  size_t last_token = 0;
};

class SqlExprParser {
 public:
  explicit SqlExprParser(TokenStream& tokens) : tokens_(tokens) {}

  // Nesting shared with the statement parser.
  Status enter();
  void leave() { --depth_; }

  Result<uint32_t> parse();  // The raw node of one whole expression.
  const RawExpr& raw(uint32_t node) const { return raw_[node]; }
  std::string text(uint32_t node) const {
    return tokens_.render(raw_[node].first_token, raw_[node].last_token);
  }

  // Appends the expression to `pool`; fails with the first refusal, left to right.
  Result<ast::ExprId> convert(uint32_t node, ast::ExprPool& pool) const;

 private:
  Result<uint32_t> parse_above(int precedence);
  Result<uint32_t> parse_nested(int precedence);
  Result<uint32_t> parse_prefix();
  Result<uint32_t> parse_keyword_prefix(bool& handled);
  Result<uint32_t> parse_word();
  Result<uint32_t> parse_call(size_t first_token);
  Result<uint32_t> parse_sign();
  Result<uint32_t> parse_parenthesised();
  Result<uint32_t> parse_sender();
  Result<uint32_t> parse_infix(uint32_t left, int precedence);
  Result<uint32_t> parse_binary(uint32_t left, int precedence);
  Status parse_is_suffix();
  Status parse_range_suffix();
  Status parse_type_name();
  int next_precedence() const;

  RawExpr start_here() const;
  uint32_t push(RawExpr expr);
  uint32_t push_literal(ast::Literal::Kind kind);
  // Replaces everything since `first_token` by one refused node.
  uint32_t push_bad(RawExpr::Kind kind, size_t first_token, uint32_t first_node);
  uint32_t join(ast::ExprKind kind, ast::CompareOp op, uint32_t left, uint32_t right);
  uint32_t first_node_of(uint32_t node) const { return raw_[node].first_node; }
  uint32_t next_node() const { return static_cast<uint32_t>(raw_.size()); }
  Status refusal(uint32_t node) const;

  TokenStream& tokens_;  // Borrowed; outlives this.
  std::vector<RawExpr> raw_;
  int depth_ = 0;
};

}  // namespace worldline::query
