// tests/storage_log/store_disks.h
//
// The disks on which the shared suite of the stores runs: MemoryDisk, as used by the simulator, and
// RocksDB on a DiskImage. Both count operations, stop the process at any of them and crash.
//
// Ownership: a disk outlives the stores opened on it; those of before a crash are closed first.
// Thread: one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/prng.h"
#include "storage/log/key_value_store.h"
#include "storage/rocksdb/rocksdb_store.h"
#include "tests/storage_log/disk_image.h"

namespace worldline::storage {

class StoreDisk {
 public:
  virtual ~StoreDisk() = default;
  virtual Result<std::unique_ptr<KeyValueStore>> open(DatabaseRole role) = 0;
  // The n-th operation from now, and all after it, fail; 0 = none. Restarts the count.
  virtual void stop_at(uint64_t operation) = 0;
  virtual uint64_t operations() const = 0;
  virtual void crash(Prng& rng) = 0;
};

std::unique_ptr<StoreDisk> make_memory_disk();

// `memtable_bytes`: small ones bring flushes and compactions into the history. `image` is what the
// files lie on; null: a new one.
std::unique_ptr<StoreDisk> make_rocksdb_disk(size_t memtable_bytes,
                                             std::shared_ptr<DiskImage> image = nullptr);

struct DiskKind {
  const char* name;
  std::unique_ptr<StoreDisk> (*make)();
};
// All operations of the first two are those of one thread, so a seed repeats a run exactly.
inline constexpr DiskKind kDiskKinds[] = {
    {"MemoryDisk", [] { return make_memory_disk(); }},
    {"Rocksdb", [] { return make_rocksdb_disk(64 * 1024 * 1024); }},
    {"RocksdbThatFlushes", [] { return make_rocksdb_disk(64 * 1024); }},
};

}  // namespace worldline::storage
