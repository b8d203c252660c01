// tests/query/sql_text_fuzz.cc: any text gives an answer or an error, in both dialects, against a
// small database. The first byte chooses the dialect and the caller.
#include <cstddef>
#include <cstdint>
#include <string>

#include "query/sql.h"
#include "query/subscription_set.h"
#include "storage/transaction.h"
#include "tests/query/query_fixture.h"

namespace {

using namespace worldline;
using namespace worldline::query;

query::testing::TestDatabase& database() {
  static query::testing::TestDatabase* database = [] {
    auto* fresh = new query::testing::TestDatabase;
    fresh->create_table({.name = "t",
                         .columns = {{"id", "U32"}, {"name", "String"}, {"x", "F64"}},
                         .indexes = {{"id"}, {"name", "x"}},
                         .primary_key = "id"});
    fresh->create_table({.name = "s",
                         .columns = {{"tid", "U32"}, {"who", "Identity"}, {"ok", "Bool"}},
                         .indexes = {{"tid"}}});
    fresh->insert("t", query::testing::Json::parse(R"([[1,"a",0.5],[2,"b",1.5]])"));
    return fresh;
  }();
  return *database;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Caller caller = (data[0] & 1) != 0 ? query::testing::owner() : query::testing::stranger();
  if ((data[0] & 2) != 0) {
    SubscriptionSet set;
    const std::vector<std::string> texts = {text};
    query::testing::subscribe(set, {ClientHandle(1), 1, caller, texts}, database().view())
        .status()
        .ignore("any outcome is fine");
    set.check_invariants();
    return 0;
  }
  const auto statement = SqlStatement::parse(text);
  if (!statement.ok()) return 0;
  if (!statement->writes()) {
    ReadBudget budget;
    const auto result = execute_read(*statement, database().view(), caller, budget);
    if (result.ok()) statement_results_json(*result, 1).status().ignore("any outcome is fine");
    return 0;
  }
  storage::Transaction transaction = database().begin();
  execute_write(*statement, transaction, caller).status().ignore("any outcome is fine");
  transaction.rollback();
  return 0;
}
