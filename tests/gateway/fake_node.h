// tests/gateway/fake_node.h
//
// FakeNode answers the gateway from a thread of its own, as the real node does, by simple rules a
// test can change: one database `mydb`, every reducer commits, every subscription is empty.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "actors/messages.h"

namespace worldline::gateway::testing {

inline schema::Identity identity_of(const char* subject) {
  return schema::Identity::from_claims("test", subject).value();
}

class FakeSession;

class FakeNode final : public actors::NodeApi {
 public:
  FakeNode();
  ~FakeNode() override;

  // Rules, set before traffic or through run().
  schema::Identity database = identity_of("mydb");
  schema::Identity owner = identity_of("owner");
  actors::CallReply call_reply{actors::CallStatus::kCommitted, {}, "", 17};
  bool running = true;  // Of the database's module.
  std::string outage;   // Why the database is out of service.
  Status publish_status;
  actors::PublishOp publish_op = actors::PublishOp::kCreated;
  Status remove_status;
  bool exists = true;  // Its database; until it is removed.
  Status open_status;
  bool consume = true;       // Sessions report what they took.
  bool answer_calls = true;  // Sessions answer.
  std::string log_lines = "{\"level\":\"Info\"}\n";

  // Runs on the node's thread, in order with its work.
  void run(std::function<void()> work);
  void drain();  // Waits until the queue is empty.

  // What was seen; read after drain().
  std::vector<actors::PublishRequest> published;
  std::vector<actors::CallRequest> calls;
  std::vector<actors::SqlRequest> statements;
  std::vector<actors::SessionOpen> opened;
  std::vector<size_t> batch_sizes;  // Messages of each batch posted by sessions.
  int sessions_closed = 0;
  std::shared_ptr<actors::LogReader> follower;
  actors::Callback<Result<actors::SqlReply>> slow_sql;  // Of the statement `slow`; for the test.

  // Blocks until `holds`, evaluated on the node's thread, is true.
  void wait_for(const std::function<bool()>& holds);

  void resolve_database(actors::DatabaseRef ref,
                        actors::Callback<Result<schema::Identity>> done) override;
  void find_database(actors::DatabaseRef ref,
                     actors::Callback<Result<actors::DatabaseInfo>> done) override;
  void databases_of(schema::Identity who,
                    actors::Callback<Result<std::vector<schema::Identity>>> done) override;
  void publish(actors::PublishRequest request,
               actors::Callback<Result<actors::PublishReply>> done) override;
  void pre_publish(actors::PrePublishRequest request,
                   actors::Callback<Result<actors::PrePublishReply>> done) override;
  void reset(actors::PublishRequest request,
             actors::Callback<Result<actors::PublishReply>> done) override;
  void remove(actors::DatabaseRef ref, actors::Caller caller,
              actors::Callback<Status> done) override;
  void set_locked(actors::DatabaseRef ref, actors::Caller caller, bool locked,
                  actors::Callback<Status> done) override;
  void add_name(actors::DatabaseRef ref, actors::Caller caller, std::string name,
                actors::Callback<Result<schema::Identity>> done) override;
  void replace_names(actors::DatabaseRef ref, actors::Caller caller, std::vector<std::string> names,
                     actors::Callback<Status> done) override;
  void schema_json(actors::DatabaseRef ref, int version,
                   actors::Callback<Result<std::string>> done) override;
  void call(actors::CallRequest request, actors::Callback<actors::CallReply> done) override;
  void sql(actors::SqlRequest request, actors::Callback<Result<actors::SqlReply>> done) override;
  void logs(actors::LogsRequest request, std::shared_ptr<actors::LogReader> reader,
            actors::Callback<Status> done) override;
  void open_session(actors::SessionOpen open,
                    actors::Callback<Result<std::shared_ptr<actors::Session>>> done) override;
  std::vector<actors::MetricSample> metrics() override;

 private:
  friend class FakeSession;
  Result<actors::DatabaseInfo> lookup(const actors::DatabaseRef& ref) const;
  Status authorize(const actors::Caller& caller, const char* action) const;
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<std::function<void()>> queue_;
  bool busy_ = false;
  bool stop_ = false;
  std::thread thread_;
};

// One batch of the given messages, each a piece of its own.
std::shared_ptr<const actors::OutboundBatch> batch_of(const std::vector<ByteBuffer>& messages);

}  // namespace worldline::gateway::testing
