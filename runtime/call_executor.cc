#include "runtime/call_executor.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "storage/system_tables.h"

namespace worldline::runtime {
namespace {

constexpr std::string_view kRegenerate = "Have you run `spacetime generate` recently?";

Timestamp one_after(Timestamp time) {
  return {time.micros + 1};
}

bool has_schedules(const storage::TxData& data) {
  return std::any_of(data.tables.begin(), data.tables.end(), [](const storage::TableDelta& delta) {
    return delta.schema && delta.schema->schedule && !delta.inserts.empty();
  });
}

}  // namespace

CallExecutor::CallExecutor(const Host& host, const ModuleLimits& limits)
    : runtime_(host.runtime), state_(host.state), log_(host.log), limits_(limits) {}

CallExecutor::~CallExecutor() = default;

Status CallExecutor::install(ModuleProgram program, DescribedModule module) {
  WL_ASSIGN_OR_RETURN(ReducerTable reducers, ReducerTable::build(module.def));
  program_ = std::move(program);
  def_ = std::move(module.def);
  reducers_ = std::move(reducers);
  set_instance(std::move(module.instance));
  return Status();
}

void CallExecutor::set_instance(std::unique_ptr<ModuleInstance> instance) {
  if (instance_) earlier_heap_limit_hits_ += instance_->heap_stats().limit_hits;
  {
    const std::scoped_lock lock(instance_mutex_);
    instance_.swap(instance);
  }
  // The old one ends here, outside the lock.
}

void CallExecutor::terminate() {
  const std::scoped_lock lock(instance_mutex_);
  if (instance_) instance_->terminate();
}

HeapStats CallExecutor::heap_stats() const {
  HeapStats stats = instance_ ? instance_->heap_stats() : HeapStats();
  stats.limit_hits += earlier_heap_limit_hits_;
  return stats;
}

std::vector<ScheduleNotice> CallExecutor::schedules(Timestamp now) const {
  return all_schedules(state_.view(), now);
}

void CallExecutor::note(LogLevel level, std::string_view message) {
  log_.append(host_log_record(level, runtime_.clock().now(), message));
}

void CallExecutor::note_refused(std::string_view function, std::string_view message) {
  LogRecord record = host_log_record(LogLevel::kError, runtime_.clock().now(), message);
  record.function = function;
  log_.append(record);
}

// ---- One call ----------------------------------------------------------------------------------

CallResult CallExecutor::run(const CallRequest& request) {
  const ReducerEntry* reducer = reducers_.find(request.reducer);
  if (reducer != nullptr && reducer->def->lifecycle)
    return refuse(CallResultKind::kLifecycleReducer,
                  fmt::format("can't directly call special {} lifecycle reducer",
                              schema::lifecycle_name(*reducer->def->lifecycle)));
  const bool hidden =
      reducer != nullptr && reducer->is_private() && request.rights == CallerRights::kClient;
  if (reducer == nullptr || hidden) {
    note_refused(request.reducer,
                 fmt::format("External attempt to call nonexistent reducer \"{}\" failed. {}",
                             request.reducer, kRegenerate));
    return refuse(CallResultKind::kNoSuchReducer, std::string(kNoSuchReducerText));
  }
  const Result<Bytes> args = request.encoding == ArgsEncoding::kBsatn
                                 ? bsatn_arguments(*reducer, request.args)
                                 : json_arguments(*reducer, request.args, decoded_args_);
  if (!args.ok()) {
    note_refused(
        request.reducer,
        fmt::format("External attempt to call reducer \"{}\" failed, invalid arguments.\nThis is "
                    "likely due to a mismatched client schema, have you run `spacetime generate` "
                    "recently?",
                    request.reducer));
    return refuse(CallResultKind::kInvalidArguments, args.status().message());
  }
  const Invocation invocation{*reducer, request.caller, request.connection, request.timestamp,
                              *args};
  storage::Transaction tx = state_.begin({.timestamp = request.timestamp,
                                          .caller = request.caller,
                                          .connection_id = request.connection,
                                          .reducer = reducer->def->full_name,
                                          .args = *args});
  return finish(tx, invocation);
}

CallResult CallExecutor::run_immediate(const ImmediateCall& call, Timestamp now) {
  return run({.reducer = call.reducer,
              .encoding = ArgsEncoding::kBsatn,
              .args = call.args,
              .caller = program_.database,
              .connection = {},
              .timestamp = now,
              .rights = CallerRights::kInternal});
}

// Calls the module inside `tx` and ends it.
CallResult CallExecutor::finish(storage::Transaction& tx, const Invocation& invocation) {
  CallContext context{.tx = &tx, .immediates = {}};
  CallOutcome outcome = invoke(invocation, context);
  CallResult result;
  if (outcome.status == CallStatus::kOk) {
    result = commit(tx, invocation.timestamp);
  } else {
    tx.rollback();
    result = fail(invocation, std::move(outcome));
  }
  result.immediate = std::move(context.immediates);
  return result;
}

CallOutcome CallExecutor::invoke(const Invocation& invocation, CallContext& context) {
  if (const Status status = replace_if_needed(); !status.ok()) {
    note(LogLevel::kError, fmt::format("the module cannot be started: {}", status.message()));
    return {CallStatus::kFatal, status.message()};
  }
  return instance_->call_reducer({.id = invocation.reducer.def->id,
                                  .name = invocation.reducer.def->full_name,
                                  .sender = invocation.sender,
                                  .connection = invocation.connection,
                                  .timestamp = invocation.timestamp,
                                  .args = invocation.args},
                                 context);
}

CallResult CallExecutor::commit(storage::Transaction& tx, Timestamp started) {
  CallResult result;
  result.commit = tx.commit();
  if (result.commit.tx_data && has_schedules(*result.commit.tx_data))
    result.arm =
        schedule_notices(*result.commit.tx_data, std::max(started, runtime_.clock().now()));
  return result;
}

CallResult CallExecutor::refuse(CallResultKind kind, std::string message) const {
  CallResult result;
  result.kind = kind;
  result.message = std::move(message);
  result.commit.offset = state_.view().offset();
  return result;
}

CallResult CallExecutor::fail(const Invocation& invocation, CallOutcome outcome) {
  switch (outcome.status) {
    case CallStatus::kOk:
    case CallStatus::kFatal:
      return refuse(CallResultKind::kFatal, std::string(kFatalCallText));
    case CallStatus::kBudget:
      return refuse(CallResultKind::kBudget, std::string(kBudgetText));
    case CallStatus::kUserError:
      break;
  }
  log_.append({.level = LogLevel::kError,
               .ts = invocation.timestamp,
               .target = kHostLogTarget,
               .filename = kHostLogTarget,
               .line_number = std::nullopt,
               .function = invocation.reducer.def->full_name,
               .message = outcome.message,
               .trace = {}});
  return refuse(CallResultKind::kUserError, std::move(outcome.message));
}

// A crashed instance makes room for a new one; its globals are lost [S 03/4.5].
Status CallExecutor::replace_if_needed() {
  if (instance_ && !instance_->must_be_replaced()) return Status();
  set_instance(nullptr);
  WL_ASSIGN_OR_RETURN(std::unique_ptr<ModuleInstance> fresh,
                      load_module(runtime_, program_, limits_, log_));
  WL_RETURN_IF_ERROR(fresh->describe().status());
  set_instance(std::move(fresh));
  return Status();
}

// ---- Clients -----------------------------------------------------------------------------------

// Runs a lifecycle reducer inside `tx`, if the module has it, and ends the transaction.
CallResult CallExecutor::call_lifecycle(schema::Lifecycle event, storage::Transaction& tx,
                                        const storage::TxInfo& info) {
  const ReducerEntry* reducer = reducers_.find(event);
  if (reducer == nullptr) return commit(tx, info.timestamp);
  return finish(tx, {*reducer, info.caller, info.connection_id, info.timestamp, {}});
}

CallResult CallExecutor::client_connected(const storage::ClientRow& client,
                                          std::string_view jwt_payload, Timestamp now) {
  const storage::TxInfo info{.timestamp = now,
                             .caller = client.identity,
                             .connection_id = client.connection_id,
                             .reducer = storage::kIdentityConnected,
                             .args = {}};
  storage::Transaction tx = state_.begin(info);
  if (const auto status = storage::insert_client(tx, client, jwt_payload); !status.ok()) {
    tx.rollback();
    return refuse(CallResultKind::kClientRefused, status.message());
  }
  return call_lifecycle(schema::Lifecycle::kOnConnect, tx, info);
}

bool CallExecutor::client_is_known(const storage::ClientRow& client) const {
  ByteBuffer row;
  append(row, client.identity.bytes());
  append(row, client.connection_id.bytes());
  const storage::TableView* table = state_.view().find_table(storage::kStClient);
  return table != nullptr && table->find_row(row).has_value();
}

CallExecutor::DisconnectResult CallExecutor::client_disconnected(const storage::ClientRow& client,
                                                                 Timestamp now) {
  DisconnectResult result;
  if (!client_is_known(client)) return result;
  storage::TxInfo info{.timestamp = now,
                       .caller = client.identity,
                       .connection_id = client.connection_id,
                       .reducer = storage::kIdentityDisconnected,
                       .args = {}};
  if (const ReducerEntry* reducer = reducers_.find(schema::Lifecycle::kOnDisconnect)) {
    storage::Transaction tx = state_.begin(info);
    CallContext context{.tx = &tx, .immediates = {}};
    const Invocation invocation{*reducer, client.identity, client.connection_id, now, {}};
    CallOutcome outcome = invoke(invocation, context);
    if (outcome.status == CallStatus::kOk && storage::remove_client(tx, client).ok()) {
      result.reducer = commit(tx, now);
      result.reducer.immediate = std::move(context.immediates);
      return result;
    }
    tx.rollback();
    result.reducer = fail(invocation, std::move(outcome));
    result.reducer.immediate = std::move(context.immediates);
    info.timestamp = one_after(now);
  }
  storage::Transaction tx = state_.begin(info);
  storage::remove_client(tx, client).ignore("missing rows are fine, others are caught by digests");
  storage::CommitResult removal = tx.commit();
  (result.reducer.committed() ? result.reducer.commit : result.fallback) = std::move(removal);
  return result;
}

}  // namespace worldline::runtime
