#include "actors/publish_process.h"

#include <utility>

#include "base/secure_random.h"

namespace worldline::actors {
namespace {

constexpr std::string_view kLocalIssuer = "localhost";

schema::Identity fresh_identity() {
  auto identity = schema::Identity::from_claims(kLocalIssuer, random_uuid());
  WL_CHECK(identity.ok());
  return *identity;
}

const CloseReason kModuleExited{1001, "module exited"};

// Both kinds of process: reserve what is needed, start the new database, then make it official.
class Creation : public std::enable_shared_from_this<Creation> {
 public:
  Creation(const NodeServiceParts& parts, PublishRequest request,
           Callback<Result<PublishReply>> done)
      : parts_(parts), request_(std::move(request)), done_(std::move(done)) {}

  void create(std::optional<schema::Identity> identity) {
    record_.database = identity ? *identity : fresh_identity();
    record_.owner = request_.caller.identity;
    if (!enter()) return;
    if (identity || !request_.database) {
      allocate_group();
      return;
    }
    // The name leads to the identity from here on, whatever becomes of the program [S 04/1.2].
    storage::NameRecord name{request_.database->name, record_.database, record_.owner};
    parts_.catalog->run([name](storage::CatalogState& catalog,
                               Timestamp now) { return catalog.add_name(name, now); },
                        [self = shared_from_this()](const Status& status) {
                          if (status.ok()) return self->allocate_group();
                          // Another publish was quicker to register the name.
                          self->fail(Status::internal("{}", status.message()));
                        });
  }

  // Whoever waits is answered, also when a database that was starting is lost.
  ~Creation() {
    if (!is_answered_)
      fail(Status::unavailable("the database was lost before its first transaction was confirmed"));
  }

  void reset(const storage::DatabaseRecord& old_record) {
    record_ = old_record;
    old_group_ = old_record.group;
    replaces_ = true;
    if (!enter()) return;
    if (!request_.program->empty()) {
      allocate_group();
      return;
    }
    const DatabaseHandlePtr running = parts_.directory->find(record_.database);
    if (running == nullptr) {
      fail(Status::unavailable("the database is not running: publish a program with the reset"));
      return;
    }
    running->queue->push(ProgramWork{[self = shared_from_this()](auto program) {
      if (!program.ok()) return self->fail(program.status());
      self->request_.host_type = program->host_type;
      self->request_.program = program->bytes;
      self->allocate_group();
    }});
  }

 private:
  bool enter() {
    if (parts_.guard->try_enter(record_.database)) return true;
    is_answered_ = true;
    done_(Status::internal("unable to lock database {} for update", record_.database.to_hex()));
    return false;
  }

  void fail(const Status& status) {
    is_answered_ = true;
    parts_.guard->leave(record_.database);
    done_(status);
  }

  void allocate_group() {
    record_.host_type = request_.host_type == HostType::kJs ? 1 : 0;
    record_.initial_program = schema::keccak256(*request_.program);
    parts_.catalog->run(
        [self = shared_from_this()](storage::CatalogState& catalog, Timestamp now) -> Status {
          WL_ASSIGN_OR_RETURN(self->record_.group, catalog.allocate_group(now));
          return {};
        },
        [self = shared_from_this()](const Status& status) {
          status.ok() ? self->launch() : self->fail(status);
        });
  }

  void launch() {
    parts_.launcher->create(record_, request_, [self = shared_from_this()](auto handle) {
      if (!handle.ok()) return self->fail(handle.status());
      self->handle_ = *handle;
      self->make_official();
    });
  }

  void make_official() {
    parts_.catalog->run(
        [record = record_, replaces = replaces_](storage::CatalogState& catalog, Timestamp now) {
          return replaces ? catalog.replace_database(record, now)
                          : catalog.add_database(record, now);
        },
        [self = shared_from_this()](const Status& status) {
          if (status.ok()) return self->finish();
          self->parts_.launcher->destroy(self->handle_, kModuleExited,
                                         [self, status] { self->fail(status); });
        });
  }

  void finish() {
    const DatabaseHandlePtr old = replaces_ ? parts_.directory->find(record_.database) : nullptr;
    parts_.directory->add(handle_);
    if (!replaces_) return reply();
    const auto reply_then = [self = shared_from_this()] { self->reply(); };
    if (old != nullptr)
      parts_.launcher->destroy(old, kModuleExited, reply_then);
    else
      parts_.launcher->discard(old_group_, reply_then);
  }

  void reply() {
    is_answered_ = true;
    parts_.guard->leave(record_.database);
    PublishReply answer;
    if (request_.database && !request_.database->identity) answer.domain = request_.database->name;
    answer.database = record_.database;
    answer.op = replaces_ ? PublishOp::kUpdated : PublishOp::kCreated;
    done_(answer);
  }

  const NodeServiceParts parts_;
  PublishRequest request_;
  const Callback<Result<PublishReply>> done_;
  storage::DatabaseRecord record_;
  bool replaces_ = false;
  GroupId old_group_;  // Of the database that is replaced.
  DatabaseHandlePtr handle_;
  bool is_answered_ = false;
};

}  // namespace

void start_create(const NodeServiceParts& parts, PublishRequest request,
                  std::optional<schema::Identity> identity, Callback<Result<PublishReply>> done) {
  std::make_shared<Creation>(parts, std::move(request), std::move(done))->create(identity);
}

void start_reset(const NodeServiceParts& parts, const storage::DatabaseRecord& record,
                 PublishRequest request, Callback<Result<PublishReply>> done) {
  std::make_shared<Creation>(parts, std::move(request), std::move(done))->reset(record);
}

void start_remove(const NodeServiceParts& parts, const storage::DatabaseRecord& record,
                  Callback<Status> done) {
  const schema::Identity database = record.database;
  parts.catalog->run(
      [database](storage::CatalogState& catalog, Timestamp now) {
        return catalog.remove_database(database, now);
      },
      [parts, database, group = record.group, done = std::move(done)](const Status& status) {
        if (!status.ok()) return done(status);
        const DatabaseHandlePtr running = parts.directory->find(database);
        parts.directory->remove(database);
        const auto answer = [done] { done({}); };
        if (running != nullptr)
          parts.launcher->destroy(running, kModuleExited, answer);
        else
          parts.launcher->discard(group, answer);
      });
}

}  // namespace worldline::actors
