// runtime/call_executor.h
//
// CallExecutor runs what the main lane of one database runs: reducers, lifecycle and scheduled
// reducers, and the transactions of a publish. It opens the transaction, calls the module, commits
// or rolls back, and words the outcome. It decides nothing about when: that is its owner's part.
//
// Invariants: when a function returns, no transaction is open and the state is either the one
// before or the committed one. A crashed instance is replaced before the next call; if that fails,
// calls answer kFatal and it is tried again.
// Ownership and thread: one owner, the thread of the module host. The state, log and clock are
// borrowed and outlive it.
// Units: microseconds. Where one function makes two transactions, the second has the timestamp of
// the first + 1.
// Errors: what goes wrong in a module is a CallResult; Status is for publishing.
// Sources: [S 03/4.1-4.4, 4.11], [S 05/1.2, 2.5].
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "runtime/call_types.h"
#include "runtime/module_instance.h"
#include "runtime/module_loader.h"
#include "runtime/module_log.h"
#include "runtime/reducer_table.h"
#include "runtime/schedule.h"
#include "storage/database_state.h"

namespace worldline::runtime {

class CallExecutor {
 public:
  struct Host {  // All borrowed; they outlive the executor.
    ModuleRuntime& runtime;
    storage::DatabaseState& state;
    ModuleLog& log;
  };
  CallExecutor(const Host& host, const ModuleLimits& limits);
  ~CallExecutor();
  CallExecutor(const CallExecutor&) = delete;
  CallExecutor& operator=(const CallExecutor&) = delete;

  // Takes over a module for a state that already has its tables: at start, on a new leader.
  Status install(ModuleProgram program, DescribedModule module);

  // First publish. A failing `init` leaves nothing behind: kUserError with its text, or
  // kModuleFatal.
  Result<CallResult> initialize(FirstPublish publish);
  // Later publish; swaps the module if it commits.
  Result<CallResult> update(ModuleUpdate update);

  // REQUIRES for all below: a module is installed.
  CallResult run(const CallRequest& request);
  CallResult run_immediate(const ImmediateCall& call, Timestamp now);
  ScheduledResult run_scheduled(const ScheduledCall& call, Timestamp now);

  // Bookkeeping of st_client and st_connection_credentials with the lifecycle reducers. A failed
  // connect means: refuse the connection. A disconnect of a client whose st_client row is gone does
  // nothing; otherwise it removes the rows, if need be (the reducer failed) in a second
  // transaction.
  CallResult client_connected(const storage::ClientRow& client, std::string_view jwt_payload,
                              Timestamp now);
  struct DisconnectResult {
    CallResult reducer;              // Of the transaction with the reducer.
    storage::CommitResult fallback;  // Of the one without; no data if there was no need.
  };
  DisconnectResult client_disconnected(const storage::ClientRow& client, Timestamp now);

  // What to arm at start, after an update, and on a new leader.
  std::vector<ScheduleNotice> schedules(Timestamp now) const;

  bool has_module() const { return def_ != nullptr; }
  const std::shared_ptr<const schema::ModuleDef>& module_def() const { return def_; }
  const ModuleProgram& program() const { return program_; }
  HeapStats heap_stats() const;
  // Ends the running call as if over budget. Any thread, while the executor exists.
  void terminate();

 private:
  struct Invocation {  // One call into the module, already checked. Borrowed.
    const ReducerEntry& reducer;
    schema::Identity sender;
    schema::ConnectionId connection;
    Timestamp timestamp;
    Bytes args;
  };
  CallOutcome invoke(const Invocation& invocation, CallContext& context);
  CallResult finish(storage::Transaction& tx, const Invocation& invocation);
  CallResult commit(storage::Transaction& tx, Timestamp started);
  CallResult refuse(CallResultKind kind, std::string message) const;
  CallResult call_scheduled(const std::string& function, Bytes args, Timestamp timestamp);
  CallResult fail(const Invocation& invocation, CallOutcome outcome);
  CallResult call_lifecycle(schema::Lifecycle event, storage::Transaction& tx,
                            const storage::TxInfo& info);
  Result<CallResult> run_first_transaction(FirstPublish publish);
  Status replace_if_needed();
  void uninstall();
  void set_instance(std::unique_ptr<ModuleInstance> instance);
  bool client_is_known(const storage::ClientRow& client) const;
  storage::CommitResult remove_one_shot(const ScheduledCall& call, Timestamp when);
  void note(LogLevel level, std::string_view message);
  // Of a call that never reached the module.
  void note_refused(std::string_view function, std::string_view message);

  ModuleRuntime& runtime_;
  storage::DatabaseState& state_;
  ModuleLog& log_;
  const ModuleLimits limits_;

  ModuleProgram program_;
  std::shared_ptr<const schema::ModuleDef> def_;
  ReducerTable reducers_;
  std::mutex instance_mutex_;  // terminate() against replacement; the owner reads without it.
  std::unique_ptr<ModuleInstance> instance_;
  uint64_t earlier_heap_limit_hits_ = 0;  // Of the instances before it.
  ByteBuffer decoded_args_;               // Of JSON calls.
};

}  // namespace worldline::runtime
