// tests/storage_log/disk_image.h
//
// DiskImage is a file system in memory with its two sides: what the kernel shows to the process and
// what the disk would have after a power loss. Every operation can fail on order, and the process
// can be stopped at any of them [S 08/6.2].
//
// Model: appends and truncations reach the disk by sync() of the file; creating, renaming and
// removing by sync_directory(), in order. A failed sync loses what it should have written although
// the kernel still shows it and a later sync succeeds. After stop_at the process is gone: nothing
// works until crash().
// Ownership: files are shared with open handles of any life; those of an older life are dead.
// Thread: any; one mutex. Units: bytes; sectors of 512 B.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"

namespace worldline::storage {

class DiskImage {
 public:
  enum class Outcome : uint8_t { kOk, kIoError, kNoSpace, kNotFound };

  // Counted over operations of their kind from the moment they are set, from 1; 0 = none.
  struct Faults {
    uint64_t stop_at = 0;        // Of all operations: the process ends in the middle of this one.
    uint64_t fail_append = 0;    // Nothing of it is written.
    uint64_t no_space_from = 0;  // This append and all after it: half of the first is written.
    uint64_t fail_sync = 0;      // The kernel drops the pages and forgets.
    std::string only = {};       // Failing appends and syncs count only on files ending in this.
  };
  void set_faults(const Faults& faults);
  uint64_t operations() const;  // Changing ones, since set_faults() or crash().
  bool is_stopped() const;

  enum class Loss : uint8_t {
    kNothing,   // The process was killed: the kernel still has everything.
    kUnsynced,  // Power loss: exactly what was synced remains.
    kTail,      // Of unsynced changes a prefix remains, to the byte.
    kSectors,   // As kTail, but of write-ahead logs any unsynced sectors, in any order.
  };
  void crash(Loss loss, Prng& rng);

  // --- What a process does ----------------------------------------------------------------------
  struct File;
  using FilePtr = std::shared_ptr<File>;
  struct Handle {
    FilePtr file;
    uint64_t life = 0;
    std::string path;
  };
  Outcome create(const std::string& path, Handle& out);  // Empties an existing one.
  Outcome open(const std::string& path, Handle& out);
  Outcome append(const Handle& handle, std::string_view data);
  Outcome truncate(const Handle& handle, uint64_t size);
  Outcome sync(const Handle& handle);
  Outcome drop_cache(const Handle& handle);  // Unless it is dirty.
  Outcome read(const Handle& handle, uint64_t offset, size_t count, char* to, size_t& got);
  Outcome size(const std::string& path, uint64_t& out);
  Outcome rename(const std::string& from, const std::string& to);
  Outcome remove(const std::string& path);
  Outcome sync_directory();
  void make_directory(const std::string& path);  // Durable at once.
  bool is_directory(const std::string& path) const;
  bool exists(const std::string& path) const;
  std::vector<std::string> children(const std::string& directory) const;
  bool lock(const std::string& path);  // False: held in this life.
  void unlock(const std::string& path);

  // --- Damage by hand, on both sides ------------------------------------------------------------
  // The newest file of a directory with this ending, as a path; empty if there is none.
  std::string newest(const std::string& directory, std::string_view ending) const;
  std::string content(const std::string& path) const;  // As the kernel shows it.
  void set_content(const std::string& path, std::string content);
  std::shared_ptr<DiskImage> clone() const;  // As after Loss::kNothing.

 private:
  struct Change;              // Of names.
  bool begin(uint64_t life);  // Counts an operation; false: the process is gone.
  bool is_due(uint64_t& counter, uint64_t at, const std::string& path) const;
  bool stops_now() const { return operations_ == faults_.stop_at; }

  mutable std::mutex mutex_;
  Faults faults_;
  uint64_t operations_ = 0;
  uint64_t appends_ = 0;
  uint64_t syncs_ = 0;
  uint64_t life_ = 1;
  bool stopped_ = false;
  std::map<std::string, FilePtr> names_;       // As the process sees them.
  std::map<std::string, FilePtr> disk_names_;  // As the disk has them.
  std::vector<Change> changes_;                // INVARIANT: disk_names_ + changes_ = names_.
  std::set<std::string> directories_;
  std::set<std::string> locks_;
};

struct DiskImage::File {
  struct Edit {
    uint64_t offset;
    std::string data;
    bool truncates;
  };
  std::string cache;           // As the process sees it.
  std::string disk;            // As the disk has it.
  std::vector<Edit> unsynced;  // On the way from one to the other.
};

struct DiskImage::Change {
  enum class Kind : uint8_t { kAdd, kRename, kRemove } kind;
  std::string path;
  std::string to;  // Of a renaming.
  FilePtr file;    // Of an addition.
};

}  // namespace worldline::storage
