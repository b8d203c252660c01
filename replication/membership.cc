#include "replication/membership.h"

#include <algorithm>
#include <map>

#include "base/check.h"

namespace worldline::replication {
namespace {

bool holds(const ReplicaSet& set, ReplicaId replica) {
  return std::binary_search(set.begin(), set.end(), replica);
}

void add_to(ReplicaSet& set, ReplicaId replica) {
  const auto at = std::lower_bound(set.begin(), set.end(), replica);
  if (at == set.end() || *at != replica) set.insert(at, replica);
}

void remove_from(ReplicaSet& set, ReplicaId replica) {
  const auto at = std::lower_bound(set.begin(), set.end(), replica);
  if (at != set.end() && *at == replica) set.erase(at);
}

ReplicaSet join(const ReplicaSet& a, const ReplicaSet& b) {
  ReplicaSet both;
  both.reserve(a.size() + b.size());
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

ReplicaSet common(const ReplicaSet& a, const ReplicaSet& b) {
  ReplicaSet both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

ReplicaSet without(const ReplicaSet& a, const ReplicaSet& b) {
  ReplicaSet rest;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(rest));
  return rest;
}

// --- Validation ----------------------------------------------------------------------------------

Status validate_set(const ReplicaSet& set, const char* name, size_t count_max) {
  if (set.size() > count_max)
    return Status::invalid_argument("membership: {} {} exceed the limit of {}", set.size(), name,
                                    count_max);
  for (size_t i = 0; i < set.size(); ++i) {
    if (set[i].value == 0) return Status::invalid_argument("membership: replica id 0 in {}", name);
    if (i > 0 && set[i] <= set[i - 1])
      return Status::invalid_argument("membership: {} are not ascending at replica {}", name,
                                      set[i].value);
  }
  return Status::ok_status();
}

Status validate_disjoint(const ReplicaSet& a, const char* name_a, const ReplicaSet& b,
                         const char* name_b) {
  const ReplicaSet both = common(a, b);
  if (both.empty()) return Status::ok_status();
  return Status::invalid_argument("membership: replica {} is in both {} and {}", both[0].value,
                                  name_a, name_b);
}

Status validate_info(const MemberInfo& member) {
  if (member.replica.value == 0)
    return Status::invalid_argument("membership: replica id 0 is no member");
  if (member.node.value == 0)
    return Status::invalid_argument("membership: replica {} has no node (node id 0)",
                                    member.replica.value);
  if (member.failure_domain.size() > kFailureDomainBytesMax)
    return Status::invalid_argument(
        "membership: failure domain of replica {} has {} B, the limit is {} B",
        member.replica.value, member.failure_domain.size(), kFailureDomainBytesMax);
  return Status::ok_status();
}

// Every replica of a set has its info, and no other replica does. REQUIRES: sets are sorted.
Status validate_members(const Membership& membership) {
  const ReplicaSet replicas = membership.replicas();
  const std::vector<MemberInfo>& members = membership.members;
  for (size_t i = 0; i < members.size(); ++i) {
    WL_RETURN_IF_ERROR(validate_info(members[i]));
    if (i > 0 && members[i].replica <= members[i - 1].replica)
      return Status::invalid_argument("membership: members are not ascending at replica {}",
                                      members[i].replica.value);
    if (!holds(replicas, members[i].replica))
      return Status::invalid_argument("membership: replica {} is listed without a role",
                                      members[i].replica.value);
  }
  for (const ReplicaId replica : replicas)
    if (membership.find(replica) == nullptr)
      return Status::invalid_argument("membership: nothing is known of replica {}", replica.value);
  return Status::ok_status();
}

// --- Changes -------------------------------------------------------------------------------------

using InfoMap = std::map<ReplicaId, MemberInfo>;

InfoMap infos_of(const Membership& membership) {
  InfoMap infos;
  for (const MemberInfo& member : membership.members) infos.emplace(member.replica, member);
  return infos;
}

// Fills `members` for every replica of the sets. REQUIRES: infos knows them all.
void list_members(Membership& membership, const InfoMap& infos) {
  membership.members.clear();
  for (const ReplicaId replica : membership.replicas())
    membership.members.push_back(infos.at(replica));
}

bool is_addition(const MemberChange& change) {
  switch (change.kind) {
    case MemberChange::Kind::kAddVoter:
    case MemberChange::Kind::kAddLearner:
      return true;
    case MemberChange::Kind::kRemove:
      return false;
  }
  return false;
}

Status validate_changes(const std::vector<MemberChange>& changes) {
  if (changes.size() > kMemberChangesMax)
    return Status::invalid_argument("membership: {} changes in one request, the limit is {}",
                                    changes.size(), kMemberChangesMax);
  for (const MemberChange& change : changes) {
    if (change.member.replica.value == 0)
      return Status::invalid_argument("membership: replica id 0 cannot be changed");
    if (is_addition(change)) WL_RETURN_IF_ERROR(validate_info(change.member));
  }
  return Status::ok_status();
}

// The roles and infos the request asks for, as if there were no way to go.
struct Target {
  ReplicaSet voters;
  ReplicaSet learners;
  InfoMap infos;  // Also of replicas that leave.
};

void apply_change(Target& target, const MemberChange& change) {
  const ReplicaId replica = change.member.replica;
  remove_from(target.voters, replica);
  remove_from(target.learners, replica);
  switch (change.kind) {
    case MemberChange::Kind::kAddVoter:
      add_to(target.voters, replica);
      break;
    case MemberChange::Kind::kAddLearner:
      add_to(target.learners, replica);
      break;
    case MemberChange::Kind::kRemove:
      return;
  }
  target.infos[replica] = change.member;
}

// REQUIRES: base is valid and not joint. The last change of a replica wins: earlier ones of it
// leave no trace, not even their infos.
Target target_of(const Membership& base, const std::vector<MemberChange>& changes) {
  std::map<ReplicaId, const MemberChange*> last;
  for (const MemberChange& change : changes) last[change.member.replica] = &change;
  Target target{base.voters, base.learners, infos_of(base)};
  for (const auto& [replica, change] : last) apply_change(target, *change);
  return target;
}

Status check_target(const Target& target) {
  if (target.voters.empty())
    return Status::failed_precondition("membership: no voters left after this change");
  if (target.voters.size() > kVotersMax)
    return Status::failed_precondition("membership: the change leads to {} voters, the limit is {}",
                                       target.voters.size(), kVotersMax);
  if (target.learners.size() > kLearnersMax)
    return Status::failed_precondition(
        "membership: the change leads to {} learners, the limit is {}", target.learners.size(),
        kLearnersMax);
  return Status::ok_status();
}

}  // namespace

bool Membership::is_voter(ReplicaId replica) const {
  return holds(voters, replica) || holds(voters_outgoing, replica);
}

bool Membership::is_incoming_voter(ReplicaId replica) const {
  return holds(voters, replica);
}

bool Membership::is_learner(ReplicaId replica) const {
  return holds(learners, replica);
}

bool Membership::contains(ReplicaId replica) const {
  return is_voter(replica) || is_learner(replica);
}

const MemberInfo* Membership::find(ReplicaId replica) const {
  const auto at = std::lower_bound(
      members.begin(), members.end(), replica,
      [](const MemberInfo& member, ReplicaId wanted) { return member.replica < wanted; });
  return at != members.end() && at->replica == replica ? &*at : nullptr;
}

ReplicaSet Membership::all_voters() const {
  return join(voters, voters_outgoing);
}

ReplicaSet Membership::replicas() const {
  return join(all_voters(), learners);
}

Status Membership::validate() const {
  WL_RETURN_IF_ERROR(validate_set(voters, "voters", kVotersMax));
  WL_RETURN_IF_ERROR(validate_set(voters_outgoing, "outgoing voters", kVotersMax));
  WL_RETURN_IF_ERROR(validate_set(learners, "learners", kLearnersMax));
  WL_RETURN_IF_ERROR(validate_set(learners_next, "next learners", kVotersMax));
  if (voters.empty()) return Status::invalid_argument("membership: no voters");
  WL_RETURN_IF_ERROR(validate_disjoint(learners, "learners", voters, "voters"));
  WL_RETURN_IF_ERROR(validate_disjoint(learners, "learners", voters_outgoing, "outgoing voters"));
  WL_RETURN_IF_ERROR(validate_disjoint(learners_next, "next learners", voters, "voters"));
  const ReplicaSet strangers = without(learners_next, voters_outgoing);
  if (!strangers.empty())
    return Status::invalid_argument(
        "membership: replica {} is a next learner but no outgoing voter", strangers[0].value);
  if (learners.size() + learners_next.size() > kLearnersMax)
    return Status::invalid_argument(
        "membership: {} learners after the joint phase exceed the limit of {}",
        learners.size() + learners_next.size(), kLearnersMax);
  return validate_members(*this);
}

Result<MembershipPlan> plan_change(const Membership& base,
                                   const std::vector<MemberChange>& changes) {
  WL_DCHECK(base.validate().ok());
  if (base.is_joint())
    return Status::failed_precondition(
        "membership: the configuration is joint: wait until the change under way is complete");
  WL_RETURN_IF_ERROR(validate_changes(changes));
  const Target target = target_of(base, changes);
  WL_RETURN_IF_ERROR(check_target(target));

  MembershipPlan plan;
  Membership& next = plan.next;
  next.voters = target.voters;
  if (target.voters == base.voters) {
    next.learners = target.learners;
    list_members(next, target.infos);
    plan.kind = next == base ? MembershipPlan::Kind::kNone : MembershipPlan::Kind::kSimple;
  } else {
    // A demoted voter still votes in the outgoing half, and one replica has one role at a time.
    next.voters_outgoing = base.voters;
    next.learners = without(target.learners, base.voters);
    next.learners_next = common(target.learners, base.voters);
    list_members(next, target.infos);
    plan.kind = MembershipPlan::Kind::kJoint;
  }
  WL_DCHECK(plan.next.validate().ok());
  return plan;
}

Result<Membership> leave_joint(const Membership& joint) {
  if (!joint.is_joint())
    return Status::failed_precondition(
        "membership: the configuration is not joint: nothing to leave");
  Membership next;
  next.voters = joint.voters;
  next.learners = join(joint.learners, joint.learners_next);
  list_members(next, infos_of(joint));
  WL_DCHECK(next.validate().ok());
  return next;
}

Result<Membership> revert_joint(const Membership& joint) {
  if (!joint.is_joint())
    return Status::failed_precondition(
        "membership: the configuration is not joint: nothing to revert");
  Membership next;
  next.voters = joint.voters_outgoing;
  next.voters_outgoing = joint.voters;
  next.learners = joint.learners;
  next.learners_next = without(joint.voters, joint.voters_outgoing);
  const size_t learners = next.learners.size() + next.learners_next.size();
  if (learners > kLearnersMax)
    return Status::failed_precondition(
        "membership: reverting the change leads to {} learners, the limit is {}", learners,
        kLearnersMax);
  list_members(next, infos_of(joint));
  WL_DCHECK(next.validate().ok());
  return next;
}

}  // namespace worldline::replication
