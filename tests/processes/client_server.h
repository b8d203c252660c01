// tests/processes/client_server.h
//
// ClientServer speaks with the driver: a line per request, `NUMBER WORD...`, and a line per answer,
// `NUMBER TEXT`, in any order.
//
// Limits: kConnectionsMax connections, kLineBytesMax per line, kUnsentBytesMax of unread answers;
//   beyond them the connection is closed. Thread: one of its own;
//   reply() and flush() from one other.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/limits.h"
#include "base/status.h"

namespace worldline::kv {

inline constexpr size_t kConnectionsMax = 4096;
inline constexpr size_t kLineBytesMax = 32 * limits::KiB;
inline constexpr size_t kUnsentBytesMax = 64 * limits::MiB;

struct ClientRequest {
  uint64_t connection = 0;
  std::string number;
  std::vector<std::string> words;
};

class ClientServer {
 public:
  // On the server's thread: all that came with one wake, of all connections.
  using Handler = std::function<void(std::vector<ClientRequest>)>;
  static Result<std::unique_ptr<ClientServer>> start(const std::string& host, uint16_t port,
                                                     Handler handler);
  ~ClientServer();

  // One other thread. Leaves with flush(), one write per connection; dropped if it is gone.
  void reply(const ClientRequest& to, const std::string& text);
  void flush();

 private:
  struct Connection {
    int socket = -1;
    std::string in;
    std::string out;
  };

  explicit ClientServer(Handler handler) : handler_(std::move(handler)) {}
  void run();
  void accept_all();
  void read(uint64_t id, Connection& connection);
  void take_lines(uint64_t id, Connection& connection);
  void hand_over();
  void write_all();
  void send_to(uint64_t id, Connection& connection, const std::string& text);
  bool write(Connection& connection);
  void close(uint64_t id);

  const Handler handler_;
  int listener_ = -1;
  int poll_ = -1;
  int wake_ = -1;
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;  // The thread's.
  uint64_t last_id_ = 1;
  std::vector<ClientRequest> arrived_;  // Since the last wake. The thread's.

  using Answer = std::pair<uint64_t, std::string>;  // To a connection.
  std::vector<Answer> replied_;                     // Of the thread that replies.

  std::mutex mutex_;
  std::vector<Answer> answers_;  // Guarded by mutex_.
  bool is_stopping_ = false;     // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace worldline::kv
