// actors/pending_read.h
//
// PendingRead is one answer that is computed on a reader thread: what to evaluate, whether anybody
// still wants it, and the time it may take.
//
// Invariants: run() is called at most once, by a reader; take_computed() only once the end of that
// was reported. The work is a constant: the desk may ask it for a refusal while a reader runs it.
// Ownership: shared by the desk and the reader pool. Thread: as said at each member.
// Units: bytes, milliseconds. Errors: those of query/read_budget.h; kTooLarge beyond the time.
// Sources: [S 06/3.2], architecture 4.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "actors/messages.h"
#include "actors/read_limits.h"
#include "base/cancel_flag.h"
#include "base/clock.h"
#include "query/read_budget.h"

namespace worldline::actors {

// What a message to a client is about.
enum class SentFor : uint8_t { kReducer, kUpdate, kSubscribe, kUnsubscribe, kSql, kProcedure };
inline constexpr size_t kSentForCount = 6;
const char* sent_for_name(SentFor what);  // A `txn_type` of [S 05/6].

// Either a batch or a reply, unless nobody wants the answer.
struct ReadAnswer {
  std::shared_ptr<const OutboundBatch> batch = nullptr;  // For a session.
  std::function<void()> reply = nullptr;                 // For HTTP.
  SentFor about = SentFor::kSql;
  bool failed = false;      // Of a subscribe: there are no first rows.
  bool then_close = false;  // Nothing can follow the batch: the session is closed.
};

// Evaluates, or encodes the refusal if `go` is not OK.
using ReadWork = std::function<ReadAnswer(const Status& go, query::ReadBudget& budget)>;

class PendingRead final : public query::Interrupt {
 public:
  // `abandoned`: another sign that the answer will not be used; null: there is none.
  PendingRead(uint64_t id, ReadWork work, const ReadLimits& limits, const Clock& clock,
              CancelFlagPtr abandoned = nullptr)
      : id_(id),
        work_(std::move(work)),
        limits_(limits),
        clock_(clock),
        abandoned_(std::move(abandoned)) {}

  uint64_t id() const { return id_; }

  // Any thread: the answer will not be used.
  void cancel() { cancelled_.cancel(); }

  // A reader's thread.
  void run() {
    if (cancelled_.is_cancelled()) return;
    deadline_ = clock_.steady() + limits_.time_max;
    query::ReadBudget budget(limits_.answer_bytes_max, this);
    computed_ = work_({}, budget);
  }
  Status check() override {
    if (cancelled_.is_cancelled() || (abandoned_ != nullptr && abandoned_->is_cancelled()))
      return Status::unavailable("nobody waits for the answer");
    if (clock_.steady() < deadline_) return {};
    return Status::too_large("the query takes longer than {} ms", limits_.time_max.count());
  }

  // Any thread: what the caller is told in place of the rows.
  ReadAnswer refusal(const Status& why) const {
    query::ReadBudget budget;
    return work_(why, budget);
  }

  // The desk's thread.
  ReadAnswer take_computed() { return std::move(computed_); }
  ReadAnswer answer;  // Valid if `done`.
  bool done = false;
  bool released = false;  // What it depends on is committed.

 private:
  const uint64_t id_;
  const ReadWork work_;
  const ReadLimits limits_;
  const Clock& clock_;  // Borrowed; outlives this.
  const CancelFlagPtr abandoned_;
  CancelFlag cancelled_;
  std::chrono::steady_clock::time_point deadline_;  // Of the reader's thread, as the next one.
  ReadAnswer computed_;
};
using PendingReadPtr = std::shared_ptr<PendingRead>;

// Where reads are run. submit() never blocks; when read->run() has ended, the desk's on_read() is
// called with its id. Refused reads are not run. kOverloaded: too many wait.
class ReadPort {
 public:
  virtual ~ReadPort() = default;
  virtual Status submit(PendingReadPtr read) = 0;
};

}  // namespace worldline::actors
