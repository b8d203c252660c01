// tests/replication/raft_limits_test.cc: what a core holds back when something is slow or too large
// (U-52) [S 08/1.9, S 08/1.16, S 08/4.9].
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/replication/raft_single.h"
#include "tests/replication/raft_trace.h"

namespace worldline::replication::testing {
namespace {

// A leader of term 2 whose barrier (index 2) is committed by 2 and 3.
std::unique_ptr<SingleReplica> leader_with(const SingleReplica::Options& options) {
  auto leader =
      std::make_unique<SingleReplica>(kSelf, restored_of(first_boundary(), {}, Term{1}), options);
  leader->lead({2});
  leader->acknowledge(2, 2);
  leader->acknowledge(3, 2);
  EXPECT_EQ(leader->core().commit(), LogIndex{2});
  EXPECT_EQ(leader->core().uncommitted_bytes(), 0u);
  return leader;
}

ProposeResult propose(SingleReplica& leader, const std::vector<size_t>& sizes) {
  ProposeResult result;
  leader.feed([&](RaftCore& core) {
    std::vector<Proposal> proposals;
    for (const size_t bytes : sizes)
      proposals.push_back({EntryKind::kBundle, payload_of(std::string(bytes, 'x'))});
    result = core.propose(core.term(), proposals);
  });
  return result;
}

size_t bytes_of(const Append& append) {
  size_t bytes = 0;
  for (const Entry& entry : append.entries) bytes += entry.payload_bytes;
  return bytes;
}

// --- Proposals
// -------------------------------------------------------------------------------------

TEST(RaftLimits, AnEntryThatIsTooLargeIsRefusedWithAllItsCompanions) {
  SingleReplica::Options options;
  options.limits.entry_bytes_max = 100;
  const auto leader = leader_with(options);
  EXPECT_EQ(propose(*leader, {10, 101}).refusal, Refusal::kTooLarge);
  EXPECT_EQ(leader->core().log().last(), LogIndex{2});
  const ProposeResult result = propose(*leader, {10, 100});
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.first, LogIndex{3});
  EXPECT_EQ(result.last, LogIndex{4});
}

// "Busy" until room is made by commits; nothing is dropped; an empty tail takes any one request.
TEST(RaftLimits, TheUncommittedTailIsBounded) {
  SingleReplica::Options options;
  options.limits.uncommitted_bytes_max = 100;
  const auto leader = leader_with(options);
  EXPECT_TRUE(propose(*leader, {150}).ok()) << "the tail is empty";
  EXPECT_EQ(propose(*leader, {1}).refusal, Refusal::kBusy);
  EXPECT_EQ(leader->core().uncommitted_bytes(), 150u);
  leader->acknowledge(2, 3);
  EXPECT_EQ(leader->core().uncommitted_bytes(), 0u);
  EXPECT_TRUE(propose(*leader, {60}).ok());
  EXPECT_TRUE(propose(*leader, {40}).ok()) << "exactly full";
  EXPECT_EQ(propose(*leader, {1}).refusal, Refusal::kBusy);
  EXPECT_EQ(propose(*leader, {1, 1}).refusal, Refusal::kBusy);
  EXPECT_EQ(leader->core().log().last(), LogIndex{5});
  leader->acknowledge(2, 4);
  EXPECT_EQ(leader->core().uncommitted_bytes(), 40u);
  EXPECT_TRUE(propose(*leader, {60}).ok());
}

TEST(RaftLimits, ConfigsAreExemptFromTheBound) {
  SingleReplica::Options options;
  options.limits.uncommitted_bytes_max = 100;
  const auto leader = leader_with(options);
  EXPECT_TRUE(propose(*leader, {100}).ok());
  leader->feed([](RaftCore& core) {
    EXPECT_TRUE(core.change_config({add_learner(4)}, core.log().config_index()).ok());
  });
  EXPECT_EQ(leader->core().uncommitted_bytes(), 100u);
  leader->acknowledge(2, 4);
  EXPECT_EQ(leader->core().uncommitted_bytes(), 0u) << "saturates at 0 (I-28)";
}

TEST(RaftLimits, TheCountBeginsAnewWithEachTermInOffice) {
  SingleReplica::Options options;
  options.limits.uncommitted_bytes_max = 100;
  const auto leader = leader_with(options);
  EXPECT_TRUE(propose(*leader, {100}).ok());
  leader->feed([](RaftCore& core) { core.paused(); });
  EXPECT_EQ(leader->core().uncommitted_bytes(), 0u);
  leader->lead({2});
  EXPECT_EQ(leader->core().uncommitted_bytes(), 0u) << "entries of an earlier term are not counted";
  EXPECT_TRUE(propose(*leader, {100}).ok());
  leader->acknowledge(2, 5);
  EXPECT_EQ(leader->core().uncommitted_bytes(), 0u);
}

struct RefusalCase {
  const char* name;
  Term term;
  Refusal refusal;
};
TEST(RaftLimits, EffectsOfAnotherTermAreRefused) {
  const auto leader = leader_with({});
  for (const RefusalCase& c : {RefusalCase{"Older", Term{1}, Refusal::kTermMismatch},
                               RefusalCase{"Newer", Term{3}, Refusal::kTermMismatch},
                               RefusalCase{"Own", Term{2}, Refusal::kNone}}) {
    SCOPED_TRACE(c.name);
    leader->feed([&c](RaftCore& core) {
      const auto result = core.propose(c.term, {{EntryKind::kBundle, payload_of("x")}});
      EXPECT_EQ(result.refusal, c.refusal);
      EXPECT_EQ(result.term, Term{2});
    });
  }
  EXPECT_EQ(leader->core().log().last(), LogIndex{3});
}

// --- Messages
// --------------------------------------------------------------------------------------

// Whole entries up to the limit, at least one.
TEST(RaftLimits, MessagesArePaged) {
  SingleReplica::Options options;
  options.limits.message_bytes_max = 100;
  const auto leader = leader_with(options);
  EXPECT_TRUE(propose(*leader, {40, 40, 40, 150, 100, 1, 99, 1}).ok());
  // 3 lost them: a rejection makes it probe from where 3 is.
  AppendResp reject;
  reject.reject_prev = LogIndex{10};
  reject.hint = {Term{2}, LogIndex{2}};
  reject.last_index = LogIndex{2};
  reject.seq_echo = 50;
  const auto probe = bodies_of<Append>(leader->receive(3, 2, reject));
  ASSERT_EQ(probe.size(), 1u) << "a probe is one message";
  EXPECT_EQ(probe[0].entries.size(), 2u);
  std::vector<size_t> counts;
  for (const Envelope& message : leader->acknowledge(3, 4)) {
    if (message.to.replica != ReplicaId{3}) continue;  // 2 hears of the commit.
    const auto& append = std::get<Append>(message.body);
    counts.push_back(append.entries.size());
    EXPECT_TRUE(bytes_of(append) <= 100 || append.entries.size() == 1);
  }
  EXPECT_EQ(counts, (std::vector<size_t>{1, 1, 1, 2, 1}));
}

TEST(RaftLimits, TheWindowBoundsMessagesUnderWay) {
  SingleReplica::Options options;
  options.limits.inflight_messages_max = 3;
  const auto leader = leader_with(options);
  size_t sent = 0;
  for (int i = 0; i < 6; ++i) sent += bodies_of<Append>(leader->propose("x")).size();
  EXPECT_EQ(sent, 6u) << "three to each of two";
  EXPECT_EQ(leader->core().progress(ReplicaId{2})->window.messages(), 3u);
  // One acknowledgement makes room, for everything that is waiting.
  auto more = bodies_of<Append>(leader->acknowledge(2, 3));
  size_t entries = 0;
  for (const Append& append : more) entries += append.entries.size();
  EXPECT_EQ(entries, 3u);
  EXPECT_LE(leader->core().progress(ReplicaId{2})->window.messages(), 3u);
  EXPECT_TRUE(bodies_of<Append>(leader->acknowledge(2, 3)).empty()) << "a duplicate makes none";
}

// Soft: one message may cross the byte limit.
TEST(RaftLimits, TheWindowBoundsBytesUnderWay) {
  SingleReplica::Options options;
  options.limits.inflight_bytes_max = 100;
  const auto leader = leader_with(options);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(propose(*leader, {60}).ok());
  const Progress* progress = leader->core().progress(ReplicaId{2});
  EXPECT_EQ(progress->window.bytes(), 120u);
  EXPECT_EQ(progress->next, LogIndex{5});
  EXPECT_TRUE(progress->is_paused());
  EXPECT_TRUE(bodies_of<Append>(leader->acknowledge(3, 2)).empty());
  leader->acknowledge(2, 3);
  EXPECT_EQ(leader->core().progress(ReplicaId{2})->window.bytes(), 60u + 120u)
      << "below the limit: one message, with both entries that waited";
  EXPECT_TRUE(leader->core().progress(ReplicaId{2})->is_paused());
}

// Payloads that memory has let go come from the disk, and are what the log says.
TEST(RaftLimits, LetGoPayloadsAreFetched) {
  SingleReplica::Options options;
  options.limits.cached_bytes_max = 10;
  options.limits.message_bytes_max = 100;
  const auto leader = leader_with(options);
  for (const char* text : {"aaaaaaaa", "bbbbbbbb", "cccccccc"}) {
    leader->propose(text);
    leader->acknowledge(2, leader->core().log().last().value);
  }
  ASSERT_EQ(leader->core().applied_index(), LogIndex{5});
  EXPECT_LE(leader->core().log().cached_bytes(), 10u);
  ASSERT_EQ(leader->core().log().at(LogIndex{3}).payload, nullptr);
  AppendResp reject;
  reject.reject_prev = LogIndex{5};
  reject.hint = {Term{2}, LogIndex{2}};
  reject.last_index = LogIndex{2};
  reject.seq_echo = 50;
  const auto sent = bodies_of<Append>(leader->receive(3, 2, reject));
  ASSERT_EQ(sent.size(), 1u);
  ASSERT_FALSE(sent[0].entries.empty());
  EXPECT_EQ(text_of(sent[0].entries[0].payload), "aaaaaaaa");
}

// --- The state machine
// -----------------------------------------------------------------------------

// Committed bytes that are handed out and not applied are bounded; at least one entry goes.
TEST(RaftLimits, CommittedEntriesAreHandedOutInPages) {
  SingleReplica::Options options;
  options.apply = Pace::kManual;
  options.limits.apply_batch_bytes_max = 100;
  const auto make = [&options] {
    auto leader =
        std::make_unique<SingleReplica>(kSelf, restored_of(first_boundary(), {}, Term{1}), options);
    leader->lead({2});
    return leader;
  };
  const auto leader = make();
  EXPECT_TRUE(propose(*leader, {60, 60, 30, 150, 10, 10}).ok());
  leader->acknowledge(2, 8);
  ASSERT_EQ(leader->core().commit(), LogIndex{8});
  std::vector<size_t> pages;
  TestReplica& replica = leader->replica();
  while (!replica.apply_steps.empty()) {
    size_t bytes = 0;
    for (const ApplyStep& step : replica.apply_steps) bytes += step.entry.entry.payload_bytes;
    pages.push_back(bytes);
    EXPECT_TRUE(bytes <= 100 || replica.apply_steps.size() == 1) << bytes;
    const size_t steps = replica.apply_steps.size();
    for (size_t i = 0; i < steps; ++i) {
      const LogIndex index = replica.apply_steps.front().entry.entry.index;
      replica.apply_steps.pop_front();
      replica.state.at.id.index = index;
      leader->feed([index](RaftCore& core) { core.applied(index); });
    }
  }
  EXPECT_GE(pages.size(), 4u);
  EXPECT_EQ(leader->core().applied_index(), LogIndex{8});
}

// A follower applies only what is stable here; a leader may be ahead of its own disk, a checkpoint
// never is.
TEST(RaftLimits, FollowersApplyOnlyWhatIsStable) {
  SingleReplica::Options options;
  options.disk = Pace::kManual;
  SingleReplica follower(kSelf, restored_of(first_boundary(), {}, Term{2}), options);
  follower.receive(2, 2, append_of(first_boundary().id, first_boundary().chain, {2, 2}, 3));
  EXPECT_EQ(follower.core().commit(), LogIndex{3});
  EXPECT_TRUE(follower.replica().state.texts.empty());
  follower.write();
  EXPECT_EQ(follower.replica().state.texts.size(), 2u);
}

// --- The log behind a checkpoint
// -------------------------------------------------------------------

struct RetentionCase {
  const char* name;
  size_t retained_entries, retained_bytes, follower_bytes;
  uint64_t match_of_3;  // 0: 3 was never heard of.
  uint64_t boundary;    // After a checkpoint at 12; entries 3 to 12 have 10 bytes each.
};
const RetentionCase kRetentionCases[] = {
    {"NothingIsKept", 0, 0, 0, 12, 12},       {"SomeEntries", 4, 0, 0, 12, 8},
    {"SomeBytes", 0, 45, 0, 12, 7},           {"MoreEntriesThanThereAre", 100, 0, 0, 12, 1},
    {"ForALiveFollower", 0, 0, 1000, 5, 5},   {"FollowerTooFarBehind", 0, 0, 30, 5, 12},
    {"NothingForTheDead", 0, 0, 1000, 0, 12}, {"WhicheverKeepsMore", 3, 0, 1000, 11, 9},
};
class RaftRetentionTest : public ::testing::TestWithParam<RetentionCase> {};

TEST_P(RaftRetentionTest, KeepsTheTailThatIsStillNeeded) {
  const RetentionCase& c = GetParam();
  SingleReplica::Options options;
  options.limits.retained_entries = c.retained_entries;
  options.limits.retained_bytes = c.retained_bytes;
  options.limits.follower_retained_bytes_max = c.follower_bytes;
  SingleReplica leader(kSelf, restored_of(first_boundary(), {}, Term{1}), options);
  leader.lead({2});
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(propose(leader, {10}).ok());
  leader.acknowledge(2, 12);
  if (c.match_of_3 != 0) leader.acknowledge(3, c.match_of_3);
  ASSERT_EQ(leader.core().applied_index(), LogIndex{12});
  leader.replica().disk.checkpoints[LogIndex{12}] = leader.replica().state;
  leader.feed([](RaftCore& core) {
    core.checkpointed({core.log().term_at(LogIndex{12}), LogIndex{12}},
                      core.log().chain_at(LogIndex{12}));
  });
  EXPECT_EQ(leader.core().log().boundary().id.index, LogIndex{c.boundary});
  EXPECT_EQ(leader.core().log().last(), LogIndex{12});
}

INSTANTIATE_TEST_SUITE_P(S08, RaftRetentionTest, ::testing::ValuesIn(kRetentionCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::replication::testing
