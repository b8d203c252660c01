// tests/cli/stop_test.cc: how a node stops: order, time and exit code [S 04/R36, 09/1.9, 1.10].
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cli/last_resort.h"
#include "cli/stop_sequence.h"

namespace worldline::cli {
namespace {

using std::chrono::milliseconds;

struct StopCase {
  const char* name;
  int answers_ms;  // What the clients' part takes.
  bool answered;
  bool stopped;
  std::optional<int> node_limit_ms;  // nullopt: the node's part must not begin.
  int exit_code;
};

constexpr milliseconds kTotal{10'000};

const StopCase kStopCases[] = {
    {"AllInTime", 100, true, true, 8'900, 0},
    {"AnsweringTookItsWholeShare", 6'000, true, true, 3'000, 0},
    {"UnansweredClientsAreNoCleanStop", 6'000, false, true, 3'000, 12},
    {"WorkLeftIsNoCleanStop", 100, true, false, 8'900, 12},
    {"ManyThingsAreLeft", 6'000, false, false, 3'000, 12},
    // The machine stood still: whether all were answered or not, nothing can be begun any more.
    {"NoTimeIsLeft", 9'000, true, true, std::nullopt, 12},
    {"LongAfterTheEnd", 58'000, true, true, std::nullopt, 12},
};

class StopOrderTest : public testing::TestWithParam<StopCase> {};

TEST_P(StopOrderTest, AnswersFirstGivesTheNodeTheRestAndTellsTheTruth) {
  const StopCase& c = GetParam();
  FakeClock clock;
  std::vector<std::string> order;
  std::vector<std::string> complaints;
  StopParts parts;
  parts.answer_clients = [&]() -> Status {
    order.push_back("clients");
    clock.advance(milliseconds(c.answers_ms));
    return c.answered ? Status() : Status::timeout("3 connections");
  };
  parts.stop_node = [&](milliseconds limit) -> Status {
    order.push_back("node");
    EXPECT_EQ(limit, milliseconds(c.node_limit_ms.value_or(-1)));
    return c.stopped ? Status() : Status::timeout("2 databases");
  };
  parts.complain = [&](const std::string& line) { complaints.push_back(line); };
  EXPECT_EQ(stop_in_order(parts, clock, kTotal), c.exit_code);
  std::vector<std::string> expected{"clients"};
  if (c.node_limit_ms) expected.push_back("node");
  EXPECT_EQ(order, expected);
  EXPECT_EQ(complaints.empty(), c.exit_code == 0) << "every other end says why";
}
INSTANTIATE_TEST_SUITE_P(S09, StopOrderTest, testing::ValuesIn(kStopCases),
                         [](const auto& test) { return test.param.name; });

TEST(StopSharesTest, AnswersEndBeforeTheNodeMustHaveStopped) {
  const StopShares shares(kTotal);
  EXPECT_LT(shares.shorten_calls(), shares.refuse_calls());
  EXPECT_LT(shares.refuse_calls(), shares.answers) << "refusals are answers too";
  EXPECT_LT(shares.answers, shares.all_parts);
  EXPECT_LT(shares.all_parts, kTotal) << "closing what is open takes time too";
}

sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

[[noreturn]] void hang() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

class LastResortDeathTest : public testing::Test {
 protected:
  LastResortDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(LastResortDeathTest, EndsAStopThatHangs) {
  EXPECT_EXIT(
      {
        const LastResort last_resort(block_stop_signals(), milliseconds(1));
        hang();
      },
      testing::ExitedWithCode(12), "stopping took too long");
}

TEST_F(LastResortDeathTest, EndsATearDownThatHangsAsACleanStop) {
  EXPECT_EXIT(
      {
        LastResort last_resort(block_stop_signals(), milliseconds(500));
        last_resort.everything_is_safe();
        hang();
      },
      testing::ExitedWithCode(0), "^$");
}

TEST_F(LastResortDeathTest, ASecondSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        const LastResort last_resort(block_stop_signals(), std::chrono::hours(1));
        kill(getpid(), SIGTERM);
        hang();
      },
      testing::ExitedWithCode(12), "a second signal");
}

TEST_F(LastResortDeathTest, LetsAProcessLiveThatIsDoneInTime) {
  EXPECT_EXIT(
      {
        { const LastResort last_resort(block_stop_signals(), std::chrono::hours(1)); }
        std::_Exit(3);
      },
      testing::ExitedWithCode(3), "^$");
}

}  // namespace
}  // namespace worldline::cli
