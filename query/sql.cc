#include "query/sql.h"

#include <type_traits>
#include <utility>
#include <variant>

#include "query/binder.h"
#include "query/evaluator.h"
#include "query/planner.h"
#include "query/row_block.h"
#include "query/row_limit.h"
#include "query/sql_parser.h"
#include "schema/bsatn.h"
#include "schema/sats_json.h"
#include "storage/system_tables.h"
#include "storage/transaction.h"

namespace worldline::query {
namespace {

using schema::AlgebraicType;
using storage::ReadView;
using storage::Transaction;

class BufferSink final : public RowSink {
 public:
  BufferSink(StatementResult& result, ReadBudget& budget) : result_(result), budget_(budget) {}

  Status add(Bytes row) override {
    WL_RETURN_IF_ERROR(budget_.add_bytes(row.size()));
    append(result_.rows, row);
    ++result_.row_count;
    return {};
  }

 private:
  StatementResult& result_;  // Borrowed, as the next one; both outlive this.
  ReadBudget& budget_;
};

schema::ProductType header_of(const BoundQuery& query) {
  schema::ProductType header;
  const Projection& projection = query.projection;
  for (size_t i = 0; i < projection.names.size(); ++i) {
    AlgebraicType type = AlgebraicType::primitive(schema::TypeKind::kU64);
    if (projection.kind == Projection::Kind::kRelation) {
      type = query.relations[projection.relation].schema->columns[i].type;
    } else if (projection.kind == Projection::Kind::kColumns) {
      const ColumnSlot slot = projection.columns[i];
      type = query.relations[slot.relation].schema->columns[slot.column.value].type;
    }
    header.elements.push_back({projection.names[i], std::move(type)});
  }
  return header;
}

Result<StatementResult> run_select(const ast::Select& select, const ReadView& view,
                                   const Caller& caller, ReadBudget& budget) {
  WL_ASSIGN_OR_RETURN(BoundQuery bound, bind_select(select, view, caller));
  const QueryPtr query = plan_query(std::move(bound), view);
  WL_RETURN_IF_ERROR(check_row_limit(query->estimated_scan, view, caller));
  StatementResult result;
  result.schema = header_of(query->bound);
  BufferSink sink(result, budget);
  WL_RETURN_IF_ERROR(evaluate(*query, view, budget, sink));
  return result;
}

Status unknown_variable(const std::string& name) {
  return Status::invalid_argument("{} is not a valid system variable", name);
}

// SHOW row_limit is SELECT value FROM st_var WHERE name = 'row_limit' [S 06/1.13].
Result<StatementResult> run_show(const ast::ShowVariable& show, const ReadView& view,
                                 const Caller& caller, ReadBudget& budget) {
  if (show.name != kRowLimitVariable) return unknown_variable(show.name);
  WL_ASSIGN_OR_RETURN(
      const ast::Statement statement,
      parse_sql("SELECT value FROM st_var WHERE name = 'row_limit'", Dialect::kQuery));
  return run_select(std::get<ast::Select>(statement.body), view, caller, budget);
}

Status check_may_write(const storage::TableSchema& table, const Caller& caller) {
  if (caller.caller_class != CallerClass::kOwner)
    return Status::permission_denied("Caller {} is not authorized to run SQL DML statements",
                                     caller.identity.to_hex());
  if (table.is_system && table.id != storage::kStVar)
    return Status::invalid_argument("System table `{}` cannot be changed by SQL", table.name);
  return {};
}

// Constraint failures carry the prefix of the reference [S 06/1.12].
Status insert_row(Transaction& transaction, TableId table, Bytes row, bool& changed) {
  const auto outcome = transaction.insert(table, row);
  if (outcome.ok()) {
    changed = outcome->changed;
    return {};
  }
  const bool unique = outcome.error() == storage::DataError::kUnique;
  return unique ? outcome.status().with_context("DatastoreError: IndexError")
                : Status(outcome.status());
}

Result<StatementResult> run_insert(const ast::Insert& insert, Transaction& transaction,
                                   const Caller& caller) {
  WL_ASSIGN_OR_RETURN(const BoundInsert bound, bind_insert(insert, transaction.view(), caller));
  WL_RETURN_IF_ERROR(check_may_write(*bound.table, caller));
  StatementResult result;
  for (const ByteBuffer& row : bound.rows) {
    bool changed = false;
    WL_RETURN_IF_ERROR(insert_row(transaction, bound.table->id, row, changed));
    result.stats.rows_inserted += changed ? 1 : 0;
  }
  return result;
}

// The row with the assigned columns replaced.
void assign_columns(const storage::TableSchema& table, const BoundChange& change, Bytes row,
                    ByteBuffer& out) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const ColumnId column(static_cast<uint16_t>(i));
    Bytes value = table.layout.column(row, column);
    for (const auto& [assigned, constant] : change.assignments)
      if (assigned == column) value = constant;
    append(out, value);
  }
}

// All matching rows are collected, then all deleted, then all new ones inserted [S 06/1.12].
Result<StatementResult> run_change(BoundChange change, Transaction& transaction,
                                   const Caller& caller) {
  const storage::TableSchemaPtr table = change.matching.relations[0].schema;
  WL_RETURN_IF_ERROR(check_may_write(*table, caller));
  if (change.assignments.empty() && change.matching.terms.empty()) {
    const auto removed = transaction.clear(table->id);
    if (!removed.ok()) return Status(removed.status());
    StatementResult result;
    result.stats.rows_deleted = *removed;
    return result;
  }
  const QueryPtr query = plan_query(std::move(change.matching), transaction.view());
  WL_ASSIGN_OR_RETURN(const std::vector<storage::RowRef> refs,
                      find_matching_rows(*query, transaction.view()));
  std::vector<ByteBuffer> changed_rows;
  if (!change.assignments.empty() && !refs.empty()) {
    const storage::TableView* view = transaction.view().find_table(table->id);
    size_t bytes = 0;
    for (const storage::RowRef ref : refs) {
      assign_columns(*table, change, view->row(ref), changed_rows.emplace_back());
      bytes += changed_rows.back().size();
      if (bytes > kAnswerBytesMax)
        return Status::too_large("the statement changes more than {} bytes", kAnswerBytesMax);
    }
  }
  for (const storage::RowRef ref : refs) WL_RETURN_IF_ERROR(transaction.delete_row(table->id, ref));
  StatementResult result;
  if (change.assignments.empty()) {
    result.stats.rows_deleted = refs.size();
    return result;
  }
  for (const ByteBuffer& row : changed_rows) {
    bool changed = false;
    WL_RETURN_IF_ERROR(insert_row(transaction, table->id, row, changed));
  }
  result.stats.rows_updated = refs.size();
  return result;
}

// SET row_limit = n inserts ("row_limit", U64(n)) into st_var [S 06/1.13].
Result<StatementResult> run_set(const ast::SetVariable& set, Transaction& transaction,
                                const Caller& caller) {
  if (set.name != kRowLimitVariable) return unknown_variable(set.name);
  const AlgebraicType u64 = AlgebraicType::primitive(schema::TypeKind::kU64);
  const bool is_hex = set.value.kind == ast::Literal::Kind::kHex;
  // The message names the expected type first here, unlike in typing: U64 != String.
  if (set.value.kind != ast::Literal::Kind::kNumber) {
    const AlgebraicType given = set.value.kind == ast::Literal::Kind::kBool
                                    ? AlgebraicType::boolean()
                                : is_hex ? AlgebraicType::bytes()
                                         : AlgebraicType::string();
    return Status::invalid_argument("Unexpected type: (expected) {} != {} (inferred)",
                                    schema::print(u64), schema::print(given));
  }
  WL_ASSIGN_OR_RETURN(const ByteBuffer number, bind_value(set.value, u64));
  const storage::TableView* variables = transaction.view().find_table(storage::kStVar);
  if (variables == nullptr) return Status::internal("st_var is missing");
  WL_RETURN_IF_ERROR(check_may_write(variables->schema(), caller));
  ByteBuffer row;
  schema::BsatnWriter writer(row);
  writer.write_string(kRowLimitVariable);
  writer.write_tag(kVarValueU64Tag);
  writer.write_raw(number);
  bool changed = false;
  WL_RETURN_IF_ERROR(insert_row(transaction, storage::kStVar, row, changed));
  StatementResult result;
  result.stats.rows_inserted = changed ? 1 : 0;
  return result;
}

}  // namespace

SqlStatement::SqlStatement(std::shared_ptr<const ast::Statement> syntax)
    : syntax_(std::move(syntax)) {}

Result<SqlStatement> SqlStatement::parse(std::string_view text) {
  WL_ASSIGN_OR_RETURN(ast::Statement statement, parse_sql(text, Dialect::kQuery));
  return SqlStatement(std::make_shared<const ast::Statement>(std::move(statement)));
}

bool SqlStatement::writes() const {
  return !std::holds_alternative<ast::Select>(syntax_->body) &&
         !std::holds_alternative<ast::ShowVariable>(syntax_->body);
}

bool SqlStatement::deletes() const {
  return std::holds_alternative<ast::Delete>(syntax_->body);
}

Result<StatementResult> execute_read(const SqlStatement& statement, const ReadView& view,
                                     const Caller& caller, ReadBudget& budget) {
  const auto& body = statement.syntax().body;
  if (const auto* select = std::get_if<ast::Select>(&body))
    return run_select(*select, view, caller, budget);
  if (const auto* show = std::get_if<ast::ShowVariable>(&body))
    return run_show(*show, view, caller, budget);
  return Status::internal("a writing statement needs a transaction");
}

Result<StatementResult> execute_write(const SqlStatement& statement, Transaction& transaction,
                                      const Caller& caller) {
  const auto& body = statement.syntax().body;
  if (const auto* insert = std::get_if<ast::Insert>(&body))
    return run_insert(*insert, transaction, caller);
  if (const auto* set = std::get_if<ast::SetVariable>(&body))
    return run_set(*set, transaction, caller);
  if (const auto* update = std::get_if<ast::Update>(&body)) {
    WL_ASSIGN_OR_RETURN(BoundChange change, bind_update(*update, transaction.view(), caller));
    return run_change(std::move(change), transaction, caller);
  }
  if (const auto* remove = std::get_if<ast::Delete>(&body)) {
    WL_ASSIGN_OR_RETURN(BoundChange change, bind_delete(*remove, transaction.view(), caller));
    return run_change(std::move(change), transaction, caller);
  }
  return Status::internal("a reading statement needs no transaction");
}

Result<std::string> statement_results_json(const StatementResult& result,
                                           int64_t total_duration_micros, size_t bytes_max) {
  std::string out = "[{\"schema\":";
  schema::append_product_type_json(result.schema, out);
  out += ",\"rows\":[";
  Bytes rest = result.rows;
  for (uint64_t i = 0; i < result.row_count; ++i) {
    if (i > 0) out += ',';
    WL_ASSIGN_OR_RETURN(const size_t used,
                        schema::append_json(result.schema, schema::Typespace::empty(), rest,
                                            schema::JsonStyle::kUntyped, out));
    rest = rest.subspan(used);
    if (out.size() > bytes_max)
      return Status::too_large("the answer as JSON is larger than {} bytes", bytes_max);
  }
  out += "],\"total_duration_micros\":" + std::to_string(total_duration_micros);
  out += ",\"stats\":{\"rows_inserted\":" + std::to_string(result.stats.rows_inserted);
  out += ",\"rows_deleted\":" + std::to_string(result.stats.rows_deleted);
  out += ",\"rows_updated\":" + std::to_string(result.stats.rows_updated) + "}}]";
  return out;
}

Result<RowBlock> one_off_query(std::string_view text, const ReadView& view, const Caller& caller,
                               ReadBudget& budget) {
  WL_ASSIGN_OR_RETURN(const ast::Statement statement, parse_sql(text, Dialect::kSubscription));
  WL_ASSIGN_OR_RETURN(BoundQuery bound,
                      bind_select(std::get<ast::Select>(statement.body), view, caller));
  if (bound.projection.kind != Projection::Kind::kRelation)
    return Status::invalid_argument(
        "Column projections are not supported in subscriptions; Subscriptions must return a table "
        "type");
  const QueryPtr query = plan_query(std::move(bound), view);
  WL_RETURN_IF_ERROR(check_row_limit(query->estimated_scan, view, caller));
  RowListSink sink(budget);
  WL_RETURN_IF_ERROR(evaluate(*query, view, budget, sink));
  const auto& returned = query->bound.relations[query->bound.projection.relation];
  return make_row_block(returned.schema->name, sink.rows());
}

}  // namespace worldline::query
