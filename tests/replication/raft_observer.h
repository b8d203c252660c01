// tests/replication/raft_observer.h
//
// RaftObserver sees all replicas of a cluster and looks for what no single one can see: two
// leaders in a term (I-1), diverging logs (I-2), a leader without a committed entry (I-5),
// replicas that apply different things (I-6), commits without a durable majority (I-7), a second
// change of members before the first is committed (I-15).
//
// Ownership: one RaftCluster. Errors: each finding is a text; nothing is ever forgotten.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "replication/raft_core.h"

namespace worldline::replication::testing {

class RaftObserver {
 public:
  // Whether the entry is on the disk of a replica.
  using DurableAt = std::function<bool(ReplicaId, EntryId)>;

  // After every input of `core`.
  void look(const RaftCore& core, const DurableAt& durable_at);
  void on_applied(ReplicaId replica, const Entry& entry);
  std::vector<std::string> take_findings();

 private:
  void look_at_leader(const RaftCore& core);
  void look_at_log(const RaftCore& core);
  void look_at_commit(const RaftCore& core, const DurableAt& durable_at);
  void look_at_configs(const RaftCore& core);
  void find(std::string text) { findings_.push_back(std::move(text)); }

  // The chain at a place stands for all before it: what was looked at is not looked at again.
  struct Seen {
    LogIndex first, last, commit;
    Chain last_chain, commit_chain;
  };

  std::map<ReplicaId, Seen> seen_;
  std::map<Term, ReplicaId> leaders_;
  std::map<EntryId, Chain> chains_;
  std::map<LogIndex, EntryId> committed_;
  std::map<LogIndex, Chain> applied_;
  std::vector<std::string> findings_;
};

}  // namespace worldline::replication::testing
