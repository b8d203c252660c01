// query/interest_index.h
//
// InterestIndex answers: which subscribed queries may a changed row concern? Each relation of each
// query registers once, by the strongest condition it puts on its own row: a column equal to one
// of some values (hash), a column between two bounds (interval tree), or nothing (always). Where a
// relation of a join has no condition of its own but its partner has an equality, it registers by
// that: the partners of a changed row are looked up once, and their values lead to the queries.
//
// Invariants: registration is per relation occurrence, never per table, so self joins with a
// constant on one side miss nothing (HAZARD of the reference [S 06/4.8]). A row that fails the
// registered condition cannot concern the occurrence. Edges look at partners in the state after the
// transaction; a partner that changed in it leads to the query by its own row.
// Cost: one hash look-up per changed table; per changed row one hash probe per column with
// equalities and O(log n + hits) per column with ranges; nothing per query that does not match.
// Ownership: owned by the SubscriptionSet; borrows nothing. Thread: one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "query/interval_set.h"
#include "query/predicate.h"
#include "query/subscribed_query.h"
#include "storage/read_view.h"

namespace worldline::query {

// Relation `relation` of the query in slot `slot`.
struct Occurrence {
  uint32_t slot = 0;
  uint8_t relation = 0;
  bool is_join = false;
  friend bool operator==(const Occurrence&, const Occurrence&) = default;
};

class TableInterest {
 public:
  // Registers by the strongest condition of `query` on the occurrence's relation.
  void add(const SubscribedQuery& query, Occurrence occurrence);
  void remove(const SubscribedQuery& query, Occurrence occurrence);

  bool empty() const { return count_ == 0; }
  bool has_joins() const { return joins_ > 0; }
  // Some occurrence is found through partners in the state after the transaction.
  bool has_edges() const { return !edges_.empty(); }
  const std::vector<Occurrence>& always() const { return always_; }
  bool has_conditions() const { return !columns_.empty(); }

  // Calls on_hit(occurrence) for each conditional occurrence that `row` may concern. An occurrence
  // with several equal values of one column is reported at most once per row.
  template <typename OnHit>
  void for_each_hit(Bytes row, OnHit&& on_hit) const {
    for (const ColumnInterest& column : columns_) {
      const Bytes value = column.reader.read_row(row);
      if (!column.by_value.empty()) {
        const auto found = column.by_value.find(key_of(column.scalar, value));
        if (found != column.by_value.end())
          for (const Occurrence& occurrence : found->second) on_hit(occurrence);
      }
      if (!column.by_range.empty())
        column.by_range.for_each_containing(interval_point(column.scalar, value), on_hit);
    }
  }

  // The same for occurrences that are found through the partners of `row`.
  template <typename OnHit>
  void for_each_edge_hit(Bytes row, const storage::ReadView& after, OnHit&& on_hit) const {
    for (const Edge& edge : edges_) {
      const storage::TableView* table = after.find_table(edge.other->id);
      const storage::IndexView* index = table == nullptr ? nullptr : table->index(edge.index);
      if (index == nullptr) continue;
      storage::IndexKey key;
      const Bytes own = edge.own.read_row(row);
      index->make_values_key({&own, 1}, key);
      for (storage::IndexCursor partners = index->point(key); partners.next();) {
        const Bytes value = edge.other_value.read_row(partners.row());
        const auto found = edge.by_value.find(key_of(edge.scalar, value));
        if (found == edge.by_value.end()) continue;
        for (const Occurrence& occurrence : found->second) on_hit(occurrence);
      }
    }
  }
  template <typename OnHit>
  void for_each_edge_occurrence(OnHit&& on_hit) const {
    for (const Edge& edge : edges_)
      for (const Occurrence& occurrence : edge.occurrences) on_hit(occurrence);
  }

 private:
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const {
      return static_cast<size_t>(hash_scalar(ScalarKind::kText, as_bytes(key)));
    }
  };
  using ValueMap =
      std::unordered_map<std::string, std::vector<Occurrence>, KeyHash, std::equal_to<>>;
  struct ColumnInterest {
    ColumnId column;
    ColumnReader reader;
    ScalarKind scalar = ScalarKind::kBool;
    storage::TableSchemaPtr schema;  // Keeps the reader's layout alive.
    ValueMap by_value;
    IntervalSet<Occurrence> by_range;
  };
  // Changed row -> partners in `other` by `index` -> their column -> queries.
  struct Edge {
    ColumnReader own;
    ColumnSlot own_slot, other_slot;
    TableIndexId index;
    ColumnReader other_value;
    ScalarKind scalar = ScalarKind::kBool;
    storage::TableSchemaPtr schema, other;  // Keep the readers' layouts alive.
    ValueMap by_value;
    std::vector<Occurrence> occurrences;  // All in by_value, once each.
  };
  // The strongest condition on one relation: equal to one of the values, or inside the interval.
  struct Condition {
    ColumnId column;
    ScalarKind scalar = ScalarKind::kBool;
    std::vector<Bytes> values;  // Borrowed from the query.
    std::optional<Interval> interval;
  };

  // How the relation's partners lead to it, for a join without own condition; the edge is empty.
  static std::optional<std::pair<Edge, Condition>> edge_of(const SubscribedQuery& query,
                                                           uint8_t relation);
  Edge& edge_for(Edge edge);
  static void add_values(ValueMap& map, const Condition& condition, Occurrence occurrence);
  static void remove_values(ValueMap& map, const Condition& condition, Occurrence occurrence);
  static std::optional<Condition> strongest(const SubscribedQuery& query, uint8_t relation);
  static std::string_view key_of(ScalarKind scalar, Bytes value);
  ColumnInterest& column_for(const SubscribedQuery& query, uint8_t relation,
                             const Condition& condition);

  std::vector<Occurrence> always_;
  std::vector<ColumnInterest> columns_;
  std::vector<Edge> edges_;
  size_t count_ = 0;
  size_t joins_ = 0;
};

class InterestIndex {
 public:
  void add(const SubscribedQuery& query, uint32_t slot);
  void remove(const SubscribedQuery& query, uint32_t slot);
  // Null: nobody cares.
  const TableInterest* find(TableId table) const {
    const auto found = tables_.find(table);
    return found == tables_.end() ? nullptr : &found->second;
  }
  // Tables whose changes may make a join read the state after them, ascending.
  std::vector<TableId> joined_tables() const;

 private:
  std::unordered_map<TableId, TableInterest> tables_;
};

}  // namespace worldline::query
