#include "replication/node/tick_wheel.h"

#include <algorithm>

namespace worldline::replication {

void TickWheel::set_alarm(GroupId group, NodeTick at) {
  clear_alarm(group);
  alarms_.emplace(group, at);
  by_time_.emplace(at, group);
}

void TickWheel::clear_alarm(GroupId group) {
  const auto found = alarms_.find(group);
  if (found == alarms_.end()) return;
  by_time_.erase({found->second, group});
  alarms_.erase(found);
}

std::vector<GroupId> TickWheel::take_due(NodeTick now) {
  std::vector<GroupId> due;
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    due.push_back(by_time_.begin()->second);
    alarms_.erase(due.back());
    by_time_.erase(by_time_.begin());
  }
  std::sort(due.begin(), due.end());
  return due;
}

std::optional<NodeTick> TickWheel::next_alarm() const {
  if (by_time_.empty()) return std::nullopt;
  return by_time_.begin()->first;
}

void TickWheel::forget(GroupId group) {
  deactivate(group);
  clear_alarm(group);
}

}  // namespace worldline::replication
