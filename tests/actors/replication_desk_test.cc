// The node's use of its Raft groups, without actors: a group of one over a memory disk. The log
// writer runs when the test says so, so each order of completions can be had.
#include "actors/replication_desk.h"

#include <deque>

#include <gtest/gtest.h>

#include "storage/log/group_recovery.h"
#include "storage/log/memory_disk.h"

namespace worldline::actors {
namespace {

constexpr GroupId kGroup{7};
constexpr ReplicaId kReplica{1};

ProposalBatchPtr proposal_of(GroupId group, Term term, uint64_t seq, size_t bytes = 10) {
  return make_proposal(group, term, ProposalSeq{seq},
                       {{EntryKind::kBundle, std::make_shared<const ByteBuffer>(bytes, Byte{5})}});
}
ProposalBatchPtr proposal(Term term, uint64_t seq, size_t bytes = 10) {
  return proposal_of(kGroup, term, seq, bytes);
}

class ReplicationDeskTest : public testing::Test {
 protected:
  void SetUp() override { start(); }

  // One life of the process over the same disk.
  void start() {
    desk_.reset();
    log_.reset();
    store_ = std::make_unique<storage::LogStore>(disk_->open());
    log_ = std::make_unique<storage::LogWriterQueue>(*store_, router_);
    ReplicationDeskParts parts;
    parts.config.self.node = NodeId{3};
    parts.config.self.incarnation = ++lives_;
    parts.config.chain = &replication::log_chain;
    if (uncommitted_max_ != 0) parts.config.limits.uncommitted_bytes_max = uncommitted_max_;
    if (uncommitted_transactions_max_ != 0)
      parts.config.limits.uncommitted_transactions_max = uncommitted_transactions_max_;
    parts.truncation = truncation_;
    parts.log = log_.get();
    parts.clock = &clock_;
    parts.submit_checkpoint = [this](CheckpointJob job) { placed_.push_back(std::move(job)); };
    parts.post_created = [this](GroupId group, const Status& status) {
      posted_.push_back([group, status](ReplicationDesk& desk) { desk.created(group, status); });
    };
    parts.post_destroyed = [this](GroupId group) {
      posted_.push_back([group](ReplicationDesk& desk) { desk.destroyed(group); });
    };
    parts.post_marked = [this](GroupId group) {
      posted_.push_back([group](ReplicationDesk& desk) { desk.marked(group); });
    };
    parts.post_truncated = [this](GroupId group) {
      ++truncations_;
      posted_.push_back([group](ReplicationDesk& desk) { desk.truncated(group); });
    };
    parts.on_fatal = [this](const replication::Fatal& fatal) { fatal_.push_back(fatal.invariant); };
    parts.on_note = [](const std::string&) {};
    router_.set_listener([this](const WrittenJobsPtr& jobs) {
      posted_.push_back([jobs](ReplicationDesk& desk) { desk.written(*jobs); });
    });
    desk_ = std::make_unique<ReplicationDesk>(std::move(parts));
  }

  OpenGroup group(GroupId id = kGroup) {
    OpenGroup open;
    open.group = id;
    open.replica = kReplica;
    open.listener.leading = [this](Term term) { led_.push_back(term); };
    open.listener.committed = [this](ProposalSeq seq) { committed_ = seq; };
    open.listener.failed = [this](const Status& why) { failure_ = why; };
    open.gate = gate_;
    return open;
  }

  OpenGroup recovered_group() {
    OpenGroup open = group();
    const auto verified = storage::verify_group(*store_, kGroup);
    EXPECT_TRUE(verified.ok()) << verified.status().message();
    EXPECT_TRUE(storage::adopt_group(*store_, *verified).ok());
    auto restored = replication::restore_state(*store_, *verified);
    EXPECT_TRUE(restored.ok()) << restored.status().message();
    open.restored = std::move(restored).value();
    open.restored->applied = verified->tail.last;  // As the replay of a group of one does.
    open.generation = verified->hard_state.generation;
    open.log = {verified->first, verified->tail.last, verified->log_bytes};
    return open;
  }

  // What the switch of a boundary stores once the checkpoint is placed.
  void store_boundary_of_placed() {
    ASSERT_EQ(placed_.size(), 1u);
    const storage::CheckpointCut& cut = placed_[0].cut;
    storage::LogJob row;
    row.group = kGroup;
    row.boundary = storage::Boundary{cut.index, cut.term, cut.chain, cut.config, {}, {}};
    ASSERT_TRUE(store_->write(row).ok());
  }

  // One turn of the log writer: everything that is queued, in writes.
  void write() {
    bool is_done = false;
    ASSERT_TRUE(log_->push_task([&is_done](storage::LogStore&) { is_done = true; }).ok());
    while (!is_done) {
      storage::LogWork work;
      ASSERT_TRUE(log_->take_batch(work));
      log_->perform(work);
    }
  }
  // Until nothing moves.
  void settle() {
    for (int turn = 0; turn < 20; ++turn) {
      write();
      while (!posted_.empty()) {
        const auto next = std::move(posted_.front());
        posted_.pop_front();
        next(*desk_);
      }
    }
  }
  // Where entry `index` stands in the log.
  storage::LogPlace place(uint64_t index) const {
    const replication::RaftLog& log = desk_->node().find(kGroup)->core().log();
    return {LogIndex{index}, log.term_at(LogIndex{index}), log.chain_at(LogIndex{index})};
  }
  void open_new() {
    desk_->open(group());
    settle();
    ASSERT_EQ(led_.size(), 1u);
  }

  FakeClock clock_;
  std::shared_ptr<storage::MemoryDisk> disk_ = std::make_shared<storage::MemoryDisk>();
  LogRouter router_{[](const Status& why) { ADD_FAILURE() << why.message(); }};
  std::unique_ptr<storage::LogStore> store_;
  std::unique_ptr<storage::LogWriterQueue> log_;
  std::unique_ptr<ReplicationDesk> desk_;
  std::deque<std::function<void(ReplicationDesk&)>> posted_;
  std::shared_ptr<UncommittedGate> gate_ = std::make_shared<UncommittedGate>();
  std::vector<Term> led_;
  ProposalSeq committed_;
  Status failure_;
  storage::TruncationPolicy truncation_;
  size_t truncations_ = 0;
  std::vector<int> fatal_;  // Invariants that end the process.
  std::vector<CheckpointJob> placed_;
  uint64_t lives_ = 0;
  size_t uncommitted_max_ = 0;
  size_t uncommitted_transactions_max_ = 0;
};

TEST_F(ReplicationDeskTest, ANewGroupLeadsOnlyWhenItsVoteAndBarrierAreStable) {
  desk_->open(group());
  EXPECT_TRUE(led_.empty());
  settle();
  EXPECT_EQ(led_, std::vector<Term>{Term{2}}) << "term 1 is that of birth";
  EXPECT_EQ(desk_->node().find(kGroup)->core().commit(), LogIndex{2});
}

TEST_F(ReplicationDeskTest, TellsOfACommitOnlyAfterTheWrite) {
  open_new();
  desk_->propose(proposal(led_[0], 1));
  desk_->propose(proposal(led_[0], 2));
  EXPECT_EQ(committed_, ProposalSeq{0});
  settle();
  EXPECT_EQ(committed_, ProposalSeq{2});
  EXPECT_TRUE(failure_.ok());
}

TEST_F(ReplicationDeskTest, ReleasesTheGateOfWhatIsCommitted) {
  open_new();
  gate_->pass(30);
  desk_->propose(proposal(led_[0], 1, 30));
  EXPECT_EQ(gate_->bytes(), 30u);
  settle();
  EXPECT_EQ(gate_->bytes(), 0u);
}

TEST_F(ReplicationDeskTest, KeepsProposalsInOrderWhileTheTailIsFull) {
  uncommitted_max_ = 25;
  start();
  open_new();
  for (uint64_t seq = 1; seq <= 5; ++seq) desk_->propose(proposal(led_[0], seq, 20));
  EXPECT_EQ(desk_->node().find(kGroup)->core().log().last(), LogIndex{3}) << "one fits";
  settle();
  EXPECT_EQ(committed_, ProposalSeq{5});
  EXPECT_EQ(desk_->node().find(kGroup)->core().log().last(), LogIndex{7});
}

// [S 08/4.2]: undo memory is bounded by transactions too, however small they are.
TEST_F(ReplicationDeskTest, KeepsProposalsInOrderWhileTooManyTransactionsAreUncommitted) {
  uncommitted_transactions_max_ = 25;
  start();
  open_new();
  const auto of_ten = [&](uint64_t seq) {
    return make_proposal(
        kGroup, led_[0], ProposalSeq{seq},
        {{EntryKind::kBundle, std::make_shared<const ByteBuffer>(1, Byte{5}), 10}});
  };
  for (uint64_t seq = 1; seq <= 5; ++seq) desk_->propose(of_ten(seq));
  const replication::RaftCore& core = desk_->node().find(kGroup)->core();
  EXPECT_EQ(core.uncommitted_transactions(), 20u) << "two fit";
  EXPECT_EQ(core.log().last(), LogIndex{4});
  settle();
  EXPECT_EQ(committed_, ProposalSeq{5});
  EXPECT_EQ(core.uncommitted_transactions(), 0u);
}

TEST_F(ReplicationDeskTest, RefusesProposalsOfAnotherTerm) {
  open_new();
  desk_->propose(proposal(Term{1}, 1));
  settle();
  EXPECT_FALSE(failure_.ok());
  EXPECT_EQ(committed_, ProposalSeq{0});
}

TEST_F(ReplicationDeskTest, GoesOnInALaterTermAfterARestart) {
  open_new();
  desk_->propose(proposal(led_[0], 1));
  settle();
  disk_->kill();
  start();
  desk_->open(recovered_group());
  settle();
  ASSERT_EQ(led_.size(), 2u);
  EXPECT_GT(led_[1], led_[0]);
  desk_->propose(proposal(led_[1], 1));
  settle();
  EXPECT_EQ(desk_->node().find(kGroup)->core().commit(), LogIndex{5});
}

TEST_F(ReplicationDeskTest, PlacesACheckpointAtTheEntryItCovers) {
  open_new();
  desk_->propose(proposal(led_[0], 1));
  CheckpointJob job;
  job.group = kGroup;
  desk_->checkpoint(ProposalSeq{1}, std::move(job));
  desk_->propose(proposal(led_[0], 2));
  EXPECT_TRUE(placed_.empty()) << "nothing of it is stable yet";
  settle();
  ASSERT_EQ(placed_.size(), 1u);
  const replication::RaftLog& log = desk_->node().find(kGroup)->core().log();
  EXPECT_EQ(placed_[0].cut.index, LogIndex{3});
  EXPECT_EQ(placed_[0].cut.term, led_[0]);
  EXPECT_EQ(placed_[0].cut.chain, log.chain_at(LogIndex{3}));
  storage::Boundary row;
  row.index = placed_[0].cut.index;
  row.term = placed_[0].cut.term;
  row.config = placed_[0].cut.config;
  const auto boundary = replication::decode_log_boundary(row);
  ASSERT_TRUE(boundary.ok()) << boundary.status().message();
  EXPECT_EQ(boundary->config.voters, replication::ReplicaSet{kReplica});
}

TEST_F(ReplicationDeskTest, PlacesACheckpointOfAnUntouchedStateAtTheBarrier) {
  open_new();
  CheckpointJob job;
  job.group = kGroup;
  desk_->checkpoint(ProposalSeq{0}, std::move(job));
  ASSERT_EQ(placed_.size(), 1u);
  EXPECT_EQ(placed_[0].cut.index, LogIndex{2});
}

TEST_F(ReplicationDeskTest, LetsGoOfTheLogBehindACheckpoint) {
  open_new();
  for (uint64_t seq = 1; seq <= 5; ++seq) desk_->propose(proposal(led_[0], seq));
  settle();
  desk_->checkpointed(kGroup, place(4));
  EXPECT_EQ(desk_->node().find(kGroup)->core().log().first(), LogIndex{5});
}

// The term and the chain are those of the cut, not what the log here happens to have there.
TEST_F(ReplicationDeskTest, LetsGoOfNothingBehindACheckpointOfAnotherHistory) {
  open_new();
  for (uint64_t seq = 1; seq <= 5; ++seq) desk_->propose(proposal(led_[0], seq));
  settle();
  storage::LogPlace foreign = place(4);
  foreign.chain = Chain{foreign.chain.value ^ 1};
  desk_->checkpointed(kGroup, foreign);
  settle();
  EXPECT_NE(failure_.message().find("I-4: entry 4"), std::string::npos) << failure_.message();
  EXPECT_EQ(fatal_, std::vector<int>{4});
  EXPECT_EQ(desk_->node().find(kGroup)->core().log().first(), LogIndex{2});
}

// [S 08/3.6]: removals are few and large, one at a time, but for a disk that is full.
TEST_F(ReplicationDeskTest, CutsTheStoredLogOnlyWhenItIsWorthIt) {
  truncation_ = {.bytes_min = limits::GiB, .entries_min = 4};
  start();
  open_new();
  for (uint64_t seq = 1; seq <= 10; ++seq) desk_->propose(proposal(led_[0], seq));
  CheckpointJob job;
  job.group = kGroup;
  desk_->checkpoint(ProposalSeq{10}, std::move(job));
  settle();
  store_boundary_of_placed();
  const auto first_after = [this](uint64_t first_needed) {
    desk_->checkpointed(kGroup, place(first_needed - 1));
    settle();
    EXPECT_TRUE(store_->flush_truncations().ok());
    return storage::verify_group(*store_, kGroup)->first.value;
  };
  EXPECT_EQ(first_after(5), 2u) << "three entries are not worth it";
  EXPECT_EQ(first_after(6), 6u) << "together with the next one they are";
  EXPECT_EQ(first_after(8), 6u);
  EXPECT_EQ(truncations_, 1u);
  desk_->on_disk({.is_full = true});
  settle();
  EXPECT_EQ(first_after(8), 8u) << "a full disk needs every byte";
  EXPECT_EQ(truncations_, 2u);
}

// The process ended between the switch of the boundary and the truncation.
TEST_F(ReplicationDeskTest, ARecoveredGroupLetsGoOfLogThatCheckpointsCover) {
  truncation_ = {.bytes_min = 1, .entries_min = 1};
  open_new();
  for (uint64_t seq = 1; seq <= 5; ++seq) desk_->propose(proposal(led_[0], seq));
  CheckpointJob job;
  job.group = kGroup;
  desk_->checkpoint(ProposalSeq{5}, std::move(job));
  settle();
  store_boundary_of_placed();
  const storage::LogPlace covered = place(4);
  start();
  OpenGroup recovered = recovered_group();
  recovered.covered = covered;
  desk_->open(std::move(recovered));
  settle();
  EXPECT_EQ(desk_->node().find(kGroup)->core().log().first(), LogIndex{5});
  EXPECT_EQ(storage::verify_group(*store_, kGroup)->first, LogIndex{5});
}

TEST_F(ReplicationDeskTest, TellsNothingOfAClosedGroup) {
  open_new();
  desk_->propose(proposal(led_[0], 1));
  desk_->close(kGroup);
  settle();
  EXPECT_EQ(committed_, ProposalSeq{0});
}

TEST_F(ReplicationDeskTest, RemovingAGroupLeavesATombstone) {
  open_new();
  bool is_removed = false;
  desk_->remove(kGroup, [&is_removed] { is_removed = true; });
  settle();
  EXPECT_TRUE(is_removed);
  EXPECT_EQ(desk_->node().find(kGroup), nullptr);
  const auto tombstone = store_->tombstone(kGroup);
  ASSERT_TRUE(tombstone.ok() && tombstone->has_value());
  EXPECT_EQ((*tombstone)->lowest_allowed, kReplica.next());
}

struct Distrust {
  storage::MarkKind mark;
  const char* refusal;
};
constexpr Distrust kDistrusts[] = {
    {storage::MarkKind::kQuarantined, "group 7: replica 1 is quarantined: its rows are wrong"},
    {storage::MarkKind::kFrozen, "group 7: replica 1 is frozen: its rows are wrong"},
};

TEST_F(ReplicationDeskTest, AGroupThatIsDistrustedStopsAloneAndIsMarkedBeforeAnybodyHearsOfIt) {
  for (const Distrust& test : kDistrusts) {
    SCOPED_TRACE(test.refusal);
    disk_ = std::make_shared<storage::MemoryDisk>();
    led_.clear();
    failure_ = {};
    committed_ = {};
    start();
    open_new();
    OpenGroup other = group(GroupId{8});
    ProposalSeq other_committed;
    Status other_failure;
    other.listener.committed = [&](ProposalSeq seq) { other_committed = seq; };
    other.listener.failed = [&](const Status& why) { other_failure = why; };
    desk_->open(other);
    settle();
    desk_->propose(proposal(led_[0], 1));
    desk_->distrust(kGroup, test.mark, "its rows are wrong");
    desk_->propose(proposal(led_[0], 2));
    EXPECT_TRUE(failure_.ok()) << "the mark is not written yet";
    write();
    EXPECT_EQ(store_->tombstone(kGroup).value()->mark, test.mark);
    EXPECT_TRUE(failure_.ok()) << "the desk has not heard of the mark";
    settle();
    EXPECT_EQ(failure_.message(), "its rows are wrong");
    EXPECT_EQ(committed_, ProposalSeq{0}) << "nothing is told of a stopped group";
    desk_->propose(proposal_of(GroupId{8}, led_[1], 1));
    settle();
    EXPECT_TRUE(other_failure.ok());
    EXPECT_EQ(other_committed, ProposalSeq{1});
    EXPECT_TRUE(fatal_.empty());
    disk_->kill();
    start();
    EXPECT_EQ(storage::verify_group(*store_, kGroup).status().message(), test.refusal);
    EXPECT_TRUE(storage::verify_group(*store_, GroupId{8}).ok());
  }
}

TEST_F(ReplicationDeskTest, AMarkOutlivesACrashThatComesBeforeAnybodyHeardOfIt) {
  open_new();
  desk_->distrust(kGroup, storage::MarkKind::kQuarantined, "why");
  write();
  disk_->kill();
  start();
  EXPECT_EQ(storage::verify_group(*store_, kGroup).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(ReplicationDeskTest, ADistrustedGroupCanBeRemoved) {
  open_new();
  desk_->distrust(kGroup, storage::MarkKind::kFrozen, "why");
  settle();
  bool is_removed = false;
  desk_->remove(kGroup, [&is_removed] { is_removed = true; });
  settle();
  EXPECT_TRUE(is_removed);
  EXPECT_TRUE(store_->groups()->empty());
}

TEST_F(ReplicationDeskTest, EveryOrderToRemoveAGroupIsAnswered) {
  open_new();
  std::string told;
  for (const char* name : {"a", "b", "c"}) desk_->remove(kGroup, [&told, name] { told += name; });
  settle();
  EXPECT_EQ(told, "abc");
}

TEST_F(ReplicationDeskTest, RemovingAGroupDoesNotMarkIt) {
  open_new();
  desk_->remove(kGroup, [] {});
  settle();
  EXPECT_EQ(store_->tombstone(kGroup).value()->quarantined, ReplicaId{0});
  EXPECT_TRUE(failure_.ok());
}

TEST_F(ReplicationDeskTest, ABrokenInvariantOfTheProcessIsTheProcess) {
  open_new();
  desk_->written(std::vector<WrittenJob>{{kGroup, replication::JobId{999}}});
  EXPECT_EQ(fatal_, std::vector<int>{18}) << "jobs complete in order";
}

TEST_F(ReplicationDeskTest, RemovingAGroupThatIsNotHereIsDone) {
  bool is_removed = false;
  desk_->remove(GroupId{99}, [&is_removed] { is_removed = true; });
  EXPECT_TRUE(is_removed);
}

TEST_F(ReplicationDeskTest, SaysWhyAGroupCannotBeCreated) {
  open_new();
  bool is_removed = false;
  desk_->remove(kGroup, [&is_removed] { is_removed = true; });
  settle();
  desk_->open(group());  // Below its tombstone [S 08/2 I-25].
  settle();
  EXPECT_FALSE(failure_.ok());
}

}  // namespace
}  // namespace worldline::actors
