// replication/transport/send_queue.h
//
// SendQueue is what waits for one stream: whole batches, bounded in bytes and messages, taken out
// again as runs that fit one frame.
//
// Invariants: order is kept; queued bytes and messages are those of messages not yet taken; a batch
//   alone always fits, or one of the maximum size could never be sent.
// Ownership: shares the batches. Thread: one at a time; its owner locks.
// Units: bytes are wire_bytes_bound(), an upper bound of what travels.
// Errors: kOverloaded, naming the limit.
#pragma once

#include <deque>
#include <vector>

#include "base/status.h"
#include "replication/transport/wire_messages.h"

namespace worldline::replication {

struct SendQueueLimits {
  size_t queued_bytes_max = 0;
  size_t queued_messages_max = 0;
};

// Messages of one frame, and what keeps them alive.
struct FrameRun {
  std::vector<const WireMessage*> messages;
  std::vector<MessageBatch> batches;
  bool empty() const { return messages.empty(); }
};

class SendQueue {
 public:
  explicit SendQueue(SendQueueLimits queue_limits) : limits_(queue_limits) {}

  // `bytes` is the sum over the batch's messages.
  Status push(MessageBatch batch, size_t bytes);
  // The next frame's messages: one of a kind that travels alone, or a run of one kind up to the
  // frame target. Replaces what `run` held; empty: nothing is queued.
  void take(FrameRun& run);
  // Empties the queue: the batches with messages that were not taken.
  std::vector<MessageBatch> drop_all();

  bool empty() const { return batches_.empty(); }
  size_t queued_bytes() const { return queued_bytes_; }
  size_t queued_messages() const { return queued_messages_; }

 private:
  const SendQueueLimits limits_;
  std::deque<MessageBatch> batches_;
  size_t next_ = 0;  // Of the first batch: the message to be taken next.
  size_t queued_bytes_ = 0;
  size_t queued_messages_ = 0;
};

}  // namespace worldline::replication
