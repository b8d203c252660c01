#include "tests/replication/transport/transport_fixture.h"

#include <algorithm>
#include <map>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace worldline::replication::testing {

// ---- What was heard -----------------------------------------------------------------------------

size_t Heard::count_up(NodeId peer) const {
  return static_cast<size_t>(std::count_if(
      ups.begin(), ups.end(), [peer](const StreamUp& up) { return up.peer.node == peer; }));
}

size_t Heard::count_up(const NodeLife& life) const {
  return static_cast<size_t>(std::count_if(
      ups.begin(), ups.end(), [&life](const StreamUp& up) { return up.peer == life; }));
}

bool Heard::is_down(NodeId peer, TrafficClass cls, EndReason reason) const {
  return std::any_of(downs.begin(), downs.end(), [&](const DownEvent& down) {
    return down.peer == peer && down.cls == cls && down.end.reason == reason;
  });
}

bool Heard::has_note(TransportNoteKind kind, const std::string& part) const {
  return std::any_of(notes.begin(), notes.end(), [&](const TransportNote& note) {
    return note.kind == kind && note.text.find(part) != std::string::npos;
  });
}

template <typename Change>
void RecordingListener::change(const Change& change) {
  {
    const std::lock_guard lock(mutex_);
    change(heard_);
  }
  changed_.notify_all();
}

bool RecordingListener::wait(const std::function<bool(const Heard&)>& condition) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kDeadline, [&] { return condition(heard_); });
}

Heard RecordingListener::heard() const {
  const std::lock_guard lock(mutex_);
  Heard copy = heard_;
  copy.held.clear();
  return copy;
}

void RecordingListener::hold(TrafficClass cls) {
  const std::lock_guard lock(mutex_);
  holds_ = cls;
}

void RecordingListener::let_go() {
  std::vector<ReceivedBatchPtr> held;  // Let go without the lock: that wakes lanes.
  const std::lock_guard lock(mutex_);
  holds_.reset();
  held.swap(heard_.held);
}

void RecordingListener::set_reaction(std::function<void(const ReceivedBatch&)> reaction) {
  const std::lock_guard lock(mutex_);
  reaction_ = std::move(reaction);
}

namespace {

uint64_t number_of(const WireMessage& message) {
  if (const auto* snapshot = std::get_if<SnapBytes>(&message))
    return load_le<uint64_t>(snapshot->payload->data());
  if (const auto* call = std::get_if<CallBytes>(&message))
    return load_le<uint64_t>(call->payload->data());
  const auto& body = std::get<Envelope>(message).body;
  if (const auto* append = std::get_if<Append>(&body)) return append->seq;
  return std::get<ReadIndexReq>(body).token.value;
}

}  // namespace

void RecordingListener::on_messages(ReceivedBatchPtr batch) {
  std::function<void(const ReceivedBatch&)> reaction;
  {
    const std::lock_guard lock(mutex_);
    reaction = reaction_;
  }
  if (reaction) reaction(*batch);
  change([&](Heard& heard) {
    for (const WireMessage& message : batch->messages)
      heard.numbers[slot_of(batch->cls)].push_back(number_of(message));
    if (holds_ == batch->cls) heard.held.push_back(batch);
  });
}
void RecordingListener::on_stream_up(const StreamUp& stream) {
  change([&](Heard& heard) { heard.ups.push_back(stream); });
}
void RecordingListener::on_stream_down(NodeId peer, TrafficClass cls, const StreamEnd& end) {
  change([&](Heard& heard) { heard.downs.push_back({peer, cls, end}); });
}
void RecordingListener::on_dropped(NodeId, TrafficClass, std::vector<MessageBatch> batches) {
  change([&](Heard& heard) { heard.dropped_batches += batches.size(); });
}
void RecordingListener::on_goodbye(const NodeLife& peer, GoodbyeReason reason) {
  change([&](Heard& heard) { heard.goodbyes.push_back({peer, reason}); });
}
void RecordingListener::on_note(const TransportNote& note) {
  change([&](Heard& heard) { heard.notes.push_back(note); });
}

// ---- Messages and nodes -------------------------------------------------------------------------

WireMessage numbered(TrafficClass cls, uint64_t number, const NodeLife& from, NodeId to,
                     size_t payload_bytes) {
  Envelope envelope;
  envelope.group = GroupId{1};
  envelope.from = {from.node, from.incarnation, ReplicaId{1}};
  envelope.to = {to, 0, ReplicaId{2}};
  envelope.term = Term{1};
  const auto payload = std::make_shared<ByteBuffer>(std::max<size_t>(payload_bytes, 8));
  store_le(payload->data(), number);
  switch (cls) {
    case TrafficClass::kControl:
      envelope.body = ReadIndexReq{ReadToken{number}};
      return envelope;
    case TrafficClass::kLog: {
      Append append;
      append.seq = number;
      Entry entry;
      entry.index = LogIndex{1};
      entry.term = Term{1};
      entry.kind = EntryKind::kBundle;
      entry.payload_bytes = static_cast<uint32_t>(payload->size());
      entry.payload = payload;
      append.entries.push_back(std::move(entry));
      envelope.body = std::move(append);
      return envelope;
    }
    case TrafficClass::kBulk:
      return SnapBytes{payload};
    case TrafficClass::kCalls:
      return CallBytes{payload};
  }
  return envelope;
}

TransportConfig config_of(uint64_t id, uint64_t incarnation) {
  TransportConfig config;
  config.identity.cluster.fill(0xC1);
  config.identity.uuid.fill(static_cast<Byte>(id));
  config.identity.node = NodeId{id};
  config.identity.incarnation = incarnation;
  config.identity.feature_level = static_cast<uint32_t>(100 + id);
  config.cluster_name = "test";
  config.node_name = "n" + std::to_string(id);
  config.advertised_host = "127.0.0.1";
  config.listen_address = "127.0.0.1:0";
  config.allow_insecure_network = false;
  // Generous: the machine may be busy, and only what a test is about should end a stream.
  config.attempt_timeout = std::chrono::seconds(60);
  config.handshake_timeout = std::chrono::seconds(60);
  config.keepalive_timeout = std::chrono::seconds(60);
  config.backoff = {std::chrono::milliseconds(5), std::chrono::milliseconds(50)};
  return config;
}

TestNode::TestNode(TransportConfig config) : config_(std::move(config)) {
  auto started = GrpcTransport::start(config_, listener_, test_now());
  WL_CHECK(started.ok());
  transport_ = std::move(started).value();
  port_ = transport_->port();
}

void TestNode::restart(uint64_t incarnation) {
  transport_.reset();
  config_.identity.incarnation = incarnation;
  config_.listen_address = "127.0.0.1:" + std::to_string(port_);
  auto started = GrpcTransport::start(config_, listener_, test_now());
  WL_CHECK(started.ok());
  transport_ = std::move(started).value();
}

PeerInfo TestNode::info(std::optional<uint16_t> port) const {
  PeerInfo peer;
  peer.node = id();
  peer.uuid = config_.identity.uuid;
  peer.name = config_.node_name;
  peer.addresses = {"127.0.0.1:" + std::to_string(port.value_or(port_))};
  return peer;
}

void TestNode::meet(const std::vector<const TestNode*>& others) {
  std::vector<PeerInfo> peers;
  for (const TestNode* other : others) peers.push_back(other->info());
  WL_CHECK(transport_->set_peers(std::move(peers)).ok());
}

bool TestNode::wait_up(NodeId peer) {
  return listener_.wait([peer](const Heard& heard) { return heard.count_up(peer) >= 2; });
}

Status TestNode::send(NodeId to, TrafficClass cls, uint64_t number, size_t payload_bytes) {
  return transport_->send(to, cls, make_batch({numbered(cls, number, life(), to, payload_bytes)}));
}

// ---- A network that can fall silent -------------------------------------------------------------

struct SilentNetwork::Impl {
  uint16_t to_port = 0;
  int listening = -1;
  int bell = -1;  // eventfd: something was asked of the thread.
  std::mutex mutex;
  bool is_silent = false;    // Guarded by mutex.
  bool is_stopping = false;  // Guarded by mutex.
  std::map<int, int> pairs;  // The thread's: socket -> the one its bytes go to.

  void run();
  void connect_pair();
  void forward(int from);
  bool wants_stop() {
    const std::lock_guard lock(mutex);
    return is_stopping;
  }
  bool wants_silence() {
    const std::lock_guard lock(mutex);
    return is_silent;
  }
};

namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

void SilentNetwork::Impl::connect_pair() {
  const int in = accept(listening, nullptr, nullptr);
  if (in < 0) return;
  const int out = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(to_port);
  if (connect(out, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(in);
    close(out);
    return;
  }
  pairs[in] = out;
  pairs[out] = in;
}

void SilentNetwork::Impl::forward(int from) {
  const auto pair = pairs.find(from);
  if (pair == pairs.end()) return;
  const int to = pair->second;
  char buffer[65536];
  const ssize_t count = read(from, buffer, sizeof buffer);
  ssize_t sent = 0;
  while (sent < count) {
    const ssize_t step = send(to, buffer + sent, static_cast<size_t>(count - sent), MSG_NOSIGNAL);
    if (step <= 0) break;
    sent += step;
  }
  if (count > 0 && sent == count) return;
  pairs.erase(from);
  pairs.erase(to);
  close(from);
  close(to);
}

void SilentNetwork::Impl::run() {
  while (!wants_stop()) {
    std::vector<pollfd> waits = {{bell, POLLIN, 0}};
    if (!wants_silence()) {
      waits.push_back({listening, POLLIN, 0});
      for (const auto& [socket, _] : pairs) waits.push_back({socket, POLLIN, 0});
    }
    poll(waits.data(), waits.size(), -1);
    if (waits[0].revents != 0) {
      eventfd_t count = 0;
      eventfd_read(bell, &count);
      continue;
    }
    if (waits.size() > 1 && waits[1].revents != 0) connect_pair();
    for (size_t i = 2; i < waits.size(); ++i)
      if (waits[i].revents != 0) forward(waits[i].fd);
  }
  for (const auto& [socket, _] : pairs) close(socket);
}

SilentNetwork::SilentNetwork(uint16_t to_port) : impl_(std::make_unique<Impl>()) {
  impl_->to_port = to_port;
  impl_->bell = eventfd(0, 0);
  impl_->listening = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  WL_CHECK(bind(impl_->listening, raw, length) == 0);
  WL_CHECK(listen(impl_->listening, 64) == 0);
  WL_CHECK(getsockname(impl_->listening, raw, &length) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([impl = impl_.get()] { impl->run(); });
}

void SilentNetwork::fall_silent() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->is_silent = true;
  }
  eventfd_write(impl_->bell, 1);
}

SilentNetwork::~SilentNetwork() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->is_stopping = true;
  }
  eventfd_write(impl_->bell, 1);
  thread_.join();
  close(impl_->listening);
  close(impl_->bell);
}

}  // namespace worldline::replication::testing
