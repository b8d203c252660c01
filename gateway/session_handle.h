// gateway/session_handle.h
//
// SessionHandle is what the node holds of a session: it turns deliveries into events for the I/O
// thread, by id. It outlives the session and the gateway harmlessly.
//
// Thread: any. Cost: one lock and one vector push per delivery.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "actors/messages.h"
#include "gateway/io_thread.h"

namespace worldline::gateway {

class SessionHandle final : public actors::SessionSink {
 public:
  // The session keeps `unsent`, the bytes it has taken and not handed to its socket.
  using UnsentBytes = std::shared_ptr<const std::atomic<size_t>>;
  SessionHandle(std::shared_ptr<IoInbox> inbox, PeerId session, UnsentBytes unsent)
      : inbox_(std::move(inbox)), session_(session), unsent_(std::move(unsent)) {}

  void deliver(std::shared_ptr<const actors::OutboundBatch> batch) override {
    PeerEvent event;
    event.peer = session_;
    event.batch = std::move(batch);
    inbox_->push(std::move(event));
  }
  void consumed(uint32_t messages, uint64_t bytes) override {
    PeerEvent event;
    event.peer = session_;
    event.consumed_messages = messages;
    event.consumed_bytes = bytes;
    inbox_->push(std::move(event));
  }
  void close(actors::CloseReason reason) override {
    PeerEvent event;
    event.peer = session_;
    event.notice = std::make_unique<PeerNotice>(std::move(reason));
    inbox_->push(std::move(event));
  }

  size_t unsent_bytes() const override { return unsent_->load(std::memory_order_relaxed); }

 private:
  const std::shared_ptr<IoInbox> inbox_;
  const PeerId session_;
  const UnsentBytes unsent_;
};

}  // namespace worldline::gateway
