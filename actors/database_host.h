// actors/database_host.h
//
// DatabaseHost runs one database: it executes work in order of arrival, turns what changed into log
// entries, and leaves executed batches for the subscription actor. It is a plain object: no actor,
// no socket; time, log and neighbours come in through HostParts.
//
// Invariants:
//  1. Work is executed strictly in order; one drain becomes one or more bundles, each with its
//     executed batch behind it.
//  2. Timestamps of transactions strictly increase over the life of the database.
//  3. A failed publish leaves everything as it was, module instance included.
//  4. Before lead() nothing is executed; afterwards everything is proposed for that term.
// Ownership and thread: the module host's actor, its thread only. Units: microseconds, bytes.
// Errors: what clients or modules do wrong is answered.
// Order of calls: create() or recover(), lead() once this node leads the group, then run().
// Sources: architecture 3, [S 02/10], [S 03/4], [S 04/1], [S 05/1.13].
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/checkpoint_pacer.h"
#include "actors/disk_board.h"
#include "actors/executed_batch.h"
#include "actors/host_ports.h"
#include "actors/host_work.h"
#include "actors/module_log_sink.h"
#include "actors/node_counters.h"
#include "base/clock.h"
#include "runtime/call_executor.h"
#include "runtime/module_loader.h"
#include "schema/publish_plan.h"
#include "storage/catalog/catalog_state.h"
#include "storage/database_state.h"
#include "storage/log/bundle_builder.h"
#include "storage/log/checkpoint_trigger.h"
#include "storage/log/database_recovery.h"

namespace worldline::actors {

struct HostParts {
  storage::DatabaseRecord record;
  std::filesystem::path log_directory;  // Of the module's console lines.
  HostPorts* ports = nullptr;           // Borrowed, as are the next four; they outlive the host.
  runtime::ModuleRuntime* runtime = nullptr;
  storage::CheckpointStore* checkpoints = nullptr;
  const Clock* clock = nullptr;
  const DiskBoard* disk = nullptr;
  runtime::ModuleLimits limits;
  storage::CheckpointPolicy checkpoint_policy;
  std::shared_ptr<DatabaseCounters> counters;
};

enum class HostVerdict : uint8_t { kRunning, kStopped };

class DatabaseHost {
 public:
  // The validity check of a first publish: the module is loaded and its first transaction runs on
  // a throw-away state; nothing it does is visible afterwards.
  static Result<runtime::ModuleProgram> check_program(const HostParts& parts,
                                                      const PublishRequest& request);

  // A new database: lead() runs its first transaction; `committed` is called when that is.
  static Result<std::unique_ptr<DatabaseHost>> create(HostParts parts,
                                                      runtime::ModuleProgram program,
                                                      std::function<void()> committed);
  // A database that was on disk: lead() disconnects the clients left over and arms schedules.
  static Result<std::unique_ptr<DatabaseHost>> recover(HostParts parts,
                                                       storage::RecoveredDatabase recovered);
  ~DatabaseHost();
  DatabaseHost(const DatabaseHost&) = delete;
  DatabaseHost& operator=(const DatabaseHost&) = delete;

  // This node leads `term` and everything before it is applied: the first steps of a leader.
  Status lead(Term term);
  // Executes a drain. REQUIRES: lead() succeeded. kStopped: a StopWork was executed; the rest of
  // `works` was refused.
  HostVerdict run(std::vector<HostWork>& works);

  ProposalSeq last_proposal() const { return proposed_; }

 private:
  struct SessionInfo {
    Caller caller;
    schema::ConnectionId connection_id;
  };

  // The first publish of a database, until it was led once.
  struct Birth {
    runtime::ModuleProgram program;
    std::function<void()> committed;
  };
  struct Origin {  // Where a database goes on.
    std::unique_ptr<storage::DatabaseState> state;
    uint64_t cluster_time_ns = 0;
    Timestamp last_timestamp;
  };

  DatabaseHost(HostParts parts, Origin origin);
  static Result<std::unique_ptr<ModuleLogSink>> open_module_log(const HostParts& parts);
  Status prepare(GroupId group, storage::CheckpointWriter::Known checkpoints);
  Status load_stored_module();
  Status publish_first(Birth birth);
  void resume();
  void clear_left_over_clients();

  // What may not run any more because the database or the node stops. True: `work` is done with.
  bool refuse_at_stop(HostWork& work);
  // Immediate calls that will never run: told in the module's log once per drain, and counted.
  void drop_immediate(std::string_view reducer, const Status& why);
  void tell_dropped();
  // What operators should know of a scheduled call, at most once per second.
  void warn_of_schedule(const ScheduledWork& work, const runtime::ScheduledResult& result,
                        Timestamp started);

  // On a full disk calls and updates are refused, and schedules wait. True: `work` is done with.
  bool put_off(HostWork& work);
  void resume_put_off();

  // One per kind of work.
  void on(SessionBatchWork& work);
  void on(SessionOpenWork& work);
  void on(SessionCloseWork& work);
  void on(CallWork& work);
  void on(SqlWork& work);
  void on(ScheduledWork& work);
  void on(ImmediateWork& work);
  void on(UpdateWork& work);
  void on(PrePublishWork& work);
  void on(SchemaWork& work);
  void on(ProgramWork& work);
  void on(LogsWork& work);
  void on(SnapshotHintWork& work);
  void on(SampleWork& work);
  void on(StopWork& work);

  // One per kind of client message.
  struct From {
    SessionId session;
    const SessionInfo* info;
    std::chrono::steady_clock::time_point arrived;
  };
  void on(const From& from, const protocol::CallReducer& message);
  void on(const From& from, const protocol::Subscribe& message);
  void on(const From& from, const protocol::Unsubscribe& message);
  void on(const From& from, const protocol::OneOffQuery& message);
  void on(const From& from, const protocol::CallProcedure& message);

  // Building blocks.
  Timestamp next_timestamp();
  runtime::CallerRights rights_of(const Caller& caller) const;
  query::Caller query_caller(const Caller& caller) const;
  // Logs the transaction and leaves it in the batch; seals the bundle when it is full.
  void leave(TxItem item);
  void leave_tx(storage::TxDataPtr tx, Timestamp timestamp);
  template <typename Item>
  void leave_item(Item item) {
    batch_->items.emplace_back(std::move(item));
  }
  // Runs `answer` once everything so far is committed.
  void reply(std::function<void()> answer) { leave_item(ReplyItem{std::move(answer)}); }
  runtime::CallResult connect(const Caller& caller, const schema::ConnectionId& id);
  void disconnect(const Caller& caller, const schema::ConnectionId& id);
  bool needs_pin(const storage::TxData& tx) const;
  SnapshotPtr pin();
  Result<query::StatementResult> write_sql(const query::SqlStatement& statement,
                                           const query::Caller& caller);
  static runtime::ModuleProgram program_of(const HostParts& parts, HostType host_type,
                                           SharedBytes bytes);
  static Result<runtime::DescribedModule> load_program(
      const HostParts& parts, const runtime::ModuleProgram& program, runtime::ModuleLog& log,
      schema::DefinitionOrigin origin = schema::DefinitionOrigin::kPublisher);
  enum class UpdateOutcome : uint8_t { kUpdated, kUnchanged };
  Result<UpdateOutcome> update(const PublishRequest& request);
  Result<PrePublishReply> pre_publish(const PrePublishRequest& request);
  schema::ProgramChange change_to(const schema::Hash256& new_program) const;
  void seal();  // Closes bundle and batch and sends both on.
  void hand_over(runtime::CallResult& result);
  void checkpoint_if_due(CheckpointPacer::Occasion occasion);

  // Figures [S 05/6].
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct MeteredCall {
    std::string_view function;  // Borrowed.
    SteadyTime started;
    SteadyTime arrived{};  // The epoch: nobody sent it.
  };
  // Returns where its answer is counted.
  AnswerMark meter_call(const MeteredCall& call, const runtime::CallResult& result);
  void meter_error(const MeteredCall& call, const runtime::CallResult& result);
  void meter_lifecycle(const MeteredCall& call, const runtime::CallResult& result);
  void meter_changes(const TxItem& item);
  Result<runtime::DescribedModule> load_metered(
      const runtime::ModuleProgram& program,
      schema::DefinitionOrigin origin = schema::DefinitionOrigin::kPublisher);
  void sample_if_due(SteadyTime now);
  void sample(SteadyTime now);

  const HostParts parts_;
  const std::unique_ptr<storage::DatabaseState> state_;
  storage::BundleBuilder builder_;
  Term term_;             // Led; 0 = not yet.
  ProposalSeq proposed_;  // Last one.
  std::optional<Birth> birth_;
  std::unique_ptr<ModuleLogSink> module_log_;
  std::unique_ptr<runtime::CallExecutor> executor_;
  std::unordered_map<SessionId, SessionInfo> sessions_;
  std::shared_ptr<ExecutedBatch> batch_;  // Being built; never null between calls.
  Timestamp last_timestamp_;
  SnapshotPtr pinned_;  // Of the present state, if some item of this drain pinned it.
  std::set<TableId> snapshot_tables_;   // Tables of live joins, as the subscription actor knows.
  uint64_t subscribe_sequence_ = 0;     // Subscribes passed on,
  uint64_t hinted_sequence_ = 0;        // and those the tables above account for.
  std::vector<ScheduledWork> put_off_;  // Until there is space; the scheduler has one out at once.
  bool stopped_ = false;
  bool schedules_are_lost_ = false;  // One of them failed inside the host: all are armed anew.

  struct DroppedCalls {
    uint64_t count = 0;
    std::string first;  // Of these, the reducer and why.
  };
  DroppedCalls dropped_;             // Of this drain.
  std::optional<Timestamp> warned_;  // Of a late schedule, last.

  // Checkpoints.
  std::shared_ptr<storage::CheckpointWriter> checkpoint_writer_;
  CheckpointPacer checkpoint_pacer_;

  bool changed_since_sample_ = false;
  SteadyTime sampled_at_;
};

}  // namespace worldline::actors
