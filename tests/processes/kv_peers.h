// tests/processes/kv_peers.h
//
// KvPeers joins RaftNode and the transport: messages of one turn of the loop leave as one batch per
// peer and class, and what comes in is posted to the loop.
//
// Invariants: every Append handed to the transport is credited to the node once, whether it left or
//   was lost: its batch posts that when the last reference to it goes.
// Ownership: one KvNode; owns the transport. Thread: the loop's; callbacks of the transport only
//   post. Errors: what cannot be queued counts as lost.
#pragma once

#include <atomic>
#include <map>
#include <memory>

#include "base/clock.h"
#include "replication/node/raft_node.h"
#include "replication/transport/transport.h"
#include "tests/processes/loop.h"

namespace worldline::kv {

struct KvNodeOptions;

// The loop's side of what arrives.
class PeerEvents {
 public:
  virtual ~PeerEvents() = default;
  virtual void received(const replication::ReceivedBatch& batch, replication::BootTime at) = 0;
  virtual void stream_up(const replication::StreamUp& stream) = 0;
  virtual void stream_down(NodeId peer, replication::TrafficClass cls,
                           const replication::StreamEnd& end) = 0;
  virtual void appends_gone(NodeId peer, size_t bytes) = 0;
  virtual void appends_lost(NodeId peer) = 0;
  virtual void goodbye(const replication::NodeLife& peer, replication::GoodbyeReason reason) = 0;
};

class KvPeers final : public replication::MessagePort, private replication::TransportListener {
 public:
  KvPeers(Loop& loop, const Clock& clock, PeerEvents& events)
      : loop_(loop), clock_(clock), events_(events) {}
  ~KvPeers() override { stop(); }

  // Told before anything is sent. The listener to start a transport with is this one.
  replication::TransportListener& listener() { return *this; }
  void start(std::unique_ptr<replication::Transport> transport);
  Status set_peers(std::vector<replication::PeerInfo> peers);
  void stop();

  void send_message(NodeId to, replication::WireMessage message);
  // End of a turn: what was sent leaves.
  void flush();
  replication::TransportCounters counters() const { return transport_->counters(); }
  // Ends the stream of a peer that said what no node says; the transport's note is the log line.
  void reject(const replication::NodeLife& peer, replication::TrafficClass cls, const Status& why) {
    transport_->reject(peer, cls, why.message());
  }
  void say_goodbye(replication::GoodbyeReason reason);
  Status reload_tls(const KvNodeOptions& options);
  // Messages of these classes are lost when they arrive, whole batches; their streams stay.
  void lose(const std::vector<replication::TrafficClass>& classes);

  // --- MessagePort
  void send(replication::Envelope message) override;
  void send_node(NodeId to, replication::NodeMessage message) override;

 private:
  using Key = std::pair<NodeId, replication::TrafficClass>;

  void on_messages(replication::ReceivedBatchPtr batch) override;
  void on_stream_up(const replication::StreamUp& stream) override;
  void on_stream_down(NodeId peer, replication::TrafficClass cls,
                      const replication::StreamEnd& end) override;
  void on_dropped(NodeId peer, replication::TrafficClass cls,
                  std::vector<replication::MessageBatch> batches) override;
  void on_goodbye(const replication::NodeLife& peer, replication::GoodbyeReason reason) override;
  void on_note(const replication::TransportNote& note) override;

  replication::MessageBatch make_batch(const Key& key,
                                       std::vector<replication::WireMessage> messages);

  Loop& loop_;
  const Clock& clock_;
  PeerEvents& events_;
  std::map<Key, std::vector<replication::WireMessage>> outbox_;
  std::atomic<uint32_t> lost_classes_{0};  // A bit per class.
  std::unique_ptr<replication::Transport> transport_;
};

}  // namespace worldline::kv
