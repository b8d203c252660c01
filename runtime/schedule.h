// runtime/schedule.h
//
// Schedule rows: reading the due time out of a row's bytes, and what a commit asks the scheduler to
// arm. Rows are armed at commit, never before: an abandoned transaction leaves nothing behind
// [S 03/4.11, REQ]; only the delay limit is checked while the module runs.
//
// Pure functions; any thread. Units: microseconds.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "runtime/runtime_types.h"
#include "storage/read_view.h"
#include "storage/table_schema.h"
#include "storage/tx_data.h"

namespace worldline::runtime {

// Delays from here on are refused with errno 13: 64^6 - 1 ms, about 2.18 years.
inline constexpr int64_t kScheduleDelayMicrosMax = ((int64_t{1} << 36) - 1) * 1000;

struct ScheduleRow {
  uint64_t id = 0;  // Value of the primary key column.
  ScheduleAt at;
  friend bool operator==(const ScheduleRow&, const ScheduleRow&) = default;
};

// Nothing if the schema is not a well-formed schedule table. REQUIRES: a valid row of the table.
std::optional<ScheduleRow> read_schedule_row(const storage::TableSchema& schema, Bytes row);

// How far in the future the row is due: 0 for times in the past, the length of an interval.
int64_t schedule_delay_micros(const ScheduleAt& at, Timestamp now);

// Time rows: their time, but not before `now`. Intervals: one interval after `now`, which is the
// later of the function's start and the wall clock.
Timestamp first_due(const ScheduleAt& at, Timestamp now);

// The next due time of an interval after it ran: the first multiple after `now`, counted from the
// intended time, so missed ticks are skipped and nothing drifts.
Timestamp next_due(int64_t interval_micros, Timestamp intended, Timestamp now);

// Rows that a committed transaction inserted or replaced in schedule tables.
std::vector<ScheduleNotice> schedule_notices(const storage::TxData& data, Timestamp now);

// Every row of every schedule table: what a start, a module update or a new leader arms.
std::vector<ScheduleNotice> all_schedules(const storage::ReadView& view, Timestamp now);

}  // namespace worldline::runtime
