#include "runtime/system_calls.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "runtime/duration_text.h"
#include "runtime/schedule.h"

namespace worldline::runtime {
namespace {

constexpr size_t kTimersMax = 4096;  // Console timers running; beyond it the oldest is forgotten.
constexpr size_t kLogMessageBytesMax = 64 * limits::KiB;  // Longer lines are cut.
constexpr size_t kImmediateCallsMax = 4096;               // Requests of one call.
constexpr size_t kImmediateBytesMax = 16 * limits::MiB;   // Their names and arguments.

// Cuts at a character boundary.
std::string_view cut_text(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
  return text.substr(0, bytes_max);
}

// A cursor over the row a unique index found, if any. The index is borrowed.
class OneRow {
 public:
  OneRow(const storage::IndexView& index, std::optional<storage::RowRef> ref)
      : index_(index), next_(ref) {}
  bool next() {
    row_ = std::exchange(next_, std::nullopt);
    return row_.has_value();
  }
  Bytes row() const { return index_.table().row(*row_); }  // REQUIRES: next() was true.

 private:
  const storage::IndexView& index_;
  std::optional<storage::RowRef> next_;
  std::optional<storage::RowRef> row_;
};

}  // namespace

SystemCalls::SystemCalls(schema::Identity database, ModuleLog& log, const Clock& clock)
    : database_(database), log_(log), clock_(clock) {}

void SystemCalls::begin_call(CallContext& context, std::string_view function) {
  WL_CHECK(context_ == nullptr);
  context_ = &context;
  function_ = function;
}

void SystemCalls::end_call() {
  iterators_.close_all();
  context_ = nullptr;
  function_ = {};
}

const storage::ReadView& SystemCalls::view() const {
  return context_->tx->view();
}

// The one place where datastore failures become numbers [S 05/1.15].
Errno SystemCalls::fail(storage::DataError error, const Status& status) {
  switch (error) {
    case storage::DataError::kNoSuchTable:
      return Errno::kNoSuchTable;
    case storage::DataError::kNoSuchIndex:
      return Errno::kNoSuchIndex;
    case storage::DataError::kUnique:
      return Errno::kUniqueAlreadyExists;
    case storage::DataError::kNotUnique:
      return Errno::kIndexNotUnique;
    case storage::DataError::kNoSuchRow:
      return Errno::kNoSuchRow;
    case storage::DataError::kDecode:
      return Errno::kBsatnDecodeError;
    case storage::DataError::kWrongIndexAlgo:
      return Errno::kWrongIndexAlgo;
    case storage::DataError::kAutoInc:
      return Errno::kAutoIncOverflow;
    case storage::DataError::kNone:
    case storage::DataError::kTooLarge:
    case storage::DataError::kNotSupported:
    case storage::DataError::kInternal:
      break;
  }
  return trap(status.message());
}

Errno SystemCalls::table_id_from_name(std::string_view name, TableId& out) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const storage::TableView* table = view().find_table(name);
  if (table == nullptr) return Errno::kNoSuchTable;
  out = table->schema().id;
  return Errno::kOk;
}

Errno SystemCalls::index_id_from_name(std::string_view name, TableIndexId& out) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const storage::IndexView* index = view().find_index(name);
  if (index == nullptr) return Errno::kNoSuchIndex;
  out = index->schema().id;
  return Errno::kOk;
}

Errno SystemCalls::table_row_count(TableId table, uint64_t& out) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const storage::TableView* found = view().find_table(table);
  if (found == nullptr) return Errno::kNoSuchTable;
  out = found->row_count();
  return Errno::kOk;
}

Errno SystemCalls::trap(std::string text) {
  trap_text_ = std::move(text);
  return Errno::kTrap;
}

RowIterators::Rows* SystemCalls::open_rows() {
  RowIterators::Rows* const rows = iterators_.open();
  if (rows == nullptr)
    trap_text_ = iterators_.open_count() >= kOpenIteratorsMax
                     ? fmt::format("more than {} row iterators are open", kOpenIteratorsMax)
                     : "the row iterator numbers of this instance are used up";
  return rows;
}

// The limit is looked at before each row is copied: a scan never takes much more memory than it.
template <typename Cursor>
Errno SystemCalls::copy_rows(Cursor cursor, uint32_t& iterator) {
  RowIterators::Rows* const rows = open_rows();
  if (rows == nullptr) return Errno::kTrap;
  while (cursor.next()) {
    if (rows->add(cursor.row())) continue;
    iterators_.drop(*rows);
    return trap(
        fmt::format("the open row iterators of one call hold more than {} bytes of rows; scan "
                    "ranges of an index instead",
                    kOpenIteratorBytesMax));
  }
  iterator = iterators_.publish(*rows);
  return Errno::kOk;
}

Errno SystemCalls::table_scan(TableId table, uint32_t& iterator) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const storage::TableView* found = view().find_table(table);
  if (found == nullptr) return Errno::kNoSuchTable;
  return copy_rows(found->scan(), iterator);
}

Errno SystemCalls::index_scan_point(TableIndexId index, Bytes point, uint32_t& iterator) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const storage::IndexView* found = view().find_index(index);
  if (found == nullptr) return Errno::kNoSuchIndex;
  if (const auto status = found->make_point_key(point, key_); !status.ok())
    return fail(status.error(), status);
  if (!found->schema().is_unique) return copy_rows(found->point(key_), iterator);
  return copy_rows(OneRow{*found, found->find_unique(key_)}, iterator);
}

Errno SystemCalls::index_scan_range(TableIndexId index, const RangeArguments& range,
                                    uint32_t& iterator) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const storage::IndexView* found = view().find_index(index);
  if (found == nullptr) return Errno::kNoSuchIndex;
  const auto cursor = found->range(range);
  if (!cursor.ok()) return fail(cursor.error(), cursor.status());
  return copy_rows(*cursor, iterator);
}

Errno SystemCalls::insert(TableId table, Bytes row, Bytes& generated) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const auto outcome = context_->tx->insert(table, row);
  if (!outcome.ok()) return fail(outcome.error(), outcome.status());
  return finish_write(table, *outcome, generated);
}

Errno SystemCalls::update(TableId table, TableIndexId index, Bytes row, Bytes& generated) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const auto outcome = context_->tx->update(table, index, row);
  if (!outcome.ok()) return fail(outcome.error(), outcome.status());
  return finish_write(table, *outcome, generated);
}

// The row has been written when its delay turns out to be too long: the module decides [S 05/1.3].
Errno SystemCalls::finish_write(TableId table, const storage::InsertOutcome& outcome,
                                Bytes& generated) {
  generated = outcome.generated;
  const storage::TableView* found = view().find_table(table);
  if (found == nullptr || !found->schema().schedule) return Errno::kOk;
  return check_delay(found->schema(), outcome.row);
}

Errno SystemCalls::check_delay(const storage::TableSchema& schema, Bytes row) const {
  const auto schedule = read_schedule_row(schema, row);
  if (!schedule) return Errno::kOk;
  const int64_t delay = schedule_delay_micros(schedule->at, clock_.now());
  return delay < kScheduleDelayMicrosMax ? Errno::kOk : Errno::kScheduleAtDelayTooLong;
}

Errno SystemCalls::delete_all_by_eq(TableId table, Bytes relation, uint32_t& count) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const auto deleted = context_->tx->delete_by_eq(table, relation);
  if (!deleted.ok()) return fail(deleted.error(), deleted.status());
  count = *deleted;
  return Errno::kOk;
}

Errno SystemCalls::delete_by_index_point(TableIndexId index, Bytes point, uint32_t& count) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const auto deleted = context_->tx->delete_point(index, point);
  if (!deleted.ok()) return fail(deleted.error(), deleted.status());
  count = *deleted;
  return Errno::kOk;
}

Errno SystemCalls::delete_by_index_range(TableIndexId index, const RangeArguments& range,
                                         uint32_t& count) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const auto deleted = context_->tx->delete_range(index, range);
  if (!deleted.ok()) return fail(deleted.error(), deleted.status());
  count = *deleted;
  return Errno::kOk;
}

Errno SystemCalls::clear(TableId table, uint64_t& count) {
  if (!in_transaction()) return Errno::kNotInTransaction;
  const auto deleted = context_->tx->clear(table);
  if (!deleted.ok()) return fail(deleted.error(), deleted.status());
  count = *deleted;
  return Errno::kOk;
}

void SystemCalls::console_log(uint8_t level, std::string_view message,
                              const LogPosition& position) {
  LogRecord record{.level = log_level_from_abi(level),
                   .ts = clock_.now(),
                   .target = position.target,
                   .filename = position.filename,
                   .line_number = position.line,
                   .function = std::nullopt,
                   .message = cut_text(message, kLogMessageBytesMax),
                   .trace = {}};
  if (!function_.empty()) record.function = function_;
  log_.append(record);
}

void SystemCalls::panic(std::string_view message, std::span<const LogFrame> trace) {
  LogRecord record{.level = LogLevel::kPanic,
                   .ts = clock_.now(),
                   .target = std::nullopt,
                   .filename = std::nullopt,
                   .line_number = std::nullopt,
                   .function = std::nullopt,
                   .message = cut_text(message, kLogMessageBytesMax),
                   .trace = trace};
  if (!function_.empty()) record.function = function_;
  log_.append(record);
}

uint32_t SystemCalls::console_timer_start(std::string_view name) {
  if (timers_.size() >= kTimersMax) timers_.erase(timers_.begin());
  timers_.push_back(
      {++last_timer_, std::string(cut_text(name, kLogMessageBytesMax)), clock_.steady()});
  return last_timer_;
}

Errno SystemCalls::console_timer_end(uint32_t timer, const LogPosition& position) {
  const auto found = std::find_if(timers_.begin(), timers_.end(),
                                  [timer](const Timer& t) { return t.number == timer; });
  if (found == timers_.end()) return Errno::kNoSuchConsoleTimer;
  const auto elapsed =
      std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.steady() - found->started);
  const std::string message =
      fmt::format("Timing span \"{}\": {}", found->name, duration_text(elapsed));
  timers_.erase(found);
  console_log(2, message, position);
  return Errno::kOk;
}

// Reads the row by its connection id, the first column; the payload is the second [S 05/2.2].
Errno SystemCalls::get_jwt(const schema::ConnectionId& connection, ByteBuffer& payload) {
  payload.clear();
  if (!in_transaction()) return Errno::kNotInTransaction;
  const storage::TableView* table = view().find_table(storage::kStConnectionCredentials);
  if (table == nullptr || table->indexes().empty()) return Errno::kOk;
  const storage::IndexView& index = table->indexes().front();
  if (!index.make_point_key(connection.bytes(), key_).ok()) return Errno::kOk;
  storage::IndexCursor cursor = index.point(key_);
  if (!cursor.next()) return Errno::kOk;
  const Bytes text = table->schema().layout.column(cursor.row(), ColumnId{1});
  if (text.size() >= sizeof(uint32_t)) append(payload, text.subspan(sizeof(uint32_t)));
  return Errno::kOk;
}

// There is no errno for it: what cannot be kept ends the call, so that nothing is lost in silence.
Errno SystemCalls::schedule_immediate(std::string_view reducer, Bytes args) {
  if (context_ == nullptr) return trap("volatile_nonatomic_schedule_immediate outside of a call");
  const size_t bytes = reducer.size() + args.size();
  if (context_->immediates.size() >= kImmediateCallsMax)
    return trap(fmt::format("one call scheduled more than {} immediate calls", kImmediateCallsMax));
  if (bytes > kImmediateBytesMax - context_->immediate_bytes)
    return trap(fmt::format("the immediate calls scheduled by one call hold more than {} bytes",
                            kImmediateBytesMax));
  context_->immediate_bytes += bytes;
  context_->immediates.push_back({std::string(reducer), ByteBuffer(args.begin(), args.end())});
  return Errno::kOk;
}

}  // namespace worldline::runtime
