// query/sql_ast.h
//
// The syntax tree: exactly what the dialect accepts [S 06/1.4]. Names are text, not yet resolved;
// literals are text, not yet typed.
//
// Invariants: expressions live in one pool per statement and refer to each other by position;
// children precede their parents, so the pool is a tree without pointers and dies without
// recursion. Chains of AND or OR are one node with many children. Height <= kExprHeightMax.
// Ownership: plain values; frozen once parsed. Thread: any. Sources: [S 06/1.2-1.7].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace worldline::query::ast {

// Levels of operators in one expression; beyond it the text of [S 06/1.1].
inline constexpr uint32_t kExprHeightMax = 1601;

using ExprId = uint32_t;

enum class CompareOp : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe };
const char* compare_op_text(CompareOp op);  // `=`, `<>`, ...
CompareOp mirrored(CompareOp op);           // The operator with its sides exchanged.

struct ColumnRef {
  std::string relation;  // Empty: unqualified.
  std::string column;
};

struct Literal {
  enum class Kind : uint8_t { kBool, kNumber, kString, kHex };
  Kind kind = Kind::kNumber;
  bool bool_value = false;
  std::string text;  // Sign and digits, hex digits, or the string's content.
};

enum class ExprKind : uint8_t { kLiteral, kSender, kColumn, kCompare, kAnd, kOr };

struct Expr {
  ExprKind kind = ExprKind::kLiteral;
  CompareOp op = CompareOp::kEq;
  Literal literal;
  ColumnRef column;
  std::vector<ExprId> children;  // Two for kCompare, two or more for kAnd and kOr.
};

struct ExprPool {
  std::vector<Expr> nodes;
  const Expr& operator[](ExprId id) const { return nodes[id]; }
};

struct Relation {
  std::string table;  // Dotted names joined.
  std::string alias;  // The table as written if there is none.
};

struct Join {
  Relation relation;
  std::optional<std::pair<ColumnRef, ColumnRef>> on;
};

struct ColumnItem {
  ColumnRef column;
  std::string name;  // Alias, else the column as written.
};

struct Projection {
  enum class Kind : uint8_t { kStar, kRelation, kColumns, kCount };
  Kind kind = Kind::kStar;
  std::string relation;             // kRelation.
  std::vector<ColumnItem> columns;  // kColumns.
  std::string count_name;           // kCount.
};

struct Select {
  Projection projection;
  Relation from;
  std::vector<Join> joins;
  ExprPool pool;
  std::optional<ExprId> where;
  std::optional<std::string> limit;  // Text of the number.
};

struct Insert {
  std::string table;
  size_t column_count = 0;  // Names are not looked at: QUIRK [S 06/1.12].
  std::vector<std::vector<Literal>> rows;
};

struct Assignment {
  std::string column;  // As written, dots included.
  Literal value;
};

struct Update {
  std::string table;
  std::vector<Assignment> assignments;
  ExprPool pool;
  std::optional<ExprId> where;
};

struct Delete {
  std::string table;
  ExprPool pool;
  std::optional<ExprId> where;
};

struct SetVariable {
  std::string name;
  Literal value;
};

struct ShowVariable {
  std::string name;
};

struct Statement {
  std::variant<Select, Insert, Update, Delete, SetVariable, ShowVariable> body;
};

}  // namespace worldline::query::ast
