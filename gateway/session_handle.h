// gateway/session_handle.h
//
// SessionHandle is what the node holds of a session: it turns deliveries into events for the I/O
// thread, by id. It outlives the session and the gateway harmlessly.
//
// Thread: any. Cost: one lock and one vector push per delivery.
#pragma once

#include <memory>
#include <utility>

#include "actors/messages.h"
#include "gateway/io_thread.h"

namespace worldline::gateway {

class SessionHandle final : public actors::SessionSink {
 public:
  SessionHandle(std::shared_ptr<IoInbox> inbox, PeerId session)
      : inbox_(std::move(inbox)), session_(session) {}

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

 private:
  const std::shared_ptr<IoInbox> inbox_;
  const PeerId session_;
};

}  // namespace worldline::gateway
