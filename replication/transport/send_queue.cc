#include "replication/transport/send_queue.h"

#include <utility>

#include "replication/transport/wire_codec.h"

namespace worldline::replication {

Status SendQueue::push(MessageBatch batch, size_t bytes) {
  WL_CHECK(batch != nullptr && !batch->empty());
  const size_t count = batch->size();
  if (!empty() && queued_bytes_ + bytes > limits_.queued_bytes_max)
    return Status::overloaded("{} B are queued, limit queued_bytes_max is {} B", queued_bytes_,
                              limits_.queued_bytes_max);
  if (!empty() && queued_messages_ + count > limits_.queued_messages_max)
    return Status::overloaded("{} messages are queued, limit queued_messages_max is {}",
                              queued_messages_, limits_.queued_messages_max);
  queued_bytes_ += bytes;
  queued_messages_ += count;
  batches_.push_back(std::move(batch));
  return Status::ok_status();
}

void SendQueue::take(FrameRun& run) {
  run.messages.clear();
  run.batches.clear();
  size_t bytes = 0;
  FrameKind kind = FrameKind::kSingle;
  while (!batches_.empty()) {
    const MessageBatch& batch = batches_.front();
    const WireMessage& message = (*batch)[next_];
    const size_t message_bytes = wire_bytes_bound(message);
    if (run.messages.empty()) {
      kind = frame_kind(message);
    } else if (kind == FrameKind::kSingle || frame_kind(message) != kind ||
               bytes + message_bytes > kFrameBytesTarget ||
               run.messages.size() == kFrameMessagesMax) {
      return;
    }
    bytes += message_bytes;
    run.messages.push_back(&message);
    if (run.batches.empty() || run.batches.back() != batch) run.batches.push_back(batch);
    queued_bytes_ -= message_bytes;
    --queued_messages_;
    if (++next_ == batch->size()) {
      batches_.pop_front();
      next_ = 0;
    }
  }
}

std::vector<MessageBatch> SendQueue::drop_all() {
  std::vector<MessageBatch> dropped(std::make_move_iterator(batches_.begin()),
                                    std::make_move_iterator(batches_.end()));
  batches_.clear();
  next_ = 0;
  queued_bytes_ = 0;
  queued_messages_ = 0;
  return dropped;
}

}  // namespace worldline::replication
