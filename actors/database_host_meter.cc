// What a DatabaseHost counts for the metrics page [S 05/6].

#include "actors/database_host.h"
#include "base/check.h"

namespace worldline::actors {
namespace {

using Kind = runtime::CallResultKind;

constexpr std::chrono::seconds kSampleInterval{15};  // [S 05/6.2]

uint64_t micros_of(std::chrono::steady_clock::duration time) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

// Whether the module was entered. A name that came with any other call may be anything.
bool reached_module(Kind kind) {
  switch (kind) {
    case Kind::kCommitted:
    case Kind::kUserError:
    case Kind::kFatal:
    case Kind::kBudget:
      return true;
    case Kind::kNoSuchReducer:
    case Kind::kLifecycleReducer:
    case Kind::kInvalidArguments:
    case Kind::kClientRefused:
      return false;
  }
  return false;
}

}  // namespace

AnswerMark DatabaseHost::meter_call(const MeteredCall& call, const runtime::CallResult& result) {
  if (!reached_module(result.kind)) return {};
  DatabaseMeter& meter = parts_.counters->meter;
  const Workload workload = call.function.empty() ? Workload::kInternal : Workload::kReducer;
  FunctionFigures& figures = meter.function(workload, call.function);
  const uint64_t micros = micros_of(parts_.clock->steady() - call.started);
  figures.elapsed.observe(micros);
  add_alone(figures.call_micros, micros);
  add_alone(result.committed() ? figures.committed : figures.rolled_back, 1);
  if (!result.committed()) meter_error(call, result);
  if (call.arrived == SteadyTime{}) return {};
  figures.wait.observe(micros_of(call.started - call.arrived));
  return {&figures, call.arrived};
}

void DatabaseHost::meter_error(const MeteredCall& call, const runtime::CallResult& result) {
  ErrorFigures* const errors =
      parts_.counters->meter.errors(executor_->program().hash.to_hex(), call.function);
  if (errors == nullptr) return;
  add(result.kind == Kind::kUserError ? errors->sender_errors : errors->traps, 1);
}

// Of a transaction in which the module may have nothing to say: then it is the host's own.
void DatabaseHost::meter_lifecycle(const MeteredCall& call, const runtime::CallResult& result) {
  const auto& tx = result.commit.tx_data;
  MeteredCall named = call;
  if (result.committed()) named.function = tx == nullptr ? std::string_view() : tx->reducer;
  meter_call(named, result);
}

// REQUIRES: item.tx is committed in the state.
void DatabaseHost::meter_changes(const TxItem& item) {
  const storage::TxData& tx = *item.tx;
  const Workload workload = item.is_sql           ? Workload::kSql
                            : !tx.reducer.empty() ? Workload::kReducer
                                                  : Workload::kInternal;
  DatabaseMeter& meter = parts_.counters->meter;
  meter.count_changes(meter.function(workload, tx.reducer), tx);
  for (const storage::TableDelta& delta : tx.tables) {
    const storage::TableView* const table = state_->view().find_table(delta.table);
    TableFigures* const figures =
        table == nullptr ? nullptr : meter.table(delta.table, table->schema().name);
    if (figures != nullptr) set(figures->rows, table->row_count());
  }
  changed_since_sample_ = true;
}

Result<runtime::DescribedModule> DatabaseHost::load_metered(const runtime::ModuleProgram& program,
                                                            schema::DefinitionOrigin origin) {
  DatabaseMeter& meter = parts_.counters->meter;
  const auto started = parts_.clock->steady();
  auto module = load_program(parts_, program, *module_log_, origin);
  add(meter.loads, 1);
  add(meter.load_failures, module.ok() ? 0 : 1);
  meter.load_time.observe(micros_of(parts_.clock->steady() - started));
  return module;
}

void DatabaseHost::sample_if_due(SteadyTime now) {
  const bool is_due = changed_since_sample_ && now - sampled_at_ >= kSampleInterval;
  if (is_due) sample(now);
  parts_.counters->meter.sample_is_old.store(changed_since_sample_, std::memory_order_relaxed);
}

// O(pages of the database).
void DatabaseHost::sample(SteadyTime now) {
  sampled_at_ = now;
  changed_since_sample_ = false;
  DatabaseMeter& meter = parts_.counters->meter;
  const storage::ReadView& view = state_->view();
  const std::vector<TableId> existing = view.table_ids();
  meter.retain_tables(existing);
  for (const TableId id : existing) {
    const storage::TableView& table = *view.find_table(id);
    TableFigures* const figures = meter.table(id, table.schema().name);
    if (figures == nullptr) break;
    set(figures->rows, table.row_count());
    set(figures->sampled_rows, table.row_count());
    set(figures->memory_bytes, table.page_bytes());
    set(figures->row_bytes, table.row_bytes());
    set(figures->index_rows, table.row_count() * table.indexes().size());
  }
  set(meter.module_log_bytes, module_log_->file_bytes());
  set(meter.module_count, executor_->has_module() ? 1 : 0);
  if (!executor_->has_module()) return;
  set(meter.module_is_js, executor_->program().kind == runtime::ProgramKind::kJs ? 1 : 0);
  const runtime::HeapStats heap = executor_->heap_stats();
  set(meter.heap_total_bytes, heap.total_bytes);
  set(meter.heap_used_bytes, heap.used_bytes);
  set(meter.heap_limit_bytes, heap.limit_bytes);
  set(meter.heap_external_bytes, heap.external_bytes);
  set(meter.heap_physical_bytes, heap.physical_bytes);
  set(meter.heap_handle_bytes, heap.global_handle_bytes);
  set(meter.heap_contexts, heap.native_contexts);
  set(meter.heap_detached_contexts, heap.detached_contexts);
  set(meter.heap_limit_hits, heap.limit_hits);
}

}  // namespace worldline::actors
