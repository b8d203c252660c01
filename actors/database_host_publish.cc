// The life cycle of a DatabaseHost: creation, recovery, and what publishers ask of a running one.

#include <algorithm>
#include <utility>

#include "actors/confirmation_wait.h"
#include "actors/database_host.h"
#include "base/check.h"
#include "schema/publish_plan.h"
#include "storage/module_tables.h"
#include "storage/system_tables.h"

namespace worldline::actors {
namespace {

runtime::ProgramKind runtime_kind(HostType host_type) {
  return host_type == HostType::kJs ? runtime::ProgramKind::kJs : runtime::ProgramKind::kWasm;
}

// What a module does wrong while it is loaded, whatever it is, becomes the publisher's 500
// [S 01/6.1].
Status module_refusal(const Status& why) {
  return Status::internal("{}", why.message());
}

schema::MigrationPolicy policy_of(const PublishRequest& request) {
  return request.policy == MigrationPolicy::kCompatible ? schema::MigrationPolicy::kCompatible
                                                        : schema::MigrationPolicy::kBreakClients;
}

}  // namespace

DatabaseHost::DatabaseHost(HostParts parts, Origin origin)
    : parts_(std::move(parts)),
      state_(std::move(origin.state)),
      builder_(origin.cluster_time_ns, parts_.clock->steady(), origin.last_timestamp),
      batch_(std::make_shared<ExecutedBatch>()),
      last_timestamp_(origin.last_timestamp),
      checkpoint_pacer_(parts_.checkpoint_policy, parts_.record.group.value,
                        parts_.clock->steady()) {}

DatabaseHost::~DatabaseHost() = default;

Result<std::unique_ptr<ModuleLogSink>> DatabaseHost::open_module_log(const HostParts& parts) {
  WL_ASSIGN_OR_RETURN(auto file, storage::ModuleLogFile::open(parts.log_directory));
  return std::make_unique<ModuleLogSink>(std::move(file), *parts.clock);
}

Result<runtime::DescribedModule> DatabaseHost::load_program(const HostParts& parts,
                                                            const runtime::ModuleProgram& program,
                                                            runtime::ModuleLog& log,
                                                            schema::DefinitionOrigin origin) {
  auto module = runtime::describe_module(*parts.runtime, program, parts.limits, log, origin);
  if (!module.ok()) return module_refusal(module.status());
  return module;
}

runtime::ModuleProgram DatabaseHost::program_of(const HostParts& parts, HostType host_type,
                                                SharedBytes bytes) {
  runtime::ModuleProgram program;
  program.kind = runtime_kind(host_type);
  program.hash = schema::keccak256(*bytes);
  program.bytes = std::move(bytes);
  program.database = parts.record.database;
  return program;
}

Result<runtime::ModuleProgram> DatabaseHost::check_program(const HostParts& parts,
                                                           const PublishRequest& request) {
  runtime::ModuleProgram program = program_of(parts, request.host_type, request.program);
  runtime::NullModuleLog nobody;
  const auto state = storage::DatabaseState::bootstrap({parts.record.group});
  runtime::CallExecutor executor({*parts.runtime, *state, nobody}, parts.limits);
  WL_ASSIGN_OR_RETURN(auto module, load_program(parts, program, nobody));
  auto published =
      executor.initialize({program, std::move(module), parts.record.owner, parts.clock->now()});
  if (!published.ok()) return module_refusal(published.status());
  return program;
}

Result<std::unique_ptr<DatabaseHost>> DatabaseHost::create(HostParts parts,
                                                           runtime::ModuleProgram program,
                                                           std::function<void()> committed) {
  const GroupId group = parts.record.group;
  std::unique_ptr<DatabaseHost> host(new DatabaseHost(
      std::move(parts), {storage::DatabaseState::bootstrap({group}), 0, Timestamp{}}));
  WL_RETURN_IF_ERROR(host->prepare(group, {}));
  host->birth_ = Birth{std::move(program), std::move(committed)};
  return host;
}

Result<std::unique_ptr<DatabaseHost>> DatabaseHost::recover(HostParts parts,
                                                            storage::RecoveredDatabase recovered) {
  const GroupId group = parts.record.group;
  std::unique_ptr<DatabaseHost> host(new DatabaseHost(
      std::move(parts),
      {std::move(recovered.state), recovered.cluster_time_ns, recovered.last_timestamp}));
  WL_RETURN_IF_ERROR(host->prepare(group, std::move(recovered.checkpoints)));
  host->checkpoint_pacer_.add_log(recovered.report.bytes_replayed);
  host->checkpoint_pacer_.add_transactions(recovered.report.transactions_replayed);
  WL_RETURN_IF_ERROR(host->load_stored_module());
  return host;
}

Status DatabaseHost::lead(Term term) {
  WL_CHECK(term > term_);
  term_ = term;
  if (birth_)
    WL_RETURN_IF_ERROR(publish_first(std::move(*std::exchange(birth_, {}))));
  else
    resume();
  seal();
  tell_dropped();
  module_log_->flush();
  sample(parts_.clock->steady());
  return {};
}

Status DatabaseHost::publish_first(Birth birth) {
  WL_ASSIGN_OR_RETURN(auto module, load_metered(birth.program));
  const Timestamp timestamp = next_timestamp();
  const auto started = parts_.clock->steady();
  auto published = executor_->initialize(
      {std::move(birth.program), std::move(module), parts_.record.owner, timestamp});
  if (!published.ok()) return module_refusal(published.status());
  meter_lifecycle({"init", started}, *published);
  hand_over(*published);
  leave_tx(std::move(published->commit.tx_data), timestamp);
  reply(std::move(birth.committed));
  return {};
}

// Clients of the life before are gone, and schedules are known from their rows.
void DatabaseHost::resume() {
  for (const auto& client : storage::read_clients(state_->view()))
    disconnect({client.identity, {}}, client.connection_id);
  clear_left_over_clients();
  parts_.ports->rearm(executor_->schedules(next_timestamp()));
}

// Whatever no disconnect removed, such as credentials without their client [S 05/2.5].
void DatabaseHost::clear_left_over_clients() {
  if (parts_.runtime->refuses_calls()) return;  // Then not all were disconnected either.
  storage::TxInfo info;
  info.timestamp = next_timestamp();
  info.caller = parts_.record.database;
  storage::Transaction tx = state_->begin(info);
  const auto cleared = storage::clear_clients(tx);
  if (!cleared.ok()) return tx.rollback();  // Too many for one transaction; the rows do no harm.
  leave_tx(tx.commit().tx_data, info.timestamp);
}

Status DatabaseHost::prepare(GroupId group, storage::CheckpointWriter::Known checkpoints) {
  WL_ASSIGN_OR_RETURN(module_log_, open_module_log(parts_));
  executor_ = std::make_unique<runtime::CallExecutor>(
      runtime::CallExecutor::Host{*parts_.runtime, *state_, *module_log_}, parts_.limits);
  checkpoint_writer_ = std::make_shared<storage::CheckpointWriter>(*parts_.checkpoints, group,
                                                                   std::move(checkpoints));
  return {};
}

Status DatabaseHost::load_stored_module() {
  WL_ASSIGN_OR_RETURN(auto row, storage::read_module_row(state_->view()));
  if (!row)
    return Status::corruption("database {} has no module row", parts_.record.database.to_hex());
  const HostType host_type =
      row->program_kind == storage::ProgramKind::kJs ? HostType::kJs : HostType::kWasm;
  runtime::ModuleProgram program = program_of(
      parts_, host_type, std::make_shared<const ByteBuffer>(std::move(row->program_bytes)));
  WL_ASSIGN_OR_RETURN(auto module, load_metered(program, schema::DefinitionOrigin::kStorage));
  return executor_->install(std::move(program), std::move(module));
}

// ---- Asked by publishers ----------------------------------------------------------------------

schema::ProgramChange DatabaseHost::change_to(const schema::Hash256& new_program) const {
  return {parts_.record.database, executor_->program().hash, new_program};
}

// A failure leaves everything as it was; the present module goes on serving.
Result<DatabaseHost::UpdateOutcome> DatabaseHost::update(const PublishRequest& request) {
  runtime::ModuleProgram program = program_of(parts_, request.host_type, request.program);
  WL_ASSIGN_OR_RETURN(auto module, load_metered(program));
  if (program.hash == executor_->program().hash) return UpdateOutcome::kUnchanged;
  const auto plan = schema::plan_migration(executor_->module_def(), module.def);
  if (!plan.ok())
    return Status::failed_precondition("Database update rejected: {}", plan.status().message());
  const Status allowed = schema::check_migration_policy(*plan, policy_of(request), request.token,
                                                        change_to(program.hash));
  if (!allowed.ok()) return allowed.with_context("Failed to create or update the database");

  WL_ASSIGN_OR_RETURN(auto definitions, storage::module_table_definitions(*module.def));
  std::erase_if(definitions, [this](const storage::TableDefinition& definition) {
    return executor_->module_def()->find_table(definition.name) != nullptr;
  });
  const Timestamp timestamp = next_timestamp();
  const auto started = parts_.clock->steady();
  auto updated = executor_->update({std::move(program), std::move(module), std::move(definitions),
                                    request.caller.identity, timestamp});
  if (!updated.ok())
    return Status::failed_precondition("Failed to create or update the database: {}",
                                       updated.status().message());
  meter_lifecycle({"", started}, *updated);
  hand_over(*updated);
  leave_tx(std::move(updated->commit.tx_data), timestamp);
  leave_item(SchemaChangedItem{pin()});
  if (plan->breaks_clients()) {
    for (const auto& client : storage::read_clients(state_->view()))
      disconnect({client.identity, {}}, client.connection_id);
    sessions_.clear();
    leave_item(CloseAllItem{{1001, "module exited"}});
  }
  parts_.ports->rearm(executor_->schedules(timestamp));
  return UpdateOutcome::kUpdated;
}

void DatabaseHost::on(UpdateWork& work) {
  const auto outcome = update(work.request);
  auto wait = std::make_shared<ConfirmationWait>(std::move(work.done));
  auto answer = [wait, status = outcome.status()] { wait->answer(status); };
  if (!outcome.ok() || *outcome == UpdateOutcome::kUnchanged) return reply(std::move(answer));
  // The wait for the commit is limited; the update stands all the same [S 04/1.3 no. 12].
  leave_item(
      TimedReplyItem{std::move(answer), parts_.clock->steady() + work.request.confirmation_timeout,
                     [wait = std::move(wait)] {
                       wait->answer(Status::timeout(
                           "Database update failed: timeout waiting for transaction confirmation"));
                     }});
}

void DatabaseHost::on(PrePublishWork& work) {
  auto outcome = pre_publish(work.request);
  reply([done = std::move(work.done), outcome = std::move(outcome)] { done(outcome); });
}

Result<PrePublishReply> DatabaseHost::pre_publish(const PrePublishRequest& request) {
  const runtime::ModuleProgram program = program_of(parts_, request.host_type, request.program);
  runtime::NullModuleLog nobody;
  WL_ASSIGN_OR_RETURN(const auto module, load_program(parts_, program, nobody));
  PrePublishReply answer;
  answer.major_version_upgrade =
      executor_->module_def()->raw_version() <= 9 && module.def->raw_version() == 10;
  const auto plan = schema::plan_migration(executor_->module_def(), module.def);
  answer.auto_migrate = plan.ok();
  if (!plan.ok()) {
    answer.text = plan.status().message();
    return answer;
  }
  WL_ASSIGN_OR_RETURN(answer.text,
                      schema::format_plan(*plan, request.ansi_color ? schema::PlanStyle::kAnsiColor
                                                                    : schema::PlanStyle::kNoColor));
  answer.break_clients = plan->breaks_clients();
  answer.token = schema::migration_token(change_to(program.hash));
  return answer;
}

void DatabaseHost::on(SchemaWork& work) {
  auto json = executor_->module_def()->schema_json(work.version);
  reply([done = std::move(work.done), json = std::move(json)] { done(json); });
}

void DatabaseHost::on(ProgramWork& work) {
  const runtime::ModuleProgram& program = executor_->program();
  ProgramWork::Program answer{
      program.kind == runtime::ProgramKind::kJs ? HostType::kJs : HostType::kWasm, program.bytes};
  reply([done = std::move(work.done), answer] { done(answer); });
}

}  // namespace worldline::actors
