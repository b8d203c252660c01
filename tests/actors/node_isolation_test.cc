// tests/actors/node_isolation_test.cc: what is wrong with one database harms no other one: at a
// start it is refused alone and says so, until its owner gives it up [S 08/2, 08/3.7].
#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>

#include <gtest/gtest.h>

#include "storage/log/entry_codec.h"
#include "storage/log/log_store.h"
#include "storage/log/row_codec.h"
#include "storage/rocksdb/rocksdb_store.h"
#include "tests/actors/node_fixture.h"

namespace worldline::actors {
namespace {

using std::chrono::milliseconds;
using storage::Family;

constexpr GroupId kFirst{2};  // The group of the database that was published first.

// One change of the log database of a node that does not run.
class StoredLog {
 public:
  explicit StoredLog(std::unique_ptr<storage::KeyValueStore> store) : store_(std::move(store)) {}

  void flip_byte_of_entry(GroupId group, LogIndex index) {
    const auto key = storage::entry_key(group, index);
    ByteBuffer entry = **store_->get(Family::kLog, key.span());
    entry.back() = static_cast<Byte>(entry.back() ^ 1u);
    put(Family::kLog, key.span(), entry);
  }
  void drop_last_entry(GroupId group) {
    const auto row =
        store_->get(Family::kHard, storage::hard_key(group, storage::HardRow::kTail).span());
    const LogIndex last = storage::decode_tail(**row)->last;
    const auto batch = store_->new_batch();
    batch->remove(Family::kLog, storage::entry_key(group, last).span());
    WL_CHECK(store_->apply(*batch, storage::Sync::kYes).ok());
  }
  void spoil_hard_state(GroupId group) {
    put(Family::kHard, storage::hard_key(group, storage::HardRow::kState).span(),
        as_bytes("no hard state"));
  }
  void mark(GroupId group, storage::MarkKind kind) {
    put(Family::kTomb, storage::group_key(group),
        storage::encode_tombstone({{}, ReplicaId{1}, "I-10: applied 9 commit 3", kind}));
  }
  void raise_row_version(GroupId group) {
    ByteBuffer row = storage::encode_hard_state({ReplicaId{1}, Term{2}, ReplicaId{1}, {}, 1});
    row[0] = 9;
    row.resize(row.size() - sizeof(uint32_t));
    append_le(row, storage::crc32c(0, row));
    put(Family::kHard, storage::hard_key(group, storage::HardRow::kState).span(), row);
  }

 private:
  void put(Family family, Bytes key, Bytes value) {
    const auto batch = store_->new_batch();
    batch->put(family, key, value);
    WL_CHECK(store_->apply(*batch, storage::Sync::kYes).ok());
  }

  std::unique_ptr<storage::KeyValueStore> store_;
};

class NodeIsolationTest : public NodeFixture {
 protected:
  NodeConfig config() {
    NodeConfig config;
    config.on_alarm = [this](const std::string& line) {
      const std::lock_guard<std::mutex> lock(mutex_);
      alarms_ += line + "\n";
    };
    return config;
  }
  // Two databases with one row each, and a stop.
  void publish_two() {
    open();
    for (const char* name : {"hurt", "whole"}) {
      publish(name);
      put(name, 1);
    }
    stop();
  }
  void stop() {
    ASSERT_TRUE(node_->stop(kAmple).ok());
    node_.reset();
  }
  void put(const std::string& name, size_t id) {
    Answer<CallReply> answer;
    call(name, id, answer.callback());
    EXPECT_EQ(answer.promise.get_future().get().outcome, CallStatus::kCommitted);
  }
  StoredLog stored_log() const {
    auto store = storage::open_rocksdb({.path = (directory_ / "data" / "log").string()});
    WL_CHECK(store.ok());
    return StoredLog(std::move(store).value());
  }
  Status sql_status(const std::string& name) {
    Answer<Result<SqlReply>> answer;
    node_->api().sql({DatabaseRef{{}, name}, {runtime::identity_of(1), "{}"}, "SELECT * FROM item"},
                     answer.callback());
    return answer.promise.get_future().get().status();
  }
  DatabaseInfo info(const std::string& name) {
    Answer<Result<DatabaseInfo>> answer;
    node_->api().find_database({{}, name}, answer.callback());
    return answer.promise.get_future().get().value();
  }
  double metric(const std::string& name, const std::string& label = "") {
    for (const MetricSample& sample : node_->api().metrics())
      if (sample.name == name && (label.empty() || sample.labels.at(0).second == label))
        return sample.value;
    ADD_FAILURE() << "no metric " << name;
    return -1;
  }
  void expect_out_of_service(const std::string& name, const std::string& state,
                             const std::string& why) {
    const Status told = sql_status(name);
    EXPECT_EQ(told.code(), StatusCode::kCorruption);
    EXPECT_NE(told.message().find("out of service (" + state + ")"), std::string::npos)
        << told.message();
    EXPECT_NE(told.message().find(why), std::string::npos) << told.message();
    EXPECT_NE(told.message().find("worldline delete"), std::string::npos) << told.message();
    EXPECT_FALSE(info(name).running);
    EXPECT_EQ(info(name).outage, told.message());
    Answer<CallReply> answer;
    call(name, 7, answer.callback());
    EXPECT_EQ(answer.promise.get_future().get().text, told.message());
    EXPECT_EQ(node_->outage_count(), 1u);
    EXPECT_EQ(node_->database_count(), 1u);
    EXPECT_EQ(metric("worldline_databases_out_of_service", state), 1);
    EXPECT_EQ(metric("worldline_replicas_quarantined"), 1);
    EXPECT_NE(alarms_.find(why), std::string::npos) << alarms_;
  }

  std::mutex mutex_;
  std::string alarms_;  // Guarded by mutex_ while a node runs.
};

struct Harm {
  const char* name;
  void (*harm)(StoredLog&, GroupId);
  const char* state;
  const char* why;
};
constexpr Harm kHarms[] = {
    {"EntryInTheMiddle",
     [](StoredLog& log, GroupId group) { log.flip_byte_of_entry(group, LogIndex{3}); }, "damaged",
     "group 2 index 3"},
    {"LastEntryMissing", [](StoredLog& log, GroupId group) { log.drop_last_entry(group); },
     "damaged", "the tail row names index"},
    {"HardState", [](StoredLog& log, GroupId group) { log.spoil_hard_state(group); }, "damaged",
     "hard state"},
    {"NewerFormat", [](StoredLog& log, GroupId group) { log.raise_row_version(group); }, "damaged",
     "version 9 is newer"},
    {"Quarantined",
     [](StoredLog& log, GroupId group) { log.mark(group, storage::MarkKind::kQuarantined); },
     "quarantined", "I-10: applied 9 commit 3"},
    {"Frozen", [](StoredLog& log, GroupId group) { log.mark(group, storage::MarkKind::kFrozen); },
     "frozen", "I-10: applied 9 commit 3"},
};

TEST_F(NodeIsolationTest, ADatabaseThatMayNotBeUsedIsRefusedAloneAtEveryStart) {
  for (const Harm& harm : kHarms) {
    SCOPED_TRACE(harm.name);
    std::filesystem::remove_all(directory_ / "data");
    publish_two();
    {
      StoredLog log = stored_log();
      harm.harm(log, kFirst);
    }
    for (size_t start = 1; start <= 2; ++start) {
      alarms_.clear();
      open(config());
      expect_out_of_service("hurt", harm.state, harm.why);
      put("whole", 1 + start);
      EXPECT_NE(
          rows("whole", "SELECT COUNT(*) AS n FROM item").find(fmt::format("[{}]", 1 + start)),
          std::string::npos);
      stop();
    }
  }
}

TEST_F(NodeIsolationTest, ItsOwnerMayDeleteItOrStartItAnew) {
  for (const Harm& harm : kHarms) {
    if (std::string(harm.name) == "NewerFormat") continue;  // Nothing else than HardState here.
    for (const bool anew : {false, true}) {
      SCOPED_TRACE(fmt::format("{} anew={}", harm.name, anew));
      std::filesystem::remove_all(directory_ / "data");
      publish_two();
      {
        StoredLog log = stored_log();
        harm.harm(log, kFirst);
      }
      open(config());
      if (anew) {
        Answer<Result<PublishReply>> answer;
        PublishRequest request = publish_request("hurt");
        request.clear = true;
        node_->api().publish(std::move(request), answer.callback());
        const auto reply = answer.promise.get_future().get();
        ASSERT_TRUE(reply.ok()) << reply.status().message();
      } else {
        Answer<Status> answer;
        node_->api().remove({{}, "hurt"}, {runtime::identity_of(1), "{}"}, answer.callback());
        const Status removed = answer.promise.get_future().get();
        ASSERT_TRUE(removed.ok()) << removed.message();
        EXPECT_EQ(sql_status("hurt").code(), StatusCode::kNotFound);
        publish("hurt");
      }
      EXPECT_EQ(node_->outage_count(), 0u);
      put("hurt", 5);
      stop();
      open(config());
      EXPECT_EQ(node_->outage_count(), 0u) << alarms_;
      EXPECT_EQ(node_->database_count(), 2u);
      EXPECT_NE(rows("hurt", "SELECT id FROM item").find("[[5]]"), std::string::npos);
      stop();
      auto store = storage::open_rocksdb({.path = (directory_ / "data" / "log").string()});
      ASSERT_TRUE(store.ok());
      const auto groups = storage::LogStore(std::move(store).value()).groups();
      ASSERT_TRUE(groups.ok());
      EXPECT_FALSE(std::binary_search(groups->begin(), groups->end(), kFirst));
    }
  }
}

TEST_F(NodeIsolationTest, WithoutItsCatalogTheNodeDoesNotStart) {
  for (const Harm& harm : kHarms) {
    SCOPED_TRACE(harm.name);
    std::filesystem::remove_all(directory_ / "data");
    publish_two();
    {
      StoredLog log = stored_log();
      harm.harm(log, storage::kCatalogGroup);
    }
    NodeConfig refused = config();
    refused.data_dir = directory_ / "data";
    const auto node = Node::open(std::move(refused), clock_);
    ASSERT_FALSE(node.ok());
    const bool is_newer = std::string(harm.name) == "NewerFormat";
    EXPECT_EQ(node.status().code(), is_newer ? StatusCode::kNotSupported : StatusCode::kCorruption);
    EXPECT_NE(node.status().message().find("the catalog"), std::string::npos)
        << node.status().message();
  }
}

constexpr storage::MarkKind kMarks[] = {storage::MarkKind::kQuarantined,
                                        storage::MarkKind::kFrozen};

// A session that says how it was closed.
class ClosedSink final : public SessionSink {
 public:
  void deliver(std::shared_ptr<const OutboundBatch>) override {}
  void consumed(uint32_t, uint64_t) override {}
  void close(CloseReason reason) override {
    if (!is_closed.exchange(true)) closed.set_value(std::move(reason));
  }
  std::atomic<bool> is_closed{false};
  std::promise<CloseReason> closed;
};

TEST_F(NodeIsolationTest, ADatabaseThatIsDistrustedWhileItRunsStopsAloneAndForGood) {
  constexpr size_t kCalls = 200;
  for (const storage::MarkKind mark : kMarks) {
    const char* const state = mark == storage::MarkKind::kFrozen ? "frozen" : "quarantined";
    SCOPED_TRACE(state);
    std::filesystem::remove_all(directory_ / "data");
    publish_two();
    open(config());
    const schema::Identity hurt = info("hurt").database;
    const auto sink = std::make_shared<ClosedSink>();
    Answer<Result<std::shared_ptr<Session>>> session;
    node_->api().open_session({hurt, {runtime::identity_of(2), "{}"}, {}, sink},
                              session.callback());
    const auto opened = session.promise.get_future().get();  // Closes it when it goes.
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    std::vector<std::unique_ptr<Answer<CallReply>>> answers;
    for (size_t i = 0; i < kCalls; ++i) {
      answers.push_back(std::make_unique<Answer<CallReply>>());
      call("hurt", 100 + i, answers.back()->callback());
      if (i == kCalls / 2) node_->distrust(hurt, mark, "its digest differs");
    }
    const CloseReason closed = sink->closed.get_future().get();
    EXPECT_EQ(closed.code, 1011);
    EXPECT_NE(closed.reason.find(std::string("out of service (") + state), std::string::npos);
    for (const auto& answer : answers) {
      const CallReply reply = answer->promise.get_future().get();
      if (reply.outcome == CallStatus::kCommitted) continue;
      EXPECT_EQ(reply.status.code(), StatusCode::kCorruption) << reply.text;
      EXPECT_NE(reply.text.find("out of service"), std::string::npos) << reply.text;
    }
    expect_out_of_service("hurt", state, "its digest differs");
    put("whole", 2);
    stop();
    alarms_.clear();
    open(config());
    expect_out_of_service("hurt", state, "its digest differs");
    put("whole", 3);
    Answer<Status> removed;
    node_->api().remove({{}, "hurt"}, {runtime::identity_of(1), "{}"}, removed.callback());
    EXPECT_TRUE(removed.promise.get_future().get().ok());
    EXPECT_EQ(node_->outage_count(), 0u);
    stop();
  }
}

TEST_F(NodeIsolationTest, ADistrustedDatabaseCanBeDeletedOrStartedAnewAtOnce) {
  for (const bool anew : {false, true}) {
    std::filesystem::remove_all(directory_ / "data");
    publish_two();
    open(config());
    node_->distrust(info("hurt").database, storage::MarkKind::kQuarantined, "why");
    if (anew) {
      Answer<Result<PublishReply>> answer;
      PublishRequest request = publish_request("hurt");
      request.clear = true;
      node_->api().publish(std::move(request), answer.callback());
      EXPECT_TRUE(answer.promise.get_future().get().ok());
      put("hurt", 5);
    } else {
      Answer<Status> removed;
      node_->api().remove({{}, "hurt"}, {runtime::identity_of(1), "{}"}, removed.callback());
      EXPECT_TRUE(removed.promise.get_future().get().ok());
    }
    stop();
    open(config());
    EXPECT_EQ(node_->outage_count(), 0u) << alarms_;
    EXPECT_EQ(node_->database_count(), anew ? 2u : 1u);
    stop();
  }
}

}  // namespace
}  // namespace worldline::actors
