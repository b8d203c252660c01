// tests/gateway/websocket_session_test.cc: upgrade and sessions over real sockets [S 02/5, 02/8].
#include <array>

#include "schema/protocol/client_message.h"
#include "schema/protocol/server_encoder.h"
#include "schema/protocol/server_message.h"
#include "tests/gateway/gateway_fixture.h"

namespace worldline::gateway::testing {
namespace {

ByteBuffer call_of(uint32_t request_id, std::string_view reducer = "add",
                   std::string_view args = "x") {
  ByteBuffer out;
  protocol::encode_client_message(protocol::CallReducer{request_id, reducer, as_bytes(args)}, out);
  return out;
}

ByteBuffer joined(const std::vector<ByteBuffer>& parts) {
  ByteBuffer all;
  for (const ByteBuffer& part : parts) append(all, part);
  return all;
}

// The request ids of all ReducerResults in a frame's payload (tag 0).
std::vector<uint32_t> results_of(const std::string& payload) {
  std::vector<uint32_t> ids;
  EXPECT_FALSE(payload.empty());
  if (payload.empty()) return ids;
  EXPECT_EQ(payload[0], 0) << "not compressed";
  Bytes body = as_bytes(payload).subspan(1);
  while (!body.empty()) {
    auto message = protocol::take_server_message(body);
    EXPECT_TRUE(message.ok());
    if (!message.ok()) break;
    if (const auto* result = std::get_if<protocol::ReducerResult>(&*message))
      ids.push_back(result->request_id);
  }
  return ids;
}

class WebSocketTest : public GatewayTest {
 protected:
  std::unique_ptr<TestWebSocket> connect(TestWebSocket::Options options = {}) {
    auto client = std::make_unique<TestWebSocket>(gateway->port(), options);
    EXPECT_EQ(client->answer().status, 101);
    return client;
  }
  std::unique_ptr<TestWebSocket> connect_open(TestWebSocket::Options options = {}) {
    auto client = connect(std::move(options));
    client->read_initial();
    return client;
  }
  std::shared_ptr<actors::SessionSink> sink(size_t i = 0) {
    node.wait_for([this, i] { return node.opened.size() > i; });
    return node.opened[i].sink;
  }
};

struct UpgradeCase {
  const char* name;
  const char* query;
  const char* headers;
  int status;
  const char* body;
};

constexpr char kGood[] =
    "connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
#define WL_GOOD                                                                \
  "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n" \
  "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

const UpgradeCase kUpgradeCases[] = {
    {"NoUpgradeHeader", "", "connection: Upgrade\r\n", 426,
     "This service requires use of the websocket protocol"},
    {"OtherVersion", "",
     "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 12\r\n", 400,
     "`Sec-WebSocket-Version` header did not include '13'"},
    {"NoKey", "", "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n", 400,
     "`Sec-WebSocket-Key` header missing"},
    {"NoProtocol", "", WL_GOOD, 400, "no valid protocol selected"},
    {"OnlyVersionOne", "",
     WL_GOOD "sec-websocket-protocol: v1.json.spacetimedb, v1.bsatn.spacetimedb\r\n", 400,
     "no valid protocol selected: protocol v1 is not supported, v2 and v3 are"},
    {"ProtocolIsCaseSensitive", "", WL_GOOD "sec-websocket-protocol: V3.bsatn.spacetimedb\r\n", 400,
     "no valid protocol selected"},
    {"ZeroConnectionId", "?connection_id=00000000000000000000000000000000", WL_GOOD, 400,
     "Invalid connection ID: the all-zeros ConnectionId is reserved."},
    {"ShortConnectionId", "?connection_id=12", WL_GOOD, 400, nullptr},
    {"BadToken", "?token=abc", WL_GOOD, 401, "Invalid token: InvalidToken"},
    {"ConfirmedIsABool", "?confirmed=yes", WL_GOOD, 400,
     "Failed to deserialize query string: provided string was not `true` or `false`"},
    {"BestOfSeveralFields", "",
     WL_GOOD "sec-websocket-protocol: v1.json.spacetimedb\r\n"
             "sec-websocket-protocol: v2.bsatn.spacetimedb,v3.bsatn.spacetimedb\r\n",
     101, nullptr},
};

class UpgradeTest : public GatewayTest, public ::testing::WithParamInterface<UpgradeCase> {};

TEST_P(UpgradeTest, IsRefusedOrAcceptedAsSpecified) {
  const UpgradeCase& c = GetParam();
  start();
  TestSocket socket(gateway->port());
  socket.send(std::string("GET /v1/database/mydb/subscribe") + c.query +
              " HTTP/1.1\r\nhost: x\r\n" + c.headers + "\r\n");
  const Answer answer = socket.read_answer();
  EXPECT_EQ(answer.status, c.status) << answer.body;
  if (c.body != nullptr) {
    EXPECT_EQ(answer.body, c.body);
  }
  EXPECT_EQ(answer.header("access-control-allow-origin"), "*");
  if (c.status == 426) {
    EXPECT_EQ(answer.header("upgrade"), "websocket");
  }
}
INSTANTIATE_TEST_SUITE_P(S02, UpgradeTest, ::testing::ValuesIn(kUpgradeCases),
                         [](const auto& test) { return test.param.name; });

TEST_F(WebSocketTest, ADatabaseWhoseModuleDoesNotRunIsRefusedBeforeTheHandshake) {
  node.running = false;
  start();
  const TestWebSocket client(gateway->port(), {});
  EXPECT_EQ(client.answer().status, 500);
  EXPECT_EQ(client.answer().body, "no such module");
}

TEST_F(WebSocketTest, ADatabaseOutOfServiceSaysSoBeforeTheHandshake) {
  node.running = false;
  node.outage = "this database is out of service";
  start();
  const TestWebSocket client(gateway->port(), {});
  EXPECT_EQ(client.answer().status, 503);
  EXPECT_EQ(client.answer().body, "this database is out of service");
}

TEST_F(WebSocketTest, AnswersTheHandshakeWithKeyProtocolAndIdentity) {
  start();
  TestSocket socket(gateway->port());
  socket.send(std::string("GET /v1/database/mydb/subscribe HTTP/1.1\r\nhost: x\r\n") + kGood +
              "sec-websocket-protocol: v1.json.spacetimedb, v2.bsatn.spacetimedb, "
              "v3.bsatn.spacetimedb\r\n\r\n");
  const Answer answer = socket.read_answer();
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(answer.header("sec-websocket-protocol"), "v3.bsatn.spacetimedb");
  EXPECT_EQ(answer.headers.count("sec-websocket-protocol"), 1u);
  EXPECT_EQ(answer.header("upgrade"), "websocket");
  EXPECT_EQ(answer.header("content-length"), "");
  EXPECT_EQ(answer.header("spacetime-identity").size(), 64u);
}

TEST_F(WebSocketTest, FirstMessageIsTheInitialConnection) {
  start();
  const auto client =
      connect({"v2.bsatn.spacetimedb", "?connection_id=000102030405060708090a0b0c0d0e0f", "mydb"});
  EXPECT_EQ(client->answer().header("sec-websocket-protocol"), "v2.bsatn.spacetimedb");
  const std::string payload = client->read_initial();
  Bytes body = as_bytes(payload).subspan(1);
  const auto message = protocol::take_server_message(body);
  ASSERT_TRUE(message.ok());
  const auto& initial = std::get<protocol::InitialConnection>(*message);
  EXPECT_EQ(schema::Identity::from_le_bytes(initial.identity).to_hex(),
            client->answer().header("spacetime-identity"));
  EXPECT_EQ(to_hex(initial.connection_id), "0f0e0d0c0b0a09080706050403020100");
  EXPECT_EQ(initial.token, client->answer().header("spacetime-identity-token"));
  EXPECT_EQ(client->read_frame().opcode, 0x9) << "the first ping follows";
  node.drain();
  EXPECT_EQ(node.opened.at(0).database, node.database);
}

TEST_F(WebSocketTest, RefusedConnectEndsWithoutAnyFrame) {
  node.open_status = Status::user_error("not you");
  start();
  const auto client = connect();
  EXPECT_EQ(client->read_frame().opcode, -1);
}

TEST_F(WebSocketTest, MessagesSentBehindTheHandshakeWaitForTheSession) {
  start();
  TestSocket socket(gateway->port());
  socket.send(std::string("GET /v1/database/mydb/subscribe?compression=None HTTP/1.1\r\nhost: "
                          "x\r\n") +
              kGood + "sec-websocket-protocol: v3.bsatn.spacetimedb\r\n\r\n" +
              TestWebSocket::masked(2, joined({call_of(1), call_of(2)}), true));
  EXPECT_EQ(socket.read_answer().status, 101);
  node.wait_for([this] { return !node.batch_sizes.empty(); });
  EXPECT_EQ(node.batch_sizes[0], 2u);
}

TEST_F(WebSocketTest, OneFrameOfManyCallsIsOneBatchAndOneAnswerFrame) {
  start();
  const auto client = connect_open();
  client->send_binary(joined({call_of(1), call_of(2), call_of(3)}));
  EXPECT_EQ(results_of(client->read_data().payload), (std::vector<uint32_t>{1, 2, 3}));
  node.drain();
  EXPECT_EQ(node.batch_sizes, (std::vector<size_t>{3}));
}

TEST_F(WebSocketTest, SeveralFramesOfOneReadAreOneBatch) {
  start();
  const auto client = connect_open();
  client->socket().send(TestWebSocket::masked(2, call_of(1), true) +
                        TestWebSocket::masked(2, call_of(2), true));
  EXPECT_EQ(results_of(client->read_data().payload), (std::vector<uint32_t>{1, 2}));
}

TEST_F(WebSocketTest, VersionTwoGetsOneMessagePerFrame) {
  start();
  const auto client = connect_open({"v2.bsatn.spacetimedb", "?compression=None", "mydb"});
  client->socket().send(TestWebSocket::masked(2, call_of(1), true) +
                        TestWebSocket::masked(2, call_of(2), true));
  EXPECT_EQ(results_of(client->read_data().payload), (std::vector<uint32_t>{1}));
  EXPECT_EQ(results_of(client->read_data().payload), (std::vector<uint32_t>{2}));
}

TEST_F(WebSocketTest, FragmentsWithAPingBetweenMakeOneMessage) {
  start();
  const auto client = connect_open();
  const ByteBuffer message = call_of(9);
  client->send_frame(2, Bytes(message).first(5), false);
  client->send_frame(9, as_bytes("hi"));
  client->send_frame(0, Bytes(message).subspan(5), true);
  TestFrame pong = client->read_frame();
  while (pong.opcode == 0x9) pong = client->read_frame();
  EXPECT_EQ(pong.opcode, 0xA);
  EXPECT_EQ(pong.payload, "hi");
  EXPECT_EQ(results_of(client->read_data().payload), (std::vector<uint32_t>{9}));
}

TEST_F(WebSocketTest, LargeMessagesArriveWholeAndAreBounded) {
  config.websocket.message_bytes_max = 300'000;
  start();
  const auto client = connect_open();
  const std::string args(250'000, 'a');
  client->send_binary(call_of(4, "fail", args));
  const TestFrame frame = client->read_data();
  Bytes body = as_bytes(frame.payload).subspan(1);
  const auto message = protocol::take_server_message(body);
  ASSERT_TRUE(message.ok());
  const auto& error =
      std::get<protocol::ReducerErr>(std::get<protocol::ReducerResult>(*message).outcome);
  EXPECT_EQ(protocol::reducer_error_text(error), args);

  client->send_binary(ByteBuffer(300'001, 0));
  EXPECT_EQ(client->read_data().opcode, -1) << "dropped without a close frame";
  node.wait_for([this] { return node.sessions_closed == 1; });
}

struct FaultCase {
  const char* name;
  const char* protocol;
  int opcode;
  const char* hex;
  int code;  // -1: dropped without a frame.
  const char* reason;
};

const FaultCase kFaults[] = {
    {"TextOnV2", "v2.bsatn.spacetimedb", 1, "6869", 1011,
     "v2 websocket does not support text messages"},
    {"TextOnV3", "v3.bsatn.spacetimedb", 1, "6869", 1011,
     "v3 websocket does not support text messages"},
    {"EmptyV3Frame", "v3.bsatn.spacetimedb", 2, "", 1011,
     "v3 websocket binary payload must contain at least one v2 client message"},
    {"UnknownMessage", "v3.bsatn.spacetimedb", 2, "2a", 1011,
     "unknown tag 0x2a for sum type ClientMessage"},
    {"ReservedOpcode", "v3.bsatn.spacetimedb", 3, "", -1, ""},
    {"ContinuationOfNothing", "v3.bsatn.spacetimedb", 0, "00", -1, ""},
    {"CloseIsEchoed", "v3.bsatn.spacetimedb", 8, "0fa16279", 4001, "by"},
    {"CloseWithoutCode", "v3.bsatn.spacetimedb", 8, "", 0, ""},
    {"CloseWithABadCode", "v3.bsatn.spacetimedb", 8, "03ed", 1002, "Protocol violation"},
};

class FaultTest : public WebSocketTest, public ::testing::WithParamInterface<FaultCase> {};

TEST_P(FaultTest, EndsTheSessionAsSpecified) {
  const FaultCase& c = GetParam();
  start();
  const auto client = connect_open({c.protocol, "?compression=None", "mydb"});
  ByteBuffer payload;
  ASSERT_TRUE(parse_hex(c.hex, payload));
  client->send_frame(c.opcode, payload);
  const TestFrame frame = client->read_data();
  EXPECT_EQ(frame.opcode, c.code < 0 ? -1 : 8);
  EXPECT_EQ(frame.close_code(), c.code < 0 ? 0 : c.code);
  EXPECT_EQ(frame.close_reason(), c.reason);
  if (c.code > 0 && c.opcode != 8) client->send_frame(8, as_bytes(frame.payload));
  EXPECT_EQ(client->read_data().opcode, -1);
  node.wait_for([this] { return node.sessions_closed == 1; });
}
INSTANTIATE_TEST_SUITE_P(S02, FaultTest, ::testing::ValuesIn(kFaults),
                         [](const auto& test) { return test.param.name; });

TEST_F(WebSocketTest, UnmaskedFramesAreRefused) {
  start();
  const auto client = connect_open();
  client->socket().send(std::string("\x82\x01z", 3));
  EXPECT_EQ(client->read_data().opcode, -1);
}

TEST_F(WebSocketTest, GoodMessagesBeforeABadOneAreExecuted) {
  start();
  const auto client = connect_open();
  client->send_binary(joined({call_of(1), ByteBuffer{99}}));
  const TestFrame frame = client->read_data();
  EXPECT_EQ(frame.opcode, 8);
  EXPECT_EQ(frame.close_code(), 1011);
  node.wait_for([this] { return !node.batch_sizes.empty(); });
  EXPECT_EQ(node.batch_sizes[0], 1u);
}

TEST_F(WebSocketTest, CallsBeforeAClientsCloseAreExecuted) {
  start();
  const auto client = connect_open();
  client->socket().send(TestWebSocket::masked(2, call_of(1), true) +
                        TestWebSocket::masked(8, {}, true));
  node.wait_for([this] { return node.sessions_closed == 1; });
  EXPECT_EQ(node.batch_sizes, (std::vector<size_t>{1}));
}

TEST_F(WebSocketTest, LongCloseReasonsAreCutAtACharacter) {
  start();
  const auto client = connect_open();
  std::string reason(122, 'r');
  reason += "\xC3\xA9 and more";
  sink()->close({1001, reason});
  const TestFrame frame = client->read_data();
  EXPECT_EQ(frame.close_code(), 1001);
  EXPECT_EQ(frame.close_reason(), std::string(122, 'r'));
}

TEST_F(WebSocketTest, NodeClosesAfterWhatItDelivered) {
  start();
  const auto client = connect_open();
  const auto session = sink();
  ByteBuffer error;
  protocol::encode_subscription_error(std::nullopt, 3, "boom", error);
  session->deliver(batch_of({error}));
  session->close({1001, "module exited"});
  EXPECT_EQ(client->read_data().opcode, 2);
  const TestFrame frame = client->read_data();
  EXPECT_EQ(frame.close_code(), 1001);
  EXPECT_EQ(frame.close_reason(), "module exited");
  EXPECT_EQ(client->read_data().opcode, -1) << "the handshake timeout ends it";
}

TEST_F(WebSocketTest, NodeMayDropWithoutAFrame) {
  start();
  const auto client = connect_open();
  sink()->close({0, ""});
  EXPECT_EQ(client->read_data().opcode, -1);
}

TEST_F(WebSocketTest, SilentClientsArePingedAndThenDropped) {
  config.websocket.ping_interval = milliseconds(10);
  config.websocket.idle_timeout = milliseconds(60);
  start();
  const auto client = connect_open();
  int pings = 0;
  TestFrame frame = client->read_frame();
  for (; frame.opcode == 0x9; frame = client->read_frame()) ++pings;
  EXPECT_EQ(pings, 1) << "unanswered: not repeated";
  EXPECT_EQ(frame.opcode, -1);
  node.wait_for([this] { return node.sessions_closed == 1; });
}

TEST_F(WebSocketTest, AnsweredPingsKeepTheSession) {
  config.websocket.ping_interval = milliseconds(10);
  config.websocket.idle_timeout = milliseconds(10'000);
  start();
  const auto client = connect_open();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(client->read_frame().opcode, 0x9);
    client->send_frame(0xA, {});
  }
}

TEST_F(WebSocketTest, SlowReadersAreDroppedAtTheByteLimit) {
  config.websocket.outgoing_bytes_max = 1 * limits::MiB;
  start();
  const auto client = connect_open();
  const auto session = sink();
  ByteBuffer message;
  protocol::encode_procedure_returned(1, Timestamp{1}, 1, ByteBuffer(512 * 1024, 7), message);
  const auto batch = batch_of({message});
  // The kernel takes some megabytes; the queue fills behind it.
  for (int i = 0; i < 200; ++i) session->deliver(batch);
  node.wait_for([this] { return node.sessions_closed == 1; });
  const Answer page = request("GET", "/v1/metrics");
  EXPECT_NE(page.body.find("cause=\"outgoing_queue_full\""), std::string::npos);
}

TEST_F(WebSocketTest, ReadingStopsBeyondTheByteBoundAndGoesOnAfterConsumption) {
  config.websocket.incoming_bytes_max = 1000;
  config.stop_grace = milliseconds(50);
  node.consume = false;
  node.answer_calls = false;
  start();
  const auto client = connect_open();
  const std::string args(600, 'a');
  client->send_binary(call_of(1, "a", args));
  client->send_binary(call_of(2, "a", args));
  node.wait_for([this] {
    size_t messages = 0;
    for (const size_t size : node.batch_sizes) messages += size;
    return messages == 2;
  });
  client->send_binary(call_of(3, "a", args));
  // What follows is not read: a ping behind the third call stays unanswered.
  client->send_frame(9, as_bytes("?"));
  const Answer unrelated = request("GET", "/v1/ping");
  EXPECT_EQ(unrelated.status, 200);
  EXPECT_LE(node.batch_sizes.size(), 2u);
  sink()->consumed(2, 5000);
  TestFrame frame = client->read_frame();
  while (frame.opcode == 0x9) frame = client->read_frame();
  EXPECT_EQ(frame.opcode, 0xA);
  EXPECT_EQ(frame.payload, "?");
}

TEST_F(WebSocketTest, TooManyUnprocessedMessagesCloseWith1013) {
  config.websocket.incoming_messages_max = 3;
  config.stop_grace = milliseconds(50);
  node.consume = false;
  node.answer_calls = false;
  start();
  const auto client = connect_open();
  // One frame of many calls counts once.
  client->send_binary(joined({call_of(1), call_of(2), call_of(3), call_of(4), call_of(5)}));
  for (uint32_t i = 0; i < 3; ++i) client->send_binary(call_of(10 + i));
  const TestFrame frame = client->read_data();
  EXPECT_EQ(frame.close_code(), 1013);
  EXPECT_EQ(frame.close_reason(), "too many requests");
}

TEST_F(WebSocketTest, ManySessionsOnSeveralThreadsGetTheirOwnAnswers) {
  config.io_threads = 2;
  start();
  std::vector<std::unique_ptr<TestWebSocket>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(connect_open());
  for (uint32_t round = 0; round < 20; ++round) {
    for (size_t i = 0; i < clients.size(); ++i)
      clients[i]->send_binary(call_of(round * 100 + static_cast<uint32_t>(i)));
    for (size_t i = 0; i < clients.size(); ++i)
      EXPECT_EQ(results_of(clients[i]->read_data().payload),
                (std::vector<uint32_t>{round * 100 + static_cast<uint32_t>(i)}));
  }
}

TEST_F(WebSocketTest, UpgradesBeyondTheRateAreToldToComeBack) {
  config.connect_rate_max = 1;
  start();
  const auto first = connect();
  const TestWebSocket second(gateway->port(), {});
  EXPECT_EQ(second.answer().status, 503);
}

}  // namespace
}  // namespace worldline::gateway::testing
