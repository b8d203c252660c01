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

// --- A snapshot of another replica [S 08/1.11] ---------------------------------------------------

// What a leader offers: a checkpoint with its pages.
struct OfferedSnapshot {
  Checkpoint manifest;
  std::map<std::pair<uint64_t, uint64_t>, ByteBuffer> pages;
  Accounts accounts;
};
OfferedSnapshot snapshot_of_a_leader() {
  const auto disk = make_memory_disk();
  fill(*disk);
  const auto node = open_node_on(*disk);
  WL_CHECK(node != nullptr && node->start().ok());
  put_all(*node, 400, 44);
  for (int i = 0; i < 10; ++i) {  // Further on in the log than the follower.
    node->put(1, i);
    WL_CHECK(node->seal().ok());
  }
  WL_CHECK(node->checkpoint().ok());
  OfferedSnapshot offered;
  offered.manifest = *node->writer().newest();
  offered.accounts = node->accounts();
  for (const Digest128& hash : offered.manifest.page_hashes)
    offered.pages[{hash.high, hash.low}] = node->checkpoints().load_page(kDatabase, hash).value();
  return offered;
}

// Fetches what is missing, as the receiver of a transfer does, and replaces the log.
Status install(TestNode& node, const OfferedSnapshot& offered) {
  CheckpointWriter& writer = node.writer();
  WL_RETURN_IF_ERROR(writer.begin_received());
  WL_ASSIGN_OR_RETURN(const std::vector<bool> found,
                      writer.find_received(offered.manifest.page_hashes));
  for (size_t i = 0; i < found.size(); ++i) {
    const Digest128& hash = offered.manifest.page_hashes[i];
    if (found[i]) continue;
    WL_RETURN_IF_ERROR(writer.put_received(hash, offered.pages.at({hash.high, hash.low})));
  }
  WL_ASSIGN_OR_RETURN(const CheckpointWriter::Received received,
                      writer.store_received(offered.manifest));
  WL_CHECK(received.boundary.has_value());
  LogJob job;
  job.group = kDatabase;
  job.boundary = received.boundary;
  job.boundary_use = BoundaryUse::kSnapshot;
  job.hard_state = node.log().load_group(kDatabase)->hard_state;
  job.hard_state->term = std::max(job.hard_state->term, offered.manifest.term);
  job.hard_state->commit_hint = offered.manifest.index;
  WL_RETURN_IF_ERROR(node.log().write(job));
  return writer.activate_received();
}

void crash_in_install(const DiskKind& kind, const OfferedSnapshot& offered, uint64_t operation,
                      bool& stopped) {
  SCOPED_TRACE(fmt::format("{}: operation {}", kind.name, operation));
  const auto disk = kind.make();
  Prng rng(operation);
  const Accounts before = fill(*disk);
  LogIndex boundary_before;
  {
    const auto node = open_node_on(*disk);
    ASSERT_TRUE(node != nullptr && node->start().ok());
    boundary_before = boundary_of(*node);
    disk->stop_at(operation);
    stopped = !install(*node, offered).ok();
  }
  disk->crash(rng);
  {
    const auto node = open_node_on(*disk);
    ASSERT_NE(node, nullptr);
    const Status status = node->start();
    ASSERT_TRUE(status.ok()) << status.message();
    const LogIndex boundary = boundary_of(*node);
    ASSERT_TRUE(boundary == boundary_before || boundary == offered.manifest.index);
    const bool is_installed = boundary == offered.manifest.index;
    EXPECT_TRUE(is_installed || stopped);
    EXPECT_EQ(node->accounts(), is_installed ? offered.accounts : before);
    EXPECT_TRUE(node->report().notes.empty()) << node->report().notes.front();
    if (!is_installed) {
      const Status again = install(*node, offered);  // It is simply sent again.
      ASSERT_TRUE(again.ok()) << again.message();
    }
  }
  const auto node = open_node_on(*disk);
  ASSERT_TRUE(node != nullptr && node->start().ok());
  EXPECT_EQ(node->accounts(), offered.accounts);
  EXPECT_EQ(node->checkpoints().list(kDatabase)->size(), 1u) << "older ones are of no use";
  node->put(7, 7);
  ASSERT_TRUE(node->seal().ok());
  ASSERT_TRUE(node->checkpoint().ok());
}

TEST_P(CheckpointCrashTest, InstallsASnapshotWholeOrNotAtAllAtEveryOperation) {
  const OfferedSnapshot offered = snapshot_of_a_leader();
  bool stopped = true;
  uint64_t operation = 0;
  while (stopped && !HasFatalFailure()) {
    ASSERT_LT(++operation, 300u);
    crash_in_install(GetParam(), offered, operation, stopped);
  }
  std::printf("%s: %llu crash points\n", GetParam().name,
              static_cast<unsigned long long>(operation - 1));
}

TEST_P(CheckpointCrashTest, RefusesForgedPagesAndNamesThoseThatAreMissing) {
  const OfferedSnapshot offered = snapshot_of_a_leader();
  const auto disk = GetParam().make();
  fill(*disk);
  const auto node = open_node_on(*disk);
  ASSERT_TRUE(node != nullptr && node->start().ok());
  CheckpointWriter& writer = node->writer();
  ASSERT_TRUE(writer.begin_received().ok());
  EXPECT_EQ(node->checkpoint().code(), StatusCode::kFailedPrecondition);
  const Digest128& hash = offered.manifest.page_hashes.front();
  EXPECT_EQ(writer.put_received(hash, as_bytes("forged")).code(), StatusCode::kCorruption);
  const auto received = writer.store_received(offered.manifest);
  ASSERT_TRUE(received.ok());
  EXPECT_FALSE(received->boundary);
  EXPECT_FALSE(received->missing.empty());
  Checkpoint foreign = offered.manifest;
  foreign.state.group = GroupId{9};
  EXPECT_EQ(writer.store_received(foreign).status().code(), StatusCode::kCorruption);
  ASSERT_TRUE(writer.discard_received().ok());
  EXPECT_EQ(node->checkpoints().list(kDatabase)->size(), 2u);
  EXPECT_TRUE(node->checkpoint().ok());
}

// --- The process goes on [S 08/3.12] -------------------------------------------------------------

struct FailureCase {
  const char* name;
  DiskImage::Faults faults;
};
// Every file of the checkpoint database, and only of it: the log goes on.
const FailureCase kFailureCases[] = {
    {"WriteOfATable", {.fail_append = 1, .only = ".sst"}},
    {"FullDisk", {.no_space_from = 1, .only = ".sst"}},
    {"SyncOfATable", {.fail_sync = 1, .only = ".sst"}},
};
class CheckpointFailureTest : public testing::TestWithParam<FailureCase> {};
INSTANTIATE_TEST_SUITE_P(S08, CheckpointFailureTest, testing::ValuesIn(kFailureCases),
                         [](const auto& test) { return test.param.name; });

TEST_P(CheckpointFailureTest, AbandonsTheCheckpointAndTriesAgainLater) {
  const auto image = std::make_shared<DiskImage>();
  const auto disk = make_rocksdb_disk(64 * limits::MiB, image);
  Accounts before = fill(*disk);
  {
    const auto node = open_node_on(*disk);
    ASSERT_TRUE(node != nullptr && node->start().ok());
    const LogIndex boundary = boundary_of(*node);
    for (uint32_t attempt = 1; attempt <= kCheckpointFailuresMax; ++attempt) {
      image->set_faults(GetParam().faults);
      node->put(attempt, 77);
      ASSERT_TRUE(node->seal().ok());
      EXPECT_EQ(node->checkpoint().code(), StatusCode::kIoError);
      EXPECT_EQ(node->writer().failures_in_row(), attempt);
      EXPECT_EQ(boundary_of(*node), boundary);
    }
    image->set_faults({});
    ASSERT_TRUE(node->seal().ok());
    const Status status = node->checkpoint();
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(node->writer().failures_in_row(), 0u);
    EXPECT_EQ(boundary_of(*node), node->appender().last());
    EXPECT_EQ(node->checkpoints().list(kDatabase)->size(), 2u) << "what was abandoned is gone";
    before = node->accounts();
  }
  Prng rng(1);
  image->crash(DiskImage::Loss::kUnsynced, rng);
  const auto node = open_node_on(*disk);
  ASSERT_TRUE(node != nullptr && node->start().ok());
  EXPECT_EQ(node->accounts(), before);
  EXPECT_TRUE(node->report().notes.empty());
}

TEST_P(CheckpointFailureTest, NeverLetsTheLogGoOn) {
  const auto image = std::make_shared<DiskImage>();
  const auto disk = make_rocksdb_disk(64 * limits::MiB, image);
  const auto log = disk->open(DatabaseRole::kLog);
  ASSERT_TRUE(log.ok());
  EXPECT_EQ((*log)->resume().code(), StatusCode::kFailedPrecondition);
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
