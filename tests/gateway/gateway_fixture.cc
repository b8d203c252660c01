#include "tests/gateway/gateway_fixture.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace worldline::gateway::testing {
namespace {

// A signal without a handler that restarts, such as the alarm of libFuzzer, ends the wait early.
template <typename Call, typename... Args>
ssize_t resumed(Call call, Args... args) {
  ssize_t result = 0;
  do result = call(args...);
  while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

TestSocket::TestSocket(uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  WL_CHECK(::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

TestSocket::~TestSocket() {
  ::close(descriptor_);
}

bool TestSocket::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = resumed(::send, descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void TestSocket::send(std::string_view bytes) {
  EXPECT_TRUE(try_send(bytes));
}

void TestSocket::set_receive_buffer(int bytes) {
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

std::string TestSocket::read_some() {
  if (!held_.empty()) return std::exchange(held_, {});
  std::string buffer(65536, '\0');
  const ssize_t got = resumed(::recv, descriptor_, buffer.data(), buffer.size(), 0);
  buffer.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return buffer;
}

std::string TestSocket::read_exactly(size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    const std::string more = read_some();
    if (more.empty()) return text;
    text += more;
  }
  held_ = text.substr(bytes) + held_;
  text.resize(bytes);
  return text;
}

std::string TestSocket::read_until(const std::string& mark) {
  std::string text;
  while (true) {
    if (const size_t at = text.find(mark); at != std::string::npos) {
      held_ = text.substr(at + mark.size()) + held_;
      text.resize(at + mark.size());
      return text;
    }
    const std::string more = read_some();
    if (more.empty()) return text;
    text += more;
  }
}

Answer TestSocket::read_answer(bool without_body) {
  Answer answer;
  const std::string head = read_until("\r\n\r\n");
  if (head.size() < 12) return answer;
  answer.status = std::atoi(head.substr(9, 3).c_str());
  const size_t line_end = head.find("\r\n");
  if (line_end > 13) answer.reason = head.substr(13, line_end - 13);
  for (size_t at = line_end + 2; at < head.size() - 2;) {
    const size_t end = head.find("\r\n", at);
    const size_t colon = head.find(':', at);
    std::string name = head.substr(at, colon - at);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    answer.headers.emplace(name, head.substr(colon + 2, end - colon - 2));
    at = end + 2;
  }
  if (!without_body && !answer.header("content-length").empty())
    answer.body = read_exactly(std::stoul(answer.header("content-length")));
  return answer;
}

TestWebSocket::TestWebSocket(uint16_t port, const Options& options) : socket_(port) {
  socket_.send(
      fmt::format("GET /v1/database/{}/subscribe{} HTTP/1.1\r\nhost: x\r\n"
                  "connection: Upgrade\r\nupgrade: websocket\r\n"
                  "sec-websocket-version: 13\r\n"
                  "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                  "sec-websocket-protocol: {}\r\n\r\n",
                  options.database, options.query, options.protocols));
  answer_ = socket_.read_answer();
}

std::string TestWebSocket::masked(int opcode, Bytes payload, bool final_fragment) {
  std::string frame;
  frame += static_cast<char>((final_fragment ? 0x80 : 0) | opcode);
  if (payload.size() < 126) {
    frame += static_cast<char>(0x80 | payload.size());
  } else {
    const int bytes = payload.size() <= 0xFFFF ? 2 : 8;
    frame += static_cast<char>(0x80 | (bytes == 2 ? 126 : 127));
    for (int i = bytes - 1; i >= 0; --i)
      frame += static_cast<char>(payload.size() >> (8 * i) & 0xFF);
  }
  constexpr unsigned char kMask[4] = {0x12, 0x34, 0x56, 0x78};
  for (const unsigned char byte : kMask) frame += static_cast<char>(byte);
  for (size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ kMask[i % 4]);
  return frame;
}

void TestWebSocket::send_frame(int opcode, Bytes payload, bool final_fragment) {
  socket_.try_send(masked(opcode, payload, final_fragment));
}

TestFrame TestWebSocket::read_frame() {
  TestFrame frame;
  const std::string head = socket_.read_exactly(2);
  if (head.size() < 2) return frame;
  size_t bytes = static_cast<Byte>(head[1]);
  if (bytes >= 126) {
    const std::string extended = socket_.read_exactly(bytes == 126 ? 2 : 8);
    bytes = 0;
    for (const char c : extended) bytes = bytes << 8 | static_cast<Byte>(c);
  }
  frame.payload = socket_.read_exactly(bytes);
  frame.opcode = static_cast<Byte>(head[0]) & 0x0F;
  EXPECT_EQ(static_cast<Byte>(head[0]) & 0xF0, 0x80) << "final, no reserved bits";
  return frame;
}

TestFrame TestWebSocket::read_data() {
  while (true) {
    TestFrame frame = read_frame();
    if (frame.opcode != 0x9 && frame.opcode != 0xA) return frame;
  }
}

std::string TestWebSocket::read_initial() {
  const TestFrame frame = read_data();
  EXPECT_EQ(frame.opcode, 2);
  return frame.payload;
}

GatewayTest::GatewayTest() {
  config.listen_address = "127.0.0.1";
  config.listen_port = 0;
  config.tick = milliseconds(5);
  config.auth.key_dir = (folder / "keys").string();
}

GatewayTest::~GatewayTest() {
  gateway.reset();
}

Answer GatewayTest::request(const std::string& method, const std::string& path,
                            const std::string& headers, const std::string& body) {
  TestSocket socket(gateway->port());
  socket.send(fmt::format("{} {} HTTP/1.1\r\nhost: x\r\n{}content-length: {}\r\n\r\n{}", method,
                          path, headers, body.size(), body));
  return socket.read_answer(method == "HEAD");
}

std::string GatewayTest::authorization(schema::Identity* identity) {
  const Answer answer = request("POST", "/v1/identity");
  const size_t at = answer.body.find("\"token\":\"") + 9;
  if (identity != nullptr) *identity = schema::Identity::parse(answer.body.substr(13, 64)).value();
  return "authorization: Bearer " + answer.body.substr(at, answer.body.find('"', at) - at) + "\r\n";
}

}  // namespace worldline::gateway::testing
