// actors/node_service.h
//
// NodeService answers the gateway: it looks names up in the committed catalog, checks who may do
// what, and sends work to the database concerned. Creating, resetting and deleting are processes of
// several steps that live in publish_process.h.
//
// Invariants: nothing blocks; every request is answered exactly once.
// Thread: any. Sources: [S 02/3, 11.9], [S 04/1].
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "actors/catalog_desk.h"
#include "actors/database_handle.h"
#include "actors/disk_board.h"
#include "actors/messages.h"

namespace worldline::actors {

// Starts and ends databases on this node; implemented where the actors are spawned.
class DatabaseLauncher {
 public:
  virtual ~DatabaseLauncher() = default;
  // Checks the program on a throw-away state, then creates the group and its first transaction.
  // `done` gets the handle of the running database once that is committed; it is not in the
  // directory yet. On failure nothing is left.
  virtual void create(const storage::DatabaseRecord& record, const PublishRequest& request,
                      Callback<Result<DatabaseHandlePtr>> done) = 0;
  // Ends a database and removes its group from this node for good.
  virtual void destroy(DatabaseHandlePtr handle, CloseReason reason,
                       std::function<void()> done) = 0;
  // The same for a database that does not run here, in whatever state its data is.
  virtual void discard(GroupId group, std::function<void()> done) = 0;
};

// Runs changes on the catalog's actor. Thread: any.
class CatalogRunner {
 public:
  virtual ~CatalogRunner() = default;
  virtual void run(CatalogDesk::Change change, Callback<Status> done) = 0;
};

// Identities whose creation or reset is under way: a second one is refused meanwhile.
class PublishGuard {
 public:
  bool try_enter(const schema::Identity& database);
  void leave(const schema::Identity& database);

 private:
  std::mutex mutex_;
  std::set<schema::Identity> busy_;  // Guarded by mutex_.
};

struct NodeServiceParts {
  const CatalogBoard* board;  // All borrowed; they outlive the service.
  CatalogRunner* catalog;
  DatabaseDirectory* directory;
  DatabaseLauncher* launcher;
  PublishGuard* guard;
  const DiskBoard* disk;
  const Clock* clock;
};

class NodeService final : public NodeApi {
 public:
  explicit NodeService(NodeServiceParts parts) : parts_(parts) {}

  void resolve_database(DatabaseRef database, Callback<Result<schema::Identity>> done) override;
  void find_database(DatabaseRef database, Callback<Result<DatabaseInfo>> done) override;
  void databases_of(schema::Identity owner,
                    Callback<Result<std::vector<schema::Identity>>> done) override;
  void publish(PublishRequest request, Callback<Result<PublishReply>> done) override;
  void pre_publish(PrePublishRequest request, Callback<Result<PrePublishReply>> done) override;
  void reset(PublishRequest request, Callback<Result<PublishReply>> done) override;
  void remove(DatabaseRef database, Caller caller, Callback<Status> done) override;
  void set_locked(DatabaseRef database, Caller caller, bool locked, Callback<Status> done) override;
  void add_name(DatabaseRef database, Caller caller, std::string name,
                Callback<Result<schema::Identity>> done) override;
  void replace_names(DatabaseRef database, Caller caller, std::vector<std::string> names,
                     Callback<Status> done) override;
  void schema_json(DatabaseRef database, int version, Callback<Result<std::string>> done) override;
  void call(CallRequest request, Callback<CallReply> done) override;
  void sql(SqlRequest request, Callback<Result<SqlReply>> done) override;
  void logs(LogsRequest request, std::shared_ptr<LogReader> reader, Callback<Status> done) override;
  void open_session(SessionOpen open, Callback<Result<std::shared_ptr<Session>>> done) override;
  std::vector<MetricSample> metrics() override;

 private:
  Result<DatabaseHandlePtr> find_running(const DatabaseRef& database) const;
  void update(const storage::DatabaseRecord& record, PublishRequest request,
              Callback<Result<PublishReply>> done);

  const NodeServiceParts parts_;
  std::atomic<uint64_t> last_session_{0};
};

// kPermissionDenied with the text of [S 02/11.9] unless `caller` owns the database.
Status check_owner(const storage::DatabaseRecord& record, const Caller& caller,
                   std::string_view action);

}  // namespace worldline::actors
