// replication/node/tick_wheel.h
//
// TickWheel says whom a tick concerns: the groups that are active, and sleepers whose alarm is due.
// Everybody else costs nothing [S 08/3.1].
//
// Invariants: a group has at most one alarm. Ownership: one RaftNode. Units: NodeTick.
// Cost: O(log groups) per change, O(active + due) per tick.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "replication/node/node_types.h"

namespace worldline::replication {

class TickWheel {
 public:
  void activate(GroupId group) { active_.insert(group); }
  void deactivate(GroupId group) { active_.erase(group); }
  bool is_active(GroupId group) const { return active_.contains(group); }
  size_t active_count() const { return active_.size(); }
  // Ascending, so the catalog comes first. A copy: ticks change who is active.
  std::vector<GroupId> active() const { return {active_.begin(), active_.end()}; }

  // Replaces the group's alarm.
  void set_alarm(GroupId group, NodeTick at);
  void clear_alarm(GroupId group);
  // Groups whose alarm is at or before `now`, ascending by group; their alarms are gone.
  std::vector<GroupId> take_due(NodeTick now);
  std::optional<NodeTick> next_alarm() const;

  void forget(GroupId group);

 private:
  std::set<GroupId> active_;
  std::map<GroupId, NodeTick> alarms_;
  std::set<std::pair<NodeTick, GroupId>> by_time_;  // INVARIANT: the same pairs as alarms_.
};

}  // namespace worldline::replication
