// tests/actors/node_disk_test.cc: a node whose disk fills up refuses what would write, goes on
// reading, and takes writes again when there is space [S 08/3.12].
#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>

#include "schema/protocol/server_message.h"
#include "tests/actors/node_fixture.h"

namespace worldline::actors {
namespace {

using std::chrono::milliseconds;

// Passes on the outcome of the first reducer call of a session.
class OutcomeSink final : public SessionSink {
 public:
  void deliver(std::shared_ptr<const OutboundBatch> batch) override {
    ByteBuffer joined;
    for (const auto& piece : batch->pieces)
      append(joined, Bytes(*piece.bytes).subspan(piece.begin, piece.end - piece.begin));
    for (Bytes rest = joined; !rest.empty();) {
      const auto message = protocol::take_server_message(rest);
      ASSERT_TRUE(message.ok()) << message.status().message();
      const auto* result = std::get_if<protocol::ReducerResult>(&*message);
      if (result == nullptr) continue;
      const auto* error = std::get_if<protocol::ReducerInternalError>(&result->outcome);
      outcome_.set_value(error == nullptr ? "" : std::string(error->error));
    }
  }
  void consumed(uint32_t /*messages*/, uint64_t /*bytes*/) override {}
  void close(CloseReason /*reason*/) override {}

  std::string outcome() { return outcome_.get_future().get(); }

 private:
  std::promise<std::string> outcome_;
};

class NodeDiskTest : public NodeFixture {
 protected:
  void open_with(uint64_t free_gib, uint64_t ballast_bytes = 0) {
    free_gib_ = free_gib;
    NodeConfig config;
    config.ballast_bytes = ballast_bytes;
    config.space_interval = milliseconds(1);
    config.read_space = [this]() -> Result<storage::SpaceReading> {
      return storage::SpaceReading{free_gib_ * limits::GiB, 1'000 * limits::GiB};
    };
    config.on_note = [this](const std::string& line) {
      const std::lock_guard<std::mutex> lock(mutex_);
      notes_.push_back(line);
      noted_.notify_all();
    };
    open(std::move(config));
  }
  // The next reading says so; returns once the node has noted a line that begins with `expected`.
  void set_free(uint64_t free_gib, const std::string& expected) {
    std::unique_lock<std::mutex> lock(mutex_);
    notes_.clear();
    free_gib_ = free_gib;
    noted_.wait(lock, [&] { return has_note(expected); });
  }
  bool has_note(const std::string& beginning) const {
    return std::any_of(notes_.begin(), notes_.end(),
                       [&](const std::string& line) { return line.starts_with(beginning); });
  }
  Status call_now(const std::string& database, size_t id) {
    Answer<CallReply> answer;
    call(database, id, answer.callback());
    return answer.promise.get_future().get().status;
  }
  Status publish_now(const std::string& name) {
    Answer<Result<PublishReply>> answer;
    node_->api().publish(publish_request(name), answer.callback());
    return answer.promise.get_future().get().status();
  }
  Status write_sql(const std::string& statement) {
    Answer<Result<SqlReply>> answer;
    node_->api().sql({DatabaseRef{{}, "a"}, {runtime::identity_of(1), "{}"}, statement},
                     answer.callback());
    return answer.promise.get_future().get().status();
  }
  // Of a reducer called over a session; empty: it succeeded.
  std::string outcome_of_session_call(uint32_t id) {
    Answer<Result<schema::Identity>> identity;
    node_->api().resolve_database(DatabaseRef{{}, "a"}, identity.callback());
    const auto sink = std::make_shared<OutcomeSink>();
    Answer<Result<std::shared_ptr<Session>>> opened;
    node_->api().open_session({identity.promise.get_future().get().value(),
                               {runtime::identity_of(1), "{}"},
                               schema::ConnectionId{{Byte{9}}},
                               sink},
                              opened.callback());
    const auto session = opened.promise.get_future().get();
    EXPECT_TRUE(session.ok()) << session.status().message();
    auto args = std::make_shared<ByteBuffer>(sizeof id);
    store_le(args->data(), id);
    auto batch = std::make_shared<ClientBatch>();
    batch->frames = {args};
    batch->messages = {protocol::CallReducer{1, "put", *args}};
    batch->bytes = args->size();
    (*session)->post(batch);
    std::string outcome = sink->outcome();
    (*session)->close();
    return outcome;
  }
  bool has_row(size_t id) {
    return rows("a", fmt::format("SELECT * FROM item WHERE id = {}", id))
               .find(fmt::format("[[{}]]", id)) != std::string::npos;
  }
  double metric(const std::string& name) {
    for (const MetricSample& sample : node_->api().metrics())
      if (sample.name == name) return sample.value;
    return -1;
  }

  std::atomic<uint64_t> free_gib_{0};
  std::mutex mutex_;
  std::condition_variable noted_;
  std::vector<std::string> notes_;  // Guarded by mutex_.
};

void expect_disk_full(const Status& status) {
  EXPECT_EQ(status.code(), StatusCode::kOverloaded);
  EXPECT_EQ(status.message(), "disk full");
}

TEST_F(NodeDiskTest, RefusesWritesWhileTheDiskIsFull) {
  open_with(500);
  publish("a");
  EXPECT_TRUE(call_now("a", 1).ok());
  EXPECT_EQ(outcome_of_session_call(2), "");

  set_free(40, "disk space: full");
  expect_disk_full(call_now("a", 3));
  EXPECT_EQ(outcome_of_session_call(4), "disk full");
  expect_disk_full(publish_now("a"));
  expect_disk_full(publish_now("b"));
  expect_disk_full(write_sql("INSERT INTO item (id) VALUES (5)"));
  EXPECT_TRUE(has_row(1) && has_row(2)) << "reads go on";
  EXPECT_FALSE(has_row(3) || has_row(4) || has_row(5)) << "what was refused has no effect";
  EXPECT_TRUE(write_sql("DELETE FROM item WHERE id = 1").ok()) << "the owner makes room";
  EXPECT_FALSE(has_row(1));
  EXPECT_EQ(metric("worldline_disk_free_bytes"), static_cast<double>(40 * limits::GiB));

  set_free(500, "disk space: plenty");
  EXPECT_TRUE(call_now("a", 3).ok());
  EXPECT_EQ(outcome_of_session_call(4), "");
  EXPECT_TRUE(publish_now("b").ok());
  EXPECT_TRUE(has_row(3) && has_row(4));
  EXPECT_TRUE(node_->stop(kAmple).ok());
}

TEST_F(NodeDiskTest, StartsOnAFullDiskAndMakesItsBallastAgain) {
  const auto ballast = directory_ / "data" / "ballast";
  open_with(500, limits::MiB);
  EXPECT_EQ(std::filesystem::file_size(ballast), limits::MiB);
  publish("a");
  EXPECT_TRUE(call_now("a", 1).ok());
  EXPECT_TRUE(node_->stop(kAmple).ok());
  node_.reset();

  open_with(1, limits::MiB);
  EXPECT_FALSE(std::filesystem::exists(ballast)) << "released for the recovery";
  EXPECT_TRUE(has_row(1));
  expect_disk_full(call_now("a", 2));
  set_free(500, "ballast made");
  EXPECT_EQ(std::filesystem::file_size(ballast), limits::MiB);
  EXPECT_TRUE(call_now("a", 2).ok());
  EXPECT_TRUE(node_->stop(kAmple).ok());
}

}  // namespace
}  // namespace worldline::actors
