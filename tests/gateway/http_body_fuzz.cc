// tests/gateway/http_body_fuzz.cc: any bytes as the body of a request, over a socket and through
// the routes to a fake node: every request is answered, and what reaches the node is what was sent.
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "gateway/http_server.h"
#include "schema/utf8.h"
#include "tests/base/temporary_directory.h"
#include "tests/gateway/fake_node.h"
#include "tests/gateway/gateway_fixture.h"

namespace worldline::gateway::testing {
namespace {

struct Route {
  const char* method;
  const char* path;
};
constexpr Route kRoutes[] = {
    {"PUT", "/v1/database/mydb/names"},        {"POST", "/v1/database/mydb/names"},
    {"PUT", "/v1/database/mydb?host_type=Js"}, {"POST", "/v1/database"},
    {"POST", "/v1/database/mydb/pre_publish"}, {"PUT", "/v1/database/mydb/reset"},
    {"POST", "/v1/database/mydb/sql"},         {"POST", "/v1/database/mydb/call/f"},
    {"POST", "/v1/identity/websocket-token"},  {"POST", "/v1/mcp"},
};
constexpr const char* kTypes[] = {"", "content-type: application/json\r\n",
                                  "content-type: application/json; charset=utf-8\r\n",
                                  "content-type: text/plain\r\n"};

// A gateway with one connection that stays, made once for all inputs.
class Door {
 public:
  Door() {
    const TemporaryDirectory keys;  // Read when the gateway is open.
    GatewayConfig config;
    config.listen_address = "127.0.0.1";
    config.listen_port = 0;
    config.auth.key_dir = keys.path();
    auto opened = Gateway::open(config, node);
    WL_CHECK(opened.ok());
    gateway_ = std::move(*opened);
    socket_ = std::make_unique<TestSocket>(gateway_->port());
    const Answer minted = ask({"POST", "/v1/identity"}, "", "");
    WL_CHECK(minted.status == 200);
    owner_ = "authorization: Bearer " + field(minted.body, "token") + "\r\n";
    node.owner = schema::Identity::parse(field(minted.body, "identity")).value();
  }

  const std::string& owner() const { return owner_; }

  Answer ask(const Route& route, std::string_view headers, std::string_view body) {
    std::string request = std::string(route.method) + " " + route.path + " HTTP/1.1\r\nhost: x\r\n";
    request += headers;
    request += "content-length: " + std::to_string(body.size()) + "\r\n\r\n";
    request += body;
    WL_CHECK(socket_->try_send(request));
    return socket_->read_answer();
  }

  FakeNode node;

 private:
  static std::string field(const std::string& json, const std::string& name) {
    const size_t begin = json.find("\"" + name + "\":\"") + name.size() + 4;
    return json.substr(begin, json.find('"', begin) - begin);
  }

  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<TestSocket> socket_;
  std::string owner_;
};

// The node is idle, so what it saw can be read.
void compare_and_forget(FakeNode& node, std::string_view body) {
  for (const auto& seen : node.published) WL_CHECK(as_text(*seen.program) == body);
  for (const auto& seen : node.statements) WL_CHECK(seen.statement == body);
  for (const auto& seen : node.calls) WL_CHECK(seen.args_json == body);
  node.published.clear();
  node.statements.clear();
  node.calls.clear();
}

}  // namespace
}  // namespace worldline::gateway::testing

// Three bytes choose route, content type and caller; the rest is the body.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace worldline::gateway::testing;  // NOLINT(google-build-using-namespace): one scope.
  static Door door;
  if (size < 3) return 0;
  const Route& route = kRoutes[data[0] % std::size(kRoutes)];
  std::string headers = kTypes[data[1] % std::size(kTypes)];
  if (data[2] % 2 == 0) headers += door.owner();
  const std::string_view body(reinterpret_cast<const char*>(data) + 3, size - 3);
  const Answer answer = door.ask(route, headers, body);
  WL_CHECK(answer.status >= 200 && answer.status < 600);
  WL_CHECK(worldline::schema::is_valid_utf8(worldline::as_bytes(answer.body)));
  door.node.drain();
  compare_and_forget(door.node, body);
  return 0;
}
