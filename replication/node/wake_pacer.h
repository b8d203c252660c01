// replication/node/wake_pacer.h
//
// WakePacer lets a crowd of groups through a door: after a node's death thousands of groups want to
// wake and elect; at most so many per second may, the catalog first, then those that were used last
// [S 08/3.3 Q8].
//
// Ownership: one RaftNode. Units: groups per second, BootTime.
// Limits: one entry per group, so never more than the node has groups.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "replication/node/node_types.h"

namespace worldline::replication {

class WakePacer {
 public:
  // REQUIRES: per_second_max > 0.
  WakePacer(uint32_t per_second_max, BootTime now);

  // Waits in line; a group that waits already keeps its place. `used` = its last activity.
  void push(GroupId group, NodeTick used);
  void remove(GroupId group);
  bool is_waiting(GroupId group) const { return waiting_.contains(group); }
  size_t waiting_count() const { return waiting_.size(); }
  // Whom the time since the last call admits, in order.
  std::vector<GroupId> take(BootTime now);

 private:
  using Place = std::tuple<uint8_t, uint64_t, GroupId>;  // Catalog first, newest use first.

  const uint64_t per_second_max_;
  // Micros times groups per second not spent yet; one group costs a million. The burst is what a
  // tick earns, so no window of a second sees much more than the rate.
  uint64_t credit_ = 0;
  BootTime counted_to_;
  std::map<GroupId, Place> waiting_;
  std::map<Place, GroupId> line_;  // INVARIANT: the same groups as waiting_.
};

}  // namespace worldline::replication
