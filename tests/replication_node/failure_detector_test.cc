// Verdicts about peer nodes [S 08/3.4].
#include "replication/node/failure_detector.h"

#include <gtest/gtest.h>

namespace worldline::replication {
namespace {

using namespace std::chrono_literals;

const NodeId kOwnNode{1};
const NodeId kPeer{2};
constexpr BootTime kStart{1s};
constexpr DetectorTimes kTimes{75ms, 400ms};

// One thing that happens to the detector, at a time since the start.
struct Step {
  enum class Kind { kHeard, kClosed, kRefused, kBroken, kGoodbye, kPaused, kTime };
  Kind kind;
  Micros at;
  uint64_t incarnation = 1;
};
using K = Step::Kind;

struct VerdictCase {
  const char* name;
  std::vector<Step> steps;
  std::vector<PeerVerdict> verdicts;
  PeerState state;
};

void play(FailureDetector& detector, const Step& step) {
  const BootTime now = kStart + step.at;
  switch (step.kind) {
    case K::kHeard:
      detector.on_heard(kPeer, step.incarnation, now);
      return;
    case K::kClosed:
      return detector.on_stream_end(kPeer, StreamLoss::kClosedByPeer, now);
    case K::kRefused:
      return detector.on_stream_end(kPeer, StreamLoss::kRefused, now);
    case K::kBroken:
      return detector.on_stream_end(kPeer, StreamLoss::kBroken, now);
    case K::kGoodbye:
      return detector.on_goodbye(kPeer, step.incarnation, now);
    case K::kPaused:
      return detector.on_paused(now);
    case K::kTime:
      return detector.on_time(now);
  }
}

const std::vector<VerdictCase> kVerdicts = {
    {"ABatchIsLife", {{K::kHeard, 0ms}}, {PeerVerdict::kAlive}, PeerState::kAlive},
    {"SilenceOfTwoIntervalsIsNothing",
     {{K::kHeard, 0ms}, {K::kTime, 224ms}},
     {PeerVerdict::kAlive},
     PeerState::kAlive},
    {"SilenceOfThreeIntervalsIsSuspect",
     {{K::kHeard, 0ms}, {K::kTime, 225ms}},
     {PeerVerdict::kAlive, PeerVerdict::kSuspect},
     PeerState::kSuspect},
    {"SilenceOfEIsDeath",
     {{K::kHeard, 0ms}, {K::kTime, 225ms}, {K::kTime, 399ms}, {K::kTime, 400ms}},
     {PeerVerdict::kAlive, PeerVerdict::kSuspect, PeerVerdict::kDead},
     PeerState::kDead},
    {"TheDeadComeBack",
     {{K::kHeard, 0ms}, {K::kTime, 400ms}, {K::kHeard, 500ms}},
     {PeerVerdict::kAlive, PeerVerdict::kDead, PeerVerdict::kAlive},
     PeerState::kAlive},
    {"NeverHeardOfIsDeadAfterE", {{K::kTime, 400ms}}, {PeerVerdict::kDead}, PeerState::kDead},
    {"ANewIncarnationIsARestartFirst",
     {{K::kHeard, 0ms}, {K::kHeard, 50ms, 2}},
     {PeerVerdict::kAlive, PeerVerdict::kRestarted, PeerVerdict::kAlive},
     PeerState::kAlive},
    {"RefusedAfterAnOrderlyCloseIsCertain",
     {{K::kHeard, 0ms}, {K::kClosed, 10ms}, {K::kRefused, 12ms}},
     {PeerVerdict::kAlive, PeerVerdict::kCertain},
     PeerState::kDead},
    {"RefusedAloneProvesNothing",
     {{K::kHeard, 0ms}, {K::kRefused, 12ms}},
     {PeerVerdict::kAlive},
     PeerState::kAlive},
    {"RefusedAfterAResetProvesNothing",
     {{K::kHeard, 0ms}, {K::kClosed, 5ms}, {K::kBroken, 10ms}, {K::kRefused, 12ms}},
     {PeerVerdict::kAlive},
     PeerState::kAlive},
    {"RefusedLongAfterACloseProvesNothing",
     {{K::kHeard, 0ms}, {K::kClosed, 0ms}, {K::kRefused, 1001ms}},
     {PeerVerdict::kAlive},
     PeerState::kAlive},
    {"ALifeSignAfterTheCloseTakesItBack",
     {{K::kHeard, 0ms}, {K::kClosed, 5ms}, {K::kHeard, 8ms}, {K::kRefused, 12ms}},
     {PeerVerdict::kAlive},
     PeerState::kAlive},
    {"GoodbyeIsCertain",
     {{K::kHeard, 0ms}, {K::kGoodbye, 10ms}},
     {PeerVerdict::kAlive, PeerVerdict::kCertain},
     PeerState::kDead},
    {"LateWordsOfOneWhoSaidGoodbyeAreNoLife",
     {{K::kHeard, 0ms}, {K::kGoodbye, 10ms}, {K::kHeard, 11ms}},
     {PeerVerdict::kAlive, PeerVerdict::kCertain},
     PeerState::kDead},
    {"TheNextLifeAfterAGoodbyeCounts",
     {{K::kHeard, 0ms}, {K::kGoodbye, 10ms}, {K::kHeard, 500ms, 2}},
     {PeerVerdict::kAlive, PeerVerdict::kCertain, PeerVerdict::kRestarted, PeerVerdict::kAlive},
     PeerState::kAlive},
    {"GoodbyeOfAnOlderLifeIsIgnored",
     {{K::kHeard, 0ms, 2}, {K::kGoodbye, 10ms, 1}},
     {PeerVerdict::kAlive},
     PeerState::kAlive},
    {"OurOwnPauseBlamesNobody",
     {{K::kHeard, 0ms}, {K::kPaused, 5s}, {K::kTime, 5s}, {K::kTime, 5224ms}},
     {PeerVerdict::kAlive},
     PeerState::kAlive},
};

TEST(FailureDetector, JudgesByWhatArrives) {
  for (const VerdictCase& c : kVerdicts) {
    SCOPED_TRACE(c.name);
    FailureDetector detector(kOwnNode, kTimes);
    detector.add_peer(kPeer, kStart);
    for (const Step& step : c.steps) play(detector, step);
    std::vector<PeerVerdict> verdicts;
    for (const PeerEvent& event : detector.take_events()) verdicts.push_back(event.verdict);
    EXPECT_EQ(verdicts, c.verdicts);
    EXPECT_EQ(detector.state(kPeer), c.state);
  }
}

TEST(FailureDetector, RefusesOlderLives) {
  FailureDetector detector(kOwnNode, kTimes);
  detector.add_peer(kPeer, kStart);
  EXPECT_TRUE(detector.on_heard(kPeer, 3, kStart));
  EXPECT_FALSE(detector.on_heard(kPeer, 2, kStart + 1ms));
  EXPECT_EQ(detector.incarnation(kPeer), 3u);
}

// A link with gaps of 75 to 300 ms is not suspect for its usual silence, but never beyond E.
TEST(FailureDetector, LearnsTheRhythmOfAnIrregularLinkUpToE) {
  FailureDetector detector(kOwnNode, kTimes);
  detector.add_peer(kPeer, kStart);
  BootTime now = kStart;
  for (int i = 0; i < 120; ++i) {
    now += i % 3 == 0 ? 300ms : 75ms;
    detector.on_heard(kPeer, 1, now);
  }
  detector.take_events();
  detector.on_time(now + 399ms);
  EXPECT_EQ(detector.state(kPeer), PeerState::kAlive);
  detector.on_time(now + 400ms);
  EXPECT_EQ(detector.state(kPeer), PeerState::kDead);
}

TEST(FailureDetector, ForgetsAnOldRhythm) {
  FailureDetector detector(kOwnNode, kTimes);
  detector.add_peer(kPeer, kStart);
  BootTime now = kStart;
  for (int i = 0; i < 50; ++i) detector.on_heard(kPeer, 1, now += 300ms);
  for (int i = 0; i < 200; ++i) detector.on_heard(kPeer, 1, now += 75ms);
  detector.on_time(now + 224ms);
  EXPECT_EQ(detector.state(kPeer), PeerState::kAlive);
  detector.on_time(now + 226ms);
  EXPECT_EQ(detector.state(kPeer), PeerState::kSuspect);
}

TEST(FailureDetector, NoticesAPeerThatIsDeafToUs) {
  FailureDetector detector(kOwnNode, kTimes);
  detector.add_peer(kPeer, kStart);
  detector.on_heard(kPeer, 1, kStart);
  detector.on_hears(kPeer, {kOwnNode}, kStart);
  EXPECT_TRUE(detector.hears_us(kPeer));
  detector.take_events();
  for (Micros at = 75ms; at <= 600ms; at += 75ms) {
    detector.on_heard(kPeer, 1, kStart + at);
    detector.on_hears(kPeer, {NodeId{3}}, kStart + at);
    detector.on_time(kStart + at);
  }
  const std::vector<PeerEvent> once{{kPeer, PeerVerdict::kDeaf}};
  EXPECT_EQ(detector.take_events(), once);
  EXPECT_FALSE(detector.hears_us(kPeer));
  detector.on_hears(kPeer, {kOwnNode, NodeId{3}}, kStart + 700ms);
  EXPECT_TRUE(detector.hears_us(kPeer));
}

TEST(FailureDetector, ListsWhomItHearsWithinE) {
  FailureDetector detector(kOwnNode, kTimes);
  for (uint64_t id = 2; id <= 4; ++id) detector.add_peer(NodeId{id}, kStart);
  detector.on_heard(NodeId{4}, 1, kStart + 300ms);
  detector.on_heard(NodeId{2}, 1, kStart + 310ms);
  const std::vector<NodeId> heard{NodeId{2}, NodeId{4}};
  EXPECT_EQ(detector.heard_nodes(kStart + 400ms), heard);
  EXPECT_EQ(detector.heard_nodes(kStart + 705ms), std::vector<NodeId>{NodeId{2}});
}

}  // namespace
}  // namespace worldline::replication
