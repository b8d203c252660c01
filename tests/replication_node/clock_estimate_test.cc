// Wall clocks of peers, bounded by echoes [S 08/3.5].
#include "replication/node/clock_estimate.h"

#include <gtest/gtest.h>

namespace worldline::replication {
namespace {

using namespace std::chrono_literals;

constexpr BootTime kNow{100s};
constexpr int64_t kWall = 1'700'000'000'000'000;

struct PeerClock {
  Micros offset;  // From ours.
  Micros rtt = 1ms;
};

struct ClockCase {
  const char* name;
  std::vector<PeerClock> peers;
  ClockVerdict verdict;
};

void add(ClockEstimate& clocks, uint64_t node, const PeerClock& peer) {
  const BootTime sent = kNow - peer.rtt;
  const Micros half = peer.rtt / 2;
  const int64_t wall = kWall - half.count() + peer.offset.count();
  clocks.add(NodeId{node}, {sent, kNow, Timestamp{wall}});
}

const std::vector<ClockCase> kCases = {
    {"AloneNothingIsKnown", {}, ClockVerdict::kUnknown},
    {"OnePeerThatAgrees", {{0ms}}, ClockVerdict::kGood},
    {"OnePeerThatDiffersIsNoMajority", {{10s}}, ClockVerdict::kUnknown},
    {"TwoPeersThatAgree", {{1ms}, {-1ms}}, ClockVerdict::kGood},
    {"OneOfTwoPeersIsWrong", {{0ms}, {10min}}, ClockVerdict::kGood},
    {"WeAreWrongByHalfASecond", {{600ms}, {601ms}}, ClockVerdict::kWarning},
    {"WeAreWrongByMinutes", {{-5min}, {-5min}}, ClockVerdict::kDrain},
    {"AWideIntervalIsNoReproach", {{600ms, 1400ms}, {600ms, 1400ms}}, ClockVerdict::kGood},
    {"FourPeersDisagreeTwoByTwo", {{1h}, {1h}, {-1h}, {-1h}}, ClockVerdict::kUnknown},
};

TEST(ClockEstimate, BelievesTheIntervalOfTheMajority) {
  for (const ClockCase& c : kCases) {
    SCOPED_TRACE(c.name);
    ClockEstimate clocks;
    uint64_t node = 2;
    for (const PeerClock& peer : c.peers) add(clocks, node++, peer);
    const ClockOffset offset = clocks.estimate(kNow, Timestamp{kWall});
    EXPECT_EQ(offset.verdict, c.verdict)
        << offset.low.count() << " .. " << offset.high.count() << " by " << offset.agreeing;
    EXPECT_LE(offset.low, offset.high);
  }
}

TEST(ClockEstimate, SeesAStepOfOurOwnClockAtOnce) {
  ClockEstimate clocks;
  add(clocks, 2, {0ms});
  add(clocks, 3, {0ms});
  EXPECT_EQ(clocks.estimate(kNow, Timestamp{kWall}).verdict, ClockVerdict::kGood);
  EXPECT_EQ(clocks.estimate(kNow, Timestamp{kWall + 3'600'000'000}).verdict, ClockVerdict::kDrain);
}

TEST(ClockEstimate, UsesTheFastestRecentEchoAndForgetsOldOnes) {
  ClockEstimate clocks;
  EXPECT_EQ(clocks.rtt(NodeId{2}), std::nullopt);
  add(clocks, 2, {0ms, 40ms});
  add(clocks, 2, {0ms, 2ms});
  add(clocks, 2, {0ms, 90ms});
  add(clocks, 3, {0ms, 8ms});
  EXPECT_EQ(clocks.rtt(NodeId{2}), 2ms);
  EXPECT_EQ(clocks.median_rtt(), 8ms);
  for (int i = 0; i < 16; ++i) add(clocks, 2, {0ms, 30ms});
  EXPECT_EQ(clocks.rtt(NodeId{2}), 30ms);
  EXPECT_EQ(clocks.estimate(kNow + 11s, Timestamp{kWall + 11'000'000}).verdict,
            ClockVerdict::kUnknown);
}

// Compared with trying every end of every interval.
TEST(ClockEstimate, AgreesWithANaiveSearch) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    uint64_t state = seed;
    const auto below = [&state](uint64_t bound) {
      state = mix_hash(state, 1);
      return static_cast<Micros::rep>(state % bound);
    };
    ClockEstimate clocks;
    std::vector<std::pair<Micros, Micros>> intervals{{0us, 0us}};
    const uint64_t count = 1 + seed % 6;
    for (uint64_t i = 0; i < count; ++i) {
      const PeerClock peer{Micros{below(60'000) - 30'000}, Micros{2 * below(6000)}};
      add(clocks, 2 + i, peer);
      const Micros error = 10ms + peer.rtt / 2 + 200us;
      intervals.emplace_back(peer.offset - error, peer.offset + error);
    }
    size_t best = 0;
    for (const auto& [low, high] : intervals) {
      size_t covers = 0;
      for (const auto& other : intervals) covers += other.first <= low && low <= other.second;
      best = std::max(best, covers);
    }
    const ClockOffset offset = clocks.estimate(kNow, Timestamp{kWall});
    EXPECT_EQ(offset.agreeing, best) << "seed " << seed;
    size_t covers = 0;
    for (const auto& other : intervals)
      covers += other.first <= offset.low && offset.high <= other.second;
    EXPECT_EQ(covers, best) << "seed " << seed;
  }
}

}  // namespace
}  // namespace worldline::replication
