// Checkpoints: incremental, content-addressed, at most two of them [S 08/4.9].
#include <set>

#include <gtest/gtest.h>

#include "storage/log/row_codec.h"
#include "tests/storage_log/database_fixture.h"

namespace worldline::storage {
namespace {

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() : node_(std::make_unique<TestNode>(disks_)) {
    EXPECT_TRUE(node_->start().ok());
    node_->publish();
    node_->transact([this](Transaction& tx) {
      const TableId table = node_->table_id("accounts");
      for (uint32_t id = 0; id < 20'000; ++id)
        ASSERT_TRUE(tx.insert(table, account_row(id, 100)).ok());
    });
    EXPECT_TRUE(node_->seal().ok());
  }
  size_t stored_pages() const { return disks_.checkpoints->table(Family::kPage).size(); }
  size_t stored_manifests() const { return disks_.checkpoints->table(Family::kManifest).size(); }

  TestDisks disks_;
  std::unique_ptr<TestNode> node_;
};

TEST_F(CheckpointTest, WritesOnlyThePagesThatChanged) {
  ASSERT_TRUE(node_->checkpoint().ok());
  const CheckpointCost first = node_->writer().last_cost();
  EXPECT_EQ(first.pages_written, first.pages_total);
  EXPECT_GT(first.pages_total, 5u);

  node_->put(3, 999);
  ASSERT_TRUE(node_->seal().ok());
  ASSERT_TRUE(node_->checkpoint().ok());
  const CheckpointCost second = node_->writer().last_cost();
  EXPECT_EQ(second.pages_total, first.pages_total);
  EXPECT_LE(second.pages_written, 2u) << "the page of the old row and that of the new one";
}

TEST_F(CheckpointTest, WritesOnlyThePagesThatChangedAfterARestartToo) {
  ASSERT_TRUE(node_->checkpoint().ok());
  node_->put(3, 999);
  ASSERT_TRUE(node_->seal().ok());
  node_ = std::make_unique<TestNode>(disks_);
  ASSERT_TRUE(node_->start().ok());
  ASSERT_TRUE(node_->checkpoint().ok());
  EXPECT_LE(node_->writer().last_cost().pages_written, 2u);
}

TEST_F(CheckpointTest, KeepsTheNewestTwoAndNoPageThatNeitherNames) {
  for (int round = 0; round < 6; ++round) {
    for (uint32_t id = 0; id < 20'000; id += 500) node_->put(id, round);
    ASSERT_TRUE(node_->seal().ok());
    ASSERT_TRUE(node_->checkpoint().ok());
  }
  const auto ids = node_->checkpoints().list(kDatabase);
  ASSERT_TRUE(ids.ok());
  ASSERT_EQ(*ids, (std::vector<CheckpointId>{CheckpointId{6}, CheckpointId{5}}));
  std::set<std::pair<uint64_t, uint64_t>> named;
  for (const CheckpointId id : *ids) {
    const auto manifest = node_->checkpoints().load_manifest(kDatabase, id);
    ASSERT_TRUE(manifest.ok());
    for (const Digest128& hash : manifest->page_hashes) named.emplace(hash.high, hash.low);
  }
  EXPECT_EQ(stored_pages(), named.size());
}

TEST_F(CheckpointTest, TruncatesTheLogBelowTheOlderCheckpointOnly) {
  ASSERT_TRUE(node_->checkpoint().ok());
  const LogIndex first = node_->appender().last();
  EXPECT_EQ(verify_group(node_->log(), kDatabase)->first, LogIndex{2}) << "birth is the fallback";
  node_->put(1, 1);
  ASSERT_TRUE(node_->seal().ok());
  ASSERT_TRUE(node_->checkpoint().ok());
  EXPECT_EQ(verify_group(node_->log(), kDatabase)->first, first.next());
}

TEST_F(CheckpointTest, SweepsUpWhatACrashLeftHalfWritten) {
  ASSERT_TRUE(node_->checkpoint().ok());
  const size_t pages = stored_pages();
  for (uint32_t id = 0; id < 20'000; id += 100) node_->put(id, 5);
  ASSERT_TRUE(node_->seal().ok());
  ASSERT_TRUE(node_->store_checkpoint().ok());  // Never switched to.
  EXPECT_GT(stored_pages(), pages);
  node_ = std::make_unique<TestNode>(disks_);
  ASSERT_TRUE(node_->start().ok());
  EXPECT_EQ(stored_pages(), pages);
  EXPECT_EQ(stored_manifests(), 1u);
  EXPECT_EQ(node_->report().checkpoint, CheckpointId{1});
}

TEST(CheckpointManifestTest, RefusesEverySingleFlippedBitAndEveryCut) {
  Checkpoint checkpoint;
  checkpoint.id = CheckpointId{3};
  checkpoint.config = {1, 2};
  checkpoint.state.group = kDatabase;
  checkpoint.state.tables.push_back({TableId{4096}, 5, {6, 7}, {{0, 1}, {2, 1}}});
  checkpoint.page_hashes = {{8, 9}, {10, 11}};
  const ByteBuffer good = encode_checkpoint(checkpoint);
  const auto read = decode_checkpoint(good);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->page_hashes, checkpoint.page_hashes);
  EXPECT_EQ(read->config, checkpoint.config);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    ByteBuffer bad = good;
    bad[bit / 8] = static_cast<Byte>(bad[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_FALSE(decode_checkpoint(bad).ok()) << "bit " << bit;
  }
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(decode_checkpoint(Bytes(good).first(size)).ok()) << size;
}

}  // namespace
}  // namespace worldline::storage
