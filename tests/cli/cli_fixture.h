// tests/cli/cli_fixture.h
//
// What the tests of commands share: a console that remembers, and a small HTTP server on a loopback
// port with canned answers.
//
// Thread: FakeServer answers on a thread of its own; its requests are read after the client is
// done.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cli/cli_config.h"
#include "cli/commands.h"
#include "tests/base/temporary_directory.h"

namespace worldline::cli {

class FakeConsole final : public Console {
 public:
  void out(std::string_view text) override { out_text += text; }
  void err(std::string_view text) override { err_text += text; }
  std::optional<std::string> read_line() override {
    if (input.empty()) return std::nullopt;
    std::string line = input.front();
    input.pop_front();
    return line;
  }
  bool out_is_terminal() const override { return false; }

  std::deque<std::string> input;
  std::string out_text;
  std::string err_text;
};

struct SeenRequest {
  std::string line;  // "GET /v1/ping"
  std::map<std::string, std::string> headers;
  std::string body;
};

struct CannedAnswer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::string> pieces;  // Not empty: sent as chunks instead of `body`.
};

// Answers each request line it knows, in order when several answers are given for one line; others
// get 404.
class FakeServer {
 public:
  FakeServer();
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  void answer(const std::string& line, CannedAnswer canned);
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<SeenRequest> requests() const;

 private:
  void serve();
  void handle(int connection);

  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;  // Guards the two below: the server's thread and the test's.
  std::map<std::string, std::deque<CannedAnswer>> answers_;
  std::vector<SeenRequest> requests_;
  std::thread thread_;
};

// A command's surroundings: configuration whose default server is the fake one, with a token.
class CommandFixture {
 public:
  CommandFixture();

  CommandContext context() { return {console, transport, environment, *config}; }

  TemporaryDirectory directory;
  FakeServer server;
  FakeConsole console;
  BeastTransport transport;
  Environment environment;
  std::optional<CliConfig> config;
};

// 64 hex digits of `digit`.
std::string identity_of(char digit);

}  // namespace worldline::cli
