// runtime/call_executor.h
//
// CallExecutor runs everything that needs the module on one database's main lane: reducers,
// lifecycle and scheduled reducers, the first publish and updates. Each call opens its transaction,
// runs the module, and commits or rolls back; what committed comes back as TxData.
//
// Invariants: exactly one transaction is open during a call, none between calls; a failed call
// leaves no row behind but st_sequence reservations; the instance is replaced after a crash that
// requires it, and the failed call is not repeated.
// Ownership and thread: one module host. The state, log, runtime and clock are borrowed.
// Units: microseconds; timestamps come from the caller and strictly increase.
// Errors: CallReport for what callers may cause; Status where a publisher is told.
// Sources: [S 03/4.1-4.5, 4.11, 4.12], [S 04/1.2, 1.3].
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/module_loader.h"
#include "runtime/runtime_types.h"
#include "storage/database_state.h"
#include "storage/system_tables.h"

namespace worldline::runtime {

// What became of a call, in the words of [S 03/4.1]. `text` is for the caller.
struct CallReport {
  enum class Outcome : uint8_t {
    kCommitted,
    kUserError,      // The module's own text.
    kFatal,          // "The instance encountered a fatal error."
    kOutOfBudget,    // "reducer ran out of energy"
    kNoSuchReducer,  // Unknown, or private and the caller is not the owner.
    kLifecycle,      // Lifecycle reducers cannot be called.
    kBadArguments,
  };
  Outcome outcome = Outcome::kCommitted;
  std::string text;
  storage::TxDataPtr tx;  // Null: failed, or nothing changed.
};

struct Caller {
  schema::Identity identity;
  schema::ConnectionId connection;  // Zero = none.
  bool is_owner = false;
};

class CallExecutor {
 public:
  struct Parts {
    storage::DatabaseState* state = nullptr;  // Borrowed, as are the next three.
    ModuleRuntime* runtime = nullptr;
    ModuleLog* log = nullptr;
    const Clock* clock = nullptr;  // For log records and spans; not for timestamps.
    ModuleLimits limits;
    schema::Identity database;
    schema::Identity owner;
  };

  CallExecutor(Parts parts, ModuleProgram program, DescribedModule module);
  ~CallExecutor();

  // --- Publish --------------------------------------------------------------------------------
  // The transaction of offset 0: tables, st_module, then `init`. An error leaves the state as it
  // was and is the publisher's text.
  Result<storage::TxDataPtr> initialise(Timestamp timestamp);
  // Replaces the program by one whose plan the caller has accepted: st_module and the plan's steps
  // in one transaction; the new instance serves afterwards.
  Result<storage::TxDataPtr> update(ModuleProgram program, DescribedModule module,
                                    Timestamp timestamp);

  // --- Calls -----------------------------------------------------------------------------------
  // `args` is BSATN and reaches the module as it is. Hot path: no allocation for a known reducer.
  CallReport call(std::string_view reducer, Bytes args, const Caller& caller, Timestamp timestamp);
  // `args_json` is a JSON array or object by parameter name.
  CallReport call_json(std::string_view reducer, std::string_view args_json, const Caller& caller,
                       Timestamp timestamp);

  // The row of a schedule table fell due; up to two transactions: the call, then the row's removal
  // or re-arming [S 03/4.11]. Nothing if the row is gone.
  std::vector<storage::TxDataPtr> run_scheduled(TableId table, uint64_t schedule_id, Timestamp due,
                                                Timestamp timestamp);
  storage::TxDataPtr run_immediate(const ImmediateCall& call, Timestamp timestamp);

  // --- Clients -----------------------------------------------------------------------------------
  // st_client, st_connection_credentials and client_connected in one transaction.
  CallReport connect(const Caller& caller, std::string_view jwt_payload, Timestamp timestamp);
  // client_disconnected and removal of both rows; if the reducer fails, the removal alone. Nothing
  // if the client has no row. One transaction comes back at most.
  storage::TxDataPtr disconnect(const storage::ClientRow& client, Timestamp timestamp);

  // --- For the host
  // -------------------------------------------------------------------------------- Rows armed,
  // and calls asked for, since the last time; in order.
  std::vector<ScheduleNotice> take_schedule_notices();
  std::vector<ImmediateCall> take_immediate_calls();
  // Every row of every schedule table, as at a start: past times are due at once.
  std::vector<ScheduleNotice> all_schedules(Timestamp now) const;

  const schema::ModuleDef& def() const;
  std::shared_ptr<const schema::ModuleDef> shared_def() const;
  const ModuleProgram& program() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace worldline::runtime
