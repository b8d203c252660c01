// storage/sequence.h
//
// Sequence: the live counter behind an auto-increment column.
//
// The idea: `allocated` is what st_sequence says: the first value after a restart. Values between
// `position` and `allocated` may be handed out without touching the catalog; when the two meet, the
// transaction reserves the next batch by replacing the st_sequence row.
//
// Invariants: no value is handed out that is not below a reservation of a committed transaction or
// of the present one: rollback restores position and reservation, so the double hand-out of
// [S 05/1.10] cannot happen. A replica that did not hand out values stands at `allocated`.
// Ownership: of its LiveTable. Thread: writer. Errors: advance() fails if the range is exhausted by
// its own batch. Sources: [S 05/1.10].
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/wide_int.h"
#include "storage/table_schema.h"

namespace worldline::storage {

inline constexpr uint32_t kSequenceBatch = 4096;  // SEQUENCE_ALLOCATION_STEP.

class Sequence {
 public:
  Sequence(const SequenceSchema& schema, Int128 allocated)
      : schema_(schema), position_(allocated), allocated_(allocated) {}

  const SequenceSchema& schema() const { return schema_; }
  Int128 allocated() const { return allocated_; }
  bool needs_batch() const { return position_ == allocated_; }
  void reserve();  // Moves `allocated` one batch on.
  // The next value. Nothing if even a new batch has none.
  std::optional<Int128> take();

  // What st_sequence says elsewhere: continue there.
  void restart_at(Int128 allocated) { position_ = allocated_ = allocated; }

  // Remembers the present state once per transaction; true the first time.
  bool save();
  void restore();
  void forget() { is_saved_ = false; }

  // The value `increment` steps on, wrapping into [min, max].
  static Int128 next_value(const SequenceSchema& schema, Int128 value);

 private:
  SequenceSchema schema_;
  Int128 position_;   // The next value to hand out.
  Int128 allocated_;  // As in st_sequence.
  Int128 saved_position_ = 0;
  Int128 saved_allocated_ = 0;
  bool is_saved_ = false;
};

// Writes a value into an integer column, truncated to its width.
void store_sequence_value(Int128 value, MutableBytes column);

}  // namespace worldline::storage
