#include "query/delta_evaluator.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "query/evaluator.h"
#include "query/level_cursor.h"

namespace worldline::query {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

}  // namespace

void DeltaEvaluator::clear() {
  inserts_.clear();
  deletes_.clear();
  changes_[0].clear();
  changes_[1].clear();
  if (counts_.empty()) return;
  counts_.clear();
  constexpr size_t kBucketsKept = 4096;  // What a small transaction may have to wipe.
  buckets_.assign(std::min(buckets_.size(), kBucketsKept), kNone);
}

Status DeltaEvaluator::add(const SubscribedQuery& query, Bytes row, int64_t sign) {
  protocol::RowListBuilder& list = sign > 0 ? inserts_ : deletes_;
  if (list.data_bytes() + row.size() > kAnswerBytesMax)
    return Status::too_large("the update is larger than {} bytes", kAnswerBytesMax);
  list.add(redact(query.relation(query.returned()), row, scratch_));
  return {};
}

Status DeltaEvaluator::evaluate(const SubscribedQuery& query, const storage::TableDelta& delta) {
  clear();
  const Predicate& predicate = query.local[0];
  for (size_t i = 0; i < delta.inserts.size(); ++i) {
    const Bytes row = delta.inserts[i];
    if (predicate.matches(&row)) WL_RETURN_IF_ERROR(add(query, row, 1));
  }
  for (size_t i = 0; i < delta.deletes.size(); ++i) {
    const Bytes row = delta.deletes[i];
    if (predicate.matches(&row)) WL_RETURN_IF_ERROR(add(query, row, -1));
  }
  return {};
}

Status DeltaEvaluator::evaluate(const SubscribedQuery& query, const storage::TableDelta& delta,
                                const RowSelection& selection) {
  clear();
  const Predicate& predicate = query.local[0];
  for (const uint32_t i : selection.inserts) {
    const Bytes row = delta.inserts[i];
    if (predicate.matches(&row)) WL_RETURN_IF_ERROR(add(query, row, 1));
  }
  for (const uint32_t i : selection.deletes) {
    const Bytes row = delta.deletes[i];
    if (predicate.matches(&row)) WL_RETURN_IF_ERROR(add(query, row, -1));
  }
  return {};
}

void DeltaEvaluator::filter(const SubscribedQuery& query, size_t relation,
                            const storage::TableDelta* delta) {
  if (delta == nullptr) return;
  std::array<Bytes, 2> rows;
  const auto keep = [&](Bytes row, int64_t sign) {
    rows[relation] = row;
    if (query.local[relation].matches(rows.data())) changes_[relation].push_back({row, sign});
  };
  for (size_t i = 0; i < delta->inserts.size(); ++i) keep(delta->inserts[i], 1);
  for (size_t i = 0; i < delta->deletes.size(); ++i) keep(delta->deletes[i], -1);
}

bool DeltaEvaluator::reads_state(const SubscribedQuery& query, size_t relation,
                                 const storage::TableDelta& delta) {
  if (query.relation(1 - relation).schema->is_event) return false;
  std::array<Bytes, 2> rows;
  const auto any = [&](const storage::RowList& list) {
    for (size_t i = 0; i < list.size(); ++i) {
      rows[relation] = list[i];
      if (query.local[relation].matches(rows.data())) return true;
    }
    return false;
  };
  return any(delta.inserts) || any(delta.deletes);
}

Status DeltaEvaluator::evaluate_join(const SubscribedQuery& query, const storage::TableDelta* first,
                                     const storage::TableDelta* second,
                                     const storage::ReadView* after) {
  clear();
  filter(query, 0, first);
  filter(query, 1, second);
  for (size_t relation = 0; relation < 2; ++relation) {
    const bool partner_is_event = query.relation(1 - relation).schema->is_event;
    if (changes_[relation].empty() || partner_is_event) continue;
    if (after == nullptr)
      return Status::failed_precondition("the state after the transaction is missing");
    WL_RETURN_IF_ERROR(join_state(query, relation, *after));
  }
  join_changes(query);
  return emit_counts(query);
}

// The changes of `relation` with the state of the other one.
Status DeltaEvaluator::join_state(const SubscribedQuery& query, size_t relation,
                                  const storage::ReadView& after) {
  const size_t other = 1 - relation;
  LevelCursor cursor(query.probe[other], after);
  if (!cursor.valid()) return stale_plan();
  std::array<Bytes, 2> rows;
  for (const SignedRow& change : changes_[relation]) {
    rows[relation] = change.row;
    int64_t partners = 0;
    for (cursor.open(rows.data()); cursor.next(rows.data());) {
      if (query.returned() == other) {
        count(rows[other], change.sign);
      } else {
        ++partners;
      }
    }
    if (partners > 0) count(change.row, change.sign * partners);
  }
  return {};
}

void DeltaEvaluator::count_pair(const SubscribedQuery& query, const SignedRow& first,
                                const SignedRow& second) {
  const std::array<Bytes, 2> rows = {first.row, second.row};
  if (query.cross.matches(rows.data())) count(rows[query.returned()], -first.sign * second.sign);
}

void DeltaEvaluator::join_changes(const SubscribedQuery& query) {
  if (changes_[0].empty() || changes_[1].empty()) return;
  constexpr size_t kPairsMax = 256;  // Below this a hash table costs more than it saves.
  if (changes_[0].size() * changes_[1].size() > kPairsMax && !query.join_scalars.empty()) {
    join_changes_by_hash(query);
    return;
  }
  for (const SignedRow& first : changes_[0])
    for (const SignedRow& second : changes_[1]) count_pair(query, first, second);
}

void DeltaEvaluator::join_changes_by_hash(const SubscribedQuery& query) {
  const auto hash_of = [&](size_t relation, Bytes row) {
    uint64_t hash = 0;
    for (size_t i = 0; i < query.join_scalars.size(); ++i)
      hash = hash * 31 +
             hash_scalar(query.join_scalars[i], query.join_columns[relation][i].read_row(row));
    return hash;
  };
  std::vector<std::pair<uint64_t, uint32_t>> sorted;
  for (uint32_t i = 0; i < changes_[1].size(); ++i)
    sorted.emplace_back(hash_of(1, changes_[1][i].row), i);
  std::sort(sorted.begin(), sorted.end());
  for (const SignedRow& first : changes_[0]) {
    const uint64_t hash = hash_of(0, first.row);
    auto at = std::lower_bound(sorted.begin(), sorted.end(), std::pair(hash, uint32_t{0}));
    for (; at != sorted.end() && at->first == hash; ++at)
      count_pair(query, first, changes_[1][at->second]);
  }
}

void DeltaEvaluator::grow_counts() {
  buckets_.assign(std::max<size_t>(64, buckets_.size() * 2), kNone);
  for (uint32_t i = 0; i < counts_.size(); ++i) {
    size_t at = counts_[i].hash & (buckets_.size() - 1);
    while (buckets_[at] != kNone) at = (at + 1) & (buckets_.size() - 1);
    buckets_[at] = i;
  }
}

void DeltaEvaluator::count(Bytes row, int64_t amount) {
  if (counts_.size() * 2 >= buckets_.size()) grow_counts();
  const uint64_t hash = hash_scalar(ScalarKind::kText, row);
  size_t at = hash & (buckets_.size() - 1);
  for (; buckets_[at] != kNone; at = (at + 1) & (buckets_.size() - 1)) {
    Counted& counted = counts_[buckets_[at]];
    if (counted.hash != hash || !equal(counted.row, row)) continue;
    counted.count += amount;
    return;
  }
  buckets_[at] = static_cast<uint32_t>(counts_.size());
  counts_.push_back({row, amount, hash});
}

Status DeltaEvaluator::emit_counts(const SubscribedQuery& query) {
  for (const Counted& counted : counts_) {
    const int64_t sign = counted.count > 0 ? 1 : -1;
    for (int64_t left = std::abs(counted.count); left > 0; --left)
      WL_RETURN_IF_ERROR(add(query, counted.row, sign));
  }
  return {};
}

}  // namespace worldline::query
