// One core and its ports: order of effects, completions, broken invariants [S 08/1.3, 2].
#include "replication/node/group_replica.h"

#include <gtest/gtest.h>

#include "tests/replication_node/node_cluster.h"

namespace worldline::replication {
namespace {

// Writes down every call in order.
class Recorder final : public LogPort,
                       public StateMachine,
                       public SnapshotPort,
                       public NodePort,
                       public ReplicaHost {
 public:
  void write(GroupId, ReplicaId, PersistJob job) override {
    jobs.push_back(job.job);
    say("write");
  }
  void fetch(GroupId, const FetchRequest&) override { say("log fetch"); }
  void compact(GroupId, LogIndex) override { say("compact"); }
  void create(GroupId, ReplicaId, const LogBoundary&) override {}
  void destroy(GroupId, ReplicaId) override {}
  void quarantine(GroupId, ReplicaId, const std::string&) override { say("log quarantine"); }
  void role_changed(const RoleChange& change) override {
    say(std::string("role ") + role_name(change.role));
  }
  void config_changed(const ConfigChange&) override { say("config"); }
  void apply(std::vector<ApplyEntry> entries) override {
    to_apply = entries.back().entry.index;
    say("apply");
  }
  void install(const SnapshotMeta&) override { say("install"); }
  void read_ready(const ReadReady&) override { say("read ready"); }
  void read_failed(ReadToken) override { say("read failed"); }
  void offered(GroupId, const SnapshotMeta&) override { say("offered"); }
  void send(GroupId, ReplicaId) override { say("send snapshot"); }
  void cancel(GroupId, ReplicaId) override { say("cancel snapshot"); }
  void fatal(GroupId, const Fatal& fatal) override {
    say("fatal I-" + std::to_string(fatal.invariant));
  }
  void report(const NodeReport& report) override {
    reports.push_back(report);
    say("report");
  }
  void verify_gone(GroupId, ReplicaId, GoneReason) override {}
  void noted(GroupId, const Note&) override {}
  NodeTick now_tick() const override { return tick; }
  void before_input(GroupReplica&) override {}
  void changed(GroupReplica&) override { say("changed"); }
  void send(GroupReplica&, Envelope message, SendCause cause) override {
    say(std::string("send ") + message_name(message.body) +
        (cause == SendCause::kTick ? " by tick" : ""));
    sent.push_back(std::move(message));
  }
  void fetch(GroupReplica&, const FetchRequest&) override { say("fetch"); }
  void settled(GroupReplica&) override { say("settled"); }
  void noted(GroupReplica&, const Note&) override {}
  void due_changed(GroupReplica&) override { say("due"); }
  void stopped(GroupReplica&) override { say("stopped"); }

  std::vector<std::string> take() { return std::exchange(calls, {}); }
  void say(std::string text) { calls.push_back(std::move(text)); }

  NodeTick tick{1};
  LogIndex to_apply;
  std::vector<std::string> calls;
  std::vector<JobId> jobs;
  std::vector<Envelope> sent;
  std::vector<NodeReport> reports;
};

ReplicaId replica_of(uint64_t node) {
  return NodeCluster::replica_on(kGroup, NodeId{node});
}

struct Driven {
  explicit Driven(uint64_t voters = 3) {
    RaftConfig config;
    config.group = kGroup;
    config.self = {NodeId{1}, 1, replica_of(1)};
    config.seed = 1;
    config.chain = test_chain;
    RestoredState state;
    state.boundary.id = {Term{1}, LogIndex{1}};
    state.boundary.config_index = LogIndex{1};
    for (uint64_t node = 1; node <= voters; ++node) {
      state.boundary.config.voters.push_back(replica_of(node));
      state.boundary.config.members.push_back({replica_of(node), NodeId{node}, {}});
    }
    state.hard.term = Term{1};
    state.applied = LogIndex{1};
    const ReplicaPorts ports{&recorder, &recorder, &recorder, &recorder, &recorder};
    replica = std::make_unique<GroupReplica>(config, state, ports);
    replica->start();
  }
  void persist_all() {
    for (const JobId job : std::exchange(recorder.jobs, {})) replica->persisted(job);
  }
  Envelope from(uint64_t node, Term term, MessageBody body) const {
    return {kGroup,
            {NodeId{node}, 1, replica_of(node)},
            {NodeId{1}, 1, replica_of(1)},
            term,
            LogIndex{1},
            std::move(body)};
  }
  void lead() {
    ASSERT_TRUE(replica->campaign(CampaignReason::kOperator).ok());
    replica->recv(from(2, Term{2}, PreVoteResp{}));
    persist_all();
    replica->recv(from(2, Term{2}, VoteResp{}));
    persist_all();
    ASSERT_TRUE(replica->is_leader());
  }

  Recorder recorder;
  std::unique_ptr<GroupReplica> replica;
};

TEST(GroupReplica, TellsTheRoleAndTheTableBeforeAnythingLeaves) {
  Driven d;
  EXPECT_EQ(d.recorder.take(), (std::vector<std::string>{"changed", "role follower", "settled"}));
  d.replica->recv(d.from(2, Term{2}, Heartbeat{LogIndex{1}, 3, false}));
  EXPECT_EQ(d.recorder.take(),
            (std::vector<std::string>{"changed", "role follower", "write", "settled"}));
  d.persist_all();
  // The answer bears term 2: it waited until that was stable.
  EXPECT_EQ(d.recorder.take(),
            (std::vector<std::string>{"changed", "send HeartbeatResp", "settled"}));
}

TEST(GroupReplica, SaysWhetherTimeAloneCausedAMessage) {
  Driven d;
  d.lead();
  d.recorder.take();
  for (int i = 0; i < 3; ++i) d.replica->tick();
  const std::vector<std::string> calls = d.recorder.take();
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "send Heartbeat by tick"), 2);
  d.replica->recv(d.from(2, Term{2}, AppendResp{true, LogIndex{2}, {}, {}, LogIndex{2}, {}, 1}));
  d.replica->applied(d.recorder.to_apply);
  d.recorder.take();
  ASSERT_TRUE(d.replica->read_barrier(ReadToken{1}).ok());
  const std::vector<std::string> round = d.recorder.take();
  EXPECT_EQ(std::count(round.begin(), round.end(), "send Heartbeat"), 2) << "at once";
}

TEST(GroupReplica, AloneItCommitsWhatIsStableAndSaysHowLongAnApplyTakes) {
  Driven d(1);
  ASSERT_TRUE(d.replica->campaign(CampaignReason::kOperator).ok());
  d.persist_all();
  d.recorder.tick = NodeTick{9};
  d.persist_all();
  EXPECT_EQ(d.replica->applying_since(), NodeTick{9});
  d.replica->applied(d.recorder.to_apply);
  EXPECT_EQ(d.replica->applying_since(), std::nullopt);
  EXPECT_EQ(d.replica->jobs_in_flight(), 0u);
}

TEST(GroupReplica, ABrokenInvariantOfItsOwnQuarantinesItAndNothingElseLeaves) {
  Driven d;
  d.lead();
  d.recorder.take();
  // More is acknowledged than there is: I-11, of this replica only.
  d.replica->recv(d.from(2, Term{2}, AppendResp{true, LogIndex{50}, {}, {}, LogIndex{50}, {}, 9}));
  EXPECT_EQ(d.recorder.take(), (std::vector<std::string>{"changed", "log quarantine",
                                                         "role quarantined", "stopped", "report"}));
  ASSERT_EQ(d.recorder.reports.size(), 1u);
  EXPECT_EQ(d.recorder.reports[0].kind, ReportKind::kQuarantined);
  EXPECT_EQ(d.recorder.reports[0].invariant, 11);
  EXPECT_FALSE(d.replica->is_running());
  EXPECT_EQ(d.replica->stop_reason(), StopReason::kQuarantined);
  // It takes no part any more, whatever comes.
  d.replica->tick();
  d.replica->recv(d.from(2, Term{3}, Heartbeat{}));
  d.replica->applied(LogIndex{2});
  EXPECT_EQ(d.replica->propose(Term{2}, {}).refusal, Refusal::kStopped);
  EXPECT_FALSE(d.replica->read_barrier(ReadToken{3}).ok());
  EXPECT_FALSE(d.replica->campaign(CampaignReason::kOperator).ok());
  EXPECT_TRUE(d.recorder.take().empty());
}

TEST(GroupReplica, ABrokenInvariantOfTheProcessEndsIt) {
  Driven d;
  d.recorder.take();
  d.replica->persisted(JobId{77});  // Out of order: I-18.
  const std::vector<std::string> calls = d.recorder.take();
  EXPECT_EQ(calls, (std::vector<std::string>{"changed", "fatal I-18"}));
  EXPECT_FALSE(d.replica->is_running());
}

TEST(GroupReplica, TwoTruthsFreezeTheGroupAndEndTheProcess) {
  Driven d;
  d.replica->recv(d.from(2, Term{2}, Heartbeat{}));
  d.recorder.take();
  d.replica->recv(d.from(3, Term{2}, Heartbeat{}));  // Another leader of the same term: I-1.
  const std::vector<std::string> calls = d.recorder.take();
  EXPECT_EQ(calls, (std::vector<std::string>{"changed", "role quarantined", "stopped", "report",
                                             "fatal I-1"}));
  EXPECT_EQ(d.recorder.reports.back().kind, ReportKind::kGroupFrozen);
  EXPECT_EQ(d.replica->stop_reason(), StopReason::kFrozen);
}

TEST(GroupReplica, APeersFaultIsReportedAndTheGroupGoesOn) {
  Driven d;
  d.lead();
  d.replica->recv(d.from(2, Term{2}, AppendResp{true, LogIndex{2}, {}, {}, LogIndex{2}, {}, 1}));
  d.recorder.take();
  HeartbeatResp lost;
  lost.status = HeartbeatStatus::kUnknownGroup;
  Envelope report = d.from(2, Term{2}, lost);
  report.from.incarnation = 2;  // Only a later life can prove a loss.
  d.replica->recv(report);
  ASSERT_EQ(d.recorder.reports.size(), 1u);
  EXPECT_EQ(d.recorder.reports[0].kind, ReportKind::kPeerLostData);
  EXPECT_EQ(d.recorder.reports[0].replica, replica_of(2));
  EXPECT_TRUE(d.replica->is_leader());
}

TEST(GroupReplica, FrozenByOrderItCallsItsStateMachineNoMore) {
  Driven d;
  d.lead();
  d.recorder.take();
  d.replica->freeze("the operator said so");
  EXPECT_EQ(d.recorder.take(), (std::vector<std::string>{"role quarantined", "stopped", "report"}));
  d.replica->freeze("again");
  d.persist_all();
  d.replica->recv(d.from(2, Term{2}, AppendResp{true, LogIndex{2}, {}, {}, LogIndex{2}, {}, 1}));
  EXPECT_TRUE(d.recorder.take().empty());
}

TEST(GroupReplica, NamesTheVoterThatShouldLeadNext) {
  Driven d;
  d.lead();
  const auto anybody = [](const MemberInfo&) { return true; };
  EXPECT_EQ(d.replica->best_successor(anybody), ReplicaId{}) << "nobody is known to keep up";
  d.replica->recv(d.from(2, Term{2}, AppendResp{true, LogIndex{2}, {}, {}, LogIndex{2}, {}, 1}));
  EXPECT_EQ(d.replica->best_successor(anybody), replica_of(2));
  EXPECT_EQ(d.replica->best_successor([](const MemberInfo& m) { return m.node != NodeId{2}; }),
            ReplicaId{});
  EXPECT_EQ(d.replica->member_at(NodeId{3}), replica_of(3));
  EXPECT_EQ(d.replica->member_at(NodeId{9}), ReplicaId{});
}

}  // namespace
}  // namespace worldline::replication
