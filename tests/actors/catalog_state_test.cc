// CatalogState: databases, names and groups as an ordinary database [S 02/3.4-3.7].
#include "storage/catalog/catalog_state.h"

#include <gtest/gtest.h>

namespace worldline::storage {
namespace {

constexpr Timestamp kNow{1000};

schema::Identity identity(Byte first) {
  schema::Identity id;
  id.le[0] = first;
  return id;
}

class CatalogStateTest : public testing::Test {
 protected:
  CatalogStateTest() : catalog_(DatabaseState::bootstrap({GroupId(1)})) {
    EXPECT_TRUE(catalog_.prepare(kNow).ok());
  }
  DatabaseRecord record(Byte id, uint64_t group) const {
    return {identity(id), GroupId(group), identity(99), 1, schema::keccak256({}), false};
  }
  CatalogState catalog_;
};

TEST_F(CatalogStateTest, FindsWhatWasAddedAndForgetsWhatWasRemoved) {
  ASSERT_TRUE(catalog_.add_database(record(1, 2), kNow).ok());
  const auto found = catalog_.find_database(identity(1));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->group, GroupId(2));
  EXPECT_EQ(found->owner, identity(99));
  EXPECT_EQ(found->initial_program, schema::keccak256({}));
  ASSERT_TRUE(catalog_.remove_database(identity(1), kNow).ok());
  EXPECT_FALSE(catalog_.find_database(identity(1)));
}

TEST_F(CatalogStateTest, NeverHandsOutAGroupTwice) {
  EXPECT_EQ(*catalog_.allocate_group(kNow), GroupId(2));
  EXPECT_EQ(*catalog_.allocate_group(kNow), GroupId(3));
  EXPECT_EQ(*catalog_.allocate_group(kNow), GroupId(4));
}

TEST_F(CatalogStateTest, RefusesANameThatIsTaken) {
  ASSERT_TRUE(catalog_.add_name({"shop", identity(1), identity(99)}, kNow).ok());
  const Status again = catalog_.add_name({"shop", identity(2), identity(98)}, kNow);
  EXPECT_EQ(again.code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(again.message(), "record with the name shop already exists");
  EXPECT_EQ(catalog_.find_name("shop")->database, identity(1));
}

TEST_F(CatalogStateTest, ReplacesAllNamesOrNone) {
  ASSERT_TRUE(catalog_.add_name({"a", identity(1), identity(99)}, kNow).ok());
  ASSERT_TRUE(catalog_.add_name({"taken", identity(2), identity(98)}, kNow).ok());
  EXPECT_EQ(catalog_.replace_names(identity(1), identity(99), {"b", "taken"}, kNow).message(),
            "taken");
  EXPECT_TRUE(catalog_.find_name("a"));
  ASSERT_TRUE(catalog_.replace_names(identity(1), identity(99), {"b", "c"}, kNow).ok());
  EXPECT_FALSE(catalog_.find_name("a"));
  EXPECT_EQ(catalog_.names().size(), 3u);
}

// [S 08/2 I-20]: also if the clock stands still or goes back.
TEST_F(CatalogStateTest, GivesEachTransactionALaterTimestamp) {
  constexpr Timestamp kLogged{5000};
  catalog_.take_committed();
  catalog_.continue_after(kLogged);
  ASSERT_TRUE(catalog_.allocate_group(kNow).ok());
  ASSERT_TRUE(catalog_.add_name({"a", identity(1), identity(99)}, kNow).ok());
  ASSERT_TRUE(catalog_.add_name({"b", identity(1), identity(99)}, Timestamp{9000}).ok());
  ASSERT_TRUE(catalog_.add_name({"c", identity(1), identity(99)}, kNow).ok());
  std::vector<int64_t> times;
  for (const auto& tx : catalog_.take_committed()) times.push_back(tx->timestamp.micros);
  EXPECT_EQ(times, (std::vector<int64_t>{5001, 5002, 9000, 9001}));
}

TEST_F(CatalogStateTest, IsTheSameAfterReplayOfItsTransactions) {
  ASSERT_TRUE(catalog_.allocate_group(kNow).ok());
  ASSERT_TRUE(catalog_.add_database(record(1, 2), kNow).ok());
  auto changed = record(1, 2);
  changed.locked = true;
  ASSERT_TRUE(catalog_.replace_database(changed, kNow).ok());
  auto follower = DatabaseState::bootstrap({GroupId(1)});
  for (const auto& tx : catalog_.take_committed())
    ASSERT_TRUE(follower->apply(const_cast<TxData&>(*tx)).ok());
  EXPECT_EQ(follower->digest(), catalog_.state().digest());
  CatalogState copy(std::move(follower));
  ASSERT_TRUE(copy.prepare(kNow).ok());
  EXPECT_TRUE(copy.find_database(identity(1))->locked);
}

}  // namespace
}  // namespace worldline::storage
