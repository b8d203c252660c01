// The codec against protobuf's own, against damage and lies, and against its future [S 08/1.4].
#include <cstdio>
#include <functional>

#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "tests/replication/transport/wire_fixture.h"

namespace worldline::replication::testing {
namespace {

using google::protobuf::FieldDescriptor;

constexpr uint64_t kSeed = 20250801;

class WireCodecTest : public ::testing::Test {
 protected:
  WireCodecTest() { std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed)); }
  Prng prng_{kSeed};
};

// What was decoded, as bytes: equal bytes of the naive codec mean equal fields.
std::string naive_of(const std::vector<WireMessage>& messages) {
  std::vector<const WireMessage*> run;
  for (const WireMessage& message : messages) run.push_back(&message);
  return naive_bytes(frame_of(run));
}

TEST_F(WireCodecTest, WritesWhatProtobufWrites) {
  for (int i = 0; i < 4000; ++i) {
    const WireMessage message = random_message(prng_);
    const WireMessage* one = &message;
    ASSERT_EQ(to_hex(as_bytes(encoded(message))),
              to_hex(as_bytes(naive_bytes(frame_of({&one, 1})))))
        << "message " << i;
  }
}

TEST_F(WireCodecTest, ReadsBackWhatItWroteHoweverItWasCut) {
  for (int i = 0; i < 4000; ++i) {
    const WireMessage message = random_message(prng_);
    const std::string bytes = encoded(message);
    const auto decoded =
        decode_frame(random_segments(bytes, prng_), ends_of(traffic_class_of(message)));
    ASSERT_TRUE(decoded.ok()) << "message " << i << ": " << decoded.status().message();
    ASSERT_EQ(decoded.value().invalid_count, 0u)
        << "message " << i << ": " << decoded.value().first_invalid.message();
    ASSERT_EQ(decoded.value().messages.size(), 1u);
    ASSERT_EQ(naive_of(decoded.value().messages), naive_of({message})) << "message " << i;
    if (const auto* envelope = std::get_if<Envelope>(&decoded.value().messages[0])) {
      const auto& sent = std::get<Envelope>(message);
      ASSERT_EQ(envelope->from, sent.from);
      ASSERT_EQ(envelope->to, sent.to);
    }
  }
}

TEST_F(WireCodecTest, IsNeverLargerThanItsBound) {
  for (int i = 0; i < 4000; ++i) {
    const WireMessage message = random_message(prng_);
    ASSERT_LE(encoded(message).size(), wire_bytes_bound(message)) << "message " << i;
    ASSERT_TRUE(validate_outgoing(message, ends_of(traffic_class_of(message))).ok());
  }
  for (const WireMessage& message : one_of_each())
    ASSERT_LE(encoded(message).size(), wire_bytes_bound(message));
}

TEST_F(WireCodecTest, KeepsTheOrderOfARun) {
  for (int i = 0; i < 200; ++i) {
    std::vector<WireMessage> messages;
    while (messages.size() < 1 + prng_.below(20)) {
      WireMessage message = random_message(prng_);
      if (frame_kind(message) == FrameKind::kEnvelopes &&
          traffic_class_of(message) == TrafficClass::kLog)
        messages.push_back(std::move(message));
    }
    std::vector<const WireMessage*> run;
    for (const WireMessage& message : messages) run.push_back(&message);
    const std::string bytes = bytes_of(FrameEncoder().encode(run));
    ASSERT_EQ(bytes, naive_of(messages));
    const auto decoded = decode_frame(random_segments(bytes, prng_), ends_of(TrafficClass::kLog));
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    ASSERT_EQ(naive_of(decoded.value().messages), naive_of(messages));
  }
}

TEST_F(WireCodecTest, SendsLargePayloadsWithoutCopyingThem) {
  const SharedBytes large = payload_of(64 * limits::KiB);
  Append append;
  append.prev = {Term{1}, LogIndex{1}};
  append.entries = {entry_at(2, 1, payload_of(10)), entry_at(3, 1, large), entry_at(4, 1, large)};
  const WireMessage message = envelope_with(append);
  const WireMessage* one = &message;
  const EncodedFrame frame = FrameEncoder().encode({&one, 1});
  ASSERT_EQ(frame.pieces.size(), 4u);
  EXPECT_EQ(frame.pieces[1].bytes.data(), large->data());
  EXPECT_EQ(frame.pieces[3].bytes.data(), large->data());
  EXPECT_EQ(frame.pieces[1].owner, large);
  EXPECT_EQ(bytes_of(frame).size(), frame.bytes);
}

// ---- Handshakes ---------------------------------------------------------------------------------

TEST_F(WireCodecTest, CarriesHandshakesAndGoodbyes) {
  const Handshake handshake{identity_of(NodeId{3}, 17), TrafficClass::kBulk, NodeId{5}};
  FrameEncoder encoder;
  const std::string bytes = bytes_of(encoder.encode(handshake));
  EXPECT_EQ(bytes, naive_bytes(frame_of(handshake)));
  const Bytes segment = as_bytes(bytes);
  const auto decoded = decode_frame({&segment, 1}, {{}, NodeId{5}, TrafficClass::kBulk});
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  ASSERT_TRUE(decoded.value().handshake);
  const Handshake& got = *decoded.value().handshake;
  EXPECT_EQ(got.identity.cluster, handshake.identity.cluster);
  EXPECT_EQ(got.identity.uuid, handshake.identity.uuid);
  EXPECT_EQ(got.identity.node, handshake.identity.node);
  EXPECT_EQ(got.identity.incarnation, 17u);
  EXPECT_EQ(got.identity.feature_level, 1u);
  EXPECT_EQ(got.cls, TrafficClass::kBulk);
  EXPECT_EQ(got.to, NodeId{5});

  const auto reply = decode_text(
      bytes_of(encoder.encode(HandshakeReply{identity_of(NodeId{5}, 2)})), TrafficClass::kLog);
  ASSERT_TRUE(reply.ok() && reply.value().handshake_reply);
  EXPECT_EQ(reply.value().handshake_reply->identity.incarnation, 2u);
  const auto goodbye = decode_text(bytes_of(encoder.encode(Goodbye{GoodbyeReason::kStorage})),
                                   TrafficClass::kControl);
  ASSERT_TRUE(goodbye.ok() && goodbye.value().goodbye);
  EXPECT_EQ(goodbye.value().goodbye->reason, GoodbyeReason::kStorage);
}

TEST_F(WireCodecTest, RefusesHandshakesThatNameNobody) {
  struct Case {
    const char* name;
    void (*change)(pb::Handshake&);
  };
  const Case cases[] = {
      {"ClusterIdTooShort", [](pb::Handshake& h) { h.set_cluster_id("short"); }},
      {"ClusterIdTooLong", [](pb::Handshake& h) { h.set_cluster_id(std::string(17, 'c')); }},
      {"NoClusterId", [](pb::Handshake& h) { h.clear_cluster_id(); }},
      {"UuidTooShort", [](pb::Handshake& h) { h.set_node_uuid("short"); }},
      {"NoUuid", [](pb::Handshake& h) { h.clear_node_uuid(); }},
      {"NoNode", [](pb::Handshake& h) { h.set_node_id(0); }},
      {"NodeOutOfRange", [](pb::Handshake& h) { h.set_node_id(UINT64_MAX); }},
      {"NoIncarnation", [](pb::Handshake& h) { h.set_incarnation(0); }},
      {"NoClass", [](pb::Handshake& h) { h.clear_traffic_class(); }},
      {"UnknownClass",
       [](pb::Handshake& h) { h.set_traffic_class(static_cast<pb::TrafficClass>(9)); }},
      {"NoTarget", [](pb::Handshake& h) { h.set_to_node_id(0); }},
  };
  for (const Case& c : cases) {
    pb::Frame frame =
        frame_of(Handshake{identity_of(NodeId{3}, 17), TrafficClass::kLog, NodeId{5}});
    c.change(*frame.mutable_handshake());
    EXPECT_FALSE(decode_text(naive_bytes(frame), TrafficClass::kLog).ok()) << c.name;
  }
}

// ---- Damage -------------------------------------------------------------------------------------

TEST_F(WireCodecTest, NoticesEveryFlippedBit) {
  for (const WireMessage& message : one_of_each()) {
    const std::string bytes = encoded(message);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      ASSERT_FALSE(decode_text(damaged, traffic_class_of(message)).ok())
          << "kind " << message.index() << " bit " << bit;
    }
  }
}

TEST_F(WireCodecTest, NoticesEveryMissingByte) {
  for (const WireMessage& message : one_of_each()) {
    const std::string bytes = encoded(message);
    for (size_t length = 0; length < bytes.size(); ++length)
      ASSERT_FALSE(decode_text(bytes.substr(0, length), traffic_class_of(message)).ok())
          << "kind " << message.index() << " length " << length;
  }
}

// Wrong lengths and types behind a right checksum: nothing is read beyond the frame (the address
// sanitizer watches), and the frame is refused as a whole.
TEST_F(WireCodecTest, SurvivesWrongSyntaxBehindARightChecksum) {
  size_t refused = 0;
  for (int i = 0; i < 20000; ++i) {
    const WireMessage message = random_message(prng_);
    std::string bytes = encoded(message);
    for (uint64_t flips = 1 + prng_.below(3); flips > 0; --flips)
      bytes[5 + prng_.below(bytes.size() - 5)] = static_cast<char>(prng_.next());
    store_le(reinterpret_cast<Byte*>(bytes.data()) + 1,
             crc32c(0, as_bytes(std::string_view(bytes).substr(5))));
    const auto decoded =
        decode_frame(random_segments(bytes, prng_), ends_of(traffic_class_of(message)));
    refused += decoded.ok() ? decoded.value().invalid_count : 1;
  }
  EXPECT_GT(refused, 1000u);
}

// ---- Frames that are refused as a whole ---------------------------------------------------------

struct FrameCase {
  const char* name;
  void (*change)(pb::Frame&);
  StatusCode code;
};
constexpr FrameCase kFrameCases[] = {
    {"NoBody", [](pb::Frame& f) { f.clear_body(); }, StatusCode::kInvalidArgument},
    {"NoWireVersion", [](pb::Frame& f) { f.clear_wire_version(); }, StatusCode::kInvalidArgument},
    {"NewerWireVersion", [](pb::Frame& f) { f.set_wire_version(kWireVersion + 1); },
     StatusCode::kNotSupported},
    {"TooManyMessages",
     [](pb::Frame& f) {
       while (f.envelopes().envelopes_size() <= static_cast<int>(kFrameMessagesMax))
         *f.mutable_envelopes()->add_envelopes() = f.envelopes().envelopes(0);
     },
     StatusCode::kTooLarge},
    {"TooManyCalls",
     [](pb::Frame& f) {
       while (f.calls().calls_size() <= static_cast<int>(kFrameMessagesMax))
         f.mutable_calls()->add_calls("");
     },
     StatusCode::kTooLarge},
    {"TooManyBytes",
     [](pb::Frame& f) {
       f.mutable_calls()->add_calls(std::string(frame_bytes_max(TrafficClass::kLog), 'x'));
     },
     StatusCode::kTooLarge},
};

TEST_F(WireCodecTest, RefusesFramesAsAWhole) {
  const WireMessage message = envelope_with(AppendResp{});
  const WireMessage* one = &message;
  for (const FrameCase& c : kFrameCases) {
    pb::Frame frame = frame_of({&one, 1});
    c.change(frame);
    const auto decoded = decode_text(naive_bytes(frame), TrafficClass::kLog);
    ASSERT_FALSE(decoded.ok()) << c.name;
    EXPECT_EQ(decoded.status().code(), c.code) << c.name << ": " << decoded.status().message();
  }
  // Two bodies cannot be made with the generated classes: a frame and a second frame's body.
  pb::Frame second = frame_of({&one, 1});
  second.clear_wire_version();
  const std::string both = naive_bytes(frame_of({&one, 1})).substr(5) + second.SerializeAsString();
  std::string bytes(5, '\x0D');
  store_le(reinterpret_cast<Byte*>(bytes.data()) + 1, crc32c(0, as_bytes(both)));
  EXPECT_FALSE(decode_text(bytes + both, TrafficClass::kLog).ok());
  EXPECT_FALSE(decode_text("", TrafficClass::kLog).ok());
}

TEST_F(WireCodecTest, ListensToLittleBeforeTheHandshake) {
  const std::string bytes = encoded(CallBytes{payload_of(kHandshakeBytesMax)});
  const Bytes segment = as_bytes(bytes);
  const auto decoded = decode_frame({&segment, 1}, {{}, NodeId{5}, TrafficClass::kCalls});
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.status().code(), StatusCode::kTooLarge);
}

// ---- Messages that are left out -----------------------------------------------------------------

struct MessageCase {
  const char* name;
  WireMessage message;
  std::function<void(pb::Frame&)> change;
  const char* says;  // Part of the reason.
};

pb::Envelope& envelope(pb::Frame& frame) {
  return *frame.mutable_envelopes()->mutable_envelopes(0);
}

MessageCase body_case(const char* name, MessageBody body, void (*change)(pb::Envelope&),
                      const char* says) {
  return {name, envelope_with(std::move(body)),
          [change](pb::Frame& frame) { change(envelope(frame)); }, says};
}

Append sound_append() {
  return std::get<Append>(std::get<Envelope>(one_of_each()[4]).body);
}
SnapOffer sound_offer() {
  return std::get<SnapOffer>(std::get<Envelope>(one_of_each()[11]).body);
}
template <typename Message>
Message sound() {
  for (WireMessage& message : one_of_each())
    if (auto* found = std::get_if<Message>(&message)) return *found;
  return {};
}

std::vector<MessageCase> envelope_cases() {
  return {
      body_case(
          "NoGroup", TimeoutNow{}, [](pb::Envelope& e) { e.set_group(0); }, "group is 0"),
      body_case(
          "GroupOutOfRange", TimeoutNow{},
          [](pb::Envelope& e) { e.set_group(kWireNumberMax + 1ULL); }, "out of range"),
      body_case(
          "NoFrom", TimeoutNow{}, [](pb::Envelope& e) { e.set_from_replica(0); },
          "from replica is 0"),
      body_case(
          "NoTo", GroupGone{}, [](pb::Envelope& e) { e.set_to_replica(0); }, "to replica is 0"),
      body_case(
          "NoTerm", TimeoutNow{}, [](pb::Envelope& e) { e.set_term(0); }, "term is 0"),
      body_case(
          "TermOutOfRange", TimeoutNow{}, [](pb::Envelope& e) { e.set_term(UINT64_MAX); },
          "out of range"),
      body_case(
          "ConfigIndexOutOfRange", TimeoutNow{},
          [](pb::Envelope& e) { e.set_config_index(UINT64_MAX); }, "out of range"),
  };
}

std::vector<MessageCase> body_cases() {
  return {
      body_case(
          "PreVoteReason", PreVoteReq{},
          [](pb::Envelope& e) {
            e.mutable_pre_vote_req()->set_reason(static_cast<pb::CampaignReason>(5));
          },
          "unknown value 5"),
      body_case(
          "NoPreVoteReason", PreVoteReq{},
          [](pb::Envelope& e) { e.mutable_pre_vote_req()->clear_reason(); }, "no reason"),
      body_case(
          "LastWithoutTerm", PreVoteReq{},
          [](pb::Envelope& e) { e.mutable_pre_vote_req()->mutable_last()->set_index(4); },
          "log index 4 with term 0"),
      body_case(
          "PreVoteAnswer", PreVoteResp{},
          [](pb::Envelope& e) {
            e.mutable_pre_vote_resp()->set_why(static_cast<pb::VoteAnswer>(8));
          },
          "unknown value 8"),
      body_case(
          "NoVoteAnswer", VoteResp{}, [](pb::Envelope& e) { e.mutable_vote_resp()->clear_why(); },
          "no answer"),
      body_case(
          "HeartbeatStatus", HeartbeatResp{},
          [](pb::Envelope& e) {
            e.mutable_heartbeat_resp()->set_status(static_cast<pb::HeartbeatStatus>(7));
          },
          "unknown value 7"),
      body_case(
          "CommitOutOfRange", Heartbeat{},
          [](pb::Envelope& e) { e.mutable_heartbeat()->set_commit(UINT64_MAX); }, "out of range"),
      body_case(
          "MatchOutOfRange", AppendResp{},
          [](pb::Envelope& e) { e.mutable_append_resp()->set_match(UINT64_MAX); },
          "match 18446744073709551615 is out of range"),
      body_case(
          "GoneReason", GroupGone{},
          [](pb::Envelope& e) {
            e.mutable_group_gone()->set_reason(static_cast<pb::GroupGone::Reason>(5));
          },
          "unknown value 5"),
  };
}

std::vector<MessageCase> append_cases() {
  return {
      body_case(
          "EntryOfOlderTerm", sound_append(),
          [](pb::Envelope& e) { e.mutable_append()->mutable_entries(0)->set_term(1); },
          "term 1 is not between 2 and 300"),
      body_case(
          "EntryOfNewerTerm", sound_append(),
          [](pb::Envelope& e) { e.mutable_append()->mutable_entries(1)->set_term(301); },
          "term 301 is not between 2 and 300"),
      body_case(
          "EntryWithoutTerm", Append{},
          [](pb::Envelope& e) { e.mutable_append()->add_entries()->set_kind(1); },
          "term 0 is not between 1"),
      body_case(
          "EntryKind", sound_append(),
          [](pb::Envelope& e) {
            e.mutable_append()->mutable_entries(0)->set_kind(kEntryKindMax + 1u);
          },
          "unknown value 10"),
      body_case(
          "NoEntryKind", sound_append(),
          [](pb::Envelope& e) { e.mutable_append()->mutable_entries(0)->clear_kind(); },
          "unknown kind 0"),
      body_case(
          "ConfigEntryOfGarbage", sound_append(),
          [](pb::Envelope& e) {
            e.mutable_append()->mutable_entries(0)->set_kind(2);
            e.mutable_append()->mutable_entries(0)->set_payload("\x01\x01garbage");
          },
          "config entry"),
      body_case(
          "LastEntryOutOfRange", sound_append(),
          [](pb::Envelope& e) {
            e.mutable_append()->mutable_prev()->set_index(kWireNumberMax - 1);
          },
          "last entry"),
      body_case(
          "TooManyEntries", sound_append(),
          [](pb::Envelope& e) {
            while (e.append().entries_size() <= static_cast<int>(kFrameEntriesMax))
              *e.mutable_append()->add_entries() = e.append().entries(1);
          },
          "more than 65536 entries"),
  };
}

std::vector<MessageCase> offer_cases() {
  return {
      body_case(
          "OfferWithoutBoundary", sound_offer(),
          [](pb::Envelope& e) { e.mutable_snap_offer()->clear_boundary(); }, "boundary term is 0"),
      body_case(
          "OfferWithoutId", sound_offer(),
          [](pb::Envelope& e) { e.mutable_snap_offer()->set_snap_id(0); }, "snap_id is 0"),
      body_case(
          "OfferWithoutConfig", sound_offer(),
          [](pb::Envelope& e) { e.mutable_snap_offer()->clear_config(); }, "voter"),
      body_case(
          "OfferOfGarbage", sound_offer(),
          [](pb::Envelope& e) { e.mutable_snap_offer()->set_config("\x01\x01garbage"); },
          "membership"),
      body_case(
          "OfferOfHugeConfig", sound_offer(),
          [](pb::Envelope& e) {
            e.mutable_snap_offer()->set_config(std::string(kConfigBytesMax + 1, 'x'));
          },
          "kConfigBytesMax"),
      body_case(
          "OfferOfNewerConfig", sound_offer(),
          [](pb::Envelope& e) { e.mutable_snap_offer()->set_config_index(10); },
          "config of index 10"),
      body_case(
          "OfferWithoutHash", sound_offer(),
          [](pb::Envelope& e) { e.mutable_snap_offer()->clear_manifest_hash(); }, "hash is empty"),
  };
}

MessageCase batch(const char* name, void (*change)(pb::HeartbeatBatch&), const char* says) {
  return MessageCase{name, sound<HeartbeatBatch>(),
                     [change](pb::Frame& f) { change(*f.mutable_heartbeat_batch()); }, says};
}

MessageCase reply(const char* name, void (*change)(pb::HeartbeatReply&), const char* says) {
  return MessageCase{name, sound<HeartbeatReply>(),
                     [change](pb::Frame& f) { change(*f.mutable_heartbeat_reply()); }, says};
}

std::vector<MessageCase> batch_cases() {
  return {
      batch(
          "NoSeq", [](pb::HeartbeatBatch& b) { b.set_seq(0); }, "seq is 0"),
      batch(
          "BaseIsNewer", [](pb::HeartbeatBatch& b) { b.set_base_seq(9); }, "builds on batch 9"),
      batch(
          "ChangedWithoutBase", [](pb::HeartbeatBatch& b) { b.set_base_seq(0); }, "without a base"),
      batch(
          "NoHeader", [](pb::HeartbeatBatch& b) { b.clear_header(); }, "incarnation"),
      batch(
          "OtherIncarnation",
          [](pb::HeartbeatBatch& b) { b.mutable_header()->set_incarnation(18); },
          "incarnation 18 on a stream of incarnation 17"),
      batch(
          "Pressure", [](pb::HeartbeatBatch& b) { b.mutable_header()->set_disk_pressure(101); },
          "above 100"),
      batch(
          "PressureOutOfRange",
          [](pb::HeartbeatBatch& b) { b.mutable_header()->set_cpu_pressure(256); }, "out of range"),
      batch(
          "HearsTwice", [](pb::HeartbeatBatch& b) { b.mutable_header()->add_hears(400); },
          "do not ascend"),
      batch(
          "HearsTooMany",
          [](pb::HeartbeatBatch& b) {
            for (uint64_t i = 0; i <= kHeardNodesMax; ++i) b.mutable_header()->add_hears(500 + i);
          },
          "more than 1024"),
      batch(
          "ItemsOutOfOrder", [](pb::HeartbeatBatch& b) { *b.add_full() = b.full(0); },
          "do not ascend"),
      batch(
          "ItemWithoutTerm", [](pb::HeartbeatBatch& b) { b.mutable_full(0)->set_term(0); },
          "term is 0"),
      batch(
          "PlaceTwice", [](pb::HeartbeatBatch& b) { *b.add_changed() = b.changed(0); },
          "stands where"),
      batch(
          "PlaceIsLight", [](pb::HeartbeatBatch& b) { b.mutable_changed(0)->set_place(2); },
          "also in the bit set"),
      batch(
          "PlaceOutOfRange",
          [](pb::HeartbeatBatch& b) { b.mutable_changed(0)->set_place(kHeartbeatItemsMax); },
          "stands where"),
      batch(
          "TooManyLightItems",
          [](pb::HeartbeatBatch& b) { b.set_light(std::string(kHeartbeatItemsMax / 8 + 1, 0)); },
          "bits for"),
  };
}

std::vector<MessageCase> reply_cases() {
  return {
      reply(
          "NoEcho", [](pb::HeartbeatReply& r) { r.set_seq_echo(0); }, "seq_echo is 0"),
      reply(
          "BitBehindTheEnd", [](pb::HeartbeatReply& r) { r.set_item_count(9); },
          "behind the last item"),
      reply(
          "AnswerBehindTheEnd", [](pb::HeartbeatReply& r) { r.mutable_answers(0)->set_place(10); },
          "stands where"),
      reply(
          "AnswerIsOk", [](pb::HeartbeatReply& r) { r.mutable_answers(0)->set_place(3); },
          "also in the bit set"),
      reply(
          "TooManyItems", [](pb::HeartbeatReply& r) { r.set_item_count(kHeartbeatItemsMax + 1); },
          "exceed"),
      reply(
          "UnknownStatus",
          [](pb::HeartbeatReply& r) {
            r.mutable_answers(0)->set_status(static_cast<pb::HeartbeatStatus>(7));
          },
          "unknown value 7"),
  };
}

std::vector<MessageCase> bulk_cases() {
  const auto of = [](const char* name, WireMessage message,
                     const std::function<void(pb::Frame&)>& change, const char* says) {
    return MessageCase{name, std::move(message), change, says};
  };
  return {
      of(
          "SnapshotWithoutMessage", sound<SnapBytes>(),
          [](pb::Frame& f) { f.mutable_snapshot()->clear_message(); }, "is empty"),
      of(
          "SnapshotTooLarge", sound<SnapBytes>(),
          [](pb::Frame& f) {
            f.mutable_snapshot()->set_message(std::string(kSnapMessageBytesMax + 1, 'x'));
          },
          "exceed the limit"),
  };
}

void expect_left_out(const std::vector<MessageCase>& cases) {
  for (const MessageCase& c : cases) {
    const WireMessage* one = &c.message;
    pb::Frame frame = frame_of({&one, 1});
    const auto sound = decode_text(naive_bytes(frame), traffic_class_of(c.message));
    ASSERT_TRUE(sound.ok()) << c.name;
    EXPECT_EQ(sound.value().messages.size(), 1u) << c.name << " is not sound before the change";
    c.change(frame);
    const auto decoded = decode_text(naive_bytes(frame), traffic_class_of(c.message));
    ASSERT_TRUE(decoded.ok()) << c.name << ": " << decoded.status().message();
    EXPECT_TRUE(decoded.value().messages.empty()) << c.name;
    EXPECT_EQ(decoded.value().invalid_count, 1u) << c.name;
    EXPECT_NE(decoded.value().first_invalid.message().find(c.says), std::string::npos)
        << c.name << ": " << decoded.value().first_invalid.message();
  }
}

TEST_F(WireCodecTest, LeavesOutEnvelopesWithWrongValues) {
  expect_left_out(envelope_cases());
  expect_left_out(body_cases());
}
TEST_F(WireCodecTest, LeavesOutAppendsAndOffersWithWrongValues) {
  expect_left_out(append_cases());
  expect_left_out(offer_cases());
}
TEST_F(WireCodecTest, LeavesOutHeartbeatsWithWrongValues) {
  expect_left_out(batch_cases());
  expect_left_out(reply_cases());
}
TEST_F(WireCodecTest, LeavesOutTransfersWithWrongValues) {
  expect_left_out(bulk_cases());
}

TEST_F(WireCodecTest, KeepsTheNeighboursOfAMessageItLeavesOut) {
  const std::vector<WireMessage> messages = {envelope_with(VoteReq{}), envelope_with(TimeoutNow{}),
                                             envelope_with(Heartbeat{})};
  pb::Frame frame =
      frame_of(std::vector<const WireMessage*>{&messages[0], &messages[1], &messages[2]});
  frame.mutable_envelopes()->mutable_envelopes(1)->set_term(0);
  const auto decoded = decode_text(naive_bytes(frame), TrafficClass::kControl);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(naive_of(decoded.value().messages), naive_of({messages[0], messages[2]}));
  EXPECT_EQ(decoded.value().invalid_count, 1u);
}

TEST_F(WireCodecTest, LeavesOutWhatBelongsToAnotherClass) {
  for (const WireMessage& message : one_of_each()) {
    for (const TrafficClass cls : kTrafficClasses) {
      const auto decoded = decode_text(encoded(message), cls);
      ASSERT_TRUE(decoded.ok()) << decoded.status().message();
      const bool is_right = cls == traffic_class_of(message);
      EXPECT_EQ(decoded.value().messages.size(), is_right ? 1u : 0u);
      EXPECT_EQ(decoded.value().invalid_count, is_right ? 0u : 1u);
      EXPECT_EQ(validate_outgoing(message, ends_of(cls)).ok(), is_right);
    }
  }
}

TEST_F(WireCodecTest, SendsNothingInAnotherNodesName) {
  const auto check = [](void (*change)(Envelope&)) {
    Envelope message = envelope_with(TimeoutNow{});
    change(message);
    return validate_outgoing(WireMessage(message), ends_of(TrafficClass::kControl)).code();
  };
  EXPECT_EQ(check([](Envelope&) {}), StatusCode::kOk);
  EXPECT_EQ(check([](Envelope& m) { m.from.node = NodeId{4}; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(check([](Envelope& m) { m.from.incarnation = 16; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(check([](Envelope& m) { m.to.node = NodeId{4}; }), StatusCode::kInvalidArgument);
}

TEST_F(WireCodecTest, SendsNothingThatWouldBeRefused) {
  Append append;
  append.entries = {entry_at(1, 1, payload_of(0))};
  append.entries[0].payload = nullptr;
  EXPECT_EQ(validate_outgoing(envelope_with(append), ends_of(TrafficClass::kLog)).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(validate_outgoing(CallBytes{payload_of(frame_bytes_max(TrafficClass::kCalls))},
                              ends_of(TrafficClass::kCalls))
                .code(),
            StatusCode::kTooLarge);
}

TEST_F(WireCodecTest, CarriesTheLargestLogEntry) {
  Append append;
  append.prev = {Term{1}, LogIndex{1}};
  append.entries = {entry_at(2, 1, payload_of(limits::kLogEntryBytesMax))};
  const WireMessage message = envelope_with(append);
  ASSERT_TRUE(validate_outgoing(message, ends_of(TrafficClass::kLog)).ok());
  const auto decoded = decode_text(encoded(message), TrafficClass::kLog);
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  ASSERT_EQ(decoded.value().messages.size(), 1u);
}

// ---- Growth -------------------------------------------------------------------------------------

// Adds fields of every wire type that no schema of today has, in every message of the tree.
void grow(google::protobuf::Message& message, Prng& prng) {
  auto* unknown = message.GetReflection()->MutableUnknownFields(&message);
  unknown->AddVarint(200, prng.next());
  unknown->AddFixed32(201, static_cast<uint32_t>(prng.next()));
  unknown->AddFixed64(202, prng.next());
  unknown->AddLengthDelimited(203, std::string(prng.below(300), 'n'));
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      grow(*message.GetReflection()->MutableMessage(&message, field), prng);
      continue;
    }
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i)
      grow(*message.GetReflection()->MutableRepeatedMessage(&message, field, i), prng);
  }
}

TEST_F(WireCodecTest, ReadsFramesOfANewerProgram) {
  for (int i = 0; i < 2000; ++i) {
    const WireMessage message = random_message(prng_);
    const WireMessage* one = &message;
    pb::Frame frame = frame_of({&one, 1});
    grow(frame, prng_);
    const std::string bytes = naive_bytes(frame);
    const auto decoded =
        decode_frame(random_segments(bytes, prng_), ends_of(traffic_class_of(message)));
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    ASSERT_EQ(decoded.value().invalid_count, 0u) << decoded.value().first_invalid.message();
    ASSERT_EQ(naive_of(decoded.value().messages), naive_of({message}));
  }
}

TEST_F(WireCodecTest, ReadsHandshakesOfANewerProgram) {
  const Handshake handshake{identity_of(NodeId{3}, 17), TrafficClass::kLog, NodeId{5}};
  pb::Frame frame = frame_of(handshake);
  grow(frame, prng_);
  const auto decoded = decode_text(naive_bytes(frame), TrafficClass::kLog);
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  EXPECT_EQ(decoded.value().handshake->identity.node, NodeId{3});
}

TEST_F(WireCodecTest, CountsBodiesAndFramesOfANewerProgram) {
  const std::vector<WireMessage> messages = {envelope_with(TimeoutNow{}), envelope_with(VoteReq{})};
  pb::Frame frame = frame_of(std::vector<const WireMessage*>{&messages[0], &messages[1]});
  pb::Envelope& newer = envelope(frame);
  newer.clear_body();
  newer.GetReflection()->MutableUnknownFields(&newer)->AddLengthDelimited(21, "body");
  auto decoded = decode_text(naive_bytes(frame), TrafficClass::kControl);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded.value().unknown_count, 1u);
  EXPECT_EQ(naive_of(decoded.value().messages), naive_of({messages[1]}));

  pb::Frame newer_frame;
  newer_frame.set_wire_version(kWireVersion);
  newer_frame.GetReflection()->MutableUnknownFields(&newer_frame)->AddLengthDelimited(15, "body");
  decoded = decode_text(naive_bytes(newer_frame), TrafficClass::kControl);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded.value().unknown_count, 1u);
  EXPECT_TRUE(decoded.value().messages.empty());
}

}  // namespace
}  // namespace worldline::replication::testing
