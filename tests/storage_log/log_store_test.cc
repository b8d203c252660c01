// The log database over a memory disk [S 08/3.6].
#include "storage/log/log_store.h"

#include <gtest/gtest.h>

#include "tests/storage_log/storage_log_fixture.h"

namespace worldline::storage {
namespace {

class LogStoreTest : public testing::Test {
 protected:
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
};

TEST_F(LogStoreTest, ReadsEntriesBackInOrderWithinAByteBudget) {
  const auto store = filled_store(*disk_, 10);
  const auto all = store->read(kGroup, LogIndex{2}, LogIndex{11}, limits::MiB);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 10u);
  EXPECT_EQ(as_text(*all->at(3).payload), "entry 3");
  // At least one entry, however small the budget.
  EXPECT_EQ(store->read(kGroup, LogIndex{2}, LogIndex{11}, 1)->size(), 1u);
  EXPECT_EQ(store->read(kGroup, LogIndex{2}, LogIndex{11}, 100)->size(), 3u);
  EXPECT_EQ(store->read(kGroup, LogIndex{5}, LogIndex{6}, limits::MiB)->size(), 2u);
  EXPECT_TRUE(store->read(kGroup, LogIndex{50}, LogIndex{60}, limits::MiB)->empty());
}

TEST_F(LogStoreTest, RefusesToReadOverAHole) {
  const auto store = filled_store(*disk_, 10);
  ASSERT_TRUE(store->truncate_prefix(kGroup, LogIndex{4}).ok());
  const auto read = store->read(kGroup, LogIndex{2}, LogIndex{11}, limits::MiB);
  EXPECT_EQ(read.status().code(), StatusCode::kCorruption);
  EXPECT_EQ(store->read(kGroup, LogIndex{4}, LogIndex{11}, limits::MiB)->size(), 8u);
}

TEST_F(LogStoreTest, WritesJobsOfManyGroupsWithOneSync) {
  LogStore store(disk_->open());
  std::vector<QueuedJob> jobs;
  for (uint64_t group = 1; group <= 3; ++group) {
    ASSERT_TRUE(store.create_group(birth_of(GroupId{group})).ok());
    JobBuilder builder{GroupId{group}};
    for (int i = 0; i < 5; ++i) jobs.push_back({LogTicket{1}, builder.next("x")});
  }
  const uint64_t syncs = disk_->syncs();
  ASSERT_TRUE(store.write(jobs).ok());
  EXPECT_EQ(disk_->syncs(), syncs + 1);
  EXPECT_EQ(store.groups().value(), (std::vector<GroupId>{GroupId{1}, GroupId{2}, GroupId{3}}));
  EXPECT_EQ(store.load_group(GroupId{2})->tail->last, LogIndex{6});
}

TEST_F(LogStoreTest, ReplacesATruncatedSuffixInOneBatch) {
  const auto store = filled_store(*disk_, 10);
  const auto kept = store->read(kGroup, LogIndex{5}, LogIndex{5}, 1);
  JobBuilder leader(kGroup, {LogIndex{5}, Term{1}, kept->front().chain()});
  leader.set_term(Term{2});
  LogJob job = leader.next("other");
  job.truncate_from = LogIndex{6};
  const uint64_t writes = disk_->writes();
  ASSERT_TRUE(store->write(job).ok());
  EXPECT_EQ(disk_->writes(), writes + 1);
  const auto rows = store->load_group(kGroup);
  EXPECT_EQ(rows->tail->last, LogIndex{6});
  EXPECT_EQ(rows->tail->term, Term{2});
  EXPECT_EQ(store->read(kGroup, LogIndex{2}, LogIndex{20}, limits::MiB)->size(), 5u);
}

TEST_F(LogStoreTest, StaysFailedAfterTheFirstFailedWrite) {
  const auto store = filled_store(*disk_, 1);
  JobBuilder jobs(kGroup, *store->load_group(kGroup)->tail);
  disk_->set_faults({.fail_write = 1});
  EXPECT_EQ(store->write(jobs.next("a")).code(), StatusCode::kIoError);
  const uint64_t writes = disk_->writes();
  EXPECT_EQ(store->write(jobs.next("b")).code(), StatusCode::kIoError);
  EXPECT_EQ(store->write_node_record({}).code(), StatusCode::kIoError);
  EXPECT_EQ(store->truncate_prefix(kGroup, LogIndex{2}).code(), StatusCode::kIoError);
  EXPECT_EQ(disk_->writes(), writes) << "nothing may be retried";
}

TEST_F(LogStoreTest, LeavesATombstoneThatForbidsOlderReplicas) {
  const auto store = filled_store(*disk_, 3);
  ASSERT_TRUE(store->destroy_group(kGroup, {ReplicaId{71}, ReplicaId{0}, ""}).ok());
  EXPECT_TRUE(store->groups()->empty());
  EXPECT_TRUE(store->read(kGroup, LogIndex{2}, LogIndex{9}, limits::MiB)->empty());
  EXPECT_EQ(store->create_group(birth_of(kGroup)).code(), StatusCode::kFailedPrecondition);
  GroupBirth later = birth_of(kGroup);
  later.replica = ReplicaId{71};
  EXPECT_TRUE(store->create_group(later).ok());
  EXPECT_EQ(store->create_group(later).code(), StatusCode::kAlreadyExists);
}

TEST_F(LogStoreTest, FindsGroupsThatHaveEntriesButNoRows) {
  const auto store = filled_store(*disk_, 3);
  disk_->table(Family::kHard).clear();
  EXPECT_EQ(store->groups().value(), std::vector<GroupId>{kGroup});
}

TEST(MemoryDiskTest, LosesUnsyncedWritesButKeepsTheirOrder) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    auto disk = std::make_shared<MemoryDisk>();
    auto store = disk->open();
    const auto batch = store->new_batch();
    for (Byte i = 0; i < 10; ++i) {
      const std::array<Byte, 1> key = {i};
      batch->clear();
      batch->put(Family::kNode, key, key);
      ASSERT_TRUE(store->apply(*batch, i == 4 ? Sync::kYes : Sync::kNo).ok());
    }
    Prng rng(seed);
    disk->crash(rng);
    EXPECT_EQ(store->sync().code(), StatusCode::kIoError) << "a store of the life before";
    const size_t kept = disk->table(Family::kNode).size();
    EXPECT_GE(kept, 5u);
    for (size_t i = 0; i < kept; ++i)
      EXPECT_TRUE(disk->table(Family::kNode).contains(std::string(1, static_cast<char>(i))));
  }
}

}  // namespace
}  // namespace worldline::storage
