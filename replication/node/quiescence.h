// replication/node/quiescence.h
//
// When a group may sleep [S 08/3.3 Q1], as one pure question with a reason for `no`.
//
// Who asks: the leader's node, once per heartbeat interval and only for active groups. The rest of
// the rules lives where it acts: the core (Q2, Q6, Q9), RaftNode (Q3 to Q5, Q7, Q10), WakePacer
// (Q8). Thread: pure. Units: NodeTick, BootTime.
#pragma once

#include <vector>

#include "replication/node/failure_detector.h"
#include "replication/node/group_replica.h"

namespace worldline::replication {

enum class SleepVeto : uint8_t {
  kNone = 0,  // It may sleep.
  kNotLeader,
  kRecentWork,    // Proposal, read, transfer, config or snapshot within ten intervals.
  kUnfinished,    // The log, commits, applies or a transfer are not at the end.
  kMemberBehind,  // A live member has not everything.
  kMemberUnsure,  // A member is neither alive nor dead.
  kNoMajority,    // Too few live members: check-quorum must go on.
  kScheduleSoon,  // A schedule row is due within 5 s.
};
const char* veto_name(SleepVeto veto);

struct SleepVerdict {
  SleepVeto veto = SleepVeto::kNone;
  std::vector<NodeId> lagging;  // Dead members' nodes: the group wakes when one returns.
};

struct SleepClock {
  NodeTick tick;
  BootTime now;
};

SleepVerdict may_sleep(const GroupReplica& replica, const FailureDetector& detector,
                       const NodeConfig& config, const SleepClock& clock);

}  // namespace worldline::replication
