#include "tests/replication/transport/wire_fixture.h"

#include "base/crc32c.h"

namespace worldline::replication::testing {
namespace {

// A number of random width, so that every varint length occurs.
uint64_t any(Prng& prng) {
  return (prng.next() & kWireNumberMax) >> prng.below(63);
}
uint64_t any_id(Prng& prng) {
  return any(prng) | 1;
}

template <typename Enum>
Enum any_enum(Prng& prng, Enum last) {
  return static_cast<Enum>(1 + prng.below(static_cast<uint64_t>(last)));
}

EntryId any_entry_id(Prng& prng) {
  if (prng.chance(5)) return {};
  return {Term{any_id(prng)}, LogIndex{any_id(prng)}};
}

ByteBuffer any_bytes(Prng& prng, size_t bytes) {
  ByteBuffer out(bytes);
  for (Byte& byte : out) byte = static_cast<Byte>(prng.next());
  return out;
}

SharedBytes any_payload(Prng& prng) {
  // Around the size from which a payload becomes a piece of its own, too.
  const size_t bytes = prng.chance(4) ? kSharedPieceBytesMin - 2 + prng.below(4) : prng.below(300);
  return std::make_shared<const ByteBuffer>(any_bytes(prng, bytes));
}

Append any_append(Prng& prng, Term term) {
  Append body;
  if (!prng.chance(4)) body.prev = {Term{1 + prng.below(term.value)}, LogIndex{1 + any(prng) / 2}};
  body.prev_chain = Chain{prng.next()};
  body.commit = LogIndex{any(prng)};
  body.seq = any(prng);
  uint64_t entry_term = std::max<uint64_t>(body.prev.term.value, 1);
  for (uint64_t i = prng.below(6); i > 0; --i) {
    entry_term += prng.below(term.value - entry_term + 1);
    const uint64_t index = body.prev.index.value + body.entries.size() + 1;
    const bool is_config = prng.chance(8);
    body.entries.push_back(
        entry_at(index, entry_term,
                 is_config ? std::make_shared<const ByteBuffer>(encode_membership(three_voters()))
                           : any_payload(prng),
                 is_config ? EntryKind::kConfig : EntryKind::kBundle));
    body.entries.back().chain = Chain{prng.next()};
  }
  return body;
}

SnapOffer any_offer(Prng& prng) {
  SnapOffer body;
  body.meta.boundary.id = {Term{any_id(prng)}, LogIndex{any_id(prng)}};
  body.meta.boundary.chain = Chain{prng.next()};
  body.meta.boundary.config = three_voters();
  body.meta.boundary.config_index = LogIndex{prng.below(body.meta.boundary.id.index.value + 1)};
  body.meta.snap_id = any_id(prng);
  body.meta.manifest_hash = any_bytes(prng, 16);
  body.meta.total_bytes = any(prng);
  body.meta.chunk_count = static_cast<uint32_t>(any(prng));
  return body;
}

MessageBody any_body(Prng& prng, Term term) {
  const auto index = [&prng] { return LogIndex{any(prng)}; };
  const auto flag = [&prng] { return prng.chance(2); };
  switch (prng.below(14)) {
    case 0:
      return PreVoteReq{any_entry_id(prng), any_enum(prng, CampaignReason::kOperator)};
    case 1:
      return PreVoteResp{any_enum(prng, VoteAnswer::kOldTerm), ReplicaId{any(prng)}};
    case 2:
      return VoteReq{any_entry_id(prng), flag()};
    case 3:
      return VoteResp{any_enum(prng, VoteAnswer::kOldTerm)};
    case 4:
      return any_append(prng, term);
    case 5:
      return AppendResp{flag(),    index(), index(), any_entry_id(prng), index(), index(),
                        any(prng), flag(),  flag()};
    case 6:
      return Heartbeat{index(), any(prng), flag()};
    case 7:
      return HeartbeatResp{any_enum(prng, HeartbeatStatus::kRefuseQuiesce), any(prng), index(),
                           index()};
    case 8:
      return ReadIndexReq{ReadToken{prng.next()}};
    case 9:
      return ReadIndexResp{ReadToken{prng.next()}, flag(), index()};
    case 10:
      return TimeoutNow{};
    case 11:
      return any_offer(prng);
    case 12:
      return Hello{any_entry_id(prng), Term{any(prng)}, index()};
    default:
      return GroupGone{ReplicaId{any(prng)}, any_enum(prng, GoneReason::kLostData)};
  }
}

Envelope any_envelope(Prng& prng) {
  Envelope out;
  out.group = GroupId{any_id(prng)};
  out.from = {kSender.node, kSender.incarnation, ReplicaId{any_id(prng)}};
  out.to = {kReceiver, any(prng), ReplicaId{any_id(prng)}};
  out.term = Term{any_id(prng)};
  out.config_index = LogIndex{any(prng)};
  out.body = any_body(prng, out.term);
  return out;
}

NodeHeader any_header(Prng& prng) {
  NodeHeader header;
  header.incarnation = kSender.incarnation;
  header.lead_epoch = any(prng);
  header.wall_clock = Timestamp{static_cast<int64_t>(prng.next())};
  header.monotonic_ns = prng.next();
  header.disk_pressure_percent = static_cast<uint8_t>(prng.below(101));
  header.cpu_pressure_percent = static_cast<uint8_t>(prng.below(101));
  uint64_t node = 0;
  for (uint64_t i = prng.below(5); i > 0; --i)
    header.hears.push_back(NodeId{node += 1 + prng.below(200)});
  return header;
}

HeartbeatBatch any_heartbeats(Prng& prng) {
  HeartbeatBatch batch;
  batch.seq = 2 + any(prng) / 2;
  batch.header = any_header(prng);
  uint64_t group = 0;
  for (uint64_t i = prng.below(20); i > 0; --i)
    batch.full.push_back({GroupId{group += 1 + prng.below(300)}, ReplicaId{any_id(prng)},
                          ReplicaId{any_id(prng)}, Term{any_id(prng)}, LogIndex{any(prng)},
                          LogIndex{any(prng)}, any(prng), prng.chance(3)});
  if (prng.chance(2)) return batch;
  batch.base_seq = batch.seq - 1;
  batch.light = any_bytes(prng, prng.below(10));
  for (uint32_t place = 0; place < 100; ++place) {
    if (!prng.chance(4)) continue;
    if (place / 8 < batch.light.size())
      batch.light[place / 8] &= static_cast<Byte>(~(1u << place % 8));
    batch.changed.push_back({place, any(prng), any(prng)});
  }
  return batch;
}

HeartbeatReply any_reply(Prng& prng) {
  HeartbeatReply reply;
  reply.seq_echo = any_id(prng);
  reply.monotonic_ns_echo = prng.next();
  reply.header = any_header(prng);
  reply.item_count = static_cast<uint32_t>(prng.below(50));
  reply.ok.assign((reply.item_count + 7) / 8, 0);
  for (uint32_t place = 0; place < reply.item_count; ++place) {
    if (prng.chance(2)) {
      reply.ok[place / 8] |= static_cast<Byte>(1u << place % 8);
    } else {
      reply.answers.push_back({place, any_enum(prng, HeartbeatStatus::kRefuseQuiesce),
                               Term{any(prng)}, LogIndex{any(prng)}, any(prng), LogIndex{any(prng)},
                               LogIndex{any(prng)}});
    }
  }
  return reply;
}

// ---- The naive codec ----------------------------------------------------------------------------

void fill(pb::EntryId* out, const EntryId& id) {
  out->set_term(id.term.value);
  out->set_index(id.index.value);
}
void fill(pb::Envelope* out, const PreVoteReq& body) {
  fill(out->mutable_pre_vote_req()->mutable_last(), body.last);
  out->mutable_pre_vote_req()->set_reason(static_cast<pb::CampaignReason>(body.reason));
}
void fill(pb::Envelope* out, const PreVoteResp& body) {
  out->mutable_pre_vote_resp()->set_why(static_cast<pb::VoteAnswer>(body.why));
  out->mutable_pre_vote_resp()->set_leader_hint(body.leader_hint.value);
}
void fill(pb::Envelope* out, const VoteReq& body) {
  fill(out->mutable_vote_req()->mutable_last(), body.last);
  out->mutable_vote_req()->set_transfer(body.transfer);
}
void fill(pb::Envelope* out, const VoteResp& body) {
  out->mutable_vote_resp()->set_why(static_cast<pb::VoteAnswer>(body.why));
}
void fill(pb::Envelope* out, const Append& body) {
  pb::Append* append = out->mutable_append();
  fill(append->mutable_prev(), body.prev);
  append->set_prev_chain(body.prev_chain.value);
  append->set_commit(body.commit.value);
  append->set_seq(body.seq);
  for (const Entry& entry : body.entries) {
    pb::Entry* one = append->add_entries();
    one->set_term(entry.term.value);
    one->set_kind(static_cast<uint32_t>(entry.kind));
    one->set_chain(entry.chain.value);
    one->set_payload(entry.payload->data(), entry.payload->size());
  }
}
void fill(pb::Envelope* out, const AppendResp& body) {
  pb::AppendResp* answer = out->mutable_append_resp();
  answer->set_ok(body.ok);
  answer->set_match(body.match.value);
  answer->set_reject_prev(body.reject_prev.value);
  fill(answer->mutable_hint(), body.hint);
  answer->set_last_index(body.last_index.value);
  answer->set_applied(body.applied.value);
  answer->set_seq_echo(body.seq_echo);
  answer->set_disk_full(body.disk_full);
  answer->set_apply_lag(body.apply_lag);
}
void fill(pb::Envelope* out, const Heartbeat& body) {
  out->mutable_heartbeat()->set_commit(body.commit.value);
  out->mutable_heartbeat()->set_read_ctx(body.read_ctx);
  out->mutable_heartbeat()->set_quiesce(body.quiesce);
}
void fill(pb::Envelope* out, const HeartbeatResp& body) {
  pb::HeartbeatResp* answer = out->mutable_heartbeat_resp();
  answer->set_status(static_cast<pb::HeartbeatStatus>(body.status));
  answer->set_read_ctx(body.read_ctx);
  answer->set_applied(body.applied.value);
  answer->set_last_index(body.last_index.value);
}
void fill(pb::Envelope* out, const ReadIndexReq& body) {
  out->mutable_read_index_req()->set_token(body.token.value);
}
void fill(pb::Envelope* out, const ReadIndexResp& body) {
  out->mutable_read_index_resp()->set_token(body.token.value);
  out->mutable_read_index_resp()->set_ok(body.ok);
  out->mutable_read_index_resp()->set_index(body.index.value);
}
void fill(pb::Envelope* out, const TimeoutNow&) {
  out->mutable_timeout_now();
}
void fill(pb::Envelope* out, const SnapOffer& body) {
  pb::SnapOffer* offer = out->mutable_snap_offer();
  fill(offer->mutable_boundary(), body.meta.boundary.id);
  offer->set_chain(body.meta.boundary.chain.value);
  offer->set_config(std::string(as_text(encode_membership(body.meta.boundary.config))));
  offer->set_config_index(body.meta.boundary.config_index.value);
  offer->set_snap_id(body.meta.snap_id);
  offer->set_manifest_hash(std::string(as_text(body.meta.manifest_hash)));
  offer->set_total_bytes(body.meta.total_bytes);
  offer->set_chunk_count(body.meta.chunk_count);
}
void fill(pb::Envelope* out, const Hello& body) {
  fill(out->mutable_hello()->mutable_last(), body.last);
  out->mutable_hello()->set_durable_term(body.durable_term.value);
  out->mutable_hello()->set_boundary_index(body.boundary_index.value);
}
void fill(pb::Envelope* out, const GroupGone& body) {
  out->mutable_group_gone()->set_replica(body.replica.value);
  out->mutable_group_gone()->set_reason(static_cast<pb::GroupGone::Reason>(body.reason));
}

void fill(pb::Frame* out, const Envelope& envelope) {
  pb::Envelope* one = out->mutable_envelopes()->add_envelopes();
  one->set_group(envelope.group.value);
  one->set_from_replica(envelope.from.replica.value);
  one->set_to_replica(envelope.to.replica.value);
  one->set_to_incarnation(envelope.to.incarnation);
  one->set_term(envelope.term.value);
  one->set_config_index(envelope.config_index.value);
  std::visit([one](const auto& body) { fill(one, body); }, envelope.body);
}
void fill(pb::NodeHeader* out, const NodeHeader& header) {
  out->set_incarnation(header.incarnation);
  out->set_lead_epoch(header.lead_epoch);
  out->set_wall_clock_micros(header.wall_clock.micros);
  out->set_monotonic_ns(header.monotonic_ns);
  out->set_disk_pressure(header.disk_pressure_percent);
  out->set_cpu_pressure(header.cpu_pressure_percent);
  for (const NodeId node : header.hears) out->add_hears(node.value);
}
void fill(pb::Frame* out, const HeartbeatBatch& batch) {
  pb::HeartbeatBatch* one = out->mutable_heartbeat_batch();
  one->set_seq(batch.seq);
  one->set_base_seq(batch.base_seq);
  fill(one->mutable_header(), batch.header);
  for (const HeartbeatItem& item : batch.full) {
    pb::HeartbeatItem* full = one->add_full();
    full->set_group(item.group.value);
    full->set_from_replica(item.from.value);
    full->set_to_replica(item.to.value);
    full->set_term(item.term.value);
    full->set_config_index(item.config_index.value);
    full->set_commit(item.commit.value);
    full->set_read_ctx(item.read_ctx);
    full->set_quiesce(item.quiesce);
  }
  for (const HeartbeatDelta& delta : batch.changed) {
    pb::HeartbeatDelta* changed = one->add_changed();
    changed->set_place(delta.place);
    changed->set_commit_advance(delta.commit_advance);
    changed->set_read_ctx(delta.read_ctx);
  }
  one->set_light(std::string(as_text(batch.light)));
}
void fill(pb::Frame* out, const HeartbeatReply& reply) {
  pb::HeartbeatReply* one = out->mutable_heartbeat_reply();
  one->set_seq_echo(reply.seq_echo);
  one->set_monotonic_ns_echo(reply.monotonic_ns_echo);
  fill(one->mutable_header(), reply.header);
  one->set_item_count(reply.item_count);
  one->set_ok(std::string(as_text(reply.ok)));
  for (const HeartbeatAnswer& item : reply.answers) {
    pb::HeartbeatAnswer* answer = one->add_answers();
    answer->set_place(item.place);
    answer->set_status(static_cast<pb::HeartbeatStatus>(item.status));
    answer->set_term(item.term.value);
    answer->set_config_index(item.config_index.value);
    answer->set_read_ctx(item.read_ctx);
    answer->set_applied(item.applied.value);
    answer->set_last_index(item.last_index.value);
  }
}
void fill(pb::Frame* out, const SnapBytes& message) {
  out->mutable_snapshot()->set_message(std::string(as_text(*message.payload)));
}
void fill(pb::Frame* out, const CallBytes& call) {
  out->mutable_calls()->add_calls(std::string(as_text(*call.payload)));
}

}  // namespace

StreamEnds ends_of(TrafficClass cls) {
  return {kSender, kReceiver, cls};
}

SharedBytes payload_of(size_t bytes, Byte fill_byte) {
  return std::make_shared<const ByteBuffer>(bytes, fill_byte);
}

Membership three_voters() {
  Membership out;
  for (uint64_t id = 1; id <= 3; ++id) {
    out.voters.push_back(ReplicaId{id});
    out.members.push_back({ReplicaId{id}, NodeId{10 + id}, "zone-" + std::to_string(id)});
  }
  return out;
}

NodeIdentity identity_of(NodeId node, uint64_t incarnation) {
  NodeIdentity identity;
  identity.cluster.fill(0xC1);
  identity.uuid.fill(static_cast<Byte>(node.value));
  identity.node = node;
  identity.incarnation = incarnation;
  identity.feature_level = 1;
  return identity;
}

Envelope envelope_with(MessageBody body) {
  Envelope out;
  out.group = GroupId{7};
  out.from = {kSender.node, kSender.incarnation, ReplicaId{70}};
  out.to = {kReceiver, 0, ReplicaId{71}};
  out.term = Term{300};
  out.config_index = LogIndex{2};
  out.body = std::move(body);
  return out;
}

Entry entry_at(uint64_t index, uint64_t term, SharedBytes payload, EntryKind kind) {
  Entry entry;
  entry.index = LogIndex{index};
  entry.term = Term{term};
  entry.kind = kind;
  entry.chain = Chain{0xC0FFEE0000000000 + index};
  entry.payload_bytes = static_cast<uint32_t>(payload->size());
  entry.payload = std::move(payload);
  return entry;
}

std::vector<WireMessage> one_of_each() {
  const EntryId id{Term{2}, LogIndex{9}};
  NodeHeader header{kSender.incarnation,     4, Timestamp{1'700'000'000'000'000}, 5000, 12, 34,
                    {NodeId{1}, NodeId{400}}};
  Append append{id, Chain{0x1122334455667788}, LogIndex{8}, {}, 6};
  append.entries = {entry_at(10, 2, payload_of(3)),
                    entry_at(11, 300, payload_of(0), EntryKind::kNoop)};
  SnapOffer offer;
  offer.meta = {
      {id, Chain{77}, three_voters(), LogIndex{1}}, 1234, ByteBuffer(16, 0xCD), 99999, 12};
  std::vector<WireMessage> out;
  for (MessageBody& body : std::vector<MessageBody>{
           PreVoteReq{id, CampaignReason::kSuspect},
           PreVoteResp{VoteAnswer::kLeaderAlive, ReplicaId{71}}, VoteReq{id, true},
           VoteResp{VoteAnswer::kVotedOther}, append,
           AppendResp{true, LogIndex{11}, LogIndex{10}, id, LogIndex{12}, LogIndex{5}, 6, true,
                      true},
           Heartbeat{LogIndex{8}, 3, true},
           HeartbeatResp{HeartbeatStatus::kUninit, 3, LogIndex{5}, LogIndex{6}},
           ReadIndexReq{ReadToken{UINT64_MAX}}, ReadIndexResp{ReadToken{42}, true, LogIndex{8}},
           TimeoutNow{}, offer, Hello{id, Term{2}, LogIndex{1}},
           GroupGone{ReplicaId{71}, GoneReason::kTombstone}})
    out.push_back(envelope_with(std::move(body)));
  out.push_back(HeartbeatBatch{
      9,
      8,
      header,
      {{GroupId{7}, ReplicaId{70}, ReplicaId{71}, Term{300}, LogIndex{2}, LogIndex{8}, 3, true}},
      {{3, 5, 1}},
      {0xF7, 0x01}});
  out.push_back(HeartbeatReply{
      9,
      5000,
      header,
      10,
      {0xFB, 0x03},
      {{2, HeartbeatStatus::kHigherTerm, Term{301}, LogIndex{2}, 3, LogIndex{5}, LogIndex{6}}}});
  out.push_back(SnapBytes{payload_of(20, 0xAB)});
  out.push_back(CallBytes{payload_of(5, 0x7A)});
  return out;
}

WireMessage random_message(Prng& prng) {
  switch (prng.below(9)) {
    case 0:
      return any_heartbeats(prng);
    case 1:
      return any_reply(prng);
    case 2: {
      ByteBuffer message = {1};  // Never empty.
      append(message, *any_payload(prng));
      return SnapBytes{std::make_shared<const ByteBuffer>(std::move(message))};
    }
    case 3:
      return CallBytes{any_payload(prng)};
    default:
      return any_envelope(prng);
  }
}

std::string bytes_of(const EncodedFrame& frame) {
  std::string out;
  for (const FramePiece& piece : frame.pieces) out += as_text(piece.bytes);
  return out;
}

std::vector<Bytes> random_segments(std::string_view bytes, Prng& prng) {
  std::vector<Bytes> out;
  Bytes rest = as_bytes(bytes);
  while (!rest.empty()) {
    const size_t step = std::min(rest.size(), static_cast<size_t>(prng.below(1 + rest.size())));
    out.push_back(rest.first(step));  // Empty ones too.
    rest = rest.subspan(step);
    if (prng.chance(3)) {
      out.push_back(rest);
      break;
    }
  }
  return out;
}

Result<DecodedFrame> decode_text(std::string_view bytes, TrafficClass cls) {
  const Bytes segment = as_bytes(bytes);
  return decode_frame({&segment, 1}, ends_of(cls));
}

pb::Frame frame_of(std::span<const WireMessage* const> run) {
  pb::Frame frame;
  frame.set_wire_version(kWireVersion);
  for (const WireMessage* message : run)
    std::visit([&frame](const auto& one) { fill(&frame, one); }, *message);
  return frame;
}

pb::Frame frame_of(const Handshake& handshake) {
  pb::Frame frame;
  frame.set_wire_version(kWireVersion);
  pb::Handshake* out = frame.mutable_handshake();
  out->set_cluster_id(std::string(as_text(handshake.identity.cluster)));
  out->set_node_uuid(std::string(as_text(handshake.identity.uuid)));
  out->set_node_id(handshake.identity.node.value);
  out->set_incarnation(handshake.identity.incarnation);
  out->set_feature_level(handshake.identity.feature_level);
  out->set_traffic_class(static_cast<pb::TrafficClass>(handshake.cls));
  out->set_to_node_id(handshake.to.value);
  return frame;
}

std::string naive_bytes(const pb::Frame& frame) {
  pb::Frame rest = frame;
  rest.clear_crc32c();
  const std::string behind = rest.SerializeAsString();
  std::string out(5, '\x0D');
  store_le(reinterpret_cast<Byte*>(out.data()) + 1, crc32c(0, as_bytes(behind)));
  return out + behind;
}

std::string encoded(const WireMessage& message) {
  const WireMessage* one = &message;
  return bytes_of(FrameEncoder().encode({&one, 1}));
}

}  // namespace worldline::replication::testing
