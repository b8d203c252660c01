#include "replication/transport/grpc_context.h"

#include <grpcpp/support/slice.h>

namespace worldline::replication {
namespace {

// What keeps one piece alive.
struct PieceOwner {
  std::shared_ptr<const Byte[]> head;
  SharedBytes payload;
};

void release_piece(void* owner) {
  delete static_cast<PieceOwner*>(owner);
}

}  // namespace

ClassCounters LaneCounters::snapshot() const {
  const auto read = [](const Counter& counter) { return counter.load(std::memory_order_relaxed); };
  ClassCounters out;
  out.frames_sent = read(frames_sent);
  out.messages_sent = read(messages_sent);
  out.bytes_sent = read(bytes_sent);
  out.frames_received = read(frames_received);
  out.messages_received = read(messages_received);
  out.bytes_received = read(bytes_received);
  out.refused_full = read(refused_full);
  out.refused_down = read(refused_down);
  out.dropped_messages = read(dropped_messages);
  out.invalid_messages = read(invalid_messages);
  out.unknown_messages = read(unknown_messages);
  out.invalid_frames = read(invalid_frames);
  out.streams_rejected = read(streams_rejected);
  out.streams_up = read(streams_up);
  out.streams_ended = read(streams_ended);
  out.handshakes_refused = read(handshakes_refused);
  out.receive_pauses = read(receive_pauses);
  return out;
}

grpc::StatusCode grpc_code_of(const Status& status) {
  switch (status.code()) {
    case StatusCode::kPermissionDenied:
      return grpc::StatusCode::PERMISSION_DENIED;
    case StatusCode::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case StatusCode::kInvalidArgument:
    case StatusCode::kTooLarge:
    case StatusCode::kNotSupported:
    case StatusCode::kCorruption:
      return grpc::StatusCode::INVALID_ARGUMENT;
    default:
      return grpc::StatusCode::FAILED_PRECONDITION;
  }
}

grpc::ByteBuffer to_buffer(const EncodedFrame& frame) {
  std::vector<grpc::Slice> slices;
  slices.reserve(frame.pieces.size());
  for (const FramePiece& piece : frame.pieces) {
    auto owner = std::make_unique<PieceOwner>(
        PieceOwner{piece.owner == nullptr ? frame.head : nullptr, piece.owner});
    // The library only reads; its interface has no const.
    slices.emplace_back(const_cast<Byte*>(piece.bytes.data()), piece.bytes.size(), release_piece,
                        owner.get());
    owner.release();  // The slice's from here on.
  }
  return {slices.data(), slices.size()};
}

bool ReceivedFrame::assign(grpc::ByteBuffer& buffer) {
  slices_.clear();
  segments_.clear();
  bytes_ = 0;
  if (!buffer.Dump(&slices_).ok()) return false;
  buffer.Clear();
  for (const grpc::Slice& slice : slices_) {
    segments_.emplace_back(slice.begin(), slice.size());
    bytes_ += slice.size();
  }
  return true;
}

}  // namespace worldline::replication
