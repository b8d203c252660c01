// The log database on every disk: random histories, ended at every operation of the disk, against
// the naive model [S 08/6.2 "RocksDB-backed store", S 08/1.10 rule 4, I-18].
#include <cstdio>

#include <gtest/gtest.h>

#include "storage/log/group_recovery.h"
#include "storage/log/node_recovery.h"
#include "tests/storage_log/log_model.h"
#include "tests/storage_log/store_disks.h"

namespace worldline::storage {
namespace {

// One node's log over several lives of its process.
class StoreLife {
 public:
  StoreLife(StoreDisk& disk, uint64_t seed, size_t payload_bytes_max)
      : disk_(disk), generator_(seed, payload_bytes_max) {}

  // Opens, and runs `steps` of the history; false when the disk stopped.
  bool run(int steps) {
    bool goes_on = open();
    for (int i = 0; goes_on && i < steps; ++i) goes_on = step();
    store_.reset();
    return goes_on;
  }

  // Opens and compares: what was done is there; the write that was under way is there or not.
  Status reopen() {
    WL_ASSIGN_OR_RETURN(auto database, disk_.open(DatabaseRole::kLog));
    store_ = std::make_unique<LogStore>(std::move(database));
    const Status as_done = compare(*store_, done_);
    if (!as_done.ok()) {
      const Status as_tried = compare(*store_, tried_);
      if (!as_tried.ok()) {
        store_.reset();
        return as_done.with_context(as_tried.message());
      }
      done_ = tried_;
    }
    tried_ = done_;
    return adopt();
  }
  const LogModel& model() const { return done_; }

 private:
  bool open() {
    if (store_ == nullptr) {
      auto database = disk_.open(DatabaseRole::kLog);
      if (!database.ok()) return false;
      store_ = std::make_unique<LogStore>(std::move(database).value());
      if (!adopt().ok()) return false;
    }
    ++tried_.incarnation;
    const auto node = open_node(*store_, {});
    if (!node.ok()) return false;
    // I-8: a crash may have made the write under way durable, so it may be one ahead, never behind.
    EXPECT_GT(node->record.incarnation, done_.incarnation);
    done_.incarnation = tried_.incarnation = node->record.incarnation;
    return true;
  }
  Status adopt() {
    for (const auto& [id, group] : done_.groups) {
      WL_ASSIGN_OR_RETURN(const VerifiedGroup verified, verify_group(*store_, id));
      WL_RETURN_IF_ERROR(adopt_group(*store_, verified));
    }
    return Status::ok_status();
  }
  bool step() {
    const HistoryStep step = generator_.next(done_);
    if (step.apply != nullptr) step.apply(tried_);
    const Status status = step.run(*store_);
    if (!status.ok()) {
      EXPECT_EQ(status.code(), StatusCode::kIoError) << step.name << ": " << status.message();
      EXPECT_EQ(store_->write_marker(9).code(), StatusCode::kIoError) << "nothing is retried";
      return false;
    }
    if (step.apply != nullptr) step.apply(done_);
    return true;
  }

  StoreDisk& disk_;
  HistoryGenerator generator_;
  std::unique_ptr<LogStore> store_;
  LogModel done_;
  LogModel tried_;  // With the step that was under way when the disk stopped.
};

class StoreSuiteTest : public testing::TestWithParam<DiskKind> {};
INSTANTIATE_TEST_SUITE_P(S08, StoreSuiteTest, testing::ValuesIn(kDiskKinds),
                         [](const auto& test) { return test.param.name; });

TEST_P(StoreSuiteTest, EqualsTheModelWithoutFaults) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto disk = GetParam().make();
    StoreLife life(*disk, seed, 20'000);
    for (int restart = 0; restart < 4; ++restart) {
      ASSERT_TRUE(life.run(40));
      const Status status = life.reopen();
      ASSERT_TRUE(status.ok()) << status.message();
    }
  }
}

// The same history for every crash point; behind it another life, and another crash in it.
void crash_at(const DiskKind& kind, uint64_t seed, uint64_t operation, int steps) {
  SCOPED_TRACE(fmt::format("{}: seed {} operation {}", kind.name, seed, operation));
  const auto disk = kind.make();
  Prng rng(seed * 1'000'003 + operation);
  StoreLife life(*disk, seed, 3'000);
  disk->stop_at(operation);
  life.run(steps);
  disk->crash(rng);
  Status status = life.reopen();
  ASSERT_TRUE(status.ok()) << status.message();
  disk->stop_at(1 + rng.below(60));
  life.run(steps);
  disk->crash(rng);
  status = life.reopen();
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_TRUE(life.run(5));
}

TEST_P(StoreSuiteTest, SurvivesACrashAtEveryOperation) {
  constexpr int kSteps = 40;
  uint64_t points = 0;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const auto disk = GetParam().make();
    disk->stop_at(0);
    ASSERT_TRUE(StoreLife(*disk, seed, 3'000).run(kSteps));
    const uint64_t operations = disk->operations();
    for (uint64_t at = 1; at <= operations; ++at, ++points) {
      crash_at(GetParam(), seed, at, kSteps);
      if (HasFatalFailure()) return;
    }
  }
  std::printf("%s: seeds 1 and 2, %llu crash points\n", GetParam().name,
              static_cast<unsigned long long>(points));
}

// Longer and larger histories, a crash at a random operation.
TEST_P(StoreSuiteTest, SurvivesRandomLives) {
  for (uint64_t seed = 101; seed <= 112; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto disk = GetParam().make();
    Prng rng(seed);
    StoreLife life(*disk, seed, 20'000);
    for (int restart = 0; restart < 6; ++restart) {
      disk->stop_at(1 + rng.below(400));
      life.run(100);
      disk->crash(rng);
      const Status status = life.reopen();
      ASSERT_TRUE(status.ok()) << "restart " << restart << ": " << status.message();
    }
  }
}

}  // namespace
}  // namespace worldline::storage
