// The part of CallExecutor that runs due schedule rows [S 03/4.11].

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <utility>

#include "runtime/call_executor.h"

namespace worldline::runtime {
namespace {

// The row of a schedule table by its id; borrowed until the next write to the table.
std::optional<storage::RowRef> find_row(const storage::TableView& table, uint64_t id) {
  if (!table.schema().primary_key || !table.schema().schedule) return std::nullopt;
  const std::array columns{*table.schema().primary_key};
  const storage::IndexView* index = table.index_on(columns);
  if (index == nullptr || !index->schema().is_unique) return std::nullopt;
  std::array<Byte, sizeof id> key{};
  store_le(key.data(), id);
  const auto point = index->point_key(key);
  return point.ok() ? index->find_unique(*point) : std::nullopt;
}

std::optional<ScheduleRow> read_row(const storage::ReadView& view, const ScheduledCall& call) {
  const storage::TableView* table = view.find_table(call.table);
  if (table == nullptr) return std::nullopt;
  const auto ref = find_row(*table, call.schedule_id);
  return ref ? read_schedule_row(table->schema(), table->row(*ref)) : std::nullopt;
}

}  // namespace

ScheduledResult CallExecutor::run_scheduled(const ScheduledCall& call, Timestamp now) {
  ScheduledResult result;
  const storage::TableView* table = state_.view().find_table(call.table);
  const auto ref = table == nullptr ? std::nullopt : find_row(*table, call.schedule_id);
  if (!ref) return result;
  const auto before = read_schedule_row(table->schema(), table->row(*ref));
  result.kind = ScheduledResult::Kind::kRan;
  if (!before) {
    result.call = refuse(CallResultKind::kInvalidArguments, "its row has no readable time");
    return result;
  }
  const Bytes row = table->row(*ref);
  const ByteBuffer args(row.begin(), row.end());  // The parameter is the row as it is at this time.
  const std::string function = table->schema().schedule->function;
  const Timestamp timestamp = std::max(now, call.due);
  // The one place that expects an exception: of one function nobody waits for, and in an interval.
  try {
    result.call = call_scheduled(function, args, timestamp);
  } catch (const std::exception& panic) {
    set_instance(nullptr);  // Whatever state it was in.
    result.kind = ScheduledResult::Kind::kPanicked;
    result.call = refuse(CallResultKind::kFatal, panic.what());
    return result;
  }
  // Ended by the stop of the node: due again at the next start.
  if (result.call.kind == CallResultKind::kBudget && runtime_.shortens_calls()) return result;
  // Success or failure alike. A row whose time the reducer changed was armed by the commit.
  const auto after = read_row(state_.view(), call);
  if (!after || after->at != before->at) return result;
  if (after->at.kind == ScheduleAt::Kind::kInterval) {
    const Timestamp wall = std::max(timestamp, runtime_.clock().now());
    result.rearm.push_back(
        {call.table, call.schedule_id, after->at, next_due(after->at.micros, call.due, wall)});
    return result;
  }
  result.removal = remove_one_shot(call, Timestamp{timestamp.micros + 1});
  return result;
}

// Nobody outside asked: refusals are no lines in the module's log.
CallResult CallExecutor::call_scheduled(const std::string& function, Bytes args,
                                        Timestamp timestamp) {
  const ReducerEntry* const reducer = reducers_.find(function);
  if (reducer == nullptr)
    return refuse(CallResultKind::kNoSuchReducer, std::string(kNoSuchReducerText));
  if (const auto decoded = bsatn_arguments(*reducer, args); !decoded.ok())
    return refuse(CallResultKind::kInvalidArguments, decoded.status().message());
  return run({.reducer = function,
              .encoding = ArgsEncoding::kBsatn,
              .args = args,
              .caller = program_.database,
              .connection = {},
              .timestamp = timestamp,
              .rights = CallerRights::kInternal});
}

storage::CommitResult CallExecutor::remove_one_shot(const ScheduledCall& call, Timestamp when) {
  storage::Transaction tx = state_.begin({.timestamp = when,
                                          .caller = program_.database,
                                          .connection_id = {},
                                          .reducer = {},
                                          .args = {}});
  const storage::TableView* table = tx.view().find_table(call.table);
  if (const auto ref = find_row(*table, call.schedule_id))
    tx.delete_row(call.table, *ref).ignore("the row was found just before");
  return tx.commit();
}

}  // namespace worldline::runtime
