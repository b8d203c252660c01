// The network in memory: what it promises when it is sound, and that its faults are what they say
// and the same for the same seed.
#include "replication/transport/memory_transport.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/replication/transport/wire_fixture.h"

namespace worldline::replication::testing {
namespace {

constexpr NodeId kA{1}, kB{2}, kC{3};

struct Listener final : TransportListener {
  void on_messages(ReceivedBatchPtr batch) override {
    for (const WireMessage& message : batch->messages) {
      const auto& body = std::get<Envelope>(message).body;
      if (const auto* request = std::get_if<ReadIndexReq>(&body))
        tokens.push_back(request->token.value);
    }
    batches.push_back(std::move(batch));
  }
  void on_stream_up(const StreamUp& stream) override { ups.push_back(stream); }
  void on_stream_down(NodeId peer, TrafficClass cls, const StreamEnd& end) override {
    if (cls != TrafficClass::kControl) return;
    downs.push_back({peer, end.reason});
    last_text = end.text;
  }
  void on_dropped(NodeId, TrafficClass, std::vector<MessageBatch>) override {}
  void on_goodbye(const NodeLife& peer, GoodbyeReason reason) override {
    goodbyes.push_back({peer, reason});
  }
  void on_note(const TransportNote& note) override { notes.push_back(note); }

  std::vector<uint64_t> tokens;
  std::vector<ReceivedBatchPtr> batches;
  std::vector<StreamUp> ups;
  std::vector<std::pair<NodeId, EndReason>> downs;
  std::string last_text;  // Of downs.
  std::vector<TransportNote> notes;
  std::vector<std::pair<NodeLife, GoodbyeReason>> goodbyes;
};

PeerInfo memory_peer(NodeId node) {
  PeerInfo peer;
  peer.node = node;
  peer.uuid.fill(static_cast<Byte>(node.value));
  peer.addresses = {"memory:1"};
  return peer;
}

class MemoryTransportTest : public ::testing::Test {
 protected:
  explicit MemoryTransportTest(uint64_t seed = 11) : network_(seed) {
    for (const NodeId node : {kA, kB, kC}) start(node, 1);
  }
  void start(NodeId node, uint64_t incarnation) {
    transports_[node] = std::make_unique<MemoryTransport>(network_, identity_of(node, incarnation),
                                                          listeners_[node]);
    EXPECT_TRUE(
        transports_[node]->set_peers({memory_peer(kA), memory_peer(kB), memory_peer(kC)}).ok());
    lives_[node] = {node, incarnation};
  }
  Status send(NodeId from, NodeId to, uint64_t token) {
    Envelope message = envelope_with(ReadIndexReq{ReadToken{token}});
    message.from = {from, lives_[from].incarnation, ReplicaId{1}};
    message.to = {to, 0, ReplicaId{2}};
    return transports_[from]->send(to, TrafficClass::kControl, make_batch({message}));
  }
  void send_many(NodeId from, NodeId to, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) ASSERT_TRUE(send(from, to, i).ok());
  }

  MemoryNetwork network_;
  std::map<NodeId, Listener> listeners_;
  std::map<NodeId, NodeLife> lives_;
  std::map<NodeId, std::unique_ptr<MemoryTransport>> transports_;
};

TEST_F(MemoryTransportTest, DeliversInOrderInTheNextRound) {
  EXPECT_EQ(listeners_[kA].ups.size(), 2 * kTrafficClasses.size());
  send_many(kA, kB, 100);
  EXPECT_TRUE(listeners_[kB].tokens.empty());
  EXPECT_EQ(network_.in_flight(), 100u);
  EXPECT_EQ(network_.pump(), 1u) << "one batch";
  ASSERT_EQ(listeners_[kB].tokens.size(), 100u);
  for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(listeners_[kB].tokens[i], i);
  EXPECT_EQ(listeners_[kB].batches[0]->from, (NodeLife{kA, 1}));
  EXPECT_TRUE(listeners_[kC].tokens.empty());
  EXPECT_EQ(network_.pump(), 0u);
}

TEST_F(MemoryTransportTest, RefusesWhatTheRealOneRefuses) {
  EXPECT_EQ(send(kA, NodeId{9}, 1).code(), StatusCode::kNotFound);
  Envelope message = envelope_with(ReadIndexReq{});
  message.from = {kB, 1, ReplicaId{1}};
  message.to = {kB, 0, ReplicaId{2}};
  EXPECT_EQ(transports_[kA]->send(kB, TrafficClass::kControl, make_batch({message})).code(),
            StatusCode::kInvalidArgument)
      << "in another's name";
  network_.stall(kA, kB, TrafficClass::kControl);
  Status status;
  uint64_t accepted = 0;
  for (; status.ok(); ++accepted) status = send(kA, kB, accepted);
  EXPECT_EQ(status.code(), StatusCode::kOverloaded);
  EXPECT_EQ(accepted - 1, MemoryTransport::kLimits[0].queued_messages_max);
  EXPECT_EQ(network_.pump(), 0u) << "stalled";
  network_.resume(kA, kB, TrafficClass::kControl);
  EXPECT_EQ(network_.pump_until_quiet(), 1u);
  EXPECT_EQ(listeners_[kB].tokens.size(), accepted - 1);
}

TEST_F(MemoryTransportTest, LosesWhatIsOnACutLink) {
  send_many(kA, kB, 5);
  network_.cut(kA, kB);
  EXPECT_EQ(network_.pump(), 0u);
  EXPECT_EQ(listeners_[kA].downs,
            (std::vector<std::pair<NodeId, EndReason>>{{kB, EndReason::kSilent}}));
  EXPECT_EQ(send(kA, kB, 5).code(), StatusCode::kUnavailable);
  EXPECT_TRUE(send(kB, kA, 6).ok()) << "the other direction is whole";
  network_.heal(kA, kB);
  EXPECT_TRUE(send(kA, kB, 7).ok());
  network_.pump();
  EXPECT_EQ(listeners_[kB].tokens, std::vector<uint64_t>{7});
  EXPECT_EQ(listeners_[kA].tokens, std::vector<uint64_t>{6});
}

TEST_F(MemoryTransportTest, IsolatesANodeFromAll) {
  network_.isolate(kC);
  EXPECT_EQ(send(kA, kC, 1).code(), StatusCode::kUnavailable);
  EXPECT_EQ(send(kC, kB, 1).code(), StatusCode::kUnavailable);
  EXPECT_TRUE(send(kA, kB, 1).ok());
  network_.heal_all();
  EXPECT_TRUE(send(kC, kB, 1).ok());
}

TEST_F(MemoryTransportTest, TellsTheDeathOfAProcessAndItsNextLife) {
  send_many(kA, kB, 3);
  transports_[kB]->say_goodbye(GoodbyeReason::kShutdown, std::chrono::milliseconds(1));
  EXPECT_EQ(listeners_[kA].goodbyes.size(), 1u);
  transports_[kB].reset();
  EXPECT_EQ(listeners_[kA].downs, (std::vector<std::pair<NodeId, EndReason>>{
                                      {kB, EndReason::kClosed}, {kB, EndReason::kRefused}}));
  EXPECT_EQ(network_.pump(), 0u);
  start(kB, 2);
  EXPECT_EQ(listeners_[kA].ups.back().peer, (NodeLife{kB, 2}));
  ASSERT_TRUE(send(kA, kB, 9).ok());
  network_.pump();
  EXPECT_EQ(listeners_[kB].tokens, std::vector<uint64_t>{9}) << "nothing of the life before";
}

TEST_F(MemoryTransportTest, KeepsTheOldLifeOfANodeOut) {
  transports_[kB].reset();
  start(kB, 5);
  transports_[kB].reset();
  start(kB, 4);
  EXPECT_EQ(send(kA, kB, 1).code(), StatusCode::kUnavailable);
  EXPECT_EQ(send(kB, kA, 1).code(), StatusCode::kUnavailable);
}

TEST_F(MemoryTransportTest, MayBeAnsweredFromACallback) {
  struct Echo final : TransportListener {
    void on_messages(ReceivedBatchPtr batch) override {
      if (++count < 20) answer(batch->from.node);
    }
    void on_stream_up(const StreamUp&) override {}
    void on_stream_down(NodeId, TrafficClass, const StreamEnd&) override {}
    void on_dropped(NodeId, TrafficClass, std::vector<MessageBatch>) override {}
    void on_goodbye(const NodeLife&, GoodbyeReason) override {}
    void on_note(const TransportNote&) override {}
    std::function<void(NodeId)> answer;
    int count = 0;
  };
  MemoryNetwork network(3);
  Echo a, b;
  MemoryTransport first(network, identity_of(kA, 1), a), second(network, identity_of(kB, 1), b);
  const auto answer = [](MemoryTransport& transport) {
    return [&transport](NodeId to) {
      Envelope message = envelope_with(TimeoutNow{});
      message.from = {transport.node(), 1, ReplicaId{1}};
      message.to = {to, 0, ReplicaId{2}};
      EXPECT_TRUE(transport.send(to, TrafficClass::kControl, make_batch({message})).ok());
    };
  };
  a.answer = answer(first);
  b.answer = answer(second);
  ASSERT_TRUE(first.set_peers({memory_peer(kB)}).ok());
  ASSERT_TRUE(second.set_peers({memory_peer(kA)}).ok());
  a.answer(kB);
  network.pump_until_quiet();
  EXPECT_EQ(a.count + b.count, 39);
}

// ---- Faults -------------------------------------------------------------------------------------

std::vector<uint64_t> deliveries(uint64_t seed, const MemoryFaults& faults) {
  MemoryNetwork network(seed);
  Listener a, b;
  MemoryTransport first(network, identity_of(kA, 1), a), second(network, identity_of(kB, 1), b);
  EXPECT_TRUE(first.set_peers({memory_peer(kB)}).ok());
  EXPECT_TRUE(second.set_peers({memory_peer(kA)}).ok());
  network.set_faults(faults);
  for (uint64_t i = 0; i < 1000; ++i) {
    Envelope message = envelope_with(ReadIndexReq{ReadToken{i}});
    message.from = {kA, 1, ReplicaId{1}};
    message.to = {kB, 0, ReplicaId{2}};
    EXPECT_TRUE(first.send(kB, TrafficClass::kControl, make_batch({message})).ok());
    if (i % 10 == 0) network.pump();
  }
  network.pump_until_quiet();
  return b.tokens;
}

TEST(MemoryFaultsTest, DoWhatTheySay) {
  const size_t lost = 1000 - deliveries(1, {.loss_one_in = 10}).size();
  EXPECT_GT(lost, 50u);
  EXPECT_LT(lost, 200u);
  const size_t doubled = deliveries(1, {.double_one_in = 10}).size() - 1000;
  EXPECT_GT(doubled, 50u);
  EXPECT_LT(doubled, 200u);
  auto mixed = deliveries(1, {.reorder_one_in = 4});
  EXPECT_FALSE(std::is_sorted(mixed.begin(), mixed.end()));
  std::sort(mixed.begin(), mixed.end());
  EXPECT_EQ(mixed, deliveries(1, {})) << "nothing is lost";
  const auto delayed = deliveries(1, {.delay_rounds_max = 5});
  EXPECT_EQ(delayed, deliveries(1, {})) << "late, but in order";
}

TEST(MemoryFaultsTest, AreTheSameForTheSameSeed) {
  const MemoryFaults faults{
      .loss_one_in = 7, .double_one_in = 9, .reorder_one_in = 5, .delay_rounds_max = 3};
  EXPECT_EQ(deliveries(42, faults), deliveries(42, faults));
  EXPECT_NE(deliveries(42, faults), deliveries(43, faults));
}

// [S 08/1.7 A9]: not just dropped, or a peer that is wrong would stay wrong at full speed.
TEST_F(MemoryTransportTest, ARejectedStreamEndsAndComesAgainLaterEachTime) {
  const size_t ups_before = listeners_[kA].ups.size();
  uint64_t pause_before = 0;
  for (uint64_t time = 0; time < 3; ++time) {
    send_many(kA, kB, 3);
    ASSERT_EQ(network_.pump(), 1u);
    ASSERT_TRUE(send(kA, kB, 100).ok());  // On its way when the stream ends.
    transports_[kB]->reject(lives_[kA], TrafficClass::kControl, "an impossible message");
    EXPECT_EQ(listeners_[kA].downs.back(), (std::pair{kB, EndReason::kProtocol}));
    EXPECT_EQ(listeners_[kA].last_text, "an impossible message");
    EXPECT_EQ(send(kA, kB, 101).code(), StatusCode::kUnavailable);
    EXPECT_TRUE(send(kB, kA, 102).ok()) << "the other direction is another stream";
    EXPECT_TRUE(send(kC, kB, 103).ok()) << "others are not disturbed";
    const uint64_t from_round = network_.round();
    while (listeners_[kA].ups.size() == ups_before + time) network_.pump();
    EXPECT_GT(network_.round() - from_round, pause_before);
    pause_before = network_.round() - from_round;
  }
  const std::vector<uint64_t>& heard = listeners_[kB].tokens;
  EXPECT_EQ(std::count(heard.begin(), heard.end(), 100u), 0);
  EXPECT_EQ(std::count(heard.begin(), heard.end(), 103u), 3);
  EXPECT_EQ(listeners_[kB].notes.size(), 3u);
  EXPECT_EQ(listeners_[kB].notes.back().kind, TransportNoteKind::kStreamRejected);
  EXPECT_EQ(listeners_[kB].notes.back().text, "an impossible message");
  EXPECT_EQ(transports_[kB]->counters()[slot_of(TrafficClass::kControl)].streams_rejected, 3u);
}

TEST_F(MemoryTransportTest, RejectingALifeThatIsGoneChangesNothing) {
  transports_[kA].reset();
  start(kA, 2);
  const size_t downs = listeners_[kA].downs.size();
  transports_[kB]->reject({kA, 1}, TrafficClass::kControl, "of the past");
  transports_[kB]->reject({NodeId{9}, 1}, TrafficClass::kControl, "of nobody");
  EXPECT_EQ(listeners_[kA].downs.size(), downs);
  EXPECT_TRUE(send(kA, kB, 1).ok());
  EXPECT_TRUE(listeners_[kB].notes.empty());
}

}  // namespace
}  // namespace worldline::replication::testing
