#include "query/sql_parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "query/sql_expr_parser.h"
#include "query/sql_lexer.h"
#include "query/sql_token_stream.h"

namespace worldline::query {
namespace {

using ast::ExprId;

bool is_reserved_alias(const Token& token, bool for_table) {
  static constexpr std::string_view kBoth[] = {
      "WITH",   "EXPLAIN", "ANALYZE", "SELECT",    "WHERE",   "GROUP",      "SORT",
      "HAVING", "ORDER",   "TOP",     "LATERAL",   "VIEW",    "LIMIT",      "OFFSET",
      "FETCH",  "UNION",   "EXCEPT",  "INTERSECT", "CLUSTER", "DISTRIBUTE", "END"};
  static constexpr std::string_view kTable[] = {"PIVOT", "ON",   "JOIN",    "INNER",   "CROSS",
                                                "FULL",  "LEFT", "RIGHT",   "NATURAL", "USING",
                                                "OUTER", "SET",  "QUALIFY", "WINDOW",  "PARTITION"};
  static constexpr std::string_view kColumn[] = {"FROM", "INTO"};
  const auto is = [&](std::string_view word) { return token.is_keyword(word); };
  if (std::any_of(std::begin(kBoth), std::end(kBoth), is)) return true;
  if (for_table) return std::any_of(std::begin(kTable), std::end(kTable), is);
  return std::any_of(std::begin(kColumn), std::end(kColumn), is);
}

bool is_other_statement(const Token& token) {
  static constexpr std::string_view kWords[] = {
      "CREATE",   "DROP",    "ALTER",    "TRUNCATE",   "BEGIN",   "START", "COMMIT",
      "ROLLBACK", "EXPLAIN", "DESCRIBE", "DESC",       "ANALYZE", "COPY",  "GRANT",
      "REVOKE",   "PREPARE", "EXECUTE",  "DEALLOCATE", "USE",     "KILL",  "CLOSE",
      "DECLARE",  "FETCH",   "DISCARD",  "SAVEPOINT",  "MERGE",   "CACHE", "UNCACHE",
      "MSCK",     "ASSERT",  "COMMENT",  "WITH",       "VALUES"};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](std::string_view word) { return token.is_keyword(word); });
}

// One table of FROM, before it is judged.
struct RawRelation {
  ast::Relation relation;
  std::string unsupported;  // Text of anything that is not `name [AS alias]`.
};

struct RawJoin {
  RawRelation right;
  bool inner = true;
  std::optional<uint32_t> on;
};

struct RawItem {
  enum class Kind : uint8_t { kStar, kRelationStar, kExpr } kind = Kind::kExpr;
  std::string relation;
  uint32_t expr = 0;
  std::optional<std::string> alias;
};

struct RawSelect {
  bool unsupported_select = false;  // DISTINCT, GROUP BY, ...
  std::string select_text;
  std::vector<RawItem> items;
  std::vector<RawRelation> from;  // More than one: an implicit join.
  std::vector<RawJoin> joins;
  std::optional<uint32_t> where;
};

class SqlParser {
 public:
  SqlParser(std::vector<Token> tokens, Dialect dialect)
      : tokens_(std::move(tokens)), exprs_(tokens_), dialect_(dialect) {}

  Result<ast::Statement> run();

 private:
  // A parse function reads its statement to the end; what it refuses becomes an error only after
  // the whole text was found to be well formed, hence the two layers of Result.
  using Outcome = Result<ast::Statement>;

  Result<Outcome> parse_statement();
  Result<Outcome> parse_known_statement();
  Result<Outcome> parse_other();
  Result<Outcome> parse_query();
  Result<Outcome> parse_insert();
  Result<Outcome> parse_update();
  Result<Outcome> parse_delete();
  Result<Outcome> parse_set();
  Result<Outcome> parse_show();

  Result<RawSelect> parse_select_body();
  Status parse_items(RawSelect& select);
  Result<RawItem> parse_item();
  Status parse_from(RawSelect& select);
  Result<RawRelation> parse_relation();
  Status parse_table_alias(RawRelation& raw, size_t first);
  Result<std::optional<RawJoin>> parse_join();
  Status parse_query_tail(bool& unsupported, std::optional<std::string>& limit);
  Status parse_where(std::optional<uint32_t>& where);

  Outcome convert_query(const RawSelect& raw, std::optional<std::string> limit) const;
  Status convert_projection(const RawSelect& raw, ast::Projection& out) const;
  Status convert_item(const RawItem& item, bool alone, ast::Projection& out) const;
  Status convert_from(const RawSelect& raw, ast::Select& out) const;
  Status convert_join(const RawJoin& raw, ast::Select& out) const;
  Status check_qualified(const ast::Select& select) const;
  Result<ast::Literal> convert_value(uint32_t node, std::string_view refusal) const;

  Status unsupported(size_t first) const {
    return Status::invalid_argument("Unsupported: {}", tokens_.render(first, tokens_.position()));
  }
  // Takes the rest of the statement.
  Status skip_rest();

  TokenStream tokens_;
  SqlExprParser exprs_;
  const Dialect dialect_;
};

Result<ast::Statement> SqlParser::run() {
  std::optional<Outcome> only;
  size_t count = 0;
  bool separated = true;
  while (true) {
    while (tokens_.take_symbol(";")) separated = true;
    if (tokens_.at_end()) break;
    if (!separated) return tokens_.expected("end of statement");
    WL_ASSIGN_OR_RETURN(only, parse_statement());
    ++count;
    separated = false;
  }
  if (count == 0) return Status::invalid_argument("Empty SQL query");
  if (count > 1) return Status::invalid_argument("Multiple SQL statements are not supported");
  return *std::move(only);
}

Result<SqlParser::Outcome> SqlParser::parse_statement() {
  WL_RETURN_IF_ERROR(exprs_.enter());
  auto outcome = parse_known_statement();
  exprs_.leave();
  if (!outcome.ok() || dialect_ == Dialect::kQuery) return outcome;
  if (outcome->ok() && !std::holds_alternative<ast::Select>((*outcome)->body))
    return Outcome(Status::invalid_argument("Unsupported: Non-SELECT queries"));
  return outcome;
}

Result<SqlParser::Outcome> SqlParser::parse_known_statement() {
  if (tokens_.at_keyword("SELECT") || tokens_.at_symbol("(")) return parse_query();
  const bool dml = tokens_.at_any_keyword({"INSERT", "UPDATE", "DELETE", "SET", "SHOW"});
  if (!dml && is_other_statement(tokens_.peek())) return parse_other();
  if (!dml) return tokens_.expected("an SQL statement");
  auto outcome = tokens_.at_keyword("INSERT")   ? parse_insert()
                 : tokens_.at_keyword("UPDATE") ? parse_update()
                 : tokens_.at_keyword("DELETE") ? parse_delete()
                 : tokens_.at_keyword("SET")    ? parse_set()
                                                : parse_show();
  if (outcome.ok() && dialect_ == Dialect::kSubscription)
    return Outcome(Status::invalid_argument("Unsupported: Non-SELECT queries"));
  return outcome;
}

Status SqlParser::skip_rest() {
  WL_RETURN_IF_ERROR(tokens_.skip_until({}));
  return tokens_.at_statement_end() ? Status() : tokens_.expected("end of statement");
}

// A statement SQL knows and the dialect does not.
Result<SqlParser::Outcome> SqlParser::parse_other() {
  const size_t first = tokens_.position();
  const bool query = tokens_.at_any_keyword({"WITH", "VALUES"});
  const bool values = tokens_.at_keyword("VALUES");
  const bool begin = tokens_.at_keyword("BEGIN");
  tokens_.take();
  const bool bare = tokens_.at_statement_end();
  WL_RETURN_IF_ERROR(skip_rest());
  if (dialect_ == Dialect::kSubscription && !query)
    return Outcome(Status::invalid_argument("Unsupported: Non-SELECT queries"));
  if (dialect_ == Dialect::kSubscription && values)
    return Outcome(Status::invalid_argument("Unsupported set operation: {}",
                                            tokens_.render(first, tokens_.position())));
  if (begin && bare) return Outcome(Status::invalid_argument("Unsupported: BEGIN TRANSACTION"));
  return Outcome(unsupported(first));
}

// ---- SELECT ------------------------------------------------------------------------------------

Result<SqlParser::Outcome> SqlParser::parse_query() {
  const size_t first = tokens_.position();
  WL_RETURN_IF_ERROR(exprs_.enter());
  std::optional<RawSelect> select;
  if (tokens_.at_symbol("(")) {
    WL_RETURN_IF_ERROR(tokens_.skip_brackets());
  } else {
    WL_ASSIGN_OR_RETURN(select, parse_select_body());
  }
  bool set_operation = !select;
  if (tokens_.at_any_keyword({"UNION", "EXCEPT", "INTERSECT"})) {
    set_operation = true;
    WL_RETURN_IF_ERROR(tokens_.skip_until({"ORDER", "LIMIT", "OFFSET", "FETCH", "FOR"}));
  }
  const std::string body = set_operation ? tokens_.render(first, tokens_.position()) : "";
  bool unsupported_tail = false;
  std::optional<std::string> limit;
  WL_RETURN_IF_ERROR(parse_query_tail(unsupported_tail, limit));
  exprs_.leave();
  if (!tokens_.at_statement_end()) return tokens_.expected("end of statement");

  const bool query_dialect = dialect_ == Dialect::kQuery;
  if (unsupported_tail || (limit && !query_dialect)) return Outcome(unsupported(first));
  if (query_dialect && (set_operation || select->unsupported_select))
    return Outcome(unsupported(first));
  if (set_operation)
    return Outcome(Status::invalid_argument("Unsupported set operation: {}", body));
  if (select->unsupported_select)
    return Outcome(Status::invalid_argument("Unsupported SELECT: {}", select->select_text));
  return convert_query(*select, std::move(limit));
}

// ORDER BY, LIMIT, OFFSET, FETCH behind the body. A LIMIT that is not a plain number is refused.
Status SqlParser::parse_query_tail(bool& unsupported, std::optional<std::string>& limit) {
  while (true) {
    if (tokens_.take_keyword("ORDER")) {
      WL_RETURN_IF_ERROR(tokens_.expect_keyword("BY"));
      unsupported = true;
      WL_RETURN_IF_ERROR(tokens_.skip_until({"LIMIT", "OFFSET", "FETCH", "FOR"}));
    } else if (tokens_.take_keyword("LIMIT")) {
      if (tokens_.take_keyword("ALL")) continue;
      WL_ASSIGN_OR_RETURN(const uint32_t node, exprs_.parse());
      const RawExpr& raw = exprs_.raw(node);
      const bool number = raw.kind == RawExpr::Kind::kLiteral &&
                          raw.node.literal.kind == ast::Literal::Kind::kNumber &&
                          raw.last_token - raw.first_token == 1;
      if (number) {
        limit = raw.node.literal.text;
      } else {
        unsupported = true;
      }
    } else if (tokens_.at_any_keyword({"OFFSET", "FETCH"})) {
      unsupported = true;
      tokens_.take();
      WL_RETURN_IF_ERROR(tokens_.skip_until({"LIMIT", "OFFSET", "FETCH", "FOR"}));
    } else {
      return {};
    }
  }
}

Result<RawSelect> SqlParser::parse_select_body() {
  RawSelect select;
  const size_t first = tokens_.position();
  WL_RETURN_IF_ERROR(tokens_.expect_keyword("SELECT"));
  if (!tokens_.take_keyword("ALL") && tokens_.take_keyword("DISTINCT")) {
    select.unsupported_select = true;
    if (tokens_.take_keyword("ON") && tokens_.at_symbol("("))
      WL_RETURN_IF_ERROR(tokens_.skip_brackets());
  }
  if (tokens_.take_keyword("TOP")) {
    select.unsupported_select = true;
    if (tokens_.at_symbol("(")) {
      WL_RETURN_IF_ERROR(tokens_.skip_brackets());
    } else {
      tokens_.take();
    }
  }
  WL_RETURN_IF_ERROR(parse_items(select));
  if (tokens_.at_keyword("INTO")) {
    select.unsupported_select = true;
    WL_RETURN_IF_ERROR(tokens_.skip_until({"FROM"}));
  }
  WL_RETURN_IF_ERROR(parse_from(select));
  WL_RETURN_IF_ERROR(parse_where(select.where));
  if (tokens_.at_any_keyword(
          {"GROUP", "HAVING", "CLUSTER", "DISTRIBUTE", "SORT", "WINDOW", "QUALIFY", "LATERAL"})) {
    select.unsupported_select = true;
    WL_RETURN_IF_ERROR(tokens_.skip_until(
        {"UNION", "EXCEPT", "INTERSECT", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR"}));
  }
  select.select_text = tokens_.render(first, tokens_.position());
  return select;
}

Status SqlParser::parse_where(std::optional<uint32_t>& where) {
  if (!tokens_.take_keyword("WHERE")) return {};
  WL_ASSIGN_OR_RETURN(where, exprs_.parse());
  return {};
}

Status SqlParser::parse_items(RawSelect& select) {
  do {
    WL_ASSIGN_OR_RETURN(RawItem item, parse_item());
    select.items.push_back(std::move(item));
  } while (tokens_.take_symbol(","));
  return {};
}

Result<RawItem> SqlParser::parse_item() {
  RawItem item;
  if (tokens_.take_symbol("*")) {
    item.kind = RawItem::Kind::kStar;
    return item;
  }
  WL_ASSIGN_OR_RETURN(item.expr, exprs_.parse());
  const RawExpr& raw = exprs_.raw(item.expr);
  if (raw.kind == RawExpr::Kind::kColumn && tokens_.at_symbol(".") &&
      tokens_.peek(1).is_symbol("*")) {
    tokens_.take();
    tokens_.take();
    item.kind = RawItem::Kind::kRelationStar;
    const ast::ColumnRef& column = raw.node.column;
    item.relation = column.relation.empty() ? column.column : column.relation + "." + column.column;
    return item;
  }
  if (tokens_.take_keyword("AS")) {
    if (tokens_.peek().kind != TokenKind::kWord && tokens_.peek().kind != TokenKind::kQuotedWord)
      return tokens_.expected("an identifier after AS");
    item.alias = tokens_.take().value;
  } else if (tokens_.peek().kind == TokenKind::kQuotedWord ||
             (tokens_.peek().kind == TokenKind::kWord &&
              !is_reserved_alias(tokens_.peek(), false))) {
    tokens_.mark_implicit_alias();
    item.alias = tokens_.take().value;
  }
  return item;
}

Status SqlParser::parse_from(RawSelect& select) {
  if (!tokens_.take_keyword("FROM")) return {};
  do {
    WL_ASSIGN_OR_RETURN(RawRelation relation, parse_relation());
    select.from.push_back(std::move(relation));
    while (true) {
      WL_ASSIGN_OR_RETURN(std::optional<RawJoin> join, parse_join());
      if (!join) break;
      select.joins.push_back(*std::move(join));
    }
  } while (tokens_.take_symbol(","));
  return {};
}

Result<RawRelation> SqlParser::parse_relation() {
  RawRelation raw;
  const size_t first = tokens_.position();
  const bool function = tokens_.at_any_keyword({"TABLE", "UNNEST"});
  if (tokens_.at_keyword("LATERAL") || function) {
    tokens_.take();
    if (!tokens_.at_symbol("(")) return tokens_.expected("(");
    raw.unsupported = "x";
  }
  if (tokens_.at_symbol("(")) {
    WL_RETURN_IF_ERROR(tokens_.skip_brackets());
    raw.unsupported = "x";
  } else {
    WL_ASSIGN_OR_RETURN(raw.relation.table, tokens_.expect_dotted_name());
    if (tokens_.at_symbol("(")) {
      WL_RETURN_IF_ERROR(tokens_.skip_brackets());
      raw.unsupported = "x";
    }
  }
  raw.relation.alias = raw.relation.table;
  WL_RETURN_IF_ERROR(parse_table_alias(raw, first));
  return raw;
}

Status SqlParser::parse_table_alias(RawRelation& raw, size_t first) {
  const Token& token = tokens_.peek();
  bool alias = true;
  if (tokens_.take_keyword("AS")) {
    WL_ASSIGN_OR_RETURN(raw.relation.alias, tokens_.expect_identifier());
  } else if (token.kind == TokenKind::kQuotedWord ||
             (token.kind == TokenKind::kWord && !is_reserved_alias(token, true) &&
              !token.is_keyword("FOR") && !token.is_keyword("RETURNING"))) {
    tokens_.mark_implicit_alias();
    raw.relation.alias = tokens_.take().value;
  } else {
    alias = false;
  }
  if (alias && tokens_.at_symbol("(")) {
    WL_RETURN_IF_ERROR(tokens_.skip_brackets());
    raw.unsupported = "x";
  }
  if (!raw.unsupported.empty()) raw.unsupported = tokens_.render(first, tokens_.position());
  return {};
}

Result<std::optional<RawJoin>> SqlParser::parse_join() {
  RawJoin join;
  bool constrained = true;
  if (tokens_.take_keyword("JOIN") || tokens_.take_keywords("INNER", "JOIN")) {
    join.inner = true;
  } else if (tokens_.take_keywords("CROSS", "JOIN")) {
    constrained = false;
  } else if (tokens_.at_any_keyword({"LEFT", "RIGHT", "FULL", "NATURAL", "CROSS", "OUTER"})) {
    join.inner = false;
    constrained = !tokens_.at_keyword("NATURAL");
    tokens_.take();
    while (tokens_.at_any_keyword({"OUTER", "SEMI", "ANTI", "INNER", "LEFT", "RIGHT", "FULL"}))
      tokens_.take();
    if (!tokens_.take_keyword("APPLY")) WL_RETURN_IF_ERROR(tokens_.expect_keyword("JOIN"));
  } else {
    return std::optional<RawJoin>();
  }
  WL_ASSIGN_OR_RETURN(join.right, parse_relation());
  if (constrained && tokens_.take_keyword("ON")) {
    WL_ASSIGN_OR_RETURN(join.on, exprs_.parse());
  } else if (constrained && tokens_.take_keyword("USING")) {
    join.inner = false;
    if (!tokens_.at_symbol("(")) return tokens_.expected("(");
    WL_RETURN_IF_ERROR(tokens_.skip_brackets());
  }
  return std::optional<RawJoin>(std::move(join));
}

// The reference looks at the projection first in dialect Q and at FROM first in dialect S.
SqlParser::Outcome SqlParser::convert_query(const RawSelect& raw,
                                            std::optional<std::string> limit) const {
  ast::Select select;
  if (dialect_ == Dialect::kSubscription) {
    WL_RETURN_IF_ERROR(convert_from(raw, select));
    WL_RETURN_IF_ERROR(convert_projection(raw, select.projection));
  } else {
    WL_RETURN_IF_ERROR(convert_projection(raw, select.projection));
    WL_RETURN_IF_ERROR(convert_from(raw, select));
  }
  if (raw.where) {
    WL_ASSIGN_OR_RETURN(select.where, exprs_.convert(*raw.where, select.pool));
  }
  select.limit = std::move(limit);
  if (!select.joins.empty()) WL_RETURN_IF_ERROR(check_qualified(select));
  return ast::Statement{std::move(select)};
}

Status SqlParser::convert_projection(const RawSelect& raw, ast::Projection& out) const {
  const bool alone = raw.items.size() == 1;
  const RawItem& only = raw.items[0];
  if (alone && only.kind == RawItem::Kind::kStar) {
    out.kind = ast::Projection::Kind::kStar;
    return {};
  }
  if (alone && only.kind == RawItem::Kind::kRelationStar) {
    out.kind = ast::Projection::Kind::kRelation;
    out.relation = only.relation;
    return {};
  }
  out.kind = ast::Projection::Kind::kColumns;
  for (const RawItem& item : raw.items) WL_RETURN_IF_ERROR(convert_item(item, alone, out));
  return {};
}

Status SqlParser::convert_item(const RawItem& item, bool alone, ast::Projection& out) const {
  if (item.kind != RawItem::Kind::kExpr)
    return Status::invalid_argument("Mixed wildcard projections are not supported");
  const RawExpr& raw = exprs_.raw(item.expr);
  if (raw.kind == RawExpr::Kind::kColumn) {
    out.columns.push_back({raw.node.column, item.alias.value_or(raw.node.column.column)});
    return {};
  }
  if (raw.kind != RawExpr::Kind::kCall || !alone || raw.filtered)
    return Status::invalid_argument("Unsupported projection expression: {}",
                                    exprs_.text(item.expr));
  if (!item.alias)
    return Status::invalid_argument("Aggregate expressions must have column aliases");
  if (!raw.count_star)
    return Status::invalid_argument("Unsupported aggregate function: {}", exprs_.text(item.expr));
  out.kind = ast::Projection::Kind::kCount;
  out.count_name = *item.alias;
  return {};
}

Status SqlParser::convert_from(const RawSelect& raw, ast::Select& out) const {
  if (raw.from.empty()) return Status::invalid_argument("A FROM clause is required");
  if (raw.from.size() > 1) return Status::invalid_argument("Implicit joins are not supported");
  if (!raw.from[0].unsupported.empty())
    return Status::invalid_argument("Unsupported FROM expression: {}", raw.from[0].unsupported);
  out.from = raw.from[0].relation;
  for (const RawJoin& join : raw.joins) WL_RETURN_IF_ERROR(convert_join(join, out));
  return {};
}

Status SqlParser::convert_join(const RawJoin& raw, ast::Select& out) const {
  if (!raw.right.unsupported.empty())
    return Status::invalid_argument("Unsupported FROM expression: {}", raw.right.unsupported);
  const Status refused = Status::invalid_argument("Non-inner joins are not supported");
  if (!raw.inner) return refused;
  ast::Join join{raw.right.relation, std::nullopt};
  if (raw.on) {
    const RawExpr& on = exprs_.raw(*raw.on);
    if (on.kind != RawExpr::Kind::kCompare || on.node.op != ast::CompareOp::kEq) return refused;
    const RawExpr& left = exprs_.raw(on.node.children[0]);
    const RawExpr& right = exprs_.raw(on.node.children[1]);
    if (left.kind != RawExpr::Kind::kColumn || right.kind != RawExpr::Kind::kColumn) return refused;
    join.on = {left.node.column, right.node.column};
  }
  out.joins.push_back(std::move(join));
  return {};
}

Status SqlParser::check_qualified(const ast::Select& select) const {
  const Status refused = Status::invalid_argument("Names must be qualified when using joins");
  for (const ast::ColumnItem& item : select.projection.columns)
    if (item.column.relation.empty()) return refused;
  for (const ast::Join& join : select.joins)
    if (join.on && (join.on->first.relation.empty() || join.on->second.relation.empty()))
      return refused;
  for (const ast::Expr& expr : select.pool.nodes)
    if (expr.kind == ast::ExprKind::kColumn && expr.column.relation.empty()) return refused;
  return {};
}

// ---- DML, SET, SHOW ----------------------------------------------------------------------------

Result<ast::Literal> SqlParser::convert_value(uint32_t node, std::string_view refusal) const {
  const RawExpr& raw = exprs_.raw(node);
  if (raw.kind == RawExpr::Kind::kLiteral) return raw.node.literal;
  if (raw.kind == RawExpr::Kind::kSender || raw.kind == RawExpr::Kind::kBadLiteral)
    return Status::invalid_argument("Unsupported literal expression: {}", exprs_.text(node));
  return Status::invalid_argument("{}: {}", refusal, exprs_.text(node));
}

Result<SqlParser::Outcome> SqlParser::parse_insert() {
  const size_t first = tokens_.position();
  tokens_.take();
  bool refused = false;
  if (tokens_.take_keyword("OR") || tokens_.take_keyword("OVERWRITE")) {
    refused = true;
    WL_RETURN_IF_ERROR(tokens_.skip_until({"INTO"}));
  }
  tokens_.take_keyword("INTO");
  ast::Insert insert;
  WL_ASSIGN_OR_RETURN(insert.table, tokens_.expect_dotted_name());
  if (tokens_.take_symbol("(")) {
    do {
      WL_RETURN_IF_ERROR(tokens_.expect_identifier().status());
      ++insert.column_count;
    } while (tokens_.take_symbol(","));
    WL_RETURN_IF_ERROR(tokens_.expect_symbol(")"));
  }
  const size_t source = tokens_.position();
  const bool values = tokens_.take_keyword("VALUES");
  if (!values && !tokens_.at_any_keyword({"SELECT", "WITH"}) && !tokens_.at_symbol("("))
    return tokens_.expected("SELECT, VALUES, or a subquery in the query body");
  std::vector<std::vector<uint32_t>> rows;
  while (values) {
    rows.emplace_back();
    WL_RETURN_IF_ERROR(tokens_.expect_symbol("("));
    do {
      WL_ASSIGN_OR_RETURN(const uint32_t node, exprs_.parse());
      rows.back().push_back(node);
    } while (tokens_.take_symbol(","));
    WL_RETURN_IF_ERROR(tokens_.expect_symbol(")"));
    if (!tokens_.take_symbol(",")) break;
  }
  if (!values) WL_RETURN_IF_ERROR(tokens_.skip_until({"RETURNING"}));
  const std::string source_text = tokens_.render(source, tokens_.position());
  if (tokens_.at_any_keyword({"ON", "RETURNING"})) {
    refused = true;
    WL_RETURN_IF_ERROR(skip_rest());
  }
  if (refused) return Outcome(unsupported(first));
  if (!values)
    return Outcome(Status::invalid_argument("Unsupported INSERT expression: {}", source_text));
  for (const auto& row : rows) {
    insert.rows.emplace_back();
    for (const uint32_t node : row) {
      auto literal = convert_value(node, "Unsupported INSERT value");
      if (!literal.ok()) return Outcome(literal.status());
      insert.rows.back().push_back(std::move(*literal));
    }
  }
  return Outcome(ast::Statement{std::move(insert)});
}

Result<SqlParser::Outcome> SqlParser::parse_update() {
  const size_t first = tokens_.position();
  tokens_.take();
  WL_ASSIGN_OR_RETURN(const RawRelation relation, parse_relation());
  bool refused =
      !relation.unsupported.empty() || relation.relation.alias != relation.relation.table;
  while (true) {
    WL_ASSIGN_OR_RETURN(const std::optional<RawJoin> join, parse_join());
    if (!join) break;
    refused = true;
  }
  WL_RETURN_IF_ERROR(tokens_.expect_keyword("SET"));
  std::vector<std::pair<std::string, uint32_t>> assignments;
  Status bad_assignment;
  do {
    const size_t start = tokens_.position();
    std::string column;
    if (tokens_.at_symbol("(")) {
      WL_RETURN_IF_ERROR(tokens_.skip_brackets());
    } else {
      WL_ASSIGN_OR_RETURN(column, tokens_.expect_dotted_name());
    }
    WL_RETURN_IF_ERROR(tokens_.expect_symbol("="));
    WL_ASSIGN_OR_RETURN(const uint32_t node, exprs_.parse());
    if (column.empty() && bad_assignment.ok())
      bad_assignment =
          Status::invalid_argument("Unsupported column/variable assignment expression: {}",
                                   tokens_.render(start, tokens_.position()));
    assignments.emplace_back(std::move(column), node);
  } while (tokens_.take_symbol(","));
  std::optional<uint32_t> where;
  if (tokens_.at_keyword("FROM")) {
    refused = true;
    WL_RETURN_IF_ERROR(tokens_.skip_until({"WHERE", "RETURNING"}));
  }
  WL_RETURN_IF_ERROR(parse_where(where));
  if (tokens_.at_keyword("RETURNING")) {
    refused = true;
    WL_RETURN_IF_ERROR(skip_rest());
  }
  if (refused) return Outcome(unsupported(first));
  if (!bad_assignment.ok()) return Outcome(bad_assignment);
  ast::Update update;
  update.table = relation.relation.table;
  for (auto& [column, node] : assignments) {
    auto literal = convert_value(node, "Unsupported column/variable assignment expression");
    if (!literal.ok()) return Outcome(literal.status());
    update.assignments.push_back({std::move(column), std::move(*literal)});
  }
  if (where) {
    auto converted = exprs_.convert(*where, update.pool);
    if (!converted.ok()) return Outcome(converted.status());
    update.where = *converted;
  }
  return Outcome(ast::Statement{std::move(update)});
}

Result<SqlParser::Outcome> SqlParser::parse_delete() {
  const size_t first = tokens_.position();
  tokens_.take();
  bool refused = false;
  if (!tokens_.at_keyword("FROM")) {
    refused = true;  // DELETE a, b FROM ...
    do {
      WL_RETURN_IF_ERROR(tokens_.expect_dotted_name().status());
    } while (tokens_.take_symbol(","));
  }
  WL_RETURN_IF_ERROR(tokens_.expect_keyword("FROM"));
  const size_t from_first = tokens_.position();
  RawSelect from;
  do {
    WL_ASSIGN_OR_RETURN(RawRelation relation, parse_relation());
    from.from.push_back(std::move(relation));
    while (true) {
      WL_ASSIGN_OR_RETURN(std::optional<RawJoin> join, parse_join());
      if (!join) break;
      from.joins.push_back(*std::move(join));
    }
  } while (tokens_.take_symbol(","));
  const std::string from_text = tokens_.render(from_first, tokens_.position());
  if (tokens_.at_keyword("USING")) {
    refused = true;
    WL_RETURN_IF_ERROR(tokens_.skip_until({"WHERE", "RETURNING"}));
  }
  std::optional<uint32_t> where;
  WL_RETURN_IF_ERROR(parse_where(where));
  if (tokens_.at_keyword("RETURNING")) {
    refused = true;
    WL_RETURN_IF_ERROR(skip_rest());
  }
  if (refused) return Outcome(unsupported(first));
  if (from.from.size() > 1)
    return Outcome(Status::invalid_argument("Multi-table DELETE is not supported"));
  const ast::Relation& relation = from.from[0].relation;
  if (!from.joins.empty() || !from.from[0].unsupported.empty() || relation.alias != relation.table)
    return Outcome(
        Status::invalid_argument("Unsupported table expression in DELETE: {}", from_text));
  ast::Delete remove;
  remove.table = relation.table;
  if (where) {
    auto converted = exprs_.convert(*where, remove.pool);
    if (!converted.ok()) return Outcome(converted.status());
    remove.where = *converted;
  }
  return Outcome(ast::Statement{std::move(remove)});
}

Result<SqlParser::Outcome> SqlParser::parse_set() {
  const size_t first = tokens_.position();
  tokens_.take();
  const bool refused_form = tokens_.at_any_keyword({"LOCAL", "HIVEVAR", "TRANSACTION", "NAMES"}) ||
                            (tokens_.at_keyword("TIME") && tokens_.peek(1).is_keyword("ZONE"));
  if (refused_form) {
    WL_RETURN_IF_ERROR(skip_rest());
    return Outcome(unsupported(first));
  }
  if (tokens_.at_keyword("SESSION") && !tokens_.peek(1).is_symbol("=")) tokens_.take();
  ast::SetVariable set;
  WL_ASSIGN_OR_RETURN(set.name, tokens_.expect_dotted_name());
  if (!tokens_.take_symbol("=") && !tokens_.take_keyword("TO"))
    return tokens_.expected("equals sign or TO");
  WL_ASSIGN_OR_RETURN(const uint32_t node, exprs_.parse());
  bool several = false;
  while (tokens_.take_symbol(",")) {
    several = true;
    WL_RETURN_IF_ERROR(exprs_.parse().status());
  }
  if (several) return Outcome(unsupported(first));
  auto literal = convert_value(node, "Unsupported column/variable assignment expression");
  if (!literal.ok()) return Outcome(literal.status());
  set.value = std::move(*literal);
  return Outcome(ast::Statement{std::move(set)});
}

Result<SqlParser::Outcome> SqlParser::parse_show() {
  const size_t first = tokens_.position();
  tokens_.take();
  if (tokens_.at_any_keyword({"TABLES", "COLUMNS", "FIELDS", "FUNCTIONS", "CREATE", "COLLATION",
                              "EXTENDED", "FULL"})) {
    WL_RETURN_IF_ERROR(skip_rest());
    return Outcome(unsupported(first));
  }
  ast::ShowVariable show;
  while (tokens_.peek().kind == TokenKind::kWord || tokens_.peek().kind == TokenKind::kQuotedWord) {
    if (!show.name.empty()) show.name += '.';
    show.name += tokens_.take().value;
  }
  if (show.name.empty()) return tokens_.expected("identifier");
  return Outcome(ast::Statement{std::move(show)});
}

}  // namespace

Result<ast::Statement> parse_sql(std::string_view text, Dialect dialect) {
  if (text.size() > kSqlBytesMax) {
    size_t shown = 0;  // 120 characters.
    for (size_t characters = 0; shown < text.size(); ++shown)
      if ((static_cast<unsigned char>(text[shown]) & 0xC0) != 0x80 && ++characters > 120) break;
    return Status::too_large("SQL query exceeds maximum allowed length: \"{}...\"",
                             text.substr(0, shown));
  }
  WL_ASSIGN_OR_RETURN(std::vector<Token> tokens, lex_sql(text));
  return SqlParser(std::move(tokens), dialect).run();
}

bool is_select_everything(std::string_view text) {
  auto tokens = text.size() <= kSqlBytesMax ? lex_sql(text) : Status::invalid_argument("long");
  if (!tokens.ok() || tokens->size() != 5) return false;
  if (text.find("--") != std::string_view::npos || text.find("/*") != std::string_view::npos)
    return false;
  return (*tokens)[0].is_keyword("SELECT") && (*tokens)[1].is_symbol("*") &&
         (*tokens)[2].is_keyword("FROM") && (*tokens)[3].is_symbol("*");
}

}  // namespace worldline::query
