// actors/reader_pool.h
//
// ReaderPool runs reads (SQL, one-off queries, first rows) on threads of its own, so that no answer
// of a database waits for somebody's query. Reads are taken in order of arrival; a session has at
// most one in the pool, so they take turns.
//
// Invariants: at most kWaitingMax reads wait. `done` of an accepted read is called once, unless the
// pool stops first.
// Ownership: the node. Thread: submit() from any; `done` runs on a reader's thread. The mutex
// guards the queue and is never held while a read runs.
// Errors: kOverloaded if too many wait, kUnavailable once it stops.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "actors/pending_read.h"

namespace worldline::actors {

class ReaderPool {
 public:
  static constexpr size_t kWaitingMax = 4096;  // Each one pins a snapshot.

  explicit ReaderPool(size_t threads);  // REQUIRES: at least 1.
  ~ReaderPool();                        // Cancels what runs and drops what waits; joins.
  ReaderPool(const ReaderPool&) = delete;
  ReaderPool& operator=(const ReaderPool&) = delete;

  using Done = std::function<void(uint64_t read)>;
  Status submit(PendingReadPtr read, Done done);

 private:
  struct Job {
    PendingReadPtr read;
    Done done;
  };
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;  // Guarded by mutex_, as the next two.
  std::vector<PendingReadPtr> running_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;  // Constant after construction.
};

}  // namespace worldline::actors
