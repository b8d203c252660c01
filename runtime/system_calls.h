// runtime/system_calls.h
//
// SystemCalls is the one table of what a module may ask of its host: both bindings (JavaScript
// here, WebAssembly later) translate values and call these. Each function returns an Errno; outputs
// are written only on success.
//
// Invariants: datastore calls work inside begin_call() with a transaction, else kNotInTransaction;
// row iterators of a call end with it, console timers go on; numbers are never reused.
// Ownership and thread: one per module instance, its thread. Log and clock are borrowed.
// Units: bytes, microseconds. Errors: kTrap is a failure without number; trap_text() explains it
// and the binding must end the script.
// Sources: [S 03/1.5, 1.6, 2.5-2.10, 3.5], [S 05/1.3-1.8, 1.15].
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "runtime/call_context.h"
#include "runtime/errno.h"
#include "runtime/module_log.h"
#include "runtime/row_iterators.h"
#include "schema/identity.h"
#include "storage/data_result.h"
#include "storage/read_view.h"
#include "storage/transaction.h"

namespace worldline::runtime {

using RangeArguments = storage::RangeArguments;  // [S 03/2.7]

class SystemCalls {
 public:
  SystemCalls(schema::Identity database, ModuleLog& log, const Clock& clock);
  SystemCalls(const SystemCalls&) = delete;
  SystemCalls& operator=(const SystemCalls&) = delete;

  // `context` and `function` are borrowed until end_call().
  void begin_call(CallContext& context, std::string_view function);
  void end_call();

  // Ids: canonical name first, then the module-side one.
  Errno table_id_from_name(std::string_view name, TableId& out);
  Errno index_id_from_name(std::string_view name, TableIndexId& out);

  // Reading. Scans open an iterator and give its number.
  Errno table_row_count(TableId table, uint64_t& out);
  Errno table_scan(TableId table, uint32_t& iterator);
  Errno index_scan_point(TableIndexId index, Bytes point, uint32_t& iterator);
  Errno index_scan_range(TableIndexId index, const RangeArguments& range, uint32_t& iterator);
  RowIterators& iterators() { return iterators_; }

  // Writing. `generated` is the BSATN of the columns filled by sequences; it is borrowed and valid
  // until the next operation on the transaction.
  Errno insert(TableId table, Bytes row, Bytes& generated);
  Errno update(TableId table, TableIndexId index, Bytes row, Bytes& generated);
  Errno delete_all_by_eq(TableId table, Bytes relation, uint32_t& count);
  Errno delete_by_index_point(TableIndexId index, Bytes point, uint32_t& count);
  Errno delete_by_index_range(TableIndexId index, const RangeArguments& range, uint32_t& count);
  Errno clear(TableId table, uint64_t& count);

  // Log. `position` is where the module stands, as far as it is known.
  struct LogPosition {
    std::optional<std::string_view> target;
    std::optional<std::string_view> filename;
    std::optional<uint32_t> line;
  };
  void console_log(uint8_t level, std::string_view message, const LogPosition& position);
  void panic(std::string_view message, std::span<const LogFrame> trace);
  uint32_t console_timer_start(std::string_view name);
  Errno console_timer_end(uint32_t timer, const LogPosition& position);

  // The rest.
  const schema::Identity& identity() const { return database_; }
  Errno get_jwt(const schema::ConnectionId& connection, ByteBuffer& payload);
  Errno schedule_immediate(std::string_view reducer, Bytes args);
  // Reducers cannot open anonymous transactions, and procedures are not run by this version.
  Errno procedure_start() const { return Errno::kWouldBlockTransaction; }
  Errno procedure_end() const { return Errno::kTransactionNotAnonymous; }
  Errno procedure_http() const { return Errno::kWouldBlockTransaction; }

  std::string_view trap_text() const { return trap_text_; }

 private:
  struct Timer {
    uint32_t number;
    std::string name;
    std::chrono::steady_clock::time_point started;
  };

  bool in_transaction() const { return context_ != nullptr && context_->tx != nullptr; }
  const storage::ReadView& view() const;  // REQUIRES: in_transaction().
  Errno fail(storage::DataError error, const Status& status);
  Errno finish_write(TableId table, const storage::InsertOutcome& outcome, Bytes& generated);
  Errno check_delay(const storage::TableSchema& schema, Bytes row) const;
  Errno trap(std::string text);
  RowIterators::Rows* open_rows();  // Null: trap_text_ says why.
  template <typename Cursor>
  Errno copy_rows(Cursor cursor, uint32_t& iterator);

  const schema::Identity database_;
  ModuleLog& log_;
  const Clock& clock_;
  CallContext* context_ = nullptr;  // Null outside calls.
  std::string_view function_;       // Empty outside calls.
  RowIterators iterators_;
  std::vector<Timer> timers_;
  uint32_t last_timer_ = 0;
  storage::IndexKey key_;  // Reused by point scans.
  std::string trap_text_;
};

}  // namespace worldline::runtime
