// tests/replication/raft_fatal_test.cc: what a replica finds out about itself or a peer, and how
// far it reaches [S 08/2]; strangers and full disks that must not wear it down.
#include <gtest/gtest.h>

#include "tests/replication/raft_bare.h"

namespace worldline::replication::testing {
namespace {

Chain bare_chain_at(const std::vector<uint64_t>& terms, uint64_t index) {
  return entries_of(bare_boundary(), terms).at(index - 11).chain;
}

void expect_fatal(const BareReplica& replica, int invariant, FatalScope scope) {
  ASSERT_EQ(replica.fatals.size(), 1u);
  EXPECT_EQ(replica.fatals[0].invariant, invariant);
  EXPECT_EQ(replica.fatals[0].scope, scope);
}

// --- Checkpoints [S 08/1.2, 1.17 S14] ------------------------------------------------------------

struct CheckpointCase {
  const char* name;
  EntryId at;
  bool is_own_chain;
  int invariant;  // 0 = it counts.
  FatalScope scope;
};
const CheckpointCase kCheckpointCases[] = {
    {"OfThisLog", {Term{1}, LogIndex{12}}, true, 0, {}},
    {"BeyondWhatIsApplied", {Term{2}, LogIndex{13}}, true, 10, FatalScope::kReplica},
    {"OfAnotherTerm", {Term{2}, LogIndex{12}}, true, 3, FatalScope::kProcess},
    {"OfAnotherHistory", {Term{1}, LogIndex{12}}, false, 4, FatalScope::kGroup},
};
class RaftCheckpointTest : public ::testing::TestWithParam<CheckpointCase> {};

TEST_P(RaftCheckpointTest, MustBeOfThisLogAndApplied) {
  const CheckpointCase& c = GetParam();
  const std::vector<uint64_t> terms{1, 1, 2};
  BareReplica replica(config_of(1), bare_state(terms, 12));
  replica.settle();
  replica.apply();
  ASSERT_EQ(replica.core().applied_index(), LogIndex{12});
  const Chain chain = bare_chain_at(terms, c.at.index.value);
  replica.core().checkpointed(c.at, c.is_own_chain ? chain : Chain{chain.value + 1});
  replica.settle();
  EXPECT_EQ(replica.core().is_stopped(), c.invariant != 0);
  if (c.invariant != 0) expect_fatal(replica, c.invariant, c.scope);
}
INSTANTIATE_TEST_SUITE_P(S08, RaftCheckpointTest, ::testing::ValuesIn(kCheckpointCases),
                         [](const auto& test) { return test.param.name; });

// --- Snapshots [S 08/1.11] -----------------------------------------------------------------------

// Behind commit the suffix would be kept, below it the image ignored: with another history under an
// equal place neither is an answer.
TEST(RaftFatal, ASnapshotOfAnotherHistoryFreezesTheGroup) {
  for (const uint64_t index : {uint64_t{12}, uint64_t{13}}) {
    const std::vector<uint64_t> terms{1, 1, 2};
    BareReplica replica(config_of(1), bare_state(terms, 12));
    replica.settle();
    SnapshotMeta meta;
    meta.boundary = bare_boundary();
    meta.boundary.id = {Term{terms[index - 11]}, LogIndex{index}};
    meta.boundary.chain = Chain{bare_chain_at(terms, index).value + 1};
    replica.core().snapshot_staged(meta);
    replica.settle();
    expect_fatal(replica, 4, FatalScope::kGroup);
    EXPECT_EQ(replica.core().log().last(), LogIndex{13}) << "its log stays for whoever looks";
  }
}

// --- Lost data: I-12 -----------------------------------------------------------------------------

GroupGone lost(uint64_t replica) {
  return {ReplicaId{replica}, GoneReason::kLostData};
}

TEST(RaftFatal, AReplicaThatLostDataIsToldAsOftenAsItSpeaks) {
  BareReplica leader(config_of(1), bare_state({1, 1}, 12));
  leader.lead({2});
  ASSERT_EQ(leader.core().role(), RoleKind::kLeader);
  leader.acknowledge(2, 13);
  leader.take_sent<GroupGone>();
  const uint64_t term = leader.core().term().value;
  Envelope hello = message_of(2, 1, term, Hello{{Term{1}, LogIndex{11}}, Term{2}, LogIndex{10}});
  hello.from.incarnation = 2;
  leader.core().recv(hello);
  leader.settle();
  ASSERT_EQ(leader.fatals.size(), 1u);
  EXPECT_EQ(leader.fatals[0].replica, ReplicaId{2});
  const std::vector<GroupGone> first = leader.take_sent<GroupGone>();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].reason, GoneReason::kLostData);
  leader.receive(2, term + 1, PreVoteReq{{Term{1}, LogIndex{11}}}, 2);
  EXPECT_EQ(leader.take_sent<GroupGone>().size(), 1u) << "it did not hear";
}

// Nor does it make a quorum that hears the leader.
TEST(RaftFatal, AReplicaThatLostDataIsNobodysMajority) {
  BareReplica leader(config_of(1), bare_state({1, 1}, 12));
  leader.lead({2});
  leader.acknowledge(2, 13);
  const uint64_t term = leader.core().term().value;
  const Hello hello{{Term{1}, LogIndex{11}}, Term{2}, LogIndex{10}};
  leader.receive(2, term, hello, 2);
  for (int i = 0; i < 3 && leader.core().role() == RoleKind::kLeader; ++i) {
    leader.tick(leader.core().config().election_ticks / 2);
    leader.receive(2, term, HeartbeatResp{}, 2);
    leader.tick(leader.core().config().election_ticks / 2);
  }
  EXPECT_NE(leader.core().role(), RoleKind::kLeader) << "replica 3 was never heard";
}

struct ToldCase {
  const char* name;
  uint64_t leader;  // Known before.
  uint64_t from;
  uint64_t term;
  GroupGone gone;
  bool believes;
};
const ToldCase kToldCases[] = {
    {"ByItsLeader", 2, 2, 3, lost(1), true},
    {"BeforeItKnowsALeader", 0, 2, 3, lost(1), true},
    {"ByALaterLeader", 2, 3, 4, lost(1), true},
    {"ByAFollower", 2, 3, 3, lost(1), false},
    {"ByALeaderOfThePast", 2, 3, 2, lost(1), false},
    {"ByAStranger", 0, 9, 3, lost(1), false},
    {"OfAnother", 2, 2, 3, lost(3), false},
    {"ForAnotherReason", 2, 2, 3, {ReplicaId{1}, GoneReason::kRemoved}, false},
};
class RaftToldTest : public ::testing::TestWithParam<ToldCase> {};

TEST_P(RaftToldTest, StopsOnTheWordOfItsLeaderOnly) {
  const ToldCase& c = GetParam();
  RestoredState state = bare_state({1}, 11);
  state.hard.term = Term{3};
  BareReplica replica(config_of(1), std::move(state));
  if (c.leader != 0) replica.receive(c.leader, 3, Heartbeat{});
  replica.receive(c.from, c.term, c.gone);
  EXPECT_EQ(replica.core().is_stopped(), c.believes);
  if (c.believes) expect_fatal(replica, 12, FatalScope::kReplica);
}
INSTANTIATE_TEST_SUITE_P(S08, RaftToldTest, ::testing::ValuesIn(kToldCases),
                         [](const auto& test) { return test.param.name; });

// It lost everything, its log with the rest.
TEST(RaftFatal, AReplicaWithoutStateBelievesThatItHadSome) {
  BareReplica replica(config_of(1), RestoredState{});
  replica.receive(2, 3, Heartbeat{LogIndex{12}});
  replica.receive(2, 3, lost(1));
  expect_fatal(replica, 12, FatalScope::kReplica);
}

// --- Configs [S 08/1.14] -------------------------------------------------------------------------

TEST(RaftFatal, AConfigInThePlaceOfAnotherIsTold) {
  BareReplica follower(config_of(1), bare_state({}, 10));
  follower.receive(2, 2, append_config(1, 4));
  follower.receive(3, 3, append_config(3, 5));
  ASSERT_EQ(follower.configs.size(), 2u);
  EXPECT_EQ(follower.configs[0].index, follower.configs[1].index);
  EXPECT_TRUE(follower.configs[1].config.contains(ReplicaId{5}));
  follower.receive(2, 4, append_from_boundary({4}, 10));
  ASSERT_EQ(follower.configs.size(), 3u);
  EXPECT_EQ(follower.configs[2].config, bare_boundary().config);
}

// --- Strangers [S 08/1.5 G2] ---------------------------------------------------------------------

TEST(RaftFatal, HundredsOfStrangersDoNotLockOutTheNext) {
  BareReplica replica(config_of(1), bare_state({1}, 11));
  replica.receive(2, 2, Heartbeat{}, 5);
  for (uint64_t stranger = 1000; stranger < 1600; ++stranger)
    replica.receive(stranger, 2, ReadIndexReq{ReadToken{1}});
  EXPECT_EQ(replica.count(NoteKind::kDropOldIncarnation), 0u);
  EXPECT_EQ(replica.take_sent<ReadIndexResp>().size(), 600u) << "each is answered";
  replica.receive(2, 2, Heartbeat{}, 4);
  EXPECT_EQ(replica.count(NoteKind::kDropOldIncarnation), 1u) << "a member is not forgotten";
}

// --- Full disks and slow state machines [S 08/3.12, 1.7 A10] -------------------------------------

TEST(RaftFull, AReadAtAFullFollowerFailsAtOnce) {
  BareReplica follower(config_of(1), bare_state({1}, 11));
  follower.receive(2, 2, Heartbeat{LogIndex{11}});
  follower.core().read_barrier(ReadToken{1});
  follower.settle();
  EXPECT_TRUE(follower.failed_reads.empty()) << "there is room";
  follower.core().set_disk_full(true);
  follower.settle();
  EXPECT_EQ(follower.failed_reads, std::vector{ReadToken{1}}) << "what waited fails as well";
  follower.take_sent<ReadIndexReq>();
  follower.core().read_barrier(ReadToken{2});
  follower.settle();
  EXPECT_EQ(follower.failed_reads, (std::vector{ReadToken{1}, ReadToken{2}}));
  EXPECT_TRUE(follower.take_sent<ReadIndexReq>().empty());
  follower.core().set_disk_full(false);
  follower.core().read_barrier(ReadToken{3});
  follower.settle();
  EXPECT_EQ(follower.take_sent<ReadIndexReq>().size(), 1u);
}

TEST(RaftFull, ALeaderRefusesWhileAMajorityIsFull) {
  BareReplica leader(config_of(1), bare_state({1, 1}, 12));
  leader.lead({2});
  leader.acknowledge(2, 13);
  leader.acknowledge(3, 13, true);
  EXPECT_TRUE(leader.propose(1).ok()) << "two of three have room";
  leader.acknowledge(2, 14, true);
  EXPECT_EQ(leader.propose(1).refusal, Refusal::kDiskFull);
  EXPECT_EQ(leader.core().log().last(), LogIndex{14}) << "nothing was appended";
  // The full ones are asked again with every heartbeat, though there is nothing to send.
  leader.take_sent<Append>();
  leader.receive(2, leader.core().term().value, HeartbeatResp{});
  EXPECT_EQ(leader.take_sent<Append>().size(), 1u);
  leader.acknowledge(2, 14);
  EXPECT_TRUE(leader.propose(1).ok());
  leader.core().set_disk_full(true);
  EXPECT_EQ(leader.propose(1).refusal, Refusal::kDiskFull) << "its own disk counts";
  leader.acknowledge(3, 15);
  EXPECT_TRUE(leader.propose(1).ok()) << "its own disk alone is a matter of whoever calls";
}

TEST(RaftFull, AFollowerFarBehindStoresNoMoreUntilItApplies) {
  RaftConfig config = config_of(1);
  config.limits.apply_backlog_bytes_max = 12;
  config.limits.apply_batch_bytes_max = 1;  // One entry of 5 bytes at a time.
  BareReplica follower(config, bare_state({}, 10));
  follower.receive(2, 2, append_from_boundary({1, 1, 1}, 13));
  std::vector<AppendResp> answers = follower.take_sent<AppendResp>();
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers.back().match, LogIndex{13});
  // 15 bytes are committed and wait.
  follower.receive(2, 2, append_from_boundary({1, 1, 1, 1}, 13));
  answers = follower.take_sent<AppendResp>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].ok);
  EXPECT_TRUE(answers[0].apply_lag);
  EXPECT_EQ(answers[0].match, LogIndex{13}) << "only what is stored";
  EXPECT_EQ(follower.core().log().last(), LogIndex{13});
  follower.apply();
  follower.receive(2, 2, append_from_boundary({1, 1, 1, 1}, 13));
  answers = follower.take_sent<AppendResp>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_FALSE(answers[0].apply_lag);
  EXPECT_EQ(answers[0].match, LogIndex{14});
}

TEST(RaftFull, ALeaderProbesAFollowerThatLagsWithTheNextHeartbeatOnly) {
  BareReplica leader(config_of(1), bare_state({1, 1}, 12));
  leader.lead({2});
  leader.acknowledge(2, 13);
  ASSERT_TRUE(leader.propose(1).ok());
  leader.take_sent<Append>();
  AppendResp lags;
  lags.ok = true;
  lags.match = lags.last_index = LogIndex{13};
  lags.apply_lag = true;
  leader.receive(2, leader.core().term().value, lags);
  EXPECT_TRUE(leader.take_sent<Append>().empty());
  leader.receive(2, leader.core().term().value, HeartbeatResp{});
  EXPECT_EQ(leader.take_sent<Append>().size(), 1u);
}

TEST(RaftFull, TransactionsHaveALimitOfTheirOwn) {
  RaftConfig config = config_of(1);
  config.limits.uncommitted_transactions_max = 10;
  BareReplica leader(config, bare_state({1, 1}, 12));
  leader.lead({2});
  leader.acknowledge(2, 13);
  EXPECT_TRUE(leader.propose(1, 11).ok()) << "an empty tail takes any one";
  EXPECT_EQ(leader.propose(1).refusal, Refusal::kBusy);
  leader.acknowledge(2, 14);
  EXPECT_EQ(leader.core().uncommitted_transactions(), 0u);
  EXPECT_TRUE(leader.propose(1, 6).ok());
  EXPECT_TRUE(leader.propose(1, 4).ok());
  EXPECT_EQ(leader.propose(1, 1).refusal, Refusal::kBusy);
  leader.acknowledge(2, 15);
  EXPECT_EQ(leader.core().uncommitted_transactions(), 4u);
}

}  // namespace
}  // namespace worldline::replication::testing
