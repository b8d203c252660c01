// Bytes of a membership. Roles are flags of a member, so that a replica is written once and each
// membership has exactly one form:
//   version u8 = 1 | members u8 | members x { replica u64 | node u64 | roles u8 | domain u8 + text
//   }
// Little-endian; members ascend by replica; nothing follows them.
#include "base/check.h"
#include "base/record_reader.h"
#include "replication/membership.h"

namespace worldline::replication {
namespace {

constexpr uint8_t kMembershipVersion = 1;
// Every voter of both halves and every learner; a next learner is a voter as well.
constexpr size_t kMembersMax = 2 * kVotersMax + kLearnersMax;
static_assert(kMembersMax <= UINT8_MAX && kFailureDomainBytesMax <= UINT8_MAX, "counts are bytes");

constexpr uint8_t kVoter = 1;
constexpr uint8_t kOutgoingVoter = 2;
constexpr uint8_t kLearner = 4;
constexpr uint8_t kNextLearner = 8;

struct RoleSet {
  uint8_t role;
  ReplicaSet Membership::*set;
};
constexpr RoleSet kRoleSets[] = {
    {kVoter, &Membership::voters},
    {kOutgoingVoter, &Membership::voters_outgoing},
    {kLearner, &Membership::learners},
    {kNextLearner, &Membership::learners_next},
};
constexpr uint8_t kAllRoles = kVoter | kOutgoingVoter | kLearner | kNextLearner;

uint8_t roles_of(const Membership& membership, ReplicaId replica) {
  uint8_t roles = 0;
  for (const RoleSet& candidate : kRoleSets)
    for (const ReplicaId holder : membership.*candidate.set)
      if (holder == replica) roles |= candidate.role;
  return roles;
}

Status take_member(RecordReader& reader, Membership& membership) {
  MemberInfo member;
  member.replica = ReplicaId{reader.number<uint64_t>()};
  member.node = NodeId{reader.number<uint64_t>()};
  const auto roles = reader.number<uint8_t>();
  member.failure_domain = as_text(reader.take(reader.number<uint8_t>()));
  if (!reader.ok())
    return Status::corruption("membership: cut off in member {}", membership.members.size() + 1);
  if ((roles & ~kAllRoles) != 0)
    return Status::corruption("membership: replica {} has unknown roles {:#x}",
                              member.replica.value, roles);
  for (const RoleSet& candidate : kRoleSets)
    if ((roles & candidate.role) != 0) (membership.*candidate.set).push_back(member.replica);
  membership.members.push_back(std::move(member));
  return Status::ok_status();
}

}  // namespace

ByteBuffer encode_membership(const Membership& membership) {
  WL_CHECK(membership.validate().ok());
  ByteBuffer out;
  out.push_back(kMembershipVersion);
  out.push_back(static_cast<Byte>(membership.members.size()));
  for (const MemberInfo& member : membership.members) {
    append_le(out, member.replica.value);
    append_le(out, member.node.value);
    out.push_back(roles_of(membership, member.replica));
    out.push_back(static_cast<Byte>(member.failure_domain.size()));
    append(out, as_bytes(member.failure_domain));
  }
  return out;
}

Result<Membership> decode_membership(Bytes bytes) {
  RecordReader reader(bytes);
  const auto version = reader.number<uint8_t>();
  if (version > kMembershipVersion)
    return Status::not_supported("membership: version {} is newer than {}", version,
                                 kMembershipVersion);
  const auto count = reader.number<uint8_t>();
  if (!reader.ok()) return Status::corruption("membership: {} B are too few", bytes.size());
  if (version == 0) return Status::corruption("membership: version 0");
  if (count > kMembersMax)
    return Status::corruption("membership: {} members exceed the limit of {}", count, kMembersMax);
  Membership membership;
  for (size_t i = 0; i < count; ++i) WL_RETURN_IF_ERROR(take_member(reader, membership));
  if (reader.left() != 0)
    return Status::corruption("membership: {} B follow the last member", reader.left());
  if (const Status status = membership.validate(); !status.ok())
    return Status::corruption("{}", status.message());
  return membership;
}

}  // namespace worldline::replication
