#include "replication/node/quiescence.h"

#include <algorithm>

namespace worldline::replication {
namespace {

bool is_at_rest(const GroupReplica& replica) {
  const RaftCore& core = replica.core();
  const LogIndex last = core.log().last();
  return core.commit() == last && core.applied_index() == last && core.stable() == last &&
         core.barrier_committed() && core.transferee().value == 0 && core.pending_reads() == 0 &&
         core.uncommitted_bytes() == 0 && !core.is_installing() && replica.jobs_in_flight() == 0 &&
         !core.log().config().is_joint();
}

// Of one other member.
SleepVeto judge_member(const RaftCore& core, const MemberInfo& member, PeerState state) {
  switch (state) {
    case PeerState::kDead:
      return SleepVeto::kNone;
    case PeerState::kUnknown:
    case PeerState::kSuspect:
      return SleepVeto::kMemberUnsure;
    case PeerState::kAlive:
      break;
  }
  const Progress* progress = core.progress(member.replica);
  const LogIndex last = core.log().last();
  const bool has_all = progress != nullptr && progress->state == ProgressState::kReplicate &&
                       progress->match == last && progress->applied == last;
  return has_all ? SleepVeto::kNone : SleepVeto::kMemberBehind;
}

}  // namespace

const char* veto_name(SleepVeto veto) {
  switch (veto) {
    case SleepVeto::kNone:
      return "none";
    case SleepVeto::kNotLeader:
      return "not_leader";
    case SleepVeto::kRecentWork:
      return "recent_work";
    case SleepVeto::kUnfinished:
      return "unfinished";
    case SleepVeto::kMemberBehind:
      return "member_behind";
    case SleepVeto::kMemberUnsure:
      return "member_unsure";
    case SleepVeto::kNoMajority:
      return "no_majority";
    case SleepVeto::kScheduleSoon:
      return "schedule_soon";
  }
  return "?";
}

SleepVerdict may_sleep(const GroupReplica& replica, const FailureDetector& detector,
                       const NodeConfig& config, const SleepClock& clock) {
  if (!replica.is_leader()) return {SleepVeto::kNotLeader, {}};
  const uint64_t quiet_ticks = uint64_t{config.quiesce_after_intervals} * config.heartbeat_ticks;
  if (ticks_between(replica.last_activity(), clock.tick) < quiet_ticks)
    return {SleepVeto::kRecentWork, {}};
  if (!is_at_rest(replica)) return {SleepVeto::kUnfinished, {}};
  const std::optional<BootTime> due = replica.next_due();
  if (due && *due - clock.now <= config.quiesce_schedule_gap) return {SleepVeto::kScheduleSoon, {}};

  const RaftCore& core = replica.core();
  const Membership& members = core.log().config();
  SleepVerdict verdict;
  ReplicaSet live;
  for (const MemberInfo& member : members.members) {
    if (member.replica == replica.id()) {
      live.push_back(member.replica);
      continue;
    }
    const PeerState state = detector.state(member.node);
    const SleepVeto veto = judge_member(core, member, state);
    if (veto != SleepVeto::kNone) return {veto, {}};
    if (state == PeerState::kDead) {
      verdict.lagging.push_back(member.node);
    } else {
      live.push_back(member.replica);
    }
  }
  const bool has_majority = joint_majority(members, [&live](ReplicaId voter) {
    return std::binary_search(live.begin(), live.end(), voter);
  });
  if (!has_majority) return {SleepVeto::kNoMajority, {}};
  return verdict;
}

}  // namespace worldline::replication
