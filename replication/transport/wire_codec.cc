#include "replication/transport/wire_codec.h"

#include <limits>

#include "base/crc32c.h"
#include "replication/transport/wire_decode.h"

namespace worldline::replication {
namespace {

constexpr size_t kChecksumBytes = 5;  // Field 1, fixed32.
constexpr uint32_t kFirstBodyField = 3;
constexpr uint32_t kLastBodyField = 14;

// 6 to 9 are reserved.
constexpr bool is_body(uint32_t field) {
  return field >= kFirstBodyField && field <= kLastBodyField && !(field >= 6 && field <= 9);
}

// ---- Sizes --------------------------------------------------------------------------------------

// Keys and lengths included. Numbers take at most ten bytes and a key of one or two.
constexpr size_t kNumberBytes = 12;
constexpr size_t kEnvelopeBytes = 20 * kNumberBytes;
constexpr size_t kEntryBytes = 5 * kNumberBytes;

size_t bound(const Envelope& envelope) {
  size_t bytes = kEnvelopeBytes;
  if (const auto* append = std::get_if<Append>(&envelope.body)) {
    for (const Entry& entry : append->entries) bytes += kEntryBytes + entry.payload_bytes;
  } else if (const auto* offer = std::get_if<SnapOffer>(&envelope.body)) {
    bytes += offer->meta.manifest_hash.size() + kConfigBytesMax;
  }
  return bytes;
}
size_t bound(const NodeHeader& header) {
  return 8 * kNumberBytes + 10 * header.hears.size();
}
size_t bound(const HeartbeatBatch& batch) {
  return bound(batch.header) + 8 * kNumberBytes + batch.light.size() +
         batch.full.size() * 9 * kNumberBytes + batch.changed.size() * 4 * kNumberBytes;
}
size_t bound(const HeartbeatReply& reply) {
  return bound(reply.header) + 8 * kNumberBytes + reply.ok.size() +
         reply.answers.size() * 8 * kNumberBytes;
}
size_t bound(const SnapBytes& message) {
  return 4 * kNumberBytes + (message.payload ? message.payload->size() : 0);
}
size_t bound(const CallBytes& call) {
  return 4 * kNumberBytes + (call.payload ? call.payload->size() : 0);
}

TrafficClass class_of(const Envelope& envelope) {
  const MessageBody& body = envelope.body;
  const bool is_log =
      std::holds_alternative<Append>(body) || std::holds_alternative<AppendResp>(body) ||
      std::holds_alternative<SnapOffer>(body) || std::holds_alternative<Hello>(body);
  return is_log ? TrafficClass::kLog : TrafficClass::kControl;
}

// ---- Checks of both directions ------------------------------------------------------------------

Status check_class(const WireMessage& message, TrafficClass cls) {
  const TrafficClass own = traffic_class_of(message);
  if (own == cls) return Status::ok_status();
  return Status::invalid_argument("a message of class {} on a stream of class {}",
                                  traffic_class_name(own), traffic_class_name(cls));
}

// A node speaks of itself only, and to the other end only.
template <typename Message>
Status check_speaker(const Message& message, const StreamEnds& ends) {
  if constexpr (std::is_same_v<Message, Envelope>) {
    const NodeLife from{message.from.node, message.from.incarnation};
    if (from != ends.from || message.to.node != ends.to)
      return Status::invalid_argument(
          "a message from node {}.{} to {} on a stream from {}.{} to {}", from.node.value,
          from.incarnation, message.to.node.value, ends.from.node.value, ends.from.incarnation,
          ends.to.value);
  } else if constexpr (std::is_same_v<Message, HeartbeatBatch> ||
                       std::is_same_v<Message, HeartbeatReply>) {
    if (message.header.incarnation != ends.from.incarnation)
      return Status::invalid_argument("incarnation {} on a stream of incarnation {}",
                                      message.header.incarnation, ends.from.incarnation);
  }
  return Status::ok_status();
}

// ---- Decoding -----------------------------------------------------------------------------------

Status malformed(const WireReader& reader) {
  return Status::invalid_argument("frame: {}", reader.fault());
}

// The pieces of a frame come from here one by one.
class FrameDecoder {
 public:
  FrameDecoder(std::span<const Bytes> segments, const StreamEnds& ends)
      : reader_(segments), ends_(ends) {}

  Result<DecodedFrame> decode(uint32_t checksum);

 private:
  Status take_fields();
  Status take_body(WireField field);
  Status take_envelopes();
  Status take_calls();
  template <typename Message>
  Status take_single();
  Status take_handshake(Handshake& out);
  Status take_reply(HandshakeReply& out);
  Status take_goodbye(Goodbye& out);
  void take_identity_field(WireField field, NodeIdentity& out, MessageFaults& faults);
  Status spend_message();
  void keep(WireMessage message, const Status& status);

  WireReader reader_;
  const StreamEnds& ends_;
  DecodeBudget budget_;
  DecodedFrame out_;
};

Result<DecodedFrame> FrameDecoder::decode(uint32_t checksum) {
  WireField field;
  if (!reader_.next(field) || field.number != 1 || field.type != WireType::kFixed32)
    return Status::invalid_argument("frame: does not begin with its checksum");
  const uint32_t stored = reader_.fixed32(field);
  if (!reader_.ok()) return malformed(reader_);
  if (stored != checksum)
    return Status::corruption("frame: checksum {:08x}, computed {:08x}", stored, checksum);
  if (!reader_.next(field) || field.number != 2)
    return Status::invalid_argument("frame: no wire version");
  if (const uint64_t version = reader_.number(field); version != kWireVersion)
    return Status::not_supported("frame: wire version {}, this program speaks {}", version,
                                 kWireVersion);
  WL_RETURN_IF_ERROR(take_fields());
  if (!reader_.ok()) return malformed(reader_);
  return std::move(out_);
}

Status FrameDecoder::take_fields() {
  bool has_body = false;
  bool has_unknown = false;
  for (WireField field; reader_.next(field);) {
    if (!is_body(field.number)) {
      reader_.skip(field);
      has_unknown = true;
      continue;
    }
    if (has_body) return Status::invalid_argument("frame: two bodies");
    has_body = true;
    WL_RETURN_IF_ERROR(take_body(field));
  }
  if (has_body) return Status::ok_status();
  if (!has_unknown) return Status::invalid_argument("frame: no body");
  out_.unknown_count = 1;
  return Status::ok_status();
}

Status FrameDecoder::take_body(WireField field) {
  const size_t outer = reader_.open(field);
  Status status;
  switch (field.number) {
    case 3:
      status = take_envelopes();
      break;
    case 4:
      status = take_single<HeartbeatBatch>();
      break;
    case 5:
      status = take_single<HeartbeatReply>();
      break;
    case 10:
      status = take_calls();
      break;
    case 11:
      status = take_handshake(out_.handshake.emplace());
      break;
    case 12:
      status = take_reply(out_.handshake_reply.emplace());
      break;
    case 13:
      status = take_goodbye(out_.goodbye.emplace());
      break;
    default:
      status = take_single<SnapBytes>();
  }
  reader_.close(outer);
  return status;
}

Status FrameDecoder::spend_message() {
  if (budget_.messages_left == 0)
    return Status::too_large("frame: more than {} messages", kFrameMessagesMax);
  --budget_.messages_left;
  return Status::ok_status();
}

// Keeps a message of the right class; counts and leaves out what is not valid.
void FrameDecoder::keep(WireMessage message, const Status& status) {
  Status verdict = status;
  if (verdict.ok()) verdict = std::visit([](const auto& one) { return validate(one); }, message);
  if (verdict.ok()) verdict = check_class(message, ends_.cls);
  if (verdict.ok()) {
    out_.messages.push_back(std::move(message));
    return;
  }
  if (out_.invalid_count++ == 0) out_.first_invalid = verdict;
}

Status FrameDecoder::take_envelopes() {
  for (WireField field; reader_.next(field);) {
    if (field.number != 1) {
      reader_.skip(field);
      continue;
    }
    WL_RETURN_IF_ERROR(spend_message());
    Envelope envelope;
    envelope.from = {ends_.from.node, ends_.from.incarnation, {}};
    envelope.to.node = ends_.to;
    MessageFaults faults;
    const size_t outer = reader_.open(field);
    const bool known = take_envelope(reader_, envelope, faults, budget_);
    reader_.close(outer);
    if (!reader_.ok()) break;
    if (known)
      keep(std::move(envelope), faults.first());
    else
      ++out_.unknown_count;
  }
  return Status::ok_status();
}

Status FrameDecoder::take_calls() {
  for (WireField field; reader_.next(field);) {
    if (field.number != 1) {
      reader_.skip(field);
      continue;
    }
    WL_RETURN_IF_ERROR(spend_message());
    CallBytes call{reader_.payload(field)};
    if (!reader_.ok()) break;
    keep(std::move(call), Status::ok_status());
  }
  return Status::ok_status();
}

template <typename Message>
Status FrameDecoder::take_single() {
  WL_RETURN_IF_ERROR(spend_message());
  Message message;
  MessageFaults faults;
  take(reader_, message, faults);
  if (!reader_.ok()) return Status::ok_status();  // Reported once, by decode().
  faults.add(check_speaker(message, ends_));
  keep(std::move(message), faults.first());
  return Status::ok_status();
}

// The fields that both sides of a handshake say of themselves.
void FrameDecoder::take_identity_field(WireField field, NodeIdentity& out, MessageFaults& faults) {
  switch (field.number) {
    case 1:
      if (!reader_.exact(field, out.cluster))
        faults.add(Status::invalid_argument("a cluster id has 16 bytes"));
      return;
    case 2:
      if (!reader_.exact(field, out.uuid))
        faults.add(Status::invalid_argument("a node uuid has 16 bytes"));
      return;
    case 3:
      out.node = NodeId{reader_.number(field)};
      return;
    case 4:
      out.incarnation = reader_.number(field);
      return;
    case 5:
      out.feature_level = take_small<uint32_t>(reader_, field, faults);
      return;
    default:
      reader_.skip(field);
  }
}

Status check_identity(const NodeIdentity& identity) {
  if (identity.cluster == ClusterId{}) return Status::invalid_argument("handshake: no cluster id");
  if (identity.uuid == NodeUuid{}) return Status::invalid_argument("handshake: no node uuid");
  if (identity.node.value == 0 || identity.node.value > kWireNumberMax)
    return Status::invalid_argument("handshake: node id {}", identity.node.value);
  if (identity.incarnation == 0 || identity.incarnation > kWireNumberMax)
    return Status::invalid_argument("handshake: incarnation {}", identity.incarnation);
  return Status::ok_status();
}

Status FrameDecoder::take_handshake(Handshake& out) {
  MessageFaults faults;
  bool has_class = false;
  for (WireField field; reader_.next(field);) {
    if (field.number == 6) {
      out.cls = take_enum(reader_, field, TrafficClass::kCalls, faults);
      has_class = true;
    } else if (field.number == 7) {
      out.to = NodeId{reader_.number(field)};
    } else {
      take_identity_field(field, out.identity, faults);
    }
  }
  if (!reader_.ok()) return Status::ok_status();
  if (!has_class) faults.add(Status::invalid_argument("handshake: no traffic class"));
  if (out.to.value == 0) faults.add(Status::invalid_argument("handshake: no target"));
  faults.add(check_identity(out.identity));
  return faults.first();
}

Status FrameDecoder::take_reply(HandshakeReply& out) {
  MessageFaults faults;
  for (WireField field; reader_.next(field);) take_identity_field(field, out.identity, faults);
  if (!reader_.ok()) return Status::ok_status();
  faults.add(check_identity(out.identity));
  return faults.first();
}

Status FrameDecoder::take_goodbye(Goodbye& out) {
  MessageFaults faults;
  out.reason = {};
  for (WireField field; reader_.next(field);) {
    if (field.number == 1)
      out.reason = take_enum(reader_, field, GoodbyeReason::kFatal, faults);
    else
      reader_.skip(field);
  }
  if (!reader_.ok()) return Status::ok_status();
  if (out.reason == GoodbyeReason{}) faults.add(Status::invalid_argument("goodbye: no reason"));
  return faults.first();
}

}  // namespace

TrafficClass traffic_class_of(const WireMessage& message) {
  switch (message.index()) {
    case 0:
      return class_of(std::get<Envelope>(message));
    case 1:
    case 2:
      return TrafficClass::kControl;
    case 3:
      return TrafficClass::kBulk;
    default:
      return TrafficClass::kCalls;
  }
}

FrameKind frame_kind(const WireMessage& message) {
  if (std::holds_alternative<Envelope>(message)) return FrameKind::kEnvelopes;
  if (std::holds_alternative<CallBytes>(message)) return FrameKind::kCalls;
  return FrameKind::kSingle;
}

size_t wire_bytes_bound(const WireMessage& message) {
  return std::visit([](const auto& one) { return bound(one); }, message);
}

Status validate_outgoing(const WireMessage& message, const StreamEnds& ends) {
  WL_RETURN_IF_ERROR(check_class(message, ends.cls));
  if (const size_t bytes = wire_bytes_bound(message); bytes > frame_bytes_max(ends.cls))
    return Status::too_large("a message of {} B exceeds the frame limit of {} B of class {}", bytes,
                             frame_bytes_max(ends.cls), traffic_class_name(ends.cls));
  return std::visit(
      [&ends](const auto& one) {
        const Status status = check_speaker(one, ends);
        return status.ok() ? validate(one) : status;
      },
      message);
}

Result<DecodedFrame> decode_frame(std::span<const Bytes> segments, const StreamEnds& ends) {
  uint32_t crc = 0;
  size_t bytes = 0;
  for (const Bytes segment : segments) {
    const size_t skip =
        bytes < kChecksumBytes ? std::min(kChecksumBytes - bytes, segment.size()) : 0;
    crc = crc32c(crc, segment.subspan(skip));
    bytes += segment.size();
  }
  const size_t bytes_max =
      ends.from.node.value == 0 ? kHandshakeBytesMax : frame_bytes_max(ends.cls);
  if (bytes > bytes_max)
    return Status::too_large("frame: {} B exceed the limit of {} B", bytes, bytes_max);
  return FrameDecoder(segments, ends).decode(crc);
}

}  // namespace worldline::replication
