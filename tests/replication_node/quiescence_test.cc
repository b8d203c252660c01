// Groups that sleep, rule by rule [S 08/3.3].
#include "replication/node/quiescence.h"

#include <gtest/gtest.h>

#include "tests/replication_node/node_cluster.h"

namespace worldline::replication {
namespace {

// A cluster with one group, and words for what these tests look at.
struct Sleepers {
  explicit Sleepers(ClusterOptions options = {}) : cluster(std::move(options)) {
    cluster.add_group(kGroup);
  }
  bool all_asleep() {
    for (const NodeId id : cluster.node_ids())
      if (cluster.node(id).is_up() && rest(id) != RestKind::kQuiesced) return false;
    return true;
  }
  bool fall_asleep() {
    return cluster.run_until([this] { return cluster.has_leader(kGroup) && all_asleep(); });
  }
  RestKind rest(NodeId id) { return cluster.node(id).raft().rest_of(kGroup); }
  NodeId leader() { return cluster.leader_of(kGroup); }
  NodeId follower(size_t number = 0) {
    for (const NodeId id : cluster.node_ids())
      if (cluster.node(id).is_up() && id != leader() && number-- == 0) return id;
    return {};
  }
  GroupReplica& at(NodeId id) { return cluster.replica(kGroup, id); }
  SleepVeto veto() {
    RaftNode& raft = cluster.node(leader()).raft();
    return may_sleep(at(leader()), raft.detector(), raft.config(), {raft.tick(), cluster.now()})
        .veto;
  }

  NodeCluster cluster;
};

ClusterOptions five_nodes() {
  ClusterOptions options;
  options.node_count = 5;
  return options;
}

// --- Q1
// ----------------------------------------------------------------------------------------------

TEST(Quiescence, Q1WaitsForTenQuietIntervals) {
  Sleepers s;
  ASSERT_TRUE(s.cluster.run_until([&] { return s.cluster.has_leader(kGroup); }));
  s.cluster.run_for(200ms);
  ASSERT_TRUE(s.cluster.propose(kGroup, "a"));
  s.cluster.run_for(650ms);
  EXPECT_NE(s.rest(s.leader()), RestKind::kQuiesced);
  EXPECT_EQ(s.veto(), SleepVeto::kRecentWork);
  s.cluster.run_for(350ms);
  EXPECT_TRUE(s.all_asleep());
}

struct ActivityCase {
  const char* name;
  void (*work)(Sleepers& s, int round);
};
const ActivityCase kActivities[] = {
    {"Proposals", [](Sleepers& s, int) { s.cluster.propose(kGroup, "x"); }},
    {"Reads",
     [](Sleepers& s, int round) {
       EXPECT_TRUE(s.at(s.leader()).read_barrier(ReadToken{static_cast<uint64_t>(round)}).ok());
     }},
    {"ReadsOfAFollower",
     [](Sleepers& s, int round) {
       EXPECT_TRUE(s.at(s.follower()).read_barrier(ReadToken{static_cast<uint64_t>(round)}).ok());
     }},
    {"Transfers",
     [](Sleepers& s, int) {
       s.at(s.leader()).transfer(s.at(s.follower()).id()).ignore("again in the next round");
     }},
    {"ConfigCommands",
     [](Sleepers& s, int round) {
       GroupReplica& leader = s.at(s.leader());
       const MemberInfo moved{leader.id(), s.leader(), "zone " + std::to_string(round)};
       EXPECT_TRUE(leader
                       .change_config({{MemberChange::Kind::kAddVoter, moved}},
                                      leader.core().log().config_index())
                       .ok());
     }},
};

TEST(Quiescence, Q1WorkKeepsAGroupAwake) {
  for (const ActivityCase& c : kActivities) {
    SCOPED_TRACE(c.name);
    Sleepers s;
    ASSERT_TRUE(s.fall_asleep());
    for (int round = 1; round <= 8; ++round) {
      c.work(s, round);
      s.cluster.run_for(300ms);
      EXPECT_NE(s.rest(s.leader()), RestKind::kQuiesced) << "round " << round;
      s.cluster.check();
    }
    EXPECT_TRUE(s.fall_asleep());
  }
}

TEST(Quiescence, Q1AScheduleRowThatIsDueSoonKeepsItAwake) {
  Sleepers s;
  ASSERT_TRUE(s.cluster.run_until([&] { return s.cluster.has_leader(kGroup); }));
  const BootTime due = s.cluster.now() + 7s;
  for (const NodeId id : s.cluster.node_ids()) s.at(id).set_next_due(due);
  ASSERT_TRUE(s.fall_asleep()) << "seven seconds are far enough";
  s.cluster.run_for(due - s.cluster.now() - 5500ms);
  ASSERT_TRUE(s.cluster.propose(kGroup, "wake"));
  s.cluster.run_for(2s);
  EXPECT_EQ(s.veto(), SleepVeto::kScheduleSoon);
  s.cluster.run_for(3s);
  EXPECT_NE(s.rest(s.leader()), RestKind::kQuiesced);
  for (const NodeId id : s.cluster.node_ids()) s.at(id).set_next_due(std::nullopt);
  EXPECT_TRUE(s.fall_asleep());
}

TEST(Quiescence, Q1AMemberThatIsBehindKeepsItAwake) {
  Sleepers s;
  ASSERT_TRUE(s.cluster.run_until([&] { return s.cluster.has_leader(kGroup); }));
  s.cluster.run_for(100ms);
  const NodeId late = s.follower();
  s.cluster.loses = [late](const Envelope& message) {
    return message.to.node == late && std::holds_alternative<Append>(message.body);
  };
  ASSERT_TRUE(s.cluster.propose(kGroup, "a"));
  s.cluster.run_for(3s);
  EXPECT_NE(s.rest(s.leader()), RestKind::kQuiesced);
  EXPECT_EQ(s.veto(), SleepVeto::kMemberBehind);
  s.cluster.loses = nullptr;
  EXPECT_TRUE(s.fall_asleep());
}

TEST(Quiescence, Q1AMemberThatHasNotAppliedKeepsItAwake) {
  Sleepers s;
  ASSERT_TRUE(s.cluster.run_until([&] { return s.cluster.has_leader(kGroup); }));
  s.cluster.run_for(100ms);
  const NodeId slow = s.follower();
  s.cluster.node(slow).machine(kGroup).hangs = true;
  ASSERT_TRUE(s.cluster.propose(kGroup, "a"));
  s.cluster.run_for(3s);
  EXPECT_NE(s.rest(s.leader()), RestKind::kQuiesced);
  EXPECT_EQ(s.veto(), SleepVeto::kMemberBehind);
  s.cluster.node(slow).machine(kGroup).hangs = false;
  EXPECT_TRUE(s.fall_asleep());
}

TEST(Quiescence, Q1TheDeadDoNotKeepItAwake) {
  Sleepers s;
  ASSERT_TRUE(s.cluster.run_until([&] { return s.cluster.has_leader(kGroup); }));
  s.cluster.run_for(100ms);
  s.cluster.crash(s.follower());
  s.cluster.run_for(300ms);
  EXPECT_EQ(s.veto(), SleepVeto::kRecentWork);
  EXPECT_TRUE(s.fall_asleep());
}

TEST(Quiescence, Q1WithoutALiveMajorityNobodySleeps) {
  Sleepers s(five_nodes());
  ASSERT_TRUE(s.cluster.run_until([&] { return s.cluster.has_leader(kGroup); }));
  s.cluster.run_for(100ms);
  for (int i = 0; i < 3; ++i) s.cluster.crash(s.follower());
  const NodeId leader = s.leader();
  s.cluster.run_for(5s);
  EXPECT_NE(s.rest(leader), RestKind::kQuiesced);
  EXPECT_FALSE(s.at(leader).is_leader()) << "check-quorum went on";
}

TEST(Quiescence, Q1AGroupOfOneSleepsToo) {
  ClusterOptions options;
  options.node_count = 1;
  Sleepers s(options);
  ASSERT_TRUE(s.fall_asleep());
  EXPECT_EQ(s.cluster.node(1).raft().next_deadline(), BootTime::max()) << "nothing is due";
  s.cluster.run_for(1h);
  EXPECT_EQ(s.cluster.node(1).raft().counters().pauses, 0u);
  ASSERT_TRUE(s.cluster.propose(kGroup, "a"));
  s.cluster.run_for(100ms);
  EXPECT_EQ(s.cluster.node(1).machine(kGroup).texts.size(), 1u);
}

// --- Q2
// ----------------------------------------------------------------------------------------------

TEST(Quiescence, Q2ARefusalWakesLeaderAndThoseWhoJoined) {
  Sleepers s;
  ASSERT_TRUE(s.cluster.run_until([&] { return s.cluster.has_leader(kGroup); }));
  s.cluster.run_for(300ms);
  // One follower learns of an entry the leader does not count as news of it: it refuses to sleep.
  const NodeId odd = s.follower(1);
  bool refused = false;
  s.cluster.loses = [&](const Envelope& message) {
    const auto* heartbeat = std::get_if<Heartbeat>(&message.body);
    if (heartbeat == nullptr || !heartbeat->quiesce || message.to.node != odd || refused)
      return false;
    refused = true;
    Envelope other = message;  // As if its commit were another: it cannot agree.
    std::get<Heartbeat>(other.body).commit.value += 1;
    s.cluster.post(1ms, [&s, other, odd] {
      EXPECT_TRUE(s.cluster.node(odd).raft().recv({other, s.cluster.now()}, s.cluster.now()).ok());
    });
    return true;
  };
  ASSERT_TRUE(s.cluster.run_until([&] { return refused; }));
  s.cluster.run_for(20ms);
  for (const NodeId id : s.cluster.node_ids())
    EXPECT_NE(s.rest(id), RestKind::kQuiesced) << "node " << id.value;
  s.cluster.check();
  const Term term = s.at(s.leader()).core().term();
  EXPECT_TRUE(s.fall_asleep());
  EXPECT_EQ(s.at(s.leader()).core().term(), term);
}

// --- Q3
// ----------------------------------------------------------------------------------------------

TEST(Quiescence, Q3SleepersGetNoTicksNoItemsAndNoElections) {
  Sleepers s;
  ASSERT_TRUE(s.fall_asleep());
  s.cluster.run_for(200ms);
  const NodeId leader = s.leader();
  const Term term = s.at(leader).core().term();
  std::map<NodeId, NodeCounters> before;
  for (const NodeId id : s.cluster.node_ids()) before[id] = s.cluster.node(id).raft().counters();
  s.cluster.take_sent();
  s.cluster.run_for(60s);
  for (const NodeId id : s.cluster.node_ids()) {
    const NodeCounters& now = s.cluster.node(id).raft().counters();
    EXPECT_EQ(now.group_ticks, before[id].group_ticks);
    EXPECT_EQ(now.group_messages, before[id].group_messages);
    EXPECT_EQ(now.items_sent, before[id].items_sent);
    EXPECT_GT(now.batches_sent, before[id].batches_sent) << "the nodes still hear each other";
  }
  EXPECT_TRUE(s.cluster.take_sent().empty());
  EXPECT_EQ(s.leader(), leader);
  EXPECT_EQ(s.at(leader).core().term(), term);
}

TEST(Quiescence, Q3ABrokenStreamIsReportedOnWaking) {
  Sleepers s;
  ASSERT_TRUE(s.fall_asleep());
  const NodeId leader = s.leader();
  const NodeId peer = s.follower();
  RaftNode& raft = s.cluster.node(leader).raft();
  raft.on_disconnected(peer, StreamLoss::kBroken, s.cluster.now());
  raft.on_connected(peer, 1, s.cluster.now());
  EXPECT_EQ(s.rest(leader), RestKind::kQuiesced);
  const ReplicaId id = s.at(peer).id();
  EXPECT_EQ(s.at(leader).core().progress(id)->state, ProgressState::kReplicate);
  s.at(leader).wake();
  EXPECT_EQ(s.at(leader).core().progress(id)->state, ProgressState::kProbe);
}

// --- Q4
// ----------------------------------------------------------------------------------------------

struct WakeCase {
  const char* name;
  void (*wake)(Sleepers& s);
};
const WakeCase kWakes[] = {
    {"ACallAtTheLeader", [](Sleepers& s) { s.cluster.propose(kGroup, "x"); }},
    {"ASubscriptionAtAFollower", [](Sleepers& s) { s.at(s.follower()).wake(); }},
    {"AReadAtAFollower",
     [](Sleepers& s) { EXPECT_TRUE(s.at(s.follower()).read_barrier(ReadToken{1}).ok()); }},
    {"AMessage",
     [](Sleepers& s) {
       GroupReplica& from = s.at(s.follower());
       s.cluster.node(s.follower())
           .send({kGroup,
                  from.core().config().self,
                  {s.leader(), 0, s.at(s.leader()).id()},
                  from.core().term(),
                  LogIndex{1},
                  ReadIndexReq{}});
     }},
    {"AConfigCommand",
     [](Sleepers& s) {
       GroupReplica& leader = s.at(s.leader());
       EXPECT_TRUE(
           leader
               .change_config({{MemberChange::Kind::kAddLearner, {ReplicaId{799}, NodeId{9}, {}}}},
                              leader.core().log().config_index())
               .ok());
     }},
    {"ATransfer",
     [](Sleepers& s) { EXPECT_TRUE(s.at(s.leader()).transfer(s.at(s.follower()).id()).ok()); }},
};

TEST(Quiescence, Q4EverybodyWakesForWork) {
  for (const WakeCase& c : kWakes) {
    SCOPED_TRACE(c.name);
    Sleepers s;
    ASSERT_TRUE(s.fall_asleep());
    const Term term = s.at(s.leader()).core().term();
    c.wake(s);
    s.cluster.run_for(150ms);
    for (const NodeId id : s.cluster.node_ids())
      EXPECT_NE(s.rest(id), RestKind::kQuiesced) << "node " << id.value;
    EXPECT_LE(s.at(s.leader()).core().term().value, term.value + 1);
    s.cluster.check();
  }
}

TEST(Quiescence, Q4AReturnedMemberOfTheLaggingSetWakesTheLeader) {
  Sleepers s;
  ASSERT_TRUE(s.cluster.run_until([&] { return s.cluster.has_leader(kGroup); }));
  s.cluster.run_for(100ms);
  const NodeId leader = s.leader();
  const NodeId lost = s.follower();
  s.cluster.isolate(lost);
  s.cluster.run_for(1s);
  ASSERT_TRUE(s.cluster.propose(kGroup, "missed"));
  ASSERT_TRUE(s.cluster.run_until([&] { return s.rest(leader) == RestKind::kQuiesced; }));
  EXPECT_TRUE(s.cluster.node(lost).machine(kGroup).texts.empty());
  s.cluster.heal();
  ASSERT_TRUE(s.cluster.run_until(
      [&] { return s.cluster.node(lost).machine(kGroup).texts.size() == 1; }, 3s));
  s.cluster.check();
}

// --- Q5
// ----------------------------------------------------------------------------------------------

TEST(Quiescence, Q5AFollowerThatWakesWakesItsLeader) {
  Sleepers s;
  ASSERT_TRUE(s.fall_asleep());
  const NodeId leader = s.leader();
  const NodeId follower = s.follower();
  const Term term = s.at(leader).core().term();
  s.cluster.take_sent();
  s.at(follower).wake();
  bool told = false;
  for (const Envelope& message : s.cluster.take_sent())
    told = told || (std::holds_alternative<ReadIndexReq>(message.body) &&
                    message.to.node == leader && message.from.node == follower);
  EXPECT_TRUE(told);
  // Two followers that woke alone would depose the sleeping leader.
  s.at(s.follower(1)).wake();
  s.cluster.run_for(3s);
  EXPECT_EQ(s.leader(), leader);
  EXPECT_EQ(s.at(leader).core().term(), term);
}

TEST(Quiescence, Q5NotIfItsLeaderWokeIt) {
  Sleepers s;
  ASSERT_TRUE(s.fall_asleep());
  s.cluster.take_sent();
  ASSERT_TRUE(s.cluster.propose(kGroup, "x"));
  s.cluster.run_for(100ms);
  for (const Envelope& message : s.cluster.take_sent())
    EXPECT_FALSE(std::holds_alternative<ReadIndexReq>(message.body));
}

// --- Q6, Q7
// ------------------------------------------------------------------------------------------

TEST(Quiescence, Q6AfterALostLeaderNoOldLeaseBlocksAnElection) {
  int quick = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    ClusterOptions options;
    options.seed = seed;
    Sleepers s(options);
    ASSERT_TRUE(s.fall_asleep());
    const NodeId old = s.leader();
    const BootTime start = s.cluster.now();
    s.cluster.crash(old);
    ASSERT_TRUE(
        s.cluster.run_until([&] { return s.leader().value != 0 && s.leader() != old; }, 2500ms));
    // Suspect after three intervals, a timeout below E, and the rounds of an election.
    quick += s.cluster.now() - start <= 225ms + 400ms + 100ms ? 1 : 0;
    s.cluster.check();
  }
  // Two who draw the same of sixteen ticks split the vote and need a second round.
  EXPECT_GE(quick, 35);
}

TEST(Quiescence, Q6WakesWithoutLeaderAndWithATimeoutBelowE) {
  Sleepers s;
  ASSERT_TRUE(s.fall_asleep());
  const NodeId leader = s.leader();
  const NodeId follower = s.follower();
  s.cluster.crash(leader);
  const NodeId watched = follower.value != 0 ? follower : NodeId{1};
  ASSERT_TRUE(s.cluster.run_until([&] { return s.rest(watched) == RestKind::kAwake; }, 500ms));
  const RaftCore& core = s.at(watched).core();
  EXPECT_TRUE(core.leader().value == 0 || core.role() != RoleKind::kFollower);
  EXPECT_LE(core.randomised_timeout(), 2 * core.config().election_ticks);
}

TEST(Quiescence, Q7ARestartOfTheLeadersNodeIsALostLeader) {
  Sleepers s;
  ASSERT_TRUE(s.fall_asleep());
  const NodeId old = s.leader();
  const Term term = s.at(old).core().term();
  s.cluster.crash(old);
  s.cluster.restart(old);  // Before anybody could suspect it.
  ASSERT_TRUE(s.cluster.run_until(
      [&] { return s.cluster.has_leader(kGroup) && s.at(s.leader()).core().term() > term; }, 2s));
  ASSERT_TRUE(s.cluster.propose(kGroup, "x"));
  s.cluster.run_for(200ms);
  for (const NodeId id : s.cluster.node_ids())
    EXPECT_EQ(s.cluster.node(id).machine(kGroup).texts.size(), 1u) << "node " << id.value;
  s.cluster.check();
}

// --- Q8
// ----------------------------------------------------------------------------------------------

TEST(Quiescence, Q8AMassOfGroupsWakesInTurnTheCatalogFirst) {
  ClusterOptions options;
  options.adjust = [](NodeConfig& config) { config.wakes_per_second_max = 40; };
  NodeCluster cluster(options);
  constexpr uint64_t kGroups = 150;
  for (uint64_t group = 1; group <= kGroups; ++group) cluster.add_group(GroupId{group});
  const auto asleep_on = [&](NodeId node) {
    size_t count = 0;
    for (uint64_t group = 1; group <= kGroups; ++group)
      count += cluster.node(node).raft().rest_of(GroupId{group}) == RestKind::kQuiesced;
    return count;
  };
  ASSERT_TRUE(cluster.run_until([&] { return asleep_on(NodeId{1}) == kGroups; }, 30s));
  const NodeId dead = cluster.leader_of(kCatalogGroupId);
  size_t led = 0;
  for (uint64_t group = 1; group <= kGroups; ++group)
    led += cluster.leader_of(GroupId{group}) == dead;
  ASSERT_GT(led, 40u);
  const NodeId other = dead == NodeId{1} ? NodeId{2} : NodeId{1};
  cluster.crash(dead);
  ASSERT_TRUE(cluster.run_until([&] { return asleep_on(other) < kGroups; }, 1s));
  EXPECT_NE(cluster.node(other).raft().rest_of(kCatalogGroupId), RestKind::kQuiesced);
  uint64_t woken = cluster.node(other).raft().counters().woken;
  std::vector<uint64_t> by_tenth;
  for (int i = 0; i < 40; ++i) {
    cluster.run_for(100ms);
    by_tenth.push_back(cluster.node(other).raft().counters().woken - woken);
    woken = cluster.node(other).raft().counters().woken;
  }
  // Both survivors wake groups for each other too: at most twice the rate, and the bursts of each.
  for (size_t i = 0; i + 10 <= by_tenth.size(); ++i) {
    uint64_t in_a_second = 0;
    for (size_t k = i; k < i + 10; ++k) in_a_second += by_tenth[k];
    EXPECT_LE(in_a_second, 2 * 40u + 4u) << "from tenth " << i;
  }
  ASSERT_TRUE(cluster.run_until(
      [&] {
        for (uint64_t group = 1; group <= kGroups; ++group)
          if (!cluster.has_leader(GroupId{group})) return false;
        return true;
      },
      20s));
  cluster.check();
}

// --- Q9
// ----------------------------------------------------------------------------------------------

TEST(Quiescence, Q9ASleepingLeaderProvesItselfBeforeItAnswers) {
  Sleepers s;
  ASSERT_TRUE(s.fall_asleep());
  const NodeId old = s.leader();
  s.cluster.isolate(old);
  s.cluster.run_for(5s);
  EXPECT_TRUE(s.at(old).is_leader()) << "check-quorum does not run while it sleeps";
  ASSERT_TRUE(s.cluster.has_leader(kGroup));
  EXPECT_NE(s.leader(), old) << "the others went on";
  ASSERT_TRUE(s.at(old).read_barrier(ReadToken{5}).ok());
  const ProposeResult proposed = s.at(old).propose(
      s.at(old).core().term(), {{EntryKind::kBundle, std::make_shared<const ByteBuffer>(1)}});
  EXPECT_TRUE(proposed.ok());
  s.cluster.run_for(2s);
  EXPECT_FALSE(s.at(old).is_leader()) << "awake, it misses its majority";
  EXPECT_TRUE(s.cluster.node(old).machine(kGroup).reads.empty());
  EXPECT_EQ(s.cluster.node(old).machine(kGroup).failed_reads.size(), 1u);
  EXPECT_TRUE(s.cluster.node(old).machine(kGroup).texts.empty());
}

// --- Q10
// ---------------------------------------------------------------------------------------------

TEST(Quiescence, Q10ALeaderThatStepsDownInItsSleepIsReplaced) {
  Sleepers s;
  ASSERT_TRUE(s.fall_asleep());
  const NodeId old = s.leader();
  RaftNode& raft = s.cluster.node(old).raft();
  const uint64_t epoch = raft.lead_epoch();
  raft.on_disk({.is_eligible = false, .may_heartbeat = false});
  EXPECT_GT(raft.lead_epoch(), epoch);
  EXPECT_FALSE(s.at(old).is_leader());
  ASSERT_TRUE(s.cluster.run_until([&] { return s.cluster.has_leader(kGroup); }, 1s));
  EXPECT_NE(s.leader(), old) << "its disk is stalled: not eligible";
  s.cluster.check();
}

TEST(Quiescence, Q10AQuarantinedLeaderIsReplaced) {
  Sleepers s;
  ASSERT_TRUE(s.fall_asleep());
  const NodeId old = s.leader();
  s.at(old).quarantine(19, "its digest differs");
  ASSERT_TRUE(
      s.cluster.run_until([&] { return s.cluster.has_leader(kGroup) && s.leader() != old; }, 1s));
  ASSERT_TRUE(s.cluster.propose(kGroup, "x"));
  s.cluster.run_for(200ms);
  s.cluster.check();
}

TEST(Quiescence, Q10AFollowerWakesWhenItsLeaderMissedADueRow) {
  Sleepers s;
  ASSERT_TRUE(s.cluster.run_until([&] { return s.cluster.has_leader(kGroup); }));
  const BootTime due = s.cluster.now() + 8s;
  const NodeId follower = s.follower();
  s.at(follower).set_next_due(due);  // Its leader knows of none.
  ASSERT_TRUE(s.fall_asleep());
  s.cluster.run_for(due - s.cluster.now() + 700ms);
  EXPECT_EQ(s.rest(follower), RestKind::kQuiesced);
  s.cluster.run_for(200ms);
  EXPECT_NE(s.rest(follower), RestKind::kQuiesced);
  EXPECT_NE(s.rest(s.leader()), RestKind::kQuiesced);
}

}  // namespace
}  // namespace worldline::replication
