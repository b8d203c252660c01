#include "runtime/schedule.h"

#include <algorithm>

namespace worldline::runtime {
namespace {

constexpr size_t kScheduleAtBytes = 1 + sizeof(int64_t);

// |micros| without overflow for the one value that has no positive counterpart.
int64_t magnitude(int64_t micros) {
  if (micros == INT64_MIN) return INT64_MAX;
  return micros < 0 ? -micros : micros;
}

int64_t add_saturating(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

std::optional<ScheduleNotice> notice_of(const storage::TableSchema& schema, Bytes row,
                                        Timestamp now) {
  const auto found = read_schedule_row(schema, row);
  if (!found) return std::nullopt;
  return ScheduleNotice{schema.id, found->id, found->at, first_due(found->at, now)};
}

}  // namespace

std::optional<ScheduleRow> read_schedule_row(const storage::TableSchema& schema, Bytes row) {
  if (!schema.schedule || !schema.primary_key) return std::nullopt;
  const Bytes id = schema.layout.column(row, *schema.primary_key);
  const Bytes at = schema.layout.column(row, schema.schedule->at_column);
  if (id.size() != sizeof(uint64_t) || at.size() != kScheduleAtBytes || at[0] > 1)
    return std::nullopt;
  return ScheduleRow{load_le<uint64_t>(id.data()),
                     {static_cast<ScheduleAt::Kind>(at[0]), load_le<int64_t>(at.data() + 1)}};
}

int64_t schedule_delay_micros(const ScheduleAt& at, Timestamp now) {
  if (at.kind == ScheduleAt::Kind::kInterval) return magnitude(at.micros);
  if (at.micros <= now.micros) return 0;
  int64_t delay = 0;
  return __builtin_sub_overflow(at.micros, now.micros, &delay) ? INT64_MAX : delay;
}

Timestamp first_due(const ScheduleAt& at, Timestamp now) {
  return {add_saturating(now.micros, schedule_delay_micros(at, now))};
}

Timestamp next_due(int64_t interval_micros, Timestamp intended, Timestamp now) {
  const int64_t step = std::max<int64_t>(magnitude(interval_micros), 1);
  if (intended.micros > now.micros) return {add_saturating(intended.micros, step)};
  int64_t behind = 0;
  if (__builtin_sub_overflow(now.micros, intended.micros, &behind)) return {now.micros};
  return {add_saturating(now.micros - behind % step, step)};
}

std::vector<ScheduleNotice> schedule_notices(const storage::TxData& data, Timestamp now) {
  std::vector<ScheduleNotice> notices;
  for (const storage::TableDelta& delta : data.tables) {
    if (!delta.schema || !delta.schema->schedule) continue;
    for (size_t i = 0; i < delta.inserts.size(); ++i)
      if (const auto notice = notice_of(*delta.schema, delta.inserts[i], now))
        notices.push_back(*notice);
  }
  return notices;
}

std::vector<ScheduleNotice> all_schedules(const storage::ReadView& view, Timestamp now) {
  std::vector<ScheduleNotice> notices;
  for (const TableId id : view.table_ids()) {
    const storage::TableView* table = view.find_table(id);
    if (table == nullptr || !table->schema().schedule) continue;
    for (storage::RowCursor cursor = table->scan(); cursor.next();)
      if (const auto notice = notice_of(table->schema(), cursor.row(), now))
        notices.push_back(*notice);
  }
  return notices;
}

}  // namespace worldline::runtime
