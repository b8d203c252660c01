// actors/database_handle.h
//
// What the node keeps of one running database: where its work goes and what it counts. Holding a
// handle keeps the queue alive, not the database: a stopped one refuses work.
//
// Invariants: constant after construction. Thread: any.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "actors/host_work.h"
#include "actors/node_counters.h"
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

// The running databases of this node. Thread: any; the mutex guards a map look-up.
class DatabaseDirectory {
 public:
  DatabaseHandlePtr find(const schema::Identity& database) const;  // Null if it is not running.
  void add(DatabaseHandlePtr handle);
  void remove(const schema::Identity& database);
  std::vector<DatabaseHandlePtr> all() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<schema::Identity, DatabaseHandlePtr> handles_;  // Guarded by mutex_.
};

// The node's end of a WebSocket session.
class SessionHandle final : public Session {
 public:
  SessionHandle(SessionId id, std::shared_ptr<SessionSink> sink, std::shared_ptr<WorkQueue> queue);
  ~SessionHandle() override;

  void post(std::shared_ptr<const ClientBatch> batch) override;
  void close() override;

 private:
  const SessionId id_;
  const std::shared_ptr<SessionSink> sink_;
  const std::shared_ptr<WorkQueue> queue_;
  std::atomic<bool> closed_{false};
};

}  // namespace worldline::actors
