// tests/actors/node_fixture.h
//
// A whole node over a directory of its own, and a module with one table `item` and one reducer.
#pragma once

#include <atomic>
#include <filesystem>
#include <future>

#include <gtest/gtest.h>

#include "actors/node.h"
#include "tests/base/temporary_directory.h"
#include "tests/runtime/runtime_fixture.h"

namespace worldline::actors {

inline constexpr const char* kNodeModule = R"js(
table('item', [['id', type.u32]], { primaryKey: 0, indexes: [[0, [0]]], unique: [[0]] });
reducer('put', ({ args }) => {
  const item = row(['u32', args.getUint32(0, true)]);
  sys.datastore_insert_bsatn(sys.table_id_from_name('item'), ...item);
}, [['id', type.u32]]);
)js";

// Counts the answers to one request: there must be exactly one.
template <typename T>
struct Answer {
  std::promise<T> promise;
  std::atomic<int> count{0};

  Callback<T> callback() {
    return [this](T value) {
      if (count.fetch_add(1) == 0) promise.set_value(std::move(value));
    };
  }
};

inline constexpr std::chrono::milliseconds kAmple{60'000};  // For a stop that must succeed.

// What no test but that of a full disk wants to depend on: how full the disk below it is.
inline Result<storage::SpaceReading> ample_space() {
  return storage::SpaceReading{900 * limits::GiB, 1'000 * limits::GiB};
}

class NodeFixture : public testing::Test {
 protected:
  void open(NodeConfig config = {}) {
    config.data_dir = directory_ / "data";
    if (!config.read_space) config.read_space = ample_space;
    auto node = Node::open(std::move(config), clock_);
    ASSERT_TRUE(node.ok()) << node.status().message();
    node_ = std::move(*node);
  }
  PublishRequest publish_request(const std::string& name) const {
    PublishRequest request;
    request.database = DatabaseRef{{}, name};
    request.caller = {runtime::identity_of(1), "{}"};
    request.host_type = HostType::kJs;
    request.program = runtime::js_program(runtime::raw_module(kNodeModule)).bytes;
    return request;
  }
  void publish(const std::string& name) {
    Answer<Result<PublishReply>> answer;
    node_->api().publish(publish_request(name), answer.callback());
    const auto reply = answer.promise.get_future().get();
    ASSERT_TRUE(reply.ok()) << reply.status().message();
  }
  void call(const std::string& database, size_t id, Callback<CallReply> done) {
    CallRequest request;
    request.database = DatabaseRef{{}, database};
    request.caller = {runtime::identity_of(1), "{}"};
    request.function = "put";
    request.args_json = fmt::format("[{}]", id);
    node_->api().call(std::move(request), std::move(done));
  }
  std::string rows(const std::string& database, const std::string& statement) {
    Answer<Result<SqlReply>> answer;
    SqlRequest request{DatabaseRef{{}, database}, {runtime::identity_of(1), "{}"}, statement};
    node_->api().sql(std::move(request), answer.callback());
    const auto reply = answer.promise.get_future().get();
    EXPECT_TRUE(reply.ok()) << reply.status().message();
    return reply.ok() ? reply->json : "";
  }

  const SystemClock clock_{};
  const TemporaryDirectory directory_;
  std::unique_ptr<Node> node_;
};

}  // namespace worldline::actors
