#include "replication/snapshot/snapshot_codec.h"

#include <memory>
#include <utility>

#include "base/check.h"
#include "base/record_reader.h"

namespace worldline::replication {
namespace {

constexpr uint8_t kVersion = 1;

// Numbers on the wire: never renumbered, never reused.
enum class Kind : uint8_t {
  kBegin = 1,
  kWant = 2,
  kPiece = 3,
  kMissing = 4,
  kAck = 5,
  kAbort = 6,
};

// --- Writing -------------------------------------------------------------------------------------

void write(ByteBuffer& out, const SnapBegin& body) {
  WL_CHECK(body.delegates.size() <= kDelegatesMax);
  append_le(out, Kind::kBegin);
  append_le(out, body.transfer_class);
  append_le(out, static_cast<uint8_t>(body.is_needed_for_quorum));
  append_le(out, static_cast<uint8_t>(body.delegates.size()));
  for (const ReplicaId delegate : body.delegates) append_le(out, delegate.value);
}
void write(ByteBuffer& out, const SnapWant& body) {
  WL_CHECK(body.pieces.size() <= kTransferWindow);
  append_le(out, Kind::kWant);
  append_le(out, static_cast<uint8_t>(body.pieces.size()));
  for (const PieceRequest& piece : body.pieces) {
    append_le(out, piece.hash);
    append_le(out, piece.offset);
  }
}
void write(ByteBuffer& out, const SnapPiece& body) {
  WL_CHECK(body.bytes != nullptr);
  WL_CHECK(body.bytes->size() <= kPieceBytesMax);
  append_le(out, Kind::kPiece);
  append_le(out, body.hash);
  append_le(out, body.offset);
  append_le(out, body.total_bytes);
  append_le(out, static_cast<uint32_t>(body.bytes->size()));
  append(out, *body.bytes);
}
void write(ByteBuffer& out, const SnapMissing& body) {
  append_le(out, Kind::kMissing);
  append_le(out, body.hash);
}
void write(ByteBuffer& out, const SnapAck& body) {
  append_le(out, Kind::kAck);
  append_le(out, body.pages_done);
  append_le(out, body.pages_total);
  append_le(out, static_cast<uint8_t>(body.is_staged));
}
void write(ByteBuffer& out, const SnapAbort& body) {
  append_le(out, Kind::kAbort);
  append_le(out, body.reason);
}

// --- Reading -------------------------------------------------------------------------------------

Status malformed(const char* what) {
  return Status::invalid_argument("snapshot message: {}", what);
}

// An enum of consecutive numbers from 1.
template <typename Enum>
bool read_enum(RecordReader& reader, Enum last, Enum& out) {
  const auto number = reader.number<uint8_t>();
  if (number == 0 || number > static_cast<uint8_t>(last)) return false;
  out = static_cast<Enum>(number);
  return true;
}
bool read_bool(RecordReader& reader, bool& out) {
  const auto number = reader.number<uint8_t>();
  out = number == 1;
  return number <= 1;
}

Result<SnapBody> read_begin(RecordReader& reader) {
  SnapBegin body;
  if (!read_enum(reader, TransferClass::kRebalance, body.transfer_class))
    return malformed("unknown class");
  if (!read_bool(reader, body.is_needed_for_quorum)) return malformed("flag");
  const auto count = reader.number<uint8_t>();
  if (count > kDelegatesMax) return malformed("too many delegates");
  for (uint8_t i = 0; i < count; ++i) body.delegates.emplace_back(reader.number<uint64_t>());
  return SnapBody(std::move(body));
}

Result<SnapBody> read_want(RecordReader& reader) {
  SnapWant body;
  const auto count = reader.number<uint8_t>();
  if (count > kTransferWindow) return malformed("more pieces than a window");
  for (uint8_t i = 0; i < count; ++i) {
    PieceRequest piece;
    piece.hash = reader.number<ContentHash>();
    piece.offset = reader.number<uint64_t>();
    body.pieces.push_back(piece);
  }
  return SnapBody(std::move(body));
}

Result<SnapBody> read_piece(RecordReader& reader) {
  SnapPiece body;
  body.hash = reader.number<ContentHash>();
  body.offset = reader.number<uint64_t>();
  body.total_bytes = reader.number<uint64_t>();
  const auto count = reader.number<uint32_t>();
  if (count > kPieceBytesMax) return malformed("a piece beyond the limit");
  const Bytes bytes = reader.take(count);
  if (body.total_bytes > std::max(kPageBytesMax, kManifestBytesMax) ||
      body.offset > body.total_bytes || count > body.total_bytes - body.offset)
    return malformed("a piece outside of its page");
  body.bytes = std::make_shared<const ByteBuffer>(bytes.begin(), bytes.end());
  return SnapBody(std::move(body));
}

Result<SnapBody> read_ack(RecordReader& reader) {
  SnapAck body;
  body.pages_done = reader.number<uint64_t>();
  body.pages_total = reader.number<uint64_t>();
  if (!read_bool(reader, body.is_staged)) return malformed("flag");
  return SnapBody(body);
}

Result<SnapBody> read_abort(RecordReader& reader) {
  SnapAbort body;
  if (!read_enum(reader, AbortReason::kUnknown, body.reason)) return malformed("unknown reason");
  return SnapBody(body);
}

Result<SnapBody> read_body(RecordReader& reader) {
  Kind kind{};
  if (!read_enum(reader, Kind::kAbort, kind)) return malformed("unknown kind");
  switch (kind) {
    case Kind::kBegin:
      return read_begin(reader);
    case Kind::kWant:
      return read_want(reader);
    case Kind::kPiece:
      return read_piece(reader);
    case Kind::kMissing:
      return SnapBody(SnapMissing{reader.number<ContentHash>()});
    case Kind::kAck:
      return read_ack(reader);
    case Kind::kAbort:
      return read_abort(reader);
  }
  return malformed("unknown kind");
}

}  // namespace

ByteBuffer encode_snap_message(const SnapMessage& message) {
  ByteBuffer out = {kVersion};
  append_le(out, message.id.value);
  append_le(out, message.group.value);
  append_le(out, message.from.value);
  append_le(out, message.to.value);
  std::visit([&out](const auto& body) { write(out, body); }, message.body);
  return out;
}

Result<SnapMessage> decode_snap_message(Bytes bytes) {
  RecordReader reader(bytes);
  const auto version = reader.number<uint8_t>();
  if (!reader.ok()) return malformed("empty");
  if (version != kVersion)
    return Status::not_supported("snapshot message: version {}, this program knows {}", version,
                                 kVersion);
  SnapMessage message;
  message.id = SnapshotId{reader.number<uint64_t>()};
  message.group = GroupId{reader.number<uint64_t>()};
  message.from = ReplicaId{reader.number<uint64_t>()};
  message.to = ReplicaId{reader.number<uint64_t>()};
  WL_ASSIGN_OR_RETURN(message.body, read_body(reader));
  if (!reader.at_end()) return malformed("wrong length");
  return message;
}

}  // namespace worldline::replication
