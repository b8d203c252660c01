// storage/snapshot.h
//
// Snapshot: an immutable, consistent state of the whole database, pinned in O(1). It serves
// checkpoints, initial subscription rows, joins and SQL without stopping the writer.
//
// Invariants: never changes. While it lives, the writer's first change of each shared page or index
// node clones that one; so do not hold one for a reader that does not exist [architecture 4].
// Ownership: shared_ptr<const Snapshot>. Thread: may be read and released on any thread.
#pragma once

#include <memory>

#include "storage/read_view.h"

namespace worldline::storage {

class Snapshot final : public ReadView {
 public:
  ~Snapshot() override;

  TxOffset next_offset() const override;
  Digest128 digest() const;  // As DatabaseState::digest() at the time of pinning. O(tables).
  uint64_t version() const;  // Pages with a larger version were changed after this was pinned.
  GroupId group() const;

  const DatabaseRoot& root() const { return *root_; }  // For this room only.

 private:
  friend class DatabaseState;
  explicit Snapshot(const DatabaseRoot* root);  // Takes over one reference.
  const Catalog& catalog() const override;
  const TableView* table_at(uint32_t position) const override;

  const DatabaseRoot* const root_;  // Counted.
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace worldline::storage
