// `worldline sql`, one-shot and interactive [S 07/7.2].
#include <chrono>
#include <cstdlib>

#include "cli/commands.h"
#include "cli/timestamp_text.h"
#include "cli/value_text.h"

namespace worldline::cli {
namespace {

std::string sql_target(const std::string& identity, const SqlOptions& options) {
  std::string target = "/v1/database/" + identity + "/sql";
  if (options.confirmed) target += *options.confirmed ? "?confirmed=true" : "?confirmed=false";
  return target;
}

// The text of an answer that is the JSON of a result; any other is the error.
Result<std::string> ask(const ConnectedDatabase& database, const SqlOptions& options,
                        const std::string& query) {
  WL_ASSIGN_OR_RETURN(const HttpResponse answer,
                      database.client.post(sql_target(database.identity, options), query));
  if (!answer.ok()) return refusal(answer);
  if (answer.header("content-type") != "application/json")
    return Status::unavailable("{}", answer.body);
  return answer.body;
}

std::string tables_text(const JsonTree& statements) {
  if (statements.items.empty()) return table_text({}, {});
  std::string out;
  for (const JsonTree& statement : statements.items)
    out += (out.empty() ? "" : "\n") + statement_text(statement);
  return out;
}

// (1 row) [inserted: 1, server: 0.12ms]
std::string summary_text(const JsonTree& statement) {
  const JsonTree* rows = statement.find("rows");
  const size_t count = rows == nullptr ? 0 : rows->items.size();
  std::string out = fmt::format("({} {}) [", count, count == 1 ? "row" : "rows");
  if (const JsonTree* stats = statement.find("stats"))
    for (const char* what : {"inserted", "deleted", "updated"})
      if (const int64_t n = stats->int_of(std::string("rows_") + what, 0); n != 0)
        out += fmt::format("{}: {}, ", what, n);
  return out + "server: " + elapsed_text(statement.int_of("total_duration_micros", 0)) + "]\n";
}

void run_line(const ConnectedDatabase& database, const SqlOptions& options, const std::string& line,
              Console& console) {
  const auto start = std::chrono::steady_clock::now();
  const Result<std::string> body = ask(database, options, line);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - start);
  if (!body.ok()) {
    console.err("Error: " + body.status().message() + "\n");
    return;
  }
  if (options.format == OutputFormat::kJson) {
    console.out(*body + "\n");
    return;
  }
  const Result<JsonTree> statements = JsonTree::parse(*body);
  if (!statements.ok()) {
    console.err("Error: " + statements.status().message() + "\n");
    return;
  }
  for (const JsonTree& statement : statements->items)
    console.out(statement_text(statement) + summary_text(statement));
  console.out("Roundtrip time: " + elapsed_text(took.count()) + "\n");
}

int run_prompt(const ConnectedDatabase& database, const SqlOptions& options, Console& console) {
  for (;;) {
    console.out("\U0001FA90" + database.choice.database + ">");
    const auto line = console.read_line();
    if (!line) console.out("\n");
    if (!line || *line == ".exit") return 0;
    if (*line == ".clear")
      console.out("\x1b[2J\x1b[H");
    else if (line->find_first_not_of(" \t") != std::string::npos)
      run_line(database, options, *line, console);
  }
}

}  // namespace

Result<int> run_sql(const SqlOptions& options, CommandContext& context) {
  warn_unstable(context.console);
  WL_ASSIGN_OR_RETURN(
      const ConnectedDatabase database,
      connect_database(options.target, options.words, FirstWord::kMayBeUnknown, context));
  if (options.interactive) return run_prompt(database, options, context.console);
  std::string query;
  for (const std::string& word : database.choice.words) query += (query.empty() ? "" : " ") + word;
  if (query.empty())
    return Status::invalid_argument("no query given; `--interactive` opens a prompt");
  WL_ASSIGN_OR_RETURN(const std::string body, ask(database, options, query));
  if (options.format == OutputFormat::kJson) {
    context.console.out(body + "\n");
    return 0;
  }
  WL_ASSIGN_OR_RETURN(const JsonTree statements, JsonTree::parse(body));
  context.console.out(tables_text(statements));
  return 0;
}

}  // namespace worldline::cli
