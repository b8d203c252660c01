#include "actors/schedule_queue.h"

#include "base/check.h"

namespace worldline::actors {

void ScheduleQueue::arm(ScheduleKey key, Timestamp due) {
  const auto [entry, inserted] = due_by_key_.try_emplace(key, due);
  if (!inserted) {
    order_.erase({entry->second, key});
    entry->second = due;
  }
  order_.insert({due, key});
  WL_CHECK(order_.size() == due_by_key_.size());
}

std::optional<DueSchedule> ScheduleQueue::take_due(Timestamp now) {
  if (running_ || order_.empty() || order_.begin()->first > now) return std::nullopt;
  const auto [due, key] = *order_.begin();
  order_.erase(order_.begin());
  due_by_key_.erase(key);
  running_ = true;
  return DueSchedule{key, due};
}

std::optional<Timestamp> ScheduleQueue::next_due() const {
  if (running_ || order_.empty()) return std::nullopt;
  return order_.begin()->first;
}

void ScheduleQueue::clear() {
  due_by_key_.clear();
  order_.clear();
}

}  // namespace worldline::actors
