#include "actors/database_meter.h"

#include <algorithm>

#include "storage/tx_data.h"

namespace worldline::actors {
namespace {

constexpr double kMicrosPerSecond = 1e6;
constexpr const char* kOther = "_other";
// One is always left for the sum of the others.
constexpr size_t kChangesPerFunctionMax = kMeterChangesMax + 1;

// The buckets of [S 05/6], in microseconds.
constexpr uint64_t kTxBounds[] = {10,     50,      100,     500,       1'000,     5'000,     10'000,
                                  50'000, 100'000, 500'000, 1'000'000, 5'000'000, 10'000'000};
constexpr uint64_t kWaitBounds[] = {100,     500,     1'000,     5'000,     10'000,    50'000,
                                    100'000, 500'000, 1'000'000, 5'000'000, 10'000'000};
constexpr uint64_t kAnsweredBounds[] = {5'000,     10'000,    25'000,    50'000,
                                        100'000,   250'000,   500'000,   1'000'000,
                                        2'500'000, 5'000'000, 10'000'000};
constexpr uint64_t kLatenessBounds[] = {1'000,      5'000,      10'000,     50'000,
                                        100'000,    500'000,    1'000'000,  5'000'000,
                                        10'000'000, 30'000'000, 60'000'000, 300'000'000};
constexpr uint64_t kLoadBounds[] = {1'000,      5'000,      10'000,     50'000,
                                    100'000,    500'000,    1'000'000,  5'000'000,
                                    10'000'000, 50'000'000, 100'000'000};
constexpr uint64_t kCheckpointBounds[] = {500,     1'000,     5'000,     10'000,
                                          100'000, 1'000'000, 5'000'000, 10'000'000};
constexpr uint64_t kQueueBounds[] = {0, 1, 2, 5, 10, 25, 50, 75, 100, 200, 300, 400, 500, 1'000};

}  // namespace

const char* workload_name(Workload workload) {
  switch (workload) {
    case Workload::kReducer:
      return "Reducer";
    case Workload::kSql:
      return "Sql";
    case Workload::kInternal:
      return "Internal";
  }
  return "Internal";
}

FunctionFigures::FunctionFigures(Workload of, std::string function)
    : workload(of),
      name(std::move(function)),
      elapsed({kTxBounds, kMicrosPerSecond}),
      wait({kWaitBounds, kMicrosPerSecond}),
      answered({kAnsweredBounds, kMicrosPerSecond}),
      lateness({kLatenessBounds, kMicrosPerSecond}),
      changes(kChangesPerFunctionMax) {}

DatabaseMeter::DatabaseMeter()
    : load_time({kLoadBounds, kMicrosPerSecond}),
      checkpoint_time({kCheckpointBounds, kMicrosPerSecond}),
      queue_lengths({kQueueBounds, 1}),
      functions_(kMeterFunctionsMax + 3),
      tables_(kMeterTablesMax),
      errors_(kMeterErrorsMax),
      sql_(functions_.add(Workload::kSql, "")),
      internal_(functions_.add(Workload::kInternal, "")),
      other_functions_(functions_.add(Workload::kReducer, kOther)) {}

FunctionFigures& DatabaseMeter::function(Workload workload, std::string_view name) {
  if (workload == Workload::kSql) return *sql_;
  if (workload == Workload::kInternal) return *internal_;
  if (last_function_ != nullptr && last_function_->name == name) return *last_function_;
  auto found = reducers_.find(name);
  if (found == reducers_.end()) {
    FunctionFigures* const made = functions_.add(workload, std::string(name));
    if (made == nullptr) return *other_functions_;
    found = reducers_.emplace(name, made).first;
  }
  last_function_ = found->second;
  return *last_function_;
}

ChangeFigures* DatabaseMeter::change(FunctionFigures& function, TableId id,
                                     const std::string& name) {
  ChangeFigures* found = nullptr;
  ChangeFigures* other = nullptr;
  // A function touches few tables, so their list is short.
  function.changes.for_each([&](ChangeFigures& one) {
    if (one.table == id && one.table_name == name) found = &one;
    if (one.table == TableId{}) other = &one;
  });
  if (found != nullptr) return found;
  if (change_count_ >= kMeterChangesMax)
    return other != nullptr ? other : function.changes.add(TableId{}, kOther);
  ++change_count_;
  return function.changes.add(id, name);
}

void DatabaseMeter::count_changes(FunctionFigures& function, const storage::TxData& tx) {
  for (const storage::TableDelta& delta : tx.tables) {
    ChangeFigures* const one = change(function, delta.table, delta.schema->name);
    const size_t indexes = delta.schema->indexes.size();
    add_alone(one->rows_inserted, delta.inserts.size());
    add_alone(one->rows_deleted, delta.deletes.size());
    add_alone(one->index_rows_inserted, delta.inserts.size() * indexes);
    add_alone(one->index_rows_deleted, delta.deletes.size() * indexes);
  }
}

TableFigures* DatabaseMeter::table(TableId id, const std::string& name) {
  TableFigures*& known = tables_by_id_[id];
  if (known != nullptr && known->name == name) return known;
  if (known != nullptr) known->exists.store(false, std::memory_order_relaxed);
  known = tables_.add(id, name);
  return known;
}

void DatabaseMeter::retain_tables(const std::vector<TableId>& existing) {
  std::erase_if(tables_by_id_, [&existing](const auto& entry) {
    if (std::binary_search(existing.begin(), existing.end(), entry.first)) return false;
    if (entry.second != nullptr) entry.second->exists.store(false, std::memory_order_relaxed);
    return true;
  });
}

ErrorFigures* DatabaseMeter::errors(const std::string& module_hash, std::string_view name) {
  std::pair key(module_hash, std::string(name));
  const auto found = errors_by_name_.find(key);
  if (found != errors_by_name_.end()) return found->second;
  ErrorFigures* const made = errors_.add(key.first, key.second);
  if (made != nullptr) errors_by_name_.emplace(std::move(key), made);
  return made;
}

}  // namespace worldline::actors
