#include "tests/processes/kv_peers.h"

#include <cstdio>
#include <utility>

#include "tests/processes/kv_node.h"

namespace worldline::kv {

using replication::BootTime;
using replication::MessageBatch;
using replication::TrafficClass;
using replication::WireMessage;

namespace {

constexpr uint32_t bit_of(TrafficClass cls) {
  return 1u << replication::slot_of(cls);
}

size_t append_bytes(const std::vector<WireMessage>& messages) {
  size_t bytes = 0;
  for (const WireMessage& message : messages)
    if (const auto* envelope = std::get_if<replication::Envelope>(&message))
      if (std::holds_alternative<replication::Append>(envelope->body))
        bytes += replication::message_bytes(*envelope);
  return bytes;
}

constexpr std::chrono::milliseconds kGoodbyeTime{200};

}  // namespace

void KvPeers::start(std::unique_ptr<replication::Transport> transport) {
  transport_ = std::move(transport);
}

Status KvPeers::set_peers(std::vector<replication::PeerInfo> peers) {
  return transport_->set_peers(std::move(peers));
}

void KvPeers::stop() {
  if (transport_ != nullptr) transport_->stop();
}

void KvPeers::say_goodbye(replication::GoodbyeReason reason) {
  transport_->say_goodbye(reason, kGoodbyeTime);
}

Status KvPeers::reload_tls(const KvNodeOptions& options) {
  return kv::reload_tls(*transport_, options);
}

void KvPeers::lose(const std::vector<TrafficClass>& classes) {
  uint32_t bits = 0;
  for (const TrafficClass cls : classes) bits |= bit_of(cls);
  lost_classes_ = bits;
}

// --- Out -----------------------------------------------------------------------------------------

void KvPeers::send(replication::Envelope message) {
  const NodeId to = message.to.node;
  send_message(to, std::move(message));
}

void KvPeers::send_node(NodeId to, replication::NodeMessage message) {
  if (auto* batch = std::get_if<replication::HeartbeatBatch>(&message))
    return send_message(to, std::move(*batch));
  if (auto* reply = std::get_if<replication::HeartbeatReply>(&message))
    return send_message(to, std::move(*reply));
  // A farewell goes to everybody at once when the process ends.
}

void KvPeers::send_message(NodeId to, WireMessage message) {
  const TrafficClass cls = traffic_class_of(message);
  outbox_[{to, cls}].push_back(std::move(message));
}

MessageBatch KvPeers::make_batch(const Key& key, std::vector<WireMessage> messages) {
  const size_t bytes = append_bytes(messages);
  if (bytes == 0) return replication::make_batch(std::move(messages));
  auto* batch = new std::vector<WireMessage>(std::move(messages));
  return MessageBatch(batch, [this, to = key.first, bytes](const auto* gone) {
    delete gone;
    loop_.post([this, to, bytes] { events_.appends_gone(to, bytes); });
  });
}

void KvPeers::flush() {
  for (auto& [key, messages] : std::exchange(outbox_, {})) {
    const Status sent =
        transport_->send(key.first, key.second, make_batch(key, std::move(messages)));
    if (sent.ok()) continue;
    if (sent.code() != StatusCode::kUnavailable)
      std::fprintf(stderr, "to node %lu: %s\n", key.first.value, sent.message().c_str());
    if (key.second == TrafficClass::kLog)
      loop_.post([this, to = key.first] { events_.appends_lost(to); });
  }
}

// --- In ------------------------------------------------------------------------------------------

void KvPeers::on_messages(replication::ReceivedBatchPtr batch) {
  if ((lost_classes_ & bit_of(batch->cls)) != 0) return;
  const BootTime at(clock_.boot());
  loop_.post([this, batch = std::move(batch), at] { events_.received(*batch, at); });
}

void KvPeers::on_stream_up(const replication::StreamUp& stream) {
  loop_.post([this, stream] { events_.stream_up(stream); });
}

void KvPeers::on_stream_down(NodeId peer, TrafficClass cls, const replication::StreamEnd& end) {
  loop_.post([this, peer, cls, end] { events_.stream_down(peer, cls, end); });
}

void KvPeers::on_dropped(NodeId peer, TrafficClass cls, std::vector<MessageBatch>) {
  if (cls != TrafficClass::kLog) return;
  loop_.post([this, peer] { events_.appends_lost(peer); });
}

void KvPeers::on_goodbye(const replication::NodeLife& peer, replication::GoodbyeReason reason) {
  loop_.post([this, peer, reason] { events_.goodbye(peer, reason); });
}

void KvPeers::on_note(const replication::TransportNote& note) {
  std::fprintf(stderr, "transport: peer %lu %s %s: %s\n", note.peer.value,
               replication::traffic_class_name(note.cls),
               replication::transport_note_name(note.kind), note.text.c_str());
}

}  // namespace worldline::kv
