// tests/gateway/gateway_fixture.h
//
// A gateway on a free loopback port with a fake node, and blocking clients: HTTP as text in, parsed
// answer out; WebSocket frame by frame.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "gateway/auth/token_service.h"
#include "gateway/frame_codec.h"
#include "gateway/http_server.h"
#include "tests/base/temporary_directory.h"
#include "tests/gateway/fake_node.h"

namespace worldline::gateway::testing {

struct Answer {
  int status = 0;
  std::string reason;
  std::multimap<std::string, std::string> headers;  // Names in lower case.
  std::string body;

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

// A blocking TCP client.
class TestSocket {
 public:
  explicit TestSocket(uint16_t port);
  ~TestSocket();
  TestSocket(const TestSocket&) = delete;
  TestSocket& operator=(const TestSocket&) = delete;

  void send(std::string_view bytes);
  bool try_send(std::string_view bytes);   // false: the peer has reset.
  std::string read_some();                 // Empty: end of stream or reset.
  std::string read_exactly(size_t bytes);  // Shorter at the end of the stream.
  std::string read_until(const std::string& mark);
  void set_receive_buffer(int bytes);

  Answer read_answer(bool without_body = false);

 private:
  int descriptor_;
  std::string held_;  // Read and not yet given out.
};

struct TestFrame {
  int opcode = -1;  // -1: the connection ended without a frame.
  std::string payload;
  uint16_t close_code() const {
    return payload.size() < 2 ? 0
                              : static_cast<uint16_t>(static_cast<Byte>(payload[0]) << 8 |
                                                      static_cast<Byte>(payload[1]));
  }
  std::string close_reason() const { return payload.size() < 2 ? "" : payload.substr(2); }
};

class TestWebSocket {
 public:
  struct Options {
    std::string protocols = "v3.bsatn.spacetimedb";
    std::string query = "?compression=None";
    std::string database = "mydb";
  };
  TestWebSocket(uint16_t port, const Options& options);

  const Answer& answer() const { return answer_; }
  TestSocket& socket() { return socket_; }
  void send_frame(int opcode, Bytes payload, bool final_fragment = true);
  void send_binary(Bytes payload) { send_frame(2, payload); }
  TestFrame read_frame();
  TestFrame read_data();       // The next frame that is neither ping nor pong.
  std::string read_initial();  // The InitialConnection body.
  static std::string masked(int opcode, Bytes payload, bool final_fragment);

 private:
  TestSocket socket_;
  Answer answer_;
};

class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest();
  ~GatewayTest() override;

  void start() {
    auto opened = Gateway::open(config, node);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    gateway = std::move(*opened);
  }
  // One request on a connection of its own.
  Answer request(const std::string& method, const std::string& path,
                 const std::string& headers = "", const std::string& body = "");
  // An `authorization` header line for a fresh identity; `owner`: makes it the database's owner.
  std::string authorization(schema::Identity* identity = nullptr);

  const TemporaryDirectory folder;
  GatewayConfig config;
  FakeNode node;
  std::unique_ptr<Gateway> gateway;
};

}  // namespace worldline::gateway::testing
