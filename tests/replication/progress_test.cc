// What a leader keeps of a follower: window, states, matches [S 08/1.9].
#include "replication/progress.h"

#include <gtest/gtest.h>

namespace worldline::replication {
namespace {

// --- The window ----------------------------------------------------------------------------------

struct WindowCase {
  const char* name;
  size_t messages_max;
  size_t bytes_max;
  std::vector<std::pair<uint64_t, size_t>> sent;  // Last index and bytes of each message.
  uint64_t freed_to;                              // 0 = nothing.
  size_t messages;
  size_t bytes;
  bool full;
};
const WindowCase kWindowCases[] = {
    {"Empty", 2, 100, {}, 0, 0, 0, false},
    {"HasRoom", 2, 100, {{5, 10}}, 0, 1, 10, false},
    {"FullOfMessages", 2, 100, {{5, 10}, {6, 10}}, 0, 2, 20, true},
    {"FullOfBytes", 9, 100, {{5, 60}, {6, 40}}, 0, 2, 100, true},
    {"OneMessageMayCrossTheByteLimit", 9, 100, {{5, 99}, {6, 500}}, 0, 2, 599, true},
    {"OneLargeMessage", 9, 100, {{5, 1000}}, 0, 1, 1000, true},
    {"ByteLimitJustMissed", 9, 100, {{5, 99}}, 0, 1, 99, false},
    {"EmptyMessagesCountToo", 2, 100, {{5, 0}, {6, 0}}, 0, 2, 0, true},
    {"FreedBelowFirst", 2, 100, {{5, 10}, {7, 20}}, 4, 2, 30, true},
    {"FreedBetween", 2, 100, {{5, 10}, {7, 20}}, 6, 1, 20, false},
    {"FreedAtLastOfAMessage", 2, 100, {{5, 10}, {7, 20}}, 7, 0, 0, false},
    {"FreedBeyondAll", 2, 100, {{5, 10}, {7, 20}}, 99, 0, 0, false},
    {"FreedByBytes", 9, 100, {{5, 60}, {7, 60}}, 5, 1, 60, false},
};
class WindowTest : public ::testing::TestWithParam<WindowCase> {};

TEST_P(WindowTest, CountsMessagesAndBytes) {
  const WindowCase& c = GetParam();
  InflightWindow window(c.messages_max, c.bytes_max);
  for (const auto& [last, bytes] : c.sent) window.add(LogIndex{last}, bytes);
  window.free_to(LogIndex{c.freed_to});
  EXPECT_EQ(window.messages(), c.messages);
  EXPECT_EQ(window.bytes(), c.bytes);
  EXPECT_EQ(window.full(), c.full);
  EXPECT_TRUE(window.is_sorted());
  window.reset();
  EXPECT_EQ(window.messages(), 0U);
  EXPECT_EQ(window.bytes(), 0U);
  EXPECT_FALSE(window.full());
}
INSTANTIATE_TEST_SUITE_P(S08, WindowTest, ::testing::ValuesIn(kWindowCases),
                         [](const auto& test) { return test.param.name; });

TEST(WindowDeathTest, TakesNothingWhenFullOrOutOfOrder) {
  InflightWindow window(2, 100);
  window.add(LogIndex{5}, 1);
  EXPECT_DEATH(window.add(LogIndex{5}, 1), "last");
  window.add(LogIndex{6}, 1);
  EXPECT_DEATH(window.add(LogIndex{7}, 1), "full");
}

// --- States --------------------------------------------------------------------------------------

RaftLimits small_limits() {
  RaftLimits limits;
  limits.inflight_messages_max = 2;
  limits.inflight_bytes_max = 100;
  return limits;
}

// In replicate up to 10 with two messages out.
Progress busy_progress() {
  Progress progress(small_limits());
  progress.raise_match(LogIndex{10}, 3, 1);
  progress.become_replicate();
  progress.next = LogIndex{14};
  progress.sent_commit = LogIndex{13};
  progress.window.add(LogIndex{11}, 5);
  progress.window.add(LogIndex{13}, 5);
  progress.window_probe = true;
  return progress;
}

TEST(Progress, StartsAsAProbeFromTheFirstEntry) {
  const Progress progress(small_limits());
  EXPECT_EQ(progress.state, ProgressState::kProbe);
  EXPECT_EQ(progress.match, LogIndex{0});
  EXPECT_EQ(progress.next, LogIndex{1});
  EXPECT_FALSE(progress.is_paused());
}

struct ProbeCase {
  const char* name;
  uint64_t next_index;
  uint64_t next;
  uint64_t sent_commit;
};
constexpr ProbeCase kProbeCases[] = {
    {"FarAhead", 20, 20, 13},  // What it was told of the commit lies in front of it.
    {"Middle", 12, 12, 11},    // The message that told the commit may be lost.
    {"BehindMatch", 11, 11, 10},  {"NotToMatch", 10, 11, 10},  // I-11: match < next.
    {"NotBelowMatch", 1, 11, 10},
};
class ProbeTest : public ::testing::TestWithParam<ProbeCase> {};

TEST_P(ProbeTest, StartsAfreshBehindWhatIsKnown) {
  Progress progress = busy_progress();
  progress.pinned = LogIndex{3};
  progress.paused = true;
  progress.become_probe(LogIndex{GetParam().next_index});
  EXPECT_EQ(progress.state, ProgressState::kProbe);
  EXPECT_EQ(progress.match, LogIndex{10});
  EXPECT_EQ(progress.next, LogIndex{GetParam().next});
  EXPECT_EQ(progress.sent_commit, LogIndex{GetParam().sent_commit});
  EXPECT_EQ(progress.pinned, LogIndex{});
  EXPECT_EQ(progress.window.messages(), 0U);
  EXPECT_FALSE(progress.window_probe);
  EXPECT_FALSE(progress.is_paused());
}
INSTANTIATE_TEST_SUITE_P(S08, ProbeTest, ::testing::ValuesIn(kProbeCases),
                         [](const auto& test) { return test.param.name; });

TEST(Progress, ReplicatesFromMatchOn) {
  Progress progress = busy_progress();
  progress.become_snapshot(LogIndex{7});
  progress.next = LogIndex{20};
  progress.become_replicate();
  EXPECT_EQ(progress.state, ProgressState::kReplicate);
  EXPECT_EQ(progress.next, LogIndex{11});
  EXPECT_EQ(progress.pinned, LogIndex{});
  EXPECT_FALSE(progress.is_paused());
}

TEST(Progress, SendsNothingDuringASnapshot) {
  Progress progress = busy_progress();
  progress.become_snapshot(LogIndex{7});
  EXPECT_EQ(progress.state, ProgressState::kSnapshot);
  EXPECT_EQ(progress.pinned, LogIndex{7});
  EXPECT_EQ(progress.match, LogIndex{10});
  EXPECT_EQ(progress.window.messages(), 0U);
  EXPECT_FALSE(progress.window_probe);
  EXPECT_TRUE(progress.is_paused());
}

struct PauseCase {
  const char* name;
  ProgressState state;
  bool paused;
  bool full;
  bool window_probe;
  bool is_paused;
};
constexpr PauseCase kPauseCases[] = {
    {"ProbeMaySend", ProgressState::kProbe, false, false, false, false},
    {"ProbeWaits", ProgressState::kProbe, true, false, false, true},
    {"ProbeIgnoresWindowProbe", ProgressState::kProbe, true, false, true, true},
    {"ReplicateMaySend", ProgressState::kReplicate, false, false, false, false},
    {"ReplicateFull", ProgressState::kReplicate, false, true, false, true},
    {"ReplicateFullProbes", ProgressState::kReplicate, false, true, true, false},
    {"ReplicateNeverWaitsForOneAnswer", ProgressState::kReplicate, true, false, false, false},
    {"Snapshot", ProgressState::kSnapshot, false, false, false, true},
    {"SnapshotIgnoresWindowProbe", ProgressState::kSnapshot, false, false, true, true},
};
class PauseTest : public ::testing::TestWithParam<PauseCase> {};

TEST_P(PauseTest, DependsOnTheState) {
  const PauseCase& c = GetParam();
  Progress progress(small_limits());
  progress.state = c.state;
  progress.paused = c.paused;
  progress.window_probe = c.window_probe;
  if (c.full) progress.window.add(LogIndex{1}, 100);
  EXPECT_EQ(progress.is_paused(), c.is_paused);
}
INSTANTIATE_TEST_SUITE_P(S08, PauseTest, ::testing::ValuesIn(kPauseCases),
                         [](const auto& test) { return test.param.name; });

struct MatchCase {
  const char* name;
  uint64_t index;
  bool grew;
  uint64_t match, match_seq, match_incarnation, next;
  size_t messages;
};
// Of a progress with match 10 (seq 3, incarnation 1), next 14, messages up to 11 and 13 out.
constexpr MatchCase kMatchCases[] = {
    {"Old", 9, false, 10, 3, 1, 14, 2},
    {"Repeated", 10, false, 10, 3, 1, 14, 2},  // The first answer that said it stays the witness.
    {"FirstMessage", 11, true, 11, 8, 2, 14, 1},
    {"WithinSecondMessage", 12, true, 12, 8, 2, 14, 1},
    {"All", 13, true, 13, 8, 2, 14, 0},
    {"BeyondNext", 17, true, 17, 8, 2, 18, 0},
};
class MatchTest : public ::testing::TestWithParam<MatchCase> {};

TEST_P(MatchTest, OnlyGrows) {
  const MatchCase& c = GetParam();
  Progress progress = busy_progress();
  EXPECT_EQ(progress.raise_match(LogIndex{c.index}, 8, 2), c.grew);
  EXPECT_EQ(progress.match, LogIndex{c.match});
  EXPECT_EQ(progress.match_seq, c.match_seq);
  EXPECT_EQ(progress.match_incarnation, c.match_incarnation);
  EXPECT_EQ(progress.next, LogIndex{c.next});
  EXPECT_EQ(progress.window.messages(), c.messages);
}
INSTANTIATE_TEST_SUITE_P(S08, MatchTest, ::testing::ValuesIn(kMatchCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::replication
