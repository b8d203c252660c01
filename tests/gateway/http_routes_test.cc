// tests/gateway/http_routes_test.cc: the route table over a real socket: statuses, headers and
// texts of [S 02/1-4].
#include "tests/gateway/gateway_fixture.h"
#include "tests/gateway/issuer_fixture.h"

namespace worldline::gateway::testing {
namespace {

struct RouteCase {
  const char* name;
  const char* method;
  const char* path;
  const char* headers;
  const char* body;
  int status;
  const char* answer;  // Whole body; null: not compared.
};

constexpr char kJsonHeader[] = "content-type: application/json\r\n";

const RouteCase kCases[] = {
    {"Root", "GET", "/", "", "", 404, ""},
    {"Ping", "GET", "/v1/ping", "", "", 200, ""},
    {"PingWithBadToken", "GET", "/v1/ping", "authorization: Bearer x.y\r\n", "", 401,
     "Invalid token: InvalidToken"},
    {"Health", "GET", "/v1/health", "", "", 200,
     R"({"nodes":[0],"package_name":"spacetimedb-client-api","schedulable":true,)"
     R"("version":"2.8.3"})"},
    {"ScrapeTargets", "GET", "/v1/prometheus/sd_config", "", "", 200,
     R"([{"targets":["node:80"],"labels":{}}])"},
    {"TrailingSlash", "GET", "/v1/ping/", "", "", 404, ""},
    {"WrongMethod", "DELETE", "/v1/ping", "", "", 405, ""},
    {"EnergyIsZero", "GET",
     "/v1/energy/c200483152d642c7d402de06cacc36dcb0c2a1f2bbeb8e7d5a673f2435cca975", "", "", 200,
     R"({"balance":"0"})"},
    {"EnergyNeedsAToken", "PUT",
     "/v1/energy/c200483152d642c7d402de06cacc36dcb0c2a1f2bbeb8e7d5a673f2435cca975?balance=1", "",
     "", 401, "Authorization required"},
    {"IdentityTooShort", "GET", "/v1/identity/c200/databases", "", "", 400,
     "Invalid URL: too few elements for array"},
    {"IdentityNotHex", "GET", "/v1/identity/xyz/databases", "", "", 400,
     "Invalid URL: invalid value: string \"xyz\", expected a byte array or hex string"},
    {"VerifyNeedsAToken", "GET",
     "/v1/identity/c200483152d642c7d402de06cacc36dcb0c2a1f2bbeb8e7d5a673f2435cca975/verify", "", "",
     401, "Authorization required"},
    {"MalformedAuthorization", "GET", "/v1/database/mydb", "authorization: Basic abc\r\n", "", 400,
     "Authorization is invalid: malformed token"},
    {"UnknownDatabase", "GET", "/v1/database/other", "", "", 404, "`other` not found"},
    {"UnknownIdentity", "GET",
     "/v1/database/c200483152d642c7d402de06cacc36dcb0c2a1f2bbeb8e7d5a673f2435cca975", "", "", 404,
     "No such database."},
    {"BadNameCharacters", "GET", "/v1/database/My_Db", "", "", 400,
     "Invalid URL: invalid characters in database name"},
    {"BadNameHyphen", "GET", "/v1/database/a--b", "", "", 400,
     "Invalid URL: invalid hyphen in database name"},
    {"IdentityIsEchoed", "GET",
     "/v1/database/0xc200483152d642c7d402de06cacc36dcb0c2a1f2bbeb8e7d5a673f2435cca975/identity", "",
     "", 200, "c200483152d642c7d402de06cacc36dcb0c2a1f2bbeb8e7d5a673f2435cca975"},
    {"Names", "GET", "/v1/database/mydb/names", "", "", 200, R"({"names":["mydb"]})"},
    {"SchemaNeedsAVersion", "GET", "/v1/database/mydb/schema", "", "", 400,
     "Failed to deserialize query string: missing field `version`"},
    {"SchemaOfAnOddVersion", "GET", "/v1/database/mydb/schema?version=8", "", "", 400,
     "Failed to deserialize query string: unknown variant `8`, expected `9` or `10`"},
    {"Schema", "GET", "/v1/database/mydb/schema?version=10", "", "", 200, R"({"v":10})"},
    {"Call", "POST", "/v1/database/mydb/call/add", kJsonHeader, "[]", 200, ""},
    {"CallWithCharset", "POST", "/v1/database/mydb/call/add",
     "content-type: application/json; charset=utf-8\r\n", "[]", 200, ""},
    {"CallWithoutType", "POST", "/v1/database/mydb/call/add", "", "[]", 400,
     "Header of type `content-type` was missing"},
    {"CallOfText", "POST", "/v1/database/mydb/call/add", "content-type: text/plain\r\n", "[]", 415,
     "Expected request with `Content-Type: application/json`"},
    {"CallNotUtf8", "POST", "/v1/database/mydb/call/add", kJsonHeader, "\xff", 400,
     "Request body didn't contain valid UTF-8"},
    {"CallWithGet", "GET", "/v1/database/mydb/call/add", "", "", 405, ""},
    {"Sql", "POST", "/v1/database/mydb/sql", "", "SELECT 1", 200, "[{}]"},
    {"SqlOfAnUnknownDatabase", "POST", "/v1/database/other/sql", "", "x", 404, "`other` not found"},
    {"SqlError", "POST", "/v1/database/mydb/sql", "", "bad", 400, "no such table: `bad`"},
    {"SqlConfirmedIsABool", "POST", "/v1/database/mydb/sql?confirmed=1", "", "x", 400,
     "Failed to deserialize query string: provided string was not `true` or `false`"},
    {"LogsOfAStranger", "GET", "/v1/database/mydb/logs", "", "", 403, nullptr},
    {"DeleteOfAStranger", "DELETE", "/v1/database/mydb", "", "", 403, nullptr},
    {"DeleteOfAnUnknownName", "DELETE", "/v1/database/other", "", "", 404, "`other` not found"},
    {"DeleteOfAnUnknownIdentity", "DELETE",
     "/v1/database/c200483152d642c7d402de06cacc36dcb0c2a1f2bbeb8e7d5a673f2435cca975", "", "", 200,
     ""},
    {"LockOfAStranger", "POST", "/v1/database/mydb/lock", "", "", 403, nullptr},
    {"PublishNameless", "POST", "/v1/database?host_type=Js", "", "code", 200, nullptr},
    {"PublishReplicasAreANumber", "PUT", "/v1/database/mydb?num_replicas=two", "", "code", 400,
     "Failed to deserialize query string: invalid digit found in string"},
    // QUIRK [S 02/1.5]: without an Authorization header the migration token is taken for a JWT.
    {"MigrationTokenWithoutHeader", "PUT", "/v1/database/mydb?policy=BreakClients&token=0x12", "",
     "code", 401, "Invalid token: InvalidToken"},
    {"PublishHostType", "PUT", "/v1/database/mydb?host_type=Lua", "", "code", 400,
     "Failed to deserialize query string: unknown variant `Lua`, expected `Wasm` or `Js`"},
    {"PublishParentGrammar", "PUT", "/v1/database/mydb?parent=X", "", "code", 400,
     "Failed to deserialize query string: invalid characters in database name"},
    {"PublishOrgGrammar", "PUT", "/v1/database/mydb?org=a--b", "", "code", 400,
     "Failed to deserialize query string: invalid hyphen in database name"},
    {"PublishConfirmationTimeout", "PUT", "/v1/database/mydb?update_confirmation_timeout=soon", "",
     "code", 400,
     "Failed to deserialize query string: invalid duration `soon`: write it like `5s` or `1m 30s`"},
    {"PrePublishStyle", "POST", "/v1/database/mydb/pre_publish?style=Rainbow", "", "code", 400,
     "Failed to deserialize query string: unknown variant `Rainbow`, expected `AnsiColor` or "
     "`NoColor`"},
    {"ResetOfAnUnknownDatabase", "PUT", "/v1/database/other/reset", "", "code", 404,
     "`other` not found"},
    {"UnknownDatabaseBeforeTheContentType", "POST", "/v1/database/other/call/f", "", "[]", 404,
     "`other` not found"},
    {"UnknownDatabaseBeforeTheNames", "PUT", "/v1/database/other/names", "", "[", 404,
     "`other` not found"},
    {"UnknownDatabaseBeforeTheMethod", "DELETE", "/v1/database/other/names", "", "", 404,
     "`other` not found"},
    {"WrongMethodOfAKnownDatabase", "DELETE", "/v1/database/mydb/names", "", "", 405, ""},
    {"WrongMethodOfTheDatabaseItself", "PATCH", "/v1/database/other", "", "", 405, ""},
    {"IdentityAsText", "GET",
     "/v1/database/X'c200483152d642c7d402de06cacc36dcb0c2a1f2bbeb8e7d5a673f2435cca975/identity", "",
     "", 200, "c200483152d642c7d402de06cacc36dcb0c2a1f2bbeb8e7d5a673f2435cca975"},
    {"SqlRefusedByClientConnected", "POST", "/v1/database/mydb/sql", "", "refused", 403,
     "the gate is shut"},
    {"PrePublish", "POST", "/v1/database/mydb/pre_publish?style=NoColor", "", "code", 200,
     "{\"AutoMigrate\":{\"migrate_plan\":\"plan \\\"x\\\"\",\"break_clients\":true,"
     "\"token\":\"0x0\",\"major_version_upgrade\":false}}"},
    {"PrePublishHyphen", "POST", "/v1/database/other/pre-publish", "", "code", 404,
     "`other` not found"},
    {"NamesNotJson", "PUT", "/v1/database/mydb/names", "", "[]", 415,
     "Expected request with `Content-Type: application/json`"},
    {"NamesSyntax", "PUT", "/v1/database/mydb/names", kJsonHeader, "[", 400,
     "Failed to parse the request body as JSON: syntax error"},
    {"NamesShape", "PUT", "/v1/database/mydb/names", kJsonHeader, "[1]", 422, nullptr},
    {"NamesGrammar", "PUT", "/v1/database/mydb/names", kJsonHeader, "[\"A\"]", 400,
     "Error parsing `A`: invalid characters in database name"},
    {"AddNameGrammar", "POST", "/v1/database/mydb/names", "", "", 400,
     "database names cannot be empty"},
    {"ModuleRoute", "GET", "/v1/database/mydb/route/a/b", "", "", 404,
     "Database has not registered a handler for this route"},
    {"ModuleRouteSlash", "POST", "/v1/database/mydb/route/", "", "", 404,
     "Database has not registered a handler for this route"},
    {"Mcp", "POST", "/v1/mcp", kJsonHeader, "{}", 501, "MCP is not supported"},
    {"BadEscape", "GET", "/v1/database/%zz", "", "", 400, "Invalid URL: malformed escape in path"},
    {"BadEscapeOfAFunction", "POST", "/v1/database/mydb/call/%zz", kJsonHeader, "[]", 400,
     "Invalid URL: malformed escape in path"},
    {"BadEscapeInTheQuery", "GET", "/v1/database/mydb/schema?version=%f", "", "", 400, nullptr},
    {"BadEscapeBehindABadToken", "GET", "/v1/database/%zz", "authorization: Bearer x.y\r\n", "",
     401, "Invalid token: InvalidToken"},
    {"SubscribeWithoutUpgrade", "GET", "/v1/database/mydb/subscribe", "", "", 426,
     "This service requires use of the websocket protocol"},
    {"SubscribeCompression", "GET", "/v1/database/mydb/subscribe?compression=gzip", "", "", 400,
     "Failed to deserialize query string: unknown variant `gzip`, expected one of `None`, "
     "`Brotli`, `Gzip`"},
};

class HttpRoutesTest : public GatewayTest, public ::testing::WithParamInterface<RouteCase> {};

TEST_P(HttpRoutesTest, AnswersAsSpecified) {
  const RouteCase& c = GetParam();
  start();
  const Answer answer = request(c.method, c.path, c.headers, c.body);
  EXPECT_EQ(answer.status, c.status) << answer.body;
  if (c.answer != nullptr) {
    EXPECT_EQ(answer.body, c.answer);
  }
  const std::string path = c.path;
  const bool is_api = path.rfind("/v1/", 0) == 0;
  EXPECT_EQ(answer.header("access-control-allow-origin"), is_api ? "*" : "");
  if (!answer.body.empty() && answer.status >= 400) {
    EXPECT_EQ(answer.header("content-type"), "text/plain; charset=utf-8");
  }
  // Acceptance check 3 of [S 02/17].
  const bool has_identity = path.rfind("/v1/database", 0) == 0 &&
                            path.find("/route") == std::string::npos &&
                            answer.body.find("Authorization is") == std::string::npos &&
                            answer.body.find("Invalid token") == std::string::npos;
  if (has_identity) {
    EXPECT_EQ(answer.header("spacetime-identity").size(), 64u);
    EXPECT_NE(answer.header("spacetime-identity-token"), "");
  } else if (path.find("/route") != std::string::npos) {
    EXPECT_EQ(answer.header("spacetime-identity"), "");
  }
}
INSTANTIATE_TEST_SUITE_P(S02, HttpRoutesTest, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

using HttpTest = GatewayTest;

TEST_F(HttpTest, PreflightAllowsAuthorizationEverywhereBelowTheApi) {
  start();
  for (const char* path : {"/v1/identity/websocket-token", "/v1/database/mydb/route/x", "/v1/x"}) {
    const Answer answer = request("OPTIONS", path);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("access-control-allow-methods"), "*");
    EXPECT_EQ(answer.header("access-control-allow-headers"), "authorization,accept,content-type");
    EXPECT_EQ(answer.header("vary"),
              "origin, access-control-request-method, access-control-request-headers");
  }
}

TEST_F(HttpTest, WrongMethodNamesTheAllowedOnes) {
  start();
  EXPECT_EQ(request("DELETE", "/v1/ping").header("allow"), "GET,HEAD");
  EXPECT_EQ(request("PATCH", "/v1/database/mydb/names").header("allow"), "GET,HEAD,POST,PUT");
}

TEST_F(HttpTest, HeadIsGetWithoutItsBody) {
  start();
  const Answer answer = request("HEAD", "/v1/health");
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.header("content-length"), "0");
}

TEST_F(HttpTest, OneConnectionServesManyRequestsInOrder) {
  start();
  TestSocket socket(gateway->port());
  const std::string two =
      "GET /v1/ping HTTP/1.1\r\nhost: x\r\n\r\nGET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n";
  socket.send(two);
  EXPECT_EQ(socket.read_answer().body, "");
  EXPECT_NE(socket.read_answer().body, "");
  socket.send("GET /v1/ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(socket.read_answer().status, 200);
  EXPECT_EQ(socket.read_some(), "");
}

TEST_F(HttpTest, CallCarriesCallerAndArgumentsAndReportsTheReducersError) {
  start();
  schema::Identity identity;
  const std::string token = authorization(&identity);
  node.call_reply = {actors::CallStatus::kReducerFailed, {}, "no way", 5};
  const Answer answer = request("POST", "/v1/database/mydb/call/say%20it",
                                token + "content-type: application/json\r\n", "[1]");
  EXPECT_EQ(answer.status, 530);
  EXPECT_EQ(answer.body, "no way");
  EXPECT_EQ(answer.header("spacetime-execution-duration-micros"), "5");
  EXPECT_EQ(answer.header("spacetime-energy-used"), "0");
  EXPECT_EQ(answer.header("spacetime-identity"), identity.to_hex());
  node.drain();
  ASSERT_EQ(node.calls.size(), 1u);
  EXPECT_EQ(node.calls[0].function, "say it");
  EXPECT_EQ(node.calls[0].args_json, "[1]");
  EXPECT_EQ(node.calls[0].caller.identity, identity);
  EXPECT_NE(node.calls[0].caller.jwt_payload.find("\"iss\":\"localhost\""), std::string::npos);
}

struct OutcomeCase {
  actors::CallReply reply;
  int status;
  std::string body;
};

TEST_F(HttpTest, EveryOutcomeOfACallHasItsStatus) {
  start();
  using actors::CallStatus;
  const OutcomeCase cases[] = {
      {{CallStatus::kOutOfBudget, {}, "", 0}, 402, "Module energy budget exhausted."},
      {{CallStatus::kNoSuchFunction, {}, "", 0}, 404, "No such procedure"},
      {{CallStatus::kLifecycle, {}, "can't", 0}, 400, "can't"},
      {{CallStatus::kBadArguments, {}, "invalid", 0}, 400, "invalid"},
      {{CallStatus::kConnectRefused, {}, "go away", 0}, 403, "go away"},
      {{CallStatus::kConnectBudget, {}, "no energy", 0}, 503, "no energy"},
      {{CallStatus::kFailed, Status::not_found("`x` not found"), "", 0}, 404, "`x` not found"},
      {{CallStatus::kFailed, Status::unavailable("closing"), "", 0}, 500, "no such module"},
      {{CallStatus::kFailed, Status::internal("the client's row"), "the client's row", 0},
       500,
       "the client's row"},
      {{CallStatus::kFailed, Status::corruption("out of service"), "", 0}, 503, "out of service"},
  };
  for (const OutcomeCase& c : cases) {
    node.drain();
    node.call_reply = c.reply;
    const Answer answer =
        request("POST", "/v1/database/mydb/call/f", "content-type: application/json\r\n", "[]");
    EXPECT_EQ(answer.status, c.status);
    EXPECT_EQ(answer.body, c.body);
  }
}

TEST_F(HttpTest, PublishPassesProgramPolicyAndToken) {
  start();
  const std::string token = authorization();
  const Answer answer = request("PUT",
                                "/v1/database/mydb?host_type=Js&policy=BreakClients&token=0x0102&"
                                "update_confirmation_timeout=1m%2030s",
                                token, "export default 1");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(answer.body, "{\"Success\":{\"domain\":\"mydb\",\"database_identity\":\"" +
                             node.database.to_hex() + "\",\"op\":\"created\"}}");
  node.drain();
  ASSERT_EQ(node.published.size(), 1u);
  const actors::PublishRequest& seen = node.published[0];
  EXPECT_EQ(as_text(*seen.program), "export default 1");
  EXPECT_EQ(seen.host_type, actors::HostType::kJs);
  EXPECT_EQ(seen.policy, actors::MigrationPolicy::kBreakClients);
  ASSERT_TRUE(seen.token.has_value());
  EXPECT_EQ(seen.token->bytes[0], 0x02);
  EXPECT_EQ(seen.token->bytes[1], 0x01);
  EXPECT_EQ(seen.confirmation_timeout, std::chrono::seconds(90));
  EXPECT_FALSE(seen.parent || seen.organization);
  EXPECT_TRUE(seen.may_create);
}

TEST_F(HttpTest, PublishPassesWhatTheNodeIsToJudge) {
  config.auth.create_issuer = "https://issuer.example";
  start();
  const std::string identity(64, 'a');
  EXPECT_EQ(request("PUT",
                    "/v1/database/mydb?clear=true&num_replicas=300&parent=0x" + identity +
                        "&org=shop&policy=BreakClients&update_confirmation_timeout=1h",
                    authorization(), "code")
                .status,
            200);
  node.drain();
  ASSERT_EQ(node.published.size(), 1u);
  const actors::PublishRequest& seen = node.published[0];
  EXPECT_TRUE(seen.clear);
  EXPECT_EQ(seen.replica_count, 300u);
  ASSERT_TRUE(seen.parent && seen.parent->identity);
  EXPECT_EQ(seen.parent->identity->to_hex(), identity);
  ASSERT_TRUE(seen.organization);
  EXPECT_EQ(seen.organization->name, "shop");
  EXPECT_EQ(seen.policy, actors::MigrationPolicy::kBreakClients);
  EXPECT_FALSE(seen.token);
  EXPECT_EQ(seen.confirmation_timeout, std::chrono::minutes(5)) << "the cap";
  EXPECT_FALSE(seen.may_create) << "the token is of another issuer";
}

TEST_F(HttpTest, PublishOfAForeignNameIsRefusedAsJson) {
  start();
  node.publish_op = actors::PublishOp::kNameDenied;
  const Answer answer = request("PUT", "/v1/database/taken", "", "code");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(answer.body, R"({"PermissionDenied":{"name":"taken"}})");
}

TEST_F(HttpTest, ResetTakesNoPolicy) {
  start();
  const Answer answer =
      request("PUT", "/v1/database/mydb/reset?policy=Odd&num_replicas=2", "", "code");
  EXPECT_EQ(answer.status, 200) << answer.body;
  node.drain();
  ASSERT_EQ(node.published.size(), 1u);
  EXPECT_EQ(node.published[0].replica_count, 2u);
  EXPECT_EQ(node.published[0].database->name, "mydb");
}

TEST_F(HttpTest, PublishErrorsKeepTheirText) {
  start();
  node.publish_status = Status::failed_precondition("Database update rejected: no");
  const Answer answer = request("PUT", "/v1/database/mydb", "", "code");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "Database update rejected: no");
}

TEST_F(HttpTest, NamesOfAnOwner) {
  start();
  const std::string token = authorization(&node.owner);
  const std::string json = token + "content-type: application/json\r\n";
  EXPECT_EQ(request("PUT", "/v1/database/mydb/names", json, "[\"a\"]").body, "\"Success\"");
  EXPECT_EQ(request("PUT", "/v1/database/mydb/names", json, "[\"taken\"]").body,
            R"({"OtherError":"Cannot rename to taken because it already is in use."})");
  EXPECT_EQ(request("PUT", "/v1/database/mydb/names", json, R"(["a","b","a"])").body,
            R"({"OtherError":"Cannot rename to a because it already is in use."})");
  EXPECT_EQ(
      request("PUT", "/v1/database/mydb/names", "content-type: application/json\r\n", "[]").body,
      "{\"NotYourDatabase\":{\"database\":\"" + node.database.to_hex() + "\"}}");
  EXPECT_EQ(
      request("POST", "/v1/database/mydb/names", token, "b").body,
      "{\"Success\":{\"domain\":\"b\",\"database_identity\":\"" + node.database.to_hex() + "\"}}");
  const Answer taken = request("POST", "/v1/database/mydb/names", token, "taken");
  EXPECT_EQ(taken.status, 500);
  EXPECT_EQ(taken.body, "record with the name taken already exists");
}

TEST_F(HttpTest, TooLongBodiesAreRefusedButProgramsMayBeLarger) {
  config.http.body_bytes_max = 1000;
  config.http.program_bytes_max = 100'000;
  start();
  const std::string body(2000, 'x');
  const Answer refused = request("POST", "/v1/database/mydb/sql", "", body);
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.body, "Failed to buffer the request body: length limit exceeded");
  EXPECT_EQ(refused.header("access-control-allow-origin"), "*");
  EXPECT_EQ(refused.header("spacetime-identity").size(), 64u);
  const Answer bad_token =
      request("POST", "/v1/database/mydb/sql", "authorization: Bearer x\r\n", body);
  EXPECT_EQ(bad_token.status, 401) << "credentials are judged before the body";
  EXPECT_EQ(request("POST", "/v1/nothing", "", body).status, 404);
  EXPECT_EQ(request("POST", "/v1/ping", "", body).status, 405);
  EXPECT_EQ(request("PUT", "/v1/database/mydb", "", body).status, 200);
  TestSocket chunked(gateway->port());
  chunked.send(
      "POST /v1/database/mydb/sql HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
      "\r\n7d0\r\n" +
      body + "\r\n0\r\n\r\n");
  const Answer too_long = chunked.read_answer();
  EXPECT_EQ(too_long.status, 413);
  EXPECT_EQ(too_long.header("spacetime-identity").size(), 64u);
  node.drain();
  EXPECT_TRUE(node.statements.empty());
}

TEST_F(HttpTest, ExpectContinueIsAnswered) {
  start();
  TestSocket socket(gateway->port());
  socket.send(
      "POST /v1/database/mydb/sql HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
      "content-length: 1\r\n\r\n");
  EXPECT_EQ(socket.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("x");
  EXPECT_EQ(socket.read_answer().status, 200);
}

TEST_F(HttpTest, MalformedHttpIsAnsweredAndClosed) {
  start();
  TestSocket socket(gateway->port());
  socket.send("NOT HTTP AT ALL\r\n\r\n");
  EXPECT_EQ(socket.read_answer().status, 400);
  TestSocket long_header(gateway->port());
  long_header.try_send("GET / HTTP/1.1\r\nx: " + std::string(100'000, 'y') + "\r\n\r\n");
  EXPECT_EQ(long_header.read_answer().status, 431);
}

TEST_F(HttpTest, TooManyConnectionsAreToldToComeBack) {
  config.connections_max = 1;
  start();
  TestSocket first(gateway->port());
  first.send("GET /v1/ping HTTP/1.1\r\nhost: x\r\n\r\n");
  EXPECT_EQ(first.read_answer().status, 200);
  TestSocket second(gateway->port());
  const Answer answer = second.read_answer();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.header("retry-after"), "5");
}

TEST_F(HttpTest, LogsAreStreamedUntilTheReaderLeaves) {
  start();
  const std::string token = authorization(&node.owner);
  TestSocket whole(gateway->port());
  whole.send("GET /v1/database/mydb/logs HTTP/1.1\r\nhost: x\r\n" + token + "\r\n");
  const Answer head = whole.read_answer();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-type"), "application/x-ndjson");
  EXPECT_EQ(head.header("cache-control"), "no-cache");
  EXPECT_EQ(whole.read_until("0\r\n\r\n"), "11\r\n{\"level\":\"Info\"}\n\r\n0\r\n\r\n");

  auto follow = std::make_unique<TestSocket>(gateway->port());
  follow->send("GET /v1/database/mydb/logs?follow=true&num_lines=1 HTTP/1.1\r\nhost: x\r\n" +
               token + "\r\n");
  EXPECT_EQ(follow->read_answer().status, 200);
  EXPECT_EQ(follow->read_until("}\n\r\n"), "11\r\n{\"level\":\"Info\"}\n\r\n");
  std::shared_ptr<actors::LogReader> reader;
  node.run([this, &reader] { reader = node.follower; });
  node.drain();
  EXPECT_TRUE(reader->push("second\n"));
  EXPECT_EQ(follow->read_until("second\n\r\n"), "7\r\nsecond\n\r\n");
  follow.reset();
  while (reader->push("x\n")) std::this_thread::yield();  // Ends once the gateway has noticed.
}

TEST_F(HttpTest, HeadOfLogsEndsAfterItsHeaders) {
  start();
  TestSocket socket(gateway->port());
  socket.send("HEAD /v1/database/mydb/logs?follow=true HTTP/1.1\r\nhost: x\r\n" +
              authorization(&node.owner) + "\r\n");
  EXPECT_EQ(socket.read_answer(true).status, 200);
  EXPECT_EQ(socket.read_some(), "");
}

TEST_F(HttpTest, TokensOfOtherIssuersAreCheckedWithTheirKeys) {
  config.auth.block_private_issuers = false;
  start();
  DocumentServer issuer;
  const IssuerKey rsa = IssuerKey::rsa("r", 2048);
  const IssuerKey stranger = IssuerKey::rsa("r", 2048);
  issuer.serve("/.well-known/openid-configuration",
               R"({"jwks_uri":")" + issuer.url() + R"(/keys"})");
  issuer.serve("/keys", key_set_of({rsa.jwk()}));
  const std::string claims = R"({"sub":"alice","iss":")" + issuer.url() + R"(","iat":1})";
  const std::string header = R"({"alg":"RS256","kid":"r"})";
  const auto ask = [&](const std::string& token) {
    return request("GET", "/v1/database/mydb", "authorization: Bearer " + token + "\r\n");
  };
  const std::string token = rsa.token(header, claims);
  const Answer accepted = ask(token);
  EXPECT_EQ(accepted.status, 200) << accepted.body;
  EXPECT_EQ(accepted.header("spacetime-identity"),
            schema::Identity::from_claims(issuer.url(), "alice")->to_hex());
  EXPECT_EQ(accepted.header("spacetime-identity-token"), token);
  const Answer forged = ask(stranger.token(header, claims));
  EXPECT_EQ(forged.status, 401);
  EXPECT_EQ(forged.body, "Invalid token: InvalidSignature");
  EXPECT_EQ(ask(rsa.token(R"({"alg":"RS256","kid":"x"})", claims)).body,
            "Specified key ID not found in JWKs");
  EXPECT_EQ(issuer.asked().size(), 2u) << "the keys are kept";
  const std::string local =
      request("POST", "/v1/identity/websocket-token", "authorization: Bearer " + token + "\r\n")
          .body;
  EXPECT_NE(local.find("\"token\":"), std::string::npos) << local;
}

TEST_F(HttpTest, IssuersInPrivateNetworksAreNotAsked) {
  start();
  DocumentServer issuer;
  const std::string token = IssuerKey::ec("e").token(
      R"({"alg":"ES256"})", R"({"sub":"a","iss":")" + issuer.url() + R"(","iat":1})");
  const Answer answer =
      request("GET", "/v1/database/mydb", "authorization: Bearer " + token + "\r\n");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.body, "Error fetching public key for issuer " + issuer.url());
  EXPECT_TRUE(issuer.asked().empty());
}

TEST_F(HttpTest, MetricsPageShowsOwnAndNodeFigures) {
  start();
  const TestWebSocket client(gateway->port(), {});
  ASSERT_EQ(client.answer().status, 101);
  node.wait_for([this] { return !node.opened.empty(); });
  const std::string page = request("GET", "/v1/metrics").body;
  EXPECT_NE(
      page.find("spacetime_num_table_rows{db=\"" + node.database.to_hex() + "\",table_id=\"1\"} 3"),
      std::string::npos)
      << page;
  EXPECT_NE(page.find("spacetime_worker_connected_clients{database_identity=\"" +
                      node.database.to_hex() + "\"}"),
            std::string::npos);
  EXPECT_EQ(page.find("spacetime_worker_ws_client_rejections_total{"), std::string::npos)
      << "a cause shows once it happened";
  config.http.metrics = MetricsExposure::kOff;
  gateway.reset();
  start();
  EXPECT_EQ(request("GET", "/v1/metrics").status, 404);
}

TEST_F(HttpTest, RefusedSubscriptionsAreCountedByCause) {
  start();
  const std::string path = "/v1/database/mydb/subscribe";
  EXPECT_EQ(request("GET", path, "authorization: Bearer x.y\r\n").status, 401);
  EXPECT_EQ(request("GET", path).status, 426);
  EXPECT_EQ(request("GET", path + "?compression=gzip").status, 400);
  EXPECT_EQ(request("GET", "/v1/database/other/subscribe").status, 426);
  EXPECT_EQ(TestWebSocket(gateway->port(), {.protocols = "nonsense"}).answer().status, 400);
  const auto refuse = [this](const Status& status) {
    node.drain();
    node.open_status = status;
    TestWebSocket client(gateway->port(), {});
    EXPECT_EQ(client.read_frame().opcode, -1);
  };
  refuse(Status::user_error("the module says no"));
  refuse(Status::internal("the row cannot be inserted"));
  refuse(Status::unavailable("closing"));
  node.drain();
  const std::string page = request("GET", "/v1/metrics").body;
  for (const auto& [cause, count] : {std::pair{"authorization_failed", 1},
                                     {"websocket_upgrade_error", 2},
                                     {"invalid_protocol", 1},
                                     {"client_connected_rejected", 1},
                                     {"client_connected_error", 2}})
    EXPECT_NE(page.find("spacetime_worker_ws_client_rejections_total{database_identity=\"" +
                        node.database.to_hex() + "\",cause=\"" + cause + "\"} " +
                        std::to_string(count) + "\n"),
              std::string::npos)
        << cause << "\n"
        << page;
}

TEST_F(HttpTest, ADeletedDatabaseLeavesTheMetricsPageAndMakesRoom) {
  config.metric_databases_max = 1;
  start();
  const std::string token = authorization(&node.owner);
  const std::string first = node.database.to_hex();
  ASSERT_EQ(request("POST", "/v1/database/mydb/sql", token, "SELECT 1").body, "[{}]");
  EXPECT_NE(request("GET", "/v1/metrics")
                .body.find("spacetime_http_response_size_bytes_total{db=\"" + first + "\"} 4\n"),
            std::string::npos);
  EXPECT_EQ(request("DELETE", "/v1/database/mydb", token).status, 200);
  node.drain();
  node.run([this] {
    node.database = identity_of("the next one");
    node.exists = true;
  });
  node.drain();
  ASSERT_EQ(request("POST", "/v1/database/mydb/sql", token, "SELECT 1").status, 200);
  const std::string page = request("GET", "/v1/metrics").body;
  EXPECT_EQ(page.find("database_identity=\"" + first), std::string::npos) << page;
  EXPECT_NE(page.find("database_identity=\"" + identity_of("the next one").to_hex()),
            std::string::npos)
      << "it has the place of the one that went";
  EXPECT_EQ(page.find("_other"), std::string::npos);
}

constexpr char kSlowRead[] =
    "POST /v1/database/mydb/sql HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nslow";

TEST_F(HttpTest, TellsTheNodeOfAClientThatLeavesBeforeItsAnswer) {
  start();
  auto client = std::make_unique<TestSocket>(gateway->port());
  client->send(kSlowRead);
  node.wait_for([this] { return node.statements.size() == 1; });
  const CancelFlagPtr abandoned = node.statements[0].abandoned;
  ASSERT_NE(abandoned, nullptr);
  EXPECT_FALSE(abandoned->is_cancelled());
  client.reset();
  abandoned->wait();
  node.run([this] { node.slow_sql(Status::unavailable("nobody waits for the answer")); });
  node.drain();
  EXPECT_EQ(request("POST", "/v1/database/mydb/sql", "", "SELECT 1").body, "[{}]");
}

TEST_F(HttpTest, DoesNotTakeTheNextRequestForTheClientsEnd) {
  start();
  TestSocket client(gateway->port());
  client.send(kSlowRead);
  node.wait_for([this] { return node.statements.size() == 1; });
  client.send(
      "POST /v1/database/mydb/sql HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nSELECT 1");
  node.run([this] { node.slow_sql(actors::SqlReply{"[1]", 42}); });
  EXPECT_EQ(client.read_answer().body, "[1]");
  EXPECT_EQ(client.read_answer().body, "[{}]");
  EXPECT_FALSE(node.statements[0].abandoned->is_cancelled());
  EXPECT_FALSE(node.statements[1].abandoned->is_cancelled());
}

}  // namespace
}  // namespace worldline::gateway::testing
