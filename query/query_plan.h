// query/query_plan.h
//
// Query: one compiled SELECT: what it means (BoundQuery), how it runs (levels of a left-deep join),
// and its key. Made by the planner, run by the evaluator and by the delta evaluator.
//
// Invariants: frozen. Level i binds one relation; its access and residual read only relations bound
// by levels before it and its own. Each term is checked at the first level where it can be, unless
// the access already guarantees it.
// Ownership: shared_ptr<const Query>; its predicates borrow layouts from its own schemas. Valid
// while the catalog does not change: table and index ids are looked up again at each run.
// Thread: any, frozen.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "query/bound_query.h"
#include "query/predicate.h"

namespace worldline::query {

// A value known before the access runs: a constant, or a column of an earlier relation.
struct KeyPart {
  ByteBuffer constant;
  ColumnReader column;  // Read if `is_column`.
  bool is_column = false;
};

struct KeyBound {
  ByteBuffer constant;
  bool inclusive = true;
};

// How the rows of one relation are found.
struct Access {
  enum class Kind : uint8_t {
    kScan,   // All rows.
    kPoint,  // Rows whose index columns equal `key`.
    kRange,  // Rows whose first index columns equal `key`, the next one between the bounds.
    kHash,   // Rows whose `own` columns equal the `key` columns: a hash table built for the run.
  };
  Kind kind = Kind::kScan;
  TableIndexId index;  // kPoint, kRange.
  bool unique = false;
  std::vector<KeyPart> key;
  std::optional<KeyBound> lower, upper;  // kRange, on column key.size() of the index.
  std::vector<ColumnReader> own;         // kHash, one per key part.
  std::vector<ScalarKind> own_scalars;
};

struct PlanLevel {
  uint16_t relation = 0;
  TableId table;
  bool is_event = false;  // Its table reads as empty [S 06/1.14].
  Access access;
  Predicate local;     // kHash: terms on this relation alone, checked while building.
  Predicate residual;  // What remains to be checked for each row found.
};

struct Query {
  BoundQuery bound;
  std::vector<PlanLevel> levels;
  // Equal for queries of equal meaning for one schema; differs by caller where that matters.
  ByteBuffer key;
  // Rows read and rows produced, as the row limit counts them [S 06/4.13].
  uint64_t estimated_scan = 0;
};
using QueryPtr = std::shared_ptr<const Query>;

}  // namespace worldline::query
