// The parts of the load harness, and the whole of it against a node that does nothing.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "base/prng.h"
#include "bench/load/bench_command.h"
#include "bench/load/bench_report.h"
#include "bench/load/call_tally.h"
#include "bench/load/keynote_bundle.h"
#include "bench/load/latency_histogram.h"
#include "bench/load/load_generator.h"
#include "bench/load/null_node.h"
#include "bench/load/transfer_pairs.h"
#include "bench/load/websocket_frames.h"

namespace worldline::bench {
namespace {

TEST(LatencyHistogramTest, KeepsThreeSignificantDigitsOverItsWholeRange) {
  for (uint64_t value = 1; value < 4'000'000'000; value = value * 13 / 10 + 1) {
    LatencyHistogram histogram;
    histogram.add(value);
    histogram.add(value * 2);
    const auto read = static_cast<double>(histogram.percentile(0.5));
    EXPECT_GE(read, static_cast<double>(value));
    EXPECT_LE(read, static_cast<double>(value) * 1.001) << value;
    EXPECT_EQ(histogram.percentile(1.0), value * 2) << "the maximum is exact";
  }
}

TEST(LatencyHistogramTest, AgreesWithASortedListAndMerges) {
  Prng rng(3);
  std::vector<uint64_t> values;
  LatencyHistogram one;
  LatencyHistogram two;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(1 + rng.below(rng.chance(10) ? 1'000'000 : 3'000));
    (rng.chance(2) ? one : two).add(values.back());
  }
  one.merge(two);
  std::sort(values.begin(), values.end());
  for (const double share : {0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * 20'000)) - 1;
    EXPECT_NEAR(static_cast<double>(one.percentile(share)), static_cast<double>(values[rank]),
                static_cast<double>(values[rank]) * 0.001 + 1);
  }
  EXPECT_EQ(one.count(), 20'000u);
  EXPECT_EQ(LatencyHistogram().percentile(0.99), 0u);
}

TEST(CallTallyTest, CountsOnlyWhatIsAnsweredWithinTheWindow) {
  CallTally tally({1'000'000, 3'000'000});
  tally.add_ok(900'000, 999'999);    // Warm-up.
  tally.add_ok(900'000, 1'000'000);  // Begun before, answered within.
  tally.add_ok(1'500'000, 2'999'999);
  tally.add_ok(2'900'000, 3'000'000);  // Late.
  tally.add_error("insufficient funds");
  EXPECT_EQ(tally.ok(), 2u);
  EXPECT_EQ(tally.late(), 1u);
  EXPECT_EQ(tally.errors(), 1u);
  EXPECT_EQ(tally.first_error(), "insufficient funds");
  EXPECT_DOUBLE_EQ(tally.per_second(), 1.0);
  EXPECT_DOUBLE_EQ(tally.variation(), 0.0);
}

// The generator of the upstream harness: a state kept as a double that is never truncated.
class UpstreamRandom {
 public:
  double unit() {
    state_ += 1831565813.0;
    const auto a = static_cast<uint32_t>(std::fmod(state_, 4294967296.0));
    uint32_t t = (a ^ (a >> 15)) * (a | 1u);
    t ^= t + (t ^ (t >> 7)) * (t | 61u);
    return static_cast<double>(t ^ (t >> 14)) / 4294967296.0;
  }

 private:
  double state_ = 0x12345678;
};

struct PairCase {
  const char* name;
  double alpha;
  std::vector<std::pair<uint32_t, uint32_t>> first;
};
class TransferPairsTest : public testing::TestWithParam<PairCase> {};

// The pairs that [S 09/5.2] gives for the upstream generator.
TEST_P(TransferPairsTest, DrawsTheKnownPairsFromTheKnownNumbers) {
  const ZipfIds ids(100'000, GetParam().alpha);
  UpstreamRandom random;
  for (const auto& [from, to] : GetParam().first) {
    const TransferPair pair = draw_pair(ids, 100'000, [&random] { return random.unit(); });
    EXPECT_EQ(pair.from, from);
    EXPECT_EQ(pair.to, to);
  }
}
INSTANTIATE_TEST_SUITE_P(
    S09, TransferPairsTest,
    testing::Values(
        PairCase{"Uniform", 0, {{10615, 94127}, {93987, 23388}, {90458, 77833}, {27943, 34101}}},
        PairCase{"Hot", 1.5, {{0, 157}, {150, 0}, {61, 11}, {0, 4}}}),
    [](const auto& test) { return test.param.name; });

TEST(TransferPairsTest, HasTheShareOfTheHotAccountAndNeverPaysItself) {
  EXPECT_NEAR(ZipfIds(100'000, 1.5).probability(0), 0.3837, 0.0001);
  PairOptions options;
  options.alpha = 1.5;
  options.pairs = 100'000;
  for (const TransferPair& pair : draw_pairs(options)) {
    ASSERT_NE(pair.from, pair.to);
    ASSERT_LT(pair.from, options.accounts);
    ASSERT_LT(pair.to, options.accounts);
  }
}

void feed(FrameScanner& scanner, Bytes bytes) {
  const MutableBytes space = scanner.receive_space(bytes.size());
  std::copy(bytes.begin(), bytes.end(), space.begin());
  scanner.received(bytes.size());
}

TEST(FrameScannerTest, FindsMessagesHoweverTheyArrive) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{125}, size_t{126}, size_t{65'535},
                            size_t{65'536}, size_t{200'000}}) {
    for (const Masking masking : {Masking::kNone, Masking::kZeroKey}) {
      ByteBuffer wire(kFrameHeadBytesMax);
      wire.resize(write_frame_head(Opcode::kBinary, size, masking, wire.data()));
      wire.resize(wire.size() + size, 7);
      FrameScanner scanner;
      for (size_t at = 0; at < wire.size(); at += 1000) {
        EXPECT_FALSE(scanner.next().value().has_value());
        feed(scanner, Bytes(wire).subspan(at, std::min<size_t>(1000, wire.size() - at)));
      }
      const auto message = scanner.next().value();
      ASSERT_TRUE(message.has_value()) << size;
      EXPECT_EQ(message->payload.size(), size);
      EXPECT_TRUE(scanner.pending().empty());
    }
  }
}

TEST(FrameScannerTest, PutsFragmentsTogetherAroundAPing) {
  FrameScanner scanner;
  const ByteBuffer wire = {0x02, 2, 'a', 'b', 0x89, 1, '!', 0x00, 1, 'c', 0x80, 1, 'd'};
  feed(scanner, wire);
  EXPECT_EQ(scanner.next().value()->opcode, Opcode::kPing);
  const auto message = scanner.next().value();
  EXPECT_EQ(message->opcode, Opcode::kBinary);
  EXPECT_EQ(as_text(message->payload), "abcd");
}

TEST(FrameScannerTest, TakesMasksOffAndRefusesReservedBits) {
  FrameScanner scanner;
  const ByteBuffer masked = {0x82, 0x82, 1, 2, 3, 4, 'a' ^ 1, 'b' ^ 2};
  feed(scanner, masked);
  EXPECT_EQ(as_text(scanner.next().value()->payload), "ab");
  const ByteBuffer reserved = {0xC2, 0};
  feed(scanner, reserved);
  EXPECT_FALSE(scanner.next().ok());
}

TEST(LoadGeneratorTest, KeepsEveryCallAnsweredAgainstANodeThatDoesNothing) {
  const auto node = NullNode::start();
  ASSERT_TRUE(node.ok()) << node.status().message();
  PairOptions pair_options;
  pair_options.pairs = 1000;
  const auto pairs = draw_pairs(pair_options);
  LoadOptions options;
  options.session.address = (*node)->address();
  options.session.database = "null";
  options.session.in_flight = 10;
  options.session.pairs = pairs;
  options.connections = 5;
  options.threads = 2;
  options.warmup = std::chrono::milliseconds(20);
  options.duration = std::chrono::milliseconds(200);
  const auto result = run_load(options);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_GT(result->tally.ok(), 0u);
  EXPECT_EQ(result->tally.errors(), 0u);
  EXPECT_EQ(result->tally.latency().count(), result->tally.ok());
}

TEST(CallTallyTest, ACallWithoutAnAnswerIsAnErrorAndALatency) {
  CallTally tally({100, 1'100'100});
  tally.add_timeout(50, 90);  // Before the window.
  tally.add_timeout(150, 2'000'150);
  EXPECT_EQ(tally.errors(), 2u);
  EXPECT_EQ(tally.timeouts(), 2u);
  EXPECT_EQ(tally.latency().count(), 1u);
  EXPECT_EQ(tally.latency().max(), 2'000'000u);
  EXPECT_EQ(tally.first_error(), "no answer within the time limit");
  CallTally sum({100, 1'100'100});
  sum.merge(tally);
  EXPECT_EQ(sum.timeouts(), 2u);
}

TEST(LoadGeneratorTest, GivesUpCallsThatAreNeverAnswered) {
  const auto node = NullNode::start(NullAnswers::kNone);
  ASSERT_TRUE(node.ok()) << node.status().message();
  const std::vector<TransferPair> pairs(10, {0, 1});
  LoadOptions options;
  options.session.address = (*node)->address();
  options.session.database = "null";
  options.session.in_flight = 7;
  options.session.pairs = pairs;
  options.connections = 3;
  options.warmup = std::chrono::milliseconds(0);
  options.duration = std::chrono::milliseconds(50);
  options.call_timeout = std::chrono::milliseconds(100);
  const auto result = run_load(options);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->tally.ok(), 0u);
  EXPECT_EQ(result->tally.timeouts(), 21u) << "each once, and none was issued again";
  EXPECT_EQ(result->tally.errors(), 21u);
  EXPECT_EQ(result->tally.latency().count(), 21u);
  EXPECT_GE(result->tally.latency().percentile(0.01), 100'000u);
}

TEST(LoadGeneratorTest, SaysThatNobodyListens) {
  LoadOptions options;
  const std::vector<TransferPair> pairs(10, {0, 1});
  options.session.pairs = pairs;
  options.session.address.host = "127.0.0.1";
  options.session.address.port = 1;
  EXPECT_EQ(run_load(options).status().code(), StatusCode::kUnavailable);
}

TEST(BenchReportTest, PutsTpsFirst) {
  KeynoteOptions options;
  KeynoteFigures figures;
  figures.null.emplace(RunFigures{CallTally({0, 1'000'000})});
  figures.machine.fsync_us_p50 = 700;
  const std::string json = report_json(options, figures, {"1.2.3", "0123abc", "GCC 12"});
  EXPECT_EQ(json.rfind("{\"tps\":0,\"service\":{\"p50_us\":0", 0), 0u) << json;
  EXPECT_NE(json.find("\"target\":\"null\""), std::string::npos);
  EXPECT_NE(
      json.find("\"env\":{\"version\":\"1.2.3\",\"commit\":\"0123abc\",\"compiler\":\"GCC 12\""),
      std::string::npos)
      << json;
  EXPECT_NE(json.find("\"fsync_us_p50\":700"), std::string::npos);
}

TEST(BenchCommandTest, RefusesBadUsageAndUnreachableNodes) {
  EXPECT_EQ(run_bench_command({}, {}), 2);
  EXPECT_EQ(run_bench_command({"keynote", "--connections", "0"}, {}), 2);
  EXPECT_EQ(run_bench_command({"keynote", "--seconds", "1", "--uri", "http://127.0.0.1:1"}, {}),
            22);
}

struct OptionCase {
  std::vector<std::string> words;
  int exit_code;       // 22: understood, and nobody listens.
  const char* saying;  // In what standard error says.
};

TEST(BenchCommandTest, UnderstandsTheOptionsOrNamesTheOneItCannotObey) {
  const OptionCase cases[] = {
      {{"--duration", "5s", "--warmup", "100ms", "--timeout", "2s"}, 22, "127.0.0.1"},
      {{"--seconds", "5", "--verify", "off"}, 22, "127.0.0.1"},
      {{"--confirmed", "true", "--compression", "none", "--protocol", "v3"}, 22, "127.0.0.1"},
      {{"--duration", "soon"}, 2, "--seconds"},
      {{"--duration", "5parsecs"}, 2, "--seconds"},
      {{"--timeout", "0s"}, 2, "--timeout"},
      {{"--verify", "maybe"}, 2, "--verify"},
      {{"--confirmed", "false"}, 2, "--confirmed: `false` is not supported"},
      {{"--compression", "gzip"}, 2, "--compression: `gzip` is not supported"},
      {{"--protocol", "v2"}, 2, "--protocol: `v2` is not supported"},
      {{"--mode", "open"}, 2, "--mode: `open` is not supported"},
      {{"--rate", "1000"}, 2, "--rate: is not supported"},
      {{"--reset"}, 2, "--reset: is not supported"},
  };
  for (const OptionCase& c : cases) {
    std::vector<std::string> words = {"keynote", "--uri", "http://127.0.0.1:1"};
    words.insert(words.end(), c.words.begin(), c.words.end());
    testing::internal::CaptureStderr();
    EXPECT_EQ(run_bench_command(words, {}), c.exit_code) << c.words[0];
    EXPECT_NE(testing::internal::GetCapturedStderr().find(c.saying), std::string::npos)
        << c.words[0];
  }
}

TEST(KeynoteBundleTest, IsInsideTheBinary) {
  EXPECT_GT(keynote_bundle().size(), 10'000u);
  EXPECT_NE(as_text(keynote_bundle()).find("spacetime:sys@2.0"), std::string_view::npos);
}

TEST(HttpCallTest, TakesUrisApart) {
  const auto address = parse_uri("http://127.0.0.1:3000/x");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->host, "127.0.0.1");
  EXPECT_EQ(address->port, 3000);
  EXPECT_EQ(parse_uri("http://name")->port, 80);
  for (const char* bad : {"", "https://x", "http://", "http://x:y", "http://x:99999"})
    EXPECT_FALSE(parse_uri(bad).ok()) << bad;
  EXPECT_EQ(json_string("{\"identity\":\"ab\",\"token\":\"cd\"}", "token"), "cd");
}

}  // namespace
}  // namespace worldline::bench
