// The part of CallExecutor that makes the transactions of a publish [S 03/4.2, 4.3], [S 05/2.5].

#include <utility>

#include <fmt/core.h>

#include "runtime/call_executor.h"
#include "storage/module_tables.h"
#include "storage/system_tables.h"

namespace worldline::runtime {
namespace {

storage::ModuleRow module_row(const ModuleProgram& program, const schema::Identity& owner) {
  storage::ModuleRow row;
  row.database_identity = program.database;
  row.owner_identity = owner;
  row.program_kind = program.kind;
  row.program_hash = program.hash;
  row.program_bytes = *program.bytes;
  return row;
}

Status failure_of(const CallResult& result) {
  if (result.kind == CallResultKind::kUserError) return Status::user_error("{}", result.message);
  if (result.kind == CallResultKind::kBudget) return Status::timeout("{}", result.message);
  return Status::module_fatal("{}", result.message);
}

}  // namespace

Result<CallResult> CallExecutor::initialize(FirstPublish publish) {
  auto result = run_first_transaction(std::move(publish));
  if (!result.ok()) uninstall();
  return result;
}

void CallExecutor::uninstall() {
  set_instance(nullptr);
  reducers_ = ReducerTable();
  def_ = nullptr;
  program_ = ModuleProgram();
}

Result<CallResult> CallExecutor::run_first_transaction(FirstPublish publish) {
  const storage::ModuleRow row = module_row(publish.program, publish.owner);
  WL_RETURN_IF_ERROR(install(std::move(publish.program), std::move(publish.module)));
  const storage::TxInfo info{.timestamp = publish.timestamp,
                             .caller = publish.owner,
                             .connection_id = {},
                             .reducer = {},
                             .args = {}};
  storage::Transaction tx = state_.begin(info);
  for (const schema::TableDef& table : def_->tables())
    note(LogLevel::kInfo, fmt::format("Creating table `{}`", table.full_name));
  WL_RETURN_IF_ERROR(storage::create_module_tables(tx, *def_));
  WL_RETURN_IF_ERROR(storage::write_module_row(tx, row));
  if (reducers_.find(schema::Lifecycle::kInit) != nullptr)
    note(LogLevel::kInfo, "Invoking `init` reducer");
  CallResult result = call_lifecycle(schema::Lifecycle::kInit, tx, info);
  if (!result.committed()) return failure_of(result);
  note(LogLevel::kInfo, "Database initialized");
  return result;
}

Result<CallResult> CallExecutor::update(ModuleUpdate update) {
  WL_ASSIGN_OR_RETURN(std::optional<storage::ModuleRow> stored,
                      storage::read_module_row(state_.view()));
  if (!stored) return Status::failed_precondition("the database was never published");
  const storage::ModuleRow row = module_row(update.program, stored->owner_identity);
  storage::Transaction tx = state_.begin({.timestamp = update.timestamp,
                                          .caller = update.caller,
                                          .connection_id = {},
                                          .reducer = {},
                                          .args = {}});
  for (const storage::TableDefinition& table : update.added) {
    note(LogLevel::kInfo, fmt::format("Creating table `{}`", table.name));
    const auto created = tx.create_table(table);
    if (!created.ok()) {
      note(LogLevel::kWarn, fmt::format("Database update failed: {}", created.status().message()));
      return Status(created.status());
    }
  }
  WL_RETURN_IF_ERROR(storage::write_module_row(tx, row));
  WL_RETURN_IF_ERROR(install(std::move(update.program), std::move(update.module)));
  CallResult result = commit(tx, update.timestamp);
  note(LogLevel::kInfo, fmt::format("Updated program to {}", program_.hash.to_hex()));
  note(LogLevel::kInfo, "Database updated");
  return result;
}

}  // namespace worldline::runtime
