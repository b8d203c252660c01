#include "actors/database_host.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/check.h"
#include "runtime/schedule.h"
#include "storage/snapshot.h"

namespace worldline::actors {
namespace {

using Kind = runtime::CallResultKind;

constexpr int64_t kLatenessMicrosMax = 30'000;  // Of a scheduled call [S 03/4.11],
constexpr int64_t kWarnMicros = 1'000'000;      // told once per second at most.

Verdict verdict_of(Kind kind) {
  switch (kind) {
    case Kind::kCommitted:
      return Verdict::kOk;
    case Kind::kUserError:
      return Verdict::kUserError;
    case Kind::kFatal:
    case Kind::kBudget:
    case Kind::kNoSuchReducer:
    case Kind::kLifecycleReducer:
    case Kind::kInvalidArguments:
    case Kind::kClientRefused:
      return Verdict::kInternalError;
  }
  return Verdict::kInternalError;
}

CallStatus call_status_of(Kind kind) {
  switch (kind) {
    case Kind::kCommitted:
      return CallStatus::kCommitted;
    case Kind::kUserError:
    case Kind::kFatal:
      return CallStatus::kReducerFailed;
    case Kind::kBudget:
      return CallStatus::kOutOfBudget;
    case Kind::kNoSuchReducer:
      return CallStatus::kNoSuchFunction;
    case Kind::kLifecycleReducer:
      return CallStatus::kLifecycle;
    case Kind::kInvalidArguments:
      return CallStatus::kBadArguments;
    case Kind::kClientRefused:
      return CallStatus::kFailed;
  }
  return CallStatus::kFailed;
}

// Why client_connected did not let the caller in [S 02/3.9].
Status connect_refusal(const runtime::CallResult& connected) {
  if (connected.kind == Kind::kBudget)
    return Status::unavailable("Insufficient energy balance to run `client_connected` reducer");
  if (connected.kind == Kind::kClientRefused) return Status::internal("{}", connected.message);
  return Status::user_error("{}", connected.message);
}

CallStatus call_status_of(const Status& refusal) {
  if (refusal.code() == StatusCode::kUserError) return CallStatus::kConnectRefused;
  return refusal.code() == StatusCode::kUnavailable ? CallStatus::kConnectBudget
                                                    : CallStatus::kFailed;
}

void count_checkpoint(DatabaseCounters& counters, const Status& status) {
  add(status.ok() ? counters.checkpoints : counters.checkpoint_failures, 1);
  if (status.ok())
    set(counters.checkpoint_failures_in_row, 0);
  else
    add(counters.checkpoint_failures_in_row, 1);
}

Status shutting_down() {
  return Status::unavailable("the database is shutting down");
}

int64_t micros_since(std::chrono::steady_clock::time_point start, const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::microseconds>(clock.steady() - start).count();
}

uint64_t micros_between(std::chrono::steady_clock::time_point start,
                        std::chrono::steady_clock::time_point end) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(end - start).count());
}

}  // namespace

HostVerdict DatabaseHost::run(std::vector<HostWork>& works) {
  const auto started = parts_.clock->steady();
  parts_.counters->meter.queue_lengths.observe(works.size());
  if (parts_.disk->accepts_writes) resume_put_off();
  if (std::exchange(schedules_are_lost_, false))
    parts_.ports->rearm(executor_->schedules(next_timestamp()));
  for (auto& work : works) {
    if (refuse_at_stop(work)) continue;
    if (!parts_.disk->accepts_writes && put_off(work)) continue;
    std::visit([this](auto& one) { on(one); }, work);
  }
  seal();
  tell_dropped();
  module_log_->flush();
  pinned_.reset();
  if (!stopped_) checkpoint_if_due(CheckpointPacer::Occasion::kRunning);
  const auto ended = parts_.clock->steady();
  add(parts_.counters->call_micros, micros_between(started, ended));
  if (!stopped_) sample_if_due(ended);
  return stopped_ ? HostVerdict::kStopped : HostVerdict::kRunning;
}

bool DatabaseHost::refuse_at_stop(HostWork& work) {
  if (!stopped_ && !parts_.runtime->refuses_calls()) return false;
  // Sessions hear of each of their calls; closing them and stopping call nothing any more.
  const bool is_told_inside = std::holds_alternative<SessionBatchWork>(work) ||
                              std::holds_alternative<SessionCloseWork>(work) ||
                              std::holds_alternative<StopWork>(work);
  if (!stopped_ && is_told_inside) return false;
  const Status why = shutting_down();
  if (const auto* immediate = std::get_if<ImmediateWork>(&work))
    drop_immediate(immediate->call.reducer, why);  // Lost on restart anyway [S 03/4.11].
  refuse_work(work, why);
  return true;
}

void DatabaseHost::drop_immediate(std::string_view reducer, const Status& why) {
  add(parts_.counters->immediates_dropped, 1);
  if (++dropped_.count == 1) dropped_.first = fmt::format("`{}`: {}", reducer, why.message());
}

void DatabaseHost::tell_dropped() {
  if (dropped_.count == 0) return;
  module_log_->append(runtime::host_log_record(
      runtime::LogLevel::kError, parts_.clock->now(),
      fmt::format("{} calls asked for with volatile_nonatomic_schedule_immediate were dropped, the "
                  "first of {}",
                  dropped_.count, dropped_.first)));
  dropped_ = {};
}

bool DatabaseHost::put_off(HostWork& work) {
  if (auto* scheduled = std::get_if<ScheduledWork>(&work)) {
    put_off_.push_back(std::move(*scheduled));
    return true;
  }
  if (const auto* immediate = std::get_if<ImmediateWork>(&work)) {
    drop_immediate(immediate->call.reducer, DiskBoard::refusal());
    return true;
  }
  const bool is_call = std::holds_alternative<CallWork>(work);
  if (!is_call && !std::holds_alternative<UpdateWork>(work)) return false;
  if (is_call) add(parts_.counters->calls_failed, 1);
  refuse_work(work, DiskBoard::refusal());
  return true;
}

void DatabaseHost::resume_put_off() {
  for (ScheduledWork& work : std::exchange(put_off_, {})) on(work);
}

Timestamp DatabaseHost::next_timestamp() {
  last_timestamp_ = Timestamp{std::max(parts_.clock->now().micros, last_timestamp_.micros + 1)};
  return last_timestamp_;
}

runtime::CallerRights DatabaseHost::rights_of(const Caller& caller) const {
  return caller.identity == parts_.record.owner ? runtime::CallerRights::kOwner
                                                : runtime::CallerRights::kClient;
}

query::Caller DatabaseHost::query_caller(const Caller& caller) const {
  const bool is_owner = caller.identity == parts_.record.owner;
  return {caller.identity, is_owner ? query::CallerClass::kOwner : query::CallerClass::kOther};
}

bool DatabaseHost::needs_pin(const storage::TxData& tx) const {
  if (subscribe_sequence_ != hinted_sequence_) return true;
  if (snapshot_tables_.empty()) return false;
  return std::any_of(tx.tables.begin(), tx.tables.end(), [this](const storage::TableDelta& delta) {
    return snapshot_tables_.contains(delta.table);
  });
}

SnapshotPtr DatabaseHost::pin() {
  if (pinned_ == nullptr) pinned_ = state_->pin();
  return pinned_;
}

void DatabaseHost::leave(TxItem item) {
  if (item.tx != nullptr) {
    // A call may make two transactions; the second carries a time of its own.
    last_timestamp_ = std::max(last_timestamp_, item.tx->timestamp);
    if (item.tx->consumed_offset && !storage::BundleBuilder::fits(*item.tx)) {
      WL_CHECK(state_->undo(*item.tx).ok());
      item.tx = nullptr;
      item.verdict = Verdict::kInternalError;
      item.text = "the transaction changes more than one log entry may hold";
    } else {
      pinned_.reset();
      meter_changes(item);
      if (item.tx->consumed_offset) builder_.add(*item.tx);
      checkpoint_pacer_.add_transactions(1);
      add(parts_.counters->transactions, 1);
      if (needs_pin(*item.tx)) item.after = pin();
    }
  }
  add(item.verdict == Verdict::kOk ? parts_.counters->calls_committed
                                   : parts_.counters->calls_failed,
      item.caller ? 1 : 0);
  leave_item(std::move(item));
  if (builder_.full()) seal();
}

void DatabaseHost::leave_tx(storage::TxDataPtr tx, Timestamp timestamp) {
  if (tx == nullptr) return;
  TxItem item;
  item.tx = std::move(tx);
  item.timestamp = timestamp;
  leave(std::move(item));
}

void DatabaseHost::seal() {
  if (!builder_.empty()) {
    proposed_ = proposed_.next();
    ProposalBatchPtr proposal =
        make_proposal(parts_.record.group, term_, proposed_,
                      builder_.seal(state_->digest(), proposed_.value, parts_.clock->steady()));
    checkpoint_pacer_.add_log(proposal->bytes);
    add(parts_.counters->log_bytes, proposal->bytes);
    parts_.ports->propose(std::move(proposal));
  }
  if (batch_->items.empty()) return;
  batch_->depends_on = proposed_;
  parts_.ports->executed(std::exchange(batch_, std::make_shared<ExecutedBatch>()));
}

// What a call asks of the rest of the database, committed or not.
void DatabaseHost::hand_over(runtime::CallResult& result) {
  if (!result.arm.empty()) parts_.ports->arm(std::move(result.arm));
  for (auto& call : result.immediate) {
    const std::string reducer = call.reducer;
    const Status queued = parts_.ports->call_later(std::move(call));
    if (!queued.ok()) drop_immediate(reducer, queued);
  }
}

// ---- Sessions ----------------------------------------------------------------------------------

runtime::CallResult DatabaseHost::connect(const Caller& caller, const schema::ConnectionId& id) {
  const Timestamp timestamp = next_timestamp();
  const auto started = parts_.clock->steady();
  auto result = executor_->client_connected({caller.identity, id}, caller.jwt_payload, timestamp);
  meter_lifecycle({"client_connected", started}, result);
  hand_over(result);
  leave_tx(std::move(result.commit.tx_data), timestamp);
  return result;
}

void DatabaseHost::disconnect(const Caller& caller, const schema::ConnectionId& id) {
  if (parts_.runtime->refuses_calls()) return;  // The next start does it.
  const Timestamp timestamp = next_timestamp();
  const auto started = parts_.clock->steady();
  auto result = executor_->client_disconnected({caller.identity, id}, timestamp);
  meter_lifecycle({"client_disconnected", started}, result.reducer);
  hand_over(result.reducer);
  leave_tx(std::move(result.reducer.commit.tx_data), timestamp);
  leave_tx(std::move(result.fallback.tx_data), timestamp);
}

void DatabaseHost::on(SessionOpenWork& work) {
  const auto result = connect(work.open.caller, work.open.connection_id);
  if (!result.committed()) {
    reply([done = std::move(work.done), refusal = connect_refusal(result)] { done(refusal); });
    return;
  }
  sessions_.emplace(work.session, SessionInfo{work.open.caller, work.open.connection_id});
  leave_item(SessionOpenedItem{work.session, work.open.sink});
  reply([done = std::move(work.done), handle = std::move(work.handle)] { done(handle); });
}

void DatabaseHost::on(SessionCloseWork& work) {
  const auto found = sessions_.find(work.session);
  if (found == sessions_.end()) return;
  leave_item(SessionClosedItem{work.session});
  disconnect(found->second.caller, found->second.connection_id);
  sessions_.erase(found);
}

void DatabaseHost::on(SessionBatchWork& work) {
  work.sink->consumed(static_cast<uint32_t>(work.batch->messages.size()), work.batch->bytes);
  const auto found = sessions_.find(work.session);
  if (found == sessions_.end()) return;  // Closed meanwhile.
  const From from{work.session, &found->second, work.arrived};
  for (const auto& message : work.batch->messages)
    std::visit([this, &from](const auto& one) { on(from, one); }, message);
}

void DatabaseHost::on(const From& from, const protocol::CallReducer& message) {
  Status may_run = parts_.disk->check_write();
  if (may_run.ok() && parts_.runtime->refuses_calls()) may_run = shutting_down();
  if (!may_run.ok()) {
    TxItem refused;
    refused.caller = CallerRef{from.session, message.request_id};
    refused.verdict = Verdict::kInternalError;
    refused.text = may_run.message();
    refused.timestamp = next_timestamp();
    return leave(std::move(refused));
  }
  runtime::CallRequest request;
  request.reducer = message.reducer;
  request.args = message.args;
  request.caller = from.info->caller.identity;
  request.connection = from.info->connection_id;
  request.timestamp = next_timestamp();
  request.rights = rights_of(from.info->caller);
  const auto started = parts_.clock->steady();
  auto result = executor_->run(request);
  TxItem item;
  item.answer = meter_call({message.reducer, started, from.arrived}, result);
  hand_over(result);
  item.tx = std::move(result.commit.tx_data);
  item.caller = CallerRef{from.session, message.request_id};
  item.verdict = verdict_of(result.kind);
  item.text = std::move(result.message);
  item.timestamp = request.timestamp;
  leave(std::move(item));
}

void DatabaseHost::on(const From& from, const protocol::Subscribe& message) {
  SubscribeItem item;
  item.session = from.session;
  item.caller = query_caller(from.info->caller);
  item.request_id = message.request_id;
  item.query_set_id = message.query_set_id;
  item.queries.assign(message.query_strings.begin(), message.query_strings.end());
  item.state = pin();
  item.sequence = ++subscribe_sequence_;
  leave_item(std::move(item));
}

void DatabaseHost::on(const From& from, const protocol::Unsubscribe& message) {
  leave_item(UnsubscribeItem{from.session, message.request_id, message.query_set_id,
                             message.flags == protocol::UnsubscribeFlags::kSendDroppedRows, pin()});
}

void DatabaseHost::on(const From& from, const protocol::OneOffQuery& message) {
  leave_item(OneOffItem{from.session, query_caller(from.info->caller), message.request_id,
                        std::string(message.query_string), pin()});
}

void DatabaseHost::on(const From& from, const protocol::CallProcedure& message) {
  leave_item(ProcedureErrorItem{{from.session, message.request_id}, "No such procedure"});
}

// run() takes the sample behind the works of the drain.
void DatabaseHost::on(SampleWork&) {}

void DatabaseHost::on(SnapshotHintWork& work) {
  hinted_sequence_ = work.hint.sequence;
  snapshot_tables_ = {work.hint.tables.begin(), work.hint.tables.end()};
}

// ---- Calls over HTTP, SQL, schedules ------------------------------------------------------------

void DatabaseHost::on(CallWork& work) {
  const auto started = parts_.clock->steady();
  const Caller& caller = work.request.caller;
  CallReply answer;
  AnswerMark mark;
  if (const auto connected = connect(caller, work.connection_id); connected.committed()) {
    runtime::CallRequest request;
    request.reducer = work.request.function;
    request.encoding = runtime::ArgsEncoding::kJson;
    request.args = as_bytes(work.request.args_json);
    request.caller = caller.identity;
    request.connection = work.connection_id;
    request.timestamp = next_timestamp();
    request.rights = rights_of(caller);
    const auto called = parts_.clock->steady();
    auto result = executor_->run(request);
    mark = meter_call({request.reducer, called, work.arrived}, result);
    hand_over(result);
    leave_tx(std::move(result.commit.tx_data), request.timestamp);
    answer.outcome = call_status_of(result.kind);
    answer.text = std::move(result.message);
    disconnect(caller, work.connection_id);
  } else {
    answer.status = connect_refusal(connected);
    answer.outcome = call_status_of(answer.status);
    answer.text = answer.status.message();
  }
  add(answer.outcome == CallStatus::kCommitted ? parts_.counters->calls_committed
                                               : parts_.counters->calls_failed,
      1);
  answer.execution_micros = micros_since(started, *parts_.clock);
  leave_item(ReplyItem{[done = work.done, answer = std::move(answer), mark, clock = parts_.clock] {
                         if (mark.figures != nullptr)
                           mark.figures->answered.observe(
                               micros_between(mark.arrived, clock->steady()));
                         done(answer);
                       },
                       [done = work.done](const Status& why) {
                         done(CallReply{CallStatus::kFailed, why, why.message(), 0});
                       }});
}

void DatabaseHost::on(SqlWork& work) {
  const auto started = parts_.clock->steady();
  auto statement = query::SqlStatement::parse(work.request.statement);
  const Caller& caller = work.request.caller;
  const bool writes = statement.ok() && statement->writes();
  const bool makes_room =
      writes && statement->deletes() && rights_of(caller) == runtime::CallerRights::kOwner;
  if (writes && !makes_room && !parts_.disk->accepts_writes)
    return reply([done = work.done] { done(DiskBoard::refusal()); });
  if (const auto connected = connect(caller, work.connection_id); !connected.committed())
    return reply([done = work.done, refusal = connect_refusal(connected)] { done(refusal); });
  if (!statement.ok()) {  // Told only to those whom client_connected lets in [S 06/3.1].
    reply([done = work.done, why = statement.status()] { done(why); });
  } else if (writes) {
    auto result = write_sql(*statement, query_caller(caller));
    leave_item(
        ReplyItem{[done = work.done, started, clock = parts_.clock, result = std::move(result)] {
                    if (!result.ok()) return done(result.status());
                    const int64_t micros = micros_since(started, *clock);
                    auto json = query::statement_results_json(*result, micros);
                    if (!json.ok()) return done(json.status());
                    done(SqlReply{std::move(json).value(), micros});
                  },
                  [done = work.done](const Status& why) { done(why); }});
  } else {
    leave_item(SqlReadItem{std::move(statement).value(), query_caller(caller), pin(), started,
                           work.done, work.request.abandoned});
  }
  disconnect(caller, work.connection_id);
}

Result<query::StatementResult> DatabaseHost::write_sql(const query::SqlStatement& statement,
                                                       const query::Caller& caller) {
  const Timestamp timestamp = next_timestamp();
  const auto started = parts_.clock->steady();
  FunctionFigures& figures = parts_.counters->meter.function(Workload::kSql, {});
  storage::Transaction tx = state_->begin(storage::TxInfo{timestamp, caller.identity, {}, {}, {}});
  auto result = query::execute_write(statement, tx, caller);
  if (!result.ok()) {
    add(figures.rolled_back, 1);
    return result;
  }
  storage::CommitResult committed = tx.commit();
  add(figures.committed, 1);
  figures.elapsed.observe(micros_between(started, parts_.clock->steady()));
  if (committed.tx_data != nullptr)
    parts_.ports->arm(runtime::schedule_notices(*committed.tx_data, timestamp));
  if (committed.tx_data == nullptr) return result;
  TxItem item;
  item.tx = std::move(committed.tx_data);
  item.timestamp = timestamp;
  item.is_sql = true;
  leave(std::move(item));
  return result;
}

void DatabaseHost::on(ScheduledWork& work) {
  const Timestamp timestamp = next_timestamp();
  const auto& key = work.due.key;
  const storage::TableView* const table = state_->view().find_table(key.table);
  const auto started = parts_.clock->steady();
  // Kept by the schema: a copy of the pointer, because a call may end on another one.
  const storage::TableSchemaPtr schema = table == nullptr ? nullptr : table->schema_ptr();
  auto result = executor_->run_scheduled({key.table, key.row_id, work.due.due}, timestamp);
  if (result.kind == runtime::ScheduledResult::Kind::kRan && schema != nullptr &&
      schema->schedule) {
    meter_call({schema->schedule->function, started}, result.call);
    parts_.counters->meter.function(Workload::kReducer, schema->schedule->function)
        .lateness.observe(
            static_cast<uint64_t>(std::max<int64_t>(0, timestamp.micros - work.due.due.micros)));
  }
  warn_of_schedule(work, result, timestamp);
  schedules_are_lost_ |= result.kind == runtime::ScheduledResult::Kind::kPanicked;
  // Armed before the scheduler looks for its next entry.
  hand_over(result.call);
  if (!result.rearm.empty()) parts_.ports->arm(std::move(result.rearm));
  leave_tx(std::move(result.call.commit.tx_data), timestamp);
  leave_tx(std::move(result.removal.tx_data), timestamp);
  reply(std::move(work.done));
}

void DatabaseHost::warn_of_schedule(const ScheduledWork& work,
                                    const runtime::ScheduledResult& result, Timestamp started) {
  const auto& key = work.due.key;
  const auto warn = [this, &key](std::string_view text) {
    parts_.runtime->warn(fmt::format("{} database={} table={} schedule_id={}", text,
                                     parts_.record.database.to_hex(), key.table.value, key.row_id));
  };
  if (result.kind == runtime::ScheduledResult::Kind::kPanicked)
    return warn(fmt::format("scheduled function panicked: why=\"{}\"", result.call.message));
  if (result.kind == runtime::ScheduledResult::Kind::kRan &&
      (result.call.kind == Kind::kNoSuchReducer || result.call.kind == Kind::kInvalidArguments))
    return warn(
        fmt::format("a scheduled function cannot be called: why=\"{}\"", result.call.message));
  const int64_t late = started.micros - work.due.due.micros;
  if (late <= kLatenessMicrosMax || (warned_ && started.micros - warned_->micros < kWarnMicros))
    return;
  warned_ = started;
  warn(fmt::format("a scheduled function starts late: late_ms={}", late / 1'000));
}

void DatabaseHost::on(ImmediateWork& work) {
  const Timestamp timestamp = next_timestamp();
  const auto started = parts_.clock->steady();
  auto result = executor_->run_immediate(work.call, timestamp);
  meter_call({work.call.reducer, started}, result);
  hand_over(result);
  leave_tx(std::move(result.commit.tx_data), timestamp);
}

void DatabaseHost::on(LogsWork& work) {
  const Status outcome = module_log_->read(work.request, work.reader);
  reply([done = std::move(work.done), outcome] { done(outcome); });
}

void DatabaseHost::on(StopWork& work) {
  for (const auto& [session, info] : sessions_) disconnect(info.caller, info.connection_id);
  sessions_.clear();
  for (ScheduledWork& scheduled : put_off_) reply(std::move(scheduled.done));  // Due again.
  put_off_.clear();
  leave_item(CloseAllItem{work.reason});
  seal();
  if (work.kind == StopKind::kRestartable)
    checkpoint_if_due(CheckpointPacer::Occasion::kShuttingDown);
  // Whoever ends a database goes on also if its last entries are lost.
  leave_item(ReplyItem{work.done, [done = work.done](const Status&) { done(); }});
  stopped_ = true;
}

// --- Checkpoints ---------------------------------------------------------------------------------

// REQUIRES: everything is sealed.
void DatabaseHost::checkpoint_if_due(CheckpointPacer::Occasion occasion) {
  const auto now = parts_.clock->steady();
  if (!checkpoint_pacer_.is_due(now, occasion,
                                [this] { return checkpoint_writer_->newest_bytes(); }))
    return;
  storage::CheckpointCut cut;
  cut.cluster_time_ns = builder_.cluster_time_ns();
  cut.last_timestamp = last_timestamp_;
  parts_.ports->checkpoint(
      proposed_,
      CheckpointJob{parts_.record.group, checkpoint_writer_, state_->pin(), std::move(cut),
                    [done = checkpoint_pacer_.begin(now), counters = parts_.counters, now,
                     clock = parts_.clock](const Status& status) {
                      count_checkpoint(*counters, status);
                      if (status.ok())
                        counters->meter.checkpoint_time.observe(
                            micros_between(now, clock->steady()));
                      done(status);
                    }});
}

}  // namespace worldline::actors
