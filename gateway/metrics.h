// gateway/metrics.h
//
// The metrics page: the gateway's own counters [S 05/6, worker group] and the node's samples, in
// Prometheus text form. Names and labels are those of the specification.
//
// Invariants: at most kMetricDatabasesMax databases have series of their own, the rest are summed
// under `_other`. Ownership: one per gateway. Thread: any; counters are atomics, the mutex guards
// the table of databases only. Units: as the names say.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/messages.h"
#include "gateway/http_message.h"
#include "schema/identity.h"

namespace worldline::gateway {

inline constexpr size_t kMetricDatabasesMax = 200;  // [metrics.max-databases]

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
  virtual void on_sent(size_t bytes) = 0;                                  // One frame's payload.
  virtual void on_pong(double seconds) = 0;
  virtual void add_incoming(int64_t messages) = 0;
  virtual void add_outgoing(int64_t messages) = 0;
  virtual void on_http_response(size_t bytes) = 0;
};

class GatewayMetrics {
 public:
  GatewayMetrics();
  ~GatewayMetrics();

  std::shared_ptr<DatabaseMetrics> database(const schema::Identity& identity);
  // The page: own series, then the node's.
  std::string render(const std::vector<actors::MetricSample>& node_samples) const;

 private:
  struct Families;

  std::unique_ptr<Families> families_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<DatabaseMetrics>> databases_;  // Guarded by mutex_.
};

}  // namespace worldline::gateway
