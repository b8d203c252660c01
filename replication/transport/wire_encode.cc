// Each message is described once, in put(): the sizer and the writer both run it. Field numbers are
// those of proto/replication.proto.
#include "base/crc32c.h"
#include "replication/membership.h"
#include "replication/transport/wire_codec.h"

namespace worldline::replication {
namespace {

// 0D = field 1, fixed32; then the checksum.
constexpr size_t kChecksumBytes = 5;

template <typename Sink>
void put(Sink& sink, uint32_t field, const EntryId& id) {
  sink.message(field, [&id](auto& inner) {
    inner.number(1, id.term.value);
    inner.number(2, id.index.value);
  });
}

// ---- Bodies of envelopes ------------------------------------------------------------------------

template <typename Sink>
void put_entry(Sink& sink, const Entry& entry) {
  sink.number(1, entry.term.value);
  sink.number(2, static_cast<uint64_t>(entry.kind));
  sink.fixed64(3, entry.chain.value);
  sink.payload(4, entry.payload);
}

constexpr uint32_t field_of(const Append*) {
  return 7;
}
template <typename Sink>
void put(Sink& sink, const Append& body) {
  put(sink, 1, body.prev);
  sink.fixed64(2, body.prev_chain.value);
  sink.number(3, body.commit.value);
  sink.number(4, body.seq);
  for (const Entry& entry : body.entries)
    sink.message(5, [&entry](auto& inner) { put_entry(inner, entry); });
}

constexpr uint32_t field_of(const AppendResp*) {
  return 8;
}
template <typename Sink>
void put(Sink& sink, const AppendResp& body) {
  sink.number(1, body.ok);
  sink.number(2, body.match.value);
  sink.number(3, body.reject_prev.value);
  put(sink, 4, body.hint);
  sink.number(5, body.last_index.value);
  sink.number(6, body.applied.value);
  sink.number(7, body.seq_echo);
  sink.number(8, body.disk_full);
  sink.number(9, body.apply_lag);
}

constexpr uint32_t field_of(const Heartbeat*) {
  return 9;
}
template <typename Sink>
void put(Sink& sink, const Heartbeat& body) {
  sink.number(1, body.commit.value);
  sink.number(2, body.read_ctx);
  sink.number(3, body.quiesce);
}

constexpr uint32_t field_of(const HeartbeatResp*) {
  return 10;
}
template <typename Sink>
void put(Sink& sink, const HeartbeatResp& body) {
  sink.number(1, static_cast<uint64_t>(body.status));
  sink.number(2, body.read_ctx);
  sink.number(3, body.applied.value);
  sink.number(4, body.last_index.value);
}

constexpr uint32_t field_of(const PreVoteReq*) {
  return 11;
}
template <typename Sink>
void put(Sink& sink, const PreVoteReq& body) {
  put(sink, 1, body.last);
  sink.number(2, static_cast<uint64_t>(body.reason));
}

constexpr uint32_t field_of(const PreVoteResp*) {
  return 12;
}
template <typename Sink>
void put(Sink& sink, const PreVoteResp& body) {
  sink.number(1, static_cast<uint64_t>(body.why));
  sink.number(2, body.leader_hint.value);
}

constexpr uint32_t field_of(const VoteReq*) {
  return 13;
}
template <typename Sink>
void put(Sink& sink, const VoteReq& body) {
  put(sink, 1, body.last);
  sink.number(2, body.transfer);
}

constexpr uint32_t field_of(const VoteResp*) {
  return 14;
}
template <typename Sink>
void put(Sink& sink, const VoteResp& body) {
  sink.number(1, static_cast<uint64_t>(body.why));
}

constexpr uint32_t field_of(const ReadIndexReq*) {
  return 15;
}
template <typename Sink>
void put(Sink& sink, const ReadIndexReq& body) {
  sink.number(1, body.token.value);
}

constexpr uint32_t field_of(const ReadIndexResp*) {
  return 16;
}
template <typename Sink>
void put(Sink& sink, const ReadIndexResp& body) {
  sink.number(1, body.token.value);
  sink.number(2, body.ok);
  sink.number(3, body.index.value);
}

constexpr uint32_t field_of(const TimeoutNow*) {
  return 17;
}
template <typename Sink>
void put(Sink&, const TimeoutNow&) {}

constexpr uint32_t field_of(const SnapOffer*) {
  return 18;
}
template <typename Sink>
void put(Sink& sink, const SnapOffer& body) {
  const LogBoundary& boundary = body.meta.boundary;
  put(sink, 1, boundary.id);
  sink.fixed64(2, boundary.chain.value);
  sink.bytes(3, encode_membership(boundary.config));
  sink.number(4, boundary.config_index.value);
  sink.number(5, body.meta.snap_id);
  sink.bytes(6, body.meta.manifest_hash);
  sink.number(7, body.meta.total_bytes);
  sink.number(8, body.meta.chunk_count);
}

constexpr uint32_t field_of(const Hello*) {
  return 19;
}
template <typename Sink>
void put(Sink& sink, const Hello& body) {
  put(sink, 1, body.last);
  sink.number(2, body.durable_term.value);
  sink.number(3, body.boundary_index.value);
}

constexpr uint32_t field_of(const GroupGone*) {
  return 20;
}
template <typename Sink>
void put(Sink& sink, const GroupGone& body) {
  sink.number(1, body.replica.value);
  sink.number(2, static_cast<uint64_t>(body.reason));
}

template <typename Sink>
void put(Sink& sink, const Envelope& envelope) {
  sink.number(1, envelope.group.value);
  sink.number(2, envelope.from.replica.value);
  sink.number(3, envelope.to.replica.value);
  sink.number(4, envelope.to.incarnation);
  sink.number(5, envelope.term.value);
  sink.number(6, envelope.config_index.value);
  std::visit(
      [&sink](const auto& body) {
        sink.message(field_of(&body), [&body](auto& inner) { put(inner, body); });
      },
      envelope.body);
}

// ---- Parts of what follows ----------------------------------------------------------------------

template <typename Sink>
void put(Sink& sink, const NodeHeader& header) {
  sink.number(1, header.incarnation);
  sink.number(2, header.lead_epoch);
  sink.fixed64(3, static_cast<uint64_t>(header.wall_clock.micros));
  sink.fixed64(4, header.monotonic_ns);
  sink.number(5, header.disk_pressure_percent);
  sink.number(6, header.cpu_pressure_percent);
  sink.packed(7, std::span<const NodeId>(header.hears));
}

template <typename Sink>
void put(Sink& sink, const HeartbeatItem& item) {
  sink.number(1, item.group.value);
  sink.number(2, item.from.value);
  sink.number(3, item.to.value);
  sink.number(4, item.term.value);
  sink.number(5, item.config_index.value);
  sink.number(6, item.commit.value);
  sink.number(7, item.read_ctx);
  sink.number(8, item.quiesce);
}

template <typename Sink>
void put(Sink& sink, const HeartbeatDelta& delta) {
  sink.number(1, delta.place);
  sink.number(2, delta.commit_advance);
  sink.number(3, delta.read_ctx);
}

template <typename Sink>
void put(Sink& sink, const HeartbeatAnswer& answer) {
  sink.number(1, answer.place);
  sink.number(2, static_cast<uint64_t>(answer.status));
  sink.number(3, answer.term.value);
  sink.number(4, answer.config_index.value);
  sink.number(5, answer.read_ctx);
  sink.number(6, answer.applied.value);
  sink.number(7, answer.last_index.value);
}

template <typename Sink, typename Item>
void put_all(Sink& sink, uint32_t field, const std::vector<Item>& items) {
  for (const Item& item : items) sink.message(field, [&item](auto& inner) { put(inner, item); });
}

// ---- Heartbeats of a node -----------------------------------------------------------------------

constexpr uint32_t field_of(const HeartbeatBatch*) {
  return 4;
}
template <typename Sink>
void put(Sink& sink, const HeartbeatBatch& batch) {
  sink.number(1, batch.seq);
  sink.number(2, batch.base_seq);
  sink.message(3, [&batch](auto& inner) { put(inner, batch.header); });
  put_all(sink, 4, batch.full);
  put_all(sink, 5, batch.changed);
  sink.bytes(6, batch.light);
}

constexpr uint32_t field_of(const HeartbeatReply*) {
  return 5;
}
template <typename Sink>
void put(Sink& sink, const HeartbeatReply& reply) {
  sink.number(1, reply.seq_echo);
  sink.fixed64(2, reply.monotonic_ns_echo);
  sink.message(3, [&reply](auto& inner) { put(inner, reply.header); });
  sink.number(4, reply.item_count);
  sink.bytes(5, reply.ok);
  put_all(sink, 6, reply.answers);
}

// ---- Snapshot transfer --------------------------------------------------------------------------

constexpr uint32_t field_of(const SnapBytes*) {
  return 14;
}
template <typename Sink>
void put(Sink& sink, const SnapBytes& message) {
  sink.payload(1, message.payload);
}

// ---- Frames -------------------------------------------------------------------------------------

template <typename Sink>
void put_identity(Sink& sink, const NodeIdentity& identity) {
  sink.bytes(1, identity.cluster);
  sink.bytes(2, identity.uuid);
  sink.number(3, identity.node.value);
  sink.number(4, identity.incarnation);
  sink.number(5, identity.feature_level);
}

template <typename Sink>
void put_run(Sink& sink, std::span<const WireMessage* const> run) {
  switch (frame_kind(*run.front())) {
    case FrameKind::kEnvelopes:
      sink.message(3, [run](auto& inner) {
        for (const WireMessage* message : run)
          inner.message(1, [message](auto& one) { put(one, std::get<Envelope>(*message)); });
      });
      return;
    case FrameKind::kCalls:
      sink.message(10, [run](auto& inner) {
        for (const WireMessage* message : run)
          inner.repeated_payload(1, std::get<CallBytes>(*message).payload);
      });
      return;
    case FrameKind::kSingle:
      WL_CHECK(run.size() == 1);
      std::visit(
          [&sink](const auto& message) {
            using Kind = std::decay_t<decltype(message)>;
            if constexpr (!std::is_same_v<Kind, Envelope> && !std::is_same_v<Kind, CallBytes>)
              sink.message(field_of(&message), [&message](auto& inner) { put(inner, message); });
          },
          *run.front());
      return;
  }
}

}  // namespace

uint32_t frame_checksum(std::span<const FramePiece> pieces) {
  uint32_t crc = 0;
  size_t skipped = kChecksumBytes;
  for (const FramePiece& piece : pieces) {
    const size_t skip = std::min(skipped, piece.bytes.size());
    crc = crc32c(crc, piece.bytes.subspan(skip));
    skipped -= skip;
  }
  return crc;
}

template <typename Body>
EncodedFrame FrameEncoder::encode_frame(const Body& body) {
  const auto put_frame = [&body](auto& sink) {
    sink.fixed32(1, 0);  // The checksum, filled in below.
    sink.number(2, kWireVersion);
    body(sink);
  };
  sizes_.clear();
  WireSizer sizer(sizes_);
  put_frame(sizer);
  WL_CHECK(sizer.size() <= kAnyFrameBytesMax);  // validate_outgoing() and the run's bound.

  EncodedFrame frame;
  const auto head = std::make_shared_for_overwrite<Byte[]>(sizer.head_size());
  WireWriter writer({head.get(), sizer.head_size()}, sizes_);
  put_frame(writer);
  frame.pieces = writer.finish();
  frame.bytes = sizer.size();
  store_le(head.get() + 1, frame_checksum(frame.pieces));
  frame.head = head;
  return frame;
}

EncodedFrame FrameEncoder::encode(std::span<const WireMessage* const> run) {
  WL_CHECK(!run.empty());
  return encode_frame([run](auto& sink) { put_run(sink, run); });
}

EncodedFrame FrameEncoder::encode(const Handshake& handshake) {
  return encode_frame([&handshake](auto& sink) {
    sink.message(11, [&handshake](auto& inner) {
      put_identity(inner, handshake.identity);
      inner.number(6, static_cast<uint64_t>(handshake.cls));
      inner.number(7, handshake.to.value);
    });
  });
}

EncodedFrame FrameEncoder::encode(const HandshakeReply& reply) {
  return encode_frame([&reply](auto& sink) {
    sink.message(12, [&reply](auto& inner) { put_identity(inner, reply.identity); });
  });
}

EncodedFrame FrameEncoder::encode(const Goodbye& goodbye) {
  return encode_frame([&goodbye](auto& sink) {
    sink.message(
        13, [&goodbye](auto& inner) { inner.number(1, static_cast<uint64_t>(goodbye.reason)); });
  });
}

}  // namespace worldline::replication
