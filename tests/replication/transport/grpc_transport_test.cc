// The transport over real connections on this machine: order, bounds, isolation of the classes,
// streams that break and come again [S 08/3.1, 3.4].
#include <gtest/gtest.h>

#include "tests/replication/transport/mute_peer.h"
#include "tests/replication/transport/transport_fixture.h"
#include "tests/replication/transport/wire_fixture.h"

namespace worldline::replication::testing {
namespace {

using std::chrono::milliseconds;

// Two nodes that know each other; their streams are up.
struct Pair {
  explicit Pair(TransportConfig a_config = config_of(1), TransportConfig b_config = config_of(2))
      : a(std::move(a_config)), b(std::move(b_config)) {
    a.meet({&b});
    b.meet({&a});
    EXPECT_TRUE(a.wait_up(b.id()));
    EXPECT_TRUE(b.wait_up(a.id()));
  }
  TestNode a, b;
};

// Sends until the queue has room; the stream must be up or come up.
void send_patiently(TestNode& from, NodeId to, TrafficClass cls, uint64_t number,
                    size_t payload_bytes = 0) {
  for (;;) {
    const Status status = from.send(to, cls, number, payload_bytes);
    if (status.ok()) return;
    ASSERT_TRUE(status.code() == StatusCode::kOverloaded ||
                status.code() == StatusCode::kUnavailable)
        << status.message();
    std::this_thread::yield();
  }
}

bool is_sequence(const std::vector<uint64_t>& numbers, uint64_t count) {
  if (numbers.size() != count) return false;
  for (uint64_t i = 0; i < count; ++i)
    if (numbers[i] != i) return false;
  return true;
}

TEST(GrpcTransportTest, DeliversEachClassInOrderBothWays) {
  Pair nodes;
  constexpr uint64_t kCount = 2000;
  for (uint64_t i = 0; i < kCount; ++i) {
    for (const TrafficClass cls : kTrafficClasses) {
      send_patiently(nodes.a, nodes.b.id(), cls, i, cls == TrafficClass::kLog ? i % 5000 : 0);
      send_patiently(nodes.b, nodes.a.id(), cls, i);
    }
  }
  for (TestNode* node : {&nodes.a, &nodes.b}) {
    EXPECT_TRUE(node->listener().wait([](const Heard& heard) {
      return std::all_of(kTrafficClasses.begin(), kTrafficClasses.end(),
                         [&](TrafficClass cls) { return heard.of(cls).size() >= kCount; });
    }));
    const Heard heard = node->listener().heard();
    for (const TrafficClass cls : kTrafficClasses)
      EXPECT_TRUE(is_sequence(heard.of(cls), kCount)) << traffic_class_name(cls);
    EXPECT_TRUE(heard.downs.empty());
    EXPECT_TRUE(heard.notes.empty());
  }
  const TransportCounters sent = nodes.a.transport().counters();
  const TransportCounters received = nodes.b.transport().counters();
  for (const TrafficClass cls : kTrafficClasses) {
    EXPECT_EQ(sent[slot_of(cls)].messages_sent, kCount);
    EXPECT_EQ(received[slot_of(cls)].messages_received, kCount);
    EXPECT_EQ(received[slot_of(cls)].bytes_received, sent[slot_of(cls)].bytes_sent);
    EXPECT_LE(sent[slot_of(cls)].frames_sent, kCount);
  }
}

TEST(GrpcTransportTest, TellsWhoIsThere) {
  Pair nodes(config_of(1, 7), config_of(2, 9));
  const Heard heard = nodes.a.listener().heard();
  EXPECT_EQ(heard.ups[0].peer, (NodeLife{NodeId{2}, 9}));
  EXPECT_EQ(heard.ups[0].feature_level, 102u);
}

TEST(GrpcTransportTest, CarriesTheLargestLogEntry) {
  Pair nodes;
  ASSERT_TRUE(nodes.a.send(nodes.b.id(), TrafficClass::kLog, 1, limits::kLogEntryBytesMax).ok());
  EXPECT_TRUE(nodes.b.listener().wait(
      [](const Heard& heard) { return heard.of(TrafficClass::kLog).size() == 1; }));
}

TEST(GrpcTransportTest, RefusesWhatNobodyWouldAccept) {
  Pair nodes;
  const NodeId b = nodes.b.id();
  EXPECT_EQ(nodes.a.send(NodeId{9}, TrafficClass::kLog, 1).code(), StatusCode::kNotFound);
  EXPECT_EQ(nodes.a.send(b, TrafficClass::kCalls, 1, 2 * limits::kClientMessageBytesMax).code(),
            StatusCode::kTooLarge);
  const auto misplaced = make_batch({numbered(TrafficClass::kControl, 1, nodes.a.life(), b)});
  EXPECT_EQ(nodes.a.transport().send(b, TrafficClass::kLog, misplaced).code(),
            StatusCode::kInvalidArgument);
  const auto borrowed_name = make_batch({numbered(TrafficClass::kLog, 1, nodes.b.life(), b)});
  EXPECT_EQ(nodes.a.transport().send(b, TrafficClass::kLog, borrowed_name).code(),
            StatusCode::kInvalidArgument);
  nodes.a.stop();
  EXPECT_FALSE(nodes.a.send(b, TrafficClass::kLog, 1).ok());
}

TEST(GrpcTransportTest, SaysSoWhenThePortIsTaken) {
  TestNode first(config_of(1));
  TransportConfig config = config_of(2);
  config.listen_address = "127.0.0.1:" + std::to_string(first.port());
  RecordingListener listener;
  const auto second = GrpcTransport::start(config, listener, test_now());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kIoError);
  EXPECT_NE(second.status().message().find(config.listen_address), std::string::npos);
}

// ---- One class never waits for another ----------------------------------------------------------

TEST(GrpcTransportTest, ControlPassesWhileAPeerDoesNotReadBulk) {
  TestNode node(config_of(1));
  MutePeer peer(config_of(2), TrafficClass::kBulk);
  ASSERT_TRUE(node.transport().set_peers({peer.info()}).ok());
  ASSERT_TRUE(node.wait_up(NodeId{2}));
  uint64_t accepted_bytes = 0;
  constexpr size_t kChunk = 512 * limits::KiB;
  for (;;) {  // Until nothing is accepted any more: queue and flow control are full.
    const Status status = node.send(NodeId{2}, TrafficClass::kBulk, 0, kChunk);
    if (status.code() == StatusCode::kOverloaded) break;
    ASSERT_TRUE(status.ok()) << status.message();
    accepted_bytes += kChunk;
    ASSERT_LT(accepted_bytes, 256 * limits::MiB) << "memory is not bounded";
  }
  for (uint64_t i = 0; i < 100; ++i) send_patiently(node, NodeId{2}, TrafficClass::kControl, i);
  for (uint64_t i = 0; i < 100; ++i) send_patiently(node, NodeId{2}, TrafficClass::kLog, i);
  EXPECT_TRUE(peer.wait_envelopes(200));
  EXPECT_GT(node.transport().counters()[slot_of(TrafficClass::kBulk)].refused_full, 0u);
}

// A receiver that holds what it got: the window fills, the stream is not read, nothing is lost.
TEST(GrpcTransportTest, SlowsASenderDownInsteadOfPilingUp) {
  TransportConfig receiver = config_of(2);
  receiver.classes[slot_of(TrafficClass::kLog)].received_bytes_max = 64 * limits::KiB;
  TransportConfig sender = config_of(1);
  sender.classes[slot_of(TrafficClass::kLog)].queue = {limits::MiB, 10'000};
  Pair nodes(sender, receiver);
  nodes.b.listener().hold(TrafficClass::kLog);
  uint64_t accepted = 0;
  constexpr size_t kPayload = 16 * limits::KiB;
  for (;;) {
    const Status status = nodes.a.send(nodes.b.id(), TrafficClass::kLog, accepted, kPayload);
    if (status.code() == StatusCode::kOverloaded &&
        nodes.b.transport().counters()[slot_of(TrafficClass::kLog)].receive_pauses > 0)
      break;
    if (status.code() == StatusCode::kOverloaded) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_LT(++accepted * kPayload, 256 * limits::MiB) << "memory is not bounded";
  }
  for (uint64_t i = 0; i < 10; ++i)
    send_patiently(nodes.a, nodes.b.id(), TrafficClass::kControl, i);
  EXPECT_TRUE(nodes.b.listener().wait([](const Heard& heard) {
    return heard.of(TrafficClass::kControl).size() == 10;
  })) << "control waits for log";
  const auto held = nodes.b.listener().heard().of(TrafficClass::kLog).size();
  EXPECT_LE(held * kPayload, 64 * limits::KiB + 2 * kFrameBytesTarget);
  nodes.b.listener().let_go();
  EXPECT_TRUE(nodes.b.listener().wait(
      [accepted](const Heard& heard) { return heard.of(TrafficClass::kLog).size() == accepted; }));
  EXPECT_TRUE(is_sequence(nodes.b.listener().heard().of(TrafficClass::kLog), accepted));
}

TEST(GrpcTransportTest, ABlockedReceiverOfOneClassDelaysNoOther) {
  std::mutex mutex;
  std::condition_variable opened;
  bool is_open = false, is_blocked = false;
  Pair nodes;  // Last: a receiver may wait for what is above until it ends.
  nodes.b.listener().set_reaction([&](const ReceivedBatch& batch) {
    if (batch.cls != TrafficClass::kLog) return;
    std::unique_lock lock(mutex);
    is_blocked = true;
    opened.notify_all();
    opened.wait(lock, [&] { return is_open; });
  });
  ASSERT_TRUE(nodes.a.send(nodes.b.id(), TrafficClass::kLog, 0).ok());
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(opened.wait_for(lock, kDeadline, [&] { return is_blocked; }));
  }
  for (const TrafficClass cls :
       {TrafficClass::kControl, TrafficClass::kBulk, TrafficClass::kCalls}) {
    send_patiently(nodes.a, nodes.b.id(), cls, 0);
    EXPECT_TRUE(nodes.b.listener().wait([cls](const Heard& heard) {
      return heard.of(cls).size() == 1;
    })) << traffic_class_name(cls);
  }
  const std::lock_guard lock(mutex);
  is_open = true;
  opened.notify_all();
}

// ---- Streams that break -------------------------------------------------------------------------

TEST(GrpcTransportTest, TellsADeadProcessFromADeadMachine) {
  Pair nodes;
  nodes.b.stop();
  EXPECT_TRUE(nodes.a.listener().wait([](const Heard& heard) {
    return heard.is_down(NodeId{2}, TrafficClass::kControl, EndReason::kClosed) &&
           heard.is_down(NodeId{2}, TrafficClass::kControl, EndReason::kRefused);
  }));
  EXPECT_FALSE(nodes.a.listener().heard().is_down(NodeId{2}, TrafficClass::kControl,
                                                  EndReason::kUnreachable));
}

TEST(GrpcTransportTest, FindsANewLifeOfAPeerAndFencesTheOld) {
  Pair nodes(config_of(1), config_of(2, 5));
  nodes.b.restart(6);
  nodes.b.meet({&nodes.a});
  EXPECT_TRUE(nodes.a.listener().wait([](const Heard& heard) {
    return heard.count_up(NodeLife{NodeId{2}, 6}) >= 2;
  }));
  send_patiently(nodes.a, NodeId{2}, TrafficClass::kLog, 42);
  EXPECT_TRUE(nodes.b.listener().wait([](const Heard& heard) {
    return !heard.of(TrafficClass::kLog).empty() && heard.of(TrafficClass::kLog).back() == 42;
  }));
  // A copy of the data directory, or a process that slept through its successor.
  nodes.b.restart(5);
  nodes.b.meet({&nodes.a});
  EXPECT_TRUE(nodes.a.listener().wait([](const Heard& heard) {
    return heard.is_down(NodeId{2}, TrafficClass::kControl, EndReason::kRejected) &&
           heard.has_note(TransportNoteKind::kHandshakeRefused, "incarnation 5 of node 2 is gone");
  }));
  EXPECT_EQ(nodes.b.listener().heard().of(TrafficClass::kLog).back(), 42u);
}

// Or the votes of an election right after its restart are lost on the way to it.
TEST(GrpcTransportTest, WaitsOutNoPauseWhenThePeerHasCome) {
  TransportConfig config = config_of(1);
  config.backoff = {std::chrono::hours(1), std::chrono::hours(1)};
  Pair nodes(config, config_of(2, 5));
  nodes.b.stop();
  ASSERT_TRUE(nodes.a.listener().wait([](const Heard& heard) {
    return std::count_if(heard.downs.begin(), heard.downs.end(),
                         [](const DownEvent& down) { return down.peer == NodeId{2}; }) >= 2;
  }));
  nodes.b.restart(6);
  nodes.b.meet({&nodes.a});
  EXPECT_TRUE(nodes.a.listener().wait([](const Heard& heard) {
    return heard.count_up(NodeLife{NodeId{2}, 6}) >= 2;
  }));
}

TEST(GrpcTransportTest, LosesWhatIsQueuedWithItsStreamAndSaysSo) {
  TestNode node(config_of(1));
  auto peer = std::make_unique<MutePeer>(config_of(2), TrafficClass::kLog);
  ASSERT_TRUE(node.transport().set_peers({peer->info()}).ok());
  ASSERT_TRUE(node.wait_up(NodeId{2}));
  while (node.send(NodeId{2}, TrafficClass::kLog, 0, limits::MiB).ok()) continue;
  peer.reset();
  EXPECT_TRUE(node.listener().wait([](const Heard& heard) {
    return heard.dropped_batches > 0 &&
           heard.is_down(NodeId{2}, TrafficClass::kLog, EndReason::kClosed);
  }));
  EXPECT_GT(node.transport().counters()[slot_of(TrafficClass::kLog)].dropped_messages, 0u);
}

TEST(GrpcTransportTest, FindsAStoppedPeerByKeepalive) {
  TransportConfig config = config_of(1);
  config.keepalive_interval = milliseconds(300);
  config.keepalive_timeout = milliseconds(500);
  TestNode a(config), b(config_of(2));
  SilentNetwork network(b.port());
  ASSERT_TRUE(a.transport().set_peers({b.info(network.port())}).ok());
  b.meet({&a});
  ASSERT_TRUE(a.wait_up(b.id()));
  send_patiently(a, b.id(), TrafficClass::kControl, 0);
  ASSERT_TRUE(b.listener().wait(
      [](const Heard& heard) { return !heard.of(TrafficClass::kControl).empty(); }));
  network.fall_silent();
  EXPECT_TRUE(a.listener().wait([](const Heard& heard) {
    return heard.is_down(NodeId{2}, TrafficClass::kControl, EndReason::kSilent) &&
           heard.is_down(NodeId{2}, TrafficClass::kLog, EndReason::kSilent);
  }));
}

TEST(GrpcTransportTest, GivesAnAttemptUpThatGetsNoAnswer) {
  TransportConfig config = config_of(1);
  config.attempt_timeout = milliseconds(200);
  TestNode a(config), b(config_of(2));
  SilentNetwork network(b.port());
  network.fall_silent();
  ASSERT_TRUE(a.transport().set_peers({b.info(network.port())}).ok());
  EXPECT_TRUE(a.listener().wait([](const Heard& heard) {
    return heard.is_down(NodeId{2}, TrafficClass::kControl, EndReason::kSilent) ||
           heard.is_down(NodeId{2}, TrafficClass::kControl, EndReason::kUnreachable);
  }));
}

TEST(GrpcTransportTest, TriesAPeersAddressesInTurn) {
  TestNode a(config_of(1)), b(config_of(2));
  PeerInfo peer = b.info();
  {
    const TestNode gone(config_of(3));
    peer.addresses.insert(peer.addresses.begin(), gone.info().addresses[0]);
  }
  b.meet({&a});
  ASSERT_TRUE(a.transport().set_peers({peer}).ok());
  EXPECT_TRUE(a.wait_up(b.id()));
}

TEST(GrpcTransportTest, FollowsAPeerToItsNewAddress) {
  TestNode a(config_of(1)), b(config_of(2));
  PeerInfo peer = b.info();
  {
    const TestNode gone(config_of(3));
    peer.addresses = gone.info().addresses;
  }
  b.meet({&a});
  ASSERT_TRUE(a.transport().set_peers({peer}).ok());
  ASSERT_TRUE(a.listener().wait([](const Heard& heard) {
    return heard.is_down(NodeId{2}, TrafficClass::kControl, EndReason::kRefused);
  }));
  a.meet({&b});
  EXPECT_TRUE(a.wait_up(b.id()));
}

// ---- Peers that come and go ---------------------------------------------------------------------

TEST(GrpcTransportTest, EndsTheStreamsOfARemovedPeer) {
  Pair nodes;
  nodes.a.meet({});
  EXPECT_TRUE(nodes.a.listener().wait([](const Heard& heard) {
    return heard.is_down(NodeId{2}, TrafficClass::kControl, EndReason::kRemoved) &&
           heard.is_down(NodeId{2}, TrafficClass::kLog, EndReason::kRemoved);
  }));
  EXPECT_EQ(nodes.a.send(NodeId{2}, TrafficClass::kLog, 1).code(), StatusCode::kNotFound);
  EXPECT_TRUE(nodes.b.listener().wait([](const Heard& heard) {
    return heard.is_down(NodeId{1}, TrafficClass::kControl, EndReason::kRejected);
  })) << "who was removed is told so";
  nodes.a.meet({&nodes.b});
  EXPECT_TRUE(
      nodes.a.listener().wait([](const Heard& heard) { return heard.count_up(NodeId{2}) >= 4; }));
  send_patiently(nodes.a, NodeId{2}, TrafficClass::kLog, 7);
  EXPECT_TRUE(nodes.b.listener().wait(
      [](const Heard& heard) { return !heard.of(TrafficClass::kLog).empty(); }));
}

TEST(GrpcTransportTest, SaysGoodbyeAheadOfWhatIsQueued) {
  Pair nodes(config_of(1, 4));
  nodes.a.transport().say_goodbye(GoodbyeReason::kStorage, kDeadline);
  EXPECT_TRUE(nodes.b.listener().wait([](const Heard& heard) {
    return heard.goodbyes.size() == 1 && heard.goodbyes[0].peer == NodeLife{NodeId{1}, 4} &&
           heard.goodbyes[0].reason == GoodbyeReason::kStorage;
  }));
}

TEST(GrpcTransportTest, SaysGoodbyeToNobodyWithoutWaiting) {
  TestNode node(config_of(1));
  node.transport().say_goodbye(GoodbyeReason::kShutdown, kDeadline);
  const TestNode gone(config_of(2));
  node.meet({&gone});  // It does not know us: no stream comes up.
  node.transport().say_goodbye(GoodbyeReason::kShutdown, kDeadline);
}

// ---- Strangers ----------------------------------------------------------------------------------

TEST(GrpcTransportTest, EndsStreamsOfBytesThatAreNoFrames) {
  Pair nodes;
  FrameEncoder encoder;
  TransportConfig third = config_of(3);
  nodes.b.transport().set_peers({nodes.a.info(), TestNode(third).info()}).ignore("checked below");
  const std::string greeting =
      bytes_of(encoder.encode(Handshake{third.identity, TrafficClass::kLog, NodeId{2}}));
  const std::string frame =
      encoded(numbered(TrafficClass::kLog, 5, {NodeId{3}, 1}, NodeId{2}, 100));
  std::string damaged = frame;
  damaged[20] = static_cast<char>(damaged[20] ^ 1);
  struct Case {
    const char* name;
    std::vector<std::string> frames;
    const char* says;
  };
  const Case cases[] = {
      {"Garbage", {"garbage"}, "does not begin with its checksum"},
      {"Nothing", {""}, "does not begin with its checksum"},
      {"NoHandshake", {frame}, "the first frame is no handshake"},
      {"TwoHandshakes", {greeting, greeting}, "a second handshake"},
      {"Damaged", {greeting, damaged}, "checksum"},
      {"TooLong", {std::string(kHandshakeBytesMax + 1, 'x')}, "exceed the limit"},
  };
  for (const Case& c : cases) {
    const RawAnswer answer = send_raw(nodes.b.port(), TrafficClass::kLog, c.frames);
    EXPECT_FALSE(answer.is_ok) << c.name;
    EXPECT_NE(answer.text.find(c.says), std::string::npos) << c.name << ": " << answer.text;
  }
  EXPECT_TRUE(nodes.b.listener().heard().has_note(TransportNoteKind::kBadFrame, "checksum"));
  EXPECT_GE(nodes.b.transport().counters()[slot_of(TrafficClass::kLog)].invalid_frames, 5u);
  EXPECT_TRUE(nodes.b.listener().heard().of(TrafficClass::kLog).empty());
  send_patiently(nodes.a, NodeId{2}, TrafficClass::kLog, 7);
  EXPECT_TRUE(nodes.b.listener().wait([](const Heard& heard) {
    return heard.of(TrafficClass::kLog).size() == 1;
  })) << "others are not disturbed";
}

// [S 08/1.7 A9]: sound frames, a message that no node sends.
TEST(GrpcTransportTest, EndsTheStreamOfAnImpossibleMessageAndIsDialledAgainAfterAPause) {
  Pair nodes;
  TestNode &a = nodes.a, &b = nodes.b;
  const std::string why = "node 1 sent group 7 a malformed Append";
  b.listener().set_reaction([&](const ReceivedBatch& batch) {
    if (batch.cls == TrafficClass::kLog) b.transport().reject(batch.from, batch.cls, why);
  });
  const auto began = std::chrono::steady_clock::now();
  constexpr size_t kTimes = 4;
  for (size_t time = 1; time <= kTimes; ++time) {
    send_patiently(a, b.id(), TrafficClass::kLog, time);
    ASSERT_TRUE(a.listener().wait([&](const Heard& heard) {
      return std::count_if(heard.downs.begin(), heard.downs.end(), [&](const DownEvent& down) {
               return down.cls == TrafficClass::kLog && down.end.reason == EndReason::kProtocol &&
                      down.end.text == why;
             }) == static_cast<ptrdiff_t>(time);
    }));
    ASSERT_TRUE(a.listener().wait([&](const Heard& heard) {
      return std::count_if(heard.ups.begin(), heard.ups.end(), [](const StreamUp& up) {
               return up.cls == TrafficClass::kLog;
             }) == static_cast<ptrdiff_t>(time + 1);
    }));
  }
  // Chance shortens a pause by half at most.
  EXPECT_GE(std::chrono::steady_clock::now() - began, a.config().backoff.min / 2 * kTimes);
  EXPECT_TRUE(b.listener().heard().has_note(TransportNoteKind::kStreamRejected, why));
  EXPECT_EQ(b.transport().counters()[slot_of(TrafficClass::kLog)].streams_rejected, kTimes);
  b.listener().set_reaction({});
  send_patiently(a, b.id(), TrafficClass::kLog, 99);
  EXPECT_TRUE(b.listener().wait(
      [&](const Heard& heard) { return heard.of(TrafficClass::kLog).size() == kTimes + 1; }));
  const Heard heard = a.listener().heard();
  EXPECT_TRUE(std::all_of(heard.downs.begin(), heard.downs.end(), [](const DownEvent& down) {
    return down.cls == TrafficClass::kLog;
  })) << "the other classes stay up";
}

// ---- The end ------------------------------------------------------------------------------------

TEST(GrpcTransportTest, StopsInTheMiddleOfEverything) {
  for (int round = 0; round < 5; ++round) {
    Pair nodes;
    std::atomic<bool> is_over{false};
    std::thread sender([&] {
      for (uint64_t i = 0; !is_over; ++i)
        for (const TrafficClass cls : kTrafficClasses)
          nodes.a.send(nodes.b.id(), cls, i, 1000).ignore("may be full or stopped");
    });
    EXPECT_TRUE(nodes.b.listener().wait(
        [](const Heard& heard) { return heard.of(TrafficClass::kCalls).size() > 100; }));
    if (round % 2 == 0) nodes.b.stop();
    nodes.a.stop();
    const size_t downs = nodes.a.listener().heard().downs.size();
    is_over = true;
    sender.join();
    EXPECT_EQ(nodes.a.listener().heard().downs.size(), downs) << "called after stop()";
    nodes.a.stop();  // Again.
  }
}

TEST(GrpcTransportTest, SendsNothingWhileNothingHappens) {
  Pair nodes;
  const TransportCounters before = nodes.a.transport().counters();
  // As long as two keepalives take, seen from another pair: nothing was sent here meanwhile.
  TransportConfig config = config_of(3);
  config.keepalive_interval = milliseconds(300);
  config.keepalive_timeout = milliseconds(300);
  TestNode c(config), d(config_of(4));
  SilentNetwork network(d.port());
  ASSERT_TRUE(c.transport().set_peers({d.info(network.port())}).ok());
  d.meet({&c});
  ASSERT_TRUE(c.wait_up(d.id()));
  network.fall_silent();
  ASSERT_TRUE(c.listener().wait([](const Heard& heard) { return !heard.downs.empty(); }));
  const TransportCounters after = nodes.a.transport().counters();
  for (const TrafficClass cls : kTrafficClasses) {
    EXPECT_EQ(after[slot_of(cls)].frames_sent, before[slot_of(cls)].frames_sent);
    EXPECT_EQ(after[slot_of(cls)].streams_up, before[slot_of(cls)].streams_up);
  }
  EXPECT_EQ(after[slot_of(TrafficClass::kBulk)].streams_up, 0u) << "dialled when needed";
  EXPECT_EQ(after[slot_of(TrafficClass::kCalls)].streams_up, 0u);
}

}  // namespace
}  // namespace worldline::replication::testing
