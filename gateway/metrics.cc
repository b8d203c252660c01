#include "gateway/metrics.h"

#include <array>
#include <utility>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace worldline::gateway {
namespace {

constexpr size_t kProtocolCount = 2;

const prometheus::Histogram::BucketBoundaries& request_buckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets{
      0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};  // The reference's defaults.
  return kBuckets;
}
const prometheus::Histogram::BucketBoundaries& sent_buckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets{
      100, 500, 1e3, 10e3, 100e3, 500e3, 1e6, 5e6, 10e6, 25e6, 50e6, 75e6, 100e6, 500e6};
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

template <typename T>
prometheus::Family<T>& family(prometheus::Registry& registry, const char* name, const char* help) {
  if constexpr (std::is_same_v<T, prometheus::Counter>)
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  else if constexpr (std::is_same_v<T, prometheus::Gauge>)
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  else
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
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

}  // namespace

struct GatewayMetrics::Families {
  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;
  using Histograms = prometheus::Family<prometheus::Histogram>;

  prometheus::Registry registry;
  Gauges& connected = family<prometheus::Gauge>(registry, "spacetime_worker_connected_clients",
                                                "Connected WebSocket clients.");
  Gauges& spawned =
      family<prometheus::Gauge>(registry, "spacetime_worker_ws_clients_spawned",
                                "Connections established, after the connect reducer.");
  Gauges& aborted = family<prometheus::Gauge>(registry, "spacetime_worker_ws_clients_aborted",
                                              "Connections ended by abort.");
  Gauges& closed =
      family<prometheus::Gauge>(registry, "spacetime_worker_ws_clients_closed_connection",
                                "Connections closed by the client.");
  Counters& idle =
      family<prometheus::Counter>(registry, "spacetime_worker_ws_clients_idle_timed_out_total",
                                  "Connections dropped for idleness.");
  Counters& disconnections = family<prometheus::Counter>(
      registry, "spacetime_worker_ws_client_disconnections_total", "Ended connections by cause.");
  Counters& rejections = family<prometheus::Counter>(
      registry, "spacetime_worker_ws_client_rejections_total", "Attempts refused by cause.");
  Counters& requests = family<prometheus::Counter>(registry, "spacetime_websocket_requests_total",
                                                   "WebSocket messages received.");
  Histograms& request_bytes = family<prometheus::Histogram>(
      registry, "spacetime_websocket_request_msg_size", "Their size.");
  Histograms& sent_bytes =
      family<prometheus::Histogram>(registry, "spacetime_websocket_sent_msg_size_bytes",
                                    "Payload sizes of WebSocket messages sent.");
  Histograms& pong = family<prometheus::Histogram>(registry, "spacetime_websocket_pong_rtt_secs",
                                                   "Ping written to pong processed.");
  Gauges& incoming = family<prometheus::Gauge>(registry, "spacetime_total_incoming_queue_length",
                                               "Client messages queued, all clients.");
  Gauges& outgoing = family<prometheus::Gauge>(registry, "spacetime_total_outgoing_queue_length",
                                               "Messages to clients queued, all clients.");
  Counters& outgoing_full =
      family<prometheus::Counter>(registry, "spacetime_client_outgoing_queue_disconnects_total",
                                  "Clients dropped for a full outgoing queue.");
  Counters& http_bytes = family<prometheus::Counter>(
      registry, "spacetime_http_response_size_bytes_total", "Response bytes of database routes.");
};

namespace {

class DatabaseSeries final : public DatabaseMetrics {
 public:
  template <typename Families>
  DatabaseSeries(Families& f, const std::string& database)
      : by_identity_{{"database_identity", database}},
        by_db_{{"db", database}},
        connected_(f.connected.Add(by_identity_)),
        spawned_(f.spawned.Add(by_identity_)),
        aborted_(f.aborted.Add(by_identity_)),
        closed_(f.closed.Add(by_identity_)),
        idle_(f.idle.Add(by_identity_)),
        sent_bytes_(f.sent_bytes.Add(by_db_, sent_buckets())),
        pong_(f.pong.Add(by_db_, pong_buckets())),
        incoming_(f.incoming.Add(by_db_)),
        outgoing_(f.outgoing.Add(by_db_)),
        outgoing_full_(f.outgoing_full.Add(by_db_)),
        http_bytes_(f.http_bytes.Add(by_db_)),
        disconnections_(f.disconnections),
        rejections_(f.rejections) {
    for (size_t i = 0; i < kProtocolCount; ++i) {
      prometheus::Labels labels = by_identity_;
      labels["protocol"] = protocol_name(static_cast<WebSocketProtocol>(i));
      requests_[i] = &f.requests.Add(labels);
      request_bytes_[i] = &f.request_bytes.Add(labels, request_buckets());
    }
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
    disconnections_.Add(with_cause(cause_name(cause))).Increment();
  }
  void on_rejected(RejectCause cause) override {
    rejections_.Add(with_cause(cause_name(cause))).Increment();
  }
  void on_received(WebSocketProtocol protocol, size_t bytes) override {
    const auto i = static_cast<size_t>(protocol);
    requests_[i]->Increment();
    request_bytes_[i]->Observe(static_cast<double>(bytes));
  }
  void on_sent(size_t bytes) override { sent_bytes_.Observe(static_cast<double>(bytes)); }
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

 private:
  prometheus::Labels with_cause(const char* cause) const {
    prometheus::Labels labels = by_identity_;
    labels["cause"] = cause;
    return labels;
  }

  const prometheus::Labels by_identity_;
  const prometheus::Labels by_db_;
  prometheus::Gauge& connected_;
  prometheus::Gauge& spawned_;
  prometheus::Gauge& aborted_;
  prometheus::Gauge& closed_;
  prometheus::Counter& idle_;
  prometheus::Histogram& sent_bytes_;
  prometheus::Histogram& pong_;
  prometheus::Gauge& incoming_;
  prometheus::Gauge& outgoing_;
  prometheus::Counter& outgoing_full_;
  prometheus::Counter& http_bytes_;
  prometheus::Family<prometheus::Counter>& disconnections_;
  prometheus::Family<prometheus::Counter>& rejections_;
  std::array<prometheus::Counter*, kProtocolCount> requests_{};
  std::array<prometheus::Histogram*, kProtocolCount> request_bytes_{};
};

}  // namespace

GatewayMetrics::GatewayMetrics() : families_(std::make_unique<Families>()) {}
GatewayMetrics::~GatewayMetrics() = default;

std::shared_ptr<DatabaseMetrics> GatewayMetrics::database(const schema::Identity& identity) {
  std::string name = identity.to_hex();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const auto found = databases_.find(name); found != databases_.end()) return found->second;
  if (databases_.size() >= kMetricDatabasesMax) name = "_other";
  auto& series = databases_[name];
  if (series == nullptr) series = std::make_shared<DatabaseSeries>(*families_, name);
  return series;
}

std::string GatewayMetrics::render(const std::vector<actors::MetricSample>& node_samples) const {
  std::vector<prometheus::MetricFamily> page = families_->registry.Collect();
  std::map<std::string, prometheus::MetricFamily> node;
  for (const actors::MetricSample& sample : node_samples) {
    auto found = node.find(sample.name);
    if (found == node.end()) found = node.emplace(sample.name, to_family(sample)).first;
    found->second.metric.push_back(to_metric(sample));
  }
  for (auto& [name, metrics] : node) page.push_back(std::move(metrics));
  return prometheus::TextSerializer().Serialize(page);
}

}  // namespace worldline::gateway
