// storage/catalog/catalog_state.h
//
// CatalogState is the state machine of the catalog group: which databases exist, who owns them,
// which group holds them, and which names lead to them. It is an ordinary database with two tables,
// so it is logged, recovered and later replicated by the same path as any other.
//
// Invariants: a name leads to exactly one identity, which may have no database (names outlive
// databases); a group id is never used twice.
// Ownership: the catalog actor; not thread-safe. Each write is one transaction; its TxData is taken
// with take_committed() and must be stable before anybody is told.
// Errors: kNotFound, kAlreadyExists, kPermissionDenied; the messages are fit for users.
// Sources: [S 02/1.4, 3.4-3.7, 11.10], [S 04/1.2, 1.7].
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "schema/hash.h"
#include "schema/identity.h"
#include "storage/database_state.h"
#include "storage/tx_data.h"

namespace worldline::storage {

struct DatabaseRecord {
  schema::Identity database;
  GroupId group;
  schema::Identity owner;
  uint8_t host_type = 1;            // As at creation or reset: 0 = WebAssembly, 1 = JavaScript.
  schema::Hash256 initial_program;  // As at creation or reset.
  bool locked = false;
};

struct NameRecord {
  std::string name;
  schema::Identity database;
  schema::Identity owner;  // Who registered it.
};

class CatalogState {
 public:
  explicit CatalogState(std::unique_ptr<DatabaseState> state) : state_(std::move(state)) {}

  // `last`: of the last transaction that was logged. Those made here are later, each than the one
  // before it, whatever the clock of the caller says (I-20).
  void continue_after(Timestamp last) { last_timestamp_ = last; }

  // Adds the tables if the state has none yet: the first start of a data directory. Call it once,
  // after the barrier of the term is logged and before anything else.
  Status prepare(Timestamp now);

  // --- Reading -----------------------------------------------------------------------------
  std::optional<DatabaseRecord> find_database(const schema::Identity& database) const;
  std::optional<NameRecord> find_name(std::string_view name) const;
  std::vector<DatabaseRecord> databases() const;  // Ascending by group.
  std::vector<NameRecord> names() const;          // Ascending by name.

  // --- Writing, one transaction each ----------------------------------------------------------
  // Reserves a group id for a database about to be created.
  Result<GroupId> allocate_group(Timestamp now);
  Status add_database(const DatabaseRecord& record, Timestamp now);
  Status replace_database(const DatabaseRecord& record, Timestamp now);  // By identity.
  Status remove_database(const schema::Identity& database, Timestamp now);
  Status add_name(const NameRecord& record, Timestamp now);
  // All names of `database` become `names`. kAlreadyExists: the message is the name in the way.
  Status replace_names(const schema::Identity& database, const schema::Identity& owner,
                       const std::vector<std::string>& names, Timestamp now);

  // Transactions committed since the last call, in order.
  std::vector<TxDataPtr> take_committed();

  DatabaseState& state() { return *state_; }

 private:
  Status find_tables();
  Status write(Timestamp now, const std::function<Status(Transaction&)>& change);

  const std::unique_ptr<DatabaseState> state_;
  std::vector<TxDataPtr> committed_;
  Timestamp last_timestamp_;

  TableId databases_;  // Constant after prepare(), as are those that follow.
  TableId names_;
  TableId counters_;
  TableIndexId databases_by_identity_;
  TableIndexId names_by_name_;
  TableIndexId names_by_database_;
  TableIndexId counters_by_name_;
};

}  // namespace worldline::storage
