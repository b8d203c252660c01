// storage/rocksdb/rocksdb_store.h
//
// KeyValueStore on RocksDB, with the settings the log's guarantees rest on [S 08/3.6]. The only
// place that knows RocksDB.
//
// Damage of a block takes no more than what reads it: others write on, their files unmerged.
//
// Thread: see KeyValueStore. Ownership: handles and database are closed by the destructor, in the
//   order RocksDB asks for. Errors: kIoError, kCorruption (also for a log damaged in the middle:
//   the database then does not open), kNotSupported.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "storage/log/key_value_store.h"

namespace rocksdb {
class Env;
}

namespace worldline::storage {

enum class DatabaseRole : uint8_t {
  kLog,         // Families log, hard, node, tomb; small values, synced writes.
  kCheckpoint,  // Families manifest, page; bulk writes, synced at the end.
};

struct RocksdbOptions {
  DatabaseRole role = DatabaseRole::kLog;
  std::string path;
  size_t memtable_bytes = 64 * 1024 * 1024;  // Per family log; the others are small.
  // What a crash had left and what was done about it, and damage that a merge of files met, for the
  // log of the node. Called while opening and writing.
  std::function<void(const std::string&)> on_note = nullptr;
  rocksdb::Env* env = nullptr;  // Borrowed; outlives the store. Null: the machine's files.
};

// Opens or creates. First the write-ahead log is read from the disk itself, not from what a killed
// process left in memory, and a torn last write is cut (torn_files.h) [S 08/3.7 step 2].
Result<std::unique_ptr<KeyValueStore>> open_rocksdb(const RocksdbOptions& options);

}  // namespace worldline::storage
