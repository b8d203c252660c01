#include "gateway/metrics.h"

#include <array>
#include <utility>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>

namespace worldline::gateway {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

constexpr size_t kProtocolCount = 2;
constexpr auto kDisconnectCauseCount = static_cast<size_t>(DisconnectCause::kShutdown) + 1;
constexpr auto kRejectCauseCount = static_cast<size_t>(RejectCause::kClientConnectedError) + 1;

const prometheus::Histogram::BucketBoundaries& request_buckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets{
      0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};  // The reference's defaults.
  return kBuckets;
}
const prometheus::Histogram::BucketBoundaries& sent_buckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets(SizeTally::kUpperBounds.begin(),
                                                                SizeTally::kUpperBounds.end());
  return kBuckets;
}
const prometheus::Histogram::BucketBoundaries& pong_buckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets{0.005, 0.025, 0.1, 0.25, 0.5, 1,
                                                                2.5,   5,     10,  30,   60,  120};
  return kBuckets;
}

const char* cause_name(DisconnectCause cause) {
  switch (cause) {
    case DisconnectCause::kClientClose:
      return "client_close";
    case DisconnectCause::kIdleTimeout:
      return "idle_timeout";
    case DisconnectCause::kIncomingQueueFull:
      return "incoming_queue_full";
    case DisconnectCause::kOutgoingQueueFull:
      return "outgoing_queue_full";
    case DisconnectCause::kModuleExited:
      return "module_exited";
    case DisconnectCause::kClientMessageError:
      return "client_message_error";
    case DisconnectCause::kConnectionClosed:
      return "websocket_receive_connection_closed";
    case DisconnectCause::kReceiveIo:
      return "websocket_receive_io";
    case DisconnectCause::kTooLarge:
      return "websocket_receive_capacity";
    case DisconnectCause::kProtocol:
      return "websocket_receive_protocol";
    case DisconnectCause::kSendError:
      return "websocket_send_error";
    case DisconnectCause::kShutdown:
      return "unknown";
  }
  return "unknown";
}

const char* cause_name(RejectCause cause) {
  switch (cause) {
    case RejectCause::kInvalidProtocol:
      return "invalid_protocol";
    case RejectCause::kAuthorizationFailed:
      return "authorization_failed";
    case RejectCause::kUpgradeError:
      return "websocket_upgrade_error";
    case RejectCause::kClientConnectedRejected:
      return "client_connected_rejected";
    case RejectCause::kClientConnectedError:
      return "client_connected_error";
  }
  return "unknown";
}

prometheus::MetricType type_of(actors::MetricKind kind) {
  switch (kind) {
    case actors::MetricKind::kCounter:
      return prometheus::MetricType::Counter;
    case actors::MetricKind::kGauge:
      return prometheus::MetricType::Gauge;
    case actors::MetricKind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

prometheus::MetricFamily to_family(const actors::MetricSample& sample) {
  prometheus::MetricFamily family;
  family.name = sample.name;
  family.type = type_of(sample.kind);
  return family;
}

void set_value(const actors::MetricSample& sample, prometheus::ClientMetric& metric) {
  switch (sample.kind) {
    case actors::MetricKind::kCounter:
      metric.counter.value = sample.value;
      return;
    case actors::MetricKind::kGauge:
      metric.gauge.value = sample.value;
      return;
    case actors::MetricKind::kHistogram:
      metric.histogram.sample_sum = sample.value;
      metric.histogram.sample_count = sample.buckets.empty() ? 0 : sample.buckets.back().count;
      for (const auto& bucket : sample.buckets)
        metric.histogram.bucket.push_back({bucket.count, bucket.upper_bound});
      return;
  }
}

prometheus::ClientMetric to_metric(const actors::MetricSample& sample) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  set_value(sample, metric);
  return metric;
}

// The page being put together: metrics of one name under one head.
class Page {
 public:
  struct Head {
    const char* name;
    const char* help;
  };

  template <typename Metric>  // One of the library's.
  void add(const Head& head, const Labels& labels, const Metric& metric) {
    prometheus::MetricFamily& family = families_[head.name];
    family.name = head.name;
    family.help = head.help;
    family.type = Metric::metric_type;
    prometheus::ClientMetric& one = family.metric.emplace_back(metric.Collect());
    for (const auto& [name, value] : labels) one.label.push_back({name, value});
  }
  void add(const actors::MetricSample& sample) {
    auto found = families_.find(sample.name);
    if (found == families_.end()) found = families_.emplace(sample.name, to_family(sample)).first;
    found->second.metric.push_back(to_metric(sample));
  }

  std::string print() {
    std::vector<prometheus::MetricFamily> all;
    all.reserve(families_.size());
    for (auto& [name, family] : families_) all.push_back(std::move(family));
    return prometheus::TextSerializer().Serialize(all);
  }

 private:
  std::map<std::string, prometheus::MetricFamily> families_;
};

}  // namespace

// The figures are members, not entries of a shared registry: who still holds the series of a
// database that is forgotten counts where nobody looks, and harms nobody.
class GatewayMetrics::Series final : public DatabaseMetrics {
 public:
  Series() {
    for (auto& bytes : request_bytes_)
      bytes = std::make_unique<prometheus::Histogram>(request_buckets());
  }

  void on_connected() override {
    connected_.Increment();
    spawned_.Increment();
  }
  void on_disconnected(DisconnectCause cause) override {
    connected_.Decrement();
    if (cause == DisconnectCause::kClientClose)
      closed_.Increment();
    else
      aborted_.Increment();
    if (cause == DisconnectCause::kIdleTimeout) idle_.Increment();
    if (cause == DisconnectCause::kOutgoingQueueFull) outgoing_full_.Increment();
    disconnections_[static_cast<size_t>(cause)].Increment();
  }
  void on_rejected(RejectCause cause) override {
    rejections_[static_cast<size_t>(cause)].Increment();
  }
  void on_received(WebSocketProtocol protocol, size_t bytes) override {
    const auto i = static_cast<size_t>(protocol);
    requests_[i].Increment();
    request_bytes_[i]->Observe(static_cast<double>(bytes));
  }
  void on_sent(const SizeTally& payloads) override {
    const std::vector<double> counts(payloads.counts().begin(), payloads.counts().end());
    sent_bytes_.ObserveMultiple(counts, static_cast<double>(payloads.bytes()));
  }
  void on_pong(double seconds) override { pong_.Observe(seconds); }
  void add_incoming(int64_t messages) override {
    incoming_.Increment(static_cast<double>(messages));
  }
  void add_outgoing(int64_t messages) override {
    outgoing_.Increment(static_cast<double>(messages));
  }
  void on_http_response(size_t bytes) override {
    http_bytes_.Increment(static_cast<double>(bytes));
  }

  void print_to(const std::string& database, Page& page) const {
    const Labels by_identity{{"database_identity", database}};
    const Labels by_db{{"db", database}};
    page.add({"spacetime_worker_connected_clients", "Connected WebSocket clients."}, by_identity,
             connected_);
    page.add({"spacetime_worker_ws_clients_spawned",
              "Connections established, after the connect reducer."},
             by_identity, spawned_);
    page.add({"spacetime_worker_ws_clients_aborted", "Connections ended by abort."}, by_identity,
             aborted_);
    page.add({"spacetime_worker_ws_clients_closed_connection", "Connections closed by the client."},
             by_identity, closed_);
    page.add(
        {"spacetime_worker_ws_clients_idle_timed_out_total", "Connections dropped for idleness."},
        by_identity, idle_);
    page.add(
        {"spacetime_websocket_sent_msg_size_bytes", "Payload sizes of WebSocket messages sent."},
        by_db, sent_bytes_);
    page.add({"spacetime_websocket_pong_rtt_secs", "Ping written to pong processed."}, by_db,
             pong_);
    page.add({"spacetime_total_incoming_queue_length", "Client messages queued, all clients."},
             by_db, incoming_);
    page.add({"spacetime_total_outgoing_queue_length", "Messages to clients queued, all clients."},
             by_db, outgoing_);
    page.add({"spacetime_client_outgoing_queue_disconnects_total",
              "Clients dropped for a full outgoing queue."},
             by_db, outgoing_full_);
    page.add({"spacetime_http_response_size_bytes_total", "Response bytes of database routes."},
             by_db, http_bytes_);
    print_by_protocol(by_identity, page);
    print_by_cause(by_identity, page);
  }

 private:
  void print_by_protocol(const Labels& by_identity, Page& page) const {
    for (size_t i = 0; i < kProtocolCount; ++i) {
      Labels labels = by_identity;
      labels.emplace_back("protocol", protocol_name(static_cast<WebSocketProtocol>(i)));
      page.add({"spacetime_websocket_requests_total", "WebSocket messages received."}, labels,
               requests_[i]);
      page.add({"spacetime_websocket_request_msg_size", "Their size."}, labels, *request_bytes_[i]);
    }
  }

  // A cause shows once it happened.
  void print_by_cause(const Labels& by_identity, Page& page) const {
    const auto print = [&](const Page::Head& head, const char* cause,
                           const prometheus::Counter& count) {
      if (count.Value() == 0) return;
      Labels labels = by_identity;
      labels.emplace_back("cause", cause);
      page.add(head, labels, count);
    };
    for (size_t i = 0; i < disconnections_.size(); ++i)
      print({"spacetime_worker_ws_client_disconnections_total", "Ended connections by cause."},
            cause_name(static_cast<DisconnectCause>(i)), disconnections_[i]);
    for (size_t i = 0; i < rejections_.size(); ++i)
      print({"spacetime_worker_ws_client_rejections_total", "Attempts refused by cause."},
            cause_name(static_cast<RejectCause>(i)), rejections_[i]);
  }

  prometheus::Gauge connected_;
  prometheus::Gauge spawned_;
  prometheus::Gauge aborted_;
  prometheus::Gauge closed_;
  prometheus::Counter idle_;
  prometheus::Histogram sent_bytes_{sent_buckets()};
  prometheus::Histogram pong_{pong_buckets()};
  prometheus::Gauge incoming_;
  prometheus::Gauge outgoing_;
  prometheus::Counter outgoing_full_;
  prometheus::Counter http_bytes_;
  std::array<prometheus::Counter, kDisconnectCauseCount> disconnections_;
  std::array<prometheus::Counter, kRejectCauseCount> rejections_;
  std::array<prometheus::Counter, kProtocolCount> requests_;
  std::array<std::unique_ptr<prometheus::Histogram>, kProtocolCount> request_bytes_;
};

GatewayMetrics::GatewayMetrics(size_t databases_max)
    : databases_max_(databases_max), others_(std::make_shared<Series>()) {}
GatewayMetrics::~GatewayMetrics() = default;

std::shared_ptr<DatabaseMetrics> GatewayMetrics::database(const schema::Identity& identity) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const auto found = databases_.find(identity); found != databases_.end()) return found->second;
  if (databases_.size() >= databases_max_) {
    others_used_ = true;
    return others_;
  }
  return databases_.emplace(identity, std::make_shared<Series>()).first->second;
}

void GatewayMetrics::forget(const schema::Identity& identity) {
  const std::lock_guard<std::mutex> lock(mutex_);
  databases_.erase(identity);
}

std::vector<schema::Identity> GatewayMetrics::known_databases() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<schema::Identity> known;
  known.reserve(databases_.size());
  for (const auto& [identity, series] : databases_) known.push_back(identity);
  return known;
}

std::string GatewayMetrics::render(const std::vector<actors::MetricSample>& node_samples) const {
  Page page;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [identity, series] : databases_) series->print_to(identity.to_hex(), page);
    if (others_used_) others_->print_to("_other", page);
  }
  for (const actors::MetricSample& sample : node_samples) page.add(sample);
  return page.print();
}

}  // namespace worldline::gateway
