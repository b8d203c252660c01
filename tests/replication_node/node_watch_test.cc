// What a node watches over besides its groups: what waited out a pause, new streams, links that
// work one way, clocks, round trips, messages no node sends, peers that lost data
// [S 08/1.4, 1.7 A9, 2 I-12, 3.4, 3.5, 5.1].
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/replication_node/node_cluster.h"

namespace worldline::replication {
namespace {

class NodeWatchTest : public testing::Test {
 protected:
  void start(const ClusterOptions& options = {}) {
    cluster_ = std::make_unique<NodeCluster>(options);
    cluster_->add_group(kGroup);
    ASSERT_TRUE(cluster_->run_until([this] { return cluster_->has_leader(kGroup); }));
    cluster_->run_for(100ms);
  }
  NodeId leader() { return cluster_->leader_of(kGroup); }
  NodeId follower() {
    for (const NodeId id : cluster_->node_ids())
      if (cluster_->node(id).is_up() && id != leader()) return id;
    return {};
  }
  RaftNode& raft(NodeId id) { return cluster_->node(id).raft(); }
  size_t reports(NodeId id, ReportKind kind) {
    const std::vector<NodeReport>& all = cluster_->node(id).reports;
    return static_cast<size_t>(std::count_if(
        all.begin(), all.end(), [kind](const NodeReport& r) { return r.kind == kind; }));
  }
  // Places of messages from one node to another among all that were sent.
  template <typename Body>
  static std::vector<size_t> places_of(const std::vector<Envelope>& sent, NodeId from, NodeId to) {
    std::vector<size_t> places;
    size_t place = 0;
    for (const Envelope& message : sent) {
      if (message.from.node != from || message.to.node != to) continue;
      if (std::holds_alternative<Body>(message.body)) places.push_back(place);
      ++place;
    }
    return places;
  }
  Envelope message_to(NodeId to, const MessageBody& body) {
    const RaftCore& core = cluster_->replica(kGroup, to).core();
    const NodeId from = leader() == to ? follower() : leader();
    const auto address = [this](NodeId id) {
      return Address{id, cluster_->node(id).incarnation, NodeCluster::replica_on(kGroup, id)};
    };
    return {kGroup, address(from), address(to), core.term(), core.log().config_index(), body};
  }
  void wait_for_sleep() {
    ASSERT_TRUE(cluster_->run_until([this] {
      const auto ids = cluster_->node_ids();
      return std::all_of(ids.begin(), ids.end(), [this](NodeId id) {
        return raft(id).rest_of(kGroup) == RestKind::kQuiesced;
      });
    }));
  }

  std::unique_ptr<NodeCluster> cluster_;
};

// --- Pauses [S 08/3.5] ---------------------------------------------------------------------------

TEST_F(NodeWatchTest, BatchesAndRepliesThatWaitedOutAPauseAreDropped) {
  start();
  const NodeId paused = follower();
  const NodeCounters before = raft(paused).counters();
  cluster_->node(paused).is_stopped = true;
  cluster_->run_for(1s);
  cluster_->node(paused).is_stopped = false;
  cluster_->run_for(20ms);
  const NodeCounters& after = raft(paused).counters();
  EXPECT_EQ(after.pauses, before.pauses + 1);
  EXPECT_GT(after.dropped_after_pause, 20u) << "a second of two peers' heartbeats";
  EXPECT_LE(after.batches_received, before.batches_received + 3);
}

// --- Streams [S 08/1.4, 3.7] ---------------------------------------------------------------------

TEST_F(NodeWatchTest, ANewStreamToTheLeaderBeginsWithAHello) {
  start();
  const NodeId from = follower();
  ASSERT_TRUE(cluster_->propose(kGroup, "keeps it awake"));
  cluster_->run_for(10ms);
  ASSERT_EQ(raft(from).rest_of(kGroup), RestKind::kAwake);
  cluster_->take_sent();
  raft(from).on_connected(leader(), cluster_->node(leader()).incarnation, cluster_->now());
  EXPECT_EQ(places_of<Hello>(cluster_->take_sent(), from, leader()), std::vector<size_t>{0});
}

TEST_F(NodeWatchTest, ASleeperGreetsWhenItWakes) {
  start();
  wait_for_sleep();
  const NodeId from = follower();
  cluster_->take_sent();
  raft(from).on_connected(leader(), cluster_->node(leader()).incarnation, cluster_->now());
  EXPECT_TRUE(cluster_->take_sent().empty()) << "nobody is woken for it";
  EXPECT_EQ(raft(from).rest_of(kGroup), RestKind::kQuiesced);
  ASSERT_TRUE(cluster_->propose(kGroup, "wakes all"));
  cluster_->run_for(20ms);
  EXPECT_EQ(places_of<Hello>(cluster_->take_sent(), from, leader()).size(), 1u);
}

// --- One-way links [S 08/3.4] --------------------------------------------------------------------

TEST_F(NodeWatchTest, APeerThatDoesNotHearUsIsReported) {
  start();
  const NodeId hears = leader();
  const NodeId deaf = follower();
  cluster_->run_for(2s);
  EXPECT_EQ(reports(hears, ReportKind::kPeerDeaf), 0u);
  cluster_->cut(hears, deaf);
  cluster_->run_for(2s);
  ASSERT_EQ(reports(hears, ReportKind::kPeerDeaf), 1u) << "once";
  EXPECT_NE(cluster_->node(hears).reports.back().text.find(std::to_string(deaf.value)),
            std::string::npos);
  EXPECT_EQ(reports(deaf, ReportKind::kPeerDeaf), 0u) << "it hears nothing to judge by";
}

// --- Clocks [S 08/3.5] ---------------------------------------------------------------------------

struct WatchCase {
  const char* name;
  Micros offset;
  size_t warnings;
  size_t drains;
};
const WatchCase kWatchCases[] = {
    {"Right", 0s, 0, 0},   {"ALittleOff", 300ms, 0, 0}, {"Ahead", 2s, 1, 0},
    {"Behind", -2s, 1, 0}, {"FarAhead", 20s, 0, 1},     {"FarBehind", -20s, 0, 1},
};

TEST_F(NodeWatchTest, AWrongWallClockWarnsThenHandsItsLeadershipsOver) {
  for (const WatchCase& c : kWatchCases) {
    SCOPED_TRACE(c.name);
    start();
    cluster_->run_for(2s);
    const NodeId wrong = leader();
    cluster_->node(wrong).wall_offset = c.offset;
    cluster_->run_for(3s);
    EXPECT_EQ(reports(wrong, ReportKind::kClockWarning), c.warnings);
    EXPECT_EQ(reports(wrong, ReportKind::kClockDrain), c.drains);
    EXPECT_EQ(leader() != wrong, c.drains > 0);
    ASSERT_TRUE(cluster_->has_leader(kGroup));
    GroupReplica& replica = cluster_->replica(kGroup, wrong);
    const bool may_lead = replica.is_leader() || replica.campaign(CampaignReason::kOperator).ok();
    EXPECT_EQ(may_lead, c.drains == 0);
    cluster_->node(wrong).wall_offset = 0s;
    cluster_->run_for(2s);
    EXPECT_TRUE(replica.campaign(CampaignReason::kOperator).ok()) << "set right again";
  }
}

// --- Round trips [S 08/5.1] ----------------------------------------------------------------------

TEST_F(NodeWatchTest, AnElectionTimeoutTooShortForTheNetworkIsReportedOnce) {
  ClusterOptions options;
  options.latency = 10ms;
  start(options);
  cluster_->run_for(5s);
  for (const NodeId id : cluster_->node_ids()) EXPECT_EQ(reports(id, ReportKind::kSlowNetwork), 0u);
  options.latency = 25ms;  // Ten round trips of 50 ms are more than E.
  start(options);
  cluster_->run_for(5s);
  for (const NodeId id : cluster_->node_ids()) EXPECT_EQ(reports(id, ReportKind::kSlowNetwork), 1u);
}

// --- What no node sends [S 08/1.5 G3, 1.7 A9] ----------------------------------------------------

TEST_F(NodeWatchTest, AMalformedMessageIsCountedAndCostsItsSenderTheStream) {
  start();
  const NodeId to = follower();
  const auto receive = [&](const Envelope& message) {
    return raft(to).recv({message, cluster_->now()}, cluster_->now()).code();
  };
  Append append;
  append.prev = cluster_->replica(kGroup, to).core().log().last_id();
  append.entries.resize(1);  // Of index 0.
  EXPECT_EQ(receive(message_to(to, append)), StatusCode::kInvalidArgument);
  EXPECT_EQ(raft(to).counters().dropped_malformed, 1u);
  Envelope termless = message_to(to, Heartbeat{});
  termless.term = Term{0};
  termless.body = ReadIndexReq{};
  EXPECT_EQ(receive(termless), StatusCode::kInvalidArgument);
  EXPECT_EQ(raft(to).counters().dropped_malformed, 2u);
  const uint64_t foreign = raft(to).counters().dropped_foreign;
  Envelope misaddressed = message_to(to, ReadIndexReq{});
  misaddressed.from.replica = ReplicaId{999};
  misaddressed.from.node = NodeId{0};
  EXPECT_EQ(receive(misaddressed), StatusCode::kOk) << "a matter of addresses";
  EXPECT_EQ(raft(to).counters().dropped_foreign, foreign + 1);
  EXPECT_EQ(receive(message_to(to, ReadIndexReq{})), StatusCode::kOk);
  EXPECT_EQ(raft(to).counters().dropped_malformed, 2u);
}

// --- Lost data: I-12 -----------------------------------------------------------------------------

// The leader that knows of it is gone in the end: what was told must outlive it.
TEST_F(NodeWatchTest, AReplicaThatLostDataNeverVotesAgain) {
  start();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(cluster_->propose(kGroup, "x"));
  cluster_->run_for(300ms);
  const NodeId lossy = follower();
  const NodeId knows = leader();
  cluster_->crash(lossy);
  cluster_->run_for(50ms);
  cluster_->node(lossy).disk.at(kGroup).entries.resize(1);
  cluster_->restart(lossy);
  cluster_->run_for(500ms);
  EXPECT_EQ(reports(knows, ReportKind::kPeerLostData), 1u);
  ASSERT_EQ(reports(lossy, ReportKind::kQuarantined), 1u);
  EXPECT_EQ(cluster_->node(lossy).reports.back().invariant, 12);
  EXPECT_EQ(cluster_->node(lossy).tombstones[kGroup].quarantined,
            NodeCluster::replica_on(kGroup, lossy));
  cluster_->crash(lossy);
  cluster_->run_for(50ms);
  cluster_->restart(lossy);
  cluster_->crash(knows);
  cluster_->run_for(5s);
  EXPECT_FALSE(cluster_->has_leader(kGroup)) << "one intact replica of three is no majority";
}

// --- Replicas that come late [S 08/6.4 row 49] ---------------------------------------------------

// Votes asked of a replica that is being made are lost: they must not be missed.
TEST_F(NodeWatchTest, VotesThatComeBeforeTheReplicaDoesAreAskedForAgain) {
  cluster_ = std::make_unique<NodeCluster>(ClusterOptions{});
  cluster_->node(2).disk_latency = 3s;
  cluster_->add_group(kGroup);
  cluster_->crash(NodeId{3});
  cluster_->run_for(2900ms);
  EXPECT_EQ(cluster_->node(2).raft().find(kGroup), nullptr);
  EXPECT_GT(cluster_->node(2).raft().counters().dropped_foreign, 0u) << "it was asked";
  EXPECT_FALSE(cluster_->has_leader(kGroup));
  cluster_->node(2).disk_latency = 1ms;
  EXPECT_TRUE(cluster_->run_until([this] { return cluster_->has_leader(kGroup); }, 4s))
      << "within 10 E";
}

// --- Configuration [S 08/5.1] --------------------------------------------------------------------

TEST(NodeConfigWatchTest, TheTailKeptBehindACheckpointIsShorterThanItsTrigger) {
  NodeConfig config;
  config.self.node = NodeId{1};
  config.self.incarnation = 1;
  config.chain = &test_chain;
  EXPECT_TRUE(config.validate().ok());
  EXPECT_EQ(config.apply_stall_ticks, config.election_ticks) << "stalled after E [S 08/3.2]";
  config.checkpoint_log_bytes = config.limits.retained_bytes;
  EXPECT_NE(config.validate().message().find("retained_bytes"), std::string::npos);
}

}  // namespace
}  // namespace worldline::replication
