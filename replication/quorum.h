// replication/quorum.h
//
// Counting in one or two halves of a membership [S 08/1.9, T 4.3]. Pure functions; no allocation.
#pragma once

#include <cstdint>

#include "replication/membership.h"

namespace worldline::replication {

// The match of a replica. The callable returns LogIndex{0} for unknown replicas.
// The largest index a majority of *every* half has reached; an empty half does not limit.
// `MatchOf` is LogIndex(ReplicaId).
template <typename MatchOf>
LogIndex joint_committed_index(const Membership& config, const MatchOf& match_of);

enum class VoteState : uint8_t { kPending, kWon, kLost };
enum class Ballot : uint8_t { kMissing, kGranted, kRefused };

// Won: a majority of every half granted. Lost: a majority of any half can no longer be had.
// `BallotOf` is Ballot(ReplicaId).
template <typename BallotOf>
VoteState joint_vote(const Membership& config, const BallotOf& ballot_of);

// Whether the replicas for which `has` holds contain a majority of every half.
template <typename Has>
bool joint_majority(const Membership& config, const Has& has);

// --- Implementation ------------------------------------------------------------------------------

namespace internal {

// The value a majority of `voters` has reached: sorts at most kVotersMax numbers in place.
LogIndex majority_index(LogIndex* reached, size_t count);

template <typename MatchOf>
LogIndex half_committed_index(const ReplicaSet& voters, const MatchOf& match_of) {
  if (voters.empty()) return LogIndex{UINT64_MAX};
  LogIndex reached[kVotersMax];
  size_t count = 0;
  for (const ReplicaId voter : voters) {
    if (count == kVotersMax) break;
    reached[count++] = match_of(voter);
  }
  return majority_index(reached, count);
}

template <typename BallotOf>
VoteState half_vote(const ReplicaSet& voters, const BallotOf& ballot_of) {
  if (voters.empty()) return VoteState::kWon;
  size_t granted = 0;
  size_t missing = 0;
  for (const ReplicaId voter : voters) {
    const Ballot ballot = ballot_of(voter);
    granted += ballot == Ballot::kGranted ? 1 : 0;
    missing += ballot == Ballot::kMissing ? 1 : 0;
  }
  const size_t majority = voters.size() / 2 + 1;
  if (granted >= majority) return VoteState::kWon;
  return granted + missing >= majority ? VoteState::kPending : VoteState::kLost;
}

}  // namespace internal

template <typename MatchOf>
LogIndex joint_committed_index(const Membership& config, const MatchOf& match_of) {
  const LogIndex incoming = internal::half_committed_index(config.voters, match_of);
  const LogIndex outgoing = internal::half_committed_index(config.voters_outgoing, match_of);
  return incoming < outgoing ? incoming : outgoing;
}

template <typename BallotOf>
VoteState joint_vote(const Membership& config, const BallotOf& ballot_of) {
  const VoteState incoming = internal::half_vote(config.voters, ballot_of);
  const VoteState outgoing = internal::half_vote(config.voters_outgoing, ballot_of);
  if (incoming == VoteState::kLost || outgoing == VoteState::kLost) return VoteState::kLost;
  if (incoming == VoteState::kWon && outgoing == VoteState::kWon) return VoteState::kWon;
  return VoteState::kPending;
}

template <typename Has>
bool joint_majority(const Membership& config, const Has& has) {
  return joint_vote(config, [&has](ReplicaId replica) {
           return has(replica) ? Ballot::kGranted : Ballot::kRefused;
         }) == VoteState::kWon;
}

}  // namespace worldline::replication
