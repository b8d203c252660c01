// tests/query/transcript_test.cc: replays the readable sessions in tests/query/scripts/*.wltest.
//
// A script is a list of blocks: a command (the first line; `tx` has more), `----`, what it prints,
// a blank line. Commands:
//   table NAME column:Type... [key=COLUMN] [index=COLUMN,COLUMN] [event] [private]
//   sql TEXT            as the owner; `sql-other TEXT` as somebody else
//   subscribe CLIENT/SET TEXT   (also subscribe-other)
//   tx                  followed by lines `+ TABLE ROW` and `- TABLE ROW`
// WL_REWRITE=1 writes what was printed back into the scripts, to be reviewed as a diff.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "query/sql.h"
#include "query/subscription_set.h"
#include "schema/protocol/row_list.h"
#include "schema/protocol/wire_reader.h"
#include "schema/sats_json.h"
#include "storage/snapshot.h"
#include "storage/transaction.h"
#include "tests/query/query_fixture.h"

namespace worldline::query {
namespace {

using testing::Json;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

std::string sorted_lines(std::vector<std::string> lines) {
  std::sort(lines.begin(), lines.end());
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

class Session {
 public:
  std::string run(const std::vector<std::string>& lines) {
    const size_t blank = std::min(lines[0].find(' '), lines[0].size());
    const std::string command = lines[0].substr(0, blank);
    const std::string rest = lines[0].substr(std::min(blank + 1, lines[0].size()));
    if (command == "table") return create_table(rest);
    if (command == "sql") return run_sql(rest, testing::owner());
    if (command == "sql-other") return run_sql(rest, testing::stranger());
    if (command == "subscribe") return subscribe(rest, testing::owner());
    if (command == "subscribe-other") return subscribe(rest, testing::stranger());
    if (command == "tx") return run_transaction(lines);
    return "unknown command\n";
  }

 private:
  std::string create_table(const std::string& words) {
    testing::TableSpec spec;
    for (const std::string& word : split(words, ' ')) {
      const auto colon = word.find(':');
      if (spec.name.empty()) {
        spec.name = word;
      } else if (word.substr(0, 4) == "key=") {
        spec.primary_key = word.substr(4);
        spec.indexes.push_back({spec.primary_key});
      } else if (word.substr(0, 6) == "index=") {
        spec.indexes.push_back(split(word.substr(6), ','));
      } else if (word == "event") {
        spec.is_event = true;
      } else if (word == "private") {
        spec.is_public = false;
      } else {
        spec.columns.emplace_back(word.substr(0, colon), word.substr(colon + 1));
      }
    }
    database_.create_table(spec);
    return "";
  }

  static std::string row_json(Bytes row, const schema::ProductType& type) {
    std::string out;
    const auto used = schema::append_json(type, schema::Typespace::empty(), row,
                                          schema::JsonStyle::kUntyped, out);
    return used.ok() ? out : used.status().message();
  }

  std::vector<std::string> list_lines(protocol::WireReader& reader, const std::string& head,
                                      const std::string& table) const {
    std::vector<std::string> lines;
    const auto list = protocol::RowListView::read(reader);
    for (size_t i = 0; i < list.size(); ++i)
      lines.push_back(head + row_json(list[i], database_.schema(table).row_type));
    return lines;
  }

  std::string run_sql(const std::string& text, const Caller& caller) {
    const auto statement = SqlStatement::parse(text);
    if (!statement.ok()) return "error: " + statement.status().message() + "\n";
    if (statement->writes()) {
      storage::Transaction transaction = database_.begin();
      const auto result = execute_write(*statement, transaction, caller);
      if (!result.ok()) return "error: " + result.status().message() + "\n";
      const std::string updates = evaluate(transaction.commit().tx_data);
      return "inserted " + std::to_string(result->stats.rows_inserted) + ", deleted " +
             std::to_string(result->stats.rows_deleted) + ", updated " +
             std::to_string(result->stats.rows_updated) + "\n" + updates;
    }
    ReadBudget budget;
    const auto result = execute_read(*statement, database_.view(), caller, budget);
    if (!result.ok()) return "error: " + result.status().message() + "\n";
    std::vector<std::string> lines;
    for (const std::string& row : testing::split_rows(result->rows, result->schema))
      lines.push_back(row_json(as_bytes(row), result->schema));
    return sorted_lines(std::move(lines));
  }

  std::string subscribe(const std::string& words, const Caller& caller) {
    const size_t slash = words.find('/');
    const size_t blank = words.find(' ');
    const std::vector<std::string> texts = {words.substr(blank + 1)};
    const auto blocks = testing::subscribe(
        set_,
        {ClientHandle(std::stoull(words)),
         static_cast<uint32_t>(std::stoul(words.substr(slash + 1))), caller, texts},
        database_.view());
    if (!blocks.ok()) return "error: " + blocks.status().message() + "\n";
    std::string out;
    for (const RowBlock& block : *blocks) {
      protocol::WireReader reader(Bytes(*block.encoded).subspan(block.row_list_begin));
      out += sorted_lines(list_lines(reader, block.table_name + " ", block.table_name));
    }
    return out;
  }

  std::string run_transaction(const std::vector<std::string>& lines) {
    std::map<std::string, Json> deletes, inserts;
    for (size_t i = 1; i < lines.size(); ++i) {
      const size_t blank = lines[i].find(' ', 2);
      const std::string table = lines[i].substr(2, blank - 2);
      (lines[i][0] == '+' ? inserts : deletes)[table].push_back(
          Json::parse(lines[i].substr(blank + 1)));
    }
    return evaluate(database_.change(deletes, inserts));
  }

  std::string evaluate(const storage::TxDataPtr& tx) {
    if (tx == nullptr) return "";
    const auto snapshot = set_.needs_snapshot(*tx) ? database_.state().pin() : nullptr;
    const auto updates = set_.evaluate(*tx, snapshot.get());
    std::string out;
    for (const Delivery& delivery : updates.deliveries) {
      const DeltaBlock& block = *updates.blocks[delivery.block];
      protocol::WireReader reader(Bytes(*block.encoded).subspan(block.rows_begin + 1));
      const std::string head = std::to_string(delivery.client.value) + "/" +
                               std::to_string(delivery.query_set_id) + " " + block.table_name;
      const bool event = block.kind == DeltaBlock::Kind::kEvent;
      out += sorted_lines(list_lines(reader, head + (event ? " ! " : " + "), block.table_name));
      if (!event) out += sorted_lines(list_lines(reader, head + " - ", block.table_name));
    }
    return out;
  }

  testing::TestDatabase database_;
  SubscriptionSet set_;
};

// The script as it would look if everything printed were right.
std::string replay(const std::string& script) {
  Session session;
  std::string out;
  std::vector<std::string> command;
  bool expecting = false;  // Behind `----`: what the script says is skipped.
  for (const std::string& line : split(script, '\n')) {
    if (line.empty()) {
      expecting = false;
      out += "\n";
    } else if (expecting) {
      continue;
    } else if (line == "----") {
      expecting = true;
      out += line + "\n" + session.run(command);
      command.clear();
    } else {
      out += line + "\n";
      if (line[0] != '#') command.push_back(line);
    }
  }
  return out;
}

class TranscriptTest : public ::testing::TestWithParam<const char*> {};

TEST_P(TranscriptTest, PrintsWhatTheScriptSays) {
  const std::string path = std::string(WL_TEST_DATA "/query/scripts/") + GetParam() + ".wltest";
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  ASSERT_FALSE(text.str().empty()) << path;
  const std::string printed = replay(text.str());
  if (std::getenv("WL_REWRITE") != nullptr) {
    std::ofstream(path) << printed;
    return;
  }
  EXPECT_EQ(printed, text.str());
}
INSTANTIATE_TEST_SUITE_P(Scripts, TranscriptTest,
                         ::testing::Values("joins", "event_tables", "statements"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace worldline::query
