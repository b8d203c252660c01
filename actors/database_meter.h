// actors/database_meter.h
//
// DatabaseMeter: the figures of one database by function, table and module [S 05/6], counted where
// the work is done. metric_samples.h names them on the page and says which ones are not kept.
//
// The idea: a call finds its series once and adds to atomics in it. Nothing is locked, and nothing
// allocated once a function and its tables were seen.
//
// Invariants: at most kMeterFunctionsMax functions, kMeterChangesMax pairs of function and table,
// kMeterTablesMax tables and kMeterErrorsMax pairs of module and function have series of their own;
// calls and changes beyond are summed under `_other`, tables and errors beyond are not shown.
// Ownership: shared by the module host's actor and the metrics page. Thread: what is not const, the
// module host's; single figures and the const part, any. Units: microseconds, bytes, rows.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/meter_series.h"
#include "base/ids.h"

namespace worldline::storage {
struct TxData;
}  // namespace worldline::storage

namespace worldline::actors {

inline constexpr size_t kMeterFunctionsMax = 1'024;
inline constexpr size_t kMeterChangesMax = 4'096;
inline constexpr size_t kMeterTablesMax = 4'096;
inline constexpr size_t kMeterErrorsMax = 1'024;

enum class Workload : uint8_t { kReducer, kSql, kInternal };
const char* workload_name(Workload workload);

// Rows of one table changed by one function.
struct ChangeFigures {
  ChangeFigures(TableId id, std::string name) : table(id), table_name(std::move(name)) {}

  const TableId table;
  const std::string table_name;
  std::atomic<uint64_t> rows_inserted{0};
  std::atomic<uint64_t> rows_deleted{0};
  std::atomic<uint64_t> index_rows_inserted{0};
  std::atomic<uint64_t> index_rows_deleted{0};
};

struct FunctionFigures {
  FunctionFigures(Workload of, std::string function);

  const Workload workload;
  const std::string name;  // Empty unless kReducer.
  std::atomic<uint64_t> committed{0};
  std::atomic<uint64_t> rolled_back{0};
  std::atomic<uint64_t> call_micros{0};
  MeterHistogram elapsed;   // Of its transactions.
  MeterHistogram wait;      // In the inbox, of calls that clients sent.
  MeterHistogram answered;  // From arrival to the answer, of the same; the subscription actor's.
  MeterHistogram lateness;  // Of scheduled calls; no count unless it has any.
  MeterList<ChangeFigures> changes;
};

struct TableFigures {
  TableFigures(TableId id, std::string table_name) : table(id), name(std::move(table_name)) {}

  const TableId table;
  const std::string name;
  std::atomic<bool> exists{true};
  std::atomic<uint64_t> rows{0};
  std::atomic<uint64_t> memory_bytes{0};  // This and the rest as of the last sample.
  std::atomic<uint64_t> sampled_rows{0};
  std::atomic<uint64_t> row_bytes{0};
  std::atomic<uint64_t> index_rows{0};
};

// What one version of the module did wrong.
struct ErrorFigures {
  ErrorFigures(std::string hash, std::string function)
      : module_hash(std::move(hash)), name(std::move(function)) {}

  const std::string module_hash;
  const std::string name;
  std::atomic<uint64_t> traps{0};
  std::atomic<uint64_t> sender_errors{0};
};

class DatabaseMeter {
 public:
  DatabaseMeter();

  // The series of a function; `name` must be one the module has, or empty.
  FunctionFigures& function(Workload workload, std::string_view name);
  // The rows a committed transaction changed. REQUIRES: its schemas are filled in.
  void count_changes(FunctionFigures& function, const storage::TxData& tx);
  // Null beyond the limit. A table that comes again under another name gets a new series.
  TableFigures* table(TableId id, const std::string& name);
  // Forgets on the page what is not in `existing`, which ascends.
  void retain_tables(const std::vector<TableId>& existing);
  // Null beyond the limit.
  ErrorFigures* errors(const std::string& module_hash, std::string_view name);

  // --- For the page. ---
  const MeterList<FunctionFigures>& functions() const { return functions_; }
  const MeterList<TableFigures>& tables() const { return tables_; }
  const MeterList<ErrorFigures>& errors() const { return errors_; }

  // Single figures.
  std::atomic<uint64_t> module_is_js{0};
  std::atomic<uint64_t> module_count{0};
  std::atomic<uint64_t> loads{0};
  std::atomic<uint64_t> load_failures{0};
  std::atomic<uint64_t> module_log_bytes{0};
  std::atomic<uint64_t> heap_total_bytes{0};
  std::atomic<uint64_t> heap_used_bytes{0};
  std::atomic<uint64_t> heap_limit_bytes{0};
  std::atomic<uint64_t> heap_external_bytes{0};
  std::atomic<uint64_t> heap_physical_bytes{0};
  std::atomic<uint64_t> heap_handle_bytes{0};
  std::atomic<uint64_t> heap_contexts{0};
  std::atomic<uint64_t> heap_detached_contexts{0};
  std::atomic<uint64_t> heap_limit_hits{0};
  std::atomic<uint64_t> replay_micros{0};
  std::atomic<uint64_t> replay_restore_micros{0};  // Part of the former, as is the next.
  std::atomic<uint64_t> replay_log_micros{0};
  std::atomic<uint64_t> replay_entries{0};
  std::atomic<bool> sample_is_old{false};  // Something changed since the last sample.
  MeterHistogram load_time;
  MeterHistogram checkpoint_time;
  MeterHistogram queue_lengths;  // Works a drain found.

 private:
  ChangeFigures* change(FunctionFigures& function, TableId id, const std::string& name);

  MeterList<FunctionFigures> functions_;
  MeterList<TableFigures> tables_;
  MeterList<ErrorFigures> errors_;

  // Of the module host's thread.
  FunctionFigures* last_function_ = nullptr;
  std::map<std::string, FunctionFigures*, std::less<>> reducers_;  // Found without a copy.
  FunctionFigures* sql_;
  FunctionFigures* internal_;
  FunctionFigures* other_functions_;
  std::unordered_map<TableId, TableFigures*> tables_by_id_;
  std::map<std::pair<std::string, std::string>, ErrorFigures*> errors_by_name_;  // Hash, function.
  size_t change_count_ = 0;
};

}  // namespace worldline::actors
