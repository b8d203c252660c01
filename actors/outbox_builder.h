// actors/outbox_builder.h
//
// OutboxBuilder collects the messages of one session within one batch: bytes of its own and
// splices of buffers shared with other sessions, so that one gathered write carries them all.
//
// Invariants: the concatenation of the pieces is the messages back to back, in call order.
// Ownership: one thread; finish() leaves it empty. Cost: no copy of shared bytes.
#pragma once

#include <memory>

#include "actors/messages.h"

namespace worldline::actors {

class OutboxBuilder {
 public:
  // Append message bytes here; valid until finish().
  ByteBuffer& own() { return own_; }
  void splice(SharedBytes bytes);  // REQUIRES: not null. Empty buffers are fine.
  size_t end_message();            // Returns its bytes.

  bool empty() const { return message_ends_.empty(); }
  // REQUIRES: not empty() and the last message ended.
  std::shared_ptr<const OutboundBatch> finish();

 private:
  void close_own_run();
  size_t bytes() const { return spliced_bytes_ + own_.size(); }

  ByteBuffer own_;
  size_t own_run_begin_ = 0;  // Bytes of own_ before this are in pieces_ already.
  size_t spliced_bytes_ = 0;
  std::vector<OutboundPiece> pieces_;  // A null `bytes` stands for own_ until finish().
  std::vector<uint32_t> message_ends_;
};

}  // namespace worldline::actors
