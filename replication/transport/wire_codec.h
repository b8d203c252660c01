// replication/transport/wire_codec.h
//
// Messages to frames and back; proto/replication.proto is the contract of the bytes.
//
// The bytes are protobuf's, the codec is ours: large payloads leave without a copy and all arrive
// with one (the generated classes copy twice each way), counts are limited while reading instead of
// after everything was allocated, and an Append of ten entries of 200 B takes 5.2 k instructions to
// write and 14.0 k to read and validate, where the generated classes take 21.5 k and 31.7 k
// (bench/replication/wire_codec_bench.cc). Tests hold both codecs equal, byte for byte.
//
// Everything from a peer is validated here, so what comes out can be handed to the core:
//   * Bytes that are no frame (checksum, syntax, too many, wrong class) fail as a whole: the stream
//     that brought them is ended.
//   * A message with a value it may not have is left out and counted; its neighbours are kept, so
//     one group's fault does not silence the others.
//   * Fields, bodies and frames of a newer program are skipped and counted.
// A message's nodes are those of its stream: they are not on the wire.
//
// Thread: one FrameEncoder per thread; the rest any. Units: bytes.
// Errors: kInvalidArgument (malformed, or not of this class), kTooLarge (a limit of wire_limits.h),
//   kCorruption (checksum), kNotSupported (wire version, enum value).
// Sources: [S 08/1.4], [S 08/1.5], [S 08/3.1]; docs/formats/replication-wire.md.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "replication/transport/wire_limits.h"
#include "replication/transport/wire_messages.h"
#include "replication/transport/wire_writer.h"

namespace worldline::replication {

// First frame of a stream.
struct Handshake {
  NodeIdentity identity;  // Of the dialler.
  TrafficClass cls = TrafficClass::kControl;
  NodeId to;  // Whom it means to reach.
};
struct HandshakeReply {
  NodeIdentity identity;  // Of the listener.
};
struct Goodbye {
  GoodbyeReason reason = GoodbyeReason::kShutdown;
};

// Whose stream it is.
struct StreamEnds {
  NodeLife from;  // Zero while the handshake is outstanding.
  NodeId to;
  TrafficClass cls = TrafficClass::kControl;
};

// Frames hold either one message, or a run of messages of one of these kinds.
enum class FrameKind : uint8_t { kSingle, kEnvelopes, kCalls };
FrameKind frame_kind(const WireMessage& message);

// An upper bound of what the message adds to a frame; the frame's own fields included once.
size_t wire_bytes_bound(const WireMessage& message);
// Whether the receiver would keep it: kInvalidArgument if it belongs to another class, names other
// nodes than the stream's or is malformed; kTooLarge beyond a limit.
Status validate_outgoing(const WireMessage& message, const StreamEnds& ends);

class FrameEncoder {
 public:
  // REQUIRES: not empty; one message, or several of one kind that is not kSingle; each passed
  // validate_outgoing().
  EncodedFrame encode(std::span<const WireMessage* const> run);
  EncodedFrame encode(const Handshake& handshake);
  EncodedFrame encode(const HandshakeReply& reply);
  EncodedFrame encode(const Goodbye& goodbye);

 private:
  template <typename Body>
  EncodedFrame encode_frame(const Body& body);

  std::vector<uint32_t> sizes_;  // Scratch: lengths of nested messages.
};

struct DecodedFrame {
  std::vector<WireMessage> messages;
  std::optional<Handshake> handshake;
  std::optional<HandshakeReply> handshake_reply;
  std::optional<Goodbye> goodbye;
  size_t invalid_count = 0;  // Messages left out; `first_invalid` says why.
  size_t unknown_count = 0;  // Messages or frames of kinds this program does not know.
  Status first_invalid;
};

// `segments` in order are the bytes of one frame.
Result<DecodedFrame> decode_frame(std::span<const Bytes> segments, const StreamEnds& ends);

// Checks of single messages; what decode_frame() applies to each [S 08/1.5].
Status validate(const Envelope& envelope);
Status validate(const HeartbeatBatch& batch);
Status validate(const HeartbeatReply& reply);
Status validate(const SnapBytes& message);
Status validate(const CallBytes& call);

// CRC-32C of a frame's bytes behind its checksum field.
uint32_t frame_checksum(std::span<const FramePiece> pieces);

}  // namespace worldline::replication
