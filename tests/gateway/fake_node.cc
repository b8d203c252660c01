#include "tests/gateway/fake_node.h"

#include <fmt/format.h>

#include "schema/protocol/server_encoder.h"

namespace worldline::gateway::testing {

std::shared_ptr<const actors::OutboundBatch> batch_of(const std::vector<ByteBuffer>& messages) {
  auto batch = std::make_shared<actors::OutboundBatch>();
  uint32_t end = 0;
  for (const ByteBuffer& message : messages) {
    const auto bytes = static_cast<uint32_t>(message.size());
    end += bytes;
    batch->pieces.push_back({std::make_shared<const ByteBuffer>(message), 0, bytes});
    batch->message_ends.push_back(end);
  }
  return batch;
}

class FakeSession final : public actors::Session, public std::enable_shared_from_this<FakeSession> {
 public:
  FakeSession(FakeNode& node, std::shared_ptr<actors::SessionSink> sink)
      : node_(node), sink_(std::move(sink)) {}

  void post(std::shared_ptr<const actors::ClientBatch> batch) override {
    node_.run([self = shared_from_this(), batch] { self->handle(*batch); });
  }
  void close() override {
    node_.run([self = shared_from_this()] {
      if (!std::exchange(self->closed_, true)) ++self->node_.sessions_closed;
    });
  }

 private:
  void handle(const actors::ClientBatch& batch) {
    node_.batch_sizes.push_back(batch.messages.size());
    if (node_.consume) sink_->consumed(static_cast<uint32_t>(batch.messages.size()), batch.bytes);
    if (!node_.answer_calls) return;
    std::vector<ByteBuffer> replies;
    for (const auto& message : batch.messages) {
      ByteBuffer reply;
      if (const auto* call = std::get_if<protocol::CallReducer>(&message)) {
        if (call->reducer == "fail")
          protocol::encode_reducer_error(call->request_id, Timestamp{1}, as_text(call->args),
                                         reply);
        else
          protocol::encode_reducer_ok_head(call->request_id, Timestamp{1}, 0, reply);
      } else if (const auto* subscribe = std::get_if<protocol::Subscribe>(&message)) {
        protocol::encode_subscribe_applied_head(subscribe->request_id, subscribe->query_set_id, 0,
                                                reply);
      } else if (const auto* procedure = std::get_if<protocol::CallProcedure>(&message)) {
        protocol::encode_procedure_error(procedure->request_id, "No such procedure", reply);
      } else if (const auto* query = std::get_if<protocol::OneOffQuery>(&message)) {
        protocol::encode_one_off_error(query->request_id, "no such table", reply);
      } else if (const auto* end = std::get_if<protocol::Unsubscribe>(&message)) {
        protocol::encode_unsubscribe_applied_head(end->request_id, end->query_set_id, 0, reply);
      }
      replies.push_back(std::move(reply));
    }
    sink_->deliver(batch_of(replies));
  }

  FakeNode& node_;
  const std::shared_ptr<actors::SessionSink> sink_;
  bool closed_ = false;
};

FakeNode::FakeNode() : thread_([this] { loop(); }) {}

FakeNode::~FakeNode() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void FakeNode::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    busy_ = false;
    idle_.notify_all();
  }
}

void FakeNode::run(std::function<void()> work) {
  const std::lock_guard<std::mutex> lock(mutex_);
  queue_.push_back(std::move(work));
  wake_.notify_all();
}

void FakeNode::drain() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

void FakeNode::wait_for(const std::function<bool()>& holds) {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait(lock, [this, &holds] { return !busy_ && holds(); });
}

Result<actors::DatabaseInfo> FakeNode::lookup(const actors::DatabaseRef& ref) const {
  if (ref.identity && (!exists || *ref.identity != database))
    return Status::not_found("No such database.");
  if (!ref.identity && (!exists || ref.name != "mydb"))
    return Status::not_found("`{}` not found", ref.name);
  actors::DatabaseInfo info;
  info.database = database;
  info.owner = owner;
  info.names = {"mydb"};
  info.running = running;
  info.outage = outage;
  return info;
}

Status FakeNode::authorize(const actors::Caller& caller, const char* action) const {
  if (caller.identity == owner) return {};
  return Status::permission_denied("{} is not authorized to perform action on database {}: {}",
                                   caller.identity.to_hex(), database.to_hex(), action);
}

void FakeNode::resolve_database(actors::DatabaseRef ref,
                                actors::Callback<Result<schema::Identity>> done) {
  run([this, ref, done] {
    const auto info = lookup(ref);
    done(info.ok() ? Result<schema::Identity>(info->database)
                   : Result<schema::Identity>(info.status()));
  });
}

void FakeNode::find_database(actors::DatabaseRef ref,
                             actors::Callback<Result<actors::DatabaseInfo>> done) {
  run([this, ref, done] { done(lookup(ref)); });
}

void FakeNode::databases_of(schema::Identity who,
                            actors::Callback<Result<std::vector<schema::Identity>>> done) {
  run([this, who, done] {
    done(who == owner ? std::vector{database} : std::vector<schema::Identity>{});
  });
}

void FakeNode::publish(actors::PublishRequest request,
                       actors::Callback<Result<actors::PublishReply>> done) {
  run([this, request, done] {
    published.push_back(request);
    if (!publish_status.ok()) {
      done(publish_status);
      return;
    }
    actors::PublishReply reply;
    if (request.database && !request.database->identity) reply.domain = request.database->name;
    reply.database = database;
    reply.op = publish_op;
    done(reply);
  });
}

void FakeNode::pre_publish(actors::PrePublishRequest request,
                           actors::Callback<Result<actors::PrePublishReply>> done) {
  run([this, request, done] {
    const auto info = lookup(request.database);
    if (!info.ok()) {
      done(info.status());
      return;
    }
    actors::PrePublishReply reply;
    reply.text = "plan \"x\"";
    reply.break_clients = true;
    done(reply);
  });
}

void FakeNode::reset(actors::PublishRequest request,
                     actors::Callback<Result<actors::PublishReply>> done) {
  run([this, request, done] {
    published.push_back(request);
    actors::PublishReply reply;
    reply.database = database;
    reply.op = actors::PublishOp::kUpdated;
    done(reply);
  });
}

void FakeNode::remove(actors::DatabaseRef ref, actors::Caller caller,
                      actors::Callback<Status> done) {
  run([this, ref, caller, done] {
    const auto info = lookup(ref);
    Status status = info.status();
    if (status.ok()) status = remove_status;
    if (status.ok()) status = authorize(caller, "delete database");
    exists = exists && !status.ok();
    done(status);
  });
}

void FakeNode::set_locked(actors::DatabaseRef ref, actors::Caller caller, bool /*locked*/,
                          actors::Callback<Status> done) {
  run([this, ref, caller, done] {
    const auto info = lookup(ref);
    done(info.ok() ? authorize(caller, "delete database") : info.status());
  });
}

void FakeNode::add_name(actors::DatabaseRef /*ref*/, actors::Caller caller, std::string name,
                        actors::Callback<Result<schema::Identity>> done) {
  run([this, caller, name, done] {
    if (caller.identity != owner)
      done(Status::permission_denied("rename"));
    else if (name == "taken")
      done(Status::already_exists("taken"));
    else
      done(database);
  });
}

void FakeNode::replace_names(actors::DatabaseRef /*ref*/, actors::Caller caller,
                             std::vector<std::string> names, actors::Callback<Status> done) {
  run([this, caller, names, done] {
    if (caller.identity != owner)
      done(Status::permission_denied("rename"));
    else if (!names.empty() && names[0] == "taken")
      done(Status::already_exists("taken"));
    else
      done(Status());
  });
}

void FakeNode::schema_json(actors::DatabaseRef ref, int version,
                           actors::Callback<Result<std::string>> done) {
  run([this, ref, version, done] {
    const auto info = lookup(ref);
    if (info.ok())
      done(fmt::format("{{\"v\":{}}}", version));
    else
      done(info.status());
  });
}

void FakeNode::call(actors::CallRequest request, actors::Callback<actors::CallReply> done) {
  run([this, request, done] {
    calls.push_back(request);
    done(call_reply);
  });
}

void FakeNode::sql(actors::SqlRequest request, actors::Callback<Result<actors::SqlReply>> done) {
  run([this, request, done] {
    statements.push_back(request);
    if (request.statement == "bad")
      done(Status::not_found("no such table: `bad`"));
    else if (request.statement == "refused")
      done(Status::user_error("the gate is shut"));
    else if (request.statement == "slow")
      slow_sql = done;
    else
      done(actors::SqlReply{"[{}]", 42});
  });
}

void FakeNode::logs(actors::LogsRequest request, std::shared_ptr<actors::LogReader> reader,
                    actors::Callback<Status> done) {
  run([this, request, reader, done] {
    if (const Status status = authorize(request.caller, "view module logs"); !status.ok()) {
      done(status);
      return;
    }
    done(Status());
    reader->push(log_lines);
    if (request.follow)
      follower = reader;
    else
      reader->finish();
  });
}

void FakeNode::open_session(actors::SessionOpen open,
                            actors::Callback<Result<std::shared_ptr<actors::Session>>> done) {
  run([this, open, done] {
    opened.push_back(open);
    if (!open_status.ok())
      done(open_status);
    else
      done(std::shared_ptr<actors::Session>(std::make_shared<FakeSession>(*this, open.sink)));
  });
}

std::vector<actors::MetricSample> FakeNode::metrics() {
  return {{"spacetime_num_table_rows",
           {{"db", database.to_hex()}, {"table_id", "1"}},
           3,
           actors::MetricKind::kGauge,
           {}}};
}

}  // namespace worldline::gateway::testing
