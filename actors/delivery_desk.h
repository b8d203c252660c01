// actors/delivery_desk.h
//
// DeliveryDesk turns executed batches into messages for sessions and holds them until the log
// entries they depend on are committed: nothing uncommitted is ever shown.
//
// Invariants:
//  1. Each session receives its messages in the order of execution; one message per transaction.
//  2. A SubscribeApplied holds exactly the effects of the transactions before it [S 02/10.1].
//  3. Held batches leave in order, each when committed() reached its depends_on, never before.
//  4. Queries (SQL, one-off, first and dropped rows) are evaluated by readers; only messages of the
//     same session wait for them, and a session that closes cancels its own.
//  5. A set is registered before its first rows are read, so that no transaction after them is
//     missed. If they cannot be read it is taken back; if updates of it wait behind them already,
//     which the client could not place, the session is closed behind the error.
// Ownership: the subscription actor; not thread-safe. Sinks are called on its thread.
// Cost: one encoding per distinct query and transaction; per subscriber a splice of shared bytes.
// Sources: [S 02/10.2-10.7], architecture 3.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/executed_batch.h"
#include "actors/outbox_builder.h"
#include "actors/pending_read.h"
#include "actors/read_limits.h"
#include "actors/row_share.h"
#include "actors/session_line.h"
#include "query/subscription_set.h"

namespace worldline::actors {

// What the module host must know to pin snapshots only for readers that exist.
struct SnapshotHint {
  uint64_t sequence = 0;        // Of the last SubscribeItem evaluated.
  std::vector<TableId> tables;  // Pin after a transaction that touches one of them.
};

// Counts since the desk was made [S 05/6.1].
struct DeliveryFigures {
  uint64_t delta_queries_evaluated = 0;
  uint64_t delta_queries_matched = 0;
  uint64_t queries_subscribed = 0;
  uint64_t new_queries_subscribed = 0;
  uint64_t queries_evaluated_by_subscribe = 0;
  uint64_t queries_evaluated_by_unsubscribe = 0;
  std::array<uint64_t, kSentForCount> sent_bytes{};  // By SentFor; before compression.
};

struct DeskParts {
  ReadPort* readers = nullptr;   // Borrowed, as the next one; both outlive the desk.
  const Clock* clock = nullptr;  // For the budgets of reads.
  ReadLimits limits;
};

class DeliveryDesk {
 public:
  // Each waiting read pins a snapshot.
  static constexpr size_t kReadsOfSessionMax = 1024;
  // A client with too much unsent gets nothing more built until it has taken enough of it. That is
  // looked at so often, and it may take so long.
  static constexpr std::chrono::milliseconds kStallLook{20};
  static constexpr std::chrono::seconds kStallMax{30};

  explicit DeliveryDesk(const DeskParts& parts) : parts_(parts) {}

  // Evaluates everything in `batch` and holds the result.
  void execute(const ExecutedBatch& batch);
  // Everything up to `proposal` is committed: releases what waited for it.
  void committed(ProposalSeq proposal);
  // Nothing more will be committed: whoever waits is told so, every session is closed. The outcome
  // of what was executed is not known: it may be on disk.
  void fail(const Status& why);
  // A reader is done with it. Reads that nobody waits for are fine.
  void on_read(uint64_t read);
  // Answers all reads that are still out: nothing comes after this.
  void retire();

  // When the first caller that waits for a commit gives up, or slow clients are looked at; nullopt:
  // nothing is due.
  std::optional<std::chrono::steady_clock::time_point> next_deadline() const;
  // Answers those whose deadline has passed. The commit releases them no more.
  void expire(std::chrono::steady_clock::time_point now);

  // The hint if subscriptions came or went since the last call.
  std::optional<SnapshotHint> take_snapshot_hint();

  // The calls answered since the last take, of those that carry a mark.
  std::vector<AnswerMark> take_answered() { return std::exchange(answered_, {}); }

  const DeliveryFigures& figures() const { return figures_; }
  size_t held_count() const { return held_.size(); }
  size_t client_count() const { return subscriptions_.client_count(); }
  size_t session_count() const { return sessions_.size(); }
  size_t query_set_count() const { return subscriptions_.query_set_count(); }
  size_t distinct_query_count() const { return subscriptions_.distinct_query_count(); }
  size_t subscription_count() const { return subscriptions_.subscription_count(); }

 private:
  struct SessionEntry {
    SessionLinePtr line;
    OutboxBuilder outbox;
  };
  struct Asked {
    PendingReadPtr read;
    SessionLinePtr line;  // Null: over HTTP.
  };
  struct Outgoing {
    SessionLinePtr line;
    std::shared_ptr<const OutboundBatch> batch;
    PendingReadPtr read;  // In place of `batch`.
  };
  struct Impatient {
    std::chrono::steady_clock::time_point deadline;
    std::function<void()> expired;
    size_t reply;  // Its place among Held::replies.
  };
  struct Reply {
    std::function<void()> run;  // Empty: answered already.
    std::function<void(const Status&)> refuse;
  };
  struct Held {
    ProposalSeq depends_on;
    std::vector<Reply> replies;
    std::vector<PendingReadPtr> reads;  // Over HTTP.
    std::vector<Outgoing> out;
    std::vector<std::pair<SessionLinePtr, CloseReason>> closes;
    std::vector<Impatient> impatient;
    std::vector<AnswerMark> answers;
  };

  void on(const TxItem& item);
  void on(const SubscribeItem& item);
  void on(const UnsubscribeItem& item);
  void on(const OneOffItem& item);
  void on(const SqlReadItem& item);
  void on(const ProcedureErrorItem& item);
  void on(const SessionOpenedItem& item);
  void on(const SessionClosedItem& item);
  void on(const ReplyItem& item);
  void on(const TimedReplyItem& item);
  void on(const SchemaChangedItem& item);
  void on(const CloseAllItem& item);

  void answer_without_rows(const TxItem& item, const CallerRef& caller);
  void deliver_updates(const query::TransactionUpdates& updates, const TxItem& item);
  void tell_failures(const std::vector<query::SetFailure>& failures);
  // The entry, marked as having messages in this batch; nullptr if the session is gone.
  SessionEntry* open_outbox(SessionId session);
  void end_message(SessionEntry& session, SentFor what);
  void collect_outboxes();
  PendingReadPtr make_read(ReadWork work, SessionLinePtr line, CancelFlagPtr abandoned = nullptr);
  void ask(SessionEntry& session, ReadWork work);
  void submit(const Asked& asked);
  void settle_subscribe(const Asked& asked);
  std::shared_ptr<RowShare> row_share();
  void submit_next(const SessionLinePtr& line);
  void close_slow(SessionLine& line);
  void end_read(const Asked& asked, ReadAnswer answer);
  void end_reads_of(const SessionLinePtr& line, const Status& why);
  void release(Held& held);
  void refuse(Held& held, const Status& why);

  const DeskParts parts_;
  query::SubscriptionSet subscriptions_;
  std::unordered_map<SessionId, SessionEntry> sessions_;
  std::vector<SessionId> touched_;  // Sessions with messages in the batch being executed.
  Held building_;                   // What the batch being executed will leave.
  std::deque<Held> held_;           // INVARIANT: depends_on ascending.
  size_t impatient_count_ = 0;      // Over held_ and building_.
  std::unordered_map<uint64_t, Asked> asked_;  // Reads that are not done.
  uint64_t last_read_ = 0;
  std::vector<SessionLinePtr> stalled_;
  std::chrono::steady_clock::time_point stall_look_;  // Valid if some line is stalled.
  std::weak_ptr<RowShare> row_share_;  // Lives as long as the subscribes that are out.
  DeliveryFigures figures_;
  std::vector<AnswerMark> answered_;
  ProposalSeq committed_;
  uint64_t hint_sequence_ = 0;
  bool hint_due_ = false;  // Subscriptions changed since the last hint.
};

}  // namespace worldline::actors
