// replication/node/gone_checks.h
//
// GoneChecks remembers which replicas here were told that they are gone. Nothing is destroyed on a
// peer's word: the catalog is asked, at most once a second per group [S 08/3.10].
//
// Ownership: one RaftNode. Limits: one entry per group of the node. Units: BootTime.
#pragma once

#include <map>

#include "replication/node/node_types.h"
#include "replication/raft_messages.h"

namespace worldline::replication {

class GoneChecks {
 public:
  // A peer said so. True: ask the catalog now.
  bool on_told(GroupId group, ReplicaId replica, BootTime now) {
    const auto [it, is_new] = asked_.try_emplace(group, Asked{replica, now});
    if (is_new) return true;
    if (it->second.replica == replica && now < it->second.at + kAskEvery) return false;
    it->second = {replica, now};
    return true;
  }
  // The catalog answered about `replica`. False: nobody asked.
  bool on_verified(GroupId group, ReplicaId replica) {
    const auto found = asked_.find(group);
    if (found == asked_.end() || found->second.replica != replica) return false;
    asked_.erase(found);
    return true;
  }
  void forget(GroupId group) { asked_.erase(group); }
  size_t pending_count() const { return asked_.size(); }

 private:
  static constexpr Micros kAskEvery{1'000'000};
  struct Asked {
    ReplicaId replica;
    BootTime at;
  };
  std::map<GroupId, Asked> asked_;
};

}  // namespace worldline::replication
