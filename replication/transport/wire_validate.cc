// What a message must look like, whoever made it. The core checks the rest: whom it is from, and
// whether it still matters [S 08/1.5].
#include <algorithm>

#include "replication/membership.h"
#include "replication/transport/wire_codec.h"

namespace worldline::replication {
namespace {

template <typename Number>
Status check_number(const char* what, Number value) {
  if (value <= kWireNumberMax) return Status::ok_status();
  return Status::invalid_argument("{} {} is out of range", what, value);
}

// Each may be zero.
struct NamedNumber {
  const char* name;
  uint64_t value;
};
Status check_numbers(std::initializer_list<NamedNumber> numbers) {
  for (const NamedNumber& number : numbers)
    WL_RETURN_IF_ERROR(check_number(number.name, number.value));
  return Status::ok_status();
}

// None may be zero.
Status check_ids(std::initializer_list<NamedNumber> ids) {
  for (const NamedNumber& id : ids) {
    if (id.value == 0) return Status::invalid_argument("{} is 0", id.name);
    WL_RETURN_IF_ERROR(check_number(id.name, id.value));
  }
  return Status::ok_status();
}

Status check_id(const char* what, const EntryId& id) {
  WL_RETURN_IF_ERROR(check_numbers({{what, id.index.value}, {what, id.term.value}}));
  if ((id.index.value == 0) == (id.term.value == 0)) return Status::ok_status();
  return Status::invalid_argument("{}: log index {} with term {}", what, id.index.value,
                                  id.term.value);
}

Status check_count(const char* what, size_t count, size_t count_max) {
  if (count <= count_max) return Status::ok_status();
  return Status::too_large("{} {} exceed the limit of {}", count, what, count_max);
}

Status check_hash(Bytes hash) {
  if (hash.empty()) return Status::invalid_argument("a content hash is empty");
  return check_count("bytes of a content hash", hash.size(), kContentHashBytesMax);
}

Status check_entry(const Entry& entry, Term floor, Term ceiling) {
  if (entry.payload == nullptr)
    return Status::invalid_argument("entry {} has no payload", entry.index.value);
  if (entry.payload->size() != entry.payload_bytes)
    return Status::invalid_argument("entry {}: payload of {} B instead of {} B", entry.index.value,
                                    entry.payload->size(), entry.payload_bytes);
  WL_RETURN_IF_ERROR(
      check_count("payload bytes", entry.payload->size(), limits::kLogEntryBytesMax));
  if (entry.term < floor || entry.term > ceiling)
    return Status::invalid_argument("entry {}: term {} is not between {} and {}", entry.index.value,
                                    entry.term.value, floor.value, ceiling.value);
  if (static_cast<uint8_t>(entry.kind) == 0 || static_cast<uint8_t>(entry.kind) > kEntryKindMax)
    return Status::not_supported("entry {}: unknown kind {}", entry.index.value,
                                 static_cast<int>(entry.kind));
  if (entry.kind == EntryKind::kConfig)
    return decode_membership(*entry.payload).status().with_context("config entry");
  return Status::ok_status();
}

// ---- Bodies -------------------------------------------------------------------------------------

Status check_body(const Envelope& envelope, const Append& body) {
  WL_RETURN_IF_ERROR(check_id("prev", body.prev));
  WL_RETURN_IF_ERROR(check_numbers({{"commit", body.commit.value}, {"seq", body.seq}}));
  WL_RETURN_IF_ERROR(check_count("entries", body.entries.size(), kFrameEntriesMax));
  Term floor = std::max(body.prev.term, Term{1});
  uint64_t index = body.prev.index.value;
  for (const Entry& entry : body.entries) {
    if (entry.index.value != ++index)
      return Status::invalid_argument("entry {} stands where {} is due", entry.index.value, index);
    WL_RETURN_IF_ERROR(check_entry(entry, floor, envelope.term));
    floor = entry.term;
  }
  return check_number("last entry", index);
}

Status check_body(const Envelope&, const AppendResp& body) {
  WL_RETURN_IF_ERROR(check_numbers({{"match", body.match.value},
                                    {"reject_prev", body.reject_prev.value},
                                    {"last_index", body.last_index.value},
                                    {"applied", body.applied.value},
                                    {"seq_echo", body.seq_echo}}));
  return check_id("hint", body.hint);
}

Status check_body(const Envelope&, const Heartbeat& body) {
  return check_numbers({{"commit", body.commit.value}, {"read_ctx", body.read_ctx}});
}

Status check_body(const Envelope&, const HeartbeatResp& body) {
  return check_numbers({{"read_ctx", body.read_ctx},
                        {"applied", body.applied.value},
                        {"last_index", body.last_index.value}});
}

Status check_body(const Envelope&, const PreVoteReq& body) {
  return check_id("last", body.last);
}
Status check_body(const Envelope&, const PreVoteResp& body) {
  return check_number("leader_hint", body.leader_hint.value);
}
Status check_body(const Envelope&, const VoteReq& body) {
  return check_id("last", body.last);
}
Status check_body(const Envelope&, const VoteResp&) {
  return Status::ok_status();
}
Status check_body(const Envelope&, const ReadIndexReq&) {
  return Status::ok_status();
}
Status check_body(const Envelope&, const ReadIndexResp& body) {
  return check_number("index", body.index.value);
}
Status check_body(const Envelope&, const TimeoutNow&) {
  return Status::ok_status();
}

Status check_body(const Envelope&, const SnapOffer& body) {
  const LogBoundary& boundary = body.meta.boundary;
  WL_RETURN_IF_ERROR(check_ids({{"boundary term", boundary.id.term.value},
                                {"boundary index", boundary.id.index.value},
                                {"snap_id", body.meta.snap_id}}));
  if (boundary.config_index > boundary.id.index)
    return Status::invalid_argument("config of index {} behind boundary {}",
                                    boundary.config_index.value, boundary.id.index.value);
  WL_RETURN_IF_ERROR(check_number("total_bytes", body.meta.total_bytes));
  WL_RETURN_IF_ERROR(check_hash(body.meta.manifest_hash));
  return boundary.config.validate();
}

Status check_body(const Envelope&, const Hello& body) {
  WL_RETURN_IF_ERROR(check_numbers(
      {{"durable_term", body.durable_term.value}, {"boundary_index", body.boundary_index.value}}));
  return check_id("last", body.last);
}

Status check_body(const Envelope&, const GroupGone& body) {
  return check_number("replica", body.replica.value);
}

// ---- Parts of heartbeats and transfers ----------------------------------------------------------

Status check_header(const NodeHeader& header) {
  WL_RETURN_IF_ERROR(check_ids({{"incarnation", header.incarnation}}));
  WL_RETURN_IF_ERROR(check_count("heard nodes", header.hears.size(), kHeardNodesMax));
  if (header.disk_pressure_percent > 100 || header.cpu_pressure_percent > 100)
    return Status::invalid_argument("pressure above 100 percent");
  NodeId previous;
  for (const NodeId node : header.hears) {
    if (node <= previous) return Status::invalid_argument("heard nodes do not ascend");
    previous = node;
  }
  return check_number("heard node", previous.value);
}

// Whether no bit at or behind `count` is set and the bits fit `count` items.
Status check_bits(const char* what, Bytes bits, size_t count) {
  if (bits.size() > (count + 7) / 8)
    return Status::invalid_argument("{}: {} B of bits for {} items", what, bits.size(), count);
  const size_t last_bits = count % 8;
  if (bits.size() != (count + 7) / 8 || last_bits == 0) return Status::ok_status();
  if ((bits.back() >> last_bits) != 0)
    return Status::invalid_argument("{}: a bit is set behind the last item", what);
  return Status::ok_status();
}

template <typename Item>
Status check_places(const std::vector<Item>& items, size_t place_count, Bytes bits) {
  uint64_t next = 0;
  for (const Item& item : items) {
    if (item.place < next || item.place >= place_count)
      return Status::invalid_argument("item {} stands where {} to {} are allowed", item.place, next,
                                      place_count);
    if (item.place / 8 < bits.size() && (bits[item.place / 8] >> (item.place % 8) & 1) != 0)
      return Status::invalid_argument("item {} is also in the bit set", item.place);
    next = item.place + 1ULL;
  }
  return Status::ok_status();
}

Status check_item(const HeartbeatItem& item) {
  WL_RETURN_IF_ERROR(check_ids({{"group", item.group.value},
                                {"from replica", item.from.value},
                                {"to replica", item.to.value},
                                {"term", item.term.value}}));
  return check_numbers({{"config_index", item.config_index.value},
                        {"commit", item.commit.value},
                        {"read_ctx", item.read_ctx}});
}

Status check_answer(const HeartbeatAnswer& answer) {
  return check_numbers({{"term", answer.term.value},
                        {"config_index", answer.config_index.value},
                        {"read_ctx", answer.read_ctx},
                        {"applied", answer.applied.value},
                        {"last_index", answer.last_index.value}});
}

}  // namespace

Status validate(const Envelope& envelope) {
  WL_RETURN_IF_ERROR(
      check_ids({{"group", envelope.group.value}, {"to replica", envelope.to.replica.value}}));
  WL_RETURN_IF_ERROR(check_numbers({{"from replica", envelope.from.replica.value},
                                    {"term", envelope.term.value},
                                    {"incarnation", envelope.to.incarnation},
                                    {"config_index", envelope.config_index.value}}));
  // A node without the replica has neither a replica nor a term to speak of.
  if (!std::holds_alternative<GroupGone>(envelope.body))
    WL_RETURN_IF_ERROR(
        check_ids({{"from replica", envelope.from.replica.value}, {"term", envelope.term.value}}));
  return std::visit([&envelope](const auto& body) { return check_body(envelope, body); },
                    envelope.body);
}

Status validate(const HeartbeatBatch& batch) {
  WL_RETURN_IF_ERROR(check_ids({{"seq", batch.seq}}));
  WL_RETURN_IF_ERROR(check_header(batch.header));
  if (batch.base_seq >= batch.seq)
    return Status::invalid_argument("batch {} builds on batch {}", batch.seq, batch.base_seq);
  if (batch.base_seq == 0 && !(batch.changed.empty() && batch.light.empty()))
    return Status::invalid_argument("changed items without a base batch");
  WL_RETURN_IF_ERROR(check_count("items", batch.full.size(), kHeartbeatItemsMax));
  WL_RETURN_IF_ERROR(check_bits("light items", batch.light, kHeartbeatItemsMax));
  WL_RETURN_IF_ERROR(check_places(batch.changed, kHeartbeatItemsMax, batch.light));
  GroupId previous;
  for (const HeartbeatItem& item : batch.full) {
    WL_RETURN_IF_ERROR(check_item(item));
    if (item.group <= previous) return Status::invalid_argument("items do not ascend by group");
    previous = item.group;
  }
  for (const HeartbeatDelta& delta : batch.changed)
    WL_RETURN_IF_ERROR(
        check_numbers({{"commit_advance", delta.commit_advance}, {"read_ctx", delta.read_ctx}}));
  return Status::ok_status();
}

Status validate(const HeartbeatReply& reply) {
  WL_RETURN_IF_ERROR(check_ids({{"seq_echo", reply.seq_echo}}));
  WL_RETURN_IF_ERROR(check_header(reply.header));
  WL_RETURN_IF_ERROR(check_count("items", reply.item_count, kHeartbeatItemsMax));
  WL_RETURN_IF_ERROR(check_bits("answers", reply.ok, reply.item_count));
  WL_RETURN_IF_ERROR(check_places(reply.answers, reply.item_count, reply.ok));
  for (const HeartbeatAnswer& answer : reply.answers) WL_RETURN_IF_ERROR(check_answer(answer));
  return Status::ok_status();
}

Status validate(const SnapBytes& message) {
  if (message.payload == nullptr || message.payload->empty())
    return Status::invalid_argument("a snapshot message is empty");
  return check_count("bytes of a snapshot message", message.payload->size(), kSnapMessageBytesMax);
}

Status validate(const CallBytes& call) {
  if (call.payload == nullptr) return Status::invalid_argument("a call has no payload");
  return check_count("bytes of a call", call.payload->size(),
                     frame_bytes_max(TrafficClass::kCalls) - kFrameOverheadBytesMax);
}

}  // namespace worldline::replication
