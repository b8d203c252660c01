// base/ids.h
//
// Ids are distinct types, never bare integers: mixing a LogIndex with a TxOffset does not compile.
// `value` is public because codecs need it; arithmetic is spelled out where it has a meaning.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace worldline {

template <typename Tag, typename Number>
struct StrongId {
  using number_type = Number;
  Number value{};

  constexpr StrongId() = default;
  constexpr explicit StrongId(Number number) : value(number) {}
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
  constexpr StrongId next() const { return StrongId(static_cast<Number>(value + 1)); }
};

using TableId = StrongId<struct TableIdTag, uint32_t>;            // 0 = assign one [S 05/2.1].
using TableIndexId = StrongId<struct TableIndexIdTag, uint32_t>;  // `index id` of the module ABI.
using ConstraintId = StrongId<struct ConstraintIdTag, uint32_t>;
using SequenceId = StrongId<struct SequenceIdTag, uint32_t>;
using ScheduleId = StrongId<struct ScheduleIdTag, uint32_t>;  // Of st_scheduled, not of a row.
using ColumnId = StrongId<struct ColumnIdTag, uint16_t>;      // Position in the row, from 0.
using TxOffset = StrongId<struct TxOffsetTag, uint64_t>;  // Gapless, client-visible [S 05/1.14].
using LogIndex = StrongId<struct LogIndexTag, uint64_t>;  // Raft log position, from 1.
using Term = StrongId<struct TermTag, uint64_t>;
using GroupId = StrongId<struct GroupIdTag, uint64_t>;      // One per database; 1 = catalog.
using ReplicaId = StrongId<struct ReplicaIdTag, uint64_t>;  // One copy of one group, for ever.
using NodeId = StrongId<struct NodeIdTag, uint64_t>;        // Bound to one node uuid for ever.
using Chain = StrongId<struct ChainTag, uint64_t>;          // Running hash of a group's log.
using ReducerId = StrongId<struct ReducerIdTag, uint32_t>;  // Number passed to the module.

// Microseconds since the Unix epoch; may be negative.
struct Timestamp {
  int64_t micros = 0;
  friend constexpr auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

}  // namespace worldline

template <typename Tag, typename Number>
struct std::hash<worldline::StrongId<Tag, Number>> {
  size_t operator()(const worldline::StrongId<Tag, Number>& id) const noexcept {
    return std::hash<Number>()(id.value);
  }
};
