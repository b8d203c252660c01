// query/delta_evaluator.h
//
// DeltaEvaluator computes what one transaction changes in the result of one subscribed query.
//
// The idea, for one relation: the changed rows that fulfil the condition. For two relations R and S
// with signed changes dR and dS, and R', S' the state after the transaction [S 06/4.6]:
//     dV = dR x S'  +  R' x dS  -  dR x dS
// whose products of inserts and deletes are the eight terms of the specification. Signed counts per
// result row are summed; positive ones are inserts, negative ones deletes, with multiplicity. Self
// joins need nothing special. Event tables: R' is empty, so dV = dR x (S' - dS), the join with the
// state before the transaction (QUIRK [S 06/4.7]).
//
// Invariants: between calls only the capacity of buffers is kept. The result is an exact bag.
// Ownership: rows are borrowed from the transaction and the view during a call.
// Thread: one. Errors: kTooLarge beyond kAnswerBytesMax; kFailedPrecondition if an index is gone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "query/subscribed_query.h"
#include "schema/protocol/row_list.h"
#include "storage/read_view.h"
#include "storage/tx_data.h"

namespace worldline::query {

// Row numbers of one table's lists that a look-up by value found.
struct RowSelection {
  std::vector<uint32_t> inserts;
  std::vector<uint32_t> deletes;
};

class DeltaEvaluator {
 public:
  // One relation, all changed rows.
  Status evaluate(const SubscribedQuery& query, const storage::TableDelta& delta);
  // One relation, only these rows. REQUIRES: no other row fulfils the condition.
  Status evaluate(const SubscribedQuery& query, const storage::TableDelta& delta,
                  const RowSelection& selection);
  // Two relations; the deltas are null for unchanged tables. Fails if `after` is null and
  // reads_state(...) is true for one of them.
  Status evaluate_join(const SubscribedQuery& query, const storage::TableDelta* first,
                       const storage::TableDelta* second, const storage::ReadView* after);

  // Will evaluate_join look for partners of this delta's rows in the state?
  static bool reads_state(const SubscribedQuery& query, size_t relation,
                          const storage::TableDelta& delta);

  // The outcome of the last call.
  const protocol::RowListBuilder& inserts() const { return inserts_; }
  const protocol::RowListBuilder& deletes() const { return deletes_; }

 private:
  struct SignedRow {
    Bytes row;
    int64_t sign;
  };
  struct Counted {
    Bytes row;
    int64_t count;
    uint64_t hash;
  };

  void clear();
  Status add(const SubscribedQuery& query, Bytes row, int64_t sign);
  void filter(const SubscribedQuery& query, size_t relation, const storage::TableDelta* delta);
  Status join_state(const SubscribedQuery& query, size_t relation, const storage::ReadView& after);
  void join_changes(const SubscribedQuery& query);
  void join_changes_by_hash(const SubscribedQuery& query);
  void count_pair(const SubscribedQuery& query, const SignedRow& first, const SignedRow& second);
  void count(Bytes row, int64_t amount);
  void grow_counts();
  Status emit_counts(const SubscribedQuery& query);

  protocol::RowListBuilder inserts_, deletes_;
  std::vector<SignedRow> changes_[2];  // Of each relation, those that fulfil its local terms.
  std::vector<Counted> counts_;        // In order of first appearance.
  std::vector<uint32_t> buckets_;      // Open addressing into counts_; a power of two.
  ByteBuffer scratch_;
};

}  // namespace worldline::query
