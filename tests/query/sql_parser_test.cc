// tests/query/sql_parser_test.cc: what the dialect accepts and how it refuses [S 06/1.1-1.7].
#include "query/sql_parser.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/prng.h"

namespace worldline::query {
namespace {

using Json = nlohmann::json;

std::string message(std::string_view sql, Dialect dialect = Dialect::kQuery) {
  return parse_sql(sql, dialect).status().message();
}

std::string repeated(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(SqlParser, AgreesWithEveryVectorThatWasMadeByRunningTheReferenceParser) {
  const Json vectors = Json::parse(std::ifstream(WL_TEST_DATA "/vectors/sql.json"));
  size_t checked = 0;
  for (const Json& vector : vectors) {
    if (vector["basis"] != "parser-run") continue;
    const std::string mode = vector["mode"];
    const std::string sql = vector["sql"];
    const bool subscription = mode == "subscribe" || mode == "one_off";
    if (subscription && sql.empty()) continue;  // Caught before the parser.
    const auto parsed = parse_sql(sql, subscription ? Dialect::kSubscription : Dialect::kQuery);
    ++checked;
    if (vector["expected"].contains("ok")) {
      EXPECT_TRUE(parsed.ok()) << sql << ": " << parsed.status().message();
      continue;
    }
    const std::string expected =
        vector["expected"].value("error_full", vector["expected"]["error"].get<std::string>());
    EXPECT_NE(parsed.status().message().find(expected), std::string::npos)
        << sql << ": " << parsed.status().message();
  }
  EXPECT_GT(checked, 50U);
}

struct RefusalCase {
  const char* name;
  const char* sql;
  const char* text;
  Dialect dialect = Dialect::kQuery;
};
const RefusalCase kRefusals[] = {
    {"UnterminatedComment", "select * from t /* x",
     "sql parser error: Unexpected EOF while in a multi-line comment at Line: 1, Column 21"},
    {"UnterminatedString", "select 'abc", "sql parser error: Unterminated string literal"},
    {"TableWord", "select * from table", "sql parser error: Expected (, found: EOF"},
    {"UnnestWord", "select * from unnest", "sql parser error: Expected (, found: EOF"},
    {"LowerCaseLongSuffix", "select * from t where id = 5l",
     "sql parser error: Expected end of statement, found: l at Line: 1, Column 29"},
    {"ForUpdate", "select * from t for update",
     "sql parser error: Expected end of statement, found: for at Line: 1, Column 17"},
    {"CrossJoinOn", "select a.* from a cross join b on a.x = b.x",
     "sql parser error: Expected end of statement, found: on"},
    {"DeleteLimit", "delete from t limit 1", "sql parser error: Expected end of statement"},
    {"DefaultValues", "insert into t default values", "sql parser error: Expected"},
    {"LimitString", "select * from t limit '5'", "Unsupported: SELECT * FROM t LIMIT '5'"},
    {"Fetch", "select * from t fetch first 1 rows only", "Unsupported: SELECT * FROM t FETCH"},
    {"Truncate", "truncate table t", "Unsupported: TRUNCATE TABLE t"},
    {"SetLocal", "set local row_limit = 5", "Unsupported: SET LOCAL row_limit = 5"},
    {"SetTwoValues", "set row_limit = 5, 6", "Unsupported: SET row_limit = 5, 6"},
    {"TableAliasColumns", "select * from t as x(a, b)", "Unsupported FROM expression: t AS x"},
    {"CountOver", "select count(*) over () as n from t", "Unsupported aggregate function"},
    {"CountFilter", "select count(*) filter (where a) as n from t",
     "Unsupported projection expression"},
    {"CountDistinct", "select count(distinct *) as n from t", "Unsupported aggregate function"},
    {"AnyOperand", "select * from t where a = any (1)", "Unsupported expression: ANY (1)"},
    {"Tuple", "select * from t where (1, 2) = a", "Unsupported expression: (1, 2)"},
    {"Cast", "select * from t where a::int = 1", "Unsupported expression: a::INT"},
    {"CaseWord", "select * from t where case = 1", "sql parser error: Expected END"},
    {"DateLiteral", "select * from t where d = date '2020-01-01'", "Unsupported expression: date"},
    {"UpdateTuple", "update t set (a, b) = (1, 2)",
     "Unsupported column/variable assignment expression: (a, b) = (1, 2)"},
    {"UpdateFrom", "update t set a = 1 from s", "Unsupported: UPDATE t SET a = 1 FROM s"},
    {"InsertValue", "insert into t (a) values (1 + 1)", "Unsupported INSERT value: 1 + 1"},
    {"InsertConflict", "insert into t (a) values (1) on conflict do nothing",
     "Unsupported: INSERT INTO t (a) VALUES (1) ON"},
    {"SenderName", "select * from t where a = :Sender", "Unsupported literal expression: :Sender"},
    {"OrderInSubscription", "select * from t order by id", "Unsupported: SELECT * FROM t ORDER BY",
     Dialect::kSubscription},
    {"ValuesInSubscription", "values (1)", "Unsupported set operation: VALUES (1)",
     Dialect::kSubscription},
    {"CreateInSubscription", "create table t (a int)", "Unsupported: Non-SELECT queries",
     Dialect::kSubscription},
};

class SqlRefusalTest : public ::testing::TestWithParam<RefusalCase> {};

TEST_P(SqlRefusalTest, SaysWhatItDoesNotTake) {
  const RefusalCase& c = GetParam();
  EXPECT_NE(message(c.sql, c.dialect).find(c.text), std::string::npos) << message(c.sql, c.dialect);
}
INSTANTIATE_TEST_SUITE_P(S06, SqlRefusalTest, ::testing::ValuesIn(kRefusals),
                         [](const auto& test) { return test.param.name; });

TEST(SqlParser, TakesTheWordsThatPostgresReserves) {
  for (const char* sql :
       {"select * from order", "select * from values", "select * from group where group.a = 1",
        "select t.a from t semi join s", "select a as select from t", "select t.user from t",
        "show row_limit", "set session row_limit = 5", "select all * from t limit all;;",
        "select * from a.b.c where a.b.c.d = 1", "insert t (a) values (1)"})
    EXPECT_EQ(message(sql), "") << sql;
}

TEST(SqlParser, TakesFortySevenParenthesesAndNoMore) {
  const auto nested = [](size_t depth) {
    return "select * from t where " + repeated("(", depth) + "a = 1" + repeated(")", depth);
  };
  EXPECT_EQ(message(nested(47)), "");
  EXPECT_EQ(message(nested(48)), "sql parser error: recursion limit exceeded");
  EXPECT_EQ(message(nested(20'000)), "sql parser error: recursion limit exceeded");
}

TEST(SqlParser, TakesSixteenHundredOperatorsAndNoMore) {
  EXPECT_EQ(message("select * from t where a = 1" + repeated(" or a = 1", 1600)), "");
  EXPECT_EQ(message("select * from t where a = 1" + repeated(" or a = 1", 1601)),
            "Recursion limit exceeded, `sql-parser::parse_expr`");
  EXPECT_EQ(message("select * from t where a" + repeated(" = a", 1600)), "");
}

TEST(SqlParser, RefusesTextsBeyondFiftyThousandBytes) {
  const std::string sql = "select * from t where name = '" + std::string(50'000, 'x') + "'";
  EXPECT_EQ(message(sql),
            "SQL query exceeds maximum allowed length: \"" + sql.substr(0, 120) + "...\"");
}

TEST(SqlParser, KnowsSelectEverything) {
  EXPECT_TRUE(is_select_everything(" select *\n from * "));
  EXPECT_FALSE(is_select_everything("select * from *;"));
  EXPECT_FALSE(is_select_everything("select * from * -- x"));
  EXPECT_FALSE(is_select_everything("select * from t"));
}

TEST(SqlParser, SurvivesRandomTokens) {
  constexpr const char* kPieces[] = {
      "select", "*",        "from",   "t",      "where", "a",      "=",    "1",     "and",  "or",
      "(",      ")",        ",",      ";",      "'x'",   "\"q\"",  "join", "on",    ".",    "not",
      "in",     "between",  "like",   "is",     "null",  "-",      "+",    "::",    "[",    "]",
      ":",      "sender",   "limit",  "order",  "by",    "union",  "as",   "count", "case", "end",
      "insert", "into",     "values", "update", "set",   "delete", "show", "0x",    "$1",   "cast",
      "exists", "interval", "/*",     "*/",     "--",    "$$"};
  const uint64_t seed = 20261121;
  SCOPED_TRACE(seed);
  Prng prng(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string sql;
    for (uint64_t i = prng.below(24); i > 0; --i) {
      sql += kPieces[prng.below(std::size(kPieces))];
      if (!prng.chance(4)) sql += ' ';
    }
    parse_sql(sql, prng.chance(2) ? Dialect::kQuery : Dialect::kSubscription)
        .status()
        .ignore("only that it returns");
  }
}

}  // namespace
}  // namespace worldline::query
