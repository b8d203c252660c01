// tests/gateway/gateway_stop_test.cc: what a gateway that stops still owes its clients [S 04/R36,
// 09/1.9]: answers to accepted requests, taken by the client; and the truth about those it lacks.
#include <future>
#include <thread>

#include "schema/protocol/client_message.h"
#include "schema/protocol/server_encoder.h"
#include "tests/gateway/gateway_fixture.h"

namespace worldline::gateway::testing {
namespace {

ByteBuffer add_call(uint32_t request_id) {
  ByteBuffer out;
  protocol::encode_client_message(protocol::CallReducer{request_id, "add", as_bytes("x")}, out);
  return out;
}

ByteBuffer answer_to(uint32_t request_id) {
  ByteBuffer out;
  protocol::encode_reducer_ok_head(request_id, Timestamp{1}, 0, out);
  return out;
}

// What a client lets wait, and more than the kernel holds for it: tcp_wmem is 4 MiB at most.
constexpr int kReceiveBufferBytes = 64 * 1024;
constexpr size_t kMoreThanTheKernelHolds = 8 * limits::MiB;

class GatewayStopTest : public GatewayTest {
 protected:
  std::unique_ptr<TestWebSocket> connect() {
    auto client = std::make_unique<TestWebSocket>(gateway->port(), TestWebSocket::Options{});
    EXPECT_EQ(client->answer().status, 101);
    client->read_initial();
    client->socket().set_receive_buffer(kReceiveBufferBytes);
    return client;
  }
  std::shared_ptr<actors::SessionSink> sink(size_t i = 0) {
    node.wait_for([this, i] { return node.opened.size() > i; });
    return node.opened[i].sink;
  }
  // `client` calls; the node has taken it and answers with more than anything but it can hold.
  size_t answer_with_a_flood(TestWebSocket& client, size_t session) {
    client.send_binary(add_call(1));
    node.wait_for([this] { return !node.batch_sizes.empty(); });
    ByteBuffer large;
    protocol::encode_procedure_returned(1, Timestamp{1}, 1, ByteBuffer(kMoreThanTheKernelHolds, 7),
                                        large);
    sink(session)->deliver(batch_of({large}));
    return large.size();
  }
  std::future<Status> stop_in_background() {
    return std::async(std::launch::async, [this] { return gateway->stop(); });
  }
};

TEST_F(GatewayStopTest, AnswersWhatWasAcceptedAndClosesWith1001) {
  node.answer_calls = false;
  start();
  const auto client = connect();
  client->send_binary(add_call(7));
  node.wait_for([this] { return !node.batch_sizes.empty(); });
  std::future<Status> stopped = stop_in_background();
  sink()->deliver(batch_of({answer_to(7)}));
  EXPECT_EQ(client->read_data().opcode, 2);
  const TestFrame frame = client->read_data();
  EXPECT_EQ(frame.close_code(), 1001);
  client->send_frame(8, as_bytes(frame.payload));
  EXPECT_TRUE(stopped.get().ok());
}

TEST_F(GatewayStopTest, SaysThatCallsOfASessionAreUnanswered) {
  config.stop_grace = milliseconds(50);
  node.answer_calls = false;
  start();
  const auto client = connect();
  const auto idle = connect();
  client->send_binary(add_call(7));
  node.wait_for([this] { return !node.batch_sizes.empty(); });
  const Status stopped = gateway->stop();
  EXPECT_EQ(stopped.code(), StatusCode::kTimeout);
  EXPECT_EQ(stopped.message(), "1 connections were not answered within 50 ms");
  EXPECT_EQ(client->read_data().opcode, -1);
  sink()->deliver(batch_of({}));  // The handle outlives the gateway.
}

TEST_F(GatewayStopTest, SaysThatAnHttpRequestIsUnanswered) {
  config.stop_grace = milliseconds(50);
  start();
  std::promise<void> release;
  node.run([&release] { release.get_future().wait(); });
  TestSocket client(gateway->port());
  client.send(
      "POST /v1/database/mydb/call/add HTTP/1.1\r\nhost: x\r\n"
      "content-type: application/json\r\ncontent-length: 2\r\n\r\n[]");
  // The next request on the I/O thread is routed after that one.
  EXPECT_EQ(request("GET", "/v1/ping").status, 200);
  const Status stopped = gateway->stop();
  EXPECT_EQ(stopped.message(), "1 connections were not answered within 50 ms");
  release.set_value();
}

TEST_F(GatewayStopTest, LetsTheNodeAnswerWhenItIsGone) {
  config.stop_grace = milliseconds(10);
  const char* const requests[] = {
      "POST /v1/database/mydb/call/add HTTP/1.1\r\ncontent-type: application/json\r\n",
      "DELETE /v1/database/mydb HTTP/1.1\r\n",
      "GET /v1/database/mydb/subscribe HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
      "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "sec-websocket-protocol: v2.bsatn.spacetimedb\r\n",
      "GET /v1/metrics HTTP/1.1\r\n"};
  for (const char* text : requests) {
    start();
    const std::string owner = authorization(&node.owner);
    std::promise<void> release;
    node.run([&release] { release.get_future().wait(); });
    TestSocket client(gateway->port());
    client.send(text + owner + "host: x\r\ncontent-length: 0\r\n\r\n");
    EXPECT_EQ(request("GET", "/v1/ping").status, 200);  // Routed after that one.
    gateway.reset();
    release.set_value();
    node.drain();
  }
}

// The old way was to close a session a moment after its close frame, whatever was still unsent.
TEST_F(GatewayStopTest, WaitsForASlowClientToTakeItsAnswers) {
  config.websocket.close_handshake_timeout = milliseconds(1);
  node.answer_calls = false;
  start();
  const auto slow = connect();
  const auto silent = connect();  // Never answers the close frame: gone after its deadline.
  const size_t bytes = answer_with_a_flood(*slow, 0);
  std::future<Status> stopped = stop_in_background();
  EXPECT_EQ(silent->read_data().close_code(), 1001);
  EXPECT_EQ(silent->read_data().opcode, -1);
  // The tick that ended the silent one has looked at the slow one, whose deadline was earlier.
  EXPECT_EQ(slow->read_data().payload.size(), bytes + 1);
  EXPECT_EQ(slow->read_data().close_code(), 1001);
  EXPECT_TRUE(stopped.get().ok());
}

TEST_F(GatewayStopTest, SaysThatAClientDidNotTakeItsAnswers) {
  config.stop_grace = milliseconds(100);
  node.answer_calls = false;
  start();
  const auto slow = connect();
  answer_with_a_flood(*slow, 0);
  EXPECT_EQ(gateway->stop().message(), "1 connections were not answered within 100 ms");
}

TEST_F(GatewayStopTest, UpdatesNobodyAskedForAreNoAnswers) {
  config.stop_grace = milliseconds(100);
  start();
  const auto slow = connect();
  ByteBuffer update;
  protocol::encode_transaction_update_head(0, update);
  update.resize(kMoreThanTheKernelHolds);
  sink()->deliver(batch_of({update}));
  EXPECT_TRUE(gateway->stop().ok());
}

TEST_F(GatewayStopTest, SendsTheLinesOfALogToTheirEnd) {
  const std::string line(limits::MiB - 1, 'x');
  for (size_t i = 0; i < kMoreThanTheKernelHolds / limits::MiB; ++i) node.log_lines += line + "\n";
  start();
  schema::Identity owner;
  const std::string token = authorization(&owner);
  node.run([this, owner] { node.owner = owner; });
  TestSocket client(gateway->port());
  client.set_receive_buffer(kReceiveBufferBytes);
  client.send("GET /v1/database/mydb/logs HTTP/1.0\r\nhost: x\r\n" + token + "\r\n");
  EXPECT_EQ(client.read_answer(true).status, 200);
  node.drain();  // All lines are with the gateway.
  std::future<Status> stopped = stop_in_background();
  EXPECT_EQ(client.read_exactly(node.log_lines.size() + 1).size(), node.log_lines.size());
  EXPECT_TRUE(stopped.get().ok());
}

}  // namespace
}  // namespace worldline::gateway::testing
