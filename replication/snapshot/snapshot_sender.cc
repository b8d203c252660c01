#include "replication/snapshot/snapshot_sender.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace worldline::replication {

void SnapshotSender::recv(const SnapMessage& message) {
  if (outcome_ || message.id != offer_.id || message.group != offer_.group ||
      message.from != offer_.target)
    return;
  silent_ticks_ = 0;
  std::visit([this](const auto& body) { on(body); }, message.body);
}

void SnapshotSender::on(const SnapWant& want) {
  for (const PieceRequest& request : want.pieces) {
    const bool is_known =
        loading_ == request || std::find(queue_.begin(), queue_.end(), request) != queue_.end();
    if (!is_known && queue_.size() < 2 * kTransferWindow) queue_.push_back(request);
  }
}

void SnapshotSender::on(const SnapAck& ack) {
  if (ack.is_staged && role_ == Role::kLeader) outcome_ = TransferOutcome::kStaged;
}

void SnapshotSender::on(const SnapAbort& abort) {
  switch (abort.reason) {
    case AbortReason::kBusy:
      outcome_ = TransferOutcome::kBusy;
      return;
    case AbortReason::kSuperseded:
      outcome_ = TransferOutcome::kSuperseded;
      return;
    case AbortReason::kFailed:
    case AbortReason::kUnknown:
      outcome_ = TransferOutcome::kFailed;
      return;
  }
}

void SnapshotSender::abort(AbortReason reason, TransferOutcome outcome) {
  if (outcome_) return;
  send(SnapAbort{reason});
  outcome_ = outcome;
}

void SnapshotSender::tick() {
  if (outcome_) return;
  // Requests that wait for credit are our doing, not the receiver's.
  if (!queue_.empty() && !loading_) return;
  if (++silent_ticks_ < kSilenceTicksMax) return;
  if (role_ == Role::kLeader) {
    abort(AbortReason::kFailed, TransferOutcome::kFailed);
  } else {
    outcome_ = TransferOutcome::kCancelled;  // It went elsewhere, or is done.
  }
}

uint64_t SnapshotSender::wants() const {
  return (queue_.size() + (loading_ ? 1 : 0)) * kPieceBytesMax;
}

std::optional<ContentHash> SnapshotSender::advance(int64_t credit) {
  while (!outcome_ && !loading_ && !queue_.empty() && credit > 0) {
    const PieceRequest request = queue_.front();
    queue_.pop_front();
    if (image_ == nullptr || image_hash_ != request.hash) {
      loading_ = request;
      return request.hash;
    }
    const uint64_t before = spent_;
    send_piece(request);
    credit -= static_cast<int64_t>(spent_ - before);
  }
  return std::nullopt;
}

void SnapshotSender::loaded(const ContentHash& hash, SharedBytes image) {
  if (outcome_ || !loading_ || loading_->hash != hash) return;
  const PieceRequest request = *std::exchange(loading_, std::nullopt);
  silent_ticks_ = 0;
  if (image == nullptr && role_ == Role::kLeader) {
    // Our own checkpoint gave way to newer ones meanwhile, or is damaged: another one will do.
    abort(AbortReason::kSuperseded, TransferOutcome::kSuperseded);
    return;
  }
  if (image == nullptr) {
    send(SnapMissing{hash});
    return;
  }
  image_hash_ = hash;
  image_ = std::move(image);
  send_piece(request);
}

void SnapshotSender::send_piece(const PieceRequest& request) {
  const uint64_t total = image_->size();
  if (request.offset > total) return;  // Nobody who counts asks for this.
  const uint64_t count = std::min<uint64_t>(kPieceBytesMax, total - request.offset);
  SnapPiece piece;
  piece.hash = request.hash;
  piece.offset = request.offset;
  piece.total_bytes = total;
  if (count == total) {
    piece.bytes = image_;
  } else {
    const Byte* from = image_->data() + request.offset;
    piece.bytes = std::make_shared<const ByteBuffer>(from, from + count);
  }
  send(std::move(piece));
  spent_ += count;
  if (request.offset + count == total) image_.reset();
}

void SnapshotSender::send(SnapBody body) {
  messages_.push_back({offer_.id, offer_.group, offer_.leader, offer_.target, std::move(body)});
}

std::vector<SnapMessage> SnapshotSender::take_messages() {
  return std::exchange(messages_, {});
}

uint64_t SnapshotSender::take_spent() {
  return std::exchange(spent_, 0);
}

}  // namespace worldline::replication
