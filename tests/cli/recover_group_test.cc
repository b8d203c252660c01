// `worldline recover-group` on real data directories: what it refuses, what it writes, what is left
// of the old copies [S 08/3.10].
#include "cli/recover_group.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "cli/exit_codes.h"
#include "replication/log_adapter.h"
#include "storage/catalog/catalog_state.h"
#include "storage/log/group_appender.h"
#include "storage/log/group_recovery.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/rocksdb_store.h"
#include "tests/cli/cli_fixture.h"
#include "tests/storage_log/database_fixture.h"

namespace worldline::cli {
namespace {

using storage::kCatalogGroup;
using storage::kDatabase;

schema::Identity shop_identity() {
  schema::Identity identity;
  identity.le[0] = 7;
  return identity;
}

// A node's data directory while no node runs on it.
class NodeDirectory {
 public:
  NodeDirectory(const std::string& path, uint64_t node) : path_(path), node_(node) {
    EXPECT_TRUE(storage::DataDirectory::open(path).ok());
    storage::NodeRecord record;
    record.cluster.fill(9);
    record.uuid.fill(static_cast<Byte>(node));
    record.node = NodeId{node};
    EXPECT_TRUE(log()->write_node_record(record).ok());
  }
  const std::string& path() const { return path_; }

  std::unique_ptr<storage::LogStore> log() const {
    return std::make_unique<storage::LogStore>(open(storage::DatabaseRole::kLog, "log"));
  }
  std::unique_ptr<storage::CheckpointStore> checkpoints() const {
    return std::make_unique<storage::CheckpointStore>(
        open(storage::DatabaseRole::kCheckpoint, "ckpt"));
  }

  // A copy of the database with some accounts in it; of `voters` members 1 to that many.
  void add_copy(uint64_t voters, uint32_t accounts) const {
    replication::Membership members;
    for (uint64_t i = 1; i <= voters; ++i) {
      members.voters.emplace_back(i);
      members.members.push_back({ReplicaId{i}, NodeId{i}, {}});
    }
    const auto digest = storage::DatabaseState::bootstrap({kDatabase})->digest();
    ASSERT_TRUE(
        log()
            ->create_group(replication::group_birth(kDatabase, ReplicaId{node_}, members, digest))
            .ok());
    storage::TestNode node(open(storage::DatabaseRole::kLog, "log"),
                           open(storage::DatabaseRole::kCheckpoint, "ckpt"));
    ASSERT_TRUE(node.start().ok());
    node.publish();
    ASSERT_TRUE(node.seal().ok());
    for (uint32_t id = 1; id <= accounts; ++id) {
      node.put(id, 100 + id);
      ASSERT_TRUE(node.seal().ok());
    }
  }

  // The catalog of a node alone that has the database as `shop`.
  void add_catalog() const {
    replication::Membership alone;
    alone.voters = {ReplicaId{1}};
    alone.members = {{ReplicaId{1}, NodeId{node_}, {}}};
    auto bare = storage::DatabaseState::bootstrap({kCatalogGroup});
    const storage::Digest128 birth = bare->digest();
    ASSERT_TRUE(
        log()
            ->create_group(replication::group_birth(kCatalogGroup, ReplicaId{1}, alone, birth))
            .ok());
    const auto store = log();
    const auto verified = storage::verify_group(*store, kCatalogGroup);
    ASSERT_TRUE(storage::adopt_group(*store, *verified).ok());
    storage::CatalogState catalog(std::move(bare));
    ASSERT_TRUE(catalog.prepare(Timestamp{1}).ok());
    storage::DatabaseRecord record;
    record.database = shop_identity();
    record.group = kDatabase;
    ASSERT_TRUE(catalog.add_database(record, Timestamp{2}).ok());
    ASSERT_TRUE(catalog.add_name({"shop", shop_identity(), {}}, Timestamp{3}).ok());
    storage::GroupAppender appender(
        {kCatalogGroup, verified->hard_state, verified->tail, 0, Timestamp{}}, {});
    ASSERT_TRUE(store->write(appender.begin_term({{}, {}, {}, TxOffset{0}, birth})).ok());
    for (const auto& tx : catalog.take_committed()) appender.add(*tx);
    ASSERT_TRUE(store->write(appender.seal(catalog.state().digest(), {})).ok());
  }

  storage::RecoveredDatabase recover(GroupId group) const {
    const auto verified = storage::verify_group(*log(), group);
    EXPECT_TRUE(verified.ok()) << verified.status().message();
    auto found =
        storage::recover_database(*log(), *checkpoints(), *verified, storage::ReplayTo::kTail);
    EXPECT_TRUE(found.ok()) << found.status().message();
    return std::move(found).value();
  }

 private:
  std::unique_ptr<storage::KeyValueStore> open(storage::DatabaseRole role, const char* name) const {
    storage::RocksdbOptions options;
    options.role = role;
    options.path = path_ + "/" + name;
    options.memtable_bytes = 1024 * 1024;
    auto store = storage::open_rocksdb(options);
    EXPECT_TRUE(store.ok()) << store.status().message();
    return std::move(store).value();
  }

  const std::string path_;
  const uint64_t node_;
};

class RecoverGroupTest : public testing::Test {
 protected:
  // Two of five: nobody can lead any more. The second node's copy goes further, and has a catalog.
  void SetUp() override {
    first_.add_copy(5, 1);
    second_.add_copy(5, 3);
    second_.add_catalog();
  }
  RecoverGroupOptions order() const {
    RecoverGroupOptions options;
    options.data_dirs = {first_.path(), second_.path()};
    options.database = "shop";
    options.all_survivors = true;
    options.data_loss = "nodes 3, 4 and 5 burnt";
    return options;
  }
  int run(const RecoverGroupOptions& options) {
    console_.out_text.clear();
    console_.err_text.clear();
    return run_recover_group(options, console_);
  }
  bool said(std::string_view text) const {
    return (console_.out_text + console_.err_text).find(text) != std::string::npos;
  }
  std::string all() const { return console_.out_text + console_.err_text; }

  TemporaryDirectory root_;
  NodeDirectory first_{root_.path() + "/a", 1};
  NodeDirectory second_{root_.path() + "/b", 2};
  FakeConsole console_;
};

TEST_F(RecoverGroupTest, ADryRunShowsTheCopiesAndChangesNothing) {
  RecoverGroupOptions options = order();
  options.all_survivors = false;
  options.data_loss.clear();
  options.dry_run = true;
  EXPECT_EQ(run(options), 0) << all();
  EXPECT_TRUE(said("/a  node 1  replica 1: whole, ends at term 2 index 4")) << all();
  EXPECT_TRUE(said("/b  node 2  replica 2: whole, ends at term 2 index 6")) << all();
  EXPECT_TRUE(said("3 on node 3 (missing)")) << all();
  EXPECT_TRUE(said("Dry run: nothing was changed.")) << all();
  for (const NodeDirectory* node : {&first_, &second_})
    EXPECT_TRUE(storage::verify_group(*node->log(), kDatabase).ok());
  EXPECT_EQ(second_.log()->groups()->size(), 2u);
}

TEST_F(RecoverGroupTest, RefusesWhatTheOperatorDidNotSay) {
  struct Case {
    const char* name;
    std::function<void(RecoverGroupOptions&)> spoil;
    const char* says;
  };
  const Case cases[] = {
      {"Incomplete", [](auto& o) { o.all_survivors = false; }, "--all-survivors is missing"},
      {"NoStatement", [](auto& o) { o.data_loss.clear(); }, "--data-loss is missing"},
      {"NoGroup", [](auto& o) { o.database.clear(); }, "name one of --group and --database"},
      {"BothNames", [](auto& o) { o.group = 42; }, "name one of --group and --database"},
      {"Catalog", [](auto& o) { o.database.clear(), o.group = 1; }, "group 1 is the catalog"},
      {"NoDirectory", [](auto& o) { o.data_dirs.clear(); }, "name the data directories"},
      {"UsedId", [](auto& o) { o.new_group = 42; }, "ids up to 42 were used already"},
  };
  for (const Case& c : cases) {
    RecoverGroupOptions options = order();
    c.spoil(options);
    EXPECT_EQ(run(options), 2) << c.name;
    EXPECT_TRUE(said(c.says)) << c.name << ": " << all();
  }
  RecoverGroupOptions options = order();
  options.database = "nobody";
  EXPECT_EQ(run(options), kExitFailure);
  EXPECT_TRUE(said("knows the database nobody")) << all();
  options = order();
  options.data_dirs.push_back(root_.path() + "/c");
  EXPECT_EQ(run(options), kExitFailure);
  EXPECT_TRUE(said("/c: no node has lived here")) << all();
  EXPECT_TRUE(storage::verify_group(*second_.log(), kDatabase).ok());
}

TEST_F(RecoverGroupTest, RefusesADirectoryInUse) {
  const auto lock = storage::DataDirectory::open(first_.path());
  EXPECT_EQ(run(order()), kExitDirectory);
  EXPECT_TRUE(said(first_.path())) << all();
}

TEST_F(RecoverGroupTest, BeginsANewGroupWhereTheFurthestCopyEndsAndMarksTheOldOnes) {
  ASSERT_EQ(run(order()), 0) << all();
  EXPECT_TRUE(said("The new group 43 goes on from " + second_.path())) << all();

  storage::CatalogState catalog(std::move(second_.recover(kCatalogGroup).state));
  ASSERT_TRUE(catalog.prepare(Timestamp{1}).ok());
  EXPECT_EQ(catalog.find_database(shop_identity())->group, GroupId{43});
  EXPECT_EQ(*catalog.allocate_group(Timestamp{2}), GroupId{44}) << "no id is used twice";

  const storage::RecoveredDatabase found = second_.recover(GroupId{43});
  EXPECT_TRUE(found.state->check_invariants().ok());
  EXPECT_EQ(found.state->view().find_table("accounts")->row_count(), 3u);
  const auto group = storage::verify_group(*second_.log(), GroupId{43});
  const auto boundary = replication::decode_log_boundary(group->boundary);
  EXPECT_EQ(boundary->config.voters, replication::ReplicaSet{ReplicaId{1}});
  EXPECT_EQ(boundary->config.members[0].node, NodeId{2});
  EXPECT_TRUE(replication::restore_state(*second_.log(), *group).ok());

  for (const NodeDirectory* node : {&first_, &second_}) {
    const Status old = storage::verify_group(*node->log(), kDatabase).status();
    EXPECT_EQ(old.code(), StatusCode::kFailedPrecondition);
    EXPECT_NE(old.message().find("nodes 3, 4 and 5 burnt"), std::string::npos) << old.message();
  }
  EXPECT_NE(root_.read("b/data-loss-group-42.txt").find("nodes 3, 4 and 5 burnt"),
            std::string::npos);
  RecoverGroupOptions again = order();
  again.database.clear();
  again.group = kDatabase.value;
  EXPECT_EQ(run(again), kExitFailure);
  EXPECT_TRUE(said("none of 2 copies is whole")) << all();
}

// A running catalog elsewhere must name the id, and be told.
TEST_F(RecoverGroupTest, NeedsAnIdWhereTheCatalogIsNotThisNodesAlone) {
  RecoverGroupOptions options = order();
  options.data_dirs = {first_.path()};
  options.database.clear();
  options.group = kDatabase.value;
  EXPECT_EQ(run(options), 2);
  EXPECT_TRUE(said("name it with --new-group")) << all();
  options.new_group = 50;
  ASSERT_EQ(run(options), 0) << all();
  EXPECT_TRUE(said("let the catalog point the database to the new group")) << all();
  EXPECT_EQ(first_.recover(GroupId{50}).state->view().find_table("accounts")->row_count(), 1u);
}

TEST(RecoverGroupMajorityTest, RefusesAGroupThatCanStillElectALeader) {
  const TemporaryDirectory root;
  const NodeDirectory one(root.path() + "/a", 1), two(root.path() + "/b", 2);
  for (const NodeDirectory* node : {&one, &two}) node->add_copy(3, 2);
  RecoverGroupOptions options;
  options.data_dirs = {one.path(), two.path()};
  options.group = kDatabase.value;
  options.all_survivors = true;
  options.data_loss = "node 3 burnt";
  FakeConsole console;
  EXPECT_EQ(run_recover_group(options, console), kExitFailure);
  EXPECT_NE(console.err_text.find("a majority of the voters is whole"), std::string::npos);
  EXPECT_TRUE(storage::verify_group(*one.log(), kDatabase).ok());
}

}  // namespace
}  // namespace worldline::cli
