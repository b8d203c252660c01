#include "replication/transport/memory_transport.h"

#include <algorithm>
#include <utility>

namespace worldline::replication {

// ---- Faults -------------------------------------------------------------------------------------

void MemoryNetwork::cut(NodeId from, NodeId to, EndReason reason) {
  if (!cuts_.insert({from, to}).second) return;
  for (const TrafficClass cls : kTrafficClasses)
    end_stream({from, to, cls}, {reason, end_reason_name(reason)});
}

void MemoryNetwork::cut_both(NodeId a, NodeId b) {
  cut(a, b);
  cut(b, a);
}

void MemoryNetwork::isolate(NodeId node) {
  std::vector<NodeId> others;
  for (const auto& [other, _] : transports_)
    if (other != node) others.push_back(other);
  for (const NodeId other : others) cut_both(node, other);
}

void MemoryNetwork::heal(NodeId from, NodeId to) {
  cuts_.erase({from, to});
  if (const auto found = transports_.find(from); found != transports_.end())
    connect(*found->second);
}

void MemoryNetwork::heal_all() {
  cuts_.clear();
  for (const auto& [node, transport] : std::map(transports_)) connect(*transport);
}

void MemoryNetwork::stall(NodeId from, NodeId to, TrafficClass cls) {
  links_[{from, to, cls}].is_stalled = true;
}

void MemoryNetwork::resume(NodeId from, NodeId to, TrafficClass cls) {
  links_[{from, to, cls}].is_stalled = false;
}

// ---- Streams ------------------------------------------------------------------------------------

void MemoryNetwork::attach(MemoryTransport& transport) {
  WL_CHECK(transports_.emplace(transport.node(), &transport).second);
}

void MemoryNetwork::detach(MemoryTransport& transport) {
  transports_.erase(transport.node());
  const NodeId gone = transport.node();
  std::vector<LinkKey> keys;
  for (const auto& [key, _] : links_)
    if (std::get<0>(key) == gone || std::get<1>(key) == gone) keys.push_back(key);
  for (const LinkKey& key : keys) {
    const bool was_up = links_[key].is_up;
    end_stream(key, {EndReason::kClosed, end_reason_name(EndReason::kClosed)});
    const auto sender = transports_.find(std::get<0>(key));
    if (was_up && sender != transports_.end())  // The immediate second attempt [S 08/3.4].
      sender->second->listener_.on_stream_down(gone, std::get<2>(key),
                                               {EndReason::kRefused, "nobody listens"});
    links_.erase(key);
  }
}

void MemoryNetwork::connect(MemoryTransport& from) {
  for (const NodeId to : std::set(from.peers_)) {
    const auto found = transports_.find(to);
    if (found == transports_.end() || is_cut(from.node(), to)) continue;
    MemoryTransport& other = *found->second;
    if (!other.peers_.contains(from.node())) continue;  // It would refuse the handshake.
    if (!other.directory_.admit(from.life()) || !from.directory_.admit(other.life())) continue;
    for (const TrafficClass cls : kTrafficClasses) {
      Link& link = links_[{from.node(), to, cls}];
      if (link.retry_round > round_ || std::exchange(link.is_up, true)) continue;
      ++from.counters_of(cls).streams_up;
      from.listener_.on_stream_up({other.life(), other.identity_.feature_level, cls});
    }
  }
}

void MemoryNetwork::end_stream(const LinkKey& key, const StreamEnd& end) {
  const auto found = links_.find(key);
  if (found == links_.end() || !std::exchange(found->second.is_up, false)) return;
  found->second.messages.clear();
  found->second.bytes = 0;
  const auto& [from, to, cls] = key;
  const auto sender = transports_.find(from);
  if (sender == transports_.end()) return;
  ++sender->second->counters_of(cls).streams_ended;
  sender->second->listener_.on_stream_down(to, cls, end);
}

// The sender is told like the dialler of a real stream: by its end.
void MemoryNetwork::reject(const LinkKey& key, const NodeLife& peer, const std::string& why) {
  const auto& [from, to, cls] = key;
  const auto sender = transports_.find(from);
  const auto found = links_.find(key);
  if (sender == transports_.end() || sender->second->life() != peer) return;
  if (found == links_.end() || !found->second.is_up) return;
  Link& link = found->second;
  const uint64_t pause = MemoryTransport::kRejectRoundsMin << std::min(link.reject_count++, 16u);
  link.retry_round = round_ + std::min(pause, MemoryTransport::kRejectRoundsMax);
  MemoryTransport& receiver = *transports_.at(to);
  ++receiver.counters_of(cls).streams_rejected;
  receiver.listener_.on_note({TransportNoteKind::kStreamRejected, from, cls, why});
  end_stream(key, {EndReason::kProtocol, why});
}

void MemoryNetwork::retry_rejected() {
  std::set<NodeId> senders;
  for (const auto& [key, link] : links_)
    if (!link.is_up && link.retry_round == round_) senders.insert(std::get<0>(key));
  for (const NodeId sender : senders)
    if (const auto found = transports_.find(sender); found != transports_.end())
      connect(*found->second);
}

// ---- Messages -----------------------------------------------------------------------------------

Status MemoryNetwork::accept(MemoryTransport& from, NodeId to, TrafficClass cls,
                             const MessageBatch& batch) {
  const auto found = links_.find({from.node(), to, cls});
  if (found == links_.end() || !found->second.is_up)
    return Status::unavailable("no {} stream to node {}", traffic_class_name(cls), to.value);
  Link& link = found->second;
  const SendQueueLimits& limit = from.limits_[slot_of(cls)];
  size_t bytes = 0;
  for (const WireMessage& message : *batch) bytes += wire_bytes_bound(message);
  if (!link.messages.empty() && (link.bytes + bytes > limit.queued_bytes_max ||
                                 link.messages.size() + batch->size() > limit.queued_messages_max))
    return Status::overloaded("{} B in {} messages are queued", link.bytes, link.messages.size());
  for (const WireMessage& message : *batch) {
    InFlight one;
    one.message = std::shared_ptr<const WireMessage>(batch, &message);
    one.from = from.life();
    one.to_incarnation = transports_.at(to)->identity_.incarnation;
    put(link, one);
  }
  return Status::ok_status();
}

void MemoryNetwork::put(Link& link, const InFlight& message) {
  if (faults_.loss_one_in > 0 && prng_.chance(faults_.loss_one_in)) return;
  const bool is_doubled = faults_.double_one_in > 0 && prng_.chance(faults_.double_one_in);
  for (int copies = is_doubled ? 2 : 1; copies > 0; --copies) {
    InFlight one = message;
    one.due = round_ + 1;
    if (faults_.delay_rounds_max > 0) one.due += prng_.below(faults_.delay_rounds_max + 1ULL);
    const bool overtakes = faults_.reorder_one_in > 0 && prng_.chance(faults_.reorder_one_in);
    const size_t place = overtakes ? prng_.below(link.messages.size() + 1) : link.messages.size();
    link.bytes += wire_bytes_bound(*one.message);
    link.messages.insert(link.messages.begin() + static_cast<std::ptrdiff_t>(place),
                         std::move(one));
  }
}

Result<std::vector<WireMessage>> MemoryNetwork::pass(const LinkKey& key, const InFlight& message) {
  if (passing_ == Passing::kShared) return std::vector<WireMessage>{*message.message};
  const WireMessage* one = message.message.get();
  const EncodedFrame frame = encoder_.encode({&one, 1});
  std::vector<Bytes> segments;
  for (const FramePiece& piece : frame.pieces) segments.push_back(piece.bytes);
  WL_ASSIGN_OR_RETURN(DecodedFrame decoded,
                      decode_frame(segments, {message.from, std::get<1>(key), std::get<2>(key)}));
  if (decoded.invalid_count > 0) return decoded.first_invalid;
  return std::move(decoded.messages);
}

// Hands out what is due, in order; a delayed message delays those behind it.
size_t MemoryNetwork::deliver(const LinkKey& key, Link& link) {
  const auto& [from, to, cls] = key;
  const auto receiver = transports_.find(to);
  if (receiver == transports_.end()) return 0;
  auto batch = std::make_shared<ReceivedBatch>();
  batch->cls = cls;
  while (!link.is_stalled && !link.messages.empty() && link.messages.front().due <= round_) {
    const InFlight message = std::move(link.messages.front());
    link.messages.pop_front();
    link.bytes -= wire_bytes_bound(*message.message);
    if (message.to_incarnation != receiver->second->identity_.incarnation) continue;
    if (!receiver->second->directory_.is_current(message.from)) continue;
    batch->from = message.from;
    Result<std::vector<WireMessage>> passed = pass(key, message);
    WL_CHECK(passed.ok());  // send() let it through, so a receiver has to.
    std::move(passed->begin(), passed->end(), std::back_inserter(batch->messages));
  }
  if (batch->messages.empty()) return 0;
  ClassCounters& counters = receiver->second->counters_of(cls);
  ++counters.frames_received;
  counters.messages_received += batch->messages.size();
  receiver->second->listener_.on_messages(std::move(batch));
  return 1;
}

size_t MemoryNetwork::pump() {
  ++round_;
  retry_rejected();
  std::vector<LinkKey> keys;
  for (const auto& [key, link] : links_)
    if (!link.messages.empty()) keys.push_back(key);
  size_t handed_out = 0;
  for (const LinkKey& key : keys) {
    const auto found = links_.find(key);  // A callback may have ended it.
    if (found != links_.end()) handed_out += deliver(key, found->second);
  }
  return handed_out;
}

size_t MemoryNetwork::pump_until_quiet(size_t rounds_max) {
  size_t handed_out = 0;
  const auto is_busy = [this] {
    return std::any_of(links_.begin(), links_.end(), [](const auto& link) {
      return !link.second.is_stalled && !link.second.messages.empty();
    });
  };
  for (size_t i = 0; is_busy(); ++i) {
    WL_CHECK(i < rounds_max);
    handed_out += pump();
  }
  return handed_out;
}

size_t MemoryNetwork::in_flight() const {
  size_t count = 0;
  for (const auto& [_, link] : links_) count += link.messages.size();
  return count;
}

// ---- One node's side ----------------------------------------------------------------------------

MemoryTransport::MemoryTransport(MemoryNetwork& network, const NodeIdentity& identity,
                                 TransportListener& listener,
                                 std::array<SendQueueLimits, kTrafficClasses.size()> limits)
    : network_(network),
      identity_(identity),
      listener_(listener),
      limits_(limits),
      directory_(identity.node) {
  network_.attach(*this);
}

Status MemoryTransport::set_peers(std::vector<PeerInfo> peers) {
  if (is_stopped_) return Status::unavailable("the transport is stopped");
  WL_ASSIGN_OR_RETURN(const PeerChanges changes, directory_.set(std::move(peers)));
  for (const NodeId node : changes.removed) {
    peers_.erase(node);
    for (const TrafficClass cls : kTrafficClasses) {
      network_.end_stream({identity_.node, node, cls},
                          {EndReason::kRemoved, end_reason_name(EndReason::kRemoved)});
      network_.end_stream({node, identity_.node, cls},
                          {EndReason::kClosed, end_reason_name(EndReason::kClosed)});
    }
  }
  for (const PeerInfo& peer : changes.added) peers_.insert(peer.node);
  // Others may have waited for this node to know them.
  for (const auto& [node, transport] : std::map(network_.transports_)) network_.connect(*transport);
  return Status::ok_status();
}

Status MemoryTransport::send(NodeId to, TrafficClass cls, MessageBatch batch) {
  WL_CHECK(batch != nullptr && !batch->empty());
  if (is_stopped_) return Status::unavailable("the transport is stopped");
  if (!peers_.contains(to)) return Status::not_found("node {} is no peer", to.value);
  for (const WireMessage& message : *batch)
    WL_RETURN_IF_ERROR(validate_outgoing(message, {life(), to, cls}));
  const Status status = network_.accept(*this, to, cls, batch);
  ClassCounters& counters = counters_of(cls);
  if (status.ok()) {
    ++counters.frames_sent;
    counters.messages_sent += batch->size();
  } else if (status.code() == StatusCode::kOverloaded) {
    ++counters.refused_full;
  } else {
    ++counters.refused_down;
  }
  return status;
}

void MemoryTransport::reject(const NodeLife& peer, TrafficClass cls, const std::string& why) {
  network_.reject({peer.node, identity_.node, cls}, peer, why);
}

void MemoryTransport::say_goodbye(GoodbyeReason reason, std::chrono::milliseconds) {
  for (const NodeId node : std::set(peers_)) {
    const auto found = network_.links_.find({identity_.node, node, TrafficClass::kControl});
    if (found == network_.links_.end() || !found->second.is_up || found->second.is_stalled)
      continue;
    network_.transports_.at(node)->listener_.on_goodbye(life(), reason);
  }
}

void MemoryTransport::stop() {
  if (std::exchange(is_stopped_, true)) return;
  network_.detach(*this);
}

}  // namespace worldline::replication
