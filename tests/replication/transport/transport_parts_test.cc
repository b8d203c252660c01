// The parts of the transport that need no network: queue, window, pauses, peers, names, handshakes.
#include <atomic>
#include <condition_variable>
#include <thread>

#include <gtest/gtest.h>

#include "base/prng.h"
#include "replication/transport/backoff.h"
#include "replication/transport/dial_pacer.h"
#include "replication/transport/peer_directory.h"
#include "replication/transport/peer_identity.h"
#include "replication/transport/receive_window.h"
#include "replication/transport/send_queue.h"
#include "tests/replication/transport/wire_fixture.h"

namespace worldline::replication::testing {
namespace {

using std::chrono::milliseconds;

// ---- Pauses [S 08/3.1] --------------------------------------------------------------------------

TEST(BackoffTest, DoublesUpToItsMaximumAndShortensByAtMostHalf) {
  Backoff backoff({milliseconds(50), milliseconds(1000)}, 7);
  for (const int whole_ms : {50, 100, 200, 400, 800, 1000, 1000, 1000}) {
    const auto pause = backoff.next();
    EXPECT_LE(pause, milliseconds(whole_ms));
    EXPECT_GE(pause, milliseconds(whole_ms) / 2);
  }
  backoff.reset();
  EXPECT_LE(backoff.next(), milliseconds(50));
}

TEST(BackoffTest, CountsFromTheStartOfTheAttempt) {
  Backoff backoff({milliseconds(1000), milliseconds(1000)}, 7);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(backoff.next(milliseconds(2000)), milliseconds(500))
        << "the attempt was pause enough";
    const auto rest = backoff.next(milliseconds(100));
    EXPECT_GE(rest, milliseconds(500));
    EXPECT_LE(rest, milliseconds(900));
  }
}

TEST(BackoffTest, IsTheSameForTheSameSeedAndOtherwiseNot) {
  const auto pauses = [](uint64_t seed) {
    Backoff backoff({}, seed);
    std::vector<Backoff::Duration> out;
    for (int i = 0; i < 6; ++i) out.push_back(backoff.next());
    return out;
  };
  EXPECT_EQ(pauses(1), pauses(1));
  EXPECT_NE(pauses(1), pauses(2));
}

struct EndCase {
  const char* name;
  milliseconds tried_for{0};
  std::optional<milliseconds> up_for = std::nullopt;  // Never up.
  EndReason reason = EndReason::kUnreachable;
  bool is_at_once = false;
  milliseconds pause_max{0};  // The least is half of it, or of what is left of it.
};

class DialPacerTest : public ::testing::TestWithParam<EndCase> {};

// The third attempt after two that failed at once, with pauses of 100 ms, 200 ms, 400 ms.
TEST_P(DialPacerTest, PausesBeforeTheNextAttempt) {
  const EndCase& end = GetParam();
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    DialPacer pacer({milliseconds(100), milliseconds(1000)}, seed);
    DialPacer::Time now{};
    for (int i = 0; i < 2; ++i) {
      pacer.on_dial(now);
      now += *pacer.on_over(now, EndReason::kUnreachable);
    }
    pacer.on_dial(now);
    now += end.tried_for;
    if (end.up_for) {
      pacer.on_up(now);
      now += *end.up_for;
    }
    const auto pause = pacer.on_over(now, end.reason);
    ASSERT_EQ(!pause, end.is_at_once);
    if (end.is_at_once) continue;
    EXPECT_LE(*pause, end.pause_max);
    EXPECT_GE(*pause, milliseconds(50));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ends, DialPacerTest,
    ::testing::Values(
        EndCase{.name = "refused", .pause_max = milliseconds(400)},
        EndCase{.name = "silent_for_a_while",
                .tried_for = milliseconds(150),
                .pause_max = milliseconds(250)},
        EndCase{.name = "silent_for_longer_than_the_pause",
                .tried_for = milliseconds(2000),
                .pause_max = milliseconds(50)},
        EndCase{.name = "broken_as_soon_as_it_was_up",
                .tried_for = milliseconds(2000),
                .up_for = milliseconds(10),
                .pause_max = milliseconds(400)},
        EndCase{
            .name = "up_for_a_moment", .up_for = milliseconds(100), .pause_max = milliseconds(100)},
        EndCase{.name = "up_for_long", .up_for = milliseconds(1000), .is_at_once = true},
        EndCase{.name = "ended_for_what_we_said",
                .up_for = milliseconds(60'000),
                .reason = EndReason::kProtocol,
                .pause_max = milliseconds(400)}),
    [](const auto& tested) { return std::string(tested.param.name); });

// ---- Send queue ---------------------------------------------------------------------------------

size_t size_of(const MessageBatch& batch) {
  size_t bytes = 0;
  for (const WireMessage& message : *batch) bytes += wire_bytes_bound(message);
  return bytes;
}
Status push(SendQueue& queue, const MessageBatch& batch) {
  return queue.push(batch, size_of(batch));
}
MessageBatch votes(size_t count) {
  return make_batch(std::vector<WireMessage>(count, envelope_with(VoteReq{})));
}

TEST(SendQueueTest, RefusesWhatIsBeyondItsLimitsAndNamesThem) {
  const size_t one = size_of(votes(1));
  SendQueue by_bytes({3 * one, 100});
  EXPECT_TRUE(push(by_bytes, votes(3)).ok());
  const Status bytes_full = push(by_bytes, votes(1));
  EXPECT_EQ(bytes_full.code(), StatusCode::kOverloaded);
  EXPECT_NE(bytes_full.message().find("queued_bytes_max"), std::string::npos);
  EXPECT_EQ(by_bytes.queued_messages(), 3u);

  SendQueue by_count({100 * one, 3});
  EXPECT_TRUE(push(by_count, votes(2)).ok());
  const Status count_full = push(by_count, votes(2));
  EXPECT_EQ(count_full.code(), StatusCode::kOverloaded);
  EXPECT_NE(count_full.message().find("queued_messages_max"), std::string::npos);
  EXPECT_TRUE(push(by_count, votes(1)).ok());
}

TEST(SendQueueTest, AdmitsAnyBatchWhenItIsEmpty) {
  SendQueue queue({1, 1});
  EXPECT_TRUE(push(queue, votes(5)).ok());
  EXPECT_FALSE(push(queue, votes(1)).ok());
}

TEST(SendQueueTest, CoalescesWhatIsQueuedIntoOneFrame) {
  SendQueue queue({limits::MiB, 1000});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(push(queue, votes(2)).ok());
  FrameRun run;
  queue.take(run);
  EXPECT_EQ(run.messages.size(), 6u);
  EXPECT_EQ(run.batches.size(), 3u);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.queued_bytes(), 0u);
  EXPECT_EQ(queue.queued_messages(), 0u);
  queue.take(run);
  EXPECT_TRUE(run.empty());
}

TEST(SendQueueTest, CutsRunsAtKindsSizesAndCounts) {
  SendQueue queue({limits::GiB, 100'000});
  const MessageBatch mixed = make_batch({envelope_with(VoteReq{}), envelope_with(TimeoutNow{}),
                                         one_of_each()[14], envelope_with(VoteReq{})});
  ASSERT_TRUE(push(queue, mixed).ok());
  std::vector<size_t> sizes;
  FrameRun run;
  for (queue.take(run); !run.empty(); queue.take(run)) sizes.push_back(run.messages.size());
  EXPECT_EQ(sizes, (std::vector<size_t>{2, 1, 1})) << "a heartbeat batch travels alone";

  Append append;
  append.entries = {entry_at(1, 1, payload_of(600 * limits::KiB))};
  ASSERT_TRUE(push(queue, make_batch({envelope_with(append), envelope_with(append)})).ok());
  queue.take(run);
  EXPECT_EQ(run.messages.size(), 1u) << "two would be beyond the frame's target";
  queue.take(run);
  EXPECT_EQ(run.messages.size(), 1u);
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueueTest, KeepsTheOrderOfWhatIsPushed) {
  SendQueue queue({limits::GiB, 1'000'000});
  Prng prng(5);
  uint64_t pushed = 0, taken = 0;
  FrameRun run;
  for (int i = 0; i < 2000; ++i) {
    if (prng.chance(2)) {
      std::vector<WireMessage> messages;
      for (uint64_t count = 1 + prng.below(5); count > 0; --count)
        messages.push_back(envelope_with(ReadIndexReq{ReadToken{pushed++}}));
      ASSERT_TRUE(push(queue, make_batch(std::move(messages))).ok());
    } else {
      queue.take(run);
      for (const WireMessage* message : run.messages)
        ASSERT_EQ(std::get<ReadIndexReq>(std::get<Envelope>(*message).body).token.value, taken++);
    }
  }
  EXPECT_EQ(queue.queued_messages(), pushed - taken);
}

TEST(SendQueueTest, DropsWhatWasNotTaken) {
  SendQueue queue({limits::MiB, 100});
  const MessageBatch first = make_batch({one_of_each()[14], one_of_each()[14]});
  const MessageBatch second = votes(1);
  ASSERT_TRUE(push(queue, first).ok());
  ASSERT_TRUE(push(queue, second).ok());
  FrameRun run;
  queue.take(run);
  EXPECT_EQ(queue.drop_all(), (std::vector<MessageBatch>{first, second}))
      << "half of the first left";
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.queued_bytes(), 0u);
  ASSERT_TRUE(push(queue, first).ok());
  queue.take(run);
  EXPECT_EQ(run.messages[0], &(*first)[0]) << "begins at the first message again";
}

// ---- Receive window -----------------------------------------------------------------------------

struct CountingWaker final : WindowWaker {
  void on_window_open() override { ++count; }
  int count = 0;
};

TEST(ReceiveWindowTest, WakesOnceWhenThereIsRoomAgain) {
  CountingWaker waker;
  const auto window = std::make_shared<ReceiveWindow>(100, waker);
  EXPECT_TRUE(window->may_read());
  ReceiveCredit first = window->take(60), second = window->take(60);
  EXPECT_EQ(window->held_bytes(), 120u);
  EXPECT_FALSE(window->may_read());
  first = ReceiveCredit();
  EXPECT_EQ(waker.count, 1);
  second = ReceiveCredit();
  EXPECT_EQ(waker.count, 1) << "nobody waits";
  EXPECT_EQ(window->held_bytes(), 0u);
}

TEST(ReceiveWindowTest, AdmitsOneFrameOfAnySize) {
  CountingWaker waker;
  const auto window = std::make_shared<ReceiveWindow>(10, waker);
  EXPECT_TRUE(window->may_read());
  const ReceiveCredit huge = window->take(1'000'000);
  EXPECT_FALSE(window->may_read());
}

TEST(ReceiveWindowTest, WakesNobodyAfterDetach) {
  CountingWaker waker;
  auto window = std::make_shared<ReceiveWindow>(10, waker);
  ReceiveCredit credit = window->take(20);
  EXPECT_FALSE(window->may_read());
  window->detach();
  window.reset();  // The credit keeps it.
  ReceiveCredit moved = std::move(credit);
  moved = ReceiveCredit();
  EXPECT_EQ(waker.count, 0);
}

// Credits go in other threads while the stream takes more: it never sleeps through room.
TEST(ReceiveWindowTest, LosesNoWakeUpBetweenThreads) {
  struct Gate final : WindowWaker {
    void on_window_open() override {
      const std::lock_guard lock(mutex);
      is_open = true;
      opened.notify_one();
    }
    std::mutex mutex;
    std::condition_variable opened;
    bool is_open = false;
  } gate;
  const auto window = std::make_shared<ReceiveWindow>(100, gate);
  std::mutex mutex;
  std::vector<ReceiveCredit> credits;  // Guarded by mutex.
  std::atomic<bool> is_over{false};
  const auto release = [&] {
    while (!is_over) {
      std::vector<ReceiveCredit> released;
      const std::lock_guard lock(mutex);
      released.swap(credits);
    }
  };
  std::thread first(release), second(release);
  for (int i = 0; i < 20'000; ++i) {
    while (!window->may_read()) {
      std::unique_lock lock(gate.mutex);
      ASSERT_TRUE(
          gate.opened.wait_for(lock, std::chrono::seconds(60), [&] { return gate.is_open; }));
      gate.is_open = false;
    }
    ReceiveCredit credit = window->take(60);
    const std::lock_guard lock(mutex);
    credits.push_back(std::move(credit));
  }
  is_over = true;
  first.join();
  second.join();
  credits.clear();
  EXPECT_EQ(window->held_bytes(), 0u);
}

// ---- Peers --------------------------------------------------------------------------------------

PeerInfo peer_of(uint64_t node, const char* address = "h:1") {
  PeerInfo peer;
  peer.node = NodeId{node};
  peer.uuid.fill(static_cast<Byte>(node));
  peer.name = "n" + std::to_string(node);
  peer.addresses = {address};
  return peer;
}

TEST(PeerDirectoryTest, TellsWhatChanged) {
  PeerDirectory directory(NodeId{1});
  auto changes = directory.set({peer_of(3), peer_of(1), peer_of(2)});
  ASSERT_TRUE(changes.ok());
  ASSERT_EQ(changes->added.size(), 2u) << "this node is none of its peers";
  EXPECT_EQ(changes->added[0].node, NodeId{2});

  PeerInfo other_uuid = peer_of(3);
  other_uuid.uuid.fill(9);
  changes = directory.set({peer_of(2, "moved:2"), other_uuid});
  ASSERT_TRUE(changes.ok());
  ASSERT_EQ(changes->readdressed.size(), 1u);
  EXPECT_EQ(changes->readdressed[0].addresses[0], "moved:2");
  EXPECT_EQ(changes->removed, std::vector<NodeId>{NodeId{3}});
  ASSERT_EQ(changes->added.size(), 1u) << "another disk under an old id is another peer";
  changes = directory.set({});
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ(changes->removed, (std::vector<NodeId>{NodeId{2}, NodeId{3}}));
  EXPECT_FALSE(directory.find(NodeId{2}));
}

TEST(PeerDirectoryTest, KnowsTheNewestLifeOfEachPeer) {
  PeerDirectory directory(NodeId{1});
  EXPECT_FALSE(directory.admit({NodeId{2}, 5})) << "not a peer";
  ASSERT_TRUE(directory.set({peer_of(2)}).ok());
  EXPECT_FALSE(directory.is_current({NodeId{2}, 5}));
  EXPECT_TRUE(directory.admit({NodeId{2}, 5}));
  EXPECT_TRUE(directory.admit({NodeId{2}, 5})) << "of another class";
  EXPECT_TRUE(directory.is_current({NodeId{2}, 5}));
  EXPECT_TRUE(directory.admit({NodeId{2}, 6}));
  EXPECT_FALSE(directory.is_current({NodeId{2}, 5}));
  EXPECT_FALSE(directory.admit({NodeId{2}, 5}));
  ASSERT_TRUE(directory.set({}).ok());
  EXPECT_FALSE(directory.is_current({NodeId{2}, 6}));
  ASSERT_TRUE(directory.set({peer_of(2)}).ok());
  EXPECT_FALSE(directory.admit({NodeId{2}, 5})) << "gone and back does not make it young again";
  EXPECT_EQ(directory.newest_incarnation(NodeId{2}), 6u);
}

TEST(PeerDirectoryTest, RefusesSetsThatCannotBeUsed) {
  struct Case {
    const char* name;
    std::vector<PeerInfo> peers;
  };
  PeerInfo no_uuid = peer_of(2), no_address = peer_of(2), long_name = peer_of(2);
  no_uuid.uuid = {};
  no_address.addresses.clear();
  long_name.name.assign(256, 'n');
  PeerInfo many = peer_of(2);
  many.addresses.assign(17, "h:1");
  std::vector<PeerInfo> too_many;
  for (uint64_t node = 2; node < 1027; ++node) too_many.push_back(peer_of(node));
  const Case cases[] = {
      {"NodeZero", {peer_of(0)}},
      {"Twice", {peer_of(2), peer_of(2)}},
      {"NoUuid", {no_uuid}},
      {"NoAddress", {no_address}},
      {"LongName", {long_name}},
      {"ManyAddresses", {many}},
      {"BadAddress", {peer_of(2, "h")}},
      {"TooMany", too_many},
  };
  for (const Case& c : cases) {
    PeerDirectory directory(NodeId{1});
    ASSERT_TRUE(directory.set({peer_of(7)}).ok());
    EXPECT_EQ(directory.set(c.peers).status().code(), StatusCode::kInvalidArgument) << c.name;
    EXPECT_TRUE(directory.find(NodeId{7})) << c.name << " changed something";
  }
}

TEST(PeerDirectoryTest, ReadsAddresses) {
  struct Case {
    const char* address;
    const char* host;  // Null: refused.
  };
  constexpr Case kCases[] = {
      {"node-1.cluster:3001", "node-1.cluster"},
      {"10.0.0.1:1", "10.0.0.1"},
      {"[::1]:65535", "::1"},
      {"node:0", nullptr},
      {"node:65536", nullptr},
      {"node:", nullptr},
      {":3001", nullptr},
      {"node", nullptr},
      {"::1:3001", nullptr},
      {"node:30x", nullptr},
      {"dns://x:1", nullptr},
      {"no de:1", nullptr},
      {"node:-1", nullptr},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(validate_address(c.address).ok(), c.host != nullptr) << c.address;
    if (c.host != nullptr) {
      EXPECT_EQ(host_of(c.address), c.host);
    }
  }
}

// ---- Names and handshakes [S 09/1.6] ------------------------------------------------------------

TEST(PeerIdentityTest, ComparesHostNames) {
  struct Case {
    const char* pattern;
    const char* host;
    bool matches;
  };
  constexpr Case kCases[] = {
      {"node-1.db.svc", "node-1.db.svc", true},
      {"NODE-1.db.SVC", "node-1.DB.svc", true},
      {"node-2.db.svc", "node-1.db.svc", false},
      {"*.db.svc", "node-1.db.svc", true},
      {"*.db.svc", "a.node-1.db.svc", false},  // One label.
      {"*.db.svc", "db.svc", false},
      {"*.svc", "node-1.svc", false},  // A whole top-level domain.
      {"node-*.db.svc", "node-1.db.svc", false},
      {"*", "node", false},
      {"", "", false},
      {"*.db.svc", ".db.svc", false},
  };
  for (const Case& c : kCases) EXPECT_EQ(host_matches(c.pattern, c.host), c.matches) << c.pattern;
}

TEST(PeerIdentityTest, TakesTheUriOrTheHost) {
  PeerInfo peer = peer_of(2, "node-2.db.svc:3001");
  peer.addresses.push_back("10.0.0.2:3001");
  struct Case {
    const char* name;
    CertificateNames names;
    bool ok;
  };
  const Case cases[] = {
      {"Uri", {{}, {"worldline://prod/node/n2"}}, true},
      {"SecondUri", {{}, {"spiffe://x", "worldline://prod/node/n2"}}, true},
      {"Host", {{"other", "node-2.db.svc"}, {}}, true},
      {"Wildcard", {{"*.db.svc"}, {}}, true},
      {"OtherNode", {{}, {"worldline://prod/node/n3"}}, false},
      {"OtherCluster", {{}, {"worldline://test/node/n2"}}, false},
      {"AdminRole", {{}, {"worldline://prod/role/admin/n2"}}, false},
      {"LongerName", {{}, {"worldline://prod/node/n22"}}, false},
      {"UriAsHost", {{"worldline://prod/node/n2"}, {}}, false},
      {"OtherHost", {{"node-3.db.svc"}, {}}, false},
      {"None", {{}, {}}, false},
  };
  for (const Case& c : cases) {
    const Status status = check_certificate(c.names, "prod", peer);
    EXPECT_EQ(status.code(), c.ok ? StatusCode::kOk : StatusCode::kPermissionDenied) << c.name;
  }
}

struct HandshakeCase {
  const char* name;
  void (*change)(Handshake&);
  bool is_known;
  StatusCode code;
};
constexpr HandshakeCase kHandshakeCases[] = {
    {"Right", [](Handshake&) {}, true, StatusCode::kOk},
    {"OtherCluster", [](Handshake& h) { h.identity.cluster[3] ^= 1; }, true,
     StatusCode::kFailedPrecondition},
    {"OtherTarget", [](Handshake& h) { h.to = NodeId{4}; }, true, StatusCode::kFailedPrecondition},
    {"OtherClass", [](Handshake& h) { h.cls = TrafficClass::kBulk; }, true,
     StatusCode::kFailedPrecondition},
    {"Unknown", [](Handshake&) {}, false, StatusCode::kNotFound},
    {"OtherUuid", [](Handshake& h) { h.identity.uuid[0] ^= 1; }, true,
     StatusCode::kPermissionDenied},
    {"Ourselves", [](Handshake& h) { h.identity.node = NodeId{5}; }, true,
     StatusCode::kPermissionDenied},
};

TEST(PeerIdentityTest, RefusesHandshakesOfOthers) {
  const NodeIdentity self = identity_of(NodeId{5}, 1);
  const PeerInfo known = peer_of(3);
  for (const HandshakeCase& c : kHandshakeCases) {
    Handshake handshake{identity_of(NodeId{3}, 17), TrafficClass::kLog, NodeId{5}};
    c.change(handshake);
    const Status status =
        check_handshake(handshake, self, TrafficClass::kLog, c.is_known ? &known : nullptr);
    EXPECT_EQ(status.code(), c.code) << c.name << ": " << status.message();
  }
}

TEST(PeerIdentityTest, NoticesThatItReachedSomebodyElse) {
  const NodeIdentity self = identity_of(NodeId{3}, 1);
  const PeerInfo peer = peer_of(5);
  const auto code = [&](void (*change)(NodeIdentity&)) {
    HandshakeReply reply{identity_of(NodeId{5}, 9)};
    change(reply.identity);
    return check_reply(reply, self, peer).code();
  };
  EXPECT_EQ(code([](NodeIdentity&) {}), StatusCode::kOk);
  EXPECT_EQ(code([](NodeIdentity& i) { i.cluster[0] ^= 1; }), StatusCode::kFailedPrecondition);
  EXPECT_EQ(code([](NodeIdentity& i) { i.node = NodeId{6}; }), StatusCode::kPermissionDenied);
  EXPECT_EQ(code([](NodeIdentity& i) { i.uuid[0] ^= 1; }), StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace worldline::replication::testing
