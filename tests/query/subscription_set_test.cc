// tests/query/subscription_set_test.cc: registration, sharing, pruning and delivery
// [S 06/2-4, 02/10.2-10.7].
#include "query/subscription_set.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "query/first_rows.h"
#include "query/sql.h"
#include "schema/protocol/row_list.h"
#include "schema/protocol/wire_reader.h"
#include "storage/snapshot.h"
#include "storage/system_tables.h"
#include "storage/transaction.h"
#include "tests/query/query_fixture.h"

namespace worldline::query {
namespace {

using testing::Json;
using testing::TestDatabase;

class SubscriptionSetTest : public ::testing::Test {
 protected:
  SubscriptionSetTest() {
    database_.create_table({.name = "player",
                            .columns = {{"id", "U32"}, {"name", "String"}, {"zone", "U32"}},
                            .indexes = {{"id"}, {"zone"}},
                            .primary_key = "id"});
    database_.create_table({.name = "item",
                            .columns = {{"id", "U32"}, {"owner", "U32"}},
                            .indexes = {{"id"}, {"owner"}},
                            .primary_key = "id"});
    database_.create_table({.name = "secret", .columns = {{"id", "U32"}}, .is_public = false});
    database_.create_table({.name = "shout", .columns = {{"text", "String"}}, .is_event = true});
    database_.create_table(
        {.name = "mine", .columns = {{"who", "Identity"}, {"n", "U32"}}, .indexes = {{"who"}}});
    database_.insert("player", Json::parse(R"([[1,"ann",7],[2,"bob",7],[3,"cat",8]])"));
    database_.insert("item", Json::parse("[[10,1],[11,1],[12,2]]"));
  }

  Result<std::vector<RowBlock>> subscribe(uint64_t client, uint32_t id,
                                          std::vector<std::string> queries,
                                          Caller caller = testing::owner()) {
    auto result =
        testing::subscribe(set_, {ClientHandle(client), id, caller, queries}, database_.view());
    set_.check_invariants();
    return result;
  }

  std::string subscribe_error(std::vector<std::string> queries, Caller caller = testing::owner()) {
    return subscribe(99, 99, std::move(queries), caller).status().message();
  }

  TransactionUpdates change(const std::map<std::string, Json>& deletes,
                            const std::map<std::string, Json>& inserts) {
    const auto tx = database_.change(deletes, inserts);
    const auto snapshot = set_.needs_snapshot(*tx) ? database_.state().pin() : nullptr;
    pinned_ = snapshot != nullptr;
    return set_.evaluate(*tx, snapshot.get());
  }
  TransactionUpdates insert_player(uint32_t id, uint32_t zone) {
    return change({}, {{"player", Json::array({Json::array({id, "new", zone})})}});
  }

  static std::vector<std::string> shape(const TransactionUpdates& updates) {
    std::vector<std::string> out;
    for (const Delivery& delivery : updates.deliveries) {
      const DeltaBlock& block = *updates.blocks[delivery.block];
      out.push_back(std::to_string(delivery.client.value) + "/" +
                    std::to_string(delivery.query_set_id) + " " + block.table_name + " +" +
                    std::to_string(block.inserts_count) + " -" +
                    std::to_string(block.deletes_count));
    }
    return out;
  }
  using Shape = std::vector<std::string>;

  TestDatabase database_;
  SubscriptionSet set_;
  bool pinned_ = false;  // Did the last change() need a snapshot?
};

TEST_F(SubscriptionSetTest, SharesOneEvaluationAndOneBufferAmongEqualMeanings) {
  ASSERT_TRUE(subscribe(1, 1, {"SELECT * FROM player WHERE zone = 7 AND id > 1"}).ok());
  ASSERT_TRUE(
      subscribe(2, 5, {"select p.* from player p where p.id>1 and (7 = zone)"}, testing::stranger())
          .ok());
  ASSERT_TRUE(subscribe(3, 1, {"SELECT * FROM player WHERE zone = 8"}).ok());
  EXPECT_EQ(set_.distinct_query_count(), 2U);
  EXPECT_EQ(set_.query_set_count(), 3U);
  const auto updates = insert_player(9, 7);
  EXPECT_EQ(updates.blocks.size(), 1U);
  EXPECT_EQ(shape(updates), (Shape{"1/1 player +1 -0", "2/5 player +1 -0"}));
}

TEST_F(SubscriptionSetTest, BindsSenderPerIdentity) {
  const std::vector<std::string> text = {"SELECT * FROM mine WHERE who = :sender"};
  ASSERT_TRUE(subscribe(1, 1, text, testing::owner()).ok());
  ASSERT_TRUE(subscribe(2, 1, text, testing::stranger()).ok());
  EXPECT_EQ(set_.distinct_query_count(), 2U);
  const std::string stranger = testing::stranger().identity.to_hex();
  EXPECT_EQ(shape(change({}, {{"mine", Json::array({Json::array({stranger, 5})})}})),
            (Shape{"2/1 mine +1 -0"}));
}

TEST_F(SubscriptionSetTest, DeliversByClientThenSetThenTableName) {
  ASSERT_TRUE(subscribe(2, 9, {"SELECT * FROM player", "SELECT * FROM item"}).ok());
  ASSERT_TRUE(subscribe(2, 3, {"SELECT * FROM player WHERE zone = 7"}).ok());
  ASSERT_TRUE(subscribe(1, 4, {"SELECT * FROM item"}).ok());
  const auto updates =
      change({{"player", Json::parse(R"([[1,"ann",7]])")}},
             {{"player", Json::parse(R"([[1,"ann",8]])")}, {"item", Json::parse("[[20,1]]")}});
  EXPECT_EQ(shape(updates),
            (Shape{"1/4 item +1 -0", "2/3 player +0 -1", "2/9 item +1 -0", "2/9 player +1 -1"}));
}

TEST_F(SubscriptionSetTest, MergesEqualTextsOfOneSetAndKeepsOtherSpellings) {
  const auto rows =
      subscribe(1, 1, {"SELECT * FROM player", "  SELECT * FROM player ", "select * from player"});
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->size(), 2U);
  EXPECT_EQ(set_.distinct_query_count(), 1U);
  EXPECT_EQ(shape(insert_player(9, 9)), (Shape{"1/1 player +1 -0", "1/1 player +1 -0"}));
  ASSERT_TRUE(set_.unsubscribe(ClientHandle(1), 1).ok());
  EXPECT_EQ(set_.distinct_query_count(), 0U);
}

TEST_F(SubscriptionSetTest, RegistersAllQueriesOrNone) {
  EXPECT_EQ(subscribe_error({"SELECT * FROM player", "SELECT * FROM nope"}),
            "no such table: `nope`. If the table exists, it may be marked private., executing: "
            "`SELECT * FROM nope`");
  EXPECT_EQ(subscribe_error({"  "}), "SubscriptionError: Empty string, executing: ``");
  EXPECT_EQ(subscribe_error({"SELECT * FROM secret"}, testing::stranger()),
            "no such table: `secret`. If the table exists, it may be marked private., executing: "
            "`SELECT * FROM secret`");
  EXPECT_EQ(set_.distinct_query_count(), 0U);
  EXPECT_EQ(set_.client_count(), 0U);
}

TEST_F(SubscriptionSetTest, KeepsTheOldSetWhenItsIdIsTakenTwice) {
  ASSERT_TRUE(subscribe(1, 1, {"SELECT * FROM player"}).ok());
  const Status again = subscribe(1, 1, {"SELECT * FROM item"}).status();
  EXPECT_EQ(again.message().find("Subscription with id "), 0U);
  EXPECT_EQ(shape(insert_player(9, 9)), (Shape{"1/1 player +1 -0"}));
}

TEST_F(SubscriptionSetTest, AcceptsAnEmptyListOfQueries) {
  const auto rows = subscribe(1, 1, {});
  ASSERT_TRUE(rows.ok());
  EXPECT_TRUE(rows->empty());
  EXPECT_EQ(set_.query_set_count(), 1U);
}

TEST_F(SubscriptionSetTest, OmitsQueriesOverEmptyTablesOnly) {
  const auto rows = subscribe(1, 1,
                              {"SELECT * FROM mine", "SELECT * FROM player WHERE id = 77",
                               "SELECT * FROM shout", "SELECT * FROM item"});
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ((*rows)[0].table_name, "player");
  EXPECT_EQ((*rows)[0].row_count, 0U);
  EXPECT_EQ((*rows)[1].table_name, "item");
  EXPECT_EQ((*rows)[1].row_count, 3U);
}

TEST_F(SubscriptionSetTest, ExpandsSelectEverythingToReadableTablesWithoutEvents) {
  ASSERT_TRUE(subscribe(1, 1, {"select * from *"}, testing::stranger()).ok());
  EXPECT_EQ(set_.distinct_query_count(), 3U);  // player, item, mine.
  ASSERT_TRUE(subscribe(2, 1, {"select * from *"}).ok());
  EXPECT_EQ(set_.distinct_query_count(), 4U);  // And secret.
}

TEST_F(SubscriptionSetTest, GivesTheQueriesOfASetItForgetsForTheirRows) {
  ASSERT_TRUE(subscribe(1, 1, {"SELECT * FROM player WHERE zone = 7"}).ok());
  const auto queries = set_.unsubscribe(ClientHandle(1), 1);
  ASSERT_TRUE(queries.ok());
  ReadBudget budget;
  const auto rows = first_rows(*queries, database_.view(), budget);
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ((*rows)[0].row_count, 2U);
  EXPECT_TRUE(insert_player(9, 7).deliveries.empty());
  EXPECT_TRUE(subscribe(1, 1, {"SELECT * FROM item"}).ok());
  const auto unknown = [&](uint64_t client, uint32_t id) {
    return set_.unsubscribe(ClientHandle(client), id).status().message();
  };
  EXPECT_EQ(unknown(1, 2), "Subscription not found: 2");
  EXPECT_EQ(unknown(5, 2), "Client not found: 5");
}

TEST_F(SubscriptionSetTest, ForgetsAClientCompletely) {
  ASSERT_TRUE(subscribe(1, 1, {"SELECT * FROM player"}).ok());
  ASSERT_TRUE(subscribe(1, 2, {"SELECT * FROM player WHERE id = 4", "SELECT * FROM item"}).ok());
  ASSERT_TRUE(subscribe(2, 1, {"SELECT * FROM item"}).ok());
  set_.remove_client(ClientHandle(1));
  set_.remove_client(ClientHandle(1));
  set_.check_invariants();
  EXPECT_EQ(set_.distinct_query_count(), 1U);
  EXPECT_TRUE(insert_player(4, 4).deliveries.empty());
}

TEST_F(SubscriptionSetTest, PinsOnlyForJoinsThatAChangedRowConcerns) {
  ASSERT_TRUE(subscribe(1, 1, {"SELECT * FROM player"}).ok());
  insert_player(50, 1);
  EXPECT_FALSE(pinned_);
  ASSERT_TRUE(subscribe(1, 2,
                        {"SELECT item.* FROM item JOIN player ON item.owner = player.id "
                         "WHERE player.zone = 7"})
                  .ok());
  EXPECT_EQ(shape(insert_player(51, 8)), (Shape{"1/1 player +1 -0"}));
  EXPECT_FALSE(pinned_);
  insert_player(52, 7);
  EXPECT_TRUE(pinned_);
  const auto updates = change({}, {{"item", Json::parse("[[30,52],[31,51]]")}});
  EXPECT_EQ(shape(updates), (Shape{"1/2 item +1 -0"}));
}

TEST_F(SubscriptionSetTest, PrunesByEqualityRangeAndAlternatives) {
  ASSERT_TRUE(subscribe(1, 1, {"SELECT * FROM player WHERE id = 70 OR id = 71"}).ok());
  ASSERT_TRUE(subscribe(2, 1, {"SELECT * FROM player WHERE id > 69 AND id <= 71"}).ok());
  ASSERT_TRUE(subscribe(3, 1, {"SELECT * FROM player WHERE name >= 'new' AND zone <> 4"}).ok());
  EXPECT_EQ(shape(insert_player(69, 1)), (Shape{"3/1 player +1 -0"}));
  EXPECT_EQ(shape(insert_player(70, 4)), (Shape{"1/1 player +1 -0", "2/1 player +1 -0"}));
  EXPECT_EQ(shape(insert_player(71, 4)), (Shape{"1/1 player +1 -0", "2/1 player +1 -0"}));
  EXPECT_EQ(shape(insert_player(72, 4)), (Shape{}));
}

TEST_F(SubscriptionSetTest, LeadsFromAChangedRowThroughItsPartnersToTheQueries) {
  for (uint32_t zone = 0; zone < 50; ++zone)
    ASSERT_TRUE(
        subscribe(zone, 1,
                  {"SELECT i.* FROM item i JOIN player p ON i.owner = p.id WHERE p.zone = " +
                   std::to_string(zone)})
            .ok());
  EXPECT_EQ(shape(change({}, {{"item", Json::parse("[[30,3]]")}})), (Shape{"8/1 item +1 -0"}));
  EXPECT_EQ(set_.evaluated_query_count(), 1U);
  EXPECT_TRUE(change({}, {{"item", Json::parse("[[31,99]]")}}).deliveries.empty());
  EXPECT_EQ(set_.evaluated_query_count(), 0U);
  // The partner moves to another zone in the transaction that brings the row.
  const auto moved =
      change({{"player", Json::parse(R"([[3,"cat",8]])")}},
             {{"player", Json::parse(R"([[3,"cat",9]])")}, {"item", Json::parse("[[32,3]]")}});
  EXPECT_EQ(shape(moved), (Shape{"8/1 item +0 -1", "9/1 item +2 -0"}));
  EXPECT_EQ(set_.evaluated_query_count(), 2U);
}

TEST_F(SubscriptionSetTest, FailsSetsThatNeedAStateNobodyPinned) {
  const std::string join = "SELECT i.* FROM item i JOIN player p ON i.owner = p.id";
  ASSERT_TRUE(subscribe(1, 1, {join}).ok());
  ASSERT_TRUE(subscribe(2, 1, {join + " WHERE p.zone = 7"}).ok());
  ASSERT_TRUE(subscribe(2, 2, {"SELECT * FROM item"}).ok());
  const auto tx = database_.change({}, {{"item", Json::parse("[[30,1]]")}});
  const auto updates = set_.evaluate(*tx, nullptr);
  EXPECT_EQ(shape(updates), (Shape{"2/2 item +1 -0"}));
  EXPECT_EQ(updates.failures.size(), 2U);
  EXPECT_EQ(set_.query_set_count(), 1U);
  set_.check_invariants();
}

TEST_F(SubscriptionSetTest, DeliversEventsOnceWithoutDeletes) {
  ASSERT_TRUE(subscribe(1, 1, {"SELECT * FROM shout"}).ok());
  const auto updates = change({}, {{"shout", Json::parse(R"([["hi"]])")}});
  ASSERT_EQ(updates.blocks.size(), 1U);
  EXPECT_EQ(updates.blocks[0]->kind, DeltaBlock::Kind::kEvent);
  EXPECT_EQ(shape(updates), (Shape{"1/1 shout +1 -0"}));
}

TEST_F(SubscriptionSetTest, DropsSetsWhoseTableIsGoneAfterASchemaChange) {
  ASSERT_TRUE(subscribe(1, 1, {"SELECT * FROM player"}).ok());
  ASSERT_TRUE(subscribe(1, 2, {"SELECT * FROM mine", "SELECT * FROM player"}).ok());
  storage::Transaction transaction = database_.begin();
  const TableId mine = database_.schema("mine").id;
  ASSERT_TRUE(transaction.drop_table(mine).ok());
  transaction.commit();
  const auto failures = set_.recompile(database_.view());
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].query_set_id, 2U);
  set_.check_invariants();
  EXPECT_EQ(shape(insert_player(9, 9)), (Shape{"1/1 player +1 -0"}));
}

TEST_F(SubscriptionSetTest, LimitsWhatOthersMayRead) {
  storage::Transaction transaction = database_.begin();
  const auto statement = SqlStatement::parse("SET row_limit = 3");
  ASSERT_TRUE(execute_write(*statement, transaction, testing::owner()).ok());
  transaction.commit();
  EXPECT_EQ(subscribe_error({"SELECT * FROM player", "SELECT * FROM item"}, testing::stranger()),
            "Estimated cardinality (6 rows) exceeds limit (3 rows)");
  EXPECT_TRUE(subscribe(1, 1, {"SELECT * FROM player"}, testing::stranger()).ok());
  EXPECT_TRUE(subscribe(1, 2, {"SELECT * FROM item WHERE id = 1"}, testing::stranger()).ok());
  EXPECT_TRUE(subscribe(2, 1, {"SELECT * FROM player", "SELECT * FROM item"}).ok());
}

TEST_F(SubscriptionSetTest, HidesTheProgramFromOthers) {
  storage::Transaction transaction = database_.begin();
  storage::ModuleRow module;
  module.program_bytes = {1, 2, 3};
  ASSERT_TRUE(storage::write_module_row(transaction, module).ok());
  transaction.commit();
  const std::vector<std::string> text = {"SELECT * FROM st_module"};
  const auto others = subscribe(1, 1, text, testing::stranger());
  const auto owners = subscribe(2, 1, text, testing::owner());
  ASSERT_TRUE(others.ok() && owners.ok());
  EXPECT_EQ(set_.distinct_query_count(), 2U);
  EXPECT_EQ((*others)[0].encoded->size() + 3, (*owners)[0].encoded->size());
  const auto statement = SqlStatement::parse("SELECT program_bytes FROM st_module");
  ReadBudget budget;
  const auto mine = execute_read(*statement, database_.view(), testing::owner(), budget);
  const auto theirs = execute_read(*statement, database_.view(), testing::stranger(), budget);
  EXPECT_EQ(mine->rows, (ByteBuffer{3, 0, 0, 0, 1, 2, 3}));
  EXPECT_EQ(theirs->rows, (ByteBuffer{0, 0, 0, 0}));
  const auto guess = SqlStatement::parse("SELECT * FROM st_module WHERE program_bytes = 0x010203");
  EXPECT_EQ(execute_read(*guess, database_.view(), testing::stranger(), budget)->row_count, 0U);
  EXPECT_EQ(execute_read(*guess, database_.view(), testing::owner(), budget)->row_count, 1U);
}

TEST_F(SubscriptionSetTest, RefusesDmlOnSystemTables) {
  for (const char* sql : {"DELETE FROM st_table", "UPDATE st_client SET identity = 1"}) {
    storage::Transaction transaction = database_.begin();
    const auto statement = SqlStatement::parse(sql);
    const auto result = execute_write(*statement, transaction, testing::owner());
    EXPECT_NE(result.status().message().find("System table `st_"), std::string::npos);
  }
}

TEST_F(SubscriptionSetTest, NamesRowLevelSecurityInsteadOfIgnoringIt) {
  storage::Transaction transaction = database_.begin();
  const auto row = Json::array({database_.schema("player").id.value, "SELECT * FROM player"});
  const auto& type = database_.schema("st_row_level_security").row_type;
  ASSERT_TRUE(
      transaction.insert(storage::kStRowLevelSecurity, testing::encode_row(row, type)).ok());
  transaction.commit();
  EXPECT_NE(subscribe_error({"SELECT * FROM player"}, testing::stranger())
                .find("row-level security, which is not supported yet"),
            std::string::npos);
  EXPECT_TRUE(subscribe(1, 1, {"SELECT * FROM player"}).ok());
}

}  // namespace
}  // namespace worldline::query
