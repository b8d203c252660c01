// A group that lost its majority: the copy that goes furthest becomes a new group [S 08/3.10].
#include "storage/log/group_rescue.h"

#include <gtest/gtest.h>

#include "storage/log/database_recovery.h"
#include "tests/storage_log/database_fixture.h"

namespace worldline::storage {
namespace {

constexpr GroupId kRescued{77};
constexpr ReplicaId kNewReplica{1};

// The directory of one node with a copy of the group.
class Copy {
 public:
  explicit Copy(uint64_t node) {
    record_.cluster.fill(9);
    record_.uuid.fill(static_cast<Byte>(node));
    record_.node = NodeId{node};
    node_.emplace(disks_);
    EXPECT_TRUE(node_->start().ok());
    EXPECT_TRUE(node_->log().write_node_record(record_).ok());
  }
  // The same calls give the same log on every copy.
  Copy& publish() {
    node_->publish();
    return seal();
  }
  Copy& put(uint32_t id, int64_t balance) {
    node_->put(id, balance);
    return seal();
  }
  Copy& seal() {
    EXPECT_TRUE(node_->seal().ok());
    return *this;
  }
  Copy& checkpoint() {
    EXPECT_TRUE(node_->checkpoint().ok());
    return *this;
  }
  Copy& later_term() {  // A start begins a term.
    node_.reset();
    node_.emplace(disks_);
    EXPECT_TRUE(node_->start().ok());
    return *this;
  }
  SurvivingCopy inspect() const {
    auto copy = inspect_copy(node_->log(), kDatabase);
    EXPECT_TRUE(copy.ok()) << copy.status().message();
    return std::move(copy).value();
  }
  TestNode& node() const { return *node_; }
  void reopen() {
    node_.reset();
    node_.emplace(disks_);
  }

 private:
  TestDisks disks_;
  NodeRecord record_;
  mutable std::optional<TestNode> node_;
};

RescueOrder order() {
  RescueOrder order;
  order.birth.group = kRescued;
  order.birth.replica = kNewReplica;
  order.birth.digest = DatabaseState::bootstrap({kRescued})->digest();
  order.config = {1, 2, 3};
  return order;
}

TEST(GroupRescueTest, GoesOnFromTheHighestTermAndThenTheHighestIndex) {
  Copy short_one(1), long_one(2), newer_term(3);
  short_one.publish().put(1, 1);
  long_one.publish().put(1, 1).put(2, 2).put(3, 3);
  newer_term.publish().later_term();
  const SurvivingCopy copies[] = {short_one.inspect(), long_one.inspect(), newer_term.inspect()};
  EXPECT_EQ(*choose_copy(std::span(copies).first(2)), 1u);
  EXPECT_EQ(*choose_copy(copies), 2u) << "a later term decides, whatever the length";
}

TEST(GroupRescueTest, RefusesAnInventoryThatCannotBe) {
  Copy one(1), same_node(1), other(2), empty(3);
  one.publish().put(1, 1);
  same_node.publish();
  other.publish().put(1, 2);  // Another entry in the same place.
  const auto refusal = [](std::initializer_list<SurvivingCopy> copies) {
    return choose_copy(std::span(copies.begin(), copies.size())).status();
  };
  EXPECT_EQ(refusal({one.inspect(), same_node.inspect()}).message(),
            "directories 1 and 2 are both of node 1: one is a copy");
  EXPECT_EQ(refusal({one.inspect(), other.inspect()}).code(), StatusCode::kCorruption);
  SurvivingCopy foreign = other.inspect();
  foreign.node.cluster.fill(1);
  EXPECT_EQ(refusal({one.inspect(), foreign}).message(),
            "directories 1 and 2 belong to different clusters");
  ASSERT_TRUE(bury_copy(one.node().log(), kDatabase, "gone").ok());
  SurvivingCopy absent = *inspect_copy(empty.node().log(), GroupId{5});
  EXPECT_EQ(absent.fault, "no copy of the group is here");
  EXPECT_EQ(refusal({one.inspect(), absent}).message(), "none of 2 copies is whole");
}

TEST(GroupRescueTest, ANewGroupHasTheStateAtTheEndOfTheLogAndTheOldOneIsOver) {
  for (const bool with_checkpoint : {false, true}) {
    SCOPED_TRACE(with_checkpoint);
    Copy copy(1);
    copy.publish().put(1, 10);
    if (with_checkpoint) copy.checkpoint();
    copy.put(2, 20).put(1, 11);
    const Accounts expected = copy.node().accounts();
    const TxOffset next = copy.node().state().next_offset();
    const SurvivingCopy found = copy.inspect();
    copy.reopen();
    LogStore& log = copy.node().log();
    CheckpointStore& checkpoints = copy.node().checkpoints();
    const Status written = write_rescued(log, checkpoints, *found.whole, order());
    ASSERT_TRUE(written.ok()) << written.message();
    EXPECT_TRUE(verify_group(log, kDatabase).ok()) << "the old one is as it was so far";
    ASSERT_TRUE(bury_copy(log, kDatabase, "node 2 and node 3 burnt").ok());
    copy.reopen();  // What counts is on disk.

    const auto group = verify_group(copy.node().log(), kRescued);
    ASSERT_TRUE(group.ok()) << group.status().message();
    EXPECT_EQ(group->tail, found.whole->tail) << "the log goes on behind the old one's end";
    EXPECT_EQ(group->hard_state.replica, kNewReplica);
    EXPECT_EQ(group->hard_state.term, found.whole->hard_state.term);
    EXPECT_EQ(group->boundary.config, order().config);
    const auto database =
        recover_database(copy.node().log(), copy.node().checkpoints(), *group, ReplayTo::kTail);
    ASSERT_TRUE(database.ok()) << database.status().message();
    EXPECT_TRUE(database->state->check_invariants().ok()) << "digests under the new group's key";
    EXPECT_EQ(database->state->next_offset(), next);
    Accounts accounts;
    for (RowCursor rows = database->state->view().find_table("accounts")->scan(); rows.next();)
      accounts[load_le<uint32_t>(rows.row().data())] = load_le<int64_t>(rows.row().data() + 4);
    EXPECT_EQ(accounts, expected);

    const Status old = verify_group(copy.node().log(), kDatabase).status();
    EXPECT_EQ(old.code(), StatusCode::kFailedPrecondition);
    EXPECT_NE(old.message().find("node 2 and node 3 burnt"), std::string::npos) << old.message();
  }
}

// Two runs of the tool: the second finds the first one's group.
TEST(GroupRescueTest, NeverOverwritesAGroup) {
  Copy copy(1);
  copy.publish().put(1, 10);
  const SurvivingCopy found = copy.inspect();
  ASSERT_TRUE(
      write_rescued(copy.node().log(), copy.node().checkpoints(), *found.whole, order()).ok());
  EXPECT_EQ(
      write_rescued(copy.node().log(), copy.node().checkpoints(), *found.whole, order()).code(),
      StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace worldline::storage
