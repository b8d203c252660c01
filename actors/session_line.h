// actors/session_line.h
//
// SessionLine is what leaves to one session, in order: an answer that is still being computed holds
// back what is behind it, and nothing else.
//
// Invariants: entries leave in the order in which they were given. While nothing is awaited, a
// batch leaves at once. At most one read of a session runs: those asked wait in `reads`.
// Ownership: the delivery desk and what it holds back; not thread-safe.
// Units: bytes. Errors: none; the desk judges waiting_bytes().
// Sources: [S 02/10.1].
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "actors/executed_batch.h"
#include "actors/pending_read.h"

namespace worldline::actors {

class SessionLine {
 public:
  // A query set whose first rows are being read.
  struct PendingSet {
    uint32_t query_set_id = 0;
    uint64_t read = 0;
    bool updated = false;  // Some message behind the first rows mentions it.
  };

  SessionLine(SessionId session, std::shared_ptr<SessionSink> sink)
      : session_(session), sink_(std::move(sink)) {}

  void deliver(std::shared_ptr<const OutboundBatch> batch);
  void deliver(PendingReadPtr read);  // Its answer, once that is done.
  void close(CloseReason reason);     // Behind everything given before.

  // Some awaited read is done.
  void flush();
  // Forgets what waits; nothing leaves from here on.
  void drop();

  // Counts what was computed for a read that was asked, until it leaves.
  void add_built(const ReadAnswer& answer);
  size_t waiting_bytes() const { return waiting_bytes_; }
  // All that was computed for the session and has not left the node. REQUIRES: not dropped.
  size_t unsent_bytes() const { return built_bytes_ + waiting_bytes_ + sink_->unsent_bytes(); }
  bool is_dropped() const { return sink_ == nullptr; }
  SessionSink* sink() const { return sink_.get(); }
  SessionId session() const { return session_; }

  std::deque<PendingReadPtr> reads;      // Asked and not done, in order; the first one runs.
  std::vector<PendingSet> pending_sets;  // In order of their reads.
  // Since when the first of `reads` waits for the client to take what was built for it.
  std::optional<std::chrono::steady_clock::time_point> stalled_since;

 private:
  struct Entry {
    std::shared_ptr<const OutboundBatch> batch;
    PendingReadPtr read;  // Null: `batch` is there.
    std::optional<CloseReason> close;
  };

  const SessionId session_;
  std::shared_ptr<SessionSink> sink_;  // Null: dropped.
  std::deque<Entry> waiting_;          // Empty, or the first one awaits its read.
  size_t waiting_bytes_ = 0;           // Of the batches in waiting_.
  size_t built_bytes_ = 0;             // Of reads that are done and have not left.
};
using SessionLinePtr = std::shared_ptr<SessionLine>;

}  // namespace worldline::actors
