// tests/simulation/sector_disk.h
//
// SectorDisk: a key-value store in memory whose writes pass through a journal of bytes on sectors
// of 512, as they do in a real one. A SectorDisk outlives the stores opened on it, as a disk
// outlives a process; what an open store reads is memory until the next recover().
//
// After a power failure each sector of the write that was under way is there or not; after a
// damage at rest any sector may be anything. recover() reads the journal back and judges it as a
// real node does [S 08/3.7]: what is incomplete with nothing valid behind it was a torn write and
// is cut; what is damaged with something valid behind it may have been acknowledged: kCorruption.
//
// Invariants: a record counts whole or not at all. Every synced record is in base or journal.
// Ownership: shared by the disk's owner and the stores on it; one thread. Units: bytes, records.
// Errors: kIoError after a failed write until the next life; kCorruption as above.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/log/key_value_store.h"
#include "storage/log/memory_image.h"
#include "tests/simulation/chance.h"

namespace worldline::simulation {

class SectorDisk : public std::enable_shared_from_this<SectorDisk> {
 public:
  using Table = storage::MemoryTable;
  using Image = storage::MemoryImage;
  using Operation = storage::MemoryOperation;
  using Batch = storage::MemoryOperations;

  // What becomes of the next write.
  enum class NextWrite : uint8_t {
    kSound,
    kRefused,   // It fails and is not stored.
    kUnsynced,  // It fails, but is written; whether it stays is decided by the next power failure.
    kTorn,      // It fails with the power: of its sectors each is there or not.
  };
  // What recover() would find.
  enum class Verdict : uint8_t { kWhole, kTornTail, kDamaged };

  std::unique_ptr<storage::KeyValueStore> open();
  // Reads the journal back. REQUIRES: no store of this life is open.
  Status recover();
  // The tear of a torn write is drawn from `tears`, which is borrowed until the next write.
  void set_next_write(NextWrite next, Chance* tears = nullptr);

  // Power loss: unsynced records survive up to a random one; older stores become unusable.
  void crash(Prng& rng);
  // Process death: nothing written is lost.
  void kill();

  // --- Damage at rest ----------------------------------------------------------------------------
  // Rows behind the journal, after a flush, for damage by hand; null if the disk is in no state for
  // it. Readers of the running life see the damage after show_rows().
  Table* rows_at_rest(storage::Family family);
  void show_rows() { current_ = base_; }
  // Spoils one sector of the journal that was synced. The old bytes are kept for undo_damage().
  Verdict spoil_sector(Chance& chance);
  // The last whole record of the journal becomes unreadable; false if the journal is empty.
  bool spoil_last_record(Chance& chance);
  void undo_damage();
  // Keeps what was read before a damage, so that a mark can be written behind it.
  void set_damage_aside();

  bool last_write_survived() const { return last_write_survived_; }
  uint64_t torn_tails() const { return torn_tails_; }

 private:
  friend class SectorStore;
  struct Found {
    std::vector<Batch> batches;
    size_t end = 0;  // Of the last good record.
    Verdict verdict = Verdict::kWhole;
  };

  Status write(const Batch& batch, storage::Sync sync, uint64_t life);
  Status sync(uint64_t life);
  void flush();
  const Table& table(storage::Family family) const { return current_[static_cast<size_t>(family)]; }
  void tear(size_t from);
  Found scan() const;
  bool finds_record_behind(size_t from, uint64_t sequence) const;
  std::optional<Batch> record_at(size_t at, uint64_t sequence, size_t& end) const;

  Image base_;           // Flushed; the journal goes on from here.
  Image current_;        // What readers see.
  std::string journal_;  // Bytes on the disk.
  std::string undamaged_;
  uint64_t base_sequence_ = 0;    // Of the first record of the journal.
  uint64_t sequence_ = 0;         // Of the next record.
  std::vector<size_t> unsynced_;  // Where the records begin that were not synced.
  NextWrite next_ = NextWrite::kSound;
  Chance* tears_ = nullptr;
  bool last_write_survived_ = true;
  uint64_t torn_tails_ = 0;
  uint64_t life_ = 1;  // Raised by crash() and kill(): stores of an older life are refused.
  bool failed_ = false;
};

}  // namespace worldline::simulation
