// replication/membership.h
//
// Membership is who belongs to a group: voters, and while a change of voters is under way the
// voters of the outgoing half too. A membership is in force from the moment its entry is appended,
// and is popped when that entry is truncated [S 08/1.14].
//
// Invariants (validate): sets sorted, without 0 and duplicates; voters not empty; at most
//   kVotersMax voters per half and kLearnersMax learners, learners_next included; learners disjoint
//   from both halves; learners_next a subset of voters_outgoing and disjoint from voters; every
//   member has a MemberInfo with a node and no other replica does.
// Thread: values. Errors: kInvalidArgument and kFailedPrecondition, texts for operators.
// Sources: [S 08/1.14], joint consensus [T 4.3].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"

namespace worldline::replication {

inline constexpr size_t kVotersMax = 7;
inline constexpr size_t kLearnersMax = 16;
inline constexpr size_t kFailureDomainBytesMax = 255;
inline constexpr size_t kMemberChangesMax = 64;  // Of one request: all members twice and more.

// What a replica must know of a member to reach it without the catalog.
struct MemberInfo {
  ReplicaId replica;
  NodeId node;
  std::string failure_domain;
  friend bool operator==(const MemberInfo&, const MemberInfo&) = default;
};

using ReplicaSet = std::vector<ReplicaId>;  // Ascending, no duplicates.

struct Membership {
  ReplicaSet voters;           // Of the incoming half while joint.
  ReplicaSet voters_outgoing;  // Empty unless joint.
  ReplicaSet learners;
  ReplicaSet learners_next;         // Voters of the outgoing half that become learners on leaving.
  std::vector<MemberInfo> members;  // Ascending by replica; one per replica of any set above.

  bool is_joint() const { return !voters_outgoing.empty(); }
  bool is_voter(ReplicaId replica) const;           // Of either half.
  bool is_incoming_voter(ReplicaId replica) const;  // Of `voters`.
  bool is_learner(ReplicaId replica) const;         // Of `learners`.
  bool contains(ReplicaId replica) const;           // Any role.
  const MemberInfo* find(ReplicaId replica) const;  // Null: no member.
  ReplicaSet all_voters() const;                    // Union of both halves.
  ReplicaSet replicas() const;                      // Every member, ascending.

  Status validate() const;
  friend bool operator==(const Membership&, const Membership&) = default;
};

// One requested change of one replica.
struct MemberChange {
  enum class Kind : uint8_t {
    kAddVoter,    // Also promotes a learner.
    kAddLearner,  // Also demotes a voter.
    kRemove,
  };
  Kind kind;
  MemberInfo member;  // `node` and `failure_domain` are read by additions only.
};

// The net result of a request: the last change of a replica wins.
struct MembershipPlan {
  enum class Kind : uint8_t {
    kNone,    // Nothing would change: success without an entry.
    kSimple,  // Learners (or member infos) only: one plain entry.
    kJoint,   // Voters change: `next` is the joint membership, leave_joint() follows it.
  };
  Kind kind = Kind::kNone;
  Membership next;
};

// REQUIRES: base is valid. Refused as kInvalidArgument: ids 0, too many changes, too long a failure
// domain; as kFailedPrecondition: joint base, no voters left, too many members.
Result<MembershipPlan> plan_change(const Membership& base,
                                   const std::vector<MemberChange>& changes);

// The membership after a joint one: outgoing half gone, learners_next are learners.
// kFailedPrecondition if `joint` is not joint.
Result<Membership> leave_joint(const Membership& joint);

// The membership that undoes a joint one: back to the outgoing half, through a joint membership of
// its own [S 08/6.1.3 U-60]. Learners added by the change stay learners, voters added by it become
// learners (C3: they were), learners removed by it stay removed, and so do changes of infos stay.
// kFailedPrecondition if `joint` is not joint or that makes too many learners.
Result<Membership> revert_joint(const Membership& joint);

// Bytes of a kConfig entry's payload and of a stored boundary; versioned, little-endian.
// REQUIRES: membership is valid.
ByteBuffer encode_membership(const Membership& membership);
// kCorruption for malformed bytes (also when validate() fails), kNotSupported for a newer version.
Result<Membership> decode_membership(Bytes bytes);

}  // namespace worldline::replication
