// Changes of members against a naive model: a map from replica to part, changed one by one. All
// small cases, and larger random ones.
#include <map>

#include <gtest/gtest.h>

#include "base/prng.h"
#include "replication/membership.h"
#include "tests/base/random_seeds.h"
#include "tests/replication/membership_fixture.h"

namespace worldline::replication {
namespace {

using testing::info_of;
using testing::print_roles;

enum class Part { kVoter, kLearner };
using Model = std::map<ReplicaId, Part>;

Membership membership_of(const Model& model) {
  Membership membership;
  for (const auto& [replica, part] : model) {
    (part == Part::kVoter ? membership.voters : membership.learners).push_back(replica);
    membership.members.push_back(info_of(replica));
  }
  return membership;
}

size_t count(const Model& model, Part wanted) {
  size_t found = 0;
  for (const auto& [replica, part] : model) found += part == wanted ? 1 : 0;
  return found;
}

Model after(Model model, const std::vector<MemberChange>& changes) {
  for (const MemberChange& change : changes) {
    model.erase(change.member.replica);
    if (change.kind == MemberChange::Kind::kRemove) continue;
    const bool votes = change.kind == MemberChange::Kind::kAddVoter;
    model.emplace(change.member.replica, votes ? Part::kVoter : Part::kLearner);
  }
  return model;
}

// What must hold of a joint membership on the way from `base` to `target`.
void expect_joint(const Membership& base, const Membership& target, const Membership& joint) {
  ASSERT_TRUE(joint.validate().ok()) << joint.validate().message();
  EXPECT_EQ(joint.voters, target.voters);
  EXPECT_EQ(joint.voters_outgoing, base.voters);
  for (const MemberInfo& member : base.members) {
    const ReplicaId replica = member.replica;
    // Nobody loses a vote before the joint phase is over, and nobody has two roles.
    if (!base.is_voter(replica)) continue;
    EXPECT_TRUE(joint.is_voter(replica));
    EXPECT_FALSE(joint.is_learner(replica));
  }
  const auto left = leave_joint(joint);
  ASSERT_TRUE(left.ok()) << left.status().message();
  EXPECT_EQ(*left, target);

  const auto reverted = revert_joint(joint);
  if (!reverted.ok()) return;  // More learners than may be.
  ASSERT_TRUE(reverted->validate().ok()) << reverted->validate().message();
  const auto undone = leave_joint(*reverted);
  ASSERT_TRUE(undone.ok()) << undone.status().message();
  EXPECT_EQ(undone->voters, base.voters);
  EXPECT_EQ(undone->replicas(), joint.replicas()) << "nobody is thrown away by going back";
}

void compare(const Model& model, const std::vector<MemberChange>& changes) {
  const Membership base = membership_of(model);
  const Model target = after(model, changes);
  const auto plan = plan_change(base, changes);
  const bool allowed = count(target, Part::kVoter) > 0 &&
                       count(target, Part::kVoter) <= kVotersMax &&
                       count(target, Part::kLearner) <= kLearnersMax;
  ASSERT_EQ(plan.ok(), allowed) << plan.status().message();
  if (!allowed) return;
  const Membership wanted = membership_of(target);
  if (base.voters != wanted.voters) {
    ASSERT_EQ(plan->kind, MembershipPlan::Kind::kJoint);
    expect_joint(base, wanted, plan->next);
    return;
  }
  EXPECT_EQ(plan->kind,
            base == wanted ? MembershipPlan::Kind::kNone : MembershipPlan::Kind::kSimple);
  EXPECT_EQ(plan->next, wanted);
}

MemberChange change_number(uint64_t number) {
  const auto kind = static_cast<MemberChange::Kind>(number % 3);
  return {kind, info_of(ReplicaId{1 + number / 3})};
}

TEST(MembershipModel, AgreesOnAllSmallCases) {
  constexpr uint64_t kReplicas = 3;
  constexpr uint64_t kChanges = 3 * kReplicas;
  for (uint64_t roles = 1; roles < 27; ++roles) {
    Model model;
    for (uint64_t rest = roles, id = 1; id <= kReplicas; ++id, rest /= 3)
      if (rest % 3 != 0)
        model.emplace(ReplicaId{id}, rest % 3 == 1 ? Part::kVoter : Part::kLearner);
    if (count(model, Part::kVoter) == 0) continue;
    SCOPED_TRACE(print_roles(membership_of(model)));
    for (uint64_t number = 0; number < kChanges * kChanges * kChanges; ++number) {
      SCOPED_TRACE("changes " + std::to_string(number));
      std::vector<MemberChange> changes;
      for (uint64_t rest = number, i = 0; i < 3; ++i, rest /= kChanges)
        changes.push_back(change_number(rest % kChanges));
      compare(model, changes);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(MembershipModel, AgreesOnRandomHistories) {
  for (const uint64_t seed : random_seeds(300)) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    Prng prng(seed);
    const uint64_t replicas = 4 + prng.below(24);
    Model model{{ReplicaId{1}, Part::kVoter}};
    for (int step = 0; step < 40; ++step) {
      std::vector<MemberChange> changes;
      for (uint64_t left = prng.below(12); left > 0; --left)
        changes.push_back(change_number(prng.below(3 * replicas)));
      compare(model, changes);
      if (HasFatalFailure()) return;
      if (plan_change(membership_of(model), changes).ok()) model = after(model, changes);
    }
  }
}

}  // namespace
}  // namespace worldline::replication
