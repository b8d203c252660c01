// storage/log/memory_disk.h
//
// A KeyValueStore in memory that can lose what was not synced and fail on order, for tests and the
// simulator. A MemoryDisk outlives the stores opened on it, as a disk outlives a process.
//
// Invariants: after crash() the state is that of a prefix of the batches, at least to the last
// sync. Thread: not thread-safe but for one writer beside readers that the test keeps apart. Usage:
// disk = std::make_shared<MemoryDisk>(); store = disk->open(); ...; disk->crash(rng);
//   store = disk->open();
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "storage/log/key_value_store.h"
#include "storage/log/memory_image.h"

namespace worldline::storage {

class MemoryDisk : public std::enable_shared_from_this<MemoryDisk> {
 public:
  using Table = MemoryTable;
  using Image = MemoryImage;

  // Faults, counted over writes (batches) from the moment they are set. 0 = none.
  struct Faults {
    uint64_t fail_write = 0;  // The n-th write fails and is not stored.
    uint64_t lose_write = 0;  // The n-th write fails, but part of the disk has it (unsynced).
  };

  std::unique_ptr<KeyValueStore> open();
  void set_faults(const Faults& faults);

  // Power loss: unsynced batches survive up to a random point; older stores become unusable.
  void crash(Prng& rng);
  // Process death: nothing written is lost, but nothing unsynced is durable either.
  void kill();

  // For damage by hand.
  Table& table(Family family) { return current_[static_cast<size_t>(family)]; }
  uint64_t writes() const { return writes_; }
  uint64_t syncs() const { return syncs_; }

 private:
  friend class MemoryStore;
  using Batch = MemoryOperations;

  Status write(const Batch& batch, Sync sync, uint64_t life);
  Status sync(uint64_t life);
  Status resume(uint64_t life);
  Status drop_files(Family family, Bytes first, Bytes end, uint64_t life) const;

  Image current_;                // What readers see.
  Image durable_;                // What a crash surely leaves.
  std::vector<Batch> unsynced_;  // INVARIANT: durable_ + unsynced_ = current_, damage aside.
  Faults faults_;
  uint64_t writes_since_faults_ = 0;
  uint64_t writes_ = 0;
  uint64_t syncs_ = 0;
  uint64_t life_ = 1;  // Raised by crash() and kill(): stores of an older life are refused.
  bool failed_ = false;
};

}  // namespace worldline::storage
