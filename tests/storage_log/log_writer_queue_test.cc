// Group commit between threads [S 08/3.6, I-18]. Meant to run under the thread sanitizer.
#include "storage/log/log_writer_queue.h"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "tests/storage_log/storage_log_fixture.h"

namespace worldline::storage {
namespace {

// Keeps what it was told; the writer thread tells, the test asks after the join.
class Recorder final : public LogCompletions {
 public:
  void on_written(std::span<const QueuedJob> jobs, const Status& status) override {
    batches_.push_back(jobs.size());
    for (const QueuedJob& queued : jobs) {
      tickets_.push_back(queued.ticket.value);
      (status.ok() ? stable_ : failed_) += 1;
    }
  }
  std::vector<size_t> batches_;
  std::vector<uint64_t> tickets_;
  uint64_t stable_ = 0;
  uint64_t failed_ = 0;
};

class LogWriterQueueTest : public testing::Test {
 protected:
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  Recorder recorder_;
};

TEST_F(LogWriterQueueTest, WritesWhatQueuedMeanwhileInOneBatch) {
  LogStore store(disk_->open());
  ASSERT_TRUE(store.create_group(birth_of(kGroup)).ok());
  LogWriterQueue queue(store, recorder_);
  JobBuilder jobs(kGroup);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(queue.push(jobs.next("x")).ok());
  const uint64_t syncs = disk_->syncs();
  queue.close();
  queue.run();
  EXPECT_EQ(disk_->syncs(), syncs + 1);
  EXPECT_EQ(recorder_.batches_, std::vector<size_t>{10});
  EXPECT_EQ(queue.queued_bytes(), 0u);
  EXPECT_EQ(queue.push(jobs.next("late")).status().code(), StatusCode::kUnavailable);
}

TEST_F(LogWriterQueueTest, ClosesABatchAtItsLimits) {
  LogStore store(disk_->open());
  ASSERT_TRUE(store.create_group(birth_of(kGroup)).ok());
  LogWriterLimits limits_in;
  limits_in.batch_jobs_max = 4;
  limits_in.batch_bytes_target = 5'000;
  LogWriterQueue queue(store, recorder_, limits_in);
  JobBuilder jobs(kGroup);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(queue.push(jobs.next("small")).ok());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(queue.push(jobs.next(std::string(9'000, 'x'))).ok());
  queue.close();
  queue.run();
  EXPECT_EQ(recorder_.batches_, (std::vector<size_t>{4, 2, 1, 1}));
}

TEST_F(LogWriterQueueTest, RefusesWorkBeyondItsByteLimitButNeverASingleJob) {
  LogStore store(disk_->open());
  ASSERT_TRUE(store.create_group(birth_of(kGroup)).ok());
  LogWriterLimits limits_in;
  limits_in.queued_bytes_max = 1'000;
  LogWriterQueue queue(store, recorder_, limits_in);
  JobBuilder jobs(kGroup);
  ASSERT_TRUE(queue.push(jobs.next(std::string(5'000, 'x'))).ok());
  EXPECT_EQ(queue.push(jobs.next("x")).status().code(), StatusCode::kOverloaded);
}

TEST_F(LogWriterQueueTest, RunsTasksInOrderBetweenWrites) {
  LogStore store(disk_->open());
  LogWriterQueue queue(store, recorder_);
  JobBuilder jobs(kGroup);
  std::optional<LogIndex> seen;
  ASSERT_TRUE(
      queue.push_task([](LogStore& s) { ASSERT_TRUE(s.create_group(birth_of(kGroup)).ok()); })
          .ok());
  ASSERT_TRUE(queue.push(jobs.next("a")).ok());
  ASSERT_TRUE(
      queue.push_task([&seen](LogStore& s) { seen = s.load_group(kGroup)->tail->last; }).ok());
  ASSERT_TRUE(queue.push(jobs.next("b")).ok());
  queue.close();
  queue.run();
  EXPECT_EQ(seen, LogIndex{2});
  EXPECT_EQ(recorder_.batches_, (std::vector<size_t>{1, 1}));
}

TEST_F(LogWriterQueueTest, AcknowledgesNothingAfterAFailedWrite) {
  LogStore store(disk_->open());
  ASSERT_TRUE(store.create_group(birth_of(kGroup)).ok());
  LogWriterLimits limits_in;
  limits_in.batch_jobs_max = 2;
  LogWriterQueue queue(store, recorder_, limits_in);
  JobBuilder jobs(kGroup);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(queue.push(jobs.next("x")).ok());
  disk_->set_faults({.fail_write = 2});
  queue.close();
  queue.run();
  EXPECT_EQ(recorder_.stable_, 2u);
  EXPECT_EQ(recorder_.failed_, 4u);
  EXPECT_EQ(queue.push(jobs.next("x")).status().code(), StatusCode::kIoError);
}

TEST_F(LogWriterQueueTest, HoldsAPusherBackUntilTheDiskHasCaughtUp) {
  LogStore store(disk_->open());
  ASSERT_TRUE(store.create_group(birth_of(kGroup)).ok());
  LogWriterQueue queue(store, recorder_);
  std::thread writer([&queue] { queue.run(); });
  JobBuilder jobs(kGroup);
  for (int i = 0; i < 200; ++i) {
    queue.wait_until_below(2'000);
    EXPECT_LT(queue.queued_bytes(), 2'000u);
    ASSERT_TRUE(queue.push(jobs.next(std::string(1'000, 'x'))).ok());
  }
  queue.close();
  queue.wait_until_below(1);  // Closed: does not wait for ever.
  writer.join();
  EXPECT_EQ(recorder_.stable_, 200u);
}

// A disk whose syncs take some time of a clock.
class SlowStore final : public KeyValueStore {
 public:
  SlowStore(std::unique_ptr<KeyValueStore> target, FakeClock& clock, LogWriterQueue*& queue)
      : target_(std::move(target)), clock_(clock), queue_(queue) {}
  std::unique_ptr<WriteBatch> new_batch() override { return target_->new_batch(); }
  Status apply(WriteBatch& batch, Sync sync_now) override {
    if (queue_ != nullptr) {
      // Asked from another thread this would be the same: no lock is held during a write.
      seen_in_flight += queue_->in_flight_since() == clock_.steady() ? 1 : 0;
      clock_.advance(std::chrono::milliseconds(700));
    }
    return target_->apply(batch, sync_now);
  }
  Status sync() override { return target_->sync(); }
  Status resume() override { return target_->resume(); }
  Status drop_files(Family family, Bytes first, Bytes end) override {
    return target_->drop_files(family, first, end);
  }
  Result<std::optional<ByteBuffer>> get(Family family, Bytes key) const override {
    return target_->get(family, key);
  }
  std::unique_ptr<Cursor> scan(Family family, Bytes first, Bytes end) const override {
    return target_->scan(family, first, end);
  }
  int seen_in_flight = 0;

 private:
  std::unique_ptr<KeyValueStore> target_;
  FakeClock& clock_;
  LogWriterQueue*& queue_;
};

TEST_F(LogWriterQueueTest, TellsWhatIsInFlightAndHowLongItTook) {
  FakeClock clock;
  LogWriterQueue* asked = nullptr;
  auto slow = std::make_unique<SlowStore>(disk_->open(), clock, asked);
  SlowStore& disk = *slow;
  LogStore store(std::move(slow));
  ASSERT_TRUE(store.create_group(birth_of(kGroup)).ok());
  LogWriterQueue queue(store, recorder_, {}, &clock);
  asked = &queue;
  EXPECT_FALSE(queue.in_flight_since());
  JobBuilder jobs(kGroup);
  ASSERT_TRUE(queue.push(jobs.next("x")).ok());
  ASSERT_TRUE(
      queue.push_task([](LogStore& s) { ASSERT_TRUE(s.create_group(birth_of(GroupId{9})).ok()); })
          .ok());
  EXPECT_FALSE(queue.in_flight_since()) << "queued is not in flight";
  queue.close();
  queue.run();
  EXPECT_EQ(disk.seen_in_flight, 2) << "the write, and the task that writes";
  EXPECT_FALSE(queue.in_flight_since());
  const auto times = queue.take_write_times();
  ASSERT_EQ(times.size(), 1u);
  EXPECT_EQ(times[0], std::chrono::milliseconds(700));
  EXPECT_TRUE(queue.take_write_times().empty());
}

TEST_F(LogWriterQueueTest, KeepsTheOrderOfManyPushersWhileItWrites) {
  LogStore store(disk_->open());
  constexpr uint64_t kPushers = 4;
  constexpr uint64_t kJobs = 500;
  for (uint64_t group = 1; group <= kPushers; ++group)
    ASSERT_TRUE(store.create_group(birth_of(GroupId{group})).ok());
  LogWriterQueue queue(store, recorder_);
  std::thread writer([&queue] { queue.run(); });
  std::vector<std::thread> pushers;
  for (uint64_t group = 1; group <= kPushers; ++group) {
    pushers.emplace_back([&queue, group] {
      JobBuilder jobs{GroupId{group}};
      for (uint64_t i = 0; i < kJobs; ++i) ASSERT_TRUE(queue.push(jobs.next("x")).ok());
    });
  }
  for (std::thread& pusher : pushers) pusher.join();
  queue.close();
  writer.join();
  EXPECT_EQ(recorder_.stable_, kPushers * kJobs);
  EXPECT_TRUE(std::is_sorted(recorder_.tickets_.begin(), recorder_.tickets_.end()));
  for (uint64_t group = 1; group <= kPushers; ++group)
    EXPECT_EQ(store.load_group(GroupId{group})->tail->last, LogIndex{kJobs + 1});
}

}  // namespace
}  // namespace worldline::storage
