// actors/executed_batch.h
//
// What one drain of the module host leaves behind for the subscription actor, in the order of
// execution: transactions with their callers, and the reading work that was queued between them,
// each tied to the state it must see. Frozen when it leaves the module host.
//
// Invariants: `depends_on` is the last proposal any item depends on; nothing of the batch may leave
// the node before that proposal is committed. Items of one session keep its order.
// Thread: built by the module host, read once by the subscription actor. Sources: [S 02/10.1].
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/messages.h"
#include "base/ids.h"
#include "query/query_types.h"
#include "query/sql.h"

namespace worldline::storage {
class Snapshot;
struct TxData;
}  // namespace worldline::storage

namespace worldline::actors {

// Numbers what one database proposes to its Raft group, per process life, from 1. The group alone
// knows the log index each gets: a config entry may come between.
using ProposalSeq = StrongId<struct ProposalSeqTag, uint64_t>;
using SessionId = StrongId<struct SessionIdTag, uint64_t>;  // Unique per process, from 1.
using SnapshotPtr = std::shared_ptr<const storage::Snapshot>;
using TxDataPtr = std::shared_ptr<const storage::TxData>;

struct CallerRef {
  SessionId session;
  uint32_t request_id = 0;
};

enum class Verdict : uint8_t { kOk, kUserError, kInternalError };

struct FunctionFigures;

// Where the time from a call's arrival to its answer is counted.
struct AnswerMark {
  FunctionFigures* figures = nullptr;  // Borrowed from the counters. Null: not counted.
  std::chrono::steady_clock::time_point arrived;
};

// A transaction, or a call that left none (tx is null: no row changed, or it failed).
struct TxItem {
  TxDataPtr tx;
  SnapshotPtr after;                // Pinned right after it if a live join may read it.
  std::optional<CallerRef> caller;  // Gets a ReducerResult instead of a TransactionUpdate.
  Verdict verdict = Verdict::kOk;
  std::string text;  // Of a failure.
  bool is_sql = false;
  Timestamp timestamp;
  AnswerMark answer;
};

struct SubscribeItem {
  SessionId session;
  query::Caller caller;
  uint32_t request_id = 0;
  uint32_t query_set_id = 0;
  std::vector<std::string> queries;
  SnapshotPtr state;
  uint64_t sequence = 0;  // Echoed to the module host once its joins are known.
};

struct UnsubscribeItem {
  SessionId session;
  uint32_t request_id = 0;
  uint32_t query_set_id = 0;
  bool send_dropped_rows = false;
  SnapshotPtr state;
};

struct OneOffItem {
  SessionId session;
  query::Caller caller;
  uint32_t request_id = 0;
  std::string query;
  SnapshotPtr state;
};

// A SELECT or SHOW over HTTP.
struct SqlReadItem {
  query::SqlStatement statement;
  query::Caller caller;
  SnapshotPtr state;
  std::chrono::steady_clock::time_point started;  // Of the statement, for its duration.
  Callback<Result<SqlReply>> done;                // Runs once the rows are there, after release.
  CancelFlagPtr abandoned = nullptr;              // Nobody is told the rows any more. May be null.
};

// A procedure call is refused until procedures exist; kept apart because the answer differs.
struct ProcedureErrorItem {
  CallerRef caller;
  std::string text;
};

struct SessionOpenedItem {
  SessionId session;
  std::shared_ptr<SessionSink> sink;
};

struct SessionClosedItem {
  SessionId session;
};

// An answer that must wait for the commit of everything before it.
struct ReplyItem {
  std::function<void()> run;
  // In place of `run`, if that commit never comes. Empty: whoever waits needs no word.
  std::function<void(const Status&)> refuse = nullptr;
};

// Likewise, but its caller does not wait longer than `deadline`: then, or if the commit never
// comes, `expired` runs in place of `run`, and what was executed stays executed.
struct TimedReplyItem {
  std::function<void()> run;
  std::chrono::steady_clock::time_point deadline;
  std::function<void()> expired;
};

// The schema changed: compiled queries are compiled again against `state`.
struct SchemaChangedItem {
  SnapshotPtr state;
};

// The module is gone or breaks its clients: every session is closed with this reason.
struct CloseAllItem {
  CloseReason reason;
};

using ExecutedItem = std::variant<TxItem, SubscribeItem, UnsubscribeItem, OneOffItem, SqlReadItem,
                                  ProcedureErrorItem, SessionOpenedItem, SessionClosedItem,
                                  ReplyItem, TimedReplyItem, SchemaChangedItem, CloseAllItem>;

struct ExecutedBatch {
  ProposalSeq depends_on;  // 0 = nothing was proposed in this life.
  std::vector<ExecutedItem> items;
};
using ExecutedBatchPtr = std::shared_ptr<const ExecutedBatch>;

}  // namespace worldline::actors
