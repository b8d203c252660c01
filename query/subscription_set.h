// query/subscription_set.h
//
// SubscriptionSet holds every subscription of one database: it compiles query sets and turns each
// transaction into the row changes of each client's query sets. The rows before them are owed by
// the caller: first_rows.h.
//
// Invariants:
//  1. Queries of equal meaning (same normalised plan after binding :sender and caller class) are
//     one distinct query: evaluated once, encoded once, shared by all subscribers.
//  2. A transaction touches only the distinct queries that some changed row may concern; those
//     whose equality literals do not match cost nothing, however many there are.
//  3. Deltas are exact bags: applied to a client's rows they give a fresh evaluation [S 06/4.6].
//  4. A failed subscribe() leaves no registration.
// Ownership: one subscription actor; not thread-safe. Blocks given out are frozen and shared.
// Errors: Status messages are the text a client is shown, executing-suffix included [S 06/4.14].
// Sources: [S 06/2, 06/4], [S 02/10.2, 10.3, 10.7].
//
// Order of calls, per transaction in commit order:
//   const bool pin = set.needs_snapshot(tx);         // Before the state moves on.
//   TransactionUpdates out = set.evaluate(tx, pin ? snapshot.get() : nullptr);
// Event tables: a join that reads an event table joins each event with the state *before* its
// transaction (QUIRK of the reference, kept for its vectors) and is delivered as events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "query/query_plan.h"
#include "query/query_types.h"

namespace worldline::storage {
class ReadView;
struct TxData;
}  // namespace worldline::storage

namespace worldline::query {

// Subscribing beyond these is refused with kOverloaded.
inline constexpr size_t kQueriesPerSetMax = 65'536;
inline constexpr size_t kQuerySetsPerClientMax = 65'536;

struct SubscribeRequest {
  ClientHandle client;
  uint32_t query_set_id = 0;
  Caller caller;
  std::span<const std::string> queries;  // Borrowed. Blanks around each are trimmed.
};

// One block of changes for one query set.
struct Delivery {
  ClientHandle client;
  uint32_t query_set_id = 0;
  uint32_t block = 0;  // Index into TransactionUpdates::blocks.
};

// A query set that was removed because it could not be evaluated; to be told before the updates.
struct SetFailure {
  ClientHandle client;
  uint32_t query_set_id = 0;
  std::string message;
};

// Everything one transaction means for the subscribers. `deliveries` are sorted by client, then
// query set id, then table name [S 02/10.3]: one run of equal client = one message.
struct TransactionUpdates {
  std::vector<DeltaBlockPtr> blocks;
  std::vector<Delivery> deliveries;
  std::vector<SetFailure> failures;
};

class SubscriptionSet {
 public:
  SubscriptionSet();
  ~SubscriptionSet();
  SubscriptionSet(const SubscriptionSet&) = delete;
  SubscriptionSet& operator=(const SubscriptionSet&) = delete;

  // Compiles all queries against `view`, registers the set and returns the queries whose rows in
  // `view` are owed to the client, in query order. All or nothing. If those rows cannot be had, the
  // set is to be taken back with unsubscribe().
  Result<std::vector<QueryPtr>> subscribe(const SubscribeRequest& request,
                                          const storage::ReadView& view);

  // Removes the set; returns its queries, whose rows may be owed, in query order.
  Result<std::vector<QueryPtr>> unsubscribe(ClientHandle client, uint32_t query_set_id);

  // Forgets everything of the client; unknown clients are fine.
  void remove_client(ClientHandle client);

  // True if some join concerned by `tx` will read the state right after it.
  bool needs_snapshot(const storage::TxData& tx) const;

  // For a writer on another thread: needs_snapshot() can only be true for transactions that change
  // one of these tables. Ascending.
  std::vector<TableId> snapshot_tables() const;

  // The changes of one transaction. `after` is the state right after `tx`.
  // A set that needs `after` and finds null fails. REQUIRES: the delete lists are complete, also of
  // truncated tables (a decoded log record must be completed first [S 05/3.2]).
  TransactionUpdates evaluate(const storage::TxData& tx, const storage::ReadView* after);

  // Compiles everything again after a schema change; sets that no longer compile are removed and
  // returned. Ascending by client and set. To be called with the state right after the transaction
  // that changed the schema, once that one has been evaluated and before any later one is.
  std::vector<SetFailure> recompile(const storage::ReadView& view);

  size_t client_count() const;
  size_t query_set_count() const;
  size_t distinct_query_count() const;
  size_t subscription_count() const;  // Pairs of client and query, over all sets.
  // Distinct queries the last evaluate() looked at: what pruning left over.
  size_t evaluated_query_count() const;

  void check_invariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace worldline::query
