// Who is on a node and who may speak to it; time, pauses, dead peers, handing over
// [S 08/1.5, 3.4, 3.5, 3.9, 3.10, 3.12].
#include <gtest/gtest.h>

#include "tests/replication_node/node_cluster.h"

namespace worldline::replication {
namespace {

const NodeId kOne{1};
const NodeId kTwo{2};
const NodeId kThree{3};

struct Led {
  explicit Led(ClusterOptions options = {}) : cluster(std::move(options)) {
    cluster.add_group(kGroup);
    EXPECT_TRUE(cluster.run_until([this] { return cluster.has_leader(kGroup); }));
    cluster.run_for(100ms);
  }
  NodeId leader() { return cluster.leader_of(kGroup); }
  NodeId follower(size_t number = 0) {
    for (const NodeId id : cluster.node_ids())
      if (cluster.node(id).is_up() && id != leader() && number-- == 0) return id;
    return {};
  }
  GroupReplica& at(NodeId id) { return cluster.replica(kGroup, id); }
  Address address(NodeId id) {
    return {id, cluster.node(id).incarnation, NodeCluster::replica_on(kGroup, id)};
  }
  void tell(NodeId to, const Envelope& message) {
    const Status taken = cluster.node(to).raft().recv({message, cluster.now()}, cluster.now());
    EXPECT_TRUE(taken.ok()) << taken.message();
  }
  std::vector<Envelope> sent_by(NodeId from) {
    std::vector<Envelope> some;
    for (const Envelope& message : cluster.take_sent())
      if (message.from.node == from) some.push_back(message);
    return some;
  }

  NodeCluster cluster;
};

// --- Groups
// ------------------------------------------------------------------------------------------

TEST(RaftNode, RefusesOrdersThatWouldBreakAnIdentity) {
  NodeCluster cluster({});
  RaftNode& raft = cluster.node(1).raft();
  TestMachine machine;
  const auto create = [&](GroupId group, ReplicaId replica) {
    return raft.create({group, replica, {}, &machine}).code();
  };
  raft.add_tombstone(GroupId{5}, {ReplicaId{10}, {}});
  raft.add_tombstone(GroupId{6}, {ReplicaId{1}, ReplicaId{12}});
  EXPECT_EQ(create(GroupId{0}, ReplicaId{1}), StatusCode::kInvalidArgument);
  EXPECT_EQ(create(GroupId{4}, ReplicaId{0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(create(GroupId{5}, ReplicaId{9}), StatusCode::kFailedPrecondition) << "below it";
  EXPECT_EQ(create(GroupId{6}, ReplicaId{12}), StatusCode::kFailedPrecondition) << "quarantined";
  EXPECT_EQ(create(GroupId{5}, ReplicaId{10}), StatusCode::kOk);
  EXPECT_EQ(create(GroupId{5}, ReplicaId{11}), StatusCode::kAlreadyExists) << "being created";
  cluster.run_for(10ms);
  EXPECT_EQ(create(GroupId{5}, ReplicaId{11}), StatusCode::kAlreadyExists) << "created";
  LogBoundary foreign;
  foreign.id = {Term{1}, LogIndex{1}};
  foreign.config = cluster.members(GroupId{8}, {kTwo, kThree});
  EXPECT_EQ(raft.create({GroupId{8}, ReplicaId{801}, foreign, &machine}).code(),
            StatusCode::kInvalidArgument)
      << "born into a group it is no member of";
}

TEST(RaftNode, HoldsNoMoreGroupsThanItsLimit) {
  ClusterOptions options;
  options.adjust = [](NodeConfig& config) { config.groups_max = 2; };
  NodeCluster cluster(options);
  TestMachine machine;
  RaftNode& raft = cluster.node(1).raft();
  EXPECT_TRUE(raft.create({GroupId{2}, ReplicaId{1}, {}, &machine}).ok());
  EXPECT_TRUE(raft.create({GroupId{3}, ReplicaId{2}, {}, &machine}).ok());
  EXPECT_EQ(raft.create({GroupId{4}, ReplicaId{3}, {}, &machine}).code(), StatusCode::kOverloaded);
}

// Whoever is asked for a replica that is not here never makes one (tikv #1262).
struct AbsentCase {
  const char* name;
  MessageBody body;
  const char* unknown;  // Name of the answer; "" = silence.
  const char* gone;
  const char* quarantined;
};
const AbsentCase kAbsent[] = {
    {"Heartbeat", Heartbeat{}, "HeartbeatResp", "GroupGone", "HeartbeatResp"},
    {"Append", Append{}, "", "GroupGone", ""},
    {"PreVoteReq", PreVoteReq{}, "", "GroupGone", "PreVoteResp"},
    {"VoteReq", VoteReq{}, "", "GroupGone", "VoteResp"},
    {"SnapOffer", SnapOffer{}, "", "GroupGone", ""},
    {"TimeoutNow", TimeoutNow{}, "", "GroupGone", ""},
    {"AppendResp", AppendResp{}, "", "", ""},
    {"VoteResp", VoteResp{}, "", "", ""},
    {"HeartbeatResp", HeartbeatResp{}, "", "", ""},
    {"GroupGone", GroupGone{}, "", "", ""},
};

TEST(RaftNode, AnswersForReplicasThatCannotSpeakAndCreatesNone) {
  NodeCluster cluster({});
  RaftNode& raft = cluster.node(1).raft();
  const GroupId unknown{20};
  const GroupId gone{21};
  const GroupId quarantined{22};
  raft.add_tombstone(gone, {ReplicaId{100}, {}});
  raft.add_tombstone(quarantined, {ReplicaId{1}, ReplicaId{50}});
  for (const AbsentCase& c : kAbsent) {
    for (const GroupId group : {unknown, gone, quarantined}) {
      SCOPED_TRACE(std::string(c.name) + " group " + std::to_string(group.value));
      cluster.take_sent();
      const Envelope asked{
          group, {kTwo, 1, ReplicaId{51}}, {kOne, 0, ReplicaId{50}}, Term{9}, LogIndex{3}, c.body};
      EXPECT_TRUE(raft.recv({asked, cluster.now()}, cluster.now()).ok());
      const std::vector<Envelope> answers = cluster.take_sent();
      const std::string expected = group == unknown ? c.unknown
                                   : group == gone  ? c.gone
                                                    : c.quarantined;
      ASSERT_EQ(answers.size(), expected.empty() ? 0u : 1u);
      EXPECT_EQ(raft.find(group), nullptr);
      if (expected.empty()) continue;
      EXPECT_EQ(message_name(answers[0].body), expected);
      EXPECT_EQ(answers[0].to, asked.from);
      EXPECT_EQ(answers[0].from.replica, asked.to.replica);
      // No asker moves to another term because of it.
      EXPECT_LE(answers[0].term, Term{9});
      if (const auto* response = std::get_if<HeartbeatResp>(&answers[0].body)) {
        EXPECT_EQ(response->status, group == unknown ? HeartbeatStatus::kUnknownGroup
                                                     : HeartbeatStatus::kQuarantined);
      }
      if (const auto* told = std::get_if<GroupGone>(&answers[0].body)) {
        EXPECT_EQ(told->replica, ReplicaId{50});
        EXPECT_EQ(told->reason, GoneReason::kTombstone);
      }
    }
  }
}

TEST(RaftNode, ALostReplicaIsReportedByTheLeaderThatMissesIt) {
  Led led;
  const NodeId leader = led.leader();
  const NodeId victim = led.follower();
  led.cluster.crash(victim);
  led.cluster.node(victim).disk.clear();
  led.cluster.run_for(100ms);
  led.cluster.restart(victim);
  led.cluster.run_for(1s);
  const std::vector<NodeReport>& reports = led.cluster.node(leader).reports;
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].kind, ReportKind::kPeerLostData);
  EXPECT_EQ(reports[0].replica, NodeCluster::replica_on(kGroup, victim));
  EXPECT_EQ(reports[0].invariant, 12);
  EXPECT_EQ(led.cluster.node(victim).raft().find(kGroup), nullptr);
}

TEST(RaftNode, ARemovedReplicaLeavesATombstoneOneAboveItself) {
  Led led;
  const NodeId leader = led.leader();
  const NodeId victim = led.follower();
  const ReplicaId id = NodeCluster::replica_on(kGroup, victim);
  GroupReplica& lead = led.at(leader);
  ASSERT_TRUE(lead.change_config({{MemberChange::Kind::kRemove, {id, {}, {}}}},
                                 lead.core().log().config_index())
                  .ok());
  led.cluster.run_for(200ms);
  RaftNode& raft = led.cluster.node(victim).raft();
  EXPECT_EQ(raft.remove(kGroup, ReplicaId{1}).code(), StatusCode::kNotFound);
  ASSERT_TRUE(raft.remove(kGroup, id).ok());
  ASSERT_TRUE(raft.remove(kGroup, id).ok()) << "under way";
  led.cluster.run_for(100ms);
  EXPECT_EQ(raft.find(kGroup), nullptr);
  EXPECT_EQ(led.cluster.node(victim).tombstones[kGroup].lowest_allowed, id.next());
  TestMachine machine;
  EXPECT_EQ(raft.create({kGroup, id, {}, &machine}).code(), StatusCode::kFailedPrecondition);
  led.cluster.take_sent();
  led.tell(victim,
           {kGroup, led.address(leader), {victim, 0, id}, Term{99}, LogIndex{1}, Heartbeat{}});
  ASSERT_EQ(led.cluster.take_sent().size(), 1u);
  led.cluster.crash(victim);
  led.cluster.restart(victim);
  EXPECT_EQ(led.cluster.node(victim).raft().create({kGroup, id, {}, &machine}).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_TRUE(led.cluster.node(victim).raft().create({kGroup, id.next(), {}, &machine}).ok());
}

TEST(RaftNode, AStaleReplicaIsToldAndAsksTheCatalogBeforeItGoes) {
  Led led;
  const NodeId leader = led.leader();
  const NodeId victim = led.follower();
  const ReplicaId id = NodeCluster::replica_on(kGroup, victim);
  led.cluster.isolate(victim);
  GroupReplica& lead = led.at(leader);
  ASSERT_TRUE(lead.change_config({{MemberChange::Kind::kRemove, {id, {}, {}}}},
                                 lead.core().log().config_index())
                  .ok());
  led.cluster.run_for(2s);
  EXPECT_FALSE(lead.core().log().config().contains(id));
  const Term term = led.at(led.leader()).core().term();
  led.cluster.heal();
  led.cluster.run_for(3s);
  // It knocked, was told, asked; nobody's term moved and nothing of it is destroyed yet.
  EXPECT_EQ(led.at(led.leader()).core().term(), term);
  TestNode& stale = led.cluster.node(victim);
  ASSERT_FALSE(stale.verify.empty());
  EXPECT_LE(stale.verify.size(), 5u) << "at most once a second";
  ASSERT_NE(stale.raft().find(kGroup), nullptr);
  stale.raft().gone_verified(kGroup, id, GoneVerdict::kStillMember);
  led.cluster.run_for(100ms);
  EXPECT_NE(stale.raft().find(kGroup), nullptr);
  stale.verify.clear();
  ASSERT_TRUE(led.cluster.run_until([&] { return !stale.verify.empty(); }, 10s));
  stale.raft().gone_verified(kGroup, ReplicaId{1}, GoneVerdict::kRemoved);
  EXPECT_TRUE(stale.raft().find(kGroup)->is_running()) << "an answer about somebody else";
  stale.raft().gone_verified(kGroup, id, GoneVerdict::kRemoved);
  led.cluster.run_for(100ms);
  EXPECT_EQ(stale.raft().find(kGroup), nullptr);
  EXPECT_EQ(stale.tombstones[kGroup].lowest_allowed, id.next());
}

TEST(RaftNode, AVerdictNobodyAskedForDestroysNothing) {
  Led led;
  led.cluster.node(led.follower())
      .raft()
      .gone_verified(kGroup, led.at(led.follower()).id(), GoneVerdict::kRemoved);
  led.cluster.run_for(50ms);
  EXPECT_TRUE(led.at(led.follower()).is_running());
}

// Leaders spread over the nodes from the first term on [S 08/3.9].
TEST(RaftNode, NewGroupsAreLedByRankWithinAFewRoundTrips) {
  NodeCluster cluster({});
  for (uint64_t group = 1; group <= 9; ++group) cluster.add_group(GroupId{group});
  cluster.run_for(100ms);
  for (uint64_t group = 1; group <= 9; ++group) {
    const NodeId expected{1 + group % 3};
    EXPECT_EQ(cluster.leader_of(GroupId{group}), expected) << "group " << group;
    EXPECT_EQ(cluster.replica(GroupId{group}, expected).core().term(), Term{2});
  }
}

// --- Admission
// ----------------------------------------------------------------------------------------

TEST(RaftNode, DropsWhatIsNotForItAndWhatIsOfAnOlderLife) {
  Led led;
  const NodeId follower = led.follower();
  RaftNode& raft = led.cluster.node(follower).raft();
  const auto dropped = [&] {
    return raft.counters().dropped_foreign + raft.counters().dropped_old_life;
  };
  const uint64_t before = dropped();
  const Envelope good{kGroup,
                      led.address(led.leader()),
                      led.address(follower),
                      led.at(follower).core().term(),
                      LogIndex{1},
                      Heartbeat{}};
  Envelope bad = good;
  bad.to.node = led.leader();
  led.tell(follower, bad);
  bad = good;
  bad.from.node = follower;
  led.tell(follower, bad);
  bad = good;
  bad.from.node = NodeId{};
  led.tell(follower, bad);
  bad = good;
  bad.from.incarnation = 0;
  led.tell(follower, bad);
  bad = good;
  bad.to.replica = ReplicaId{12345};
  led.tell(follower, bad);
  EXPECT_EQ(dropped(), before + 5);
  led.tell(follower, good);
  EXPECT_EQ(dropped(), before + 5);
}

// I-24: the older of two lives of one node must end.
TEST(RaftNode, ReportsANewerLifeOfItself) {
  Led led;
  const NodeId follower = led.follower();
  Envelope message{kGroup,  led.address(follower), led.address(follower),
                   Term{5}, LogIndex{1},           Heartbeat{}};
  led.tell(follower, message);
  EXPECT_TRUE(led.cluster.node(follower).reports.empty()) << "the same life";
  message.from.incarnation += 1;
  led.tell(follower, message);
  led.tell(follower, message);
  ASSERT_EQ(led.cluster.node(follower).reports.size(), 1u) << "once";
  EXPECT_EQ(led.cluster.node(follower).reports[0].kind, ReportKind::kFenced);
}

// --- Pauses [S 08/3.5]
// -----------------------------------------------------------------------------------

TEST(RaftNode, APausedLeaderStepsDownWithoutCampaigning) {
  Led led;
  const NodeId old = led.leader();
  led.cluster.node(old).is_stopped = true;
  led.cluster.run_for(3s);
  ASSERT_NE(led.leader(), old);
  const Term term = led.at(led.leader()).core().term();
  led.cluster.node(old).is_stopped = false;
  ASSERT_TRUE(led.cluster.run_until(
      [&] { return led.cluster.node(old).raft().counters().pauses == 1; }, 100ms));
  EXPECT_FALSE(led.at(old).is_leader());
  led.cluster.run_for(1s);
  EXPECT_NE(led.leader(), old);
  EXPECT_EQ(led.at(led.leader()).core().term(), term) << "nobody was disturbed";
  led.cluster.check();
}

TEST(RaftNode, DropsControlMessagesThatWaitedOutThePause) {
  Led led;
  const NodeId follower = led.follower();
  RaftNode& raft = led.cluster.node(follower).raft();
  const BootTime received = led.cluster.now();
  const BootTime resumed = led.cluster.now() + 1s;
  const Envelope vote{kGroup,
                      led.address(led.leader()),
                      led.address(follower),
                      Term{50},
                      LogIndex{1},
                      VoteReq{{Term{50}, LogIndex{50}}, true}};
  EXPECT_TRUE(raft.recv({vote, received}, resumed).ok());
  EXPECT_EQ(raft.counters().pauses, 1u);
  EXPECT_EQ(raft.counters().dropped_after_pause, 1u);
  EXPECT_LT(led.at(follower).core().term(), Term{50});
  EXPECT_TRUE(raft.recv({vote, resumed}, resumed).ok());
  EXPECT_EQ(led.at(follower).core().term(), Term{50});
}

// Thousands that were led here must not begin elections at once when the node resumes.
TEST(RaftNode, SleepersOfAPausedNodeWakeInTurn) {
  ClusterOptions options;
  options.adjust = [](NodeConfig& config) { config.wakes_per_second_max = 40; };
  NodeCluster cluster(options);
  for (uint64_t group = 1; group <= 60; ++group) cluster.add_group(GroupId{group});
  cluster.run_for(5s);
  RaftNode& raft = cluster.node(1).raft();
  ASSERT_EQ(raft.active_groups(), 0u);
  const uint64_t epoch = raft.lead_epoch();
  cluster.isolate(kOne);
  cluster.node(1).is_stopped = true;
  cluster.run_for(3s);
  cluster.node(1).is_stopped = false;
  cluster.run_for(30ms);
  ASSERT_EQ(raft.counters().pauses, 1u);
  EXPECT_GT(raft.lead_epoch(), epoch);
  size_t led = 0;
  for (const GroupId group : raft.groups()) led += raft.find(group)->is_leader();
  EXPECT_EQ(led, 0u);
  EXPECT_LE(raft.active_groups(), 5u);
  cluster.check();
  cluster.heal();
  ASSERT_TRUE(cluster.run_until(
      [&] {
        for (uint64_t group = 1; group <= 60; ++group)
          if (!cluster.has_leader(GroupId{group})) return false;
        return true;
      },
      10s));
  cluster.check();
}

TEST(RaftNode, ABrokenLogStreamAloneLeavesHeartbeatsAlone) {
  Led led;
  const NodeId leader = led.leader();
  const NodeId peer = led.follower();
  RaftNode& raft = led.cluster.node(leader).raft();
  ASSERT_TRUE(led.cluster.propose(kGroup, "x"));
  raft.on_log_broken(peer, led.cluster.now());
  EXPECT_EQ(led.at(leader).core().progress(led.at(peer).id())->state, ProgressState::kProbe);
  const uint64_t batches = raft.counters().batches_sent;
  led.cluster.run_for(300ms);
  EXPECT_GE(raft.counters().batches_sent, batches + 6);
  EXPECT_EQ(led.cluster.node(peer).machine(kGroup).texts.size(), 1u);
}

TEST(RaftNode, AShortDelayIsNoPause) {
  Led led;
  const NodeId leader = led.leader();
  led.cluster.node(leader).is_stopped = true;
  led.cluster.run_for(300ms);
  led.cluster.node(leader).is_stopped = false;
  led.cluster.run_for(300ms);
  EXPECT_EQ(led.cluster.node(leader).raft().counters().pauses, 0u);
  EXPECT_EQ(led.leader(), leader);
}

// --- Dead peers [S 08/3.4]
// ---------------------------------------------------------------------------------

Micros time_to_new_leader(Led& led, NodeId old) {
  const BootTime start = led.cluster.now();
  EXPECT_TRUE(
      led.cluster.run_until([&] { return led.leader().value != 0 && led.leader() != old; }, 3s));
  return led.cluster.now() - start;
}

TEST(RaftNode, ACertainDeathIsFollowedByAnElectionWithinAHundredMilliseconds) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    ClusterOptions options;
    options.seed = seed;
    Led led(options);
    const NodeId old = led.leader();
    led.cluster.crash(old, StreamLoss::kRefused);
    EXPECT_LE(time_to_new_leader(led, old), 100ms);
    led.cluster.check();
  }
}

TEST(RaftNode, SoIsAFarewell) {
  Led led;
  const NodeId old = led.leader();
  led.cluster.node(old).raft().say_farewell(LeaveReason::kShutdown);
  led.cluster.run_for(1ms);
  led.cluster.crash(old);
  EXPECT_LE(time_to_new_leader(led, old), 100ms);
}

TEST(RaftNode, TheFastPathWakesSleepersToo) {
  Led led;
  ASSERT_TRUE(led.cluster.run_until([&] {
    return led.cluster.node(led.follower()).raft().rest_of(kGroup) == RestKind::kQuiesced;
  }));
  const NodeId old = led.leader();
  led.cluster.crash(old, StreamLoss::kRefused);
  EXPECT_LE(time_to_new_leader(led, old), 100ms);
}

TEST(RaftNode, AVanishedLeaderIsReplacedWithinASecond) {
  int quick = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    ClusterOptions options;
    options.seed = seed;
    Led led(options);
    const NodeId old = led.leader();
    led.cluster.isolate(old);
    quick += time_to_new_leader(led, old) <= 1s ? 1 : 0;
  }
  EXPECT_GE(quick, 54) << "a split vote, one in twenty, costs a round more";
}

TEST(RaftNode, ALeaderAtRestThatIsCutOffStepsDown) {
  ClusterOptions options;
  options.adjust = [](NodeConfig& config) { config.quiesce_after_intervals = 1'000'000; };
  Led led(options);
  const NodeId old = led.leader();
  ASSERT_TRUE(led.cluster.run_until(
      [&] { return led.cluster.node(old).raft().rest_of(kGroup) == RestKind::kVouched; }, 2s));
  led.cluster.isolate(old);
  // The grace of a resting leader, and two periods of check-quorum.
  ASSERT_TRUE(
      led.cluster.run_until([&] { return !led.at(old).is_leader(); }, 175ms + 800ms + 50ms));
  led.cluster.check();
}

// --- Handing over [S 08/3.12, 3.10]
// ------------------------------------------------------------------------

TEST(RaftNode, ASlowDiskHandsLeadershipOver) {
  Led led;
  const NodeId old = led.leader();
  led.cluster.node(old).raft().on_disk({.is_eligible = false});
  ASSERT_TRUE(
      led.cluster.run_until([&] { return led.leader().value != 0 && led.leader() != old; }, 200ms));
  led.cluster.crash(led.leader());
  led.cluster.run_for(5s);
  EXPECT_NE(led.leader(), old) << "not eligible while the disk is slow";
  led.cluster.node(old).raft().on_disk({});
  ASSERT_TRUE(led.cluster.run_until([&] { return led.cluster.has_leader(kGroup); }, 3s));
}

TEST(RaftNode, AStalledDiskStepsDownAndSaysNothingInTheNameOfItsLeaders) {
  Led led;
  const NodeId old = led.leader();
  led.cluster.node(old).disk_hangs = true;
  led.cluster.take_sent();
  led.cluster.node(old).raft().on_disk({.is_eligible = false, .may_heartbeat = false});
  EXPECT_FALSE(led.at(old).is_leader());
  for (const Envelope& message : led.sent_by(old))
    EXPECT_FALSE(std::holds_alternative<Heartbeat>(message.body));
  ASSERT_TRUE(
      led.cluster.run_until([&] { return led.leader().value != 0 && led.leader() != old; }, 2s));
  led.cluster.check();
}

// The leadership could go nowhere, and nobody else can have taken it: stepping down or standing
// aside would only take the group away from its clients.
TEST(RaftNode, AnOnlyVoterLeadsOnWhateverItsDiskOrItsPausesSay) {
  ClusterOptions options;
  options.node_count = 1;
  Led led(options);
  const NodeId only = led.leader();
  const Term term = led.at(only).core().term();
  for (const DiskVerdict& verdict : {DiskVerdict{.is_eligible = false},
                                     DiskVerdict{.is_eligible = false, .may_heartbeat = false},
                                     DiskVerdict{.is_eligible = false, .is_full = true}}) {
    led.cluster.node(only).raft().on_disk(verdict);
    led.cluster.run_for(2s);
    EXPECT_TRUE(led.at(only).is_leader());
    led.at(only).paused();
    EXPECT_TRUE(led.at(only).is_leader());
  }
  EXPECT_EQ(led.at(only).core().term(), term);
  EXPECT_TRUE(led.cluster.propose(kGroup, "from the reserve"));
  led.cluster.crash(only);
  led.cluster.restart(only);
  led.cluster.node(only).raft().on_disk({.is_eligible = false, .is_full = true});
  EXPECT_TRUE(led.cluster.run_until([&] { return led.cluster.has_leader(kGroup); }, 3s))
      << "a start on a full disk must elect it too";
  led.cluster.check();
}

TEST(RaftNode, AFullDiskRefusesAppendsAndTellsTheLeader) {
  Led led;
  const NodeId full = led.follower();
  led.cluster.node(full).raft().on_disk({.is_eligible = false, .is_full = true});
  led.cluster.take_sent();
  ASSERT_TRUE(led.cluster.propose(kGroup, "x"));
  led.cluster.run_for(50ms);
  bool flagged = false;
  for (const Envelope& message : led.sent_by(full)) {
    const auto* response = std::get_if<AppendResp>(&message.body);
    flagged = flagged || (response != nullptr && response->disk_full);
  }
  EXPECT_TRUE(flagged);
  EXPECT_TRUE(led.cluster.node(full).machine(kGroup).texts.empty());
  led.cluster.node(full).raft().on_disk({});
  led.cluster.run_for(500ms);
  EXPECT_EQ(led.cluster.node(full).machine(kGroup).texts.size(), 1u);
}

TEST(RaftNode, AHangingStateMachineLosesItsLeadership) {
  ClusterOptions options;
  options.adjust = [](NodeConfig& config) { config.apply_stall_ticks = 40; };
  Led led(options);
  const NodeId old = led.leader();
  led.cluster.node(old).machine(kGroup).hangs = true;
  ASSERT_TRUE(led.cluster.propose(kGroup, "x"));
  ASSERT_TRUE(
      led.cluster.run_until([&] { return led.leader().value != 0 && led.leader() != old; }, 2s));
  ASSERT_EQ(led.cluster.node(old).reports.size(), 1u);
  EXPECT_EQ(led.cluster.node(old).reports[0].kind, ReportKind::kStalled);
}

TEST(RaftNode, DrainsItsLeadershipsAFewAtATime) {
  NodeCluster cluster({});
  for (uint64_t group = 1; group <= 30; ++group) cluster.add_group(GroupId{group});
  cluster.run_for(300ms);
  RaftNode& raft = cluster.node(1).raft();
  size_t left = raft.drain(4);
  EXPECT_EQ(left, 10u);
  size_t under_way = 0;
  for (const GroupId group : raft.groups())
    under_way += raft.find(group)->core().transferee().value != 0;
  EXPECT_LE(under_way, 4u);
  for (int i = 0; i < 40 && left > 0; ++i) {
    cluster.run_for(25ms);
    left = raft.drain(4);
  }
  EXPECT_EQ(left, 0u);
  cluster.run_for(3s);
  for (uint64_t group = 1; group <= 30; ++group) {
    EXPECT_NE(cluster.leader_of(GroupId{group}), NodeId{}) << group;
    EXPECT_NE(cluster.leader_of(GroupId{group}), kOne) << group;
  }
}

// --- Budgets
// -------------------------------------------------------------------------------------------------

TEST(RaftNode, ASlowPeerHoldsNoMoreThanItsBudget) {
  ClusterOptions options;
  options.adjust = [](NodeConfig& config) {
    config.limits.message_bytes_max = 4096;
    config.limits.inflight_bytes_max = 32'768;
    config.append_bytes_max = 16'384;
    config.append_wait_bytes_max = 65'536;
  };
  Led led(options);
  const NodeId leader = led.leader();
  const NodeId slow = led.follower();
  size_t unsent = 0;
  size_t unsent_max = 0;
  led.cluster.loses = [&](const Envelope& message) {
    const bool is_stuck = message.to.node == slow && std::holds_alternative<Append>(message.body);
    if (!is_stuck) return false;
    unsent += message_bytes(message);
    unsent_max = std::max(unsent_max, unsent);
    return true;  // The link does not take it: no credit comes back.
  };
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(led.cluster.propose(kGroup, std::string(3000, 'x')));
    led.cluster.run_for(2ms);
  }
  led.cluster.run_for(20ms);
  EXPECT_LE(unsent_max, 16'384u + 8192u);
  EXPECT_EQ(led.cluster.node(led.follower(1)).machine(kGroup).texts.size(), 200u)
      << "the other follower is not held up";
  led.cluster.loses = nullptr;
  RaftNode& raft = led.cluster.node(leader).raft();
  raft.on_disconnected(slow, StreamLoss::kBroken, led.cluster.now());
  raft.on_connected(slow, 1, led.cluster.now());
  ASSERT_TRUE(led.cluster.run_until(
      [&] { return led.cluster.node(slow).machine(kGroup).texts.size() == 200; }, 5s));
  led.cluster.check();
}

}  // namespace
}  // namespace worldline::replication
