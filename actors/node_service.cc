#include "actors/node_service.h"

#include <algorithm>
#include <utility>

#include "actors/metric_samples.h"
#include "actors/publish_process.h"
#include "base/check.h"
#include "base/secure_random.h"

namespace worldline::actors {
namespace {

constexpr uint64_t kReplicasMax = 255;

schema::ConnectionId random_connection_id() {
  return schema::ConnectionId{random_bytes<16>()};
}

// What a publish would change. No record: it would create.
struct PublishGoal {
  const storage::DatabaseRecord* record = nullptr;  // Borrowed from the index.
  std::optional<schema::Identity> identity;         // The name or the route fixes it.
  bool name_is_foreign = false;  // Registered by somebody else, and leads to no database.
};

PublishGoal find_goal(const CatalogIndex& index, const PublishRequest& request) {
  PublishGoal goal;
  if (!request.database) return goal;
  goal.identity = request.database->identity;
  const storage::NameRecord* name = nullptr;
  if (!goal.identity) {
    name = index.find_name(request.database->name);
    if (name == nullptr) return goal;
    goal.identity = name->database;
  }
  goal.record = index.find_database(*goal.identity);
  goal.name_is_foreign =
      goal.record == nullptr && name != nullptr && name->owner != request.caller.identity;
  return goal;
}

Status check_clear(const PublishRequest& request) {
  if (!request.database)
    return Status::invalid_argument("Clear database requires database name or identity");
  if (request.parent)
    return Status::invalid_argument("Setting the parent of an existing database is not supported");
  return {};
}

// Names of databases are the registered namespaces; an identity need not be known.
Status check_known(const CatalogIndex& index, const std::optional<DatabaseRef>& related) {
  if (!related || related->identity || index.find_name(related->name) != nullptr) return {};
  return Status::not_found("`{}` not found", related->name);
}

Status check_replicas(const PublishRequest& request) {
  if (request.replica_count <= kReplicasMax) return {};
  return Status::invalid_argument("Replication factor {} out of bounds", request.replica_count);
}

Status check_creation(const PublishRequest& request) {
  if (request.may_create) return {};
  return Status::unauthenticated(
      "To create a database, you must be logged in with a SpacetimeDB account.");
}

// Everything behind the resolution of the name, in the order of decisions of [S 02/3.4].
Status check_publish(const CatalogIndex& index, const storage::DatabaseRecord* record,
                     const PublishRequest& request) {
  WL_RETURN_IF_ERROR(check_known(index, request.parent));
  WL_RETURN_IF_ERROR(check_known(index, request.organization));
  WL_RETURN_IF_ERROR(check_replicas(request));
  WL_RETURN_IF_ERROR(record != nullptr ? check_owner(*record, request.caller, "update database")
                                       : check_creation(request));
  if (request.policy == MigrationPolicy::kBreakClients && !request.token)
    return Status::invalid_argument(
        "Migration policy is set to `BreakClients`, but no migration token was provided.");
  if (record != nullptr) return {};  // Parent and organization are of creation alone.
  if (request.parent)
    return Status::not_supported("creating a database with a parent is not supported");
  if (request.organization)
    return Status::not_supported("creating a database for an organization is not supported");
  return {};
}

}  // namespace

Status check_owner(const storage::DatabaseRecord& record, const Caller& caller,
                   std::string_view action) {
  if (record.owner == caller.identity) return {};
  return Status::permission_denied("{} is not authorized to perform action on database {}: {}",
                                   caller.identity.to_hex(), record.database.to_hex(), action);
}

bool PublishGuard::try_enter(const schema::Identity& database) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return busy_.insert(database).second;
}

void PublishGuard::leave(const schema::Identity& database) {
  const std::lock_guard<std::mutex> lock(mutex_);
  busy_.erase(database);
}

Result<DatabaseHandlePtr> NodeService::find_running(const DatabaseRef& database) const {
  WL_ASSIGN_OR_RETURN(const auto record, parts_.board->index()->resolve(database));
  return parts_.directory->find_running(record.database);
}

void NodeService::resolve_database(DatabaseRef database, Callback<Result<schema::Identity>> done) {
  const auto record = parts_.board->index()->resolve(database);
  done(record.ok() ? Result<schema::Identity>(record->database)
                   : Result<schema::Identity>(record.status()));
}

void NodeService::find_database(DatabaseRef database, Callback<Result<DatabaseInfo>> done) {
  const CatalogIndexPtr index = parts_.board->index();
  const auto record = index->resolve(database);
  if (!record.ok()) return done(record.status());
  const auto outage = parts_.directory->outage(record->database);
  done(DatabaseInfo{
      record->database, record->owner, record->host_type == 1 ? HostType::kJs : HostType::kWasm,
      record->initial_program, record->locked, parts_.directory->find(record->database) != nullptr,
      index->names_of(record->database), outage ? outage_status(*outage).message() : ""});
}

void NodeService::databases_of(schema::Identity owner,
                               Callback<Result<std::vector<schema::Identity>>> done) {
  std::vector<schema::Identity> owned;
  for (const auto& [identity, record] : parts_.board->index()->databases)
    if (record.owner == owner) owned.push_back(identity);
  done(std::move(owned));
}

void NodeService::publish(PublishRequest request, Callback<Result<PublishReply>> done) {
  const CatalogIndexPtr index = parts_.board->index();
  const PublishGoal goal = find_goal(*index, request);
  if (request.clear && (goal.record != nullptr || !request.database)) {
    const Status status = check_clear(request);
    return status.ok() ? reset(std::move(request), std::move(done)) : done(status);
  }
  if (goal.name_is_foreign)
    return done(PublishReply{request.database->name, {}, PublishOp::kNameDenied});
  if (const Status status = check_publish(*index, goal.record, request); !status.ok())
    return done(status);
  if (const Status room = parts_.disk->check_write(); !room.ok()) return done(room);
  if (goal.record != nullptr)
    update(*goal.record, std::move(request), std::move(done));
  else
    start_create(parts_, std::move(request), goal.identity, std::move(done));
}

void NodeService::update(const storage::DatabaseRecord& record, PublishRequest request,
                         Callback<Result<PublishReply>> done) {
  const auto handle = parts_.directory->find_running(record.database);
  if (!handle.ok()) return done(handle.status());
  PublishReply reply{{}, record.database, PublishOp::kUpdated};
  if (!request.database->identity) reply.domain = request.database->name;
  const size_t bytes = request.program->size();
  (*handle)->queue->push(
      UpdateWork{std::move(request),
                 [reply, done = std::move(done)](const Status& status) {
                   done(status.ok() ? Result<PublishReply>(reply) : Result<PublishReply>(status));
                 }},
      bytes);
}

void NodeService::pre_publish(PrePublishRequest request, Callback<Result<PrePublishReply>> done) {
  const auto record = parts_.board->index()->resolve(request.database);
  if (!record.ok()) return done(record.status());
  const Status allowed = check_owner(*record, request.caller, "update database");
  if (!allowed.ok()) return done(allowed);
  const auto handle = parts_.directory->find_running(record->database);
  if (!handle.ok()) return done(handle.status());
  const size_t bytes = request.program->size();
  (*handle)->queue->push(PrePublishWork{std::move(request), std::move(done)}, bytes);
}

void NodeService::reset(PublishRequest request, Callback<Result<PublishReply>> done) {
  WL_CHECK(request.database.has_value());
  const auto record = parts_.board->index()->resolve(*request.database);
  if (!record.ok()) return done(record.status());
  if (const Status status = check_replicas(request); !status.ok()) return done(status);
  const Status allowed = check_owner(*record, request.caller, "reset database");
  if (!allowed.ok()) return done(allowed);
  if (record->locked)
    return done(Status::permission_denied(
        "Database is locked and cannot be reset with --delete-data. Run `spacetime unlock` "
        "first."));
  if (const Status room = parts_.disk->check_write(); !room.ok()) return done(room);
  start_reset(parts_, *record, std::move(request), std::move(done));
}

void NodeService::remove(DatabaseRef database, Caller caller, Callback<Status> done) {
  const auto record = parts_.board->index()->resolve(database);
  // Deleting what is not there succeeds for an identity and fails for a name [S 02/3.6].
  if (!record.ok()) return done(database.identity ? Status() : record.status());
  const Status allowed = check_owner(*record, caller, "delete database");
  if (!allowed.ok()) return done(allowed);
  if (record->locked)
    return done(Status::permission_denied(
        "Database is locked and cannot be deleted. Run `spacetime unlock` first."));
  start_remove(parts_, *record, std::move(done));
}

void NodeService::set_locked(DatabaseRef database, Caller caller, bool locked,
                             Callback<Status> done) {
  const auto record = parts_.board->index()->resolve(database);
  if (!record.ok()) return done(record.status());
  const Status allowed = check_owner(*record, caller, "delete database");
  if (!allowed.ok()) return done(allowed);
  if (const Status room = parts_.disk->check_write(); !room.ok()) return done(room);
  parts_.catalog->run(
      [identity = record->database, locked](storage::CatalogState& catalog,
                                            Timestamp now) -> Status {
        auto current = catalog.find_database(identity);
        if (!current) return Status::not_found("No such database.");
        current->locked = locked;
        return catalog.replace_database(*current, now);
      },
      std::move(done));
}

void NodeService::add_name(DatabaseRef database, Caller caller, std::string name,
                           Callback<Result<schema::Identity>> done) {
  const auto record = parts_.board->index()->resolve(database);
  if (!record.ok()) return done(record.status());
  const Status allowed = check_owner(*record, caller, "rename database");
  if (!allowed.ok()) return done(allowed);
  if (const Status room = parts_.disk->check_write(); !room.ok()) return done(room);
  storage::NameRecord added{std::move(name), record->database, caller.identity};
  parts_.catalog->run(
      [added](storage::CatalogState& catalog, Timestamp now) {
        return catalog.add_name(added, now);
      },
      [identity = record->database, done = std::move(done)](const Status& status) {
        done(status.ok() ? Result<schema::Identity>(identity) : Result<schema::Identity>(status));
      });
}

void NodeService::replace_names(DatabaseRef database, Caller caller, std::vector<std::string> names,
                                Callback<Status> done) {
  const auto record = parts_.board->index()->resolve(database);
  if (!record.ok()) return done(record.status());
  const Status allowed = check_owner(*record, caller, "rename database");
  if (!allowed.ok()) return done(allowed);
  if (const Status room = parts_.disk->check_write(); !room.ok()) return done(room);
  parts_.catalog->run(
      [identity = record->database, owner = caller.identity, names = std::move(names)](
          storage::CatalogState& catalog, Timestamp now) {
        return catalog.replace_names(identity, owner, names, now);
      },
      std::move(done));
}

void NodeService::schema_json(DatabaseRef database, int version,
                              Callback<Result<std::string>> done) {
  const auto handle = find_running(database);
  if (!handle.ok()) return done(handle.status());
  (*handle)->queue->push(SchemaWork{version, std::move(done)});
}

void NodeService::call(CallRequest request, Callback<CallReply> done) {
  const auto handle = find_running(request.database);
  if (!handle.ok())
    return done(CallReply{CallStatus::kFailed, handle.status(), handle.status().message(), 0});
  const size_t bytes = request.args_json.size();
  (*handle)->queue->push(
      CallWork{std::move(request), random_connection_id(), std::move(done), parts_.clock->steady()},
      bytes);
}

void NodeService::sql(SqlRequest request, Callback<Result<SqlReply>> done) {
  const auto handle = find_running(request.database);
  if (!handle.ok()) return done(handle.status());
  const size_t bytes = request.statement.size();
  (*handle)->queue->push(SqlWork{std::move(request), random_connection_id(), std::move(done)},
                         bytes);
}

void NodeService::logs(LogsRequest request, std::shared_ptr<LogReader> reader,
                       Callback<Status> done) {
  const auto record = parts_.board->index()->resolve(request.database);
  if (!record.ok()) return done(record.status());
  const Status allowed = check_owner(*record, request.caller, "view module logs");
  if (!allowed.ok()) return done(allowed);
  if (const auto outage = parts_.directory->outage(record->database))
    return done(outage_status(*outage));
  const DatabaseHandlePtr handle = parts_.directory->find(record->database);
  if (handle == nullptr) return done(Status::unavailable("Logs are temporarily not available"));
  handle->queue->push(LogsWork{std::move(request), std::move(reader), std::move(done)});
}

void NodeService::open_session(SessionOpen open, Callback<Result<std::shared_ptr<Session>>> done) {
  const auto handle = parts_.directory->find_running(open.database);
  if (!handle.ok()) return done(handle.status());
  const SessionId id(last_session_.fetch_add(1) + 1);
  auto session = std::make_shared<SessionHandle>(id, open.sink, (*handle)->queue, *parts_.clock);
  (*handle)->queue->push(SessionOpenWork{id, std::move(open), std::move(session), std::move(done)});
}

std::vector<MetricSample> NodeService::metrics() {
  std::vector<MetricSample> samples;
  append_disk_samples(*parts_.disk, samples);
  append_outage_samples(parts_.directory->outages(), samples);
  for (const auto& handle : parts_.directory->all()) {
    // An idle database takes no sample by itself; this page still shows the one before.
    if (handle->counters->meter.sample_is_old.load(std::memory_order_relaxed))
      handle->queue->push(SampleWork{});
    append_metric_samples(*handle, samples);
  }
  return samples;
}

}  // namespace worldline::actors
