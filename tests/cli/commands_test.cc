// tests/cli/commands_test.cc: what the commands ask a server and what they print [S 07/7, 12].
#include "cli/commands.h"

#include <utility>

#include <gtest/gtest.h>

#include "tests/cli/cli_fixture.h"

namespace worldline::cli {
namespace {

constexpr const char* kSchema = R"({"sections":[{"Reducers":[
  {"source_name":"add","params":{"elements":[
    {"name":{"some":"who"},"algebraic_type":{"String":[]}},
    {"name":{"some":"n"},"algebraic_type":{"I32":[]}}]}}]},
  {"Procedures":[{"source_name":"count","params":{"elements":[]}}]}]})";

constexpr const char* kUnstable =
    "Warning: this command is unstable, its options and output may change.\n\n";

class CommandsTest : public testing::Test {
 protected:
  // A database `db` whose identity is 1111...
  void serve_database() {
    fixture.server.answer("GET /v1/database/db/identity",
                          {200, "text/plain; charset=utf-8", id + "\n", {}});
    fixture.server.answer(path("/schema?version=10", "GET"),
                          {200, "application/json", kSchema, {}});
  }
  std::string path(const std::string& rest, const std::string& method) const {
    return method + " /v1/database/" + id + rest;
  }
  SeenRequest last_request() const {
    const auto requests = fixture.server.requests();
    return requests.empty() ? SeenRequest{} : requests.back();
  }

  CommandFixture fixture;
  const std::string id = identity_of('1');
};

TEST_F(CommandsTest, CallQuotesPlainTextAndPairsArgumentsWithParameters) {
  serve_database();
  fixture.server.answer(path("/call/add", "POST"), {200, "", "", {}});
  CommandContext context = fixture.context();
  CallOptions options;
  options.words = {"db", "add", "plain text", "-3", "dropped"};
  const auto code = run_call(options, context);
  ASSERT_TRUE(code.ok()) << code.status().message();
  EXPECT_EQ(*code, 0);
  EXPECT_EQ(fixture.console.out_text, "");
  EXPECT_EQ(last_request().body, "[\"plain text\", -3]");
  EXPECT_EQ(last_request().headers.at("Content-Type"), "application/json");
  EXPECT_EQ(last_request().headers.at("Authorization").substr(0, 11), "Bearer e30.");
}

TEST_F(CommandsTest, UnstableCommandsSayThatOnStandardErrorAlone) {
  CommandContext context = fixture.context();
  const auto said = [this](const Result<int>& ignored) {
    EXPECT_FALSE(ignored.ok() && *ignored != 0);
    const std::string text = std::exchange(fixture.console.err_text, "");
    EXPECT_EQ(fixture.console.out_text.find("unstable"), std::string::npos);
    return text.substr(0, text.find("\n\n") + 2);
  };
  EXPECT_EQ(said(run_call({}, context)), kUnstable);
  EXPECT_EQ(said(run_describe({}, context)), kUnstable);
  EXPECT_EQ(said(run_sql({}, context)), kUnstable);
  EXPECT_EQ(said(run_list({}, context)), kUnstable);
}

TEST_F(CommandsTest, CallPrintsWhatAProcedureReturns) {
  serve_database();
  fixture.server.answer(path("/call/count", "POST"), {200, "application/json", "42", {}});
  CommandContext context = fixture.context();
  CallOptions options;
  options.words = {"db", "count"};
  ASSERT_TRUE(run_call(options, context).ok());
  EXPECT_EQ(fixture.console.out_text, "42\n");
}

TEST_F(CommandsTest, CallOfAnUnknownFunctionDoesNotReachTheServer) {
  serve_database();
  CommandContext context = fixture.context();
  CallOptions options;
  options.words = {"db", "ad"};
  const auto code = run_call(options, context);
  ASSERT_FALSE(code.ok());
  EXPECT_NE(code.status().message().find("`add`"), std::string::npos);
  EXPECT_EQ(last_request().line, path("/schema?version=10", "GET"));
}

TEST_F(CommandsTest, CallShowsWhatTheReducerSaidAndTheStatus) {
  serve_database();
  fixture.server.answer(path("/call/add", "POST"), {530, "text/plain", "too many", {}});
  CommandContext context = fixture.context();
  CallOptions options;
  options.words = {"db", "add", "x", "1"};
  const auto code = run_call(options, context);
  ASSERT_FALSE(code.ok());
  EXPECT_EQ(fixture.console.err_text, std::string(kUnstable) + "Response text: too many\n");
  EXPECT_NE(code.status().message().find("530"), std::string::npos);
}

TEST_F(CommandsTest, CallWithBadArgumentsShowsTheSignature) {
  serve_database();
  fixture.server.answer(path("/call/add", "POST"),
                        {400, "text/plain", "invalid arguments for reducer add: x", {}});
  CommandContext context = fixture.context();
  CallOptions options;
  options.words = {"db", "add", "x"};
  const auto code = run_call(options, context);
  ASSERT_FALSE(code.ok());
  EXPECT_NE(code.status().message().find("add(who: String, n: i32)"), std::string::npos);
}

TEST_F(CommandsTest, AnUnknownDatabaseIsNamed) {
  CommandContext context = fixture.context();
  SqlOptions options;
  options.words = {"nope", "SELECT 1"};
  const auto code = run_sql(options, context);
  ASSERT_FALSE(code.ok());
  EXPECT_NE(code.status().message().find("failed to find database `nope`"), std::string::npos);
}

TEST_F(CommandsTest, SqlJoinsWordsAndPrintsATable) {
  serve_database();
  fixture.server.answer(
      path("/sql?confirmed=false", "POST"),
      {200,
       "application/json",
       R"([{"schema":{"elements":[{"name":{"some":"n"},"algebraic_type":{"U8":[]}}]},)"
       R"("rows":[[7]]}])",
       {}});
  CommandContext context = fixture.context();
  SqlOptions options;
  options.words = {"db", "SELECT", "*"};
  options.confirmed = false;
  ASSERT_TRUE(run_sql(options, context).ok());
  EXPECT_EQ(last_request().body, "SELECT *");
  EXPECT_EQ(fixture.console.out_text, " n \n---\n 7 \n");
}

TEST_F(CommandsTest, SqlJsonPassesTheBodyThrough) {
  serve_database();
  fixture.server.answer(path("/sql", "POST"), {200, "application/json", "[ ]", {}});
  CommandContext context = fixture.context();
  SqlOptions options;
  options.words = {"db", "q"};
  options.format = OutputFormat::kJson;
  ASSERT_TRUE(run_sql(options, context).ok());
  EXPECT_EQ(fixture.console.out_text, "[ ]\n");
}

TEST_F(CommandsTest, SqlPromptShowsErrorsAndGoesOn) {
  serve_database();
  fixture.server.answer(path("/sql", "POST"), {400, "text/plain", "bad query", {}});
  fixture.server.answer(path("/sql", "POST"),
                        {200,
                         "application/json",
                         R"([{"schema":{"elements":[]},"rows":[],"total_duration_micros":1000,)"
                         R"("stats":{"rows_inserted":2,"rows_deleted":0,"rows_updated":0}}])",
                         {}});
  CommandContext context = fixture.context();
  fixture.console.input = {"x", "INSERT", ".exit", "never read"};
  SqlOptions options;
  options.words = {"db"};
  options.interactive = true;
  ASSERT_TRUE(run_sql(options, context).ok());
  EXPECT_NE(fixture.console.err_text.find("bad query"), std::string::npos);
  EXPECT_NE(fixture.console.out_text.find("(0 rows) [inserted: 2, server: 1.00ms]"),
            std::string::npos);
  EXPECT_EQ(fixture.console.input.size(), 1U);
}

TEST_F(CommandsTest, LogsPutsLinesTogetherFromPieces) {
  serve_database();
  fixture.server.answer(
      path("/logs?num_lines=10&follow=true", "GET"),
      {200,
       "application/x-ndjson",
       "",
       {"{\"ts\":0,\"level\":\"In", "fo\",\"message\":\"a\"}\n{\"ts\":0,\"level\":\"Debug\",",
        "\"message\":\"b\"}\n", "{\"ts\":0,\"level\":\"Warn\",\"message\":\"c\"}"}});
  CommandContext context = fixture.context();
  LogsOptions options;
  options.words = {"db"};
  options.follow = true;
  options.level = LogLevel::kInfo;
  ASSERT_TRUE(run_logs(options, context).ok());
  EXPECT_EQ(fixture.console.out_text,
            "1970-01-01T00:00:00Z  INFO: a\n1970-01-01T00:00:00Z  WARN: c\n");
}

TEST_F(CommandsTest, LogsOfSomebodyElseEndsWithTheReason) {
  serve_database();
  fixture.server.answer(path("/logs?follow=false", "GET"), {403, "text/plain", "not yours", {}});
  CommandContext context = fixture.context();
  LogsOptions options;
  options.words = {"db"};
  const auto code = run_logs(options, context);
  ASSERT_FALSE(code.ok());
  EXPECT_TRUE(code.status().message().starts_with("not yours"));
  EXPECT_EQ(fixture.console.out_text, "");
}

TEST_F(CommandsTest, DescribeFallsBackToVersionNine) {
  fixture.server.answer(path("/schema?version=10", "GET"), {400, "text/plain", "no", {}});
  fixture.server.answer(path("/schema?version=9", "GET"),
                        {200, "application/json", R"({"tables":[{"name":"t","x":1}]})", {}});
  CommandContext context = fixture.context();
  DescribeOptions options;
  options.words = {id, "table", "t"};
  ASSERT_TRUE(run_describe(options, context).ok());
  EXPECT_EQ(fixture.console.out_text, "{\n  \"name\": \"t\",\n  \"x\": 1\n}\n");
}

TEST_F(CommandsTest, DeleteAsksAndNoChangesNothing) {
  serve_database();
  CommandContext context = fixture.context();
  fixture.console.input = {"n"};
  DeleteOptions options;
  options.words = {"db"};
  const auto code = run_delete(options, context);
  ASSERT_TRUE(code.ok());
  EXPECT_EQ(*code, 0);
  EXPECT_EQ(fixture.console.out_text, "Are you sure you want to delete database db (" + id +
                                          ")? This action cannot be undone. [y/N]Aborting\n");
  EXPECT_EQ(last_request().line, "GET /v1/database/db/identity");
}

TEST_F(CommandsTest, DeleteByIdentityNamesItOnceAndYesAsksNothing) {
  fixture.server.answer("DELETE /v1/database/" + id, {200, "", "", {}});
  CommandContext context = fixture.context();
  DeleteOptions options;
  options.words = {id};
  options.target.yes = true;
  ASSERT_TRUE(run_delete(options, context).ok());
  EXPECT_EQ(fixture.console.out_text, "Skipping confirmation due to --yes\n");
}

TEST_F(CommandsTest, UnlockSaysSo) {
  fixture.server.answer(path("/unlock", "POST"), {200, "", "", {}});
  CommandContext context = fixture.context();
  LockOptions options;
  options.wanted = LockState::kUnlocked;
  options.words = {id};
  ASSERT_TRUE(run_lock(options, context).ok());
  EXPECT_EQ(fixture.console.out_text, "Database " + id + " is now unlocked.\n");
}

TEST_F(CommandsTest, DeleteOfATreeAsksAgainAndRepeatsWithItsToken) {
  serve_database();
  fixture.server.answer(
      "DELETE /v1/database/" + id,
      {428,
       "application/json",
       R"({"database_tree":{"root":{"database_identity":"x","database_names":["db"]},)"
       R"("children":[{"root":{"database_identity":"y","database_names":[]},"children":[]}]},)"
       R"("confirmation_token":"0xab"})",
       {}});
  fixture.server.answer("DELETE /v1/database/" + id + "?token=0xab", {200, "", "", {}});
  CommandContext context = fixture.context();
  fixture.console.input = {"y", "YES"};
  DeleteOptions options;
  options.words = {"db"};
  ASSERT_TRUE(run_delete(options, context).ok());
  EXPECT_NE(fixture.console.out_text.find("- db (x)\n  - y\n"), std::string::npos);
  EXPECT_EQ(last_request().line, "DELETE /v1/database/" + id + "?token=0xab");
}

TEST_F(CommandsTest, ListShowsNamesOfEachDatabase) {
  fixture.server.answer("GET /v1/identity/c200/databases",
                        {200, "application/json", R"({"identities":[")" + id + R"("]})", {}});
  fixture.server.answer(path("/names", "GET"),
                        {200, "application/json", R"({"names":["a","b"]})", {}});
  CommandContext context = fixture.context();
  ASSERT_TRUE(run_list({}, context).ok());
  EXPECT_NE(fixture.console.out_text.find(" a, b             | " + id), std::string::npos)
      << fixture.console.out_text;
}

TEST_F(CommandsTest, ATokenIsMadeAndStoredWhenThereIsNone) {
  serve_database();
  fixture.server.answer("POST /v1/identity",
                        {200,
                         "application/json",
                         R"({"identity":"c200","token":"e30.eyJoZXhfaWRlbnRpdHkiOiJjMjAxIn0.y"})",
                         {}});
  fixture.server.answer(path("/lock", "POST"), {200, "", "", {}});
  const std::string path = fixture.directory.write(
      "empty.toml", "[[server_configs]]\nnickname = \"f\"\nhost = \"" +
                        fixture.server.url().substr(7) + "\"\nprotocol = \"http\"\n");
  auto config = CliConfig::open(path, fixture.console);
  ASSERT_TRUE(config.ok());
  CommandContext context{fixture.console, fixture.transport, fixture.environment, *config};
  LockOptions options;
  options.target.server = "f";
  options.words = {"db"};
  ASSERT_TRUE(run_lock(options, context).ok());
  EXPECT_NE(fixture.directory.read("empty.toml").find("eyJoZXhfaWRlbnRpdHkiOiJjMjAxIn0"),
            std::string::npos);
  EXPECT_EQ(last_request().headers.at("Authorization"),
            "Bearer e30.eyJoZXhfaWRlbnRpdHkiOiJjMjAxIn0.y");
  EXPECT_EQ(fixture.console.out_text,
            "Database " + id + " is now locked. It cannot be deleted until unlocked.\n");
}

TEST_F(CommandsTest, AnonymousSendsNoTokenAndMakesNone) {
  serve_database();
  fixture.server.answer(path("/sql", "POST"), {200, "application/json", "[]", {}});
  CommandContext context = fixture.context();
  SqlOptions options;
  options.words = {"db", "q"};
  options.target.anonymous = true;
  ASSERT_TRUE(run_sql(options, context).ok());
  for (const SeenRequest& request : fixture.server.requests())
    EXPECT_EQ(request.headers.count("Authorization"), 0U) << request.line;
}

TEST_F(CommandsTest, AJsonAnswerOfAnotherContentTypeIsRefused) {
  fixture.server.answer("GET /v1/identity/c200/databases",
                        {200, "application/json; charset=utf-8", R"({"identities":[]})", {}});
  CommandContext context = fixture.context();
  EXPECT_FALSE(run_list({}, context).ok());
}

TEST_F(CommandsTest, ARefusedTokenSaysWhatToDo) {
  fixture.server.answer("GET /v1/database/db/identity",
                        {401, "text/plain", "Invalid token: InvalidSignature", {}});
  CommandContext context = fixture.context();
  SqlOptions options;
  options.words = {"db", "q"};
  const auto code = run_sql(options, context);
  ASSERT_FALSE(code.ok());
  EXPECT_NE(code.status().message().find("worldline identity --new"), std::string::npos);
}

TEST(HttpClientTest, SaysThatNobodyListensAndThatHttpsIsNotBuiltIn) {
  BeastTransport transport;
  HttpRequest request;
  request.method = "GET";
  request.target = "/v1/ping";
  const auto nobody = transport.send(ServerUrl::parse("http://127.0.0.1:1").value(), request);
  ASSERT_FALSE(nobody.ok());
  EXPECT_EQ(nobody.status().code(), StatusCode::kUnavailable);
  const auto secure = transport.send(ServerUrl::parse("https://127.0.0.1:1").value(), request);
  ASSERT_FALSE(secure.ok());
  EXPECT_EQ(secure.status().code(), StatusCode::kNotSupported);
}

TEST(HttpClientTest, ALargeBodyArrivesWholeInBothDirections) {
  FakeServer server;
  const std::string large(3'000'000, 'x');
  server.answer("POST /base/v1/echo", {200, "text/plain", large, {}});
  BeastTransport transport;
  HttpRequest request;
  request.method = "POST";
  request.target = "/v1/echo";
  request.body = large;
  const auto answer = transport.send(ServerUrl::parse(server.url() + "/base/").value(), request);
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->body, large);
  EXPECT_EQ(server.requests().at(0).body, large);
}

struct UrlCase {
  const char* text;
  const char* host;  // nullptr: refused.
  const char* port;
  const char* base_path;
};

TEST(HttpClientTest, UrlsAreTakenApart) {
  constexpr UrlCase kCases[] = {{"http://h", "h", "80", ""},
                                {"https://h/a/b/", "h", "443", "/a/b"},
                                {"http://[::1]:3000", "::1", "3000", ""},
                                {"h:3000", nullptr, "", ""},
                                {"http://", nullptr, "", ""},
                                {"http://h:port", nullptr, "", ""},
                                {"http://[::1", nullptr, "", ""}};
  for (const UrlCase& c : kCases) {
    const auto url = ServerUrl::parse(c.text);
    ASSERT_EQ(url.ok(), c.host != nullptr) << c.text;
    if (!url.ok()) continue;
    EXPECT_EQ(url->host, c.host) << c.text;
    EXPECT_EQ(url->port, c.port) << c.text;
    EXPECT_EQ(url->base_path, c.base_path) << c.text;
  }
}

}  // namespace
}  // namespace worldline::cli
