// tests/replication/raft_append_test.cc: what a follower does with an Append [S 08/1.7, T 3.5].
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/prng.h"
#include "tests/replication/raft_single.h"
#include "tests/replication/raft_trace.h"

namespace worldline::replication::testing {
namespace {

using Terms = std::vector<uint64_t>;

constexpr uint64_t kSender = 1;
constexpr uint64_t kFollower = 2;
constexpr uint64_t kTerm = 9;  // Of the leader, in every test.

LogBoundary boundary() {
  return boundary_at({Term{1}, LogIndex{10}}, membership_of(ids({1, 2, 3})));
}

// The history behind the boundary that has `terms`, and the chain behind its place `index`.
Chain chain_at(const Terms& terms, uint64_t index) {
  if (index == boundary().id.index.value) return boundary().chain;
  return entries_of(boundary(), terms).at(index - boundary().id.index.value - 1).chain;
}

struct AppendCase {
  const char* name;
  Terms own;  // Of entries 11 and on.
  uint64_t own_commit;
  Terms sender;     // The leader's log, from 11 on.
  uint64_t prev;    // Index of the message's prev,
  uint64_t count;   // and the number of entries in it.
  uint64_t commit;  // The leader's.
  // Expected.
  bool ok;
  uint64_t match_or_hint;
  Terms terms;  // Of the log afterwards.
  uint64_t new_commit;
};

const AppendCase kAppendCases[] = {
    // A3, A4, A7: appending.
    {"FirstEntry", {}, 10, {1}, 10, 1, 10, true, 11, {1}, 10},
    {"AtTheEnd", {1, 1}, 10, {1, 1, 2, 2}, 12, 2, 10, true, 14, {1, 1, 2, 2}, 10},
    {"Nothing", {1, 1}, 10, {1, 1}, 12, 0, 10, true, 12, {1, 1}, 10},
    {"Equal", {1, 2}, 10, {1, 2}, 10, 2, 10, true, 12, {1, 2}, 10},
    {"OverlapAndMore", {1, 2}, 10, {1, 2, 3}, 10, 3, 10, true, 13, {1, 2, 3}, 10},
    // A4: without a difference nothing is truncated.
    {"EndsBeforeTheTail", {1, 2, 2}, 10, {1, 2}, 10, 1, 10, true, 11, {1, 2, 2}, 10},
    {"EmptyInTheMiddle", {1, 2, 2}, 10, {1, 2}, 11, 0, 10, true, 11, {1, 2, 2}, 10},
    // A4: the first difference cuts.
    {"ReplacesTheTail", {1, 2, 2}, 10, {1, 3}, 11, 1, 10, true, 12, {1, 3}, 10},
    {"ReplacesBehindEqualOnes", {1, 2, 3, 3}, 11, {1, 2, 4}, 11, 2, 11, true, 13, {1, 2, 4}, 11},
    {"ReplacesAll", {2, 2}, 10, {1, 1, 3}, 10, 3, 10, true, 13, {1, 1, 3}, 10},
    {"ReplacesByFewer", {1, 2, 2, 2, 2}, 10, {1, 5}, 10, 2, 10, true, 12, {1, 5}, 10},
    // A2: in front of the commit.
    {"BehindCommit", {1, 1, 1}, 12, {1, 1, 1, 2}, 10, 4, 12, true, 14, {1, 1, 1, 2}, 12},
    {"AllBelowCommit", {1, 1, 1}, 13, {1, 1, 1}, 10, 2, 13, true, 13, {1, 1, 1}, 13},
    {"PrevBelowBoundary", {1, 1}, 11, {1, 1}, 10, 1, 11, true, 11, {1, 1}, 11},
    // A5, A6: commit is bounded by the verified range, never by the last index.
    {"CommitsWhatItHolds", {1, 1}, 10, {1, 1}, 12, 0, 12, true, 12, {1, 1}, 12},
    {"CommitsUpToMessageEnd", {1, 2, 2}, 10, {1, 3}, 10, 1, 13, true, 11, {1, 2, 2}, 11},
    {"CommitsUpToPrev", {1, 2, 2}, 10, {1, 3}, 10, 0, 13, true, 10, {1, 2, 2}, 10},
    {"CommitNeverGoesBack", {1, 1}, 12, {1, 1, 1}, 12, 1, 10, true, 13, {1, 1, 1}, 12},
    {"CommitsNewEntries", {}, 10, {1, 2, 3}, 10, 3, 12, true, 13, {1, 2, 3}, 12},
    // A3, A8: rejecting; the hint goes down while the own term is above prev's, not below commit.
    {"Gap", {1}, 10, {1, 1, 1}, 13, 0, 10, false, 11, {1}, 10},
    {"GapInAnEmptyLog", {}, 10, {1, 1, 1}, 12, 1, 10, false, 10, {}, 10},
    {"OtherTermAtPrev", {1, 2, 2}, 10, {1, 1, 1, 5}, 13, 1, 10, false, 11, {1, 2, 2}, 10},
    {"OtherOlderTermAtPrev", {1, 2, 2}, 10, {1, 3, 3, 3}, 13, 1, 10, false, 13, {1, 2, 2}, 10},
    {"HintStopsAtCommit", {1, 3, 3, 3}, 12, {1, 3, 2, 2}, 14, 0, 12, false, 12, {1, 3, 3, 3}, 12},
    {"RejectDoesNotCommit", {1, 2}, 10, {1, 3, 3}, 13, 0, 12, false, 12, {1, 2}, 10},
};

class RaftAppendTest : public ::testing::TestWithParam<AppendCase> {
 protected:
  static RestoredState state_of(const AppendCase& c) {
    RestoredState state = restored_of(boundary(), c.own, Term{8});
    state.hard.commit_hint = LogIndex{c.own_commit};
    return state;
  }
  static Append message_of_case(const AppendCase& c) {
    const uint64_t first = c.prev - boundary().id.index.value;
    const uint64_t term = first == 0 ? boundary().id.term.value : c.sender.at(first - 1);
    const auto begin = c.sender.begin() + static_cast<ptrdiff_t>(first);
    return append_of({Term{term}, LogIndex{c.prev}}, chain_at(c.sender, c.prev),
                     Terms(begin, begin + static_cast<ptrdiff_t>(c.count)), c.commit);
  }
};

TEST_P(RaftAppendTest, KeepsTheLogEqualToTheLeaders) {
  const AppendCase& c = GetParam();
  SingleReplica follower(kFollower, state_of(c));
  const auto sent = follower.receive(kSender, kTerm, message_of_case(c));
  const auto answers = bodies_of<AppendResp>(sent);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].ok, c.ok);
  EXPECT_EQ((c.ok ? answers[0].match : answers[0].hint.index).value, c.match_or_hint);
  EXPECT_EQ(follower.terms(), c.terms);
  EXPECT_EQ(follower.core().commit(), LogIndex{c.new_commit});
  EXPECT_EQ(answers[0].last_index, follower.core().log().last());
  if (c.ok) return;
  EXPECT_EQ(answers[0].reject_prev, LogIndex{c.prev});
  EXPECT_EQ(answers[0].hint.term, follower.core().log().term_at(answers[0].hint.index));
}

// U-64: late, twice or in any order is fine.
TEST_P(RaftAppendTest, IsIdempotent) {
  const AppendCase& c = GetParam();
  SingleReplica follower(kFollower, state_of(c));
  follower.receive(kSender, kTerm, message_of_case(c));
  const LogIndex verified = follower.core().verified();
  const auto sent = follower.receive(kSender, kTerm, message_of_case(c));
  ASSERT_EQ(bodies_of<AppendResp>(sent).size(), 1u);
  EXPECT_EQ(bodies_of<AppendResp>(sent)[0].ok, c.ok);
  EXPECT_EQ(follower.terms(), c.terms);
  EXPECT_EQ(follower.core().commit(), LogIndex{c.new_commit});
  EXPECT_EQ(follower.core().verified(), verified);
}

// S1 (row 18, tikv #994): what is not on the disk is not acknowledged; a crash shows that.
TEST_P(RaftAppendTest, AcknowledgesOnlyWhatIsStable) {
  const AppendCase& c = GetParam();
  SingleReplica::Options options;
  options.disk = Pace::kManual;
  SingleReplica follower(kFollower, state_of(c), options);
  auto sent = follower.receive(kSender, kTerm, message_of_case(c));
  EXPECT_TRUE(sent.empty()) << "the term is not durable yet";
  while (!follower.replica().jobs.empty()) sent = follower.write();
  ASSERT_EQ(bodies_of<AppendResp>(sent).size(), 1u);
  follower.restart();
  EXPECT_EQ(follower.terms(), c.terms);
  EXPECT_EQ(follower.core().term(), Term{kTerm});
}

INSTANTIATE_TEST_SUITE_P(S08, RaftAppendTest, ::testing::ValuesIn(kAppendCases),
                         [](const auto& test) { return test.param.name; });

// --- The order of writes ------------------------------------------------------------------------

// A7: an acknowledgement waits for the job with its entries; a later one covers it.
TEST(RaftAppend, AcknowledgementsFollowTheirJobs) {
  SingleReplica::Options options;
  options.disk = Pace::kManual;
  SingleReplica follower(kFollower, restored_of(boundary(), {}, Term{kTerm}), options);
  const Terms all = {9, 9, 9};
  const auto append = [&](uint64_t prev) {
    const uint64_t prev_term = prev == 10 ? 1 : 9;
    return follower.receive(
        kSender, kTerm, append_of({Term{prev_term}, LogIndex{prev}}, chain_at(all, prev), {9}, 10));
  };
  for (const uint64_t prev : {10u, 11u, 12u}) EXPECT_TRUE(append(prev).empty());
  EXPECT_TRUE(append(10).empty()) << "known already, but not stable";
  EXPECT_EQ(follower.core().stable(), LogIndex{10});
  for (const uint64_t match : {11u, 12u, 13u}) {
    const auto answers = bodies_of<AppendResp>(follower.write());
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].match, LogIndex{match});
  }
  EXPECT_EQ(append(10).size(), 1u) << "stable: at once";
}

// A2: in front of the commit there is nothing to store; the answer is what is stable already, and
// does not wait for more.
TEST(RaftAppend, BelowTheCommitIsAcknowledgedAtOnceAsFarAsStable) {
  SingleReplica::Options options;
  options.disk = Pace::kManual;
  SingleReplica follower(kFollower, restored_of(boundary(), {}, Term{kTerm}), options);
  EXPECT_TRUE(
      follower.receive(kSender, kTerm, append_of(boundary().id, boundary().chain, {9, 9}, 12))
          .empty());
  ASSERT_EQ(follower.core().commit(), LogIndex{12});
  ASSERT_EQ(follower.core().stable(), LogIndex{10});
  const auto answers = bodies_of<AppendResp>(
      follower.receive(kSender, kTerm, append_of(boundary().id, boundary().chain, {9}, 12)));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].ok);
  EXPECT_EQ(answers[0].match, LogIndex{10});
}

// I-18: jobs complete in order, or the process ends.
TEST(RaftAppend, AJobThatOvertakesAnotherIsFatal) {
  SingleReplica::Options options;
  options.disk = Pace::kManual;
  SingleReplica follower(kFollower, restored_of(boundary(), {}, Term{kTerm}), options);
  const Terms all = {9, 9};
  follower.receive(kSender, kTerm, append_of(boundary().id, boundary().chain, {9}, 10));
  follower.receive(kSender, kTerm, append_of({Term{9}, LogIndex{11}}, chain_at(all, 11), {9}, 10));
  ASSERT_EQ(follower.replica().jobs.size(), 2u);
  const JobId second = follower.replica().jobs.back().job;
  follower.feed([second](RaftCore& core) { core.persisted(second); });
  EXPECT_TRUE(follower.core().is_stopped());
  ASSERT_EQ(follower.replica().fatals.size(), 1u);
  EXPECT_EQ(follower.replica().fatals[0].substr(0, 4), "I-18");
}

// A10: a full disk stores nothing new, says so, and acknowledges only what it holds.
TEST(RaftAppend, AFullDiskAcknowledgesWhatItHolds) {
  SingleReplica follower(kFollower, restored_of(boundary(), {1, 1}, Term{kTerm}));
  const Terms all = {1, 1, 9, 9};
  follower.feed([](RaftCore& core) { core.set_disk_full(true); });
  const Append append = append_of({Term{1}, LogIndex{11}}, chain_at(all, 11), {1, 9, 9}, 14);
  auto answers = bodies_of<AppendResp>(follower.receive(kSender, kTerm, append));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].ok);
  EXPECT_TRUE(answers[0].disk_full);
  EXPECT_EQ(answers[0].match, LogIndex{12});
  EXPECT_EQ(follower.core().commit(), LogIndex{12});
  EXPECT_EQ(follower.terms(), (Terms{1, 1}));
  follower.feed([](RaftCore& core) { core.set_disk_full(false); });
  answers = bodies_of<AppendResp>(follower.receive(kSender, kTerm, append));
  EXPECT_EQ(answers.at(0).match, LogIndex{14});
  EXPECT_FALSE(answers.at(0).disk_full);
}

// --- A model: a naive follower ------------------------------------------------------------------

// U-58, U-64: whatever of the leader's messages arrives, how often and in which order, the log is
// either the old one or the leader's at every index, and in the end the leader's.
class RaftAppendModelTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  static constexpr uint64_t kLastTerm = 40;  // Above what 10 entries can reach.

  // Up to 5 entries behind `log`. Two logs that part take terms of different parity from there on:
  // no term had two leaders.
  static Terms extended(Terms log, Prng& prng, uint64_t parity) {
    uint64_t term = log.empty() ? 1 : log.back();
    for (uint64_t i = prng.below(6); i > 0; --i) {
      term += term % 2 != parity ? 1 : 2 * prng.below(2);
      log.push_back(term);
    }
    return log;
  }
  // How many leading terms are equal; entries_of() gives equal places equal histories.
  static size_t common(const Terms& a, const Terms& b) {
    size_t count = 0;
    while (count < a.size() && count < b.size() && a[count] == b[count]) ++count;
    return count;
  }
};

TEST_P(RaftAppendModelTest, EndsWithTheLeadersLog) {
  const uint64_t seed = GetParam();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Prng prng(seed);
  const Terms shared = extended({}, prng, 1);
  const Terms own = extended(shared, prng, 1);
  Terms sender = extended(shared, prng, 0);
  sender.push_back(kLastTerm);
  SingleReplica follower(kFollower, restored_of(boundary(), own, Term{kLastTerm - 1}));
  const uint64_t commit_max = 10 + sender.size();
  for (int step = 0; step < 60; ++step) {
    const uint64_t first = prng.below(sender.size() + 1);
    const uint64_t count = prng.below(sender.size() - first + 1);
    const uint64_t term = first == 0 ? 1 : sender[first - 1];
    const auto begin = sender.begin() + static_cast<ptrdiff_t>(first);
    const Append append = append_of(
        {Term{term}, LogIndex{10 + first}}, chain_at(sender, 10 + first),
        Terms(begin, begin + static_cast<ptrdiff_t>(count)), 10 + prng.below(commit_max - 9));
    const LogIndex before = follower.core().verified();
    const auto answers = bodies_of<AppendResp>(follower.receive(kSender, kLastTerm, append));
    ASSERT_EQ(answers.size(), 1u);
    const size_t verified = follower.core().verified().value - 10;
    EXPECT_GE(follower.core().verified(), before);
    EXPECT_LE(verified, common(follower.terms(), sender));
    EXPECT_LE(follower.core().commit(), follower.core().verified());
    if (answers[0].ok) {
      EXPECT_LE(answers[0].match.value - 10, verified);
    }
  }
  follower.receive(kSender, kLastTerm,
                   append_of(boundary().id, boundary().chain, sender, commit_max));
  EXPECT_EQ(follower.terms(), sender);
  EXPECT_EQ(follower.core().commit().value, commit_max);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RaftAppendModelTest, ::testing::Range<uint64_t>(1, 201));

}  // namespace
}  // namespace worldline::replication::testing
