// Checkpoints on every disk, ended at every operation [S 08/4.9, U-66]: what the boundary names is
// whole, nothing acknowledged is lost, and no index goes back.
#include <cstdio>

#include <gtest/gtest.h>

#include "tests/storage_log/database_fixture.h"
#include "tests/storage_log/store_disks.h"

namespace worldline::storage {
namespace {

// The stores of one life of a node; null when the disk stopped while they were opened.
std::unique_ptr<TestNode> open_node_on(StoreDisk& disk) {
  auto log = disk.open(DatabaseRole::kLog);
  if (!log.ok()) return nullptr;
  auto checkpoints = disk.open(DatabaseRole::kCheckpoint);
  if (!checkpoints.ok()) return nullptr;
  return std::make_unique<TestNode>(std::move(log).value(), std::move(checkpoints).value());
}

void put_all(TestNode& node, uint32_t count, int64_t balance) {
  for (uint32_t id = 0; id < count; ++id) node.put(id, balance);
}

// Two checkpoints and a tail behind them, as a clean life leaves them.
Accounts fill(StoreDisk& disk) {
  const auto node = open_node_on(disk);
  WL_CHECK(node != nullptr && node->start().ok());
  node->publish();
  for (int64_t round = 1; round <= 3; ++round) {
    put_all(*node, 100 + 50 * static_cast<uint32_t>(round), round);
    node->insert_text("notes", std::string(30'000, 'x'));
    WL_CHECK(node->seal().ok());
    if (round < 3) WL_CHECK(node->checkpoint().ok());
  }
  return node->accounts();
}

LogIndex boundary_of(TestNode& node) {
  return node.log().load_group(kDatabase)->boundary->index;
}

class CheckpointCrashTest : public testing::TestWithParam<DiskKind> {};
INSTANTIATE_TEST_SUITE_P(S08, CheckpointCrashTest, testing::ValuesIn(kDiskKinds),
                         [](const auto& test) { return test.param.name; });

// True while the disk stopped within the checkpoint.
void crash_in_checkpoint(const DiskKind& kind, uint64_t operation, bool& stopped) {
  SCOPED_TRACE(fmt::format("{}: operation {}", kind.name, operation));
  const auto disk = kind.make();
  Prng rng(operation);
  const Accounts before = fill(*disk);
  LogIndex boundary_before;
  LogIndex boundary_tried;
  {
    const auto node = open_node_on(*disk);
    ASSERT_TRUE(node != nullptr && node->start().ok());
    boundary_before = boundary_of(*node);
    boundary_tried = node->appender().last();
    disk->stop_at(operation);
    stopped = !node->checkpoint().ok();
  }
  disk->crash(rng);
  for (int restart = 0; restart < 2; ++restart) {
    const auto node = open_node_on(*disk);
    ASSERT_NE(node, nullptr);
    const Status status = node->start();
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(node->accounts(), before);
    EXPECT_TRUE(node->report().notes.empty()) << node->report().notes.front();
    const LogIndex boundary = boundary_of(*node);
    EXPECT_TRUE(restart > 0 || boundary == boundary_before || boundary == boundary_tried);
    EXPECT_GE(boundary, boundary_before);
    EXPECT_LE(node->checkpoints().list(kDatabase)->size(), 2u);
    boundary_before = node->appender().last();
    ASSERT_TRUE(node->checkpoint().ok());  // And the next one works.
    EXPECT_EQ(boundary_of(*node), boundary_before);
  }
}

TEST_P(CheckpointCrashTest, LeavesAWholeCheckpointAtEveryOperation) {
  bool stopped = true;
  uint64_t operation = 0;
  while (stopped && !HasFatalFailure()) {
    ASSERT_LT(++operation, 300u);
    crash_in_checkpoint(GetParam(), operation, stopped);
  }
  std::printf("%s: %llu crash points\n", GetParam().name,
              static_cast<unsigned long long>(operation - 1));
}

// Transactions, checkpoints, restarts and crashes as they come.
TEST_P(CheckpointCrashTest, LosesNothingThatWasAcknowledgedInRandomLives) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(fmt::format("{}: seed {}", GetParam().name, seed));
    Prng rng(seed);
    const auto disk = GetParam().make();
    Accounts done = fill(*disk);
    Accounts tried = done;
    LogIndex boundary;
    for (int life = 0; life < 4; ++life) {
      if (const auto node = open_node_on(*disk)) {
        const Status status = node->start();
        ASSERT_TRUE(status.ok()) << status.message();
        const Accounts now = node->accounts();
        ASSERT_TRUE(now == done || now == tried) << "life " << life;
        done = tried = now;
        EXPECT_GE(boundary_of(*node), boundary);
        boundary = boundary_of(*node);
        disk->stop_at(1 + rng.below(150));
        for (int step = 0; step < 60; ++step) {
          for (int i = 0; i < 5; ++i)
            node->put(static_cast<uint32_t>(rng.below(300)), static_cast<int64_t>(rng.next() >> 1));
          tried = node->accounts();
          if (!node->seal().ok()) break;
          done = tried;
          if (rng.chance(6) && !node->checkpoint().ok()) break;
          if (!node->log().failure().ok()) break;
          boundary = boundary_of(*node);
        }
      }
      disk->crash(rng);
    }
  }
}

}  // namespace
}  // namespace worldline::storage
