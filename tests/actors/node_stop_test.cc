// tests/actors/node_stop_test.cc: a node that stops answers everything it accepted, says so if it
// cannot, and leaves a directory that starts again with every answered call [S 04/R36].
#include <mutex>

#include <gtest/gtest.h>

#include "storage/log/group_recovery.h"
#include "storage/rocksdb/rocksdb_store.h"
#include "tests/actors/node_fixture.h"

namespace worldline::actors {
namespace {

using std::chrono::milliseconds;

class NodeStopTest : public NodeFixture {};

TEST_F(NodeStopTest, AnswersWhatWasQueuedAndKeepsIt) {
  constexpr size_t kCalls = 500;
  open();
  publish("a");
  publish("b");
  std::mutex mutex;
  size_t committed = 0;
  for (size_t i = 0; i < kCalls; ++i)
    call(i % 2 == 0 ? "a" : "b", i, [&](const CallReply& reply) {
      const std::lock_guard<std::mutex> lock(mutex);
      committed += reply.outcome == CallStatus::kCommitted ? 1 : 0;
    });
  const Status stopped = node_->stop(kAmple);
  EXPECT_TRUE(stopped.ok()) << stopped.message();
  EXPECT_EQ(committed, kCalls);
  node_.reset();
  open();
  for (const char* name : {"a", "b"})
    EXPECT_NE(rows(name, "SELECT COUNT(*) AS n FROM item").find(fmt::format("[{}]", kCalls / 2)),
              std::string::npos);
  EXPECT_TRUE(node_->stop(kAmple).ok());
}

TEST_F(NodeStopTest, SaysThatADatabaseDidNotStop) {
  open();
  ASSERT_NO_FATAL_FAILURE(publish("a"));  // A refused call would be answered, and wait, right here.
  std::promise<void> release;
  call("a", 1, [&release](const CallReply&) { release.get_future().wait(); });
  const Status stopped = node_->stop(milliseconds(20));
  EXPECT_EQ(stopped.code(), StatusCode::kTimeout);
  EXPECT_EQ(stopped.message(), "1 databases did not stop in time");
  release.set_value();
  EXPECT_TRUE(node_->stop(kAmple).ok()) << "a second try goes on where the first ended";
}

TEST_F(NodeStopTest, APublishInProgressIsAnsweredExactlyOnce) {
  constexpr int kRounds = 8;
  for (int round = 0; round < kRounds; ++round) {
    open();
    // The first publish moves the second one's steps against the stop.
    Answer<Result<PublishReply>> first;
    Answer<Result<PublishReply>> second;
    const std::string name = fmt::format("db{}", round);
    node_->api().publish(publish_request(name + "x"), first.callback());
    if (round % 2 == 1) first.promise.get_future().wait();
    node_->api().publish(publish_request(name + "y"), second.callback());
    const Status stopped = node_->stop(kAmple);
    ASSERT_TRUE(stopped.ok()) << stopped.message();
    EXPECT_EQ(first.count, 1);
    EXPECT_EQ(second.count, 1);
    const auto reply = second.promise.get_future().get();
    node_.reset();
    open();
    if (reply.ok()) {
      EXPECT_NE(rows(name + "y", "SELECT * FROM item"), "");
    }
    ASSERT_TRUE(node_->stop(kAmple).ok());
    node_.reset();
  }
}

// The catalog is stored as any other group [architecture 4].
TEST_F(NodeStopTest, LeavesCheckpointsOfTheCatalogAndItsDatabases) {
  open();
  publish("a");
  EXPECT_TRUE(node_->stop(kAmple).ok());
  node_.reset();
  {
    auto log = storage::open_rocksdb({.path = (directory_ / "data" / "log").string()});
    ASSERT_TRUE(log.ok()) << log.status().message();
    const storage::LogStore store(std::move(log).value());
    const auto groups = store.groups();
    ASSERT_TRUE(groups.ok());
    ASSERT_EQ(groups->size(), 2u);
    for (const GroupId group : *groups)
      EXPECT_EQ(verify_group(store, group)->boundary.checkpoint.id, storage::CheckpointId{1})
          << "group " << group.value;
  }
  open();
  EXPECT_NE(rows("a", "SELECT * FROM item"), "") << "found by its name in the catalog";
  EXPECT_TRUE(node_->stop(kAmple).ok());
}

TEST_F(NodeStopTest, StoppingTwiceIsStoppingOnce) {
  open();
  EXPECT_TRUE(node_->stop(kAmple).ok());
  EXPECT_TRUE(node_->stop(kAmple).ok());
}

}  // namespace
}  // namespace worldline::actors
