// storage/log/checkpoint_store.h
//
// The checkpoint database: per group a few manifests and the pages they name by content hash, so a
// page that did not change is stored once however many checkpoints contain it [S 08/4.9].
//
// Invariants: a manifest is found only whole (it carries its own hash); a page is returned only if
// its bytes have the hash of its name. A manifest marked pending names a checkpoint that is being
// written or deleted; its pages are swept at the next start.
// Thread: writes from one thread at a time, but destroy_group() may run beside a checkpoint of
//   another group; reads from any.
// Errors: kCorruption for bad hashes or missing pages, kNotFound for a missing manifest, kIoError.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "storage/checkpoint_source.h"
#include "storage/log/key_value_store.h"
#include "storage/log/log_types.h"

namespace worldline::storage {

// The first half of BLAKE3: nobody can make a page that passes for another one [S 08/3.8].
Digest128 content_hash(Bytes bytes);

// Any order of hashes, the same everywhere.
struct ByHash {
  bool operator()(const Digest128& a, const Digest128& b) const {
    return a.high != b.high ? a.high < b.high : a.low < b.low;
  }
};

// A checkpoint: where it was cut, and what it holds.
struct Checkpoint {
  CheckpointId id;
  LogIndex index;     // Applied index of the state.
  Term term;          // Of the entry at `index`.
  Chain chain;        // At `index`.
  ByteBuffer config;  // Members as of `index`.
  uint64_t cluster_time_ns = 0;
  Timestamp last_timestamp;
  uint64_t page_bytes = 0;             // Sum over all pages, for the trigger.
  CheckpointManifest state;            // Tables, pages, offset, digest.
  std::vector<Digest128> page_hashes;  // Of state's pages, table by table, in order.
  Digest128 manifest_hash;             // Of the stored manifest; set by store and load.
};

ByteBuffer encode_checkpoint(const Checkpoint& checkpoint);
Result<Checkpoint> decode_checkpoint(Bytes bytes);

class CheckpointStore {
 public:
  explicit CheckpointStore(std::unique_ptr<KeyValueStore> database);

  // Ids with a whole manifest, newest first; pending ones are left out.
  Result<std::vector<CheckpointId>> list(GroupId group) const;
  Result<Checkpoint> load_manifest(GroupId group, CheckpointId id) const;
  Result<ByteBuffer> load_page(GroupId group, const Digest128& hash) const;
  // As it is stored, to be sent to another replica; its hash is checked by who decodes it.
  Result<ByteBuffer> load_manifest_bytes(GroupId group, CheckpointId id) const;

  // Which of these pages are there, and whole. Reads them.
  Result<std::vector<bool>> find_pages(GroupId group, std::span<const Digest128> hashes) const;

  // Writing one checkpoint: begin, add_page..., commit. Nothing is durable before commit returns.
  // After a failure begin() first tries to make the database take writes again.
  Status begin(GroupId group, CheckpointId id);
  Status add_page(GroupId group, const Digest128& hash, Bytes image);
  Status flush_pages();                   // Makes the pages added so far readable.
  Status commit(Checkpoint& checkpoint);  // Sets manifest_hash.

  // Puts a page, fetched from a peer, in the place of one that load_page() refused; durable at
  // return. kInvalidArgument if it is not the page of that name.
  Status repair_page(GroupId group, const Digest128& hash, Bytes image);

  // Deletes `doomed` with the pages that none of `kept` names.
  Status remove(const Checkpoint& doomed, std::span<const Checkpoint* const> kept);
  // Removes what crashes left behind: pending checkpoints, manifests not in `kept`, and, if there
  // were any, pages that no kept one names. Cheap when there is nothing to do.
  Status sweep(GroupId group, std::span<const Checkpoint* const> kept);
  Status destroy_group(GroupId group);

 private:
  Status flush(Sync sync);
  Status sync_all();
  Status note(Status status);

  std::unique_ptr<KeyValueStore> database_;
  std::unique_ptr<WriteBatch> batch_;
  size_t batch_bytes_ = 0;
  bool has_failed_ = false;  // The database refuses writes until it is resumed.
};

}  // namespace worldline::storage
