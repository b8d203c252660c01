// storage/log/key_value_store.h
//
// What the log and checkpoint databases ask of the disk: ordered families of keys, atomic batches,
// a sync. RocksDB implements it in storage/rocksdb, MemoryDisk in memory with faults for tests; all
// rules of the log live above it, so both run the same code.
//
// Contract: batches become durable in the order they were applied; after a crash the stored state
//   is that of a prefix of them which includes every batch applied with Sync::kYes (or before one).
// Thread: apply() and sync() from any over RocksDB, batches each of one thread; MemoryDisk from one
//   thread at a time. get() and scan() from any.
// Errors: kIoError for the disk, kCorruption for damaged stored bytes. After a failed write the
//   store refuses all later writes; nothing is retried [S 08/3.12]. Only a checkpoint database may
//   resume().
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/status.h"

namespace worldline::storage {

// Names on disk in lower case without the k: log, hard, node, tomb; manifest, page.
enum class Family : uint8_t { kLog, kHard, kNode, kTomb, kManifest, kPage };
inline constexpr size_t kFamilyCount = 6;

enum class Sync : uint8_t { kNo, kYes };

// One atomic batch under construction; reusable after clear().
class WriteBatch {
 public:
  virtual ~WriteBatch() = default;
  virtual void put(Family family, Bytes key, Bytes value) = 0;
  virtual void put(Family family, Bytes key, Bytes value_head, Bytes value_rest) = 0;
  virtual void remove(Family family, Bytes key) = 0;
  virtual void remove_range(Family family, Bytes first, Bytes end) = 0;  // [first, end).
  virtual void clear() = 0;
};

// Walks keys in ascending order. Borrowed views live until the next call.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual bool next() = 0;  // False at the end or on an error: ask status().
  virtual Bytes key() const = 0;
  virtual Bytes value() const = 0;
  virtual Status status() const = 0;
};

class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;

  virtual std::unique_ptr<WriteBatch> new_batch() = 0;
  // REQUIRES: `batch` came from new_batch() of this store.
  virtual Status apply(WriteBatch& batch, Sync sync) = 0;
  // Makes everything applied before durable.
  virtual Status sync() = 0;
  // Takes writes again after a failed one; what was not durable then may be there or not. For
  // checkpoints only: kFailedPrecondition for the log. kIoError if the disk still fails.
  virtual Status resume() = 0;
  // Gives files back to the disk that hold nothing but keys of [first, end). Best effort.
  // REQUIRES: a durable remove_range reaches from at most `first` beyond `end`, and no key between
  // was written since. (A file may hold an older removal that still hides keys of another file.)
  virtual Status drop_files(Family family, Bytes first, Bytes end) = 0;

  virtual Result<std::optional<ByteBuffer>> get(Family family, Bytes key) const = 0;
  virtual std::unique_ptr<Cursor> scan(Family family, Bytes first, Bytes end) const = 0;  // [ )
};

}  // namespace worldline::storage
