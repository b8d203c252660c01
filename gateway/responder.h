// gateway/responder.h
//
// Responder carries the one answer of a request back to its connection, from whatever thread has
// it. LogStream does the same for the lines of a log that is being followed.
//
// Invariants: exactly one answer: the first call wins, and a responder dropped unanswered says 503.
// Ownership: shared by the callbacks of one request. Thread: any.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/messages.h"
#include "gateway/http_message.h"
#include "gateway/io_thread.h"
#include "gateway/metrics.h"

namespace worldline::gateway {

class LogStream;

class Responder {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  Responder(std::shared_ptr<IoInbox> inbox, PeerId connection)
      : inbox_(std::move(inbox)), connection_(connection) {}
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;
  ~Responder();

  // Headers that every answer gets. REQUIRES: called before the request is handed on.
  void decorate(Headers headers);
  // The answer is of a route of this database: its bytes are counted there. REQUIRES: likewise.
  void count_for(std::shared_ptr<DatabaseMetrics> metrics) { metrics_ = std::move(metrics); }
  void respond(HttpResponse response);
  void upgrade(UpgradePlan plan);
  void stream(HttpResponse head, std::shared_ptr<LogStream> lines);

  // The stream for the lines of this request; the connection reads it after stream().
  std::shared_ptr<LogStream> make_log_stream(size_t bytes_max) const;

 private:
  void send(PeerNotice notice);

  const std::shared_ptr<IoInbox> inbox_;
  const PeerId connection_;
  Headers decorations_;
  std::shared_ptr<DatabaseMetrics> metrics_;  // Null: of no database.
  std::atomic<bool> answered_ = false;
};

// Lines on their way from the node to one HTTP connection, bounded in bytes.
class LogStream final : public actors::LogReader {
 public:
  LogStream(std::shared_ptr<IoInbox> inbox, PeerId connection, size_t bytes_max,
            std::shared_ptr<DatabaseMetrics> metrics)
      : inbox_(std::move(inbox)),
        connection_(connection),
        bytes_max_(bytes_max),
        metrics_(std::move(metrics)) {}

  bool push(std::string_view lines) override;
  void finish() override;

  // Moves out what waits; `more` is false when nothing will follow.
  std::string take(bool& more);
  void abandon();  // The reader is gone: push() refuses from here on.
  bool is_finished();

 private:
  void notify();  // REQUIRES: mutex_ held.

  const std::shared_ptr<IoInbox> inbox_;
  const PeerId connection_;
  const size_t bytes_max_;
  const std::shared_ptr<DatabaseMetrics> metrics_;  // May be null.
  std::mutex mutex_;
  std::string waiting_;  // Guarded by mutex_, as are the next two.
  bool finished_ = false;
  bool notified_ = false;  // A LogLines notice is on its way.
};

}  // namespace worldline::gateway
