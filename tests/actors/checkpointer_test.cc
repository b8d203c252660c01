// tests/actors/checkpointer_test.cc: checkpoints in the background: whole, failed, or left behind
// by a node that stops [S 08/3.12, 4.9].
#include "actors/checkpointer.h"

#include <condition_variable>
#include <future>

#include <gtest/gtest.h>

#include "storage/log/entry_codec.h"
#include "tests/storage_log/database_fixture.h"

namespace worldline::actors {
namespace {

using storage::kDatabase;

// A store whose syncs wait for the test.
class GatedStore final : public storage::KeyValueStore {
 public:
  explicit GatedStore(std::unique_ptr<storage::KeyValueStore> inner) : inner_(std::move(inner)) {}

  std::unique_ptr<storage::WriteBatch> new_batch() override { return inner_->new_batch(); }
  Status apply(storage::WriteBatch& batch, storage::Sync sync_now) override {
    if (sync_now == storage::Sync::kYes) wait_until_open();
    return inner_->apply(batch, sync_now);
  }
  Status sync() override {
    wait_until_open();
    return inner_->sync();
  }
  Result<std::optional<ByteBuffer>> get(storage::Family family, Bytes key) const override {
    return inner_->get(family, key);
  }
  std::unique_ptr<storage::Cursor> scan(storage::Family family, Bytes first,
                                        Bytes end) const override {
    return inner_->scan(family, first, end);
  }

  Status resume() override { return inner_->resume(); }
  Status drop_files(storage::Family family, Bytes first, Bytes end) override {
    return inner_->drop_files(family, first, end);
  }

  void close() { set_open(false); }
  void open() { set_open(true); }
  void wait_for_sync() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return is_waiting_; });
  }

 private:
  void set_open(bool is_open) {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_open_ = is_open;
    changed_.notify_all();
  }
  void wait_until_open() {
    std::unique_lock<std::mutex> lock(mutex_);
    is_waiting_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_open_; });
    is_waiting_ = false;
  }

  const std::unique_ptr<storage::KeyValueStore> inner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_waiting_ = false;  // Guarded by mutex_, as is the next.
  bool is_open_ = true;
};

class CheckpointerTest : public testing::Test, private storage::LogCompletions {
 protected:
  CheckpointerTest()
      : log_(disks_.log->open()),
        gate_(new GatedStore(disks_.checkpoints->open())),
        checkpoints_(std::unique_ptr<storage::KeyValueStore>(gate_)),
        writer_(std::make_shared<storage::CheckpointWriter>(checkpoints_, kDatabase,
                                                            storage::CheckpointWriter::Known{})),
        state_(storage::DatabaseState::bootstrap({kDatabase})),
        queue_(log_, *this),
        log_thread_([this] { queue_.run(); }) {
    storage::GroupBirth birth{kDatabase, ReplicaId{1}, {}, {}};
    birth.digest = state_->digest();
    std::promise<Status> created;
    queue_
        .push_task([&](storage::LogStore& store) { created.set_value(store.create_group(birth)); })
        .status()
        .ignore("the promise tells");
    EXPECT_TRUE(created.get_future().get().ok());
  }
  ~CheckpointerTest() override {
    queue_.close();
    log_thread_.join();
  }

  // Index 1 is the birth of the group: a checkpoint of it is as good as any.
  CheckpointJob job(std::function<void(const Status&)> done) {
    storage::CheckpointCut cut;
    cut.index = LogIndex{1};
    cut.term = Term{1};
    cut.chain = storage::genesis_chain(kDatabase);
    return {kDatabase, writer_, state_->pin(), cut, std::move(done)};
  }
  Checkpointer::Note note() {
    return [this](const std::string& line) { notes_.push_back(line); };
  }
  Checkpointer::Failing failing() {
    return [this](bool fail) { failing_.push_back(fail); };
  }
  // Submits one checkpoint and waits for its end.
  Status checkpoint(Checkpointer& checkpointer) {
    std::promise<Status> done;
    checkpointer.submit(job([&done](const Status& status) { done.set_value(status); }));
    return done.get_future().get();
  }
  storage::CheckpointId named_checkpoint() {
    std::promise<storage::CheckpointId> named;
    queue_
        .push_task([&](storage::LogStore& store) {
          named.set_value(verify_group(store, kDatabase)->boundary.checkpoint.id);
        })
        .status()
        .ignore("the promise tells");
    return named.get_future().get();
  }
  void on_written(std::span<const storage::QueuedJob>, const Status& status) override {
    EXPECT_TRUE(status.ok());
  }

  storage::TestDisks disks_;
  storage::LogStore log_;
  GatedStore* const gate_;  // Owned by checkpoints_.
  storage::CheckpointStore checkpoints_;
  std::shared_ptr<storage::CheckpointWriter> writer_;
  std::unique_ptr<storage::DatabaseState> state_;
  storage::LogWriterQueue queue_;
  std::thread log_thread_;
  std::vector<bool> failing_;       // As the next.
  std::vector<std::string> notes_;  // Written on the checkpointer's thread, before `done`.
};

constexpr std::chrono::steady_clock::time_point kLongAgo{};
std::chrono::steady_clock::time_point in_an_hour() {
  return std::chrono::steady_clock::now() + std::chrono::hours(1);
}

TEST_F(CheckpointerTest, SwitchesToWhatWasSubmittedBeforeItStops) {
  Checkpointer checkpointer(
      queue_, [](GroupId, const storage::LogPlace&) {}, note(), failing());
  Status outcome = Status::internal("not told");
  checkpointer.submit(job([&](const Status& status) { outcome = status; }));
  EXPECT_TRUE(checkpointer.stop_by(in_an_hour()));
  EXPECT_TRUE(outcome.ok()) << outcome.message();
  EXPECT_EQ(named_checkpoint(), storage::CheckpointId{1});
}

TEST_F(CheckpointerTest, WithoutTimeItLeavesEverythingAsItWas) {
  gate_->close();
  Status first = Status::internal("not told");
  Status second = first;
  {
    Checkpointer checkpointer(
        queue_, [](GroupId, const storage::LogPlace&) {}, note(), failing());
    checkpointer.submit(job([&](const Status& status) { first = status; }));
    gate_->wait_for_sync();
    checkpointer.submit(job([&](const Status& status) { second = status; }));
    EXPECT_FALSE(checkpointer.stop_by(kLongAgo));
    EXPECT_EQ(second.code(), StatusCode::kUnavailable) << "never begun";
    gate_->open();
  }
  EXPECT_EQ(first.code(), StatusCode::kUnavailable) << "stored too late";
  EXPECT_EQ(named_checkpoint(), storage::CheckpointId{0});
}

TEST_F(CheckpointerTest, AFailedCheckpointIsToldAndTheNextOneLeavesNothingOfIt) {
  Checkpointer checkpointer(
      queue_, [](GroupId, const storage::LogPlace&) {}, note(), failing());
  ASSERT_TRUE(checkpoint(checkpointer).ok());
  const size_t pages = disks_.checkpoints->table(storage::Family::kPage).size();
  for (uint32_t i = 1; i <= storage::kCheckpointFailuresMax; ++i) {
    disks_.checkpoints->set_faults({.fail_write = 2});  // Behind the mark that it is pending.
    EXPECT_EQ(checkpoint(checkpointer).code(), StatusCode::kIoError);
    EXPECT_EQ(named_checkpoint(), storage::CheckpointId{1}) << "the boundary stays";
  }
  disks_.checkpoints->set_faults({});
  EXPECT_TRUE(checkpoint(checkpointer).ok()) << "the failure was not for ever";
  EXPECT_EQ(disks_.checkpoints->table(storage::Family::kManifest).size(), 2u);
  EXPECT_EQ(disks_.checkpoints->table(storage::Family::kPage).size(), pages);
  EXPECT_TRUE(checkpointer.stop_by(in_an_hour()));
  ASSERT_EQ(notes_.size(), storage::kCheckpointFailuresMax + 2);
  EXPECT_NE(notes_[0].find("failures_in_row=1: "), std::string::npos) << notes_[0];
  EXPECT_NE(notes_[3].find("this node leads nothing"), std::string::npos) << notes_[3];
  EXPECT_EQ(failing_, (std::vector<bool>{true, false})) << "once each";
  EXPECT_NE(notes_[4].find("written again"), std::string::npos) << notes_[4];
}

TEST_F(CheckpointerTest, RefusesJobsOnceItStops) {
  Checkpointer checkpointer(
      queue_, [](GroupId, const storage::LogPlace&) {}, note(), failing());
  EXPECT_TRUE(checkpointer.stop_by(in_an_hour()));
  Status outcome;
  checkpointer.submit(job([&](const Status& status) { outcome = status; }));
  EXPECT_EQ(outcome.code(), StatusCode::kUnavailable);
  bool ran = false;
  checkpointer.run_after([&] { ran = true; });
  EXPECT_TRUE(ran) << "tasks run at once";
}

}  // namespace
}  // namespace worldline::actors
