// Nodes that join, leases, and replicas that move [S 08/3.9, 3.10].
#include <gtest/gtest.h>

#include "replication/node/node_registry.h"
#include "replication/node/replica_move.h"
#include "tests/replication_node/node_cluster.h"
#include "tests/replication_node/test_uuids.h"

namespace worldline::replication {
namespace {

JoinRequest request_of(Byte uuid, uint64_t incarnation, const char* name = "a") {
  JoinRequest request;
  request.uuid = uuid_of(uuid);
  request.incarnation = incarnation;
  request.feature_level = 3;
  request.name = name;
  return request;
}

// --- Nodes
// -------------------------------------------------------------------------------------------

NodeId join(NodeRegistry& registry, const JoinRequest& request) {
  const Result<NodeRecord> planned = registry.plan_join(request);
  EXPECT_TRUE(planned.ok()) << planned.status().message();
  if (!planned.ok()) return {};
  registry.apply(planned.value());
  return planned.value().node;
}

TEST(NodeRegistry, BindsAnIdToAUuidForEver) {
  NodeRegistry registry;
  EXPECT_EQ(join(registry, request_of(1, 1)), NodeId{1});
  EXPECT_EQ(join(registry, request_of(2, 1)), NodeId{2});
  EXPECT_EQ(join(registry, request_of(1, 2)), NodeId{1}) << "the same disk";
  EXPECT_EQ(join(registry, request_of(3, 1, "a")), NodeId{3}) << "a known name, an empty disk";
  EXPECT_EQ(registry.find(NodeId{1})->incarnation, 2u);
  EXPECT_EQ(registry.find(uuid_of(3))->node, NodeId{3});
  EXPECT_EQ(registry.find(uuid_of(9)), nullptr);
}

TEST(NodeRegistry, ARepeatedRequestChangesNothing) {
  NodeRegistry registry;
  join(registry, request_of(1, 1));
  const NodeRecord before = *registry.find(NodeId{1});
  EXPECT_EQ(registry.plan_join(request_of(1, 1)).value(), before);
}

struct RefusedJoin {
  const char* name;
  JoinRequest request;
  StatusCode code;
};

TEST(NodeRegistry, RefusesWhoMayNotJoin) {
  NodeRegistry registry;
  join(registry, request_of(1, 5));
  join(registry, request_of(2, 1));
  registry.apply(registry.plan_standing(NodeId{2}, NodeStanding::kDecommissioned).value());
  registry.set_active_level(3);
  JoinRequest old_program = request_of(4, 1);
  old_program.feature_level = 2;
  const RefusedJoin cases[] = {
      {"NoUuid", request_of(0, 1), StatusCode::kInvalidArgument},
      {"NoIncarnation", request_of(3, 0), StatusCode::kInvalidArgument},
      {"AnOlderLife", request_of(1, 4), StatusCode::kFailedPrecondition},
      {"Decommissioned", request_of(2, 2), StatusCode::kPermissionDenied},
      {"TooOldAProgram", old_program, StatusCode::kFailedPrecondition},
  };
  for (const RefusedJoin& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(registry.plan_join(c.request).status().code(), c.code);
  }
  EXPECT_EQ(join(registry, request_of(7, 1)), NodeId{3}) << "ids are never given twice";
}

TEST(NodeRegistry, HoldsNoMoreNodesThanItsLimit) {
  NodeRegistry registry;
  for (size_t i = 1; i <= NodeRegistry::kNodesMax; ++i) {
    JoinRequest request = request_of(1, 1);
    request.uuid[1] = static_cast<Byte>(i);
    request.uuid[2] = static_cast<Byte>(i >> 8);
    join(registry, request);
  }
  EXPECT_EQ(registry.plan_join(request_of(9, 1)).status().code(), StatusCode::kOverloaded);
}

TEST(NodeRegistry, GatesTheVersionByTheOldestLiveProgram) {
  NodeRegistry registry;
  JoinRequest newer = request_of(1, 1);
  newer.feature_level = 5;
  join(registry, newer);
  join(registry, request_of(2, 1));
  EXPECT_EQ(registry.lowest_level(), 3u);
  EXPECT_FALSE(registry.check_level(4).ok());
  EXPECT_TRUE(registry.check_level(3).ok());
  registry.apply(registry.plan_standing(NodeId{2}, NodeStanding::kDead).value());
  EXPECT_TRUE(registry.check_level(4).ok());
  registry.set_active_level(4);
  EXPECT_FALSE(registry.check_level(4).ok());
}

TEST(NodeLeases, SuspectAfterTheTtlAndDeadAfterTenMinutes) {
  NodeRegistry registry;
  join(registry, request_of(1, 1));
  const BootTime start{10s};
  NodeLeases leases({}, start);
  const auto judge = [&](Micros after) {
    return leases.judge(*registry.find(NodeId{1}), start + after);
  };
  EXPECT_EQ(judge(3999ms), std::nullopt) << "a new leader gives everybody a full lease";
  EXPECT_EQ(judge(4s), NodeStanding::kSuspect);
  leases.renewed(NodeId{1}, start + 4s);
  EXPECT_EQ(judge(7999ms), std::nullopt);
  EXPECT_EQ(judge(8s), NodeStanding::kSuspect);
  registry.apply(registry.plan_standing(NodeId{1}, NodeStanding::kSuspect).value());
  EXPECT_EQ(judge(60s), std::nullopt) << "suspect already";
  EXPECT_EQ(judge(4s + 10min), NodeStanding::kDead);
  registry.apply(registry.plan_standing(NodeId{1}, NodeStanding::kDead).value());
  leases.renewed(NodeId{1}, start + 20min);
  EXPECT_EQ(judge(20min + 1s), NodeStanding::kUp);
  registry.apply(registry.plan_standing(NodeId{1}, NodeStanding::kDecommissioned).value());
  EXPECT_EQ(judge(60min), std::nullopt);
  EXPECT_FALSE(registry.plan_standing(NodeId{1}, NodeStanding::kUp).ok());
}

TEST(NodeLeases, TheNodesViewEndsFirst) {
  OwnLease own({});
  const BootTime sent{10s};
  EXPECT_FALSE(own.is_valid(sent));
  own.granted(sent);
  own.granted(sent - 1s);  // A late answer takes nothing back.
  NodeLeases leases({}, sent + 200ms);
  leases.renewed(NodeId{1}, sent + 200ms);  // When it arrived.
  NodeRegistry registry;
  join(registry, request_of(1, 1));
  EXPECT_TRUE(own.is_valid(sent + 3999ms));
  EXPECT_FALSE(own.is_valid(sent + 4s));
  EXPECT_EQ(leases.judge(*registry.find(NodeId{1}), sent + 4s), std::nullopt);
}

// --- Moves, against a model of leader and nodes
// ---------------------------------------------------------

MemberInfo info(uint64_t replica, uint64_t node) {
  return {ReplicaId{replica}, NodeId{node}, {}};
}

// Does what it is ordered, a step later; every step may be lost.
struct MoveModel {
  MoveModel() {
    for (uint64_t i = 1; i <= 3; ++i) {
      view.config.voters.push_back(ReplicaId{i});
      view.config.members.push_back(info(i, i));
    }
    view.config_index = LogIndex{1};
    view.is_committed = true;
    view.last = LogIndex{5000};
  }
  void apply(const MoveStep& step) {
    log.push_back(step.action);
    switch (step.action) {
      case MoveAction::kCreate:
        EXPECT_FALSE(view.config.contains(step.member.replica));
        view.new_exists = true;
        return;
      case MoveAction::kDestroy:
        EXPECT_FALSE(view.config.contains(step.member.replica)) << "only who left is destroyed";
        if (step.member.replica == ReplicaId{9}) view.new_exists = false;
        if (step.member.replica == ReplicaId{3}) view.old_is_destroyed = true;
        return;
      case MoveAction::kChangeConfig: {
        EXPECT_EQ(step.expected, view.config_index);
        EXPECT_TRUE(view.is_committed && !view.config.is_joint());
        const Result<MembershipPlan> plan = plan_change(view.config, step.changes);
        ASSERT_TRUE(plan.ok()) << plan.status().message();
        ASSERT_NE(plan.value().kind, MembershipPlan::Kind::kNone);
        view.config = plan.value().next;
        view.config_index = view.config_index.next();
        view.is_committed = false;
        ++config_changes;
        return;
      }
      case MoveAction::kWait:
      case MoveAction::kDone:
      case MoveAction::kAbandoned:
        return;
    }
  }
  void settle() {
    if (view.config.is_joint()) {
      view.config = leave_joint(view.config).value();
      view.config_index = view.config_index.next();
    }
    view.is_committed = true;
    most_voters = std::max(most_voters, view.config.voters.size());
    fewest_voters = std::min(fewest_voters, view.config.voters.size());
  }

  MoveView view;
  std::vector<MoveAction> log;
  int config_changes = 0;
  size_t most_voters = 3;
  size_t fewest_voters = 3;
};

TEST(ReplicaMove, ReplacesADeadVoterInOneJointStep) {
  ReplicaMove move({GroupId{7}, info(9, 4), info(3, 3)});
  MoveModel model;
  BootTime now{1s};
  for (int i = 0; i < 50; ++i, now += 2s) {
    const MoveStep step = move.step(model.view, now);
    if (step.action == MoveAction::kDone) break;
    model.apply(step);
    model.settle();
    if (model.view.config.is_learner(ReplicaId{9})) model.view.new_match.value += 1500;
  }
  EXPECT_EQ(model.log, (std::vector<MoveAction>{MoveAction::kCreate, MoveAction::kChangeConfig,
                                                MoveAction::kWait, MoveAction::kWait,
                                                MoveAction::kChangeConfig, MoveAction::kDestroy}));
  EXPECT_EQ(model.config_changes, 2);
  EXPECT_EQ(model.view.config.voters, (ReplicaSet{ReplicaId{1}, ReplicaId{2}, ReplicaId{9}}));
  EXPECT_EQ(model.most_voters, 3u) << "never more than the target";
  EXPECT_EQ(model.fewest_voters, 3u) << "the dead one never leaves before";
}

TEST(ReplicaMove, OnlyAddsOrOnlyRemoves) {
  for (const bool adds : {true, false}) {
    SCOPED_TRACE(adds);
    MoveGoal goal;
    goal.group = GroupId{7};
    (adds ? goal.add : goal.remove) = adds ? info(9, 4) : info(3, 3);
    ReplicaMove move(goal);
    MoveModel model;
    BootTime now{1s};
    MoveStep step;
    for (int i = 0; i < 20 && step.action != MoveAction::kDone; ++i, now += 2s) {
      step = move.step(model.view, now);
      model.apply(step);
      model.settle();
      if (model.view.config.is_learner(ReplicaId{9})) model.view.new_match = model.view.last;
    }
    EXPECT_EQ(step.action, MoveAction::kDone);
    EXPECT_EQ(model.view.config.voters.size(), adds ? 4u : 2u);
    EXPECT_EQ(model.view.old_is_destroyed, !adds);
  }
}

TEST(ReplicaMove, DoesNothingWhileAChangeIsUnderWayAndRepeatsWhatShowsNoEffect) {
  ReplicaMove move({GroupId{7}, info(9, 4), info(3, 3)});
  MoveModel model;
  model.view.is_committed = false;
  EXPECT_EQ(move.step(model.view, BootTime{1s}).action, MoveAction::kWait);
  model.view.is_committed = true;
  EXPECT_EQ(move.step(model.view, BootTime{1s}).action, MoveAction::kCreate);
  EXPECT_EQ(move.step(model.view, BootTime{1500ms}).action, MoveAction::kWait);
  EXPECT_EQ(move.step(model.view, BootTime{2s}).action, MoveAction::kCreate);
}

TEST(ReplicaMove, NeverRemovesTheLastVoter) {
  MoveGoal goal;
  goal.group = GroupId{7};
  goal.remove = info(1, 1);
  ReplicaMove move(goal);
  MoveView view;
  view.config.voters = {ReplicaId{1}};
  view.config.members = {info(1, 1)};
  view.is_committed = true;
  EXPECT_EQ(move.step(view, BootTime{1s}).action, MoveAction::kWait);
}

struct ReturnCase {
  const char* name;
  bool new_is_created;
  bool new_is_learner;
  uint64_t new_match;
  Micros stays;
  MoveAction end;
};
const ReturnCase kReturns[] = {
    {"BeforeAnythingBegan", false, false, 0, 10min, MoveAction::kAbandoned},
    {"BeforeTheLearner", true, false, 0, 10min, MoveAction::kAbandoned},
    {"WhileItCatchesUp", true, true, 100, 10min, MoveAction::kAbandoned},
    {"AfterItCaughtUp", true, true, 4500, 10min, MoveAction::kDone},
    {"OnlyForAMinute", true, true, 100, 1min, MoveAction::kDone},
};

TEST(ReplicaMove, FinishesWhicheverIsFurtherWhenTheDeadNodeReturns) {
  for (const ReturnCase& c : kReturns) {
    SCOPED_TRACE(c.name);
    ReplicaMove move({GroupId{7}, info(9, 4), info(3, 3)});
    MoveModel model;
    model.view.new_exists = c.new_is_created;
    model.view.new_match = LogIndex{c.new_match};
    if (c.new_is_learner) {
      model.view.config.learners = {ReplicaId{9}};
      model.view.config.members.push_back(info(9, 4));
    }
    BootTime now{1s};
    move.on_old_node(true, now);
    if (c.stays < ReplicaMove::kReturnHysteresis) {
      now += c.stays;
      move.on_old_node(false, now);
    } else {
      now += ReplicaMove::kReturnHysteresis;
    }
    MoveStep step;
    for (int i = 0; i < 40; ++i, now += 2s) {
      step = move.step(model.view, now);
      if (step.action == MoveAction::kDone || step.action == MoveAction::kAbandoned) break;
      model.apply(step);
      model.settle();
      // Once taken back it stays so, whatever the node does.
      if (i == 1 && c.end == MoveAction::kAbandoned) move.on_old_node(false, now);
      if (model.view.config.is_learner(ReplicaId{9})) model.view.new_match.value += 1500;
    }
    EXPECT_EQ(step.action, c.end);
    EXPECT_EQ(model.view.config.voters.size(), 3u);
    EXPECT_EQ(model.most_voters, 3u);
    EXPECT_EQ(model.view.config.is_voter(ReplicaId{3}), c.end == MoveAction::kAbandoned);
    EXPECT_EQ(model.view.new_exists, c.end == MoveAction::kDone);
  }
}

TEST(ReplicaMove, RefusesGoalsThatBreakAnIdentity) {
  EXPECT_FALSE(ReplicaMove::validate({GroupId{7}, {}, {}}).ok());
  EXPECT_FALSE(ReplicaMove::validate({GroupId{0}, info(9, 4), {}}).ok());
  EXPECT_FALSE(ReplicaMove::validate({GroupId{7}, info(3, 4), info(3, 3)}).ok());
  EXPECT_FALSE(ReplicaMove::validate({GroupId{7}, info(9, 3), info(3, 3)}).ok());
  EXPECT_FALSE(ReplicaMove::validate({GroupId{7}, info(0, 4), {}}).ok());
  EXPECT_TRUE(ReplicaMove::validate({GroupId{7}, info(9, 4), info(3, 3)}).ok());
}

// On real cores: a member goes, and the group serves all the time.
TEST(ReplicaMove, RemovesAVoterOfALiveGroup) {
  const GroupId group{7};
  NodeCluster cluster({});
  cluster.add_group(group);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.has_leader(group); }));
  cluster.run_for(100ms);
  const NodeId leader = cluster.leader_of(group);
  const NodeId old{leader.value % 3 + 1};
  MoveGoal goal;
  goal.group = group;
  goal.remove = MemberInfo{NodeCluster::replica_on(group, old), old, {}};
  ReplicaMove move(goal);
  MoveStep step;
  for (int i = 0; i < 100 && step.action != MoveAction::kDone; ++i) {
    ASSERT_TRUE(cluster.propose(group, std::to_string(i)));
    const RaftCore& core = cluster.replica(group, cluster.leader_of(group)).core();
    MoveView view;
    view.config = core.log().config();
    view.config_index = core.log().config_index();
    view.is_committed = core.log().config_index() <= core.commit();
    view.last = core.log().last();
    view.old_is_destroyed = cluster.node(old).raft().find(group) == nullptr;
    step = move.step(view, cluster.now());
    if (step.action == MoveAction::kChangeConfig) {
      EXPECT_TRUE(cluster.replica(group, cluster.leader_of(group))
                      .change_config(step.changes, step.expected)
                      .ok());
    } else if (step.action == MoveAction::kDestroy) {
      cluster.node(old).raft().remove(group, step.member.replica).ignore("under way");
    }
    cluster.run_for(50ms);
  }
  EXPECT_EQ(step.action, MoveAction::kDone);
  EXPECT_EQ(cluster.node(old).tombstones[group].lowest_allowed,
            NodeCluster::replica_on(group, old).next());
  cluster.check();
}

}  // namespace
}  // namespace worldline::replication
