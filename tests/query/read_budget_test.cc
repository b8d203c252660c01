// ReadBudget: what one request may cost, and how it ends early [S 06/3.2, 06/4.14].
#include "query/read_budget.h"

#include "query/first_rows.h"
#include "query/sql.h"
#include "tests/query/query_fixture.h"

namespace worldline::query {
namespace {

using testing::Json;

constexpr int kRows = 3000;

// Lets so many checks pass, then says stop.
class StopAfter final : public Interrupt {
 public:
  explicit StopAfter(int checks) : left_(checks) {}
  Status check() override {
    ++asked_;
    return left_-- > 0 ? Status() : Status::unavailable("nobody waits");
  }
  int asked() const { return asked_; }

 private:
  int left_;
  int asked_ = 0;
};

class ReadBudgetTest : public ::testing::Test {
 protected:
  ReadBudgetTest() {
    database_.create_table({.name = "t", .columns = {{"id", "U32"}, {"x", "U32"}}});
    Json rows = Json::array();
    for (int i = 0; i < kRows; ++i) rows.push_back({i, i % 7});
    database_.insert("t", rows);
  }

  Status run(const std::string& sql, ReadBudget& budget) {
    auto statement = SqlStatement::parse(sql);
    if (!statement.ok()) return statement.status();
    return execute_read(*statement, database_.view(), testing::stranger(), budget).status();
  }

  testing::TestDatabase database_;
};

TEST(ReadBudget, RefusesMoreRowsThanItsLimitAsTooLargeAndStaysSpent) {
  ReadBudget budget;
  EXPECT_TRUE(budget.look_at(kRowsVisitedMax));
  EXPECT_FALSE(budget.look_at(1));
  EXPECT_EQ(budget.status().code(), StatusCode::kTooLarge);
  EXPECT_EQ(budget.status().message(), "the query looks at more than 200000000 rows");
  EXPECT_FALSE(budget.look_at(0));
  EXPECT_FALSE(budget.add_bytes(0).ok());
}

TEST(ReadBudget, RefusesOneByteMoreThanItsLimit) {
  ReadBudget budget(10, nullptr);
  EXPECT_TRUE(budget.add_bytes(10).ok());
  const Status more = budget.add_bytes(1);
  EXPECT_EQ(more.code(), StatusCode::kTooLarge);
  EXPECT_EQ(more.message(), "the answer is larger than 10 bytes");
}

struct StopCase {
  const char* name;
  const char* sql;
};
class StoppedQueryTest : public ReadBudgetTest, public ::testing::WithParamInterface<StopCase> {};

TEST_P(StoppedQueryTest, EndsWithTheReasonOfTheInterruptSoonAfterIt) {
  StopAfter stop(1);
  ReadBudget budget(kAnswerBytesMax, &stop);
  const Status status = run(GetParam().sql, budget);
  EXPECT_EQ(status.message(), "nobody waits");
  EXPECT_EQ(stop.asked(), 2) << "nothing is looked at once it has spoken";
}

INSTANTIATE_TEST_SUITE_P(
    S06, StoppedQueryTest,
    ::testing::Values(
        StopCase{"CountOfACrossProduct",
                 "SELECT COUNT(*) AS n FROM t a JOIN t b WHERE a.id < b.id"},
        StopCase{"CrossProductWithoutAnyRow", "SELECT a.* FROM t a JOIN t b WHERE a.id < b.x"},
        StopCase{"HashJoinThatBuildsItsTable", "SELECT a.* FROM t a JOIN t b ON a.x = b.x"},
        StopCase{"ScanWithoutAnyRow", "SELECT * FROM t WHERE x = 99"}),
    [](const auto& test) { return test.param.name; });

TEST_F(ReadBudgetTest, CountsTheRowsOfAllQueriesOfARequestTogether) {
  SubscriptionSet set;
  const std::vector<std::string> texts = {"SELECT * FROM t", "SELECT * FROM t WHERE id >= 0"};
  const auto queries =
      set.subscribe({ClientHandle(1), 1, testing::stranger(), texts}, database_.view());
  ASSERT_TRUE(queries.ok());
  const size_t one = kRows * (8 + sizeof(uint64_t));
  ReadBudget both(2 * one, nullptr);
  const auto rows = first_rows(*queries, database_.view(), both);
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(rows->size(), 2U);
  ReadBudget less(2 * one - 1, nullptr);
  EXPECT_EQ(first_rows(*queries, database_.view(), less).status().code(), StatusCode::kTooLarge);
}

TEST_F(ReadBudgetTest, LimitsTheJsonOfAnAnswerToo) {
  ReadBudget budget;
  auto statement = SqlStatement::parse("SELECT * FROM t");
  const auto result = execute_read(*statement, database_.view(), testing::stranger(), budget);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(statement_results_json(*result, 1, 64 * kRows).ok());
  EXPECT_EQ(statement_results_json(*result, 1, 100).status().code(), StatusCode::kTooLarge);
}

}  // namespace
}  // namespace worldline::query
