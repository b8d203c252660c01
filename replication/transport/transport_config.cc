#include "replication/transport/transport_config.h"

#include "replication/transport/peer_directory.h"

namespace worldline::replication {
namespace {

// Collects faults, one per line.
class Faults {
 public:
  void require(bool holds, std::string_view fault) {
    if (holds) return;
    if (!text_.empty()) text_ += '\n';
    text_ += fault;
  }
  Status status() const {
    return text_.empty() ? Status::ok_status() : Status::invalid_argument("{}", text_);
  }

 private:
  std::string text_;
};

// Port 0 is allowed here, and here only.
Status validate_listen_address(const std::string& address) {
  if (address.ends_with(":0")) return validate_address(address.substr(0, address.size() - 1) + "1");
  return validate_address(address);
}

void check_identity(const NodeIdentity& identity, Faults& faults) {
  faults.require(identity.cluster != ClusterId{}, "the cluster id is missing");
  faults.require(identity.uuid != NodeUuid{}, "the node uuid is missing");
  faults.require(identity.node.value > 0, "the node id is 0");
  faults.require(identity.incarnation > 0, "the incarnation is 0");
}

void check_listening(const TransportConfig& config, Faults& faults) {
  const Status listen = validate_listen_address(config.listen_address);
  faults.require(listen.ok(), listen.message());
  faults.require(config.tls || config.is_loopback_only() || config.allow_insecure_network,
                 "an insecure transport listens on a loopback address only");
  faults.require(!config.tls || !config.cluster_name.empty(), "TLS needs the cluster's name");
  faults.require(config.attempt_timeout.count() > 0, "attempt_timeout must be above 0");
  faults.require(config.handshake_timeout.count() > 0, "handshake_timeout must be above 0");
  // The library's servers end connections that ask more often than every 300 ms.
  faults.require(config.keepalive_interval.count() >= 300,
                 "keepalive_interval must be at least 300 ms");
  faults.require(config.keepalive_timeout.count() > 0, "keepalive_timeout must be above 0");
}

}  // namespace

bool TransportConfig::is_loopback_only() const {
  const std::string host = host_of(listen_address);
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Status TransportConfig::validate_listening() const {
  Faults faults;
  check_listening(*this, faults);
  return faults.status();
}

Status TransportConfig::validate() const {
  Faults faults;
  check_identity(identity, faults);
  check_listening(*this, faults);
  faults.require(backoff.min.count() > 0 && backoff.min <= backoff.max,
                 "backoff.min must be above 0 and at most backoff.max");
  faults.require(incoming_streams_max > 0, "incoming_streams_max must be above 0");
  for (const TrafficClass cls : kTrafficClasses) {
    const ClassLimits& own = classes[slot_of(cls)];
    faults.require(own.queue.queued_bytes_max > 0 && own.queue.queued_messages_max > 0 &&
                       own.received_bytes_max > 0,
                   fmt::format("a limit of class {} is 0", traffic_class_name(cls)));
  }
  return faults.status();
}

}  // namespace worldline::replication
