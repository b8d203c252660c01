// Batched heartbeats have exactly the effect of single ones [S 08/3.2]: over random schedules a
// replica behind the table and the batches says and becomes what a bare core does that sees every
// heartbeat and every tick.
#include <algorithm>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "replication/node/heartbeat_sender.h"
#include "tests/base/random_seeds.h"
#include "tests/replication_node/node_cluster.h"

namespace worldline::replication {
namespace {

const NodeId kSelf{1};
const NodeId kLeader{2};
const NodeId kOther{3};

// What a message says, but for its order among others.
std::string text_of(const Envelope& message) {
  std::string text =
      fmt::format("{} to {} term {} config {}", message_name(message.body),
                  message.to.replica.value, message.term.value, message.config_index.value);
  if (const auto* r = std::get_if<HeartbeatResp>(&message.body))
    text += fmt::format(" status {} ctx {} applied {} last {}", static_cast<int>(r->status),
                        r->read_ctx, r->applied.value, r->last_index.value);
  if (const auto* r = std::get_if<AppendResp>(&message.body))
    text += fmt::format(" ok {} match {}", r->ok, r->match.value);
  if (const auto* r = std::get_if<VoteResp>(&message.body))
    text += fmt::format(" why {}", static_cast<int>(r->why));
  if (const auto* r = std::get_if<PreVoteResp>(&message.body))
    text += fmt::format(" why {}", static_cast<int>(r->why));
  return text;
}

// The ports of the node under test: everything it does is collected.
class Collector final : public LogPort, public MessagePort, public SnapshotPort, public NodePort {
 public:
  void write(GroupId, ReplicaId, PersistJob job) override { jobs.push_back(job.job); }
  void fetch(GroupId, const FetchRequest&) override {}
  void compact(GroupId, LogIndex) override {}
  void create(GroupId, ReplicaId, const LogBoundary&) override {}
  void destroy(GroupId, ReplicaId) override {}
  void quarantine(GroupId, ReplicaId, const std::string&) override { ADD_FAILURE(); }
  void send(Envelope message) override { sent.push_back(std::move(message)); }
  void send_node(NodeId, NodeMessage message) override {
    if (auto* reply = std::get_if<HeartbeatReply>(&message)) replies.push_back(std::move(*reply));
  }
  void offered(GroupId, const SnapshotMeta&) override {}
  void send(GroupId, ReplicaId) override {}
  void cancel(GroupId, ReplicaId) override {}
  void fatal(GroupId, const Fatal& fatal) override { ADD_FAILURE() << fatal.text; }
  void report(const NodeReport& report) override { ADD_FAILURE() << report.text; }
  void verify_gone(GroupId, ReplicaId, GoneReason) override {}
  void noted(GroupId, const Note&) override {}

  std::vector<JobId> jobs;
  std::vector<Envelope> sent;
  std::vector<HeartbeatReply> replies;
};

// A follower twice: bare, and in a node. A scripted leader speaks to both.
class Twins {
 public:
  explicit Twins(uint64_t seed) : prng_(seed) {
    NodeConfig config;
    config.self.node = kSelf;
    config.self.incarnation = 1;
    config.seed = seed;
    config.chain = test_chain;
    node_ = std::make_unique<RaftNode>(
        config, NodePorts{&collector_, &collector_, &collector_, &collector_}, now_);
    EXPECT_TRUE(node_->add_peer(kLeader, now_).ok());
    EXPECT_TRUE(node_->add_peer(kOther, now_).ok());
    RestoredState state;
    state.boundary.id = {Term{1}, LogIndex{1}};
    for (const NodeId id : {kSelf, kLeader, kOther}) {
      state.boundary.config.voters.push_back(replica_of(id));
      state.boundary.config.members.push_back({replica_of(id), id, {}});
    }
    state.boundary.config_index = LogIndex{1};
    state.hard.term = Term{1};
    state.applied = LogIndex{1};
    last_ = state.boundary.id;
    last_chain_ = state.boundary.chain;
    EXPECT_TRUE(node_->open(kGroup, replica_of(kSelf), state, machine_).ok());
    bare_ = std::make_unique<RaftCore>(replica().core().config(), state);
    drain_bare();
  }

  static ReplicaId replica_of(NodeId node) { return NodeCluster::replica_on(kGroup, node); }
  GroupReplica& replica() { return *node_->find(kGroup); }

  void step() {
    // Quiet for long stretches, so that the replica comes to rest; then a burst.
    if (prng_.chance(40)) is_busy_ = !is_busy_;
    if (is_busy_ && prng_.chance(3)) disturb();
    if (prng_.chance(is_busy_ ? 20 : 60)) silence_ = static_cast<int>(prng_.below(60));
    tick();
    if (silence_ > 0) {
      --silence_;
    } else if (tick_ % 3 == 0) {
      beat();
    }
    settle_disk();
    compare_messages();
    if (prng_.chance(is_busy_ ? 4 : 30)) compare_states();
  }
  bool rests() const { return node_->rest_of(kGroup) == RestKind::kVouched; }

 private:
  void tick() {
    ++tick_;
    now_ += kTickLength;
    node_->on_time(now_);
    bare_->tick();
    drain_bare();
    follow_term();
  }

  // The scripted leader never speaks for a term that has passed.
  void follow_term() {
    if (bare_->term() <= term_) return;
    term_ = bare_->term().next();
    commit_known_ = std::min(commit_known_, bare_->commit());
  }

  void beat() {
    HeartbeatItem item;
    item.group = kGroup;
    item.from = replica_of(kLeader);
    item.to = replica_of(kSelf);
    item.term = term_;
    item.config_index = LogIndex{1};
    item.commit = commit_known_;
    item.read_ctx = read_ctx_;
    if (prng_.chance(2)) {
      sender_.offer(item);
    } else {
      sender_.stand(item);
    }
    NodeHeader header;
    header.incarnation = 1;
    header.lead_epoch = 1;
    header.monotonic_ns = static_cast<uint64_t>(now_.time_since_epoch().count());
    header.hears = {kSelf};
    const HeartbeatBatch batch = sender_.make_batch(header);
    if (prng_.chance(15)) return;  // Lost.
    ASSERT_TRUE(node_->recv_batch(kLeader, batch, {now_, now_}).ok());
    const HeartbeatReply reply = collector_.replies.back();
    if (!prng_.chance(15)) sender_.on_reply(reply);  // Else it is lost.
    if (reply.item_count == 0) return;               // Its base was not known: no heartbeat.
    note_reply(batch, reply, item);
    bare_->recv({kGroup,
                 {kLeader, 1, item.from},
                 {kSelf, 0, item.to},
                 item.term,
                 item.config_index,
                 Heartbeat{item.commit, item.read_ctx, false}});
    drain_bare();
    follow_term();
  }

  // What the reply says, as the message it stands for.
  void note_reply(const HeartbeatBatch& batch, const HeartbeatReply& reply,
                  const HeartbeatItem& item) {
    ASSERT_EQ(reply.seq_echo, batch.seq);
    ASSERT_EQ(reply.item_count, 1u);
    Envelope message{kGroup,
                     {kSelf, 1, item.to},
                     {kLeader, 1, item.from},
                     item.term,
                     item.config_index,
                     HeartbeatResp{HeartbeatStatus::kOk, item.read_ctx, item.commit, item.commit}};
    if (!has_bit(reply.ok, 0)) {
      if (reply.answers.empty()) return;
      const HeartbeatAnswer& answer = reply.answers[0];
      message.term = answer.term;
      message.config_index = answer.config_index;
      message.body =
          HeartbeatResp{answer.status, answer.read_ctx, answer.applied, answer.last_index};
    }
    node_said_.push_back(text_of(message));
  }

  void disturb() {
    switch (prng_.below(6)) {
      case 0:
        return append(1 + prng_.below(3));
      case 1:
        commit_known_ = last_.index;
        return;
      case 2:
        ++read_ctx_;
        return;
      case 3:
        return both({kGroup,
                     {kOther, 1, replica_of(kOther)},
                     {kSelf, 0, replica_of(kSelf)},
                     bare_->term().next(),
                     LogIndex{1},
                     PreVoteReq{{Term{prng_.below(4)}, LogIndex{prng_.below(20)}}, {}}});
      case 4:
        return both({kGroup,
                     {kOther, 1, replica_of(kOther)},
                     {kSelf, 0, replica_of(kSelf)},
                     Term{bare_->term().value + prng_.below(2)},
                     LogIndex{1},
                     VoteReq{{Term{prng_.below(9)}, LogIndex{prng_.below(20)}}, false}});
      case 5:
        if (term_ == bare_->term() && bare_->leader() == replica_of(kLeader)) return;
        return append(0);
    }
  }

  void append(uint64_t count) {
    if (bare_->leader() != replica_of(kLeader) && bare_->leader().value != 0) return;
    if (bare_->log().last_id() > last_) return;
    Append message;
    message.prev = last_;
    message.prev_chain = last_chain_;
    message.commit = commit_known_;
    message.seq = ++append_seq_;
    for (uint64_t i = 0; i < count; ++i) {
      Entry entry;
      entry.index = last_.index.next();
      entry.term = term_;
      entry.kind = EntryKind::kBundle;
      entry.payload = std::make_shared<const ByteBuffer>(ByteBuffer{1, 2, 3});
      entry.payload_bytes = 3;
      entry.chain = test_chain(last_chain_, entry);
      last_ = entry.id();
      last_chain_ = entry.chain;
      message.entries.push_back(entry);
    }
    both({kGroup,
          {kLeader, 1, replica_of(kLeader)},
          {kSelf, 0, replica_of(kSelf)},
          term_,
          LogIndex{1},
          message});
  }

  void both(const Envelope& message) {
    ASSERT_TRUE(node_->recv({message, now_}, now_).ok());
    bare_->recv(message);
    drain_bare();
    follow_term();
  }

  void settle_disk() {
    if (prng_.chance(3)) return;  // The disk takes another tick.
    ASSERT_EQ(collector_.jobs.size(), bare_jobs_.size());
    for (size_t i = 0; i < bare_jobs_.size(); ++i) {
      ASSERT_EQ(collector_.jobs[i], bare_jobs_[i]);
      replica().persisted(bare_jobs_[i]);
      bare_->persisted(bare_jobs_[i]);
    }
    collector_.jobs.clear();
    bare_jobs_.clear();
    drain_bare();
    if (machine_.to_apply > replica().core().applied_index()) replica().applied(machine_.to_apply);
    if (bare_applied_ > bare_->applied_index()) bare_->applied(bare_applied_);
    drain_bare();
  }

  void drain_bare() {
    Ready ready = bare_->take_ready();
    if (ready.persist) bare_jobs_.push_back(ready.persist->job);
    if (!ready.apply.empty()) bare_applied_ = ready.apply.back().entry.index;
    for (const Envelope& message : ready.send_now) bare_said_.push_back(text_of(message));
    for (const Fatal& fatal : ready.fatal) ADD_FAILURE() << fatal.text;
  }

  void compare_messages() {
    for (const Envelope& message : collector_.sent)
      if (!std::holds_alternative<Hello>(message.body)) node_said_.push_back(text_of(message));
    collector_.sent.clear();
    collector_.replies.clear();
    std::sort(node_said_.begin(), node_said_.end());
    std::sort(bare_said_.begin(), bare_said_.end());
    EXPECT_EQ(node_said_, bare_said_) << "tick " << tick_;
    node_said_.clear();
    bare_said_.clear();
  }

  void compare_states() {
    replica().set_eligible(true);  // An input that changes nothing: the core catches up.
    const RaftCore& core = replica().core();
    EXPECT_EQ(core.role(), bare_->role()) << "tick " << tick_;
    EXPECT_EQ(core.term(), bare_->term());
    EXPECT_EQ(core.leader(), bare_->leader());
    EXPECT_EQ(core.vote(), bare_->vote());
    EXPECT_EQ(core.commit(), bare_->commit());
    EXPECT_EQ(core.verified(), bare_->verified());
    EXPECT_EQ(core.log().last(), bare_->log().last());
    EXPECT_EQ(core.election_elapsed(), bare_->election_elapsed()) << "tick " << tick_;
    EXPECT_EQ(core.randomised_timeout(), bare_->randomised_timeout());
  }

  Prng prng_;
  BootTime now_{1s};
  uint64_t tick_ = 0;
  Collector collector_;
  TestMachine machine_;
  std::unique_ptr<RaftNode> node_;
  std::unique_ptr<RaftCore> bare_;
  HeartbeatSender sender_;
  Term term_{2};
  EntryId last_;
  Chain last_chain_;
  LogIndex commit_known_{1};
  uint64_t read_ctx_ = 0;
  uint64_t append_seq_ = 0;
  int silence_ = 0;
  bool is_busy_ = false;
  LogIndex bare_applied_;
  std::vector<JobId> bare_jobs_;
  std::vector<std::string> node_said_;
  std::vector<std::string> bare_said_;
};

TEST(HeartbeatEquivalence, AFollowerBehindBatchesIsAFollower) {
  uint64_t steps_at_rest = 0;
  const std::vector<uint64_t> seeds = random_seeds(60);
  for (const uint64_t seed : seeds) {
    SCOPED_TRACE(fmt::format("WL_SEED={}", seed));
    Twins twins(seed);
    for (int step = 0; step < 2000; ++step) {
      twins.step();
      if (testing::Test::HasFailure()) return;
      steps_at_rest += twins.rests() ? 1 : 0;
    }
  }
  // The schedule is worth something only if the replica did rest for a good part of it.
  EXPECT_GT(steps_at_rest, 200 * seeds.size());
}

}  // namespace
}  // namespace worldline::replication
