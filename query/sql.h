// query/sql.h
//
// The front door of the SQL room: parse a statement, run it on a read view or inside a transaction,
// and print the answer. Dialect Q of [S 06/1.1] for HTTP, `one_off_query` for dialect S.
//
// Invariants: a SqlStatement is frozen and may cross threads. Reading never writes; writing happens
// only through the transaction given. Errors carry the exact texts of [S 06/1.15, 1.16].
// Thread: any; all functions are pure in their arguments.
// Errors: kInvalidArgument (parse, type, plan, row limit), kNotFound (no such table),
// kPermissionDenied (DML by a non-owner), kNotSupported, kTooLarge, those of the budget; those of
// storage as they come.
// Sources: [S 06/1, 06/2.6, 06/3.1, 02/10.6, 01/3.4].
//
// Usage:
//   WL_ASSIGN_OR_RETURN(const SqlStatement statement, SqlStatement::parse(text));
//   auto answer = statement.writes() ? execute_write(statement, transaction, caller)
//                                    : execute_read(statement, view, caller, budget);
//   std::string body = statement_results_json(*answer, micros);
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "query/query_types.h"
#include "query/read_budget.h"
#include "schema/algebraic_type.h"

namespace worldline::storage {
class ReadView;
class Transaction;
}  // namespace worldline::storage

namespace worldline::query {

namespace ast {
struct Statement;
}

// One parsed statement of dialect Q; names are not resolved yet.
class SqlStatement {
 public:
  static Result<SqlStatement> parse(std::string_view text);

  bool writes() const;   // INSERT, UPDATE, DELETE, SET: needs a transaction.
  bool deletes() const;  // DELETE: makes room.
  const ast::Statement& syntax() const { return *syntax_; }

 private:
  explicit SqlStatement(std::shared_ptr<const ast::Statement> syntax);

  std::shared_ptr<const ast::Statement> syntax_;
};

// Numbers of [S 06/1.12]; all zero for SELECT and SHOW.
struct Statistics {
  uint64_t rows_inserted = 0;
  uint64_t rows_deleted = 0;
  uint64_t rows_updated = 0;
  friend bool operator==(const Statistics&, const Statistics&) = default;
};

// The answer to one statement. `rows` are BSATN rows of `schema`, back to back.
struct StatementResult {
  schema::ProductType schema;  // Types fully resolved; empty for DML and SET.
  ByteBuffer rows;
  uint64_t row_count = 0;
  Statistics stats;
};

// REQUIRES: !statement.writes().
Result<StatementResult> execute_read(const SqlStatement& statement, const storage::ReadView& view,
                                     const Caller& caller, ReadBudget& budget);

// Runs DML or SET inside `transaction`. On an error the caller must roll the transaction back: part
// of the statement may have been executed. REQUIRES: statement.writes().
Result<StatementResult> execute_write(const SqlStatement& statement,
                                      storage::Transaction& transaction, const Caller& caller);

// The HTTP body of [S 06/3.1]: an array with exactly one element. kTooLarge beyond `bytes_max`.
Result<std::string> statement_results_json(const StatementResult& result,
                                           int64_t total_duration_micros,
                                           size_t bytes_max = kAnswerBytesMax);

// A WebSocket one-off query [S 06/2.6]: dialect S without the subscription rules on joins. The
// message of an error is what the client is shown.
Result<RowBlock> one_off_query(std::string_view text, const storage::ReadView& view,
                               const Caller& caller, ReadBudget& budget);

}  // namespace worldline::query
