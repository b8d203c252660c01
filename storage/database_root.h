// storage/database_root.h
//
// DatabaseRoot: the top of one version of the database: its tables by position, its catalog and its
// next offset. Pinning a snapshot is adding one reference to it.
//
// Invariants: as of the end of a transaction whenever it is shared. Ownership: intrusive count.
// Thread: shared roots any; changed by the writer only if unshared.
#pragma once

#include <memory>
#include <span>

#include "storage/catalog.h"
#include "storage/cow_vector.h"
#include "storage/table_record.h"

namespace worldline::storage {

struct DatabaseRoot {
  DatabaseRoot() = default;
  explicit DatabaseRoot(const DatabaseRoot* other)
      : group(other->group),
        version(other->version),
        next_offset(other->next_offset),
        catalog(other->catalog),
        tables(other->tables) {}
  DatabaseRoot(const DatabaseRoot&) = delete;
  DatabaseRoot& operator=(const DatabaseRoot&) = delete;

  void add_ref() const { refs.add(); }
  void release() const {
    if (refs.release()) const std::unique_ptr<const DatabaseRoot> owned(this);
  }

  mutable RefCount refs;
  GroupId group;
  uint64_t version = 0;  // Of the pin that froze it.
  TxOffset next_offset;
  std::shared_ptr<const Catalog> catalog;
  CowVector<TableRecord> tables;
};

// The digest of a state: a hash over (table id, table digest) in id order [S 08/4.8].
Digest128 digest_of_state(const DatabaseRoot& root, const Catalog& catalog);

// What it is made of: the digests of the stored tables, ascending by id.
struct TableDigest {
  uint64_t table = 0;
  Digest128 digest;
};
Digest128 digest_of_tables(GroupId group, std::span<const TableDigest> tables);

}  // namespace worldline::storage
