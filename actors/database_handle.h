// actors/database_handle.h
//
// What the node keeps of one running database: where its work goes and what it counts. Holding a
// handle keeps the queue alive, not the database: a stopped one refuses work. And the directory of
// them, which also knows which databases are out of service and why.
//
// Invariants: constant after construction. Thread: any.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/host_work.h"
#include "actors/node_counters.h"
#include "actors/outage.h"
#include "base/clock.h"
#include "base/ids.h"
#include "schema/identity.h"

namespace worldline::actors {

struct DatabaseHandle {
  schema::Identity database;
  GroupId group;
  std::shared_ptr<WorkQueue> queue;
  std::shared_ptr<DatabaseCounters> counters;
};
using DatabaseHandlePtr = std::shared_ptr<const DatabaseHandle>;

// The running databases of this node, and those that are out of service.
//
// Invariants: no database is both. Thread: any; the mutex guards a map look-up.
class DatabaseDirectory {
 public:
  DatabaseHandlePtr find(const schema::Identity& database) const;  // Null if it is not running.
  // The same; without one kCorruption with the text of its outage, or kInternal.
  Result<DatabaseHandlePtr> find_running(const schema::Identity& database) const;
  // Ends an outage of an older group; one of its own group stands.
  void add(DatabaseHandlePtr handle);
  void remove(const schema::Identity& database);  // Its outage, too.
  std::vector<DatabaseHandlePtr> all() const;

  // Nothing more is sent to it. Of another group than the one that runs: ignored.
  void take_out(const schema::Identity& database, Outage outage);
  std::optional<Outage> outage(const schema::Identity& database) const;
  std::vector<Outage> outages() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<schema::Identity, DatabaseHandlePtr> handles_;  // Guarded by mutex_.
  std::unordered_map<schema::Identity, Outage> outages_;             // Guarded by mutex_.
};

// The node's end of a WebSocket session.
class SessionHandle final : public Session {
 public:
  SessionHandle(SessionId id, std::shared_ptr<SessionSink> sink, std::shared_ptr<WorkQueue> queue,
                const Clock& clock);
  ~SessionHandle() override;

  void post(std::shared_ptr<const ClientBatch> batch) override;
  void close() override;

 private:
  const SessionId id_;
  const std::shared_ptr<SessionSink> sink_;
  const std::shared_ptr<WorkQueue> queue_;
  const Clock& clock_;  // Borrowed; outlives this.
  std::atomic<bool> closed_{false};
};

}  // namespace worldline::actors
