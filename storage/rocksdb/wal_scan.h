// storage/rocksdb/wal_scan.h
//
// Tells a write that a crash tore from damage to writes that were synced, by reading RocksDB's
// write-ahead logs before RocksDB does [S 08/3.7]. RocksDB alone would refuse a torn last write
// whose length is right but whose bytes are not, and skip in silence a stretch of zeros in the
// middle.
//
// The idea: every write of ours is one logical record and is synced before the next one begins. So
// an unsynced write can only be the last record, and its remains are never followed by the
// beginning of another one. Damage with a valid beginning (FULL or FIRST) behind it is a loss. And
// a sector of an unsynced write is either as it was written or zeros, because files here only grow:
// a header that no writer makes, or bytes behind the end that a header within one sector tells, are
// no remains of a crash.
//
// Format: blocks of 32 KiB; a record has a header of 7 bytes (masked CRC-32C of type and payload,
// payload length u16, type u8) and lies within a block; types FULL 1, FIRST 2, MIDDLE 3, LAST 4. A
// block's last bytes, if less than a header, are zeros. The manifest has the same format.
// Thread: a value of its user. Units: bytes. Sources: RocksDB's wiki, "Write Ahead Log File
// Format".
//   WalScan scan; for (file...) { scan.begin_file(n); for (block...) scan.add_block(bytes); }
//   switch (scan.finish()) ...
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace worldline::storage {

enum class WalState : uint8_t {
  kWhole,    // Nothing to do, or nothing we understand: RocksDB judges.
  kTorn,     // Cut the file of keep() there; what is lost was never synced.
  kDamaged,  // Synced writes are lost or unreadable: nothing may be cut.
};

class WalScan {
 public:
  static constexpr size_t kBlockBytes = 32 * 1024;

  struct Place {
    uint64_t file = 0;
    uint64_t offset = 0;
  };

  // Files in the order they were written.
  void begin_file(uint64_t number);
  // The next block of the file. REQUIRES: all but the file's last have kBlockBytes.
  void add_block(Bytes block);
  WalState finish();

  Place keep() const { return keep_; }  // REQUIRES: kTorn.
  const std::string& reason() const { return reason_; }

 private:
  void parse(Bytes block);
  void finish_file();
  void damage(const char* what, uint64_t offset);
  void add_remains(Bytes block);
  void judge_remains(Bytes block, size_t at);
  void search(Bytes block, size_t from);
  void lose(const std::string& why);

  uint64_t file_ = 0;
  uint64_t block_offset_ = 0;    // Of the current block in its file.
  uint64_t good_end_ = 0;        // In the current file: behind the last whole logical record.
  bool in_fragments_ = false;    // A FIRST waits for its LAST.
  bool is_foreign_ = false;      // A record type of another version.
  bool is_lost_ = false;         // What is damaged was synced.
  bool has_end_ = false;         // The torn record ended: all behind it must be zeros.
  bool has_more_ = false;        // The torn record goes on at the next block.
  std::optional<Place> damage_;  // The first.
  Place keep_;
  std::string reason_;
};

}  // namespace worldline::storage
