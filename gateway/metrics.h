// gateway/metrics.h
//
// The metrics page: the gateway's own counters [S 05/6, worker group] and the node's samples, in
// Prometheus text form. Names and labels are those of the specification.
//
// Invariants: at most `databases_max` databases have series of their own, the rest are summed under
// `_other`; a database that was forgotten is on no later page, and its place is free. What was
// counted under `_other` stays there.
// Ownership: one per gateway; a series is shared with the sessions of its database. Thread: any;
// the mutex guards the table of databases only. Units: as the names say.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/messages.h"
#include "gateway/http_message.h"
#include "gateway/size_tally.h"
#include "schema/identity.h"

namespace worldline::gateway {

enum class DisconnectCause : uint8_t {
  kClientClose,
  kIdleTimeout,
  kIncomingQueueFull,
  kOutgoingQueueFull,
  kModuleExited,
  kClientMessageError,
  kConnectionClosed,
  kReceiveIo,
  kTooLarge,
  kProtocol,
  kSendError,
  kShutdown,
};

enum class RejectCause : uint8_t {
  kInvalidProtocol,
  kAuthorizationFailed,
  kUpgradeError,
  kClientConnectedRejected,
  kClientConnectedError,
};

// The series of one database.
class DatabaseMetrics {
 public:
  virtual ~DatabaseMetrics() = default;
  virtual void on_connected() = 0;
  virtual void on_disconnected(DisconnectCause cause) = 0;
  virtual void on_rejected(RejectCause cause) = 0;
  virtual void on_received(WebSocketProtocol protocol, size_t bytes) = 0;  // One frame.
  virtual void on_sent(const SizeTally& payloads) = 0;
  virtual void on_pong(double seconds) = 0;
  virtual void add_incoming(int64_t messages) = 0;
  virtual void add_outgoing(int64_t messages) = 0;
  virtual void on_http_response(size_t bytes) = 0;
};

// Shared: an answer of the node that is only counted may come when the gateway is gone.
class GatewayMetrics : public std::enable_shared_from_this<GatewayMetrics> {
 public:
  explicit GatewayMetrics(size_t databases_max);
  ~GatewayMetrics();

  std::shared_ptr<DatabaseMetrics> database(const schema::Identity& identity);
  // The database is gone: its series leave the page.
  void forget(const schema::Identity& identity);
  std::vector<schema::Identity> known_databases() const;
  // The page: own series and the node's.
  std::string render(const std::vector<actors::MetricSample>& node_samples) const;

 private:
  class Series;

  const size_t databases_max_;
  mutable std::mutex mutex_;
  std::map<schema::Identity, std::shared_ptr<Series>> databases_;  // Guarded by mutex_.
  const std::shared_ptr<Series> others_;
  bool others_used_ = false;  // Guarded by mutex_.
};

}  // namespace worldline::gateway
