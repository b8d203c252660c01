#include "query/binder.h"

#include <algorithm>
#include <set>
#include <utility>

#include "query/literal.h"
#include "schema/algebraic_type.h"
#include "schema/bsatn.h"
#include "storage/system_tables.h"

namespace worldline::query {
namespace {

using ast::CompareOp;
using schema::AlgebraicType;
using storage::ReadView;
using storage::TableSchema;
using storage::TableSchemaPtr;

constexpr ColumnId kProgramBytesColumn{4};  // st_module.program_bytes [S 05/2.2].

Status no_such_table(std::string_view name) {
  return Status::not_found("no such table: `{}`. If the table exists, it may be marked private.",
                           name);
}

Status not_in_scope(std::string_view name) {
  return Status::invalid_argument("`{}` is not in scope", name);
}

Status unexpected_type(const AlgebraicType& expected, const AlgebraicType& inferred) {
  return Status::invalid_argument("Unexpected type: (expected) {} != {} (inferred)",
                                  schema::print(expected), schema::print(inferred));
}

Status not_parseable(std::string_view text, const AlgebraicType& type) {
  return Status::invalid_argument("The literal expression `{}` cannot be parsed as type `{}`", text,
                                  schema::print(type));
}

Status duplicate_name(std::string_view name) {
  return Status::invalid_argument("Duplicate name `{}`", name);
}

bool is_view_name(const ReadView& view, std::string_view name) {
  const storage::TableView* views = view.find_table(storage::kStView);
  if (views == nullptr || views->row_count() == 0) return false;
  const schema::RowLayout& layout = views->schema().layout;
  for (storage::RowCursor cursor = views->scan(); cursor.next();)
    if (as_text(layout.column(cursor.row(), ColumnId(1)).subspan(4)) == name) return true;
  return false;
}

bool has_row_level_security(const ReadView& view, TableId table) {
  const storage::TableView* rules = view.find_table(storage::kStRowLevelSecurity);
  if (rules == nullptr || rules->row_count() == 0) return false;
  for (storage::RowCursor cursor = rules->scan(); cursor.next();)
    if (load_le<uint32_t>(cursor.row().data()) == table.value) return true;
  return false;
}

Result<TableSchemaPtr> find_visible_table(const ReadView& view, std::string_view name,
                                          const Caller& caller) {
  const storage::TableView* table = view.find_table(name);
  if (table == nullptr) {
    if (is_view_name(view, name))
      return Status::not_supported("`{}` is a view; views are not supported yet", name);
    return no_such_table(name);
  }
  const bool is_owner = caller.caller_class == CallerClass::kOwner;
  if (!is_owner && !table->schema().is_public) return no_such_table(name);
  if (!is_owner && has_row_level_security(view, table->schema().id))
    return Status::not_supported("table `{}` has row-level security, which is not supported yet",
                                 name);
  return table->schema_ptr();
}

std::optional<ColumnId> find_column(const TableSchema& table, std::string_view name) {
  for (size_t i = 0; i < table.columns.size(); ++i)
    if (table.columns[i].accessor == name) return ColumnId(static_cast<uint16_t>(i));
  for (size_t i = 0; i < table.columns.size(); ++i)
    if (table.columns[i].name == name) return ColumnId(static_cast<uint16_t>(i));
  return std::nullopt;
}

// One typed operand.
struct Typed {
  enum class Kind : uint8_t { kConstant, kColumn, kCondition };
  Kind kind = Kind::kConstant;
  AlgebraicType type;
  ByteBuffer constant;
  ColumnSlot column;
  ConditionId condition = 0;
};

class SelectBinder {
 public:
  SelectBinder(const ast::ExprPool& exprs, const ReadView& view, const Caller& caller)
      : exprs_(exprs), view_(view), caller_(caller) {}

  Status add_relation(const ast::Relation& relation);
  Status add_on(const std::pair<ast::ColumnRef, ast::ColumnRef>& on);
  Status add_where(ast::ExprId where);
  Status set_projection(const ast::Projection& projection);
  Status set_limit(const std::string& text);
  BoundQuery take();

 private:
  Result<Typed> type(ast::ExprId id, const AlgebraicType* expected);
  Result<Typed> type_literal(const ast::Literal& literal, const AlgebraicType* expected);
  Result<Typed> type_sender(const AlgebraicType* expected);
  Result<Typed> type_column(const ast::ColumnRef& column, const AlgebraicType* expected);
  Result<Typed> type_compare(const ast::Expr& expr, const AlgebraicType* expected);
  Result<Typed> type_junction(const ast::Expr& expr, const AlgebraicType* expected);
  Result<Typed> compare(Typed left, CompareOp op, Typed right);
  ConditionId condition_of(const Typed& typed);  // REQUIRES: Bool.
  Result<ColumnSlot> resolve(const ast::ColumnRef& column) const;
  Status project_relation(uint16_t relation);

  const ast::ExprPool& exprs_;  // Borrowed; outlives this.
  const ReadView& view_;
  const Caller& caller_;
  const AlgebraicType bool_ = AlgebraicType::boolean();
  std::vector<ConditionId> terms_;
  BoundQuery query_;
};

Status SelectBinder::add_relation(const ast::Relation& relation) {
  if (query_.relations.size() >= kRelationsMax)
    return Status::too_large("a query reads at most {} tables", kRelationsMax);
  WL_ASSIGN_OR_RETURN(TableSchemaPtr schema, find_visible_table(view_, relation.table, caller_));
  for (const BoundRelation& other : query_.relations)
    if (other.alias == relation.alias) return duplicate_name(relation.alias);
  BoundRelation bound{std::move(schema), relation.alias, std::nullopt};
  if (bound.schema->id == storage::kStModule && caller_.caller_class != CallerClass::kOwner)
    bound.hidden_column = kProgramBytesColumn;
  query_.relations.push_back(std::move(bound));
  return {};
}

Status SelectBinder::add_on(const std::pair<ast::ColumnRef, ast::ColumnRef>& on) {
  WL_ASSIGN_OR_RETURN(Typed left, type_column(on.first, nullptr));
  WL_ASSIGN_OR_RETURN(Typed right, type_column(on.second, &left.type));
  if (query_.relations.size() == 2) query_.first_on = {left.column, right.column};
  WL_ASSIGN_OR_RETURN(const Typed joined,
                      compare(std::move(left), CompareOp::kEq, std::move(right)));
  terms_.push_back(condition_of(joined));
  return {};
}

Status SelectBinder::add_where(ast::ExprId where) {
  WL_ASSIGN_OR_RETURN(const Typed condition, type(where, &bool_));
  terms_.push_back(condition_of(condition));
  return {};
}

Result<ColumnSlot> SelectBinder::resolve(const ast::ColumnRef& column) const {
  uint16_t relation = 0;
  if (!column.relation.empty()) {
    while (relation < query_.relations.size() &&
           query_.relations[relation].alias != column.relation)
      ++relation;
    if (relation == query_.relations.size()) return not_in_scope(column.relation);
  }
  const auto found = find_column(*query_.relations[relation].schema, column.column);
  if (!found) return not_in_scope(column.column);
  return ColumnSlot{relation, *found};
}

Result<Typed> SelectBinder::type(ast::ExprId id, const AlgebraicType* expected) {
  const ast::Expr& expr = exprs_[id];
  switch (expr.kind) {
    case ast::ExprKind::kLiteral:
      return type_literal(expr.literal, expected);
    case ast::ExprKind::kSender:
      return type_sender(expected);
    case ast::ExprKind::kColumn:
      return type_column(expr.column, expected);
    case ast::ExprKind::kCompare:
      return type_compare(expr, expected);
    case ast::ExprKind::kAnd:
    case ast::ExprKind::kOr:
      return type_junction(expr, expected);
  }
  return Status::internal("unknown expression");
}

Result<Typed> SelectBinder::type_literal(const ast::Literal& literal,
                                         const AlgebraicType* expected) {
  Typed typed;
  if (literal.kind == ast::Literal::Kind::kBool) {
    if (expected != nullptr && !(*expected == bool_)) return unexpected_type(bool_, *expected);
    typed.type = bool_;
    typed.constant = {static_cast<Byte>(literal.bool_value ? 1 : 0)};
    return typed;
  }
  if (expected == nullptr)
    return Status::invalid_argument("Cannot resolve type for literal expression");
  auto bytes = parse_literal(literal.text, *expected);
  if (!bytes) return not_parseable(literal.text, *expected);
  typed.type = *expected;
  typed.constant = *std::move(bytes);
  return typed;
}

Result<Typed> SelectBinder::type_sender(const AlgebraicType* expected) {
  query_.uses_sender = true;
  Typed typed;
  typed.type = AlgebraicType::identity();
  const Bytes identity = caller_.identity.bytes();
  if (expected != nullptr && expected->is_bytes()) {
    typed.type = *expected;
    schema::BsatnWriter(typed.constant).write_byte_array(identity);
    return typed;
  }
  if (expected != nullptr && !(*expected == typed.type))
    return unexpected_type(typed.type, *expected);
  typed.constant.assign(identity.begin(), identity.end());
  return typed;
}

Result<Typed> SelectBinder::type_column(const ast::ColumnRef& column,
                                        const AlgebraicType* expected) {
  Typed typed;
  typed.kind = Typed::Kind::kColumn;
  WL_ASSIGN_OR_RETURN(typed.column, resolve(column));
  const BoundRelation& relation = query_.relations[typed.column.relation];
  typed.type = relation.schema->columns[typed.column.column.value].type;
  if (expected != nullptr && !(*expected == typed.type))
    return unexpected_type(typed.type, *expected);
  if (relation.hidden_column == typed.column.column) {
    // What the caller cannot see is the empty array everywhere.
    typed.kind = Typed::Kind::kConstant;
    typed.constant.assign(4, 0);
  }
  return typed;
}

Result<Typed> SelectBinder::type_compare(const ast::Expr& expr, const AlgebraicType* expected) {
  if (expected != nullptr && !(*expected == bool_)) return unexpected_type(bool_, *expected);
  const ast::ExprKind first = exprs_[expr.children[0]].kind;
  const bool right_first = first == ast::ExprKind::kLiteral || first == ast::ExprKind::kSender;
  const ast::ExprId leader = expr.children[right_first ? 1 : 0];
  const ast::ExprId follower = expr.children[right_first ? 0 : 1];
  WL_ASSIGN_OR_RETURN(Typed lead, type(leader, nullptr));
  WL_ASSIGN_OR_RETURN(Typed follow, type(follower, &lead.type));
  if (right_first) std::swap(lead, follow);
  return compare(std::move(lead), expr.op, std::move(follow));
}

Result<Typed> SelectBinder::compare(Typed left, CompareOp op, Typed right) {
  const auto scalar = scalar_kind(left.type);
  if (!scalar)
    return Status::invalid_argument("Invalid binary operator `{}` for type `{}`",
                                    ast::compare_op_text(op), schema::print(left.type));
  Typed typed;
  typed.kind = Typed::Kind::kCondition;
  typed.type = bool_;
  using Kind = Typed::Kind;
  if (left.kind == Kind::kConstant && right.kind == Kind::kConstant) {
    const int order = compare_scalars(*scalar, left.constant, right.constant);
    typed.condition = query_.pool.add_constant(holds(op, order));
  } else if (left.kind == Kind::kColumn && right.kind == Kind::kConstant) {
    typed.condition =
        query_.pool.add_compare_constant(left.column, op, *scalar, std::move(right.constant));
  } else if (left.kind == Kind::kConstant && right.kind == Kind::kColumn) {
    typed.condition = query_.pool.add_compare_constant(right.column, ast::mirrored(op), *scalar,
                                                       std::move(left.constant));
  } else if (left.kind == Kind::kColumn && right.kind == Kind::kColumn) {
    typed.condition = query_.pool.add_compare_columns(left.column, op, *scalar, right.column);
  } else {
    const ConditionId a = condition_of(left);
    typed.condition = query_.pool.add_compare_conditions(a, op, condition_of(right));
  }
  return typed;
}

Result<Typed> SelectBinder::type_junction(const ast::Expr& expr, const AlgebraicType* expected) {
  if (expected != nullptr && !(*expected == bool_)) return unexpected_type(bool_, *expected);
  std::vector<ConditionId> children;
  for (const ast::ExprId child : expr.children) {
    WL_ASSIGN_OR_RETURN(const Typed typed, type(child, &bool_));
    children.push_back(condition_of(typed));
  }
  const bool is_and = expr.kind == ast::ExprKind::kAnd;
  Typed typed;
  typed.kind = Typed::Kind::kCondition;
  typed.type = bool_;
  typed.condition =
      query_.pool.add_junction(is_and ? Condition::Kind::kAnd : Condition::Kind::kOr, children);
  return typed;
}

ConditionId SelectBinder::condition_of(const Typed& typed) {
  switch (typed.kind) {
    case Typed::Kind::kConstant:
      return query_.pool.add_constant(typed.constant[0] != 0);
    case Typed::Kind::kColumn:
      return query_.pool.add_bool_column(typed.column);
    case Typed::Kind::kCondition:
      return typed.condition;
  }
  return 0;
}

Status SelectBinder::project_relation(uint16_t relation) {
  query_.projection.kind = Projection::Kind::kRelation;
  query_.projection.relation = relation;
  for (const auto& column : query_.relations[relation].schema->columns)
    query_.projection.names.push_back(column.name);
  return {};
}

Status SelectBinder::set_projection(const ast::Projection& projection) {
  switch (projection.kind) {
    case ast::Projection::Kind::kStar:
      if (query_.relations.size() > 1)
        return Status::invalid_argument("SELECT * is not supported for joins");
      return project_relation(0);
    case ast::Projection::Kind::kRelation:
      for (size_t i = 0; i < query_.relations.size(); ++i)
        if (query_.relations[i].alias == projection.relation)
          return project_relation(static_cast<uint16_t>(i));
      return not_in_scope(projection.relation);
    case ast::Projection::Kind::kCount:
      query_.projection.kind = Projection::Kind::kCount;
      query_.projection.names = {projection.count_name};
      return {};
    case ast::Projection::Kind::kColumns:
      break;
  }
  query_.projection.kind = Projection::Kind::kColumns;
  std::set<std::string_view> names;
  for (const ast::ColumnItem& item : projection.columns) {
    if (!names.insert(item.name).second) return duplicate_name(item.name);
    WL_ASSIGN_OR_RETURN(const ColumnSlot slot, resolve(item.column));
    query_.projection.columns.push_back(slot);
    query_.projection.names.push_back(item.name);
  }
  return {};
}

Status SelectBinder::set_limit(const std::string& text) {
  const AlgebraicType u64 = AlgebraicType::primitive(schema::TypeKind::kU64);
  const auto bytes = parse_literal(text, u64);
  if (!bytes) return not_parseable(text, u64);
  query_.limit = load_le<uint64_t>(bytes->data());
  return {};
}

BoundQuery SelectBinder::take() {
  if (!terms_.empty()) {
    // One junction sorts and removes doubles; its children are the terms.
    const ConditionId all = query_.pool.add_junction(Condition::Kind::kAnd, terms_);
    query_.terms = query_.pool[all].kind == Condition::Kind::kAnd ? query_.pool[all].children
                                                                  : std::vector{all};
  }
  return std::move(query_);
}

Result<BoundQuery> bind_rows_of(std::string_view table, const ast::ExprPool& pool,
                                std::optional<ast::ExprId> where, const ReadView& view,
                                const Caller& caller) {
  SelectBinder binder(pool, view, caller);
  WL_RETURN_IF_ERROR(binder.add_relation({std::string(table), std::string(table)}));
  if (where) WL_RETURN_IF_ERROR(binder.add_where(*where));
  WL_RETURN_IF_ERROR(binder.set_projection({}));
  return binder.take();
}

}  // namespace

Result<BoundQuery> bind_select(const ast::Select& select, const ReadView& view,
                               const Caller& caller) {
  SelectBinder binder(select.pool, view, caller);
  WL_RETURN_IF_ERROR(binder.add_relation(select.from));
  for (const ast::Join& join : select.joins) {
    WL_RETURN_IF_ERROR(binder.add_relation(join.relation));
    if (join.on) WL_RETURN_IF_ERROR(binder.add_on(*join.on));
  }
  if (select.where) WL_RETURN_IF_ERROR(binder.add_where(*select.where));
  WL_RETURN_IF_ERROR(binder.set_projection(select.projection));
  if (select.limit) WL_RETURN_IF_ERROR(binder.set_limit(*select.limit));
  return binder.take();
}

Result<ByteBuffer> bind_value(const ast::Literal& literal, const AlgebraicType& type) {
  if (literal.kind == ast::Literal::Kind::kBool) {
    const AlgebraicType boolean = AlgebraicType::boolean();
    if (!(type == boolean)) return unexpected_type(boolean, type);
    return ByteBuffer{static_cast<Byte>(literal.bool_value ? 1 : 0)};
  }
  if (literal.kind == ast::Literal::Kind::kString && !type.is_string())
    return unexpected_type(AlgebraicType::string(), type);
  const bool uuid_as_text = type.is_uuid() && literal.kind != ast::Literal::Kind::kHex;
  auto bytes =
      type.is_timestamp() || uuid_as_text ? std::nullopt : parse_literal(literal.text, type);
  if (!bytes) return not_parseable(literal.text, type);
  return *std::move(bytes);
}

Result<BoundInsert> bind_insert(const ast::Insert& insert, const ReadView& view,
                                const Caller& caller) {
  BoundInsert bound;
  WL_ASSIGN_OR_RETURN(bound.table, find_visible_table(view, insert.table, caller));
  const auto& columns = bound.table->columns;
  if (insert.column_count != columns.size())
    return Status::invalid_argument(
        "The number of fields ({}) in the INSERT does not match the number of columns ({}) of the "
        "table `{}`",
        insert.column_count, columns.size(), insert.table);
  for (const auto& row : insert.rows) {
    if (row.size() != columns.size())
      return Status::invalid_argument(
          "Inserting a row with {} values into `{}` which has {} fields", row.size(), insert.table,
          columns.size());
    ByteBuffer encoded;
    for (size_t i = 0; i < row.size(); ++i) {
      WL_ASSIGN_OR_RETURN(const ByteBuffer value, bind_value(row[i], columns[i].type));
      append(encoded, value);
    }
    bound.rows.push_back(std::move(encoded));
  }
  return bound;
}

Result<BoundChange> bind_update(const ast::Update& update, const ReadView& view,
                                const Caller& caller) {
  BoundChange bound;
  WL_ASSIGN_OR_RETURN(const TableSchemaPtr table, find_visible_table(view, update.table, caller));
  for (const ast::Assignment& assignment : update.assignments) {
    const auto column = find_column(*table, assignment.column);
    if (!column)
      return Status::invalid_argument("`{}` does not have a field `{}`", update.table,
                                      assignment.column);
    WL_ASSIGN_OR_RETURN(ByteBuffer value,
                        bind_value(assignment.value, table->columns[column->value].type));
    // QUIRK [S 06/1.12]: the first of two assignments to one column wins.
    const bool repeated = std::any_of(bound.assignments.begin(), bound.assignments.end(),
                                      [&](const auto& other) { return other.first == *column; });
    if (!repeated) bound.assignments.emplace_back(*column, std::move(value));
  }
  WL_ASSIGN_OR_RETURN(bound.matching,
                      bind_rows_of(update.table, update.pool, update.where, view, caller));
  return bound;
}

Result<BoundChange> bind_delete(const ast::Delete& remove, const ReadView& view,
                                const Caller& caller) {
  BoundChange bound;
  WL_ASSIGN_OR_RETURN(bound.matching,
                      bind_rows_of(remove.table, remove.pool, remove.where, view, caller));
  return bound;
}

}  // namespace worldline::query
